"""Train a decoder on the folds of a recording and test it."""

from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hdsemg_nb import metrics, segment
from hdsemg_nb.cbss import MotorUnitFilter
from hdsemg_nb.discharges import match_discharges
from hdsemg_nb.engine import finish, predict, training
from hdsemg_nb.filter_network import fit_filters, shift_matrices
from hdsemg_nb.models import OURS, build_model
from hdsemg_nb.runs import FILTER, Run

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
        the lowest validation loss.
    history : pandas.DataFrame
        Columns fold, epoch, train_loss, val_loss, seconds; empty for the motor-unit filter.
    predictions : numpy.ndarray, shape (windows, motor units)
        Predicted probabilities (filter: 0 or 1) of each window by the fold that tests it; NaN
        where no fold does.
    decoded : numpy.ndarray of bool, shape (windows, motor units)
        Predictions of at least the run's threshold.
    labels : numpy.ndarray of uint8, shape (windows, motor units)
        What the predictions are scored against; 0 where no fold tests the window.
    starts : numpy.ndarray of int64, shape (windows,)
    offsets : numpy.ndarray of int64, shape (tested folds, motor units)
        Samples by which the labels of each fold were moved.
    """

    counts: pd.DataFrame
    history: pd.DataFrame
    predictions: np.ndarray
    decoded: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    offsets: np.ndarray


class FittedNetwork(NamedTuple):
    """A network trained on one fold, with what it needs to decode a signal in uV."""

    model: torch.nn.Module
    run: Run
    normalisation: segment.Normalisation  # fitted to the training windows
    offsets: np.ndarray  # samples by which the label of each motor unit is moved
    history: pd.DataFrame  # of `engine.training`
    f1_weights: dict  # those of the highest validation F1; the model has those of the lowest loss

    def of_highest_f1(self):
        """The same network with the weights of the highest validation F1."""
        model = deepcopy(self.model)
        model.load_state_dict(self.f1_weights)
        return self._replace(model=model)

    def predict(self, emg, starts):
        """Probability of a discharge in each window, shape (windows, motor units).

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, of any recording with the channels of the training.
        starts : numpy.ndarray of int64, shape (windows,)
        """
        emg = self.normalisation.apply(emg)
        return predict(self.model, emg, starts, self.run.window, self.run.bf16)


class FittedFilter(NamedTuple):
    """The motor-unit filter fitted on one fold: the linear baseline beside `FittedNetwork`."""

    filter: MotorUnitFilter
    run: Run
    offsets: np.ndarray
    history: pd.DataFrame  # empty

    def predict(self, emg, starts):
        """1 where the filter finds a discharge, else 0; otherwise as `FittedNetwork.predict`.

        The starts are evenly spaced, or a part of such.
        """
        low, high = segment.label_borders(starts, self.run.window, self.run.span, self.run.step)
        return segment.hits(self.filter.decode(emg), low, high).astype(np.float32)


def fit_fold(recording, run, starts, fold, progress=None):
    """Train a decoder on one fold: a network on its windows, the filter on their samples.

    Parameters
    ----------
    recording : recording.Recording
    run : Run
    starts : numpy.ndarray of int64, shape (windows,)
    fold : segment.Fold
    progress : tqdm.tqdm, optional
        See `fit`.

    Returns
    -------
    FittedNetwork or FittedFilter
    """
    return fit_folds(recording, run, starts, [fold], progress)[0]


def fit_folds(recording, run, starts, folds, progress=None):
    """Train a decoder on each of several folds: a list of what `fit_fold` returns."""
    trainings = [_fold_training(recording, run, starts, fold, progress) for fold in folds]
    return finish(trainings, run.seed)


def _fold_training(recording, run, starts, fold, progress):
    if run.train_seconds is not None:
        fold = segment.shorten(fold, starts, recording, run.step, run.train_seconds)
    mask = segment.covered_samples(starts[fold.train], run.window, recording.n_samples)
    offsets = np.zeros(recording.n_motor_units, dtype=np.int64)
    if run.network == FILTER:
        linear = MotorUnitFilter().fit(recording, mask)
        if progress is not None:
            progress.update()
        return FittedFilter(linear, run, offsets, pd.DataFrame())
    normalisation = segment.fit_normalisation(recording.emg, mask, run.whiten)
    emg = normalisation.apply(recording.emg)
    if run.fit_offsets:
        offsets = segment.label_offsets(emg, recording.discharges, mask, run.window)
    elif run.network == OURS:
        filters, offsets = fit_filters(recording, mask, normalisation, run.without)
    labels = run_labels(recording, run, starts, offsets)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        sizes = recording.n_motor_units, recording.n_channels
        model = build_model(run.network, run.window, *sizes, run.width, run.without)
    if run.network == OURS:
        shifts = shift_matrices(recording.grid, normalisation)
        model.initialise(filters, labels[fold.train].mean(axis=0), shifts)
    history, f1_weights = yield from training(model, emg, starts, labels, fold, run, progress)
    return FittedNetwork(model, run, normalisation, offsets, history, f1_weights)


def run_labels(recording, run, starts, offsets):
    """Labels of the windows of a run, each motor unit moved by its offset.

    Parameters
    ----------
    recording : recording.Recording
    run : Run
    starts : numpy.ndarray of int64, shape (windows,)
    offsets : numpy.ndarray of int64, shape (motor units,)
        In samples.

    Returns
    -------
    numpy.ndarray of uint8, shape (windows, motor units)
    """
    moved = [d + o for d, o in zip(recording.discharges, offsets, strict=True)]
    return segment.labels(moved, starts, run.window, run.span)


def cross_validate(recording, run, progress=True):
    """Train and test one decoder on one recording, fold by fold.

    The motor-unit filter is scored on the very windows a network is scored on: it is fitted on the
    samples of the training windows, decodes the recording, and its discharges are turned into
    window labels like the reference discharges.

    Parameters
    ----------
    recording : recording.Recording
    run : Run
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
    if recording.n_motor_units == 0:
        raise ValueError("the recording has no discharge times: there is nothing to learn")
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    folds = segment.split_folds(
        len(starts), run.window, run.step, run.n_folds, run.split, run.seed
    )[: run.tested_folds]
    shape = len(starts), recording.n_motor_units
    labels, predictions = np.zeros(shape, np.uint8), np.full(shape, np.nan, np.float32)
    counts, history, offsets = [], [], []
    epochs = len(folds) * (1 if run.network == FILTER else run.epochs)
    with tqdm(total=epochs, desc=f"{run.network}, {run.split}", disable=not progress) as bar:
        fits = fit_folds(recording, run, starts, folds, bar)
        for k, (fold, fitted) in enumerate(zip(folds, fits, strict=True)):
            targets = run_labels(recording, run, starts, fitted.offsets)
            test, val = (
                fitted.predict(recording.emg, starts[part]) for part in (fold.test, fold.val)
            )
            labels[fold.test], predictions[fold.test] = targets[fold.test], test
            table = metrics.count_table(targets[fold.test], test >= run.threshold, fold=k)
            validation = metrics.count_table(targets[fold.val], val >= run.threshold)
            table = table.join(validation[COUNTED].add_prefix("val_"))
            if isinstance(fitted, FittedNetwork):
                other = fitted.of_highest_f1().predict(recording.emg, starts[fold.test])
                other = metrics.count_table(targets[fold.test], other >= run.threshold)
                table = table.join(other[COUNTED[1:]].add_prefix("f1_"))
            counts.append(table)
            history.append(fitted.history.assign(fold=k))
            offsets.append(fitted.offsets)
    counts, history = (pd.concat(x, ignore_index=True) for x in (counts, history))
    decoded = predictions >= run.threshold
    return Result(counts, history, predictions, decoded, labels, starts, np.array(offsets))


def filter_discharges(recording, run):
    """Discharges that the motor-unit filter finds in the test samples of each fold.

    Parameters
    ----------
    recording : recording.Recording
    run : Run
        Its window, step, split, n_folds, tested_folds and seed are used.

    Yields
    ------
    true, found : list of numpy.ndarray of int64
        Reference and found discharge times of each motor unit within the test windows of a fold,
        to the sample: they never were windows.
    """
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    folds = segment.split_folds(len(starts), run.window, run.step, run.n_folds, run.split, run.seed)
    for fold in folds[: run.tested_folds]:
        train, test = (
            segment.covered_samples(starts[part], run.window, recording.n_samples)
            for part in (fold.train, fold.test)
        )
        found = MotorUnitFilter().fit(recording, train).decode(recording.emg)
        yield tuple(
            [times[test[times]] for times in all_] for all_ in (recording.discharges, found)
        )


def discharge_scores(recording, run, tolerance_ms=1.0):
    """Score the motor-unit filter discharge by discharge, on the test windows of every fold.

    Parameters
    ----------
    recording, run
        As for `filter_discharges`.
    tolerance_ms : float
        See `discharges.match_discharges`.

    Returns
    -------
    pandas.DataFrame
        Per fold and motor unit: fold, motor_unit, tp, fp, fn (discharges), f1.
    """
    rows = []
    for k, trains in enumerate(filter_discharges(recording, run)):
        for unit, pair in enumerate(zip(*trains, strict=True)):
            c = match_discharges(*pair, recording.fs, tolerance_ms)
            rows.append((k, unit, *c, float(metrics.scores(*c).f1)))
    return pd.DataFrame(rows, columns=["fold", "motor_unit", "tp", "fp", "fn", "f1"])
