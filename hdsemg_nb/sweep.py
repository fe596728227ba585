"""Many runs on many recordings: each computed once, written whole or not at all.

A piece of work is one run on one recording with all its folds. Its result is a JSON file, named
by a digest of the run's settings and of the recording's content, so that a sweep that was stopped
in any way goes on where it was. (The digest does not know the code: after a change of a decoder
delete its results.) A run that fails leaves a .failed file with the error instead;
the others go on, and the next sweep tries it again.
"""

import argparse
import hashlib
import json
import sys
import warnings
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml
from tqdm import tqdm

from hdsemg_nb import cluster, paths, results, segment
from hdsemg_nb.datasets import fetch_sample, load_recordings
from hdsemg_nb.engine import device
from hdsemg_nb.models import OURS
from hdsemg_nb.results import failures, histories, load
from hdsemg_nb.train import FILTER, Run, cross_validate

__all__ = [
    "Work",
    "digest",
    "dry_run",
    "expand",
    "failures",
    "histories",
    "load",
    "plan",
    "run",
    "run_study",
    "save",
    "saved",
    "training_windows",
]

BAR = "{desc}: {percentage:3.0f}%|{bar}| {rate_fmt}, {elapsed}<{remaining}"
END = ", end {eta:%d %b %H:%M}"  # known once a run is done


class Work(NamedTuple):
    """One run on one recording, all its folds."""

    index: int  # number of the recording
    run: Run
    path: Path  # of the result file, <digest>.json
    training_windows: int  # over all folds and epochs


def expand(entries, seed=0):
    """Runs from a list of settings; a list as a value stands for one run per item.

    Parameters
    ----------
    entries : list of dict
        For example [{"network": "ML-DCNN", "window": [20, 140], "step": 50}].
    seed : int
        Of the entries that name none.

    Returns
    -------
    list of train.Run
    """
    return [
        Run(**dict(zip(entry, values, strict=True)))
        for entry in ({"seed": seed, **entry} for entry in entries)
        for values in product(*(v if isinstance(v, list) else [v] for v in entry.values()))
    ]


def digest(recording, run):
    """Name of a run: a hash of its settings and of the recording's content.

    Parameters
    ----------
    recording : recording.Recording
    run : runs.Run

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    return _digest(recording.digest, run)


def _digest(content, run):
    settings = json.dumps({**run.settings(), "recording": content}, sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def training_windows(n_samples, fs, run):
    """Windows a run trains on, over all folds and epochs.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    fs : float
        Sampling frequency in Hz.
    run : runs.Run

    Returns
    -------
    int
        0 for the motor-unit filter, and for a recording too short for the run.
    """
    if run.network == FILTER:
        return 0
    try:
        n_windows = len(segment.window_starts(n_samples, run.window, run.step))
        folds = segment.split_folds(n_windows, run.window, run.step, run.n_folds, run.split)
    except ValueError:
        return 0
    most = n_windows if run.train_seconds is None else round(run.train_seconds * fs / run.step)
    return run.epochs * sum(min(most, len(fold.train)) for fold in folds[: run.tested_folds])


def plan(recordings, runs, folder, only=()):
    """Pieces of work of a sweep, done or not.

    Parameters
    ----------
    recordings, runs, folder, only
        As for `run`. A recording that cannot be read is recorded as failed and left out.

    Returns
    -------
    list of Work
        By recording.

    Raises
    ------
    ValueError
        When `only` names a recording that is not there.
    """
    folder, works = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    absent = sorted(set(only) - set(range(len(recordings))))
    if absent:
        raise ValueError(f"recordings={absent}: allowed are 0 to {len(recordings) - 1}")
    for index in only or range(len(recordings)):
        path = folder / f"recording_{index}.json"
        try:
            recording = recordings[index]
        except Exception as error:  # whatever is wrong with one file, the others go on
            results.write_failure(path, error, {"recording": f"number {index}"})
            continue
        path.with_suffix(results.FAILED).unlink(missing_ok=True)
        content, size = recording.digest, (recording.n_samples, recording.fs)
        works += [
            Work(index, r, folder / f"{_digest(content, r)}.json", training_windows(*size, r))
            for r in runs
        ]
    return works


def run(recordings, runs, folder, only=(), workers=0, scheduler="", progress=True, known=None):
    """Compute every run on every recording that is not in the folder yet.

    Starts processes: a script (not a notebook) has to do its work under
    ``if __name__ == "__main__":``. Other sweeps, here or on other machines, may work on the same
    folder at the same time: they share the work (`cluster.Claims`).

    Parameters
    ----------
    recordings : sequence of recording.Recording
        For example `recording.Recordings`. Read here, one at a time, and sent to a worker with
        each run: the workers need no access to the files.
    runs : sequence of runs.Run
    folder : str or pathlib.Path
        Results, written here: the workers need no access to it either.
    only : sequence of int
        Numbers of the recordings to work on, for a share of a job array; default all.
    workers, scheduler
        See `cluster.connect`.
    progress : bool
        Show a bar: runs done, training windows per second, estimated end. The estimate settles
        once the runs of the first recording are done, for the networks differ in speed.
    known : pandas.DataFrame, optional
        Of an earlier call, for example a committed table: its runs are not computed again.

    Returns
    -------
    pandas.DataFrame
        `load` of these runs, without those that failed.

    Warns
    -----
    UserWarning
        When there are failed runs in the folder: how many, and why.

    Raises
    ------
    ValueError
        When `only` names a recording that is not there.
    OSError
        When a result cannot be written (disk full) or there is no such scheduler. What was
        written before is whole, and the next call goes on from there.
    """
    works = plan(recordings, runs, folder, only)
    missing = _missing(works, known)
    if missing:
        with cluster.connect(workers, scheduler) as client, cluster.Claims(folder) as claims:
            _compute(client, claims, recordings, missing, progress)
    _warn_of_failures(folder)
    return _gather(works, known)


def _missing(works, known):
    done = set() if known is None else set(known["run"])
    return [work for work in works if not work.path.exists() and work.path.stem not in done]


def _gather(works, known):
    """Results of these works, from their files or known before, in the order of the works."""
    new = load(work.path for work in works if work.path.exists())
    if known is None:
        return new
    order = {work.path.stem: place for place, work in enumerate(works)}
    old = known[known["run"].isin(set(order) - set(new.get("run", ())))]
    if old.empty:
        return new
    table = pd.concat([new, old], ignore_index=True)
    return table.sort_values(
        "run", key=lambda run: run.map(order), kind="stable", ignore_index=True
    )


def _compute(client, claims, recordings, works, progress):
    read = lru_cache(maxsize=1)(recordings.__getitem__)

    def submit(work, resources):
        task = (results.compute, read(work.index), work.run)
        return client.submit(*task, resources=resources, pure=False)

    total = sum(work.training_windows for work in works)
    style = dict(unit=" windows", unit_scale=True, smoothing=0, bar_format=BAR)
    with tqdm(total=total, desc=f"0/{len(works)} runs", disable=not progress, **style) as bar:
        for done, (work, future) in enumerate(cluster.compute(client, works, submit, claims), 1):
            if future is not None:
                _keep(work, future, read)
            bar.update(work.training_windows)
            bar.bar_format = BAR + END if bar.n else BAR
            bar.set_description_str(f"{done}/{len(works)} runs")


def _keep(work, future, read):
    error = future.exception()
    if error is None:
        results.write(work.path, future.result())
    else:
        results.write_failure(work.path, error, results.describe(read(work.index)), work.run)


def _warn_of_failures(folder):
    failed = failures(folder)
    if len(failed):
        reasons = [f"{n} x {error}" for error, n in failed["error"].value_counts().items()]
        warnings.warn(
            f"{len(failed)} failed in {folder}:\n" + "\n".join(reasons) + "\n"
            "sweep.failures(folder) lists them; the next sweep tries them again",
            stacklevel=3,
        )


def dry_run(recordings, runs, folder, only=(), workers=0, scheduler="", known=None):
    """What a sweep takes, measured with a short training of each network and window on its workers.

    Parameters
    ----------
    recordings, runs, folder, only, workers, scheduler, known
        As for `run`.

    Returns
    -------
    pandas.DataFrame
        One row per network and window, and the total: runs, done (already), training_windows (of
        those not done), windows_per_second (all workers together, training and validation),
        hours. The motor-unit filter, seconds for each run, is not measured.
    """
    groups = {}
    for work in plan(recordings, runs, folder, only):
        groups.setdefault((work.run.network, work.run.window), []).append(work)
    with cluster.connect(workers, scheduler) as client:
        rows = [_estimate(client, recordings, group, known) for group in groups.values()]
    table = pd.DataFrame(rows)
    total = table[["runs", "done", "training_windows", "hours"]].sum().to_frame().T
    table = pd.concat([table, total.assign(network="all")], ignore_index=True)
    return table.astype(dict.fromkeys(["window", "runs", "done", "training_windows"], "Int64"))


def _estimate(client, recordings, works, known):
    """Row of `dry_run`: works with the same network and window."""
    missing = _missing(works, known)
    windows = sum(work.training_windows for work in missing)
    speed = float("nan")
    if windows:
        work = max(missing, key=lambda work: work.training_windows)
        number, resources = cluster.capacity(client)
        task = (_windows_per_second, recordings[work.index], work.run)
        trials = [client.submit(*task, resources=resources, pure=False) for _ in range(number)]
        speed = sum(client.gather(trials, errors="skip")) or speed
    return {
        "network": works[0].run.network,
        "window": works[0].run.window,
        "runs": len(works),
        "done": len(works) - len(missing),
        "training_windows": windows,
        "windows_per_second": speed,
        "hours": windows / speed / 3600,
    }


def _windows_per_second(recording, run):
    """Speed of one process on 16 windows, or if that is fast, on what takes about two seconds.

    On a GPU, which trains the folds side by side, on the whole recording: the first epochs compile
    and capture what the last one replays. Where processes share a GPU and do not all measure it
    at the same time, the sum of their speeds is too high.
    """
    if device().type == "cuda":
        return _speed(recording, replace(run, epochs=4), recording.n_samples)
    run = replace(run, epochs=2, tested_folds=1, split="shuffled")
    if run.network == OURS:  # a few windows hold no discharges to start from
        return _speed(recording, run, recording.n_samples)
    speed = _speed(recording, replace(run, batch_size=16), 16)
    return speed if speed < 16 else _speed(recording, run, max(run.batch_size, round(2 * speed)))


def _speed(recording, run, n_train):
    """Training windows per second in the last epoch, validation included."""
    n_windows = n_train * run.n_folds // (run.n_folds - 2) + 1
    n_samples = min(run.window + run.step * n_windows, recording.n_samples)
    result = cross_validate(recording.crop(0, n_samples / recording.fs), run, progress=False)
    n_windows = training_windows(n_samples, recording.fs, replace(run, epochs=1))
    return n_windows / result.history["seconds"].iloc[-1]


def run_study(recording, study, folder, known=None):
    """Compute the runs of a study and gather their counts.

    Parameters
    ----------
    recording : recording.Recording
    study : str or pathlib.Path
        YAML file: name of a setting to its entries for `expand`.
    folder, known
        See `run`.

    Returns
    -------
    pandas.DataFrame
        `load` of all runs with the name of their setting in front.
    """
    settings = yaml.safe_load(Path(study).read_text())
    settings = {name: expand(entries) for name, entries in settings.items()}
    if known is not None:
        known = known.drop(columns="setting").drop_duplicates(["run", "fold", "motor_unit"])
    every = [one for runs in settings.values() for one in runs]
    run([recording], every, folder, known=known)
    tables = {name: run([recording], runs, folder, known=known) for name, runs in settings.items()}
    return pd.concat(tables, names=["setting"]).reset_index("setting").reset_index(drop=True)


def run_profile(profile, only=(), scheduler="", dry=False):
    """Compute what the results table of a profile lacks, or tell what the sweep takes.

    Parameters
    ----------
    profile : params.Params
    only, scheduler
        Instead of those of the profile.
    dry : bool
        `dry_run` instead of `run`.

    Returns
    -------
    pandas.DataFrame
        Of `run` or `dry_run`.
    """
    p = profile
    sweep = (
        load_recordings(p.source, p.folder, p.n_subjects, p.mvc, p.seconds, p.seed),
        expand(p.grid, p.seed),
        paths.sweep_folder(p.profile),
        only or p.only,
        p.workers,
        scheduler or p.scheduler,
    )
    return (dry_run if dry else run)(*sweep, known=saved(p.results))


def save(counts, path, only=()):
    """Write a table of counts as CSV, for the analysis.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `run`.
    path : str or pathlib.Path
        Below the project.
    only : sequence of int
        That of `run`. With it, what stands in the table of other recordings stays.
    """
    path = paths.PROJECT / path
    if only and path.exists():
        old = _read(path)
        others = old[~old["recording_digest"].isin(counts["recording_digest"])]
        counts = pd.concat([counts, others], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths.write_whole(path, counts.to_csv(index=False, lineterminator="\n"))
    print(f"{path.relative_to(paths.PROJECT)}: {len(counts)} rows")


def saved(path):
    """Read a committed table of `save`: what a sweep need not compute again.

    Parameters
    ----------
    path : str or pathlib.Path
        Below the project.

    Returns
    -------
    pandas.DataFrame or None
        None where there is none, and for one in runs/: its runs have files of their own there.
    """
    path = paths.PROJECT / path
    computed_here = path.is_relative_to(paths.PROJECT / "runs")
    return _read(path) if path.exists() and not computed_here else None


def _read(path):
    return pd.read_csv(path, dtype={"subject": str}, low_memory=False)


def _sample_study():
    """`make sample`: the study of the real recording, its counts committed as a table."""
    folder = paths.PROJECT / "runs" / "sample"
    known = saved(paths.SAMPLE_COUNTS)
    counts = run_study(fetch_sample(), paths.PARAMS / "sample_runs.yaml", folder, known)
    save(counts, paths.SAMPLE_COUNTS)


def main(arguments=None):
    """Compute the sweep of a profile from the command line."""
    from hdsemg_nb import params  # not above: to check a profile, params expands its grid

    parser = argparse.ArgumentParser(prog="python -m hdsemg_nb.sweep", description=main.__doc__)
    parser.add_argument("profile", nargs="?", help="default: the study of the real recording")
    parser.add_argument("--dry-run", action="store_true", help="tell what it takes and stop")
    parser.add_argument("--recordings", nargs="+", type=int, help="only these, counted from 0")
    parser.add_argument("--scheduler", help="tcp://... of a Dask scheduler")
    given = parser.parse_args(arguments)
    if given.profile is None:
        return _sample_study()
    profile = params.load(given.profile)
    table = run_profile(profile, given.recordings, given.scheduler, given.dry_run)
    if given.dry_run:
        print(table.to_string(index=False))
    else:
        save(table, profile.results, given.recordings or profile.only)
    failed = len(failures(paths.sweep_folder(profile.profile)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    from hdsemg_nb.sweep import main as imported  # so that workers find the functions by name

    imported()
