"""From a recording to windows, labels, folds and normalised channels.

What a window and its label are (W = 20, S = 10; reading of the paper's Eq. 1-4)::

    samples    0         10        20        30        40
    window 0   |===================|                        emg[:, 0:20]
    label  0        |---------|                             a discharge in samples 5 ... 14?
    window 1             |===================|              emg[:, 10:30]
    label  1                  |---------|                   a discharge in samples 15 ... 24?

The label span is centred on the window's centre n*S + W/2. With span "step" (the default) the
spans tile time and each discharge is counted once; with "window" they overlap whenever S < W.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

SPANS = ("step", "window")
SPLITS = ("shuffled", "blocked")


class Fold(NamedTuple):
    """Window numbers of one fold, each an int64 array."""

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray


class Normalisation(NamedTuple):
    """Affine map of the channels, `matrix @ (emg - mean)`, fitted on training samples.

    `mean` has shape (channels, 1) in uV, `matrix` (channels, channels) in 1/uV.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, emg):
        """Normalised EMG, float32 of the shape of `emg`: (channels, samples).

        In memory sample by sample, as `engine` gathers windows.
        """
        return (self.matrix @ (emg - self.mean)).astype(np.float32, order="F")


def window_starts(n_samples, window, step):
    """First sample of each window: 0, S, 2S, ... as long as the window fits.

    Parameters
    ----------
    n_samples : int
        Length of the signal.
    window, step : int
        Window W and step S, in samples.

    Returns
    -------
    numpy.ndarray of int64, shape (windows,)

    Raises
    ------
    ValueError
        When a size is below 1 or the window is longer than the signal.
    """
    for name, value in dict(window=window, step=step).items():
        if value < 1 or value != int(value):
            raise ValueError(f"{name}={value} must be a whole number of samples, at least 1")
    if window > n_samples:
        raise ValueError(f"window={window} does not fit into a signal of {n_samples} samples")
    return np.arange(0, n_samples - window + 1, step, dtype=np.int64)


def windows(emg, starts, window):
    """Windows of the signal; overlapping samples are not copied.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    starts : array_like of int, shape (windows,)
        First sample of each window.
    window : int
        Window W in samples.

    Returns
    -------
    numpy.ndarray, shape (windows, channels, window)
        A read-only view for evenly spaced starts, as `window_starts` gives; a copy of just the
        windows asked for otherwise (a shuffled batch, spike-triggered windows).

    Raises
    ------
    ValueError
        When a window leaves the signal.
    """
    starts = np.asarray(starts, dtype=np.int64)
    if len(starts) and (starts.min() < 0 or starts.max() + window > emg.shape[1]):
        raise ValueError(
            f"windows of {window} samples from {starts.min()} to {starts.max() + window} leave "
            f"the signal: samples 0 to {emg.shape[1]}"
        )
    # (channels, samples - window + 1, window)
    every = np.lib.stride_tricks.sliding_window_view(emg, window, axis=1)
    spacing = np.unique(np.diff(starts))
    if len(starts) > 1 and len(spacing) == 1 and spacing[0] > 0:
        chosen = every[:, starts[0] : starts[-1] + 1 : spacing[0]]
    else:
        chosen = every[:, starts]
    return chosen.transpose(1, 0, 2)  # (channels, windows, window) -> (windows, channels, window)


def labels(discharges, starts, window, span="step"):
    """Which motor units discharge in which window (paper, Eq. 3-4).

    The paper leaves open over which samples a label looks. Span "step", the default, counts each
    discharge once, agrees with the first author's own plotting script and with the paper's
    argument about prediction frequency; "window" is the other reading.

    Parameters
    ----------
    discharges : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    starts : array_like of int, shape (windows,)
        First sample of each window, evenly spaced by the step S.
    window : int
        Window W in samples.
    span : {"step", "window"}
        Length of the label, centred on the window: S or W samples.

    Returns
    -------
    numpy.ndarray of uint8, shape (windows, motor units)

    Raises
    ------
    ValueError
        For an unknown span, or span "step" when the starts do not tell one step.
    """
    return hits(discharges, *label_borders(np.asarray(starts), window, span))


def hits(discharges, low, high):
    """Which motor units discharge between two samples.

    Parameters
    ----------
    discharges : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    low, high : numpy.ndarray of int, shape (windows,)
        First sample, and the one after the last, of each window's label (`label_borders`).

    Returns
    -------
    numpy.ndarray of uint8, shape (windows, motor units)
    """
    within = [np.searchsorted(times, high) > np.searchsorted(times, low) for times in discharges]
    return np.array(within, dtype=np.uint8).reshape(len(within), len(low)).T


def label_borders(starts, window, span, step=None):
    """First sample, and the one after the last, that the label of each window looks at.

    Parameters
    ----------
    starts, window, span
        As for `labels`.
    step : int, optional
        Step S in samples; default: told from the starts, which then have to be evenly spaced.

    Returns
    -------
    numpy.ndarray of int64, shape (windows,)
    numpy.ndarray of int64, shape (windows,)

    Raises
    ------
    ValueError
        When the span is unknown, or the starts are not one step apart.
    """
    if span not in SPANS:
        raise ValueError(f"span={span!r} is unknown; choose one of {SPANS}")
    length = window
    if span == "step" and step is not None:
        length = step
    elif span == "step":
        steps = np.unique(np.diff(starts))
        if len(steps) != 1 or steps[0] < 1:
            raise ValueError('span "step" needs at least two evenly spaced starts to tell the step')
        length = int(steps[0])
    low = starts + (window - length) // 2
    return low, low + length


def split_folds(n_windows, window, step, n_folds=5, split="shuffled", seed=0):
    """Training, validation and test windows of each fold.

    The windows fall into `n_folds` parts. In fold k, part k is the test set, part k + 1 the
    validation set and the others, three of five, the training set (paper, "Model training,
    validation and testing"). The paper does not say how the parts are drawn:

    * "shuffled": windows at random, our reading of the paper. Overlapping windows then stand on
      both sides of a split.
    * "blocked": contiguous parts of time. Windows are dropped at every border until at least
      W + S samples lie between the last sample of one part and the first of the next.

    Parameters
    ----------
    n_windows : int
    window, step : int
        Window W and step S in samples.
    n_folds : int
        At least 3.
    split : {"shuffled", "blocked"}
    seed : int
        Of the shuffling; "blocked" draws nothing.

    Returns
    -------
    list of Fold

    Raises
    ------
    ValueError
        For an unknown split, fewer than 3 folds, or too few windows for every part to hold one.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r} is unknown; choose one of {SPLITS}")
    if n_folds < 3:
        raise ValueError(f"n_folds={n_folds}: train, validation and test need at least 3 folds")
    order, gap = np.arange(n_windows), 0
    if split == "shuffled":
        order = np.random.default_rng(seed).permutation(n_windows)
    else:
        gap = -(-2 * window // step)  # dropped windows: then W + S samples lie between two parts
    parts = np.array_split(order, n_folds)
    parts = [part[gap:] if k else part for k, part in enumerate(parts)]
    if min(len(part) for part in parts) == 0:
        raise ValueError(
            f"{n_windows} windows of {window} samples every {step} are too few for {n_folds} "
            f"{split} folds (a border drops {gap}); use a longer signal or fewer folds"
        )
    return [_fold(parts, k) for k in range(n_folds)]


def _fold(parts, test):
    val = (test + 1) % len(parts)
    train = [part for k, part in enumerate(parts) if k not in (test, val)]
    return Fold(np.sort(np.concatenate(train)), np.sort(parts[val]), np.sort(parts[test]))


def shorten(fold, starts, recording, step, seconds):
    """A fold with less to train on: the training windows nearest to the middle of the recording.

    The middle of a contraction is where most motor units discharge.

    Parameters
    ----------
    fold : Fold
    starts : numpy.ndarray of int64, shape (windows,)
    recording : recording.Recording
    step : int
        Step S in samples.
    seconds : float
        Signal to train on; all of it where there is less.

    Returns
    -------
    Fold
    """
    distance = np.abs(starts[fold.train] - recording.n_samples / 2)
    nearest = np.argsort(distance, kind="stable")[: round(seconds * recording.fs / step)]
    return fold._replace(train=np.sort(fold.train[nearest]))


def covered_samples(starts, window, n_samples):
    """Mask of the samples that lie in at least one window.

    Parameters
    ----------
    starts : array_like of int, shape (windows,)
    window : int
    n_samples : int

    Returns
    -------
    numpy.ndarray of bool, shape (samples,)
    """
    steps = np.zeros(n_samples + 1, dtype=np.int64)
    np.add.at(steps, np.asarray(starts), 1)
    np.add.at(steps, np.asarray(starts) + window, -1)
    return np.cumsum(steps[:-1]) > 0


def fit_normalisation(emg, mask, whiten=False):
    """Channel normalisation from the training samples alone (paper, "Model training ...").

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
        In uV.
    mask : numpy.ndarray of bool, shape (samples,)
        Training samples (`covered_samples`).
    whiten : bool
        False, the paper's z-score: each channel to mean 0 and standard deviation 1. True: also
        decorrelate the channels (symmetric spatial whitening of the z-scored channels), which is
        ours, not the paper's.

    Returns
    -------
    Normalisation
        A channel that never changes is centred and otherwise left as it is.

    Raises
    ------
    ValueError
        When the mask holds no sample.
    """
    if not mask.any():
        raise ValueError("mask holds no training sample to fit the normalisation on")
    train = emg[:, mask].astype(np.float64)
    mean, sd = train.mean(axis=1, keepdims=True), train.std(axis=1)
    matrix = np.diag(1 / np.where(sd > 0, sd, 1))
    if whiten:
        values, vectors = np.linalg.eigh(np.cov(matrix @ (train - mean)))
        floor = values.max() * 1e-6  # a linear combination that never changes stays small
        matrix = vectors / np.sqrt(np.maximum(values, floor)) @ vectors.T @ matrix
    return Normalisation(mean.astype(np.float32), matrix.astype(np.float32))


def spike_triggered_average(emg, discharges, width):
    """Average signal around the discharges of one motor unit: its action potential.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    discharges : array_like of int
        Discharge times; those closer than half a width to an end of the signal are left out.
    width : int
        Samples of the average, centred on the discharge (sample width // 2).

    Returns
    -------
    numpy.ndarray of float, shape (channels, width)
        Zeros when no discharge can be used.
    """
    first = np.asarray(discharges, dtype=np.int64) - width // 2
    first = first[(first >= 0) & (first + width <= emg.shape[1])]
    if len(first) == 0:
        return np.zeros((len(emg), width))
    return windows(emg, first, width).mean(axis=0, dtype=np.float64)


def label_offsets(emg, discharges, mask, window, largest=40):
    """Constant offset of each motor unit's label that centres the window on its action potential.

    Discharge times from blind source separation carry an arbitrary constant delay per motor unit,
    so that a short window centred on the mark can miss the action potential. The paper does not
    mention it (offset 0); fitting it on training samples is ours.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    discharges : sequence of array_like of int
        Discharge times of each motor unit.
    mask : numpy.ndarray of bool, shape (samples,)
        Training samples; only discharges within them are used. The signal around a discharge at
        the border of the training samples is used W / 2 + `largest` samples past it.
    window : int
        Window W in samples.
    largest : int
        Largest offset tried, in samples, to both sides.

    Returns
    -------
    numpy.ndarray of int64, shape (motor units,)
        Samples to add to the discharge times: where a window of W samples holds the most energy
        of the spike-triggered average.
    """
    width = window + 2 * largest
    offsets = []
    for times in discharges:
        average = spike_triggered_average(emg, times[mask[times]], width)
        energy = np.concatenate([[0], np.cumsum((average**2).sum(axis=0))])
        within = energy[window:] - energy[:-window]  # of a window at each of 2 * largest + 1 lags
        offsets.append(int(np.argmax(within)) - largest if within.any() else 0)
    return np.array(offsets, dtype=np.int64)


def motor_unit_table(recording):
    """Facts about the motor units of a recording.

    Parameters
    ----------
    recording : recording.Recording

    Returns
    -------
    pandas.DataFrame
        Per motor unit: motor_unit, discharges, median_rate_pps, pnr_db, offset_ms (from the mark
        to the middle of the 20 samples with the most energy of the action potential).
    """
    offsets = label_offsets(
        recording.emg, recording.discharges, np.ones(recording.n_samples, bool), window=20
    )
    rates = [
        recording.fs / np.median(np.diff(d)) if len(d) > 1 else np.nan for d in recording.discharges
    ]
    return pd.DataFrame(
        {
            "motor_unit": range(recording.n_motor_units),
            "discharges": [len(times) for times in recording.discharges],
            "median_rate_pps": rates,
            "pnr_db": recording.pnr,
            "offset_ms": 1000 * offsets / recording.fs,
        }
    )
