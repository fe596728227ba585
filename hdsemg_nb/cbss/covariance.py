"""Covariance of the extended EMG: every channel at several consecutive samples."""

import numpy as np


def oversampling(fs):
    """How many times 2048 Hz a sampling frequency is, in whole numbers, at least 1."""
    return max(1, round(fs / 2048))


def lag_products(emg, n_lags):
    """Products of the EMG with itself `0 ... n_lags - 1` samples later, the EMG 0 beyond its ends.

    All that `extended_covariance` needs to know of a signal: the products of two signals add.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
        Of zero mean.
    n_lags : int

    Returns
    -------
    numpy.ndarray of float64, shape (n_lags, channels, channels)
        Summed over the samples.
    """
    emg = emg.astype(np.float64)  # what is left of nearly equal samples is lost in float32
    n = emg.shape[1]
    return np.array([emg[:, : max(0, n - lag)] @ emg[:, lag:].T for lag in range(n_lags)])


def extended_covariance(products, n_judged=None, oversampled=1):
    """Regularised covariance of the extended EMG, the EMG taken as 0 beyond its ends.

    Block-Toeplitz. The mean of the lower half of the eigenvalues is added to the diagonal (Negro et
    al. 2016, doi:10.1088/1741-2560/13/2/026027), at least 1e-10 of the largest: in a band far below
    the sampling frequency many are 0. Where the signal was sampled faster than at 2048 Hz as many
    are judged as there would be at that rate, for the smaller ones are next to 0.

    Parameters
    ----------
    products : numpy.ndarray, shape (n_lags, channels, channels)
        Mean over the samples of `lag_products`.
    n_judged : int, optional
        Take the eigenvalues of so many lags alone: with half of them an eighth of the time, and 5
        to 20 % more is added. Default all.
    oversampled : int
        `oversampling` of the signal.

    Returns
    -------
    numpy.ndarray of float64, shape (channels * n_lags, channels * n_lags)
        Features are (channel, lag).
    """
    covariance = _block_toeplitz(products)
    eigenvalues = np.linalg.eigvalsh(
        _block_toeplitz(products[:n_judged]) if n_judged else covariance
    )
    n = len(eigenvalues)
    lower = eigenvalues[n - n // oversampled : n - n // (2 * oversampled)]
    added = max(lower.mean(), 1e-10 * eigenvalues[-1])
    covariance.flat[:: len(covariance) + 1] += added
    return covariance


def _block_toeplitz(products):
    n_lags, later = len(products), [*products]
    later += [block.T for block in later[:0:-1]]  # block of lag -k at position -k
    covariance = np.array([[later[j - k] for j in range(n_lags)] for k in range(n_lags)])
    return covariance.transpose(2, 0, 3, 1).reshape(n_lags * len(later[0]), -1)
