"""Motor units whose filters came to follow another unit."""

import numpy as np
from scipy.ndimage import maximum_filter1d

TOGETHER = 0.5  # share of common discharges from which two units are one


def strayed(adaptive, now, n_samples):
    """Which units came to follow another one, bool of shape (motor units,).

    Of two that discharge together and did not in the training, the one whose action potential is
    further from that of the training; `n_samples` were adapted to.
    """
    away = np.linalg.norm(now.averages - adaptive.averages_, axis=(1, 2))
    away /= np.linalg.norm(adaptive.averages_, axis=(1, 2))
    both = together(now.found, n_samples, adaptive.fs_) & ~adaptive.together_
    return (both & (away[:, None] > away)).any(axis=1)


def together(trains, n_samples, fs):
    """Pairs of units of which most discharges of one are discharges of the other.

    At least `TOGETHER` of those of the smaller, within 1 ms and after a common lag of up to 10 ms.

    Parameters
    ----------
    trains : sequence of numpy.ndarray of int64
    n_samples : int
    fs : float

    Returns
    -------
    numpy.ndarray of bool, shape (motor units, motor units)
        False on the diagonal.
    """
    bins = np.zeros((len(trains), int(1000 * n_samples / fs) + 1), dtype=np.float32)  # of 1 ms
    for row, times in zip(bins, trains, strict=True):
        row[(1000 * times / fs).astype(int)] = 1
    near = maximum_filter1d(bins, 3, axis=1, mode="constant")
    common = np.max([near @ np.roll(bins, lag, axis=1).T for lag in range(-10, 11)], axis=0)
    sizes = bins.sum(axis=1)
    least = np.maximum(np.minimum(sizes[:, None], sizes), 1)
    same = np.maximum(common, common.T) >= TOGETHER * least
    return same & ~np.eye(len(trains), dtype=bool)
