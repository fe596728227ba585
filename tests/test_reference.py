"""The committed reference results."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import metrics, params, paths, sweep
from hdsemg_nb.datasets import load_recordings
from hdsemg_nb.train import cross_validate

F1_TOLERANCE = 0.05  # other processors round otherwise, and training amplifies it


@pytest.fixture(scope="module")
def profile():
    return params.load(paths.PARAMS / "reference.yaml")


@pytest.fixture(scope="module")
def counts():
    return pd.read_csv(paths.REFERENCE / "counts.csv", low_memory=False)


def test_every_run_of_the_profile_is_there(profile, counts):
    n_runs = len(profile.only) * len(sweep.expand(profile.grid, profile.seed))
    assert counts["run"].nunique() == n_runs
    assert set(counts["seed"]) == {profile.seed} and counts["mvc"].nunique() == 3
    assert counts["subject"].nunique() >= 4 and counts["device"].notna().all()


def test_a_reference_run_is_found_again(profile, counts):
    p = profile
    recording = load_recordings(p.source, p.folder, p.n_subjects, p.mvc, p.seconds, p.seed)[0]
    run = next(
        run
        for run in sweep.expand(p.grid, p.seed)
        if (run.network, run.window, run.step, run.split) == ("ML-DCNN", 20, 10, "shuffled")
    )
    again = cross_validate(recording, replace(run, tested_folds=1), progress=False).counts
    before = counts[
        (counts["subject"] == recording.subject)
        & (counts["mvc"] == recording.mvc)
        & (counts["network"] == run.network)
        & (counts["window"] == run.window)
        & (counts["step"] == run.step)
        & (counts["split"] == run.split)
        & (counts["fold"] == 0)
    ]
    for table in (again, before):
        assert table["motor_unit"].tolist() == list(range(recording.n_motor_units))
    np.testing.assert_array_equal(again["tp"] + again["fn"], before["tp"] + before["fn"])
    f1 = [metrics.score_table(table, ["fold"])["f1"].item() for table in (again, before)]
    assert f1[0] == pytest.approx(f1[1], abs=F1_TOLERANCE) and f1[0] > 0.3
