import dataclasses
import json

import pandas as pd
import pytest
import torch

from hdsemg_nb import metrics, paths, sweep
from hdsemg_nb.datasets import fetch_sample
from hdsemg_nb.train import FILTER, Run

RUN = Run("ML-DCNN", 20, 20, epochs=1, tested_folds=1)


def test_digest_tells_runs_and_recordings_apart(planted):
    names = {
        sweep.digest(planted, RUN),
        sweep.digest(planted, dataclasses.replace(RUN, seed=1)),
        sweep.digest(planted.crop(0, 4), RUN),
    }
    assert len(names) == 3 and sweep.digest(planted, dataclasses.replace(RUN)) in names


def test_finished_runs_are_not_computed_again(planted, tmp_path, monkeypatch):
    recording = planted.crop(0, 2)
    first = sweep.run_all(recording, [RUN], tmp_path, progress=False)
    monkeypatch.setattr(sweep, "cross_validate", None)  # calling it would fail
    again = sweep.run_all(recording, [RUN], tmp_path, progress=False)
    pd.testing.assert_frame_equal(first, again)
    assert {"network", "tp", "fp", "fn", "date", "device", "torch", "seconds"} <= set(first)


def test_an_interrupted_call_keeps_what_is_done_and_resumes(planted, tmp_path, monkeypatch):
    recording, other = planted.crop(0, 2), dataclasses.replace(RUN, seed=1)
    computed, whole = [], sweep.cross_validate

    def interrupted(recording, run, progress):
        if run == other and computed == [RUN]:
            computed.append("interrupted")
            raise KeyboardInterrupt
        computed.append(run)
        return whole(recording, run, progress)

    monkeypatch.setattr(sweep, "cross_validate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.run_all(recording, [RUN, other], tmp_path, progress=False)
    assert [json.loads(p.read_text())["run"]["seed"] for p in tmp_path.iterdir()] == [0]
    table = sweep.run_all(recording, [RUN, other], tmp_path, progress=False)
    assert computed == [RUN, "interrupted", other] and table["seed"].unique().tolist() == [0, 1]


def test_expand():
    runs = sweep.expand([{"network": ["ML-DCNN", FILTER], "window": 20, "step": [10, 50]}])
    assert [(r.network, r.step) for r in runs] == [
        ("ML-DCNN", 10), ("ML-DCNN", 50), (FILTER, 10), (FILTER, 50),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def kept():
    return pd.read_csv(paths.SAMPLE_COUNTS).convert_dtypes()


def test_the_committed_counts_say_how_they_were_computed(kept):
    assert set(kept["network"]) == {"ML-DRSNet", "ML-DCNN", "MT-DCNN", FILTER}
    assert kept[["date", "device", "torch", "recording_digest"]].notna().all(axis=None)
    assert set(kept["recording_digest"]) == {fetch_sample().digest}
    by = ["setting", "network", "window", "step", "span"]
    shown = kept[kept["setting"] != "ablation"]
    assert (shown.groupby(by)["split"].nunique() == 2).all()  # always both splits


def run_of(row):
    """The settings in a row of the committed counts."""
    fields = {field.name: field.type for field in dataclasses.fields(Run)}
    settings = {name: row[name] for name in fields if pd.notna(row[name])}
    return Run(**{n: v.item() if hasattr(v, "item") else v for n, v in settings.items()})


@pytest.mark.parametrize("split", ["blocked", "shuffled"])
def test_the_committed_counts_of_the_filter_are_found_again(kept, split):
    rows = kept[(kept["network"] == FILTER) & (kept["split"] == split) & (kept["window"] == 20)]
    rows = rows[rows["step"] == 20]
    counts = sweep.cross_validate(fetch_sample(), run_of(rows.iloc[0]), False).counts
    columns = ["fold", "motor_unit", "n_windows", "tp", "fp", "fn"]
    difference = counts[columns].to_numpy() - rows[columns].to_numpy()
    assert abs(difference).max() <= 1  # another processor may round one peak the other way


def test_a_committed_network_is_found_again(kept):
    torch.set_num_threads(1)
    chosen = kept["setting"].eq("best honest setting") & kept["network"].eq("ML-DCNN")
    rows = kept[chosen & kept["split"].eq("blocked") & kept["window"].eq(20)]
    counts = sweep.cross_validate(fetch_sample(), run_of(rows.iloc[0]), False).counts
    ours, theirs = (metrics.recording_scores(table)["f1"] for table in (counts, rows))
    assert ours == pytest.approx(theirs, abs=0.05)
