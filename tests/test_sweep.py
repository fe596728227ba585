import dataclasses
import json
import resource
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial

import pandas as pd
import psutil
import pytest
import torch
from distributed import LocalCluster

from hdsemg_nb import cluster, metrics, params, paths, results, segment, sweep
from hdsemg_nb.datasets import fetch_sample, simulate
from hdsemg_nb.models import OURS
from hdsemg_nb.recording import Recordings
from hdsemg_nb.train import FILTER, Run, cross_validate

RUN = Run("ML-DCNN", 20, 20, epochs=1, tested_folds=1)
RUNS = [dataclasses.replace(RUN, seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def workers():
    """Two worker processes for all tests, which is quicker than two for each."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as processes:
        yield processes


@pytest.fixture
def compute(workers):
    """`sweep.run` on these workers."""
    return partial(sweep.run, scheduler=workers.scheduler_address, progress=False)


@pytest.fixture
def two(planted):
    """Two short recordings of different participants."""
    one, other = planted.crop(0, 2), planted.crop(2, 4)
    return [
        dataclasses.replace(one, subject="S1", mvc=10.0),
        dataclasses.replace(other, subject="S2", mvc=30.0),
    ]


def test_digest_tells_runs_and_recordings_apart(planted):
    names = {
        sweep.digest(planted, RUN),
        sweep.digest(planted, dataclasses.replace(RUN, seed=1)),
        sweep.digest(planted.crop(0, 4), RUN),
    }
    assert len(names) == 3 and sweep.digest(planted, dataclasses.replace(RUN)) in names


def test_expand():
    runs = sweep.expand([{"network": ["ML-DCNN", FILTER], "window": 20, "step": [10, 50]}])
    assert [(r.network, r.step) for r in runs] == [
        ("ML-DCNN", 10), ("ML-DCNN", 50), (FILTER, 10), (FILTER, 50),
    ]  # fmt: skip


def test_every_run_on_every_recording_as_one_table(compute, two, tmp_path):
    network = dataclasses.replace(RUN, epochs=2, tested_folds=None)
    table = compute(two, [network, Run(FILTER, 20, 20)], tmp_path)
    assert len(table) == 2 * 2 * 5 * 3  # recordings, runs, folds, motor units
    assert table.groupby("subject")["mvc"].unique().map(list).to_dict() == {"S1": [10], "S2": [30]}
    facts = ["recording", "date", "device", "threads", "torch", "hdsemg_nb", "seconds", "n_windows"]
    assert table[facts].notna().all(axis=None) and set(table["threads"]) == {1}
    trained = table[table["network"] != FILTER]
    curves = sweep.histories(tmp_path.glob("*.json"))
    assert (
        len(curves) == 2 * 5 * 2 and curves["val_loss"].notna().all()
    )  # recordings, folds, epochs
    for (subject, fold), rows in trained.groupby(["subject", "fold"]):
        curve = curves[(curves["subject"] == subject) & (curves["fold"] == fold)]
        best = curve.loc[curve["val_loss"].idxmin()]
        assert set(rows["best_epoch"]) == {best["epoch"]}
        assert set(rows["epoch_seconds"]) == {curve["epoch_seconds"].mean()}
    counts = cross_validate(two[0], Run(FILTER, 20, 20), False).counts
    ours = table[(table["network"] == FILTER) & (table["subject"] == "S1")]
    assert (ours[counts.columns].to_numpy() == counts.to_numpy()).all()


def test_what_is_done_is_not_computed_again(compute, two, tmp_path):
    first = compute(two, [RUN], tmp_path)
    again = sweep.run(two, [RUN], tmp_path, scheduler="tcp://nowhere:1", progress=False)
    pd.testing.assert_frame_equal(first, again)


def test_what_is_known_is_not_computed_again(compute, two, tmp_path):
    known = compute(two, [RUN], tmp_path / "before")
    folder = tmp_path / "empty"
    again = sweep.run(two, [RUN], folder, scheduler="tcp://nowhere:1", progress=False, known=known)
    pd.testing.assert_frame_equal(again, known, check_like=True)
    more = compute(two[:1], [RUNS[1], RUN], folder, known=known)
    assert list(more["run"].unique()) == [sweep.digest(two[0], run) for run in (RUNS[1], RUN)]
    assert len(list(folder.glob("*.json"))) == 1


def test_only_some_recordings(compute, two, tmp_path):
    assert set(compute(two, [RUN], tmp_path, only=[1])["subject"]) == {"S2"}
    with pytest.raises(ValueError, match=r"recordings=\[2\].*0 to 1"):
        compute(two, [RUN], tmp_path, only=[2])


def test_a_failed_run_is_recorded_and_tried_again(compute, two, tmp_path):
    long = dataclasses.replace(RUN, window=5000)
    with pytest.warns(UserWarning, match="2 failed(.|\n)*2 x ValueError: window=5000 does not fit"):
        table = compute(two, [long, RUN], tmp_path)
    assert set(table["window"]) == {20} and set(table["subject"]) == {"S1", "S2"}
    failed = sweep.failures(tmp_path)
    assert failed["window"].tolist() == [5000, 5000] and set(failed["subject"]) == {"S1", "S2"}
    assert "cross_validate" in json.loads((tmp_path / failed["file"][0]).read_text())["traceback"]
    done = (tmp_path / f"{sweep.digest(two[0], RUN)}.json").rename(tmp_path / "saved")
    failure = tmp_path / f"{sweep.digest(two[0], RUN)}{results.FAILED}"
    failure.write_text((tmp_path / failed["file"][0]).read_text())
    with pytest.warns(UserWarning, match="2 failed"):
        compute(two, [long, RUN], tmp_path)
    assert not failure.exists() and done.exists()


def test_a_recording_that_cannot_be_read_stops_no_other(compute, two, tmp_path):
    file = tmp_path / "recording"
    recordings = Recordings([lambda: two[0], lambda: two[1] if file.read_text() else None])
    with pytest.warns(UserWarning, match="1 x FileNotFoundError"):
        assert set(compute(recordings, [RUN], tmp_path)["subject"]) == {"S1"}
    file.write_text("there")
    assert set(compute(recordings, [RUN], tmp_path)["subject"]) == {"S1", "S2"}
    assert sweep.failures(tmp_path).empty


def test_a_full_disk_leaves_whole_results_only(compute, two, tmp_path):
    runs = [RUN, dataclasses.replace(RUN, epochs=60, step=50)]  # the second has the larger file
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, unlimited[1]))  # bytes
    try:
        with pytest.raises(OSError, match="too large"):
            compute(two[:1], runs, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert set(sweep.load(tmp_path.glob("*.json"))["epochs"]) <= {1}
    assert set(compute(two[:1], runs, tmp_path)["epochs"]) == {1, 60}
    assert not list(tmp_path.glob("*.part"))


SCRIPT = """
import sys
from functools import partial
import numpy as np
from hdsemg_nb import sweep
from hdsemg_nb.recording import Recording
from hdsemg_nb.train import Run

def recording():
    emg = np.random.default_rng(0).normal(size=(16, 4096))
    return Recording(emg, 2048, [np.arange(50, 4000, 170), np.arange(90, 4000, 200)])

def runs():
    return [Run("ML-DCNN", 20, 20, epochs=8, tested_folds=1, seed=seed) for seed in range(6)]

if __name__ == "__main__":
    folder, scheduler = sys.argv[1:]
    sweep.run([recording()], runs(), folder, workers=2, scheduler=scheduler, progress=False)
"""


@pytest.fixture
def script(tmp_path):
    """A sweep of six runs, each less than a second, and how to start it as a process of its own."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    names = {"__name__": "script"}
    exec(SCRIPT, names)
    recordings, runs = [names["recording"]()], names["runs"]()

    def start(folder, scheduler=""):
        return subprocess.Popen([sys.executable, path, folder, scheduler])

    return recordings, runs, start


def scores(folder):
    """Counts and learning curves in a folder, by run."""
    table = sweep.load(folder.glob("*.json")).sort_values(["seed", "motor_unit"])
    curves = sweep.histories(folder.glob("*.json")).sort_values(["seed", "epoch"])
    return table[["seed", "tp", "fp", "fn"]].values.tolist(), curves["val_loss"].tolist()


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_sweep_goes_on_where_it_was(compute, script, tmp_path):
    recordings, runs, start = script
    process = start(tmp_path / "killed")
    wait_until(lambda: list((tmp_path / "killed").glob("*.json")))
    its_workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("*.json")}
    assert 1 <= len(kept) < 6 and all(json.loads(path.read_text()) for path in kept)
    assert not psutil.wait_procs(its_workers, timeout=20)[1]  # nobody is left computing
    compute(recordings, runs, tmp_path / "killed")
    compute(recordings, runs, tmp_path / "whole")
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())


def test_two_sweeps_on_one_folder_share_the_work(compute, workers, script, tmp_path):
    recordings, runs, start = script
    before = len(workers.scheduler.transition_log)
    other = start(tmp_path, workers.scheduler_address)
    wait_until(lambda: list(tmp_path.glob("*.json")))
    assert len(compute(recordings, runs, tmp_path)) == 6 * 2  # runs, motor units
    assert other.wait() == 0
    log = list(workers.scheduler.transition_log)[before:]
    done = [key for key, _, finish, *_ in log if finish == "memory"]
    assert len(done) == len(set(done)) == len(list(tmp_path.glob("*.json"))) == 6


def test_dry_run_counts_what_is_left(compute, workers, two, tmp_path):
    runs = [dataclasses.replace(RUN, epochs=3, step=step) for step in (10, 20)] + [
        Run("MT-DCNN", 20, 50, split="blocked"),
        Run(FILTER, 20, 50),
    ]
    compute(two, runs[:1], tmp_path)
    table = sweep.dry_run(two, runs, tmp_path, scheduler=workers.scheduler_address)
    assert table["network"].tolist() == ["ML-DCNN", "MT-DCNN", FILTER, "all"]
    assert table["runs"].tolist() == [4, 2, 2, 8] and table["done"].tolist() == [2, 0, 0, 2]
    n = len(segment.window_starts(two[0].n_samples, 20, 50))
    folds = segment.split_folds(n, 20, 50, split="blocked")
    expected = 2 * 100 * sum(len(fold.train) for fold in folds)
    assert table["training_windows"][1] == expected
    assert table["training_windows"][3] == table["training_windows"][:3].sum()
    hours = table["training_windows"] / table["windows_per_second"] / 3600
    assert table["hours"][:2].tolist() == pytest.approx(hours[:2].astype(float).tolist())
    assert table["hours"][3] == pytest.approx(table["hours"][:2].sum())
    assert (table["windows_per_second"][:2] > 10).all()


def test_dry_run_on_a_gpu_measures_a_replayed_epoch_of_all_folds(planted, monkeypatch):
    asked = []
    monkeypatch.setattr(sweep, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(sweep, "_speed", lambda *task: asked.append(task) or 5.0)
    assert sweep._windows_per_second(planted, RUN) == 5.0
    ((recording, run, n_train),) = asked
    assert recording is planted and run == dataclasses.replace(RUN, epochs=4)
    assert n_train == planted.n_samples


def test_processes_share_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cluster, "LocalCluster", lambda **settings: nullcontext(settings))
    monkeypatch.setattr(cluster, "Client", lambda processes: processes)
    with cluster.connect() as settings:
        assert settings["n_workers"] == cluster.ON_A_GPU == 3
    with cluster.connect(workers=5) as settings:
        assert settings["n_workers"] == 5


def test_dry_run_leaves_out_what_is_known(compute, workers, two, tmp_path):
    known = compute(two, [RUN], tmp_path / "before")
    table = sweep.dry_run(two, [RUN], tmp_path, scheduler=workers.scheduler_address, known=known)
    assert table["done"].tolist() == [2, 2] and table["training_windows"].tolist() == [0, 0]


@pytest.mark.parametrize("seconds", [None, 1.0, 1000.0])
def test_training_windows_are_those_that_are_trained_on(seconds, two):
    run = dataclasses.replace(RUN, epochs=3, train_seconds=seconds)
    starts = segment.window_starts(two[0].n_samples, run.window, run.step)
    folds = segment.split_folds(len(starts), run.window, run.step, split=run.split)
    if seconds:
        folds = [segment.shorten(fold, starts, two[0], run.step, seconds) for fold in folds]
    expected = 3 * sum(len(fold.train) for fold in folds[: run.tested_folds])
    assert sweep.training_windows(two[0].n_samples, two[0].fs, run) == expected


def test_a_share_keeps_the_other_recordings_of_the_table(compute, two, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    counts = compute(two, [RUN], tmp_path / "folder")
    share = counts[counts["subject"] == "S2"]
    sweep.save(counts, "table.csv")
    sweep.save(share.assign(fold=9), "table.csv", only=[1])
    after = sweep.saved("table.csv")
    assert after.groupby("subject")["fold"].max().to_dict() == {"S1": 0, "S2": 9}
    sweep.save(share, "table.csv")
    assert set(sweep.saved("table.csv")["subject"]) == {"S2"}
    sweep.save(counts, "runs/smoke/table.csv")
    assert sweep.saved("runs/smoke/table.csv") is None and sweep.saved("none.csv") is None


def test_the_sweep_of_a_profile(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    grid = [{"network": FILTER, "window": 20, "step": 50, "tested_folds": 1}]
    smoke = params.load(paths.PARAMS / "smoke.yaml")
    profile = dataclasses.replace(smoke, source="sample", grid=grid, seed=3)
    counts = sweep.run_profile(profile, scheduler=workers.scheduler_address)
    assert set(counts["recording_digest"]) == {fetch_sample().digest}
    assert set(counts["seed"]) == {3}
    assert len(list((tmp_path / "runs/smoke/sweep").glob("*.json"))) == 1


@pytest.fixture(scope="module")
def kept():
    return pd.read_csv(paths.SAMPLE_COUNTS).convert_dtypes()


def test_the_committed_counts_say_how_they_were_computed(kept):
    assert set(kept["network"]) == {"ML-DRSNet", "ML-DCNN", "MT-DCNN", FILTER, OURS}
    assert kept[["date", "device", "torch", "recording_digest"]].notna().all(axis=None)
    assert set(kept["recording_digest"]) == {fetch_sample().digest}
    by = ["setting", "network", "window", "step", "span"]
    shown = kept[~kept["setting"].isin(["ablation", "MUF-Net ablation", "training seconds"])]
    assert (shown.groupby(by)["split"].nunique() == 2).all()  # always both splits


def run_of(row):
    """The settings in a row of the committed counts."""
    fields = {field.name: field.type for field in dataclasses.fields(Run)}
    settings = {name: row[name] for name in fields if name in row and pd.notna(row[name])}
    return Run(**{n: v.item() if hasattr(v, "item") else v for n, v in settings.items()})


@pytest.mark.parametrize("split", ["blocked", "shuffled"])
def test_the_committed_counts_of_the_filter_are_found_again(kept, split):
    rows = kept[(kept["network"] == FILTER) & (kept["split"] == split) & (kept["window"] == 20)]
    rows = rows[(rows["step"] == 20) & (rows["setting"] == FILTER)]
    counts = cross_validate(fetch_sample(), run_of(rows.iloc[0]), False).counts
    columns = ["fold", "motor_unit", "n_windows", "tp", "fp", "fn"]
    difference = counts[columns].to_numpy() - rows[columns].to_numpy()
    assert abs(difference).max() <= 1  # another processor may round one peak the other way


def test_a_reference_run_is_found_again():
    """One that has learned: what a network at its start decodes, the processor decides."""
    torch.set_num_threads(1)
    profile = params.load(paths.PARAMS / "reference.yaml")
    reference = sweep.saved(profile.results).convert_dtypes()
    rows = reference[reference["network"].eq("MT-DCNN") & reference["split"].eq("blocked")]
    rows = rows[rows["subject"].eq("S01") & rows["mvc"].eq(30) & rows["train_seconds"].isna()]
    recording = simulate(1, 30, profile.seconds, profile.seed).recording
    counts = cross_validate(recording, run_of(rows.iloc[0]), False).counts
    ours, theirs = (metrics.recording_scores(table)["f1"] for table in (counts, rows))
    assert ours == pytest.approx(theirs, abs=0.05) and ours > 0.8


def test_our_committed_network_is_found_again(kept):
    torch.set_num_threads(1)
    rows = kept[kept["setting"].eq(OURS) & kept["split"].eq("blocked") & kept["step"].eq(20)]
    rows = rows[rows["network"] == OURS]
    counts = cross_validate(fetch_sample(), run_of(rows.iloc[0]), False).counts
    ours, theirs = (metrics.recording_scores(table)["f1"] for table in (counts, rows))
    assert ours == pytest.approx(theirs, abs=0.03)
