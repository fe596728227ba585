"""What a sweep will take, measured before it is begun: python -m hdsemg_nb.forecast STUDY."""

import sys
from dataclasses import replace

import pandas as pd

from hdsemg_nb import cluster, studies, sweep
from hdsemg_nb.engine import device
from hdsemg_nb.train import cross_validate


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
    for work in sweep.plan(recordings, runs, folder, only):
        groups.setdefault((work.run.network, work.run.window), []).append(work)
    with cluster.connect(workers, scheduler) as client:
        rows = [_estimate(client, recordings, group, known) for group in groups.values()]
    table = pd.DataFrame(rows)
    total = table[["runs", "done", "training_windows", "hours"]].sum().to_frame().T
    table = pd.concat([table, total.assign(network="all")], ignore_index=True)
    return table.astype(dict.fromkeys(["window", "runs", "done", "training_windows"], "Int64"))


def _estimate(client, recordings, works, known):
    """Row of `dry_run`: works with the same network and window."""
    lacking = sweep.missing(works, known)
    windows = sum(work.training_windows for work in lacking)
    speed = float("nan")
    if windows:
        work = max(lacking, key=lambda work: work.training_windows)
        number, resources = cluster.capacity(client)
        task = (_windows_per_second, recordings[work.index], work.run)
        trials = [client.submit(*task, resources=resources, pure=False) for _ in range(number)]
        speed = sum(client.gather(trials, errors="skip")) or speed
    n_runs = len({work.path for work in works})
    return {
        "network": works[0].run.network,
        "window": works[0].run.window,
        "runs": n_runs,
        "done": n_runs - len(lacking),
        "training_windows": windows,
        "windows_per_second": speed,
        "hours": windows / speed / 3600,
    }


def _windows_per_second(recording, run):
    """Speed of one process in the last of a few epochs, on some of the signal.

    On a GPU on all of it: there the first epochs compile and capture what the last one replays.
    Where processes share a GPU and do not all measure it at the same time, the sum of their speeds
    is too high.
    """
    if device().type != "cuda":
        run = replace(run, tested_folds=1, split="shuffled", step=50)
        seconds = max(6.0, 3 * (run.batch_size + run.window) * run.step / recording.fs)
        recording = recording.crop(0, min(seconds, recording.duration))
    run = replace(run, epochs=4 if device().type == "cuda" else 2)
    result = cross_validate(recording, run, progress=False)
    n_windows = sweep.training_windows(recording.n_samples, recording.fs, replace(run, epochs=1))
    return n_windows / result.history["seconds"].iloc[-1]


def main(path):
    """Tell what a study of params/sweeps/ takes on this machine."""
    one = studies.load(path)
    blocks, known = [runs for _, runs in one.blocks], sweep.committed(one.results)
    table = dry_run(one.load_recordings(), blocks, one.folder, known=known)
    print(table.to_string(index=False))


if __name__ == "__main__":
    from hdsemg_nb.forecast import main as imported  # so that workers find the functions by name

    imported(sys.argv[1])
