"""Train a network on one fold and test it: one loop, on a CPU or one GPU."""

from copy import copy
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from hdsemg_nb import gpu, metrics, segment
from hdsemg_nb.cbss import MotorUnitFilter
from hdsemg_nb.discharges import match_discharges
from hdsemg_nb.filter_network import MUFNet, fit_filters, shift_matrices
from hdsemg_nb.models import OURS, MLDRSNet, build_model
from hdsemg_nb.runs import FILTER, Run

COUNTED = ["n_windows", "tp", "fp", "fn"]


@dataclass(frozen=True, eq=False)
class Result:
    """What a cross-validated run leaves.

    Parameters
    ----------
    counts : pandas.DataFrame
        `metrics.count_table` of every tested fold, and the same of its validation windows in
        columns val_n_windows, val_tp, val_fp, val_fn.
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


def device():
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16_supported():
    """Whether the device has instructions for bfloat16; without them it is slower than float32."""
    if device().type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


def batches(order, size):
    """Split window numbers into batches; a last batch of one joins the one before.

    Batch normalisation cannot be trained on a single window.
    """
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def fit(model, emg, starts, targets, fold, run, progress=None):
    """Train a network and keep the weights of the lowest validation loss.

    The signal stays where it is and each batch is gathered from it: overlapping windows are never
    stored.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place, left in evaluation mode with its best weights.
    emg : numpy.ndarray of float32, shape (channels, samples)
        Normalised.
    starts : numpy.ndarray of int64, shape (windows,)
    targets : numpy.ndarray of 0/1, shape (windows, motor units)
    fold : segment.Fold
    run : Run
        Its window, epochs, learning_rate, weight_decay, batch_size, bf16 and seed are used.
    progress : tqdm.tqdm, optional
        A bar to advance by one each epoch.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: epoch, train_loss, val_loss (mean binary cross-entropy over windows and
        motor units), seconds (of training and validation; of trainings side by side, of all).

    Raises
    ------
    ValueError
        When fewer than two windows are left for training, or none for validation.
    FloatingPointError
        When the validation loss is not finite in any epoch.
    """
    return finish([training(model, emg, starts, targets, fold, run, progress)], run.seed)[0]


def finish(trainings, seed):
    """Carry out trainings: one after the other, on a GPU side by side.

    Parameters
    ----------
    trainings : sequence of generator
        Of `training`, or others that pass on what it yields.
    seed : int
        Of the random numbers of dropout; those of the caller stay as they are.

    Returns
    -------
    list
        What the generators return.
    """
    groups = [trainings] if device().type == "cuda" else [[one] for one in trainings]
    results = []
    for group in groups:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            results += gpu.together(group)
    return results


def training(model, emg, starts, targets, fold, run, progress=None):
    """The training of `fit` step by step, for `finish`; parameters and errors as there.

    Yields
    ------
    callable, torch.Tensor
        A step (training or validation) and the window numbers that it is to be called with.

    Returns
    -------
    pandas.DataFrame
        As `fit`.
    """
    if len(fold.train) < 2 or len(fold.val) < 1:
        raise ValueError(
            f"{len(fold.train)} training and {len(fold.val)} validation windows: "
            "at least 2 and 1 are needed"
        )
    model.to(device(), memory_format=torch.channels_last)
    view, starts = _resident(emg, starts, run.window)
    targets = torch.from_numpy(targets).float().to(device())
    train, val = (torch.from_numpy(part).to(device()) for part in (fold.train, fold.val))
    adam, schedule = _optimiser(model, run)
    shuffle = torch.Generator().manual_seed(run.seed)
    total, val_loss = torch.zeros(2, device=device())
    compiled = _compiled(model, run)

    def step(batch):
        network = compiled if len(batch) == run.batch_size else model
        logits = _forward(network, _gather(view, starts[batch]), run.bf16)
        loss = binary_cross_entropy_with_logits(logits, targets[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
        total.add_(loss.detach() * len(batch))  # no .item(): a GPU would wait here

    def validate(batch):
        logits = _logits(model, view, starts[batch], run.bf16)
        val_loss.copy_(binary_cross_entropy_with_logits(logits, targets[batch]))

    history, best, best_weights = [], np.inf, None
    for epoch in range(run.epochs):
        began = perf_counter()
        total.zero_()
        model.train()
        order = train[torch.randperm(len(train), generator=shuffle).to(device())]
        for batch in batches(order, run.batch_size):
            yield step, batch
        if run.decay:
            schedule.step()
        yield validate, val
        losses = total.item() / len(train), val_loss.item()
        history.append((epoch, *losses, perf_counter() - began))
        if losses[1] < best:
            best = losses[1]
            best_weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
        if progress is not None:
            progress.update()
    if best_weights is None:
        raise FloatingPointError(
            "the validation loss was never finite; check the normalisation and "
            f"learning_rate={run.learning_rate}"
        )
    model.load_state_dict(best_weights)
    model.eval()
    return pd.DataFrame(history, columns=["epoch", "train_loss", "val_loss", "seconds"])


class FittedNetwork(NamedTuple):
    """A network trained on one fold, with what it needs to decode a signal in uV."""

    model: torch.nn.Module
    run: Run
    normalisation: segment.Normalisation  # fitted to the training windows
    offsets: np.ndarray  # samples by which the label of each motor unit is moved
    history: pd.DataFrame  # of `fit`

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
    history = yield from training(model, emg, starts, labels, fold, run, progress)
    return FittedNetwork(model, run, normalisation, offsets, history)


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


def predict(model, emg, starts, window, bf16=None):
    """Probability of a discharge in each window.

    Parameters
    ----------
    model : torch.nn.Module
    emg : numpy.ndarray of float32, shape (channels, samples)
        Normalised as for the training.
    starts : numpy.ndarray of int64, shape (windows,)
    window : int
        Window W in samples.
    bf16 : bool, optional
        As in `Run`.

    Returns
    -------
    numpy.ndarray of float32, shape (windows, motor units)
    """
    model.to(device(), memory_format=torch.channels_last)
    view, starts = _resident(emg, starts, window)
    return torch.sigmoid(_logits(model, view, starts, bf16)).cpu().numpy()


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
            counts.append(table.join(validation[COUNTED].add_prefix("val_")))
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


def _optimiser(model, run):
    """Adam with the settings of a run, and the schedule of its learning rate."""
    on_gpu = device().type == "cuda"
    rate = torch.tensor(run.learning_rate, device=device()) if on_gpu else run.learning_rate
    grouped = isinstance(model, MUFNet)
    parameters = model.parameter_groups(rate) if grouped else model.parameters()
    settings = dict(lr=rate, weight_decay=run.weight_decay, capturable=on_gpu)
    adam = torch.optim.Adam(parameters, **settings, fused=True)
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, lambda epoch: _share(epoch, run))


def _compiled(model, run):
    """The model, sharing its weights and compiled for one size of batch, where that pays.

    ML-DRSNet at full width on a GPU: most of its time are steps between the convolutions. Compiled
    once for each window, whatever the fold and the number of motor units.
    """
    if device().type == "cuda" and isinstance(model, MLDRSNet) and run.width == 1:
        model = copy(model)
        model.features = torch.compile(model.features, dynamic=False)
    return model


def _share(epoch, run):
    """Share of the learning rate that is left in an epoch."""
    return (1 + np.cos(np.pi * epoch / run.epochs)) / 2 if run.decay else 1.0


def _resident(emg, starts, window):
    """The signal on the device as a view of all its windows, and the starts.

    Each row of the view is a window, sample by sample: one piece of memory, fast to gather, and in
    the order in which the convolutions along time compute.
    """
    signal = torch.from_numpy(np.ascontiguousarray(emg.T)).to(device())  # (samples, channels)
    view = signal.flatten().unfold(0, window * len(emg), len(emg))
    return view.unflatten(1, (window, len(emg))), torch.from_numpy(starts).to(device())


def _gather(view, starts):
    """Windows of shape (batch, channels, window)."""
    return view[starts].transpose(1, 2)


def _forward(model, x, bf16):
    bf16 = bf16_supported() if bf16 is None else bf16
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=bf16):
        return model(x).float()


@torch.inference_mode()
def _logits(model, view, starts, bf16):
    model.eval()
    parts = torch.split(starts, 1024 if starts.is_cuda else 128)
    return torch.cat([_forward(model, _gather(view, part), bf16) for part in parts])
