"""Train a decoder on the folds of a recording and test it."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from tqdm import tqdm

from hdsemg_nb import metrics, segment
from hdsemg_nb.decoders import DECODERS
from hdsemg_nb.decoders import Run as Run
from hdsemg_nb.discharges import match_discharges
from hdsemg_nb.engine import finish
from hdsemg_nb.label_noise import noisy

COUNTED = ["n_windows", "tp", "fp", "fn"]


@dataclass(frozen=True, eq=False)
class Result:
    """What a cross-validated run leaves.

    Parameters
    ----------
    counts : pandas.DataFrame
        `metrics.count_table` of every tested fold, and the same of its validation windows in
        columns val_n_windows, val_tp, val_fp, val_fn; of a network f1_tp, f1_fp, f1_fn: the test
        with the weights of the highest validation F1, mean over motor units, in place of those of
        the lowest validation loss; of a run with `label_noise` truth_tp, truth_fp, truth_fn: the
        test against the true discharges, moved by the constant lag of the labels.
    history : pandas.DataFrame
        Columns fold, epoch, train_loss, val_loss, val_f1, seconds; empty for decoders without
        gradient descent.
    predictions : numpy.ndarray, shape (windows, motor units)
        Predicted probabilities (filter: 0 or 1) of each window by the fold that tests it; NaN
        where no fold does.
    labels : numpy.ndarray of uint8, shape (windows, motor units)
        What the predictions are scored against; 0 where no fold tests the window.
    starts : numpy.ndarray of int64, shape (windows,)
    """

    counts: pd.DataFrame
    history: pd.DataFrame
    predictions: np.ndarray
    labels: np.ndarray
    starts: np.ndarray


def fit(recording, run, fold=None, progress=False):
    """Train a decoder of any kind, on all of a recording or on one fold.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run
    fold : segment.Fold, optional
        Of `segment.cut`. Default: every window, to train on (with `train_seconds` those near the
        middle) and to judge the weights by. Nothing is left to tell when a network has learnt
        enough, so cross-validate the run first.
    progress : bool
        Show a progress bar over the epochs.

    Returns
    -------
    decoders.fitted.FittedDecoder
        Predicts windows of any signal in uV, ``.predict(emg, starts)``, and finds the discharges of
        a new recording, ``.decode_recording(recording)``.

    Raises
    ------
    ValueError
        When the recording has no motor unit.
    """
    _check_motor_units([recording])
    recording, _ = noisy(recording, run.label_noise, run.seed)
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    if fold is None:
        every = np.arange(len(starts))
        fold = segment.Fold(every, every, every[:0])
        if run.train_seconds is not None:
            fold = segment.shorten(fold, starts, recording, run.step, run.train_seconds)
    with tqdm(total=run.epochs, desc=run.network, disable=not progress) as bar:
        training = DECODERS[run.network].fit(recording, run, starts, fold, bar)
        return finish([training], run.seed)[0]


def _check_motor_units(recordings):
    if any(recording.n_motor_units == 0 for recording in recordings):
        raise ValueError("the recording has no discharge times: `cbss.decompose` it first")


def cross_validate(recording, run, progress=True):
    """Train and test one decoder on one recording, fold by fold.

    Every decoder is scored on the very same windows, each with the labels where it has learnt to
    see its motor units (`FittedNetwork.offsets`). The motor-unit filter is fitted on the samples
    of the training windows, decodes the recording, and its discharges are turned into window labels
    like the reference discharges.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run
    progress : bool
        Show a progress bar over the epochs of all folds.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        When the recording has no motor unit or is too short for the folds.
    """
    return cross_validate_together([recording], run, progress)[0]


def cross_validate_together(recordings, run, progress=True, bar_of=tqdm):
    """`cross_validate` of the same run on several recordings: on a GPU trained side by side.

    Parameters
    ----------
    recordings : sequence of recording.Recording
    run, progress
        As for `cross_validate`.
    bar_of : callable
        What makes the progress bar, called like `tqdm.tqdm`.

    Returns
    -------
    list of Result
        One for each recording.
    """
    _check_motor_units(recordings)
    labelled = [noisy(recording, run.label_noise, run.seed) for recording in recordings]
    recordings, truths = zip(*labelled, strict=True)
    cuts = [segment.cut(recording, run) for recording in recordings]
    total = run.epochs * sum(len(folds) for _, folds in cuts)
    with bar_of(total=total, desc=f"{run.network}, {run.split}", disable=not progress) as bar:
        trainings = [
            DECODERS[run.network].fit(recording, run, starts, fold, bar)
            for recording, (starts, folds) in zip(recordings, cuts, strict=True)
            for fold in folds
        ]
        fitted = iter(finish(trainings, run.seed))
    return [
        _test(recording, truth, run, *cut, [next(fitted) for _ in cut[1]])
        for recording, truth, cut in zip(recordings, truths, cuts, strict=True)
    ]


def _test(recording, truth, run, starts, folds, fitted):
    """Result of the decoders of all folds on a recording."""
    shape = len(starts), recording.n_motor_units
    labels, predictions = np.zeros(shape, np.uint8), np.full(shape, np.nan, np.float32)
    counts, history = [], []
    for k, (fold, one) in enumerate(zip(folds, fitted, strict=True)):
        targets = segment.run_labels(recording, run, starts, one.offsets)
        labels[fold.test] = targets[fold.test]
        predictions[fold.test] = one.predict(recording.emg, starts[fold.test])
        table = _count(recording, run, starts, fold, one, targets)
        if run.label_noise:
            true = replace(recording, discharges=truth)
            true = segment.run_labels(true, run, starts, one.offsets)[fold.test]
            found = metrics.count_table(true, predictions[fold.test] >= run.threshold)
            table = table.join(found[COUNTED[1:]].add_prefix("truth_"))
        counts.append(table)
        history.append(one.history.assign(fold=k))
    counts = pd.concat(counts, keys=range(len(folds)), names=["fold"]).reset_index("fold")
    history = pd.concat(history, ignore_index=True)
    return Result(counts, history, predictions, labels, starts)


def _count(recording, run, starts, fold, fitted, targets):
    """Test counts of one fold, beside the validation and the weights of the highest F1."""

    def counted(decoder, part):
        found = decoder.predict(recording.emg, starts[part]) >= run.threshold
        return metrics.count_table(targets[part], found)

    table = counted(fitted, fold.test).join(counted(fitted, fold.val)[COUNTED].add_prefix("val_"))
    if DECODERS[run.network].trained:
        other = counted(fitted.of_highest_f1(), fold.test)[COUNTED[1:]]
        table = table.join(other.add_prefix("f1_"))
    return table


def discharge_scores(recording, run):
    """Score a decoder discharge by discharge, on the test windows of every fold.

    A discharge is found within 1 ms (`discharges.match_discharges`) of one that is labelled, with
    the `label_noise` of the run.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run

    Returns
    -------
    pandas.DataFrame
        Per fold and motor unit: fold, motor_unit, tp, fp, fn (discharges), f1.
    """
    labelled, _ = noisy(recording, run.label_noise, run.seed)
    starts, folds = segment.cut(recording, run)
    rows = []
    for k, fold in enumerate(folds):
        test = segment.covered_samples(starts[fold.test], run.window, recording.n_samples)
        found = fit(recording, run, fold).decode(recording.emg)
        for unit, pair in enumerate(zip(labelled.discharges, found, strict=True)):
            inside = (times[test[times]] for times in pair)
            c = match_discharges(*inside, recording.fs, 1.0)
            rows.append((k, unit, *c, float(metrics.scores(*c).f1)))
    return pd.DataFrame(rows, columns=["fold", "motor_unit", "tp", "fp", "fn", "f1"])
