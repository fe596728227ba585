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
    setting: str  # name of its block


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


def plan(recordings, blocks, numbers, folder):
    """Pieces of work of a sweep, done or not.

    Parameters
    ----------
    recordings : sequence of recording.Recording
        Read here, one at a time. One that cannot be read is recorded as failed and left out.
    blocks : sequence of studies.Block
    numbers : sequence of sequence of int
        For each block the recordings that it is run on.
    folder : pathlib.Path
        Of the results of single runs.

    Returns
    -------
    list of Work
        Block by block, in each by intensity (in the order in which the recordings have them), then
        run by run.
    """
    paths.made(folder)
    looked = {k: _look_at(recordings, k, folder) for k in range(len(recordings))}
    works = []
    for block, own in zip(blocks, numbers, strict=True):
        known = [(k, *looked[k]) for k in own if looked[k] is not None]
        intensities = dict.fromkeys(str(about["mvc"]) for _, about, *_ in known)
        works += [
            Work(
                index,
                one,
                _path(folder, about, one),
                about,
                training_windows(*size, one),
                block.name,
            )
            for mvc, one in product(intensities, dict.fromkeys(block.runs))
            for index, about, *size in known
            if str(about["mvc"]) == mvc
        ]
    return works


def chosen(recordings, only):
    """Numbers of the recordings to work on, all for (); ValueError for one that there is not."""
    absent = sorted(set(only) - set(range(len(recordings))))
    if absent:
        raise ValueError(f"recordings={absent}: allowed are 0 to {len(recordings) - 1}")
    return set(only) or set(range(len(recordings)))


def _look_at(recordings, index, folder):
    """Labels, samples and sampling frequency of a recording; None when it cannot be read."""
    path = folder / f"recording_{index}.json"
    try:
        recording = recordings[index]
    except Exception as error:  # whatever is wrong with one file, the others go on
        results.write_failure(path, error, {"recording": f"number {index}"})
        return None
    path.with_suffix(results.FAILED).unlink(missing_ok=True)
    return results.describe(recording), recording.n_samples, recording.fs


def _path(folder, about, run):
    return folder / f"{results.run_name(about['recording_digest'], run)}.json"
