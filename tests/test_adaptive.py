import dataclasses

import numpy as np
import pytest

from hdsemg_nb import metrics, train
from hdsemg_nb.cbss import AdaptiveFilter, AdaptiveStream, MotorUnitFilter, adaptive_stream
from hdsemg_nb.cbss.covariance import extended_covariance, lag_products
from hdsemg_nb.cbss.moves import move_matrices
from hdsemg_nb.cbss.strayed import strayed, together
from hdsemg_nb.decoders import ADAPTIVE, Run
from hdsemg_nb.discharges import match_discharges


@pytest.fixture
def half(planted):
    """Fitted to the first half of the signal, and that half."""
    mask = np.arange(planted.n_samples) < planted.n_samples // 2
    return AdaptiveFilter().fit(planted, mask), mask


def f1(recording, found, first=8192):
    counts = [
        match_discharges(a[a >= first], np.asarray(b)[np.asarray(b) >= first], recording.fs)
        for a, b in zip(recording.discharges, found, strict=True)
    ]
    return metrics.scores(*np.transpose(counts)).f1


def streamed(stream, emg, size):
    found = [stream.push(emg[:, k : k + size]) for k in range(0, emg.shape[1], size)]
    return [np.concatenate(times) for times in zip(*found, strict=True)]


def noisy(emg, sd):
    return emg + np.random.default_rng(3).normal(0, sd, emg.shape).astype(np.float32)


def test_follows_noise_that_the_filter_of_the_training_does_not(planted, half):
    emg = noisy(planted.emg, 12)
    fixed = f1(planted, MotorUnitFilter().fit(planted, half[1]).decode(emg))
    adaptive = f1(planted, half[0].decode(emg))
    assert adaptive.mean() > 0.85 > 0.5 > fixed.mean(), (adaptive, fixed)


def test_signal_that_does_not_change_is_decoded_as_by_the_filter(planted, half):
    assert f1(planted, half[0].decode(planted.emg)).min() > 0.97


def test_dead_channels_are_left_out(planted, half):
    emg = planted.emg.copy()
    emg[[2, 5, 9]] = 7
    adapted = half[0].adapt(emg)
    assert np.flatnonzero(~adapted.live).tolist() == [2, 5, 9]
    assert not adapted.filter.weights_[:, [2, 5, 9]].any()
    assert f1(planted, adapted.filter.decode(emg)).min() > 0.95
    with pytest.raises(ValueError, match="every channel that the filters use is dead"):
        half[0].decode(0 * emg)


def test_filters_have_the_output_one_at_their_action_potential(planted, half):
    adapted = half[0].adapt(planted.emg)
    np.testing.assert_allclose((adapted.filter.weights_ * adapted.averages).sum(axis=(1, 2)), 1)


def test_covariance_is_the_mean_of_both_by_their_seconds(planted, half):
    fitted, mask = half
    emg = (planted.emg - fitted.mean_)[:, ~mask]
    live = np.ones(16, bool)
    found = fitted.covariance(lag_products(emg, 16), emg.shape[1], live)  # 4 s beside 5 s
    own = lag_products(emg, 16) / emg.shape[1]
    expected = extended_covariance(own * 4 / 9 + fitted.products_ * 5 / 9)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def reshaped(planted, share):
    """The signal with every action potential on its way to one of another place."""
    return (1 - share) * planted.emg + share * np.roll(planted.emg, 1, axis=0)


def test_action_potentials_are_followed_and_the_training_is_kept(planted, half):
    fitted, before = half[0], half[0].averages_.copy()
    adapted = fitted.adapt(reshaped(planted, 0.3))
    assert (
        not adapted.lost.any()
        and f1(planted, adapted.filter.decode(reshaped(planted, 0.3))).min() > 0.95
    )
    assert np.linalg.norm(adapted.averages - before, axis=(1, 2)).min() > 1
    np.testing.assert_array_equal(fitted.averages_, before)


def test_a_silent_unit_is_lost_and_decodes_next_to_nothing(planted, half):
    noise = (
        np.random.default_rng(0).normal(0, 3, planted.emg.shape).astype(np.float32)
    )  # that between discharges
    adapted = half[0].adapt(noise)
    assert adapted.lost.all() and sum(map(len, adapted.filter.decode(noise))) < 5


@pytest.mark.parametrize("adapting", [False, True])
def test_a_stream_is_the_same_whatever_the_chunks(planted, half, adapting):
    emg = noisy(np.concatenate([planted.emg, planted.emg], axis=1), 5)
    one, other = (streamed(AdaptiveStream(half[0], adapting), emg, size) for size in (64, 4999))
    for a, b in zip(one, other, strict=True):
        assert len(a) > 50
        np.testing.assert_array_equal(a, b)


def test_a_stream_that_does_not_adapt_is_the_filter(planted, half):
    found = streamed(AdaptiveStream(half[0], adapting=False), planted.emg, 100)
    for ours, times in zip(
        found, MotorUnitFilter().fit(planted, half[1]).decode(planted.emg), strict=True
    ):
        times = times[times < planted.n_samples - 60]
        assert len(set(times) ^ set(ours[ours < planted.n_samples - 60])) <= 1


def test_a_stream_follows_and_comes_back(planted, half):
    stream = AdaptiveStream(half[0])
    way = np.concatenate([np.linspace(0, 0.5, 6), np.linspace(0.5, 0, 6)])
    for share in way:
        found = streamed(stream, reshaped(planted, np.float32(share)), 512)
        assert not stream.now.lost.any()
    first = stream.n_samples - planted.n_samples
    assert f1(planted, [times - first for times in found]).min() > 0.95
    stream.reset()
    assert stream.n_samples == 0 and (stream.now.averages == half[0].averages_).all()


@pytest.mark.parametrize("at", [21000, 22000])  # while filters are made beside, and after
def test_a_stream_is_reset(planted, half, at):
    before = np.tile(reshaped(planted, np.float32(0.2)), 2)[:, :at]
    stream = AdaptiveStream(half[0])
    streamed(stream, before, 700)
    assert not np.array_equal(stream.now.averages, half[0].averages_)
    stream.reset()
    again, fresh = (streamed(one, before, 700) for one in (stream, AdaptiveStream(half[0])))
    for a, b in zip(again, fresh, strict=True):
        assert len(a) > 30
        np.testing.assert_array_equal(a, b)


def test_new_filters_are_used_half_a_second_after_the_end_of_their_period(planted, half):
    stream, emg = AdaptiveStream(half[0]), np.tile(planted.emg, 2)
    period, delay = 5 * 2048, 1024
    stream.push(emg[:, : period + delay - 1])
    before = stream.now
    stream.push(emg[:, period + delay - 1 : period + delay])
    assert (before.averages == half[0].averages_).all() and stream.now is not before
    stream.push(emg[:, period + delay : 2 * period + delay - 1])
    assert stream.n_samples == 2 * period + delay - 1 and stream._coming is not None


def test_units_that_discharge_together_are_told_from_those_that_do_not(planted):
    a, b, c = planted.discharges
    late = np.sort(np.concatenate([a[:-20] + 14, c[:5]]))  # 7 ms later, few of another
    found = together([a, b, late, np.empty(0, np.int64)], planted.n_samples, planted.fs)
    assert np.argwhere(found).tolist() == [[0, 2], [2, 0]]
    assert not together([a, a + 60], planted.n_samples, planted.fs).any()  # 29 ms are too far


def test_a_unit_that_follows_another_goes_back_to_the_training(planted, half):
    stream, emg = AdaptiveStream(half[0]), np.tile(planted.emg, 2)
    astray = half[0].averages_.copy()
    astray[0] = astray[1]
    stream.now = dataclasses.replace(stream.now, averages=astray)
    streamed(stream, emg[:, : 10240 + 2048], 512)
    now = stream.now
    assert not now.lost.any()
    for one, other in zip(now.averages, half[0].averages_, strict=True):
        assert (one * other).sum() > 0.95 * np.linalg.norm(one) * np.linalg.norm(other)


def test_together_is_told_by_the_training_samples_alone(planted):
    first, second, *others = planted.discharges
    half = planted.n_samples // 2
    early, late = first[first < half], first[first >= half]
    units = [first, np.sort(np.concatenate([second[second < half], late])), *others]
    training = np.arange(planted.n_samples) < half
    whole = dataclasses.replace(planted, discharges=units)
    assert not AdaptiveFilter().fit(whole, training).together_.any()
    assert AdaptiveFilter().fit(whole, ~training).together_[0, 1]
    assert len(early) > 20


def test_units_that_were_labelled_together_stay_so(planted):
    trains = [*planted.discharges, planted.discharges[0]]
    twice = dataclasses.replace(planted, discharges=trains, pnr=None)
    adaptive = AdaptiveFilter().fit(twice)
    assert np.argwhere(adaptive.together_).tolist() == [[0, 3], [3, 0]]
    assert not strayed(adaptive, adaptive.adapt(planted.emg), planted.n_samples).any()


def test_a_channel_that_dies_in_a_stream_is_left_out_at_once(planted, half):
    stream, emg = AdaptiveStream(half[0]), np.tile(planted.emg, 2)
    streamed(stream, emg[:, :12000], 200)
    emg[3] = 0
    streamed(stream, emg[:, 12000:12400], 200)
    assert not stream.now.live[3] and stream.now.live.sum() == 15
    assert not stream.now.filter.weights_[:, 3].any()


def recall(recording, found, first, last):
    """Share of the discharges between two samples that were found within a millisecond."""
    pairs = zip(recording.discharges, found, strict=True)
    inside = [(a[(a >= first) & (a < last)], b) for a, b in pairs]
    return np.mean(
        [(np.abs(a[:, None] - b).min(axis=1, initial=99) <= 2).mean() for a, b in inside]
    )


@pytest.mark.parametrize("size", [3, 8])
def test_a_burst_on_all_channels_is_not_adapted_to(planted, half, size):
    emg = np.tile(planted.emg, 2)
    emg[:, 9000:9300] *= size
    found = streamed(AdaptiveStream(half[0]), emg, 200)
    assert recall(planted, found, 9500, planted.n_samples - 60) > 0.97
    assert recall(planted, half[0].decode(emg[:, : planted.n_samples]), 9500, 16000) > 0.97


@pytest.mark.parametrize("rest", [0, 10000])
def test_a_burst_is_left_out_and_a_stronger_contraction_is_not(planted, half, rest):
    emg = planted.emg.copy()
    emg[3, :rest] = 0  # one channel, for most of the training: there is nothing to compare with
    half[0].fit(dataclasses.replace(planted, emg=emg))
    emg[:, 9000:9300] *= 12
    cleaned, kept = half[0].without_artefacts(emg, half[0].sound)
    np.testing.assert_array_equal(kept, (cleaned == emg).all(axis=0))
    assert not kept[9000:9300].any() and kept[:8900].all() and kept[9400:].all()
    assert half[0].without_artefacts(12 * planted.emg, half[0].sound)[1].all()


@pytest.mark.parametrize("at", [0, 3000])
def test_channels_that_die_before_the_first_adaptation_are_left_out(planted, half, at):
    emg = planted.emg.copy()
    emg[[1, 6, 11], at:] = 0
    stream = AdaptiveStream(half[0])
    found = streamed(stream, emg[:, :10000], 100)
    assert not stream.now.live[[1, 6, 11]].any() and recall(planted, found, at + 300, 9900) > 0.95


def test_a_state_of_another_training_is_refused(planted, half):
    other = AdaptiveStream(AdaptiveFilter().fit(planted))
    with pytest.raises(ValueError, match="state is of another training"):
        AdaptiveStream(half[0]).restore(other.state)


@pytest.mark.parametrize("kind", [MotorUnitFilter, AdaptiveFilter])
def test_a_signal_of_no_and_of_few_samples(planted, kind):
    fitted = kind().fit(planted)
    with pytest.raises(ValueError, match="emg holds no sample"):
        fitted.decode(planted.emg[:, :0])
    assert [len(times) for times in fitted.decode(planted.emg[:, :5])] == [0, 0, 0]


def test_a_signal_in_millivolts_is_refused(planted, half):
    with pytest.raises(ValueError, match="mV or V in place of uV"):
        half[0].adapt(planted.emg / 1000)
    stream = AdaptiveStream(half[0])
    stream.push(planted.emg[:, :30] / 1000)  # too few samples to tell
    with pytest.raises(ValueError, match="mV or V in place of uV"):
        stream.push(planted.emg[:, 30:40] / 1000)
    stream.push(planted.emg[:, 30:100])  # once it was as large as it should be it may rest
    stream.push(planted.emg[:, 100:400] / 1000)
    assert stream.n_samples == 400


def test_a_flickering_channel_is_left_out_until_it_is_sound_for_a_second(planted, half):
    stream, emg, at = AdaptiveStream(half[0]), np.tile(planted.emg, 2), 12000
    for first in range(at, at + 3000, 600):
        emg[3, first : first + 200] = 0
    used = {}
    for k in range(0, 18000, 100):
        stream.push(emg[:, k : k + 100])
        used[stream.n_samples] = bool(stream.now.live[3])
    changes = [n for n in used if n > 100 and used[n] != used[n - 100]]
    assert changes == [at + 200, at + 2600 + 2100]  # dead after 50 ms; a second after the last


def test_a_stream_refuses_what_cannot_be_right_and_goes_on(planted, half):
    stream = AdaptiveStream(half[0])
    for bad in (planted.emg[:5, :10], np.full((16, 10), np.nan), planted.emg[0]):
        with pytest.raises(ValueError, match=r"expected \(16, samples\)"):
            stream.push(bad)
    assert stream.n_samples == 0 and len(stream.push(planted.emg[:, :50])) == 3


def test_the_decoder_is_the_adaptive_filter(planted):
    run = Run(ADAPTIVE, 20, 20, split="blocked")
    result = train.cross_validate(planted, run, False)
    assert metrics.score_table(result.counts, ["fold"])["f1"].min() > 0.95


def test_moves_of_a_grid(planted):
    here, row = (move_matrices(planted.grid, (0, 1))[k] for k in (0, 2))
    np.testing.assert_allclose(here, np.eye(16))
    images = [planted.grid.image(one) for one in (planted.emg[:, 5], row @ planted.emg[:, 5])]
    np.testing.assert_allclose(images[1][1:], images[0][:-1], rtol=1e-5)


def test_units_under_a_moved_grid_are_found(planted, half):
    moved = move_matrices(planted.grid, (0, 1))[2].astype(np.float32) @ planted.emg
    moved += np.random.default_rng(0).normal(0, 0.1, moved.shape).astype(np.float32)  # no copies
    adapted = half[0].adapt(moved)
    assert adapted.lost.sum() == 0 and f1(planted, adapted.filter.decode(moved)).min() > 0.9
    half[0].grid_ = None
    assert half[0].adapt(moved).lost.sum() >= 2


def test_each_process_makes_its_filters_in_a_thread_of_its_own():
    beside = adaptive_stream._beside
    assert beside(1) is beside(1) is not beside(2)  # a forked process has lost the thread
