import dataclasses
import pickle

import numpy as np
import pytest
import torch

from hdsemg_nb import results, segment, train
from hdsemg_nb.cbss.adaptive_stream import first_come
from hdsemg_nb.decoders import ADAPTIVE, STREAMED, Run
from hdsemg_nb.decoders.detector import SEEN_AHEAD, SEEN_BACK, Detector, candidates
from hdsemg_nb.discharges import match_discharges

RUN = Run(STREAMED, 40, 20, split="blocked", epochs=3, learning_rate=1e-2, decay=True)


@pytest.fixture
def fitted(planted):
    torch.set_num_threads(1)
    starts, folds = segment.cut(planted, RUN)
    return train.fit(planted, RUN, folds[-1]), starts, folds[-1]


def misses(recording, found, mask):
    pairs = zip(recording.discharges, found, strict=True)
    counts = [
        match_discharges(a[mask[a]], b[mask[b]], recording.fs, tolerance_ms=0.5) for a, b in pairs
    ]
    return np.sum(counts, axis=0)


def test_unseen_discharges_are_found_to_the_sample(planted, fitted):
    one, starts, fold = fitted
    mask = segment.covered_samples(starts[fold.test], 40, planted.n_samples)
    right, false, missed = misses(planted, one.decode(planted.emg), mask)
    assert right > 10 and false + missed <= 1, (right, false, missed)


def test_windows_say_what_the_discharges_do(planted, fitted):
    one, starts, _ = fitted
    noisy = planted.emg + np.random.default_rng(0).normal(0, 20, planted.emg.shape)
    probabilities = one.predict(noisy.astype(np.float32), starts)
    expected = segment.labels(one.decode(noisy.astype(np.float32)), starts, 40, "step", 20)
    np.testing.assert_array_equal(probabilities >= 0.5, expected)
    assert ((probabilities > 0.1) & (probabilities < 0.9)).any()


def test_a_dead_channel_and_noise_change_little(planted, fitted):
    one, _, _ = fitted
    emg = planted.emg + np.random.default_rng(1).normal(0, 6, planted.emg.shape)
    emg[[1, 8]] = 0
    right, false, missed = misses(
        planted, one.decode(emg.astype(np.float32)), np.ones(planted.n_samples, bool)
    )
    assert right / (right + false + missed) > 0.9


def test_a_stream_is_the_same_whatever_the_chunks_and_resumes(planted, fitted):
    one, _, _ = fitted
    emg = np.tile(planted.emg, 2)
    streams = one.stream(), one.stream()
    found = []
    for stream, size in zip(streams, (50, 3333), strict=True):
        parts = []
        for k in range(0, emg.shape[1], size):
            stream = pickle.loads(pickle.dumps(stream)) if size == 3333 else stream
            parts.append(stream.push(emg[:, k : k + size]))
        found.append([np.concatenate(times) for times in zip(*parts, strict=True)])
    for a, b in zip(*found, strict=True):
        assert len(a) > 50
        np.testing.assert_array_equal(a, b)


def test_a_decision_waits_for_no_more_than_its_look_ahead(planted, fitted):
    one, _, _ = fitted
    assert one.look_ahead / planted.fs <= 0.010
    stream, latest = one.stream(adapting=False), 0
    for k in range(0, 8000, 16):
        for times in stream.push(planted.emg[:, k : k + 16]):
            assert (times >= k - one.look_ahead - 1).all()
            latest = max(latest, *times) if len(times) else latest
    assert latest > 7000


def test_the_look_ahead_of_the_adaptive_filter_is_that_of_its_stream(planted):
    fitted = train.fit(planted, Run(ADAPTIVE, 40, 20))
    stream = fitted.stream(adapting=False)
    for k in range(0, 4000, 16):
        stream.push(planted.emg[:, k : k + 16])
        assert stream.decided == max(0, k + 16 - fitted.look_ahead)


def test_candidates_are_seen_as_they_stand_in_the_sources(planted, fitted):
    one, _, _ = fitted
    now = one.filter.adapt(planted.emg)
    sources = now.filter.source(planted.emg)
    found, at = candidates(sources, now)
    k = len(at) // 2
    unit, t = int(found.unit[k]), at[k]
    expected = sources[unit, t - SEEN_BACK : t + SEEN_AHEAD + 1] / now.filter.thresholds_[unit]
    np.testing.assert_allclose(found.seen[k], np.clip(expected, -1, 4), rtol=1e-5)
    assert found.seen[k, SEEN_BACK] == found.seen[k, SEEN_BACK - 3 :].max()
    assert found.others[k, unit] == 0


def test_the_refractory_time_is_kept_from_the_first():
    assert first_come([3, 10, 22, 23, 60], 19).tolist() == [3, 23, 60]
    assert first_come([3, 30], 19, latest=-2).tolist() == [30]


def test_it_is_trained_alike_from_a_seed(planted, fitted):
    again = train.fit(planted, RUN, fitted[2])
    np.testing.assert_array_equal(again.history["val_loss"], fitted[0].history["val_loss"])
    assert again.history["train_loss"].iloc[-1] < again.history["train_loss"].iloc[0]


def test_the_detector_computes_what_was_trained(planted, fitted):
    one, _, _ = fitted
    now = one.filter.adapt(planted.emg)
    found, _ = candidates(now.filter.source(planted.emg), now)
    model = Detector(planted.n_motor_units).eval()
    weights = {name: torch.from_numpy(value) for name, value in one.detector.weights.items()}
    model.load_state_dict(weights)
    expected = model(*(torch.from_numpy(part) for part in found)).detach()
    np.testing.assert_allclose(one.detector.logits(found), expected, rtol=1e-4, atol=1e-4)


def test_without_a_discharge_to_validate_on_the_threshold_stays(planted):
    run = dataclasses.replace(RUN, epochs=6, tested_folds=1)
    (fold,) = segment.cut(planted, run)[1]
    first, last = 20 * fold.val.min() - 40, 20 * fold.val.max() + 80
    emg = planted.emg.copy()
    emg[:, first:last] = np.random.default_rng(0).normal(0, 3, (16, last - first))
    active = [times[(times < first - 20) | (times > last + 20)] for times in planted.discharges]
    silent = dataclasses.replace(planted, emg=emg, discharges=active)
    (found,) = results.compute([silent], run)
    assert len(results.counts({"run": found})) == 3 and set(found["history"]["val_f1"]) == {0}
    counts = np.sum([found["counts"][name] for name in ("tp", "fp", "fn")], axis=1)
    assert counts[0] > 0.8 * counts.sum(), counts


def test_a_loss_that_is_not_finite_is_an_error(planted):
    run = dataclasses.replace(RUN, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"never finite.*learning_rate=1e\+30"):
        train.fit(planted, run)
