"""The motor-unit filter that follows the signal of the moment, without labels."""

import hashlib
from dataclasses import replace

import numpy as np
import scipy.linalg

from hdsemg_nb.cbss.adapted import Adapted, separation
from hdsemg_nb.cbss.covariance import extended_covariance, lag_products, oversampling
from hdsemg_nb.cbss.filter import PIECE, MotorUnitFilter, check_size, peaks, two_classes
from hdsemg_nb.cbss.moves import move_matrices
from hdsemg_nb.cbss.strayed import together
from hdsemg_nb.discharges import interval_cov, refractory
from hdsemg_nb.segment import spike_triggered_average

PRIOR_S = 5.0  # the covariance of the training counts as so many seconds of the signal
PRIOR_DISCHARGES = 20  # the action potential of the training counts as so many discharges
CHANGED = 0.85  # mean source at the discharges below which the action potential has changed
TOO_HIGH = 2.0  # and above which they are no discharges, but a burst
IRREGULAR = 0.5  # coefficient of variation of the intervals; motor units have 0.1 to 0.3
LOOSE = 0.05  # of the mean variance, white, that a filter for a lost unit expects besides
SIMILAR = 0.85  # cosine between an action potential and what it was taken for before
MOVES = (-1, -0.5, 0, 0.5, 1)  # of the grid, in interelectrode distances
MOVE_S = 20.0  # of the signal in which the place of the grid is looked for
BURST = 6.0  # times as large as usual: an artefact when it comes on most channels; EMG reaches 4
PASSES = 3  # of finding discharges and averaging over them


class AdaptiveFilter(MotorUnitFilter):
    """`MotorUnitFilter` with covariance, thresholds and action potentials of the moment.

    After adaptive online decomposition (Mendez Guerra et al. 2024, doi:10.1088/1741-2552/ad5ebf),
    which follows the whitening, the separation vectors and the thresholds by small steps; here each
    is computed anew from recent signal, with the training as a prior that is never forgotten:

    * The covariance is the mean of that of the signal, weighted by its seconds, and that of the
      training, weighted by `PRIOR_S`: for 1,024 features a few seconds alone are too short.
    * Channels that are dead in the signal are left out.
    * The filters are the inverse covariance times the action potentials of the training, scaled so
      that an action potential has the output 1.
    * The threshold is the middle between the two classes of peaks of the signal.
    * A unit whose upper class is on average below `CHANGED` no longer looks as in the training: its
      filter cancels what it does not expect. Where its discharges are regular and their mean is
      similar to the action potential before (`IRREGULAR`, `SIMILAR`), that mean takes its place
      (the training's counts as `PRIOR_DISCHARGES`) and they are looked for again. Else the unit is
      lost: silent, or changed too much to be told from others.
    * When two units or more are lost, `adapt` looks for them as a grid moved by up to one electrode
      would record them; those not found so, by a filter that relies less on small differences
      (`LOOSE`), and with what it found again by their own.

    The units are not compared with each other in one adaptation; on a stream, where an action
    potential may drift far, a unit that came to follow another one goes back to the training
    (`cbss.strayed`).

    Attributes
    ----------
    products_ : numpy.ndarray, shape (n_lags, channels, channels)
        Mean of the `lag_products` of the training samples.
    averages_ : numpy.ndarray, shape (motor units, channels, n_lags)
        Action potentials of the training, at the lags of the filters.
    together_ : numpy.ndarray of bool, shape (motor units, motor units)
        Which discharge `together` in the training.
    largest_ : numpy.ndarray, shape (channels,)
        Largest distance from the mean in the training, in uV: what a stream is checked against.
    """

    def fit(self, recording, mask=None):
        """Fit to the discharge times of a recording, as `MotorUnitFilter.fit`."""
        mask = np.ones(recording.n_samples, bool) if mask is None else mask
        super().fit(recording, mask)
        emg = np.where(mask, recording.emg - self.mean_, 0)
        self.products_ = lag_products(emg, self.n_lags) / mask.sum()
        trains = [times[mask[times]] for times in recording.discharges]
        marks = [times + lag for times, lag in zip(trains, self.lags_, strict=True)]
        self.averages_ = np.array([spike_triggered_average(emg, t, self.n_lags) for t in marks])
        self.grid_, self.largest_ = recording.grid, np.abs(emg).max(axis=1)
        self.together_ = together(trains, recording.n_samples, recording.fs)
        sources = [np.where(mask, source, 0) for source in self.source(recording.emg)]
        self.classes_ = self._judged(sources)[0]
        return self

    @property
    def rest(self):
        """Samples after a discharge in which no other can be."""
        return refractory(self.fs_) - 1

    @property
    def n_macs(self):
        """Multiply-accumulates for each sample, those of the covariance included."""
        return super().n_macs + self.products_.size

    @property
    def sound(self):
        """Channels with a weight in the training, shape (channels,)."""
        return self.weights_.any(axis=(0, 2))

    @property
    def fingerprint(self):
        """What tells this training from others."""
        content = (self.weights_, self.products_, self.averages_)
        return hashlib.sha1(b"".join(one.tobytes() for one in content)).hexdigest()

    def decode(self, emg):
        """Find the discharges in a signal, with filters adapted to the whole of it.

        For tens of seconds; what changes within longer signals is followed by `AdaptiveStream`.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, the channels of the training in their order.

        Returns
        -------
        list of numpy.ndarray of int64
            Discharge times of each motor unit as 0-based samples of `emg`.
        """
        return self.adapt(emg).filter.decode(emg)

    def unadapted(self):
        """The filters of the training as `Adapted`."""
        linear, lost = self._with(self.weights_.copy()), np.zeros(len(self.weights_), dtype=bool)
        return Adapted(linear, self.averages_.copy(), lost, self.sound, self.classes_.copy())

    def without_dead(self, now, covariance, live):
        """`Adapted` filters as they are, for the live channels alone and their covariance."""
        linear = self._with(separation(scipy.linalg.cho_factor(covariance), now.averages, live))
        linear.thresholds_ = now.filter.thresholds_
        return replace(now, filter=linear, live=live)

    def without_artefacts(self, emg, live):
        """The signal, and its mean where a burst stands out from it on most channels.

        In pieces of `PIECE` samples: `BURST` times as large as is usual in the training, and in
        the signal itself.

        Returns
        -------
        numpy.ndarray, shape (channels, samples)
        numpy.ndarray of bool, shape (samples,)
            Samples that are left.
        """
        live = live & (self.typical_ > 0)  # not those at rest in most of the training
        whole, kept = emg.shape[1] // PIECE * PIECE, np.ones(emg.shape[1], bool)
        if not (whole and live.any()):
            return emg, kept
        sizes = np.ptp(emg[live, :whole].reshape(live.sum(), -1, PIECE), axis=2)
        sizes = np.median(sizes / self.typical_[live, None], axis=0)
        burst = sizes > BURST * max(1, np.median(sizes))
        if not burst.any():
            return emg, kept
        burst = np.convolve(burst, (1, 1, 1), "same") > 0  # with what is beside it
        kept[:whole] = np.repeat(~burst, PIECE)
        return np.where(kept, emg, self.mean_).astype(emg.dtype), kept

    def adapt(self, emg):
        """`Adapted` filters for a whole signal in uV, shape (channels, samples)."""
        self.check(emg)
        check_size(emg, self.typical_)
        live = self.sound & ~(emg == emg[:, :1]).all(axis=1)
        emg, kept = self.without_artefacts(emg, live)
        products = lag_products(emg - self.mean_, self.n_lags)
        covariance = self.covariance(products, kept.sum(), live)
        factor = scipy.linalg.cho_factor(covariance)
        now = self.follow(emg, live, factor)
        if self.grid_ is None or now.lost.sum() < 2:
            return now
        return now.or_else(self._moved(emg, live, covariance, factor, now.lost))

    def _moved(self, emg, live, covariance, factor, lost):
        """Lost units as a grid at another place would record them.

        The place is the one where most of them are found. The grid moves as a whole: what is found
        where not more than half of them are, or one alone, is not believed.
        """
        last, found = emg[:, -round(MOVE_S * self.fs_) :], []
        moves = move_matrices(self.grid_, MOVES)
        moved = [np.einsum("cd,udl->ucl", move, self.averages_) for move in moves]
        for averages in moved:
            found.append((~self.follow(last, live, factor, averages, lost, passes=0).lost).sum())
        averages = moved[np.argmax(found)]
        now = self.follow(emg, live, factor, averages, lost)
        left = now.lost & lost
        if left.any():
            loose = covariance + LOOSE * covariance.diagonal().mean() * np.eye(len(covariance))
            loose = scipy.linalg.cho_factor(loose)
            now = now.or_else(self._loosely(emg, live, (loose, factor), averages, left))
        believed = (~now.lost).sum() > max(1, lost.sum() / 2)
        return now if believed else replace(now, lost=np.ones(len(lost), bool))

    def _loosely(self, emg, live, factors, averages, lost):
        """Lost units by filters that rely less on small differences, then by their own."""
        loose, own = factors
        about = self.follow(emg, live, loose, averages, lost)
        found = lost & ~about.lost
        return self.follow(emg, live, own, about.averages, found) if found.any() else about

    def covariance(self, products, n_samples, live, n_judged=None):
        """Covariance of the live channels, (live channels * n_lags) squared.

        That of the moment, from `lag_products` of recent signal without the mean of the training,
        summed over `n_samples`, and that of the training; `n_judged` as in `extended_covariance`.
        A ValueError says that no channel is live.
        """
        if not live.any():
            raise ValueError("every channel that the filters use is dead in emg")
        prior = PRIOR_S * self.fs_
        mixed = (products + prior * self.products_) / (n_samples + prior)
        mixed = mixed[:, live][:, :, live]
        return extended_covariance(mixed, n_judged, oversampling(self.fs_))

    def follow(self, emg, live, factor, before=None, looked_for=None, passes=PASSES):
        """Filters for a signal whose covariance is known.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV: thresholds and action potentials are taken from it.
        live : numpy.ndarray of bool, shape (channels,)
        factor : tuple
            Of `scipy.linalg.cho_factor` of `covariance`.
        before : numpy.ndarray, optional
            Action potentials to begin with; default those of the training.
        looked_for : numpy.ndarray of bool, shape (motor units,), optional
            Default all; the others count as lost, without filters.
        passes : int
            Times that action potentials are averaged anew at most.

        Returns
        -------
        Adapted
        """
        before = self.averages_ if before is None else before
        looked_for = np.ones(len(before), bool) if looked_for is None else looked_for
        averages, classes = before.copy(), np.zeros((len(before), 2))
        changed, found = np.zeros(len(before), bool), [np.empty(0, np.int64)] * len(before)
        linear = self._with(np.zeros(before.shape))
        units = np.flatnonzero(looked_for)
        for left in range(passes, -1, -1):
            part = self._with(separation(factor, averages[units], live), units)
            linear.weights_[units] = part.weights_
            classes[units], linear.thresholds_[units], times = self._judged(part.source(emg), units)
            for unit, its in zip(units, times, strict=True):
                found[unit] = its
            lost, new = (classes[:, 1] < CHANGED) | (classes[:, 1] > TOO_HIGH), {}
            for unit in units[(lost | changed)[units]]:
                average = self._average(emg, found[unit], unit, before[unit], live)
                if average is not None:
                    new[unit] = average
            lost[list(new)], changed[list(new)] = False, True
            if not left or not new:
                break
            units, averages[list(new)] = np.array(list(new)), list(new.values())
        linear.thresholds_[lost] = self.thresholds_[lost]
        return Adapted(linear, averages, lost, live, classes, tuple(found))

    def expecting(self, emg, mask, sd):
        """What adaptation would come to, had it seen the training with white noise.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            With the noise, in uV.
        mask : numpy.ndarray of bool, shape (samples,)
            Where the classes of peaks are taken from.
        sd : float
            Standard deviation of the noise on each channel, in uV.

        Returns
        -------
        Adapted
        numpy.ndarray, shape (motor units, samples)
            The sources of `emg`.
        """
        now, live = self.unadapted(), self.sound
        covariance = self.covariance(0, 0, live)
        factor = scipy.linalg.cho_factor(covariance + sd**2 * np.eye(len(covariance)))
        now.filter.weights_ = separation(factor, self.averages_, live)
        sources = now.filter.source(emg)
        classes, now.filter.thresholds_, _ = self._judged(np.where(mask, sources, 0))
        return replace(now, classes=classes), sources

    def _with(self, weights, units=slice(None)):
        linear = MotorUnitFilter(self.n_lags, self.largest_lag)
        linear.weights_, linear.lags_ = weights, self.lags_[units]
        linear.thresholds_ = self.thresholds_[units].copy()
        linear.mean_, linear.fs_, linear.typical_ = self.mean_, self.fs_, self.typical_
        return linear

    def _judged(self, sources, units=slice(None)):
        """Mean heights of the classes of peaks, threshold and discharges of each unit."""
        classes, thresholds = np.zeros((len(sources), 2)), self.thresholds_[units].copy()
        found = []
        for unit, source in enumerate(sources):
            times = peaks(source, self.fs_, 0)
            if len(times) > 1:
                classes[unit] = two_classes(source[times])
                thresholds[unit] = classes[unit].mean()
            found.append(times[source[times] >= thresholds[unit]])
        return classes, thresholds, found

    def _average(self, emg, times, unit, before, live):
        """Action potential over discharges and those of the training; None: not to be believed."""
        if interval_cov(times, self.fs_) > IRREGULAR:
            return None
        mean = spike_triggered_average(emg, times + self.lags_[unit], self.n_lags) - self.mean_
        mean = np.where(live[:, None], mean, before)
        size = np.linalg.norm(mean) * np.linalg.norm(before)
        if (mean * before).sum() < SIMILAR * size:
            return None
        n = len(times)
        return (PRIOR_DISCHARGES * self.averages_[unit] + n * mean) / (PRIOR_DISCHARGES + n)
