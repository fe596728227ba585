"""From a recording to windows, labels and folds.

What a window and its label are (W = 20, S = 10; reading of the paper's Eq. 1-4)::

    samples    0         10        20        30        40
    window 0   |===================|                        emg[:, 0:20]
    label  0        |---------|                             a discharge in samples 5 ... 14?
    window 1             |===================|              emg[:, 10:30]
    label  1                  |---------|                   a discharge in samples 15 ... 24?

The label span is centred on the window's centre n*S + W/2. With span "step" (the default) the
spans tile time and each discharge is counted once; with "window" they overlap whenever S < W.
"""

from collections import namedtuple

import numpy as np

from hdsemg_nb.recording import discharge_times

SPANS = ("step", "window")
SPLITS = ("shuffled", "blocked")
LARGEST_OFFSET = 40  # samples that a label is moved at most, to both sides


class Fold(namedtuple("Fold", "train val test")):
    """Window numbers of one fold, each an int64 array."""


def window_starts(n_samples, window, step):
    """First sample of each window: 0, S, 2S, ... as long as the window fits.

    Parameters
    ----------
    n_samples, window, step : int
        Length of the signal, window W and step S in samples.

    Returns
    -------
    numpy.ndarray of int64, shape (windows,)

    Raises
    ------
    ValueError
        When a size is no whole number from 1, or the window is longer than the signal.
    """
    for name, value in dict(window=window, step=step).items():
        if not value >= 1 or value % 1:
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
    window : int

    Returns
    -------
    numpy.ndarray, shape (windows, channels, window)
        A read-only view for evenly spaced starts; a copy of just the windows asked for otherwise
        (a shuffled batch, spike-triggered windows).

    Raises
    ------
    ValueError
        When a window leaves the signal.
    """
    starts = checked_starts(starts, window, emg.shape[1])
    # (channels, samples - window + 1, window)
    every = np.lib.stride_tricks.sliding_window_view(emg, window, axis=1)
    spacing = np.unique(np.diff(starts))
    even = len(spacing) == 1 and spacing[0] > 0
    chosen = slice(starts[0], starts[-1] + 1, spacing[0]) if even else starts
    return every[:, chosen].transpose(1, 0, 2)  # (windows, channels, window)


def checked_starts(starts, window, n_samples):
    """First samples of windows that lie in a signal; ValueError when one does not."""
    starts = discharge_times(starts, "starts", ordered=False)
    if len(starts) and (starts.min() < 0 or starts.max() + window > n_samples):
        samples = f"{starts.min()} to {starts.max() + window}"
        raise ValueError(f"windows from {samples} leave the signal: samples 0 to {n_samples}")
    return starts


def labels(discharges, starts, window, span="step", step=None):
    """Which motor units discharge in which window (paper, Eq. 3-4).

    The paper leaves open over which samples a label looks. Span "step" counts each discharge once,
    agrees with the first author's own plotting script and with the paper's argument about
    prediction frequency; "window" is the other reading.

    Parameters
    ----------
    discharges : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    starts : array_like of int, shape (windows,)
    window : int
    span : {"step", "window"}
        Length of the label, centred on the window: S or W samples.
    step : int, optional
        Step S; default: told from the starts, which then have to be evenly spaced.

    Returns
    -------
    numpy.ndarray of uint8, shape (windows, motor units)

    Raises
    ------
    ValueError
        For an unknown span, starts that do not tell one step, discharges that cannot be right.
    """
    low, high = label_borders(np.asarray(starts), window, span, step)
    trains = [discharge_times(times, f"discharges[{k}]") for k, times in enumerate(discharges)]
    within = [np.searchsorted(times, high) > np.searchsorted(times, low) for times in trains]
    return np.array(within, dtype=np.uint8).reshape(len(within), len(low)).T


def label_borders(starts, window, span, step=None):
    """First sample of the label of each window, and the one after its last, both (windows,).

    Parameters
    ----------
    starts, window, span, step
        As for `labels`.
    """
    if span not in SPANS:
        raise ValueError(f"span={span!r} is unknown; choose one of {SPANS}")
    length = window if span == "window" else step
    if length is None:
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
    n_windows, window, step, n_folds : int
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
    order, gap = np.arange(n_windows), -(-2 * window // step)  # leaves W + S samples between parts
    if split == "shuffled":
        order, gap = np.random.default_rng(seed).permutation(n_windows), 0
    parts = np.array_split(order, n_folds)
    parts = [part[gap:] if k else part for k, part in enumerate(parts)]
    if min(map(len, parts)) == 0:
        sizes = f"{n_windows} windows of {window} samples every {step}"
        why = f"too few for {n_folds} {split} folds (a border drops {gap})"
        raise ValueError(f"{sizes} are {why}; use a longer signal or fewer folds")
    return [_fold(parts, k) for k in range(n_folds)]


def _fold(parts, test):
    val = (test + 1) % len(parts)
    train = [part for k, part in enumerate(parts) if k not in (test, val)]
    return Fold(np.sort(np.concatenate(train)), np.sort(parts[val]), np.sort(parts[test]))


def cut(recording, run):
    """Windows of a run on a recording, and its tested folds: the one place that gives them.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run

    Returns
    -------
    starts : numpy.ndarray of int64, shape (windows,)
    folds : list of Fold
        The tested ones; with `train_seconds` their training windows are shortened.
    """
    starts = window_starts(recording.n_samples, run.window, run.step)
    sizes = len(starts), run.window, run.step, run.n_folds
    folds = split_folds(*sizes, run.split, run.seed)[: run.tested_folds]
    if run.train_seconds is not None:
        folds = [shorten(fold, starts, recording, run.step, run.train_seconds) for fold in folds]
    return starts, folds


def run_labels(recording, run, starts, offsets):
    """Labels of the windows of a run, each motor unit moved by its offset.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run
    starts : numpy.ndarray of int64, shape (windows,)
    offsets : numpy.ndarray of int64, shape (motor units,)
        In samples.

    Returns
    -------
    numpy.ndarray of uint8, shape (windows, motor units)
    """
    moved = [d + o for d, o in zip(recording.discharges, offsets, strict=True)]
    return labels(moved, starts, run.window, run.span, run.step)


def shorten(fold, starts, recording, step, seconds):
    """A fold with less to train on: the windows nearest to the middle, where most units discharge.

    Parameters
    ----------
    fold : Fold
    starts : numpy.ndarray of int64, shape (windows,)
    recording : recording.Recording
    step : int
    seconds : float
        Signal to train on; all of it where there is less.
    """
    distance = np.abs(starts[fold.train] - recording.n_samples / 2)
    nearest = np.argsort(distance, kind="stable")[: round(seconds * recording.fs / step)]
    return fold._replace(train=np.sort(fold.train[nearest]))


def covered_samples(starts, window, n_samples):
    """Mask (samples,) of the samples that lie in at least one of the windows.

    Parameters
    ----------
    starts : array_like of int, shape (windows,)
    window, n_samples : int
    """
    starts = checked_starts(starts, window, n_samples)
    changes = np.bincount(starts, minlength=n_samples + 1).astype(np.int64)
    changes -= np.bincount(starts + window, minlength=n_samples + 1)
    return np.cumsum(changes[:-1]) > 0


def spike_triggered_average(emg, discharges, width):
    """Average signal around the discharges of one motor unit: its action potential.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    discharges : array_like of int
        Those closer than half a width to an end of the signal are left out.
    width : int
        Samples of the average, centred on the discharge (sample width // 2).

    Returns
    -------
    numpy.ndarray of float, shape (channels, width)
        Zeros when no discharge can be used.
    """
    first = discharge_times(discharges) - width // 2
    first = first[(first >= 0) & (first + width <= emg.shape[1])]
    if len(first) == 0:
        return np.zeros((len(emg), width))
    return windows(emg, first, width).mean(axis=0, dtype=np.float64)


def label_offsets(emg, discharges, mask, window):
    """Constant offset of each motor unit's label that centres the window on its action potential.

    Marks of blind source separation carry a constant delay per motor unit, so that a short window
    centred on them can miss the action potential. Not in the paper (offset 0); fitting it is ours.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    discharges : sequence of array_like of int
    mask : numpy.ndarray of bool, shape (samples,)
        Training samples; only discharges within them are used. The signal around a discharge at
        their border is used W / 2 + `LARGEST_OFFSET` samples past it.
    window : int

    Returns
    -------
    numpy.ndarray of int64, shape (motor units,)
        Samples to add to the discharge times: where a window of W samples holds the most energy
        of the spike-triggered average.
    """
    width, offsets = window + 2 * LARGEST_OFFSET, []
    for unit, times in enumerate(discharges):
        times = discharge_times(times, f"discharges[{unit}]", len(mask))
        average = spike_triggered_average(emg, times[mask[times]], width)
        energy = np.concatenate([[0], np.cumsum((average**2).sum(axis=0))])
        within = energy[window:] - energy[:-window]  # of a window at each lag
        offsets.append(int(np.argmax(within)) - LARGEST_OFFSET if within.any() else 0)
    return np.array(offsets, dtype=np.int64)
