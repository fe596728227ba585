"""Filters made for the signal of the moment."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from hdsemg_nb.cbss.filter import MotorUnitFilter


@dataclass(frozen=True, eq=False)
class Adapted:
    """Filters made for the signal of the moment.

    Parameters
    ----------
    filter : MotorUnitFilter
    averages : numpy.ndarray, shape (motor units, channels, n_lags)
        Action potentials that the filters look for.
    lost : numpy.ndarray of bool, shape (motor units,)
        Units that the filters do not find: silent, or changed too much to be told from others.
        They are decoded with the threshold of the training; few discharges mean nothing there.
    live : numpy.ndarray of bool, shape (channels,)
        Channels that are used.
    classes : numpy.ndarray, shape (motor units, 2)
        Mean heights of the two classes of peaks, noise and discharges.
    found : sequence of numpy.ndarray of int64
        Discharges of each motor unit in the signal that was adapted to.
    """

    filter: MotorUnitFilter
    averages: np.ndarray
    lost: np.ndarray
    live: np.ndarray
    classes: np.ndarray
    found: tuple = ()

    def or_else(self, other, instead=False):
        """These filters; those of another adaptation for units that are lost to this one alone.

        And for the units `instead`, bool of shape (motor units,).
        """
        taken = self.lost & ~other.lost | instead
        for name in ("weights_", "thresholds_"):
            getattr(self.filter, name)[taken] = getattr(other.filter, name)[taken]
        self.averages[taken], self.classes[taken] = other.averages[taken], other.classes[taken]
        found = tuple((self, other)[k].found[unit] for unit, k in enumerate(taken.astype(int)))
        return replace(self, lost=np.where(taken, other.lost, self.lost), found=found)


def separation(factor, averages, live):
    """Filters from the factored covariance of the live channels, which have 0 elsewhere.

    Parameters
    ----------
    factor : tuple
        Of `scipy.linalg.cho_factor`.
    averages : numpy.ndarray, shape (motor units, channels, n_lags)
    live : numpy.ndarray of bool, shape (channels,)

    Returns
    -------
    numpy.ndarray, shape (motor units, channels, n_lags)
        Each has the output 1 at its average.
    """
    known, weights = averages[:, live].reshape(len(averages), -1), np.zeros(averages.shape)
    filters = scipy.linalg.cho_solve(factor, known.T).T
    filters /= (filters * known).sum(axis=1, keepdims=True)
    weights[:, live] = filters.reshape(len(averages), -1, averages.shape[2])
    return weights
