import tracemalloc

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from hdsemg_nb import latency, segment

NAN = np.float32(np.nan)


def probabilities(decisions):
    return np.array([d.probabilities for d in decisions])


def played(decoder, emg, **settings):
    return decoder.stream(2048, **settings).push(emg, 0)


@pytest.mark.parametrize("step", [3, 10, 50])  # below and above the window of 20
@pytest.mark.parametrize("seed", range(5))
def test_chunks_of_any_size_give_the_offline_result(seed, step, decoder, two_units, monkeypatch):
    monkeypatch.setattr(decoder, "step", step)
    emg, rng = two_units.emg[:, :1500], np.random.default_rng(seed)
    sizes = rng.integers(0, 8 ** rng.integers(1, 4), 1500)
    borders = np.minimum(np.cumsum(sizes), 1500)
    stream, decisions = decoder.stream(2048), []
    for chunk in np.split(emg, borders, axis=1):
        decisions += stream.push(chunk, stream.n_samples)
    starts = segment.window_starts(1500, 20, step)
    whole = [decoder.probabilities(w) for w in segment.windows(emg, starts, 20)]
    assert [d.start for d in decisions] == starts.tolist()
    np.testing.assert_array_equal(probabilities(decisions), whole)  # bit by bit
    assert not any(d.problem for d in decisions)


def test_memory_of_a_stream_does_not_grow(decoder, two_units):
    stream = decoder.stream(2048)
    stream.push(two_units.emg, 0)
    tracemalloc.start()
    for _ in range(5):
        stream.push(two_units.emg[:, :400], stream.n_samples)
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        stream.push(two_units.emg[:, :400], stream.n_samples)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000  # bytes; the 20 chunks hold half a million


def test_dropped_chunks_withhold_the_windows_they_touch(decoder, two_units):
    stream = decoder.stream(2048)
    decisions = stream.push(two_units.emg[:, :100], 0) + stream.push(two_units.emg[:, 130:600], 130)
    clean = played(decoder, two_units.emg[:, :600])
    assert [d.start for d in decisions] == [d.start for d in clean]  # none left out
    for d, expected in zip(decisions, clean, strict=True):
        touched = d.start < 130 and d.start + 20 > 100
        assert bool(d.problem) == touched and not (touched and d.spikes.any())
        if not touched:
            np.testing.assert_array_equal(d.probabilities, expected.probabilities)
    assert decisions[9].problem == "missing or not finite: all channels"


def test_duplicated_chunks_are_dropped_and_named(decoder, two_units):
    stream, decisions = decoder.stream(2048), []
    for first in (0, 100, 50, 100, 200):  # again, and in part again
        decisions += stream.push(two_units.emg[:, first : first + 100], first)
    clean = played(decoder, two_units.emg[:, :300])
    np.testing.assert_array_equal(probabilities(decisions), probabilities(clean))
    named = {d.start: d.problem for d in decisions if d.problem}
    assert named == {190: "200 samples came again: dropped"}  # the first that is decided after them


@pytest.mark.parametrize("first", [10_000, -10_000, np.uint32(10_000)])
def test_a_counter_that_is_set_anew_is_refused(first, decoder, two_units):
    stream = decoder.stream(2048)
    stream.push(two_units.emg[:, :5000], 0)
    with pytest.raises(ValueError, match=f"first_sample={first}, expected 5000: the counter"):
        stream.push(two_units.emg[:, :20], first)
    assert stream.n_samples == 5000


@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.uint64, np.int16, float, np.float32])
@pytest.mark.parametrize("first", [500, 600])  # in part again, and some lost
def test_a_counter_is_any_whole_number(kind, first, decoder, two_units):
    def decisions(counted):
        stream = decoder.stream(2048)
        before = stream.push(two_units.emg[:, :512], 0)
        return before + stream.push(two_units.emg[:, first : first + 100], counted)

    for d, expected in zip(decisions(kind(first)), decisions(first), strict=True):
        assert (d.start, d.problem) == (expected.start, expected.problem)
        np.testing.assert_array_equal(d.probabilities, expected.probabilities)


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_a_counter_of_16_bits_starts_again(kind, decoder, two_units):
    stream, n = decoder.stream(2048), 2**16
    stream.n_samples, stream._due = n - 100, n - 80
    for first in range(n - 100, n + 100, 20):
        decisions = stream.push(two_units.emg[:, :20], np.array(first).astype(kind))
        assert not any(d.problem for d in decisions[1:]) and stream.n_samples == first + 20


@pytest.mark.parametrize(
    ("first", "match"),
    [
        (480.5, r"first_sample=480\.5: expected one whole number"),
        (np.nan, "first_sample=nan: expected one whole number"),
        ([0, 20], r"first_sample=\[0, 20\]: expected one whole number"),
        (np.uint8(0), "type uint8: it starts again after 256 samples, too soon"),
    ],
)
def test_what_cannot_count_samples_is_refused(first, match, decoder, two_units):
    stream = decoder.stream(2048)
    with pytest.raises(ValueError, match=match):
        stream.push(two_units.emg[:, :20], first)
    assert stream.n_samples == 0


HUM = 2e4 * np.sin(2 * np.pi * 50 / 2048 * np.arange(100))
BAD = {
    "NaN": (NAN, "missing or not finite"),
    "infinite": (np.inf, "missing or not finite"),
    "dead": (0, "dead or saturated"),
    "saturated": (120, "dead or saturated"),  # in the range of the training
    "unplugged": (HUM, "out of range"),
}


@pytest.mark.parametrize(("value", "word"), BAD.values(), ids=BAD)
def test_a_bad_channel_is_named_and_replaced(value, word, decoder, two_units):
    emg = two_units.emg[:, :600].copy()
    emg[3, 200:300] = value
    replaced = emg.copy()
    replaced[3] = decoder.mean_uv[3]
    clean, without = (
        played(decoder, two_units.emg[:, :600]),
        segment.windows(replaced, segment.window_starts(600, 20, 10), 20),
    )
    for d, expected, window in zip(played(decoder, emg), clean, without, strict=True):
        if 190 < d.start < 300:
            assert d.problem.startswith(f"{word}: row 0, column 3")
            np.testing.assert_array_equal(d.probabilities, decoder.probabilities(window))
        elif d.start >= 300 or d.start <= 180:
            assert not d.problem
            np.testing.assert_array_equal(d.probabilities, expected.probabilities)


def test_a_clipped_channel_is_named(decoder, two_units):
    emg = two_units.emg[:, :600].copy()
    emg[3] = np.clip(150 * np.sin(2 * np.pi * 60 / 2048 * np.arange(600)), -90, 90)
    decisions = played(decoder, emg)  # half a period is 17 samples, 9 of them at the rail
    assert np.mean([d.problem == "dead or saturated: row 0, column 3" for d in decisions]) > 0.9


def test_five_equal_samples_are_no_fault(decoder, two_units):
    emg = two_units.emg[:, :600].copy()
    emg[3, 300:305] = emg[4, 305:310] = emg[3, 300]  # nor do two channels join
    assert not any(d.problem for d in played(decoder, emg))
    emg[3, 305] = emg[3, 300]
    assert any(d.problem for d in played(decoder, emg))


def test_flat_is_a_time_not_a_number_of_samples(decoder, two_units, monkeypatch):
    fs, rng = 10240, np.random.default_rng(0)
    monkeypatch.setattr(decoder, "fs", fs)
    band = butter(2, (20, 200), "bandpass", fs=fs, output="sos")
    quiet = sosfilt(band, rng.normal(size=(16, fs)), axis=1)
    quiet = 40 + np.round(5 * quiet / quiet.std() / 0.5) * 0.5  # 5 uV in steps of 0.5 uV
    assert not any(d.problem for d in decoder.stream(fs).push(quiet, 0))
    quiet[3, 5000:5031] = 40.25  # 3 ms, longer than the window of 20 samples
    named = [d.start for d in decoder.stream(fs).push(quiet, 0) if d.problem]
    assert named == [5020, 5030]  # known after 3 ms
    quiet[3, 5029:5031] += 1
    assert not any(d.problem for d in decoder.stream(fs).push(quiet, 0))


def test_at_a_low_rate_three_equal_samples_are_no_fault(decoder, two_units, monkeypatch):
    monkeypatch.setattr(decoder, "fs", 1000)
    emg = two_units.emg[:, :600].copy()
    emg[:, 300:305] = 40.25  # 5 ms
    assert not any(d.problem for d in decoder.stream(1000).push(emg, 0))


@pytest.mark.parametrize("unit", [1e-3, 1e-6])  # mV, V
def test_a_signal_in_another_unit_is_withheld(unit, decoder, two_units):
    emg = (two_units.emg[:, :600] * unit).astype(np.float32)
    decisions = played(decoder, emg)
    assert all(d.problem == "too small (mV or V in place of uV?): all channels" for d in decisions)
    assert not any(d.spikes.any() for d in decisions)
    larger = played(decoder, two_units.emg[:, :600] / unit)
    assert all(d.problem == "out of range: all channels" for d in larger)


def test_rest_is_not_too_small(decoder, two_units):
    quiet = 40 + (two_units.emg[:, :600] - 40) / 20  # 1 / 20 of a typical window
    assert not any(d.problem for d in played(decoder, quiet))


def test_too_many_bad_channels_withhold_the_window(decoder, two_units):
    emg = two_units.emg[:, :600].copy()
    emg[2:5, 200:300] = 0
    withheld = [d for d in played(decoder, emg) if 200 <= d.start <= 280]
    assert len(withheld) == 9
    assert all(np.isnan(d.probabilities).all() and not d.spikes.any() for d in withheld)


def test_a_wrong_channel_count_is_refused_and_the_stream_goes_on(decoder, two_units):
    stream, clean = decoder.stream(2048), played(decoder, two_units.emg[:, :200])
    decisions = stream.push(two_units.emg[:, :100], 0)
    for wrong in (np.zeros((15, 40)), np.zeros((17, 40)), np.zeros(16)):
        with pytest.raises(ValueError, match=r"chunk has shape .* expected \(16, samples\)"):
            stream.push(wrong, 100)
    decisions += stream.push(two_units.emg[:, 100:200], 100)
    np.testing.assert_array_equal(probabilities(decisions), probabilities(clean))
    assert not any(d.problem for d in decisions)


def test_another_sampling_rate_is_refused_at_the_start(decoder):
    with pytest.raises(ValueError, match="fs=2000 Hz, but the decoder was trained at 2048"):
        decoder.stream(2000)


def test_one_time_stamp_for_each_sample(decoder, two_units):
    def pushed(times):
        stream = decoder.stream(2048, jitter=0.001)
        stream.push(two_units.emg[:, :20], 0, 20 / 2048)
        return stream.push(two_units.emg[:, 20:60], 20, times)

    each = np.arange(21, 61) / 2048
    assert [d.problem for d in pushed(each)] == [d.problem for d in pushed(each[-1])] == 4 * [""]
    assert all(d.problem.startswith("sampling rate") for d in pushed(list(each + 0.01)))
    for wrong in (each[:7], np.nan, each * np.nan):
        with pytest.raises(ValueError, match="expected the time stamp in s of the last sample, or"):
            pushed(wrong)


def timed(stream, emg, rate, first, began):
    """Push chunks of 20 samples, taken at `rate` Hz from `began` on."""
    decisions = []
    for k in range(0, emg.shape[1], 20):
        decisions += stream.push(emg[:, k : k + 20], first + k, began + (k + 20) / rate)
    return decisions


@pytest.mark.parametrize("rate", [1000, 2000, 4096])
def test_a_change_of_the_sampling_rate_withholds_every_window(rate, decoder, two_units):
    stream = decoder.stream(2048, jitter=0.0001)  # the amplifier's time stamps
    before = timed(stream, two_units.emg[:, :2000], 2048, 0, 0.0)
    after = timed(stream, two_units.emg[:, 2000:4000], rate, 2000, 2000 / 2048)
    assert not any(d.problem for d in before) and len(before) + len(after) == 399
    assert all(d.problem.startswith("sampling rate: ") for d in after)
    assert all(np.isnan(d.probabilities).all() and not d.spikes.any() for d in after)


def test_late_chunks_are_no_change_of_the_sampling_rate(decoder, two_units):
    rng, stream, chunk = np.random.default_rng(3), decoder.stream(2048), two_units.emg[:, :200]
    for k in range(150):  # 15 s; a clock 0.4 % slow; a tenth of the chunks comes up to 50 ms late
        late = rng.choice([0, 0.05 * rng.random()], p=[0.9, 0.1])
        decisions = stream.push(chunk, 200 * k, 200 * (k + 1) / 2048 * 0.996 + late)
        assert not any(d.problem for d in decisions)


def test_times_of_arrival_notice_another_rate_within_a_tenth_of_a_second(decoder, two_units):
    stream = decoder.stream(2048)
    timed(stream, two_units.emg[:, :2000], 2048, 0, 0.0)
    after = timed(stream, two_units.emg[:, 2000:4000], 1024, 2000, 2000 / 2048)
    unnoticed = sum(not d.problem for d in after)
    assert 0 < unnoticed <= 20  # 0.1 s of surplus at half the rate: 205 samples
    assert all(d.problem and np.isnan(d.probabilities).all() for d in after[unnoticed:])


def test_the_clock_agrees_again_after_a_stall(decoder, two_units):
    stream = decoder.stream(2048)
    timed(stream, two_units.emg[:, :2000], 2048, 0, 0.0)
    late = stream.push(two_units.emg[:, 2000:2020], 2000, 2020 / 2048 + 0.2)
    caught_up = stream.push(two_units.emg[:, 2020:2040], 2020, 2040 / 2048)
    assert late[0].problem and not caught_up[0].problem


@pytest.mark.parametrize("jumps", [{10: 3}, {10: 3, 60: -30}, {10: 3, 60: 30}])
def test_windows_come_again_ten_seconds_after_the_clock_last_jumped(jumps, decoder, two_units):
    stream, chunk, ahead, problems = decoder.stream(2048), two_units.emg[:, :200], 0, []
    for k in range(300):  # 29 s
        ahead = jumps.get(k, ahead)
        time = 200 * (k + 1) / 2048 + ahead
        problems.append([bool(d.problem) for d in stream.push(chunk, 200 * k, time)])
    off = [k for k, named in enumerate(problems) if any(named)]
    assert off == list(range(10, 10 + len(off)))
    assert 10 <= 200 * (off[-1] - max(jumps)) / 2048 < 10.2


def test_replay_in_real_time(decoder, two_units):
    short = two_units.crop(0, 0.5)
    rows = latency.replay(decoder, short, chunk=40)
    assert rows["start"].tolist() == segment.window_starts(1024, 20, 10).tolist()
    assert 0 < rows["decided_ms"].median() < 100 and (rows["problem"] == "").all()
