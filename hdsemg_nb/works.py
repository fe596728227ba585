"""Pieces of work of a sweep: one run on one recording with all its folds."""

from itertools import product
from pathlib import Path
from typing import NamedTuple

from hdsemg_nb import paths, results, segment
from hdsemg_nb.decoders import DECODERS, Run


class Work(NamedTuple):
    """One run on one recording, all its folds."""

    index: int  # number of the recording
    run: Run
    path: Path  # of the result file, <name of the run>.json
    about: dict  # which recording: `results.describe`
    training_windows: int  # over all folds and epochs


def training_windows(n_samples, fs, run):
    """Windows a run trains on, over all folds and epochs.

    0 for decoders without gradient descent, and for a recording of `n_samples` at `fs` Hz that is
    too short.
    """
    if not DECODERS[run.network].trained:
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
        As for `sweep.run`. A recording that cannot be read is recorded as failed and left out.

    Returns
    -------
    list of Work
        In the order of `sweep.run`.
    """
    blocks = [runs] if runs and isinstance(runs[0], Run) else runs
    known = looked_at(recordings, chosen(recordings, only), folder)
    return [work for block in blocks for work in of_block(known, block, Path(folder))]


def of_block(known, runs, folder):
    """Works of a block: intensity by intensity, run by run."""
    intensities = dict.fromkeys(str(about["mvc"]) for _, about, _ in known)
    return [
        Work(index, one, _path(folder, about, one), about, training_windows(*size, one))
        for mvc, one in product(intensities, dict.fromkeys(runs))
        for index, about, size in known
        if str(about["mvc"]) == mvc
    ]


def chosen(recordings, only):
    """Numbers of the recordings to work on; ValueError for one that there is not."""
    absent = sorted(set(only) - set(range(len(recordings))))
    if absent:
        raise ValueError(f"recordings={absent}: allowed are 0 to {len(recordings) - 1}")
    return sorted(set(only) or range(len(recordings)))


def looked_at(recordings, numbers, folder):
    """Number, labels and size of those of the recordings that can be read."""
    paths.made(Path(folder))
    known = [_look_at(recordings, k, Path(folder)) for k in numbers]
    return [each for each in known if each is not None]


def _look_at(recordings, index, folder):
    path = folder / f"recording_{index}.json"
    try:
        recording = recordings[index]
    except Exception as error:  # whatever is wrong with one file, the others go on
        results.write_failure(path, error, {"recording": f"number {index}"})
        return None
    path.with_suffix(results.FAILED).unlink(missing_ok=True)
    return index, results.describe(recording), (recording.n_samples, recording.fs)


def _path(folder, about, run):
    return folder / f"{results.run_name(about['recording_digest'], run)}.json"
