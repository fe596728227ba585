import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from distributed import LocalCluster

from hdsemg_nb import cluster, metrics, paths, results, segment, studies, sweep, tables
from hdsemg_nb.datasets import fetch_sample
from hdsemg_nb.datasets.files import Recordings
from hdsemg_nb.decoders import FILTER, OURS, Run
from hdsemg_nb.train import cross_validate

RUN = Run("ML-DCNN", 20, 20, epochs=1, tested_folds=1)
RUNS = [dataclasses.replace(RUN, seed=seed) for seed in range(4)]


@pytest.fixture(scope="module")
def workers():
    """Two worker processes for all tests, which is quicker than two for each."""
    with patch.dict(os.environ):  # where it leaves what its workers get
        processes = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with processes:
        yield processes


@pytest.fixture
def compute(sweep_of, workers):
    """`sweep_of` on these workers."""
    return partial(sweep_of, scheduler=workers.scheduler_address)


@pytest.fixture
def two(planted):
    """Two short recordings of different participants."""
    one, other = planted.crop(0, 2), planted.crop(2, 4)
    return [
        dataclasses.replace(one, subject="S1", mvc=10.0),
        dataclasses.replace(other, subject="S2", mvc=30.0),
    ]


def test_a_run_is_named_by_what_differs_from_the_defaults(planted):
    names = {
        results.run_name(recording.digest, run)
        for recording in (planted, planted.crop(0, 4))
        for run in (RUN, dataclasses.replace(RUN, seed=1))
    }
    assert len(names) == 4
    assert RUN.settings() == {
        "network": "ML-DCNN", "window": 20, "step": 20, "epochs": 1, "tested_folds": 1,
    }  # fmt: skip
    again = Run(**RUN.settings(), seed=0, learning_rate=1e-4)  # as the defaults are
    assert results.run_name(planted.digest, again) in names


def documents(folder):
    return {path.stem: results.document(path) for path in sorted(folder.glob("*.json"))}


def curves_in(folder):
    return results.histories(documents(folder))


def test_every_run_on_every_recording_as_one_table(compute, two, tmp_path):
    network = dataclasses.replace(RUN, epochs=2, tested_folds=None)
    table = compute(two, [network, Run(FILTER, 20, 20)], tmp_path)
    assert len(table) == 2 * 2 * 5 * 3  # recordings, runs, folds, motor units
    assert table.groupby("subject")["mvc"].unique().map(list).to_dict() == {"S1": [10], "S2": [30]}
    facts = ["recording", "date", "device", "threads", "torch", "hdsemg_nb", "seconds", "n_windows"]
    assert table[facts].notna().all(axis=None) and set(table["threads"]) == {1}
    trained = table[table["network"] != FILTER]
    curves = curves_in(tmp_path)
    assert (
        len(curves) == 2 * 5 * 2 and curves["val_loss"].notna().all()
    )  # recordings, folds, epochs
    for (subject, fold), rows in trained.groupby(["subject", "fold"]):
        curve = curves[(curves["subject"] == subject) & (curves["fold"] == fold)]
        assert set(rows["best_epoch"]) == {curve.loc[curve["val_loss"].idxmin(), "epoch"]}
        assert set(rows["f1_epoch"]) == {curve.loc[curve["val_f1"].idxmax(), "epoch"]}
        assert set(rows["epoch_seconds"]) == {curve["epoch_seconds"].mean()}
    counts = cross_validate(two[0], Run(FILTER, 20, 20), False).counts
    ours = table[(table["network"] == FILTER) & (table["subject"] == "S1")]
    assert (ours[counts.columns].to_numpy() == counts.to_numpy()).all()


def test_what_is_done_is_not_computed_again(compute, two, tmp_path):
    first = compute(two, [RUN], tmp_path)
    again = compute(two, [RUN], tmp_path, scheduler="tcp://nowhere:1")
    pd.testing.assert_frame_equal(first, again)


def test_what_is_known_is_not_computed_again(compute, two, tmp_path):
    known = compute(two, [RUN], tmp_path / "before")
    folder = tmp_path / "empty"
    again = compute(two, [RUN], folder, scheduler="tcp://nowhere:1", known=known)
    pd.testing.assert_frame_equal(again, known, check_like=True)
    more = compute(two[:1], [RUNS[1], RUN], folder, known=known)
    assert list(more["run"].unique()) == [
        results.run_name(two[0].digest, run) for run in (RUNS[1], RUN)
    ]
    assert len(list(folder.glob("*.json"))) == 1


def test_only_some_recordings(two):
    assert sweep._chosen(two, [1]) == {1} and sweep._chosen(two, ()) == {0, 1}
    with pytest.raises(ValueError, match=r"recordings=\[2\].*0 to 1"):
        sweep._chosen(two, [2])


def test_a_failed_run_is_recorded_and_tried_again(compute, two, tmp_path):
    long = dataclasses.replace(RUN, window=5000)
    with pytest.warns(UserWarning, match="2 failed(.|\n)*2 x ValueError: window=5000 does not fit"):
        table = compute(two, [long, RUN], tmp_path)
    assert set(table["window"]) == {20} and set(table["subject"]) == {"S1", "S2"}
    failed = results.failures(tmp_path)
    assert failed["window"].tolist() == [5000, 5000] and set(failed["subject"]) == {"S1", "S2"}
    assert "cross_validate" in json.loads((tmp_path / failed["file"][0]).read_text())["traceback"]
    done = (tmp_path / f"{results.run_name(two[0].digest, RUN)}.json").rename(tmp_path / "saved")
    failure = tmp_path / f"{results.run_name(two[0].digest, RUN)}{results.FAILED}"
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
    assert results.failures(tmp_path).empty


def test_a_full_disk_leaves_whole_results_only(compute, two, tmp_path, monkeypatch):
    write, left = os.fsync, [1]

    def fsync(file):
        if not left.pop():
            raise OSError("No space left on device")
        left.append(0)
        write(file)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        compute(two[:1], RUNS[:2], tmp_path)
    monkeypatch.undo()
    assert len(documents(tmp_path)) == 1 and not list(tmp_path.glob(".*"))
    assert len(compute(two[:1], RUNS[:2], tmp_path)) == 2 * 3


def test_labels_are_those_of_the_recordings_given_now(compute, planted, tmp_path):
    plain = dataclasses.replace(planted.crop(0, 2), subject="", mvc=None)
    compute([plain], [RUN], tmp_path)
    named = [dataclasses.replace(plain, subject=name, mvc=20.0) for name in ("P01", "NA")]
    table = compute(named, [RUN], tmp_path)
    assert table.groupby("subject").size().to_dict() == {"NA": 3, "P01": 3}
    assert set(table["mvc"]) == {20} and len(documents(tmp_path)) == 1
    again = compute(named, [RUN], tmp_path / "elsewhere", known=table)
    pd.testing.assert_frame_equal(again, table)


def test_what_is_asked_for_twice_is_done_once(compute, two, tmp_path):
    table = compute([*two, two[0]], [RUN, RUN], tmp_path)
    assert len(table) == 2 * 3 and len(documents(tmp_path)) == 2
    assert len(studies.expand({**RUN.settings(), "step": [20, 20, 50]}, {}, "")) == 2


@pytest.mark.parametrize("damage", [b'{"run":', b"", b"\xff\xfe", b"[]", b"{}", b"null"])
def test_a_damaged_result_is_named_set_aside_and_computed_again(compute, two, tmp_path, damage):
    whole = compute(two[:1], [RUN], tmp_path)
    path = tmp_path / f"{results.run_name(two[0].digest, RUN)}.json"
    path.write_bytes(damage)
    (tmp_path / "x.failed").write_bytes(damage)
    (tmp_path / ".DS_Store").write_bytes(damage)
    with pytest.warns(UserWarning) as warned:
        again = compute(two[:1], [RUN], tmp_path)
    said = " ".join(str(one.message) for one in warned)
    assert f"{path} is damaged" in said and "record of the failure cannot be read" in said
    assert path.with_suffix(".damaged").read_bytes() == damage
    assert (again[["tp", "fp", "fn"]] == whole[["tp", "fp", "fn"]]).all(axis=None)


def plan(recordings, folder, *blocks):
    blocks = [studies.Block("", {}, runs) for runs in blocks]
    return studies.plan(recordings, blocks, [range(len(recordings))] * len(blocks), folder)


def test_the_order_of_a_sweep(two, tmp_path):
    three = [*two, dataclasses.replace(two[0], subject="S3")]
    pieces = plan(three, tmp_path, RUNS[:2], RUNS[2:3])
    order = [(work.run.seed, work.about["mvc"], work.about["subject"]) for work in pieces]
    assert order == [
        (0, 10, "S1"), (0, 10, "S3"), (1, 10, "S1"), (1, 10, "S3"), (0, 30, "S2"), (1, 30, "S2"),
        (2, 10, "S1"), (2, 10, "S3"), (2, 30, "S2"),
    ]  # fmt: skip


def test_a_sweep_ends_by_itself(compute, two, tmp_path):
    assert compute(two, RUNS, tmp_path, minutes=0.0).empty
    assert len(compute(two, RUNS, tmp_path, minutes=60.0)) == 4 * 2 * 3


def test_a_decoder_without_training_tells_nothing_of_the_time_of_others(two, tmp_path):
    groups = [(work,) for work in plan(two[:1], tmp_path, [Run(FILTER, 20, 20), RUN])]
    begun = []

    def in_turns(client, groups, submit):
        for group in groups:
            future = submit(group, None)
            begun.append(future is not None)
            time.sleep(0.05)
            yield group, future

    future = SimpleNamespace(key="a", exception=lambda: OSError("not computed"))
    client = SimpleNamespace(
        submit=lambda *args, **options: future, subscribe_topic=lambda *of: None
    )
    with patch.object(sweep.cluster, "compute", in_turns):
        sweep._compute(client, two, groups, time.monotonic() + 10)
    assert begun == [True, True]


def test_a_study_in_which_nothing_is_computed_leaves_no_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(sweep, "carry_out", lambda *args: None)
    file = tmp_path / "study.yaml"
    file.write_text(
        "note: x\nrecordings: {source: synthetic, n_subjects: 1, mvc: 10, seconds: 5.0}\n"
        "results: results/x.csv\nsettings: {a: {runs: [{network: ML-DCNN, window: 20, step: 20}]}}"
    )
    assert sweep.study(file).empty and not list(tmp_path.glob("results/*.csv"))


def test_on_a_gpu_the_same_run_on_several_recordings_is_one_task(two, tmp_path, monkeypatch):
    pieces = plan(two, tmp_path, [RUN, dataclasses.replace(RUN, tested_folds=None)])
    assert [len(group) for group in sweep._abreast(pieces)] == [1, 1, 1, 1]
    monkeypatch.setattr(sweep, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(sweep, "ABREAST", 5)
    pieces = [work._replace(run=pieces[0].run) for work in pieces[::2]] + pieces[1::2]
    assert [len(group) for group in sweep._abreast(pieces)] == [2, 1, 1]


def test_a_recording_that_fails_beside_others_is_the_only_one(compute, two, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "_abreast", lambda pieces: [tuple(pieces)])
    two[1] = dataclasses.replace(two[1], discharges=[], pnr=None)
    with pytest.warns(UserWarning, match="1 x ValueError: the recording has no discharge times"):
        assert set(compute(two, [RUN], tmp_path)["subject"]) == {"S1"}


def test_the_bar_moves_with_every_epoch(compute, two, tmp_path, monkeypatch):
    shares, hear = [], sweep._Bar.hear
    heard = lambda bar, *event: shares.append(event[1]) or hear(bar, *event)  # noqa: E731
    monkeypatch.setattr(sweep._Bar, "hear", heard)
    compute(two[:1], [dataclasses.replace(RUN, epochs=5)], tmp_path)
    assert len(shares) > 1 and set(shares) == {0.2}


def test_a_bar_that_hears_a_task_twice_or_late_ends_at_all_windows(capsys):
    with sweep._Bar(30, 2) as bar:
        bar.begin("a", 10)
        for share in (0.5, 0.5, 0.5):  # begun again by another worker
            bar.hear("a", share)
        assert bar.n == 10
        bar.finish("a", 1)
        bar.hear("a", 0.5)
        bar.begin("b", 20)
        bar.finish("b", 1)  # without having been heard
        assert bar.n == 30
    assert "2/2 runs: 100%" in capsys.readouterr().err


def test_what_a_training_takes_up_tells_nothing_of_the_speed(capsys):
    with sweep._Bar(1000, 1) as bar:
        bar.begin("a", 1000)
        bar.hear("a", 0.9, True)
        bar.refresh()
        shown = capsys.readouterr().err
        assert "90%" in shown and "? windows/s" in shown and "end" not in shown
        bar.hear("a", 0.05)
        bar.refresh()
        assert ", end" in capsys.readouterr().err
        assert bar.n == 950 and bar.n - bar.initial == 50 and bar.taken_up == {"a": 0.9}


def test_a_worker_tells_what_was_done_before_apart(monkeypatch):
    events = []
    log = lambda topic, event: events.append((topic, *event))  # noqa: E731
    worker = SimpleNamespace(log_event=log, get_current_task=lambda: "key")
    monkeypatch.setattr(cluster, "get_worker", lambda: worker)
    with cluster.Told(total=4) as told:
        told.initial += 1  # as `engine.training` does, of one epoch
        told.update(1)
        told.update()
    assert events == [(cluster.TOLD, "key", 0.25, True), (cluster.TOLD, "key", 0.25, False)]


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from hdsemg_nb import studies, sweep
from hdsemg_nb.recording import Recording
from hdsemg_nb.decoders import Run

def recording():
    emg = np.random.default_rng(0).normal(size=(16, 4096))
    return Recording(emg, 2048, [np.arange(50, 4000, 170), np.arange(90, 4000, 200)])

def runs():
    return [Run("ML-DCNN", 20, 20, epochs=8, tested_folds=1, seed=seed) for seed in range(6)]

if __name__ == "__main__":
    folder, recordings = Path(sys.argv[1]), [recording()]
    pieces = studies.plan(recordings, [studies.Block("", {}, runs())], [[0]], folder)
    sweep.carry_out(recordings, pieces, folder, workers=2)
"""


@pytest.fixture
def script(tmp_path):
    """A sweep of six runs, each less than a second, and how to start it as a process of its own."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    names = {"__name__": "script"}
    exec(SCRIPT, names)
    recordings, runs = [names["recording"]()], names["runs"]()

    def start(folder):
        return subprocess.Popen([sys.executable, path, folder])

    return recordings, runs, start


def scores(folder):
    """Counts and learning curves in a folder, by run."""
    table = results.counts(documents(folder)).sort_values(["seed", "motor_unit"])
    curves = curves_in(folder).sort_values(["seed", "epoch"])
    return table[["seed", "tp", "fp", "fn"]].values.tolist(), curves["val_loss"].tolist()


def wait_until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
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


def test_processes_share_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(cluster, "LocalCluster", lambda **settings: nullcontext(settings))
    monkeypatch.setattr(cluster, "Client", lambda processes: processes)
    with cluster.connect() as settings:
        assert settings["n_workers"] == cluster.ON_A_GPU
    with cluster.connect(workers=5) as settings:
        assert settings["n_workers"] == 5


@pytest.mark.parametrize("seconds", [None, 1.0, 1000.0])
def test_training_windows_are_those_that_are_trained_on(seconds, two):
    run = dataclasses.replace(RUN, epochs=3, train_seconds=seconds)
    starts = segment.window_starts(two[0].n_samples, run.window, run.step)
    folds = segment.split_folds(len(starts), run.window, run.step, split=run.split)
    if seconds:
        folds = [segment.shorten(fold, starts, two[0], run.step, seconds) for fold in folds]
    expected = 3 * sum(len(fold.train) for fold in folds[: run.tested_folds])
    assert studies.training_windows(two[0].n_samples, two[0].fs, run) == expected


STUDY = """
note: what it is
recordings: {source: sample}
results: results/study.csv
curves: results/curves.csv
runs:
  - {network: ML-DCNN, window: 20, step: 50, tested_folds: 1, epochs: 1}
settings:
  linear:
    runs:
      - {network: motor-unit filter, window: 20, step: 50, tested_folds: 1}
  trained:
    change: {label_noise: lags}
"""


def test_a_study_is_a_committed_table(workers, tmp_path, monkeypatch):
    file = tmp_path / "study.yaml"
    file.write_text(STUDY)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    first = sweep.study(file, scheduler=workers.scheduler_address)
    assert set(first["setting"]) == {"linear", "trained"}
    trained = first["setting"] == "trained"
    assert (first["label_noise"] == np.where(trained, "lags", "")).all()
    assert (first["truth_tp"].notna() == trained).all()
    assert set(first["recording_digest"]) == {fetch_sample().digest}
    assert (tmp_path / "results/study.csv").read_text().startswith("# what it is\nfold,")
    assert len(tables.load(tmp_path / "results/curves.csv")[0]) == 1
    stale, unread = (tmp_path / f"runs/study/{name}.failed" for name in ("0" * 16, "recording_9"))
    stale.write_text("of a run that the study no longer has")
    unread.write_text("of a recording")
    with pytest.warns(UserWarning, match="1 failed"):
        sweep.study(file, scheduler=workers.scheduler_address)
    assert not stale.exists() and unread.exists()
    shutil.rmtree(tmp_path / "runs")  # the table alone is kept
    other = first[first["setting"] == "trained"].assign(run="of another machine", setting="")
    outdated = first[first["setting"] == "linear"].assign(tp=0)
    results.save(pd.concat([other, outdated]), "elsewhere/study.csv", "")
    (tmp_path / "elsewhere/curves.csv").write_text((tmp_path / "results/curves.csv").read_text())
    with pytest.raises(FileNotFoundError, match="elsewhre.study.csv: there is no table to merge"):
        sweep.study(file, merged=["elsewhre"])
    again = sweep.study(file, scheduler="tcp://nowhere:1", merged=["elsewhere"])
    assert len(again) == len(first) + len(other)
    pd.testing.assert_frame_equal(again[: len(first)], first, check_like=True)


def test_what_another_study_writes_meanwhile_is_kept(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    content = (
        STUDY.split("curves")[0] + "runs: [{network: motor-unit filter, window: 20, step: 50}]"
    )
    one.write_text(content)
    other.write_text(content.replace("step: 50", "step: 20"))
    carry_out, asked = sweep.carry_out, dict(scheduler=workers.scheduler_address)

    def meanwhile(*given):
        monkeypatch.setattr(sweep, "carry_out", carry_out)
        sweep.study(other, **asked)
        carry_out(*given)

    monkeypatch.setattr(sweep, "carry_out", meanwhile)
    assert set(sweep.study(one, **asked)["step"]) == {20, 50}


def test_a_table_with_a_cut_run_is_refused(tmp_path):
    table = results.read("protocol")
    table = table[table["recording_digest"] == table["recording_digest"].iloc[0]]
    path = tmp_path / "cut.csv"
    for rows in (table[:-1], pd.concat([table, table[-2:]])):
        tables.write(rows, path, "cut")
        with pytest.raises(ValueError, match=f"cut.csv: run {table['run'].iloc[-1]} has not each"):
            results.read(path)


@pytest.mark.parametrize("edit", [dict(tp=None), dict(network="ML-DCN"), dict(tested_folds=None)])
def test_a_table_that_was_edited_is_refused(tmp_path, edit):
    table = results.read("protocol")
    table = table[table["recording_digest"] == table["recording_digest"].iloc[0]].astype(object)
    ((column, value),) = edit.items()
    table.loc[table.index[3], column] = value
    tables.write(table, tmp_path / "edited.csv", "edited")
    with pytest.raises(ValueError, match="edited.csv: run .* has not each motor unit once"):
        results.read(tmp_path / "edited.csv")


def test_defaults_are_those_of_the_committed_tables():
    """What is at its default is left out of a table: with another default it would be misread."""
    assert results.DEFAULTS == {
        "split": "shuffled", "span": "step", "n_folds": 5, "tested_folds": None, "whiten": False,
        "fit_offsets": False, "epochs": 100, "learning_rate": 1e-4, "weight_decay": 1e-6,
        "batch_size": 64, "threshold": 0.5, "bf16": None, "decay": False, "width": 1.0,
        "patience": None, "train_seconds": None, "label_noise": "", "without": "", "seed": 0,
    }  # fmt: skip


def test_settings_share_the_runs_and_change_recordings(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        """
note: x
recordings: {source: synthetic, n_subjects: 1, mvc: 10, seconds: 5.0}
results: results/study.csv
runs:
  - {network: motor-unit filter, window: 20, step: [20, 50]}
  - {network: motor-unit filter, window: 40, step: 20}
settings:
  a: {change: {split: blocked}}
  b: {recordings: {mvc: [20, 30]}}
  c: {runs: [{network: motor-unit filter, window: 60, step: 20}]}
"""
    )
    study = studies.load(file)
    order = [
        (one.name, run.window, run.step, run.split) for one in study.blocks for run in one.runs
    ]
    assert order == [
        ("a", 20, 20, "blocked"), ("a", 20, 50, "blocked"), ("b", 20, 20, "shuffled"),
        ("b", 20, 50, "shuffled"), ("c", 60, 20, "shuffled"), ("a", 40, 20, "blocked"),
        ("b", 40, 20, "shuffled"),
    ]  # fmt: skip
    recordings, numbers = study.load_recordings()
    assert [list(each) for each in numbers] == [[0], [1, 2], [0], [0], [1, 2]]
    assert [recordings[k].mvc for k in range(3)] == [10, 20, 30]


@pytest.mark.parametrize(
    ("content", "said"),
    [("fold,run\n0,ab", "was cut short"), ("fold,runs\n0,ab\n", "has no column 'run'"),
     ("fold,run\n0,ab,c\n", "has more cells in a row than names")],
)  # fmt: skip
def test_a_damaged_table_of_a_study_is_named_and_stays(tmp_path, monkeypatch, content, said):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    file = tmp_path / "study.csv"
    file.write_text(f"# what it is\n{content}")
    with pytest.raises(ValueError, match=f"study.csv {said}"):
        sweep.committed(pathlib.Path("study.csv"))
    assert file.exists()


def test_a_run_that_stands_in_two_settings_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    cohort = "{source: synthetic, mvc: 10, seconds: 5, seed: 0, n_subjects: 1}"
    (tmp_path / "study.yaml").write_text(
        f"note: x\nresults: study.csv\nrecordings: {cohort}\n"
        "runs: [{network: motor-unit filter, window: 20, step: 20}]\n"
        "settings: {one: {recordings: {n_subjects: 1}}, two: {recordings: {n_subjects: 2}}}"
    )
    with pytest.raises(ValueError, match="settings 'one' and 'two' share"):
        sweep.study(tmp_path / "study.yaml", workers=1)


@pytest.mark.parametrize("name", sorted(paths.PARAMS.glob("sweeps/*.yaml")), ids=lambda p: p.stem)
def test_every_study_can_be_read(name):
    assert studies.load(name).blocks


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("step: 50, tested", "step: 0, tested", "step=0: at least 1"),
        ("window: 20, step", "windw: 20, step", "'windw' in entry 0 .* Did you mean 'window'"),
        ("epochs: 1}", "epochs: 1e3}", "epochs='1e3'"),
        ("note: what", "nte: what", "Unknown parameter 'nte' in .* Did you mean 'note'"),
        ("note: what it is", "", "lacks .'note'"),
        ("change: {label_noise", "change: {labl_noise", "'labl_noise' in entry 0"),
        ("label_noise: lags", "label_noise: leg", "label_noise='leg': one of"),
        ("{source: sample}", "{sorce: sample}", "'sorce' in recordings of setting 'linear'"),
        ("  trained:\n    change", "  trained:\n    chang", "'chang' in setting 'trained'"),
        (
            "    change: {label_noise: lags}",
            "    - {window: 20}",
            "setting 'trained' is .*expected",
        ),
        ("  trained:", "  linear:", "'linear' stands twice"),
        ("results/study", "../study", r"must be a \.csv below the project"),
        ("study.csv", "study", r"must be a \.csv below the project"),
        ("{source: sample}", "sample", "recordings is 'sample', expected a non-empty dict"),
        ("note: what it is", "note:", "note is None, expected a non-empty str"),
        ("results/study.csv", "5", "results is 5, expected a non-empty str"),
        (
            "{label_noise: lags}",
            "",
            "change of setting .trained. is None, expected a non",
        ),
        (
            "window: 20, step: 50, tested_folds: 1, epochs",
            "window: [], step: 5, epochs",
            "empty list",
        ),
        ("runs:\n  - {net", "runs: []\nnote2:\n  - {net", "Unknown parameter 'note2'"),
        (
            "settings:\n",
            "settings:\n  same: {change: {label_noise: lags}}\n",
            "'same' and 'trained'",
        ),
    ],
)
def test_a_faulty_study_is_refused(tmp_path, old, new, match):
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.replace(old, new))
    with pytest.raises(ValueError, match=match) as refused:
        studies.load(file)
    assert "study.yaml" in str(refused.value)


def test_the_study_of_the_paper_is_the_grid_of_the_paper():
    ((_, _, runs),) = studies.load(paths.PARAMS / "sweeps/paper.yaml").blocks
    assert len(runs) * 5 * 48 == 14_400
    assert runs == [Run(run.network, run.window, run.step) for run in runs]  # the defaults


@pytest.mark.slow
@pytest.mark.parametrize("network", [FILTER, OURS])
def test_a_committed_result_is_found_again(network):
    torch.set_num_threads(1)
    kept = results.read("real_recording")
    rows = kept[kept["setting"].eq(OURS) & kept["split"].eq("blocked") & kept["step"].eq(20)]
    rows = rows[(rows["network"] == network) & (rows["fold"] == 0)]
    settings = {name: rows[name].iloc[0] for name in Run.__dataclass_fields__ if name != "bf16"}
    given = {name: value for name, value in settings.items() if pd.notna(value)}
    given |= {"tested_folds": 1}
    for name in ("epochs", "batch_size"):
        given |= {name: int(given[name])} if name in given else {}
    counts = cross_validate(fetch_sample(), Run(**given), False).counts
    ours, theirs = (metrics.recording_scores(table)["f1"] for table in (counts, rows))
    assert ours == pytest.approx(theirs, abs=0.03) and ours > 0.8
