"""The motor-unit filter: linear separation fitted to known discharge times, used online."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.cluster.vq import kmeans
from scipy.signal import find_peaks

from hdsemg_nb.cbss.covariance import extended_covariance, lag_products, oversampling
from hdsemg_nb.discharges import refractory
from hdsemg_nb.segment import spike_triggered_average

TOO_SMALL = 1 / 200  # of a typical piece of the training: rest is 1 / 20, a signal in mV 1 / 1000
TOO_LARGE = 20  # times as large: the training was in mV, or the gain is another
PIECE = 40  # samples in which the size of a signal is told
LONG_ENOUGH = 2000  # samples to tell it for good: no artefact
MOST_MOVED = 0.3  # output of a filter, 1 at a discharge, by another mean of the channels
N_LAGS, LARGEST_LAG = 16, 32  # samples at about 2048 Hz: 8 and 16 ms


def peaks(source, fs, least=None):
    """Peaks of a source, not lower than `least`, no two within the refractory time."""
    return find_peaks(source, height=least, distance=refractory(fs))[0]


def two_classes(heights):
    """Mean heights of the two classes of peaks, the lower (noise) first."""
    return np.sort(kmeans(heights, np.percentile(heights, [50, 100]))[0])


def sound_channels(recorded, emg):
    """Channels that a filter can use: neither dead nor a copy of an earlier one.

    Parameters
    ----------
    recorded, emg : numpy.ndarray, shape (channels, samples)
        As it was recorded, and centred or filtered.

    Returns
    -------
    numpy.ndarray of bool, shape (channels,)

    Raises
    ------
    ValueError
        When every channel is dead.

    Warns
    -----
    UserWarning
        Names the channels left out.
    """
    wide = emg.astype(np.float64)
    products = wide @ wide.T
    power = np.diag(products)
    dead = (recorded == recorded[:, :1]).all(axis=1) | (power <= 1e-12 * power.max())
    if dead.all():
        raise ValueError("emg is constant in every channel; there is nothing to separate")
    alike = products**2 > (1 - 1e-8) * np.outer(power, power)
    double = np.triu(alike, 1)[~dead].any(axis=0) & ~dead
    kinds = (dead, "dead"), (double, "equal to another one")
    named = [f"{np.flatnonzero(some).tolist()} ({kind})" for some, kind in kinds if some.any()]
    if named:
        warnings.warn(f"channels left out of the filters: {', '.join(named)}", stacklevel=3)
    return ~(dead | double)


@dataclass
class MotorUnitFilter:
    """One linear filter over electrodes and time lags for each motor unit, applied to new samples.

    The filter is the regularised inverse covariance of the extended EMG times the spike-triggered
    average (the linear minimum-mean-square-error estimate of a spike train that convolution kernel
    compensation builds on, Holobar & Zazula 2007, doi:10.1109/TSP.2007.896108). Its squared output
    with the sign kept peaks at the discharges; peaks above a two-class threshold are discharges.

    Everything is fitted on the training samples: the covariance, the average, the constant lag
    between mark and action potential that separates best, the threshold. Samples outside the mask
    count as 0 in both the covariance and the average. Channels that are dead there or equal another
    one have weights 0 (`sound_channels`).

    Parameters
    ----------
    n_lags : int, optional
        Extension R: consecutive samples of every channel the filter sees at once. Default
        `N_LAGS`, at a sampling frequency above 3 kHz as much more as it is higher (`oversampling`).
    largest_lag : int, optional
        Largest constant lag tried to both sides, in samples. Default likewise `LARGEST_LAG`.
    largest_ahead : int, optional
        Largest lag tried ahead, for short delays; default `largest_lag`. A unit that would be
        separated better further ahead is named in a warning.

    Attributes
    ----------
    weights_ : numpy.ndarray, shape (motor units, channels, n_lags)
    lags_ : numpy.ndarray of int64, shape (motor units,)
        The filter sees samples t + lag - n_lags // 2 ... of a discharge at t.
    thresholds_ : numpy.ndarray, shape (motor units,)
    typical_ : numpy.ndarray, shape (channels,)
        Median peak to peak of `PIECE` samples in the training, in uV: what signals are checked
        against.
    """

    n_lags: int | None = None
    largest_lag: int | None = None
    largest_ahead: int | None = None

    def fit(self, recording, mask=None):
        """Fit the filters to the discharge times of a recording, once: sizes not given stay then.

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
            When there is no motor unit, or one has fewer than two discharges in the training
            samples, or every channel is dead.
        """
        mask = np.ones(recording.n_samples, bool) if mask is None else mask
        more = oversampling(recording.fs)
        self.n_lags = N_LAGS * more if self.n_lags is None else self.n_lags
        self.largest_lag = LARGEST_LAG * more if self.largest_lag is None else self.largest_lag
        sizes = (0,), self.n_lags, self.largest_lag, True, self.largest_ahead
        (self.weights_,), self.lags_ = filter_bank(recording, mask, *sizes)
        self.fs_ = recording.fs
        self.mean_ = recording.emg[:, mask].mean(axis=1, keepdims=True)
        self.thresholds_ = np.array([self._threshold(s, mask) for s in self.source(recording.emg)])
        self.typical_ = piece_size(recording.emg[:, mask])
        return self

    @property
    def seen_ahead(self):
        """Samples after a discharge that the filters see, at most."""
        return int(self.lags_.max()) + self.n_lags // 2 - 1

    @property
    def n_macs(self):
        """Multiply-accumulates for each sample."""
        return self.weights_.size

    def source(self, emg):
        """Squared filter output with its sign, about 1 at a discharge: the pulse trains.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV.

        Returns
        -------
        numpy.ndarray of float32, shape (motor units, samples)
            Aligned with the discharge times; beyond its ends the signal counts as the mean of the
            training.

        Raises
        ------
        ValueError
            When `emg` has other channels than the training, or a sample that is not finite.
        """
        self.check(emg)
        reach, n = self.largest_lag + self.n_lags, emg.shape[1]
        padded = np.zeros((len(emg), n + 2 * reach), dtype=np.float32)
        padded[:, reach : reach + n] = emg - self.mean_
        weights = np.ascontiguousarray(np.moveaxis(self.weights_, 2, 0), dtype=np.float32)
        first = reach + self.lags_ - self.n_lags // 2
        low, high = first.min(), first.max() + n
        source = sum(of_lag @ padded[:, low + k : high + k] for k, of_lag in enumerate(weights))
        source = np.array([y[a : a + n] for y, a in zip(source, first - low, strict=True)])
        return np.sign(source) * source**2

    def check(self, emg):
        """Refuse EMG with other channels than the training, or a sample that is not finite."""
        if np.ndim(emg) != 2 or len(emg) != len(self.mean_) or not np.isfinite(emg).all():
            shape = f"({len(self.mean_)}, samples) as in the training, every sample finite"
            raise ValueError(f"emg has shape {np.shape(emg)}, expected {shape}")

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

        Raises
        ------
        ValueError
            As `source`, and for a signal without a sample or in another unit.

        Warns
        -----
        UserWarning
            When the mean of the channels is so far from that of the training that it moves the
            output of a filter.
        """
        self.check(emg)
        check_size(emg, self.typical_)
        offset = emg.mean(axis=1) - self.mean_[:, 0]
        moved = np.abs(self.weights_.sum(axis=2) @ offset)
        if moved.max() > MOST_MOVED:
            why = "the mean of the channels is not that of the training: high-pass both signals"
            warnings.warn(f"{why} (output of a filter moved by {moved.max():.1f})", stacklevel=2)
        pairs = zip(self.source(emg), self.thresholds_, strict=True)
        return [peaks(source, self.fs_, threshold) for source, threshold in pairs]

    def _threshold(self, source, mask):
        """Middle between the two classes of peaks of the training samples."""
        found = peaks(source, self.fs_, 0)
        return two_classes(source[found[mask[found]]]).mean()


def piece_size(emg):
    """Size of each channel: peak to peak of `PIECE` samples in uV, median over a signal in uV."""
    pieces = emg[:, : emg.shape[1] // PIECE * PIECE].reshape(len(emg), -1, PIECE)
    return np.median(np.ptp(pieces, axis=2), axis=1)


def check_size(emg, typical):
    """Refuse EMG without a sample, or much smaller or (from a second on) larger than the training.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
        In uV.
    typical : numpy.ndarray, shape (channels,)
        `piece_size` of the training.

    Raises
    ------
    ValueError
    """
    if not emg.shape[1]:
        raise ValueError("emg holds no sample")
    size = np.ptp(emg, axis=1)
    told = (size > 0) & (typical > 0)  # a channel may be dead here, or was mostly there
    if told.any() and (size < TOO_SMALL * typical)[told].all():
        raise ValueError("emg is 200 times smaller than in the training: mV or V in place of uV?")
    if told.any() and emg.shape[1] >= LONG_ENOUGH:
        larger = np.median(piece_size(emg)[told] / typical[told])
        if larger > TOO_LARGE:
            raise ValueError(f"emg is {larger:.0f} times larger than in the training: which unit?")


def filter_bank(
    recording,
    mask,
    noise=(0.0,),
    n_lags=N_LAGS,
    largest_lag=LARGEST_LAG,
    whiten=True,
    largest_ahead=None,
):
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
    largest_ahead
        As for `MotorUnitFilter`.

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
    if not mask.any() or n_lags < 1:
        raise ValueError(f"mask holds {mask.sum()} training samples, n_lags={n_lags}: none")
    if recording.n_motor_units == 0:
        raise ValueError("recording has no motor units to fit a filter to: `decompose` it first")
    emg = np.where(mask, recording.emg - recording.emg[:, mask].mean(axis=1, keepdims=True), 0)
    sound = sound_channels(recording.emg[:, mask], emg)
    averages = _averages(emg[sound], recording.discharges, mask, n_lags, largest_lag)
    products = lag_products(emg[sound], n_lags) / mask.sum()
    covariance = extended_covariance(products, oversampled=oversampling(recording.fs))
    power = recording.emg[np.ix_(sound, mask)].var(axis=1).mean()
    units, lags = np.arange(len(averages)), None
    weights = np.zeros((len(noise), len(units), len(sound), n_lags))
    for placed, level in zip(weights, noise, strict=True):
        expected = covariance + level**2 * power * np.eye(len(covariance))
        factor = scipy.linalg.cho_factor(expected if whiten else np.eye(len(covariance)))
        filters = scipy.linalg.cho_solve(factor, averages.reshape(-1, len(covariance)).T).T
        filters = filters.reshape(averages.shape)
        separation = (filters * averages).sum(axis=2)  # output at the mean discharge
        lags = _best(separation, largest_lag, largest_ahead) if lags is None else lags
        chosen = filters[units, lags] / separation[units, lags, None]
        placed[:, sound] = chosen.reshape(len(units), -1, n_lags)
    return weights, lags - largest_lag


def _best(separation, largest_lag, largest_ahead):
    """Number of the lag that separates best, of those that are allowed."""
    best = separation.argmax(axis=1)
    largest_ahead = largest_lag if largest_ahead is None else largest_ahead
    allowed = separation[:, : largest_lag + largest_ahead + 1].argmax(axis=1)
    for unit in np.flatnonzero(best != allowed):
        ahead = f"{best[unit] - largest_lag} samples ahead, {largest_ahead} are allowed"
        warnings.warn(f"motor unit {unit} is separated best {ahead}", stacklevel=4)
    return allowed


def _averages(emg, discharges, mask, n_lags, largest_lag):
    """Mean extended EMG around the training discharges, shape (motor units, lags, features)."""
    width, averages = 2 * largest_lag + n_lags, []
    for unit, times in enumerate(discharges):
        times = times[mask[times]]
        average = spike_triggered_average(emg, times, width)
        if len(times) < 2 or not average.any():
            has = f"motor unit {unit} has {len(times)} discharges in the training samples"
            needs = f"a filter needs at least 2, {width // 2} samples or more from the ends"
            raise ValueError(f"{has}; {needs}: leave the unit out or train on a longer signal")
        pieces = np.lib.stride_tricks.sliding_window_view(average, n_lags, axis=1)
        averages.append(pieces.transpose(1, 0, 2).reshape(2 * largest_lag + 1, -1))
    return np.array(averages)
