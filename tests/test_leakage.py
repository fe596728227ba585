import numpy as np
import pandas as pd
import pytest
from random_results import random_results

from hdsemg_nb import honest, metrics, segment
from hdsemg_nb.train import Run


@pytest.mark.parametrize(
    ("window", "step", "expected"),
    [(20, 50, 0.0), (20, 20, 0.0), (20, 10, 0.84), (140, 50, 0.974), (140, 10, 1.0)],
)
def test_shared_windows_of_shuffled_folds(window, step, expected):
    # three of five parts train: a test window with k neighbours is alone with probability 0.4 ** k
    share = honest.shared_windows(6000, Run("ML-DCNN", window, step))
    assert share == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("window", "step"), [(20, 10), (20, 50), (140, 10)])
def test_blocked_folds_share_nothing(window, step):
    assert honest.shared_windows(2000, Run("ML-DCNN", window, step, split="blocked")) == 0


def test_shared_windows_are_those_that_overlap():
    run = Run("ML-DCNN", 25, 10, seed=3, tested_folds=2)
    seen = []
    for fold in segment.split_folds(60, 25, 10, seed=3)[:2]:
        distance = 10 * np.abs(np.subtract.outer(fold.test, fold.train)).min(axis=1)
        seen += (distance < 25).tolist()
    assert honest.shared_windows(60, run) == np.mean(seen)


def test_leakage_pairs_the_splits_of_each_run():
    counts = random_results(2, windows=(20,), steps=(10, 50))
    pairs = honest.leakage(counts)
    assert len(pairs) == 2 * 3 * 3 * 2  # participants, intensities, networks, steps
    row = pairs[(pairs.subject == "S02") & (pairs.mvc == 50)].query("network == 'MT-DCNN'").iloc[1]
    run = counts[(counts.recording_digest == "1/50") & (counts.network == "MT-DCNN")]
    run = run[run.step == row.step]
    f1 = {s: metrics.recording_scores(run[run.split == s])["f1"] for s in segment.SPLITS}
    assert (row.f1_shuffled, row.f1_blocked) == (f1["shuffled"], f1["blocked"])
    assert row.difference == f1["shuffled"] - f1["blocked"]
    drawn = Run("MT-DCNN", 20, int(row.step))
    assert row.shared_percent == 100 * honest.shared_windows(5000, drawn)


def test_leakage_leaves_out_what_has_one_split():
    counts = random_results(1, windows=(20,), steps=(10, 50))
    blocked = counts["split"] == "blocked"
    pairs = honest.leakage(counts[~(blocked & (counts["step"] == 50))])
    assert set(pairs["step"]) == {10}
    none = honest.leakage(counts[~blocked])
    assert none.empty and list(none.columns).count("f1_blocked") == 1
    for over in ("recordings", "participants"):
        summary = honest.summarise(none, over)
        assert summary.empty and {"difference", "n", "p", "epochs"} <= set(summary)


def test_a_run_without_a_score_under_one_split_is_left_out():
    counts = random_results(2, windows=(20,), steps=(10,), mvc=(10,))
    chosen = (counts["split"] == "blocked") & (counts["subject"] == "S01")
    counts.loc[chosen & (counts["network"] == "MT-DCNN"), ["tp", "fp", "fn"]] = 0
    pairs = honest.leakage(counts)
    assert len(pairs) == 5 and np.isfinite(pairs["difference"]).all()


def test_runs_with_other_settings_are_not_paired():
    counts = random_results(1, windows=(20,), steps=(10,))
    counts.loc[counts["split"] == "blocked", "epochs"] = 4
    assert honest.leakage(counts).empty


def test_summary_tests_over_recordings_and_over_participants():
    pairs = honest.leakage(random_results(4, windows=(20,), steps=(50,)))
    recordings, participants = (
        honest.summarise(pairs, over) for over in ("recordings", "participants")
    )
    assert recordings["n"].tolist() == [12] * 3 and participants["n"].tolist() == [4] * 3
    pd.testing.assert_series_equal(recordings["difference"], participants["difference"])
    assert (recordings["difference"] > 0).all()  # random_results are worse under blocked folds
    assert (recordings["p"] < 0.01).all() and (participants["p"] >= 0.125).all()
