import numpy as np
import pytest

from hdsemg_nb import label_noise
from hdsemg_nb.decoders import FILTER, Run
from hdsemg_nb.train import cross_validate, fit


def errors(planted, kind):
    found, true = label_noise.noisy(planted, kind, seed=0)
    shifts = [b[: len(a)] - a[: len(b)] for a, b in zip(planted.discharges, true, strict=True)]
    return found.discharges, true, shifts


def test_no_noise_is_the_same_recording(planted):
    found, true = label_noise.noisy(planted, "", 0)
    assert found is planted and true is planted.discharges


def test_lags_are_constant_differ_and_belong_to_truth_and_labels_alike(planted):
    found, true, shifts = errors(planted, "lags")
    assert all(len(np.unique(shift)) == 1 for shift in shifts)
    lags = {int(shift[0]) for shift in shifts}
    assert len(lags) > 1 and min(lags) >= -9 and max(lags) <= 19
    assert all(np.array_equal(a, b) for a, b in zip(found, true, strict=True))


def test_jitter_moves_each_label_by_itself(planted):
    found, true, shifts = errors(planted, "jitter")
    assert not np.concatenate(shifts).any()
    moved = np.concatenate([a[: len(b)] - b[: len(a)] for a, b in zip(found, true, strict=True)])
    assert 1 < moved.std() * 1000 / planted.fs < 3


def test_some_are_missed_and_as_many_added(planted):
    found, true, _ = errors(planted, "missed and added")
    missed = sum(len(np.setdiff1d(b, a)) for a, b in zip(found, true, strict=True))
    added = sum(len(np.setdiff1d(a, b)) for a, b in zip(found, true, strict=True))
    n = sum(map(len, true))
    assert 0 < missed < 0.08 * n and 0 < added < 0.08 * n


def test_other_recordings_and_seeds_have_other_errors(planted):
    one, _ = label_noise.noisy(planted, "separation", 0)
    again, _ = label_noise.noisy(planted, "separation", 0)
    assert one.digest == again.digest != label_noise.noisy(planted, "separation", 1)[0].digest


def test_a_decoder_learns_the_labels_and_is_scored_against_both(planted):
    run = Run(FILTER, 20, 10, tested_folds=1, label_noise="missed and added")
    counts = cross_validate(planted, run, progress=False).counts
    positives = counts["tp"] + counts["fn"], counts["truth_tp"] + counts["truth_fn"]
    assert (positives[0] != positives[1]).any()
    assert counts["truth_fp"].sum() < counts["fp"].sum()  # the filter knows better than the labels
    clean = cross_validate(planted, Run(FILTER, 20, 10, tested_folds=1), progress=False).counts
    assert "truth_tp" not in clean
    labels, _ = label_noise.noisy(planted, "missed and added", run.seed)
    one, other = fit(planted, run), fit(labels, Run(FILTER, 20, 10))
    assert all(map(np.array_equal, one.decode(planted.emg), other.decode(planted.emg)))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="label_noise='lag': one of"):
        Run(FILTER, 20, 10, label_noise="lag")
    with pytest.raises(ValueError, match="kind='lag' must be one of"):
        label_noise.noisy(None, "lag", 0)
