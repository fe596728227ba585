"""Many runs on many recordings: each computed once, written whole or not at all.

A piece of work is one run on one recording with all its folds. Its result is a JSON file named by a
digest (`results.run_name`), so that a stopped sweep goes on where it was. A run that fails leaves a
.failed file with the error instead; the others go on, and the next sweep tries it again.
"""

import argparse
import sys
import time
import warnings
from functools import lru_cache, reduce
from itertools import groupby
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from hdsemg_nb import cluster, paths, results, studies
from hdsemg_nb.engine import device

ABREAST = 15  # trainings side by side on a GPU
CURVES = [
    "run", "network", "window", "step", "split", "width", "subject", "mvc", "fold", "epoch",
    "train_loss", "val_loss", "val_f1",
]  # fmt: skip
BAR = "{desc}: {percentage:3.0f}%|{bar}| {rate_fmt}, {elapsed}<{remaining}"
END = ", end {eta:%d %b %H:%M}"  # known once an epoch is done


def carry_out(recordings, works, folder, workers=0, scheduler="", known=None, minutes=None):
    """Compute the works that have no result yet.

    Starts processes: a script (not a notebook) has to do its work under
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    recordings : sequence of recording.Recording
        For example `datasets.files.Recordings`. Read here, one at a time, and sent to a worker with
        each run: the workers need no access to the files.
    works : list of studies.Work
        Computed in this order.
    folder : pathlib.Path
        Of the results, written here: the workers need no access to it either.
    workers, scheduler
        See `cluster.connect`.
    known : pandas.DataFrame, optional
        Of an earlier call, for example a committed table: its runs are not computed again.
    minutes : float, optional
        Begin no run that would end after so long, judged by the slowest before; default no limit.

    Warns
    -----
    UserWarning
        When there are failed runs in the folder: how many, and why. When a result is damaged.

    Raises
    ------
    OSError
        When a result cannot be written (disk full) or there is no such scheduler. What was
        written before is whole, and the next call goes on from there.
    """
    groups = list(_abreast(missing(works, known)))
    if groups:
        end = float("inf") if minutes is None else time.monotonic() + 60 * minutes
        with cluster.connect(workers, scheduler) as client:
            while groups:
                groups = _compute(client, recordings, groups, end)
    _warn_of_failures(folder)


def missing(works, known):
    """Works without a result, each result once."""
    done = set() if known is None else set(known["run"])
    once = {work.path: work for work in works if work.path.stem not in done}
    return [work for path, work in once.items() if results.document(path) is None]


def gather(works, known=None, table_of=results.counts):
    """Results of these works, from their files or known before, in the order of the works.

    Parameters
    ----------
    works : list of studies.Work
    known : pandas.DataFrame, optional
    table_of : callable
        `results.counts` or `results.histories`.

    Returns
    -------
    pandas.DataFrame
        Which recording it is stands as in the recordings given now.
    """
    if known is not None:  # rows of one signal under two names are the same
        row = [name for name in ("run", "fold", "motor_unit", "epoch") if name in known]
        known = known.drop_duplicates(row)
    before = {} if known is None else dict(tuple(known.groupby("run", sort=False)))
    once = {(work.path.stem, *map(str, work.about.values())): work for work in works}
    tables = []
    for work in once.values():
        name, content = work.path.stem, results.document(work.path)
        table = before.get(name) if content is None else table_of({name: content})
        if table is not None:
            tables.append(table.assign(**{n: [v] * len(table) for n, v in work.about.items()}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _abreast(works):
    """On a GPU works of the same run together, to be trained side by side; else one by one."""
    for one, group in groupby(works, lambda work: work.run):
        group = list(group)
        size = max(1, ABREAST // (one.tested_folds or one.n_folds))
        size = size if device().type == "cuda" else 1
        yield from (tuple(group[k : k + size]) for k in range(0, len(group), size))


def _compute(client, recordings, groups, end):
    """Compute groups of works; those that failed together come back, each to be tried alone."""
    read, begun, slowest = lru_cache(maxsize=4)(recordings.__getitem__), {}, 0.0
    alone = []  # works that failed together

    def windows(group):
        return sum(work.training_windows for work in group)

    def cost(group):
        return windows(group) * group[0].run.window

    def submit(group, resources):
        if time.monotonic() + slowest * cost(group) > end:
            return None
        begun[group[0].path] = time.monotonic()
        task = (results.compute, [read(work.index) for work in group], group[0].run)
        future = client.submit(*task, cluster.Told, resources=resources, pure=False)
        bar.begin(future.key, windows(group))
        return future

    with _Bar(sum(map(windows, groups)), sum(map(len, groups))) as bar:
        client.subscribe_topic(cluster.TOLD, lambda event: bar.hear(*event[1]))
        for group, future in cluster.compute(client, groups, submit):
            seconds = time.monotonic() - begun[group[0].path]
            if done_here := cost(group) * (1 - bar.taken_up.get(future.key, 0)):
                slowest = max(slowest, seconds / done_here)
            if future.exception() and len(group) > 1:
                alone += [(work,) for work in group]
            else:
                _keep(group, future)
            bar.finish(future.key, len(group))
    return alone


class _Bar(tqdm):
    """Training windows of all runs of a sweep; moves with each epoch that a worker tells.

    `hear` is called from another thread than the rest.
    """

    def __init__(self, n_windows, n_runs):
        self.done, self.n_runs, self.at = 0, n_runs, {}  # of each task: where it is, its windows
        self.taken_up = {}  # of each task: the share that was done before
        style = dict(unit=" windows", unit_scale=True, smoothing=0, bar_format=BAR)
        super().__init__(total=n_windows, desc=f"0/{n_runs} runs", **style)

    def begin(self, key, n_windows):
        self.at[key] = 0, n_windows

    def hear(self, key, share, taken_up=False):
        """So much more of a task is done, by itself or by who does it again, now or before."""
        with self.get_lock():
            if key in self.at:
                self._move(key, self.at[key][0] + share * self.at[key][1], taken_up)
                if taken_up:
                    self.taken_up[key] = self.taken_up.get(key, 0) + share

    def finish(self, key, n_runs):
        with self.get_lock():
            self._move(key, self.at[key][1])
            del self.at[key]
        self.done += n_runs
        self.set_description_str(f"{self.done}/{self.n_runs} runs")

    def _move(self, key, to, taken_up=False):
        before, n_windows = self.at[key]
        self.at[key] = min(round(to), n_windows), n_windows
        moved = self.at[key][0] - before
        self.initial += moved if taken_up else 0  # tells nothing of the speed
        self.bar_format = BAR + END if self.n + moved > self.initial else BAR
        self.update(moved)


def _keep(group, future):
    error = future.exception()
    if error is None:
        for work, content in zip(group, future.result(), strict=True):
            results.write(work.path, content)
    else:
        for work in group:
            results.write_failure(work.path, error, work.about, work.run)


def _forget(folder, works):
    """Delete the records of failed runs that a study no longer has: nothing tries them again."""
    tried = {work.path.stem for work in works}
    for path in folder.glob(f"*{results.FAILED}"):
        if path.stem not in tried and not path.stem.startswith(studies.UNREADABLE):
            path.unlink()


def _warn_of_failures(folder):
    failed = results.failures(folder)
    if len(failed):
        reasons = [f"{n} x {error}" for error, n in failed["error"].value_counts().items()]
        warnings.warn(
            f"{len(failed)} failed in {folder}:\n" + "\n".join(reasons) + "\n"
            "results.failures(folder) lists them; the next sweep tries them again",
            stacklevel=4,
        )


def study(path, only=(), workers=0, scheduler="", minutes=None, merged=(), to=None):
    """Compute what the committed table of a study lacks, and write it.

    Parameters
    ----------
    path : str or pathlib.Path
        YAML file, see `studies.load`.
    only : sequence of int
        Numbers of the recordings to work on, for a share of a job array; default all.
    workers, scheduler, minutes
        See `carry_out`.
    merged : sequence of str
        Folders with tables of the same name that were computed elsewhere.
    to : str, optional
        Folder for the tables instead of that of the study.

    Returns
    -------
    pandas.DataFrame
        The table as it was written: `results.counts` of the runs of the study, without those that
        failed, and the rows that were there before; empty without any.
    """
    one = studies.load(path)
    before = {file: committed(file, merged) for file in (one.results, one.curves) if file}
    recordings, numbers = one.load_recordings()
    wanted = _chosen(recordings, only)
    works = studies.plan(recordings, one.blocks, numbers, one.folder)
    _forget(one.folder, works)
    asked = [work for work in works if work.index in wanted]
    carry_out(recordings, asked, one.folder, workers, scheduler, before[one.results], minutes)
    names = _settings(works)
    folder = Path(to or one.results.parent)
    tables_of = {one.curves: results.histories, one.results: results.counts}
    for file in filter(None, tables_of):
        known = committed(file, merged)  # again: another study may have written meanwhile
        table = _with_others(gather(works, known, tables_of[file]), known)
        if table.empty:
            continue
        if any(names.values()):
            table["setting"] = table["run"].map(names).fillna(table.get("setting", ""))
        table = table if file == one.results else table.reindex(columns=CURVES)
        results.save(table, folder / file.name, one.note)
    written = folder / one.results.name
    return results.read(written) if (paths.PROJECT / written).exists() else pd.DataFrame()


def _chosen(recordings, only):
    """Numbers of the recordings to work on, all for (); ValueError for one that there is not."""
    absent = sorted(set(only) - set(range(len(recordings))))
    if absent:
        raise ValueError(f"recordings={absent}: allowed are 0 to {len(recordings) - 1}")
    return set(only) or set(range(len(recordings)))


def committed(file, merged=()):
    """Table of a study, with what it lacks from those computed elsewhere; None without any.

    FileNotFoundError when a folder to merge, counted from the project, has no such table.
    """
    others = [paths.PROJECT / folder / file.name for folder in merged]
    for path in others:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no table to merge")
    tables = [_read(path) for path in (paths.PROJECT / file, *others)]
    return reduce(_with_others, tables)


def _settings(works):
    """Name of the setting of each run; ValueError for one that stands in two."""
    names = {}
    for work in works:
        name = names.setdefault(work.path.stem, work.setting)
        if name != work.setting:
            both = f"settings {name!r} and {work.setting!r} share {work.run} on {work.about}"
            raise ValueError(f"{both}: in the table it would stand in one of them alone")
    return names


def _read(path):
    """Table of a study; None where there is none."""
    if not path.exists():
        return None
    table = results.read(path)
    if "run" not in table:
        raise ValueError(f"{path} has no column 'run': no table of a sweep; move it away")
    return table


def _with_others(table, known):
    """Rows with those known before of other runs: nothing that was written is lost."""
    if table is None or known is None:
        return known if table is None else table
    others = known[~known["run"].isin(table.get("run", ()))]
    return pd.concat([table, others], ignore_index=True)


def main(arguments=None):
    """Compute the runs of a study from the command line."""
    parser = argparse.ArgumentParser(prog="python -m hdsemg_nb.sweep", description=main.__doc__)
    parser.add_argument("study", help="a file of params/sweeps/")
    parser.add_argument("--recordings", nargs="+", type=int, default=(), help="counted from 0")
    parser.add_argument("--workers", type=int, default=0, help="processes on this machine")
    parser.add_argument("--scheduler", default="", help="tcp://... of a Dask scheduler")
    parser.add_argument("--minutes", type=float, help="begin no run that would end later")
    parser.add_argument("--merge", nargs="+", default=(), help="folders of tables from elsewhere")
    parser.add_argument("--to", help="folder for the tables, instead of results/")
    given = parser.parse_args(arguments)
    where = given.recordings, given.workers, given.scheduler
    table = study(given.study, *where, given.minutes, given.merge, given.to)
    print(f"{table['run'].nunique() if len(table) else 0} runs, {len(table)} rows")
    sys.exit(1 if len(results.failures(studies.load(given.study).folder)) else 0)


if __name__ == "__main__":
    from hdsemg_nb.sweep import main as imported  # so that workers find the functions by name

    imported()
