"""The motor-unit filter: linear separation fitted to known discharge times, used online."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.cluster.vq import kmeans
from scipy.signal import find_peaks

from hdsemg_nb.discharges import REFRACTORY_MS
from hdsemg_nb.segment import spike_triggered_average


def pulse_to_noise_ratio(source, discharges, exclude=3):
    """Pulse-to-noise ratio of one motor unit.

    10 log10 of the mean squared source at the discharges over the mean square of its non-negative
    samples elsewhere (Holobar et al. 2014, doi:10.1088/1741-2560/11/1/016008). The source is the
    squared filter output with its sign, as `MotorUnitFilter.source` gives it and as OTBiolab+ and
    DEMUSE store it; on the unsquared output the same recordings come out about 10 dB lower.

    Parameters
    ----------
    source : numpy.ndarray, shape (samples,)
    discharges : array_like of int
        Discharge times as samples of the source.
    exclude : int
        Samples to both sides of a discharge that count neither as pulse nor as noise.

    Returns
    -------
    float
        In dB; NaN without discharges or without noise samples.
    """
    discharges = np.asarray(discharges, dtype=np.int64)
    noise = source >= 0
    around = discharges[:, None] + np.arange(-exclude, exclude + 1)
    noise[np.clip(around, 0, len(source) - 1)] = False
    if len(discharges) == 0 or not noise.any():
        return float("nan")
    power = np.square(source, dtype=np.float64)
    return float(10 * np.log10(power[discharges].mean() / power[noise].mean()))


def extended_covariance(emg, n_lags):
    """Regularised covariance of the extended EMG, the EMG taken as 0 beyond its ends.

    Block-Toeplitz, from the products of the EMG with itself `0 ... n_lags - 1` samples later. The
    mean of the lower half of the eigenvalues is added to the diagonal (Negro et al. 2016,
    doi:10.1088/1741-2560/13/2/026027).

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
        Of zero mean.
    n_lags : int
        Extension: consecutive samples of every channel seen at once.

    Returns
    -------
    numpy.ndarray of float64, shape (channels * n_lags, channels * n_lags)
        Features are (channel, lag).
    """
    channels, n = emg.shape
    blocks = [(emg[:, : n - lag] @ emg[:, lag:].T).astype(np.float64) / n for lag in range(n_lags)]
    covariance = np.empty((channels, n_lags, channels, n_lags))
    for k in range(n_lags):
        for j in range(n_lags):
            covariance[:, k, :, j] = blocks[j - k] if j >= k else blocks[k - j].T
    covariance = covariance.reshape(channels * n_lags, -1)
    eigenvalues = np.linalg.eigvalsh(covariance)
    return covariance + np.eye(len(covariance)) * eigenvalues[: len(eigenvalues) // 2].mean()


@dataclass
class MotorUnitFilter:
    """One linear filter over electrodes and time lags for each motor unit, applied to new samples.

    The filter is the regularised inverse covariance of the extended EMG times the spike-triggered
    average (the linear minimum-mean-square-error estimate of a spike train that convolution kernel
    compensation builds on, Holobar & Zazula 2007, doi:10.1109/TSP.2007.896108). Its squared output
    with the sign kept peaks at the discharges; peaks above a two-class threshold are discharges.

    Everything is fitted on the training samples: the covariance, the average, the constant lag
    between mark and action potential that separates best, the threshold. Samples outside the mask
    count as 0 in both the covariance and the average.

    Parameters
    ----------
    n_lags : int
        Extension R: consecutive samples of every channel the filter sees at once.
    largest_lag : int
        Largest constant lag tried to both sides, in samples.
    refractory_ms : float
        Least time between two discharges of a motor unit.

    Attributes
    ----------
    weights_ : numpy.ndarray, shape (motor units, channels, n_lags)
    lags_ : numpy.ndarray of int64, shape (motor units,)
        The filter sees samples t + lag - n_lags // 2 ... of a discharge at t.
    thresholds_ : numpy.ndarray, shape (motor units,)
    """

    n_lags: int = 16
    largest_lag: int = 32
    refractory_ms: float = REFRACTORY_MS

    def fit(self, recording, mask=None):
        """Fit the filters to the discharge times of a recording.

        Parameters
        ----------
        recording : recording.Recording
        mask : numpy.ndarray of bool, shape (samples,), optional
            Training samples; default all.

        Returns
        -------
        MotorUnitFilter
            Itself.

        Raises
        ------
        ValueError
            When a motor unit has fewer than two discharges in the training samples.
        """
        mask = np.ones(recording.n_samples, bool) if mask is None else mask
        self.fs_ = recording.fs
        self.mean_ = recording.emg[:, mask].mean(axis=1, keepdims=True)
        averages, covariance = _statistics(recording, mask, self.n_lags, self.largest_lag)
        factor = scipy.linalg.cho_factor(covariance)
        fitted = []
        for pieces in averages:
            weights, separation = _separate(pieces, factor)
            best = int(separation.argmax())
            fitted.append((weights[best].reshape(-1, self.n_lags), best - self.largest_lag))
        self.weights_, self.lags_ = (np.array(x) for x in zip(*fitted, strict=True))
        source = self.source(recording.emg)
        self.thresholds_ = np.array([self._threshold(s, mask) for s in source])
        return self

    def source(self, emg):
        """Squared filter output with its sign: the pulse train of each motor unit.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV.

        Returns
        -------
        numpy.ndarray of float32, shape (motor units, samples)
            Aligned with the discharge times; computed as if the signal were 0 beyond its ends.
        """
        emg = (emg - self.mean_).astype(np.float32)
        reach = self.largest_lag + self.n_lags
        padded = np.pad(emg, ((0, 0), (reach, reach)))
        weights = self.weights_.astype(np.float32)
        first = reach + self.lags_ - self.n_lags // 2
        source = np.zeros((len(weights), emg.shape[1]), dtype=np.float32)
        for lag in range(self.n_lags):
            for row, y, start in zip(source, weights[:, :, lag] @ padded, first + lag, strict=True):
                row += y[start : start + len(row)]
        return np.sign(source) * source**2

    def decode(self, emg):
        """Find the discharges in new samples.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, the channels of the training in their order.

        Returns
        -------
        list of numpy.ndarray of int64
            Discharge times of each motor unit as 0-based samples of `emg`.
        """
        pairs = zip(self.source(emg), self.thresholds_, strict=True)
        return [self._peaks(source, threshold) for source, threshold in pairs]

    def _peaks(self, source, least):
        distance = max(1, round(self.refractory_ms * self.fs_ / 1000))
        return find_peaks(source, height=least, distance=distance)[0]

    def _threshold(self, source, mask):
        """Middle between the two classes of peaks of the training samples."""
        peaks = self._peaks(source, 0)
        heights = source[peaks[mask[peaks]]]
        return kmeans(heights, np.percentile(heights, [50, 100]))[0].mean()


def filter_bank(recording, mask, noise=(0.0,), n_lags=16, largest_lag=32, whiten=True):
    """Filters of each motor unit for several levels of noise, all at the same lag.

    As `MotorUnitFilter`, the covariance that of the EMG with white noise added to each channel: the
    more noise a filter expects, the less it relies on small differences between channels.

    Parameters
    ----------
    recording : recording.Recording
    mask : numpy.ndarray of bool, shape (samples,)
        Training samples.
    noise : sequence of float
        Standard deviations of the noise, in those of the EMG (root mean square over channels).
    n_lags, largest_lag
        As for `MotorUnitFilter`; the lag is the best one at the first level.
    whiten : bool
        False: the average action potentials themselves, without the inverse covariance.

    Returns
    -------
    weights : numpy.ndarray, shape (levels, motor units, channels, n_lags)
        The mean discharge has the output 1.
    lags : numpy.ndarray of int64, shape (motor units,)
        As `MotorUnitFilter.lags_`.

    Raises
    ------
    ValueError
        As `MotorUnitFilter.fit`.
    """
    averages, covariance = _statistics(recording, mask, n_lags, largest_lag)
    power = recording.emg[:, mask].var(axis=1).mean()
    weights, lags = [], None
    for level in noise:
        expected = covariance + level**2 * power * np.eye(len(covariance))
        factor = scipy.linalg.cho_factor(expected if whiten else np.eye(len(covariance)))
        filters, separations = zip(*(_separate(x, factor) for x in averages), strict=True)
        lags = np.argmax(separations, axis=1) if lags is None else lags
        chosen = [w[k] / s[k] for w, s, k in zip(filters, separations, lags, strict=True)]
        weights.append(np.reshape(chosen, (len(lags), -1, n_lags)))
    return np.array(weights), lags - largest_lag


def _statistics(recording, mask, n_lags, largest_lag):
    """Averages around the training discharges at each lag, covariance of the extended EMG.

    Returns
    -------
    list of arrays (lags, features), one for each motor unit; array (features, features).
    """
    masked = np.where(mask, recording.emg - recording.emg[:, mask].mean(axis=1, keepdims=True), 0)
    averages = []
    for unit, times in enumerate(recording.discharges):
        times = times[mask[times]]
        if len(times) < 2:
            raise ValueError(
                f"motor unit {unit} has {len(times)} discharges in the training samples; "
                "a filter needs at least 2: leave the unit out or train on a longer signal"
            )
        average = spike_triggered_average(masked, times, 2 * largest_lag + n_lags)
        pieces = np.lib.stride_tricks.sliding_window_view(average, n_lags, axis=1)
        averages.append(pieces.transpose(1, 0, 2).reshape(2 * largest_lag + 1, -1))
    return averages, extended_covariance(masked, n_lags) * (len(mask) / mask.sum())


def _separate(pieces, factor):
    """Filters of one motor unit at each lag, and average' covariance^-1 average: the separation."""
    weights = scipy.linalg.cho_solve(factor, pieces.T).T
    return weights, (weights * pieces).sum(axis=1)
