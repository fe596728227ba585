"""Blind source separation: motor units from the EMG alone.

After Negro et al. 2016 (doi:10.1088/1741-2560/13/2/026027), many sources at once::

    band-pass -> extension -> round: seeds -> fixed point -> refinement -> distinct -> filter
                              round: the same, uncorrelated with the motor units found so far

The extended signal holds `n_lags` samples of every channel at each time. It is never stored whole,
and whitening is folded into the filters: with C its regularised covariance, a filter b has a source
of unit power when b' C b = 1, and sources are uncorrelated when a' C b = 0.
"""

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pandas as pd
import scipy.linalg
from scipy.signal import butter, sosfiltfilt
from tqdm import tqdm

from hdsemg_nb.cbss import filter as linear
from hdsemg_nb.cbss.covariance import extended_covariance, lag_products, oversampling
from hdsemg_nb.cbss.quality import pulse_to_noise_ratio, two_class_silhouette
from hdsemg_nb.discharges import interval_cov, label_score, match_motor_units, rate_of_agreement
from hdsemg_nb.segment import spike_triggered_average, windows

BAND_HZ = (20.0, 500.0)
LEAST_SILHOUETTE = 0.87  # of a motor unit
LARGEST_COV = 0.5  # coefficient of variation of its inter-discharge intervals below 0.4 s
_N_ROUNDS = 3  # fewer when one finds nothing new
SAME_UNIT = 0.3  # rate of agreement from which two units are one (Negro et al. 2016)
_N_ITERATIONS = 8  # of the fixed point; as many seeds reach their motor unit as with 12
_N_REFINEMENTS = 6
_FEWEST_DISCHARGES = 20
_SAME_FILTER = 0.95  # correlation of two sources from which one is enough
_BLOCK = 4096  # samples of the extended signal held at once


class NoMotorUnit(ValueError):
    """`decompose` found no motor unit."""


class Decomposition(namedtuple("Decomposition", "recording filter quality")):
    """What `decompose` found.

    The recording given, with the discharge times and pulse-to-noise ratios found; the
    `MotorUnitFilter` fitted to them, ready for new samples of the same electrodes; a table of
    motor_unit, n_discharges, pnr (dB), silhouette, interval_cov.
    """


_Unit = namedtuple("_Unit", "filter discharges silhouette interval_cov pnr")


def decompose(recording, n_lags=linear.N_LAGS, n_seeds=100, seed=0, progress=True):
    """Find motor units and their discharge times in the EMG alone.

    Parameters
    ----------
    recording : recording.Recording
        Its discharge times, if any, are not looked at.
    n_lags : int
        Extension: consecutive samples of every channel seen at once, at about 2048 Hz: of a faster
        recording every second, third, ... sample is taken (`covariance.oversampling`).
    n_seeds : int
        Sources separated in each round, started from random peaks of the activity index.
    seed : int
        Draws the starting samples; the same seed gives the same motor units.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Decomposition
        Motor units by descending silhouette, none twice (rate of agreement below 0.3 at every
        lag), each of a silhouette and a variability of its intervals that motor units have
        (`LEAST_SILHOUETTE`, `LARGEST_COV`). A discharge stands where the source peaks, off by a
        constant lag of each unit.

    Raises
    ------
    NoMotorUnit
        When none is found (a ValueError).
    ValueError
        When the recording is sampled too slowly or too short, or every channel is dead.

    Warns
    -----
    UserWarning
        Names channels left out, dead or equal to another one.
    """
    _check(recording, n_lags, n_seeds)
    every = oversampling(recording.fs)
    emg, fs = _band_passed(recording)[:, ::every], recording.fs / every
    extended = _Extended(emg[linear.sound_channels(recording.emg, emg)], n_lags)
    activity = extended.activity()
    units, rng = [], np.random.default_rng([seed])
    for _ in tqdm(range(_N_ROUNDS), desc="decompose", unit="round", disable=not progress):
        filters = extended.solve(extended.at(_seeds(activity, n_seeds, fs, rng)))
        filters = _fixed_point(extended, filters, [unit.filter for unit in units])
        found = _refine(extended, _unlike(extended, filters), fs)
        found = [u for u in found if u.silhouette >= LEAST_SILHOUETTE]
        found = [u for u in found if u.interval_cov <= LARGEST_COV]
        n_before, units = len(units), _distinct(units + found, fs)
        if len(units) == n_before:
            break
        for unit in units:
            around = unit.discharges[:, None] + np.arange(-n_lags, n_lags + 1)
            activity[np.clip(around, 0, len(activity) - 1)] = 0
    if not units:
        rule = f"silhouette >= {LEAST_SILHOUETTE} and interval CoV <= {LARGEST_COV} in {recording}"
        seen = f"its filters see {1000 * n_lags / fs:.1f} ms, 8 are usual: raise n_lags"
        raise NoMotorUnit(
            f"no motor unit with {rule}; take a longer signal or more n_seeds; {seen}"
        )
    trains = [every * u.discharges for u in units]
    found = replace(recording, discharges=trains, pnr=[u.pnr for u in units])
    quality = pd.DataFrame(units).rename_axis("motor_unit").reset_index()
    quality["n_discharges"] = quality["discharges"].map(len)
    quality = quality["motor_unit n_discharges pnr silhouette interval_cov".split()]
    return Decomposition(found, linear.MotorUnitFilter(every * n_lags).fit(found), quality)


def recovery(recordings, **options):
    """Judge `decompose` by the discharge times that recordings already have.

    Parameters
    ----------
    recordings : iterable of recording.Recording
        With reference discharge times.
    **options
        For `decompose`.

    Returns
    -------
    pandas.DataFrame
        One row per reference motor unit, the columns of `discharges.match_motor_units` after
        subject, mvc, n_found (motor units found in this recording) and label_score (of the
        recording, see `discharges.label_score`).
    """
    tables = []
    for recording in recordings:
        try:
            found = decompose(recording, **options).recording.discharges
        except NoMotorUnit:
            found = []
        about = dict(subject=recording.subject, mvc=recording.mvc, n_found=len(found))
        about["label_score"] = label_score(recording.discharges, found, recording.fs)
        matched = match_motor_units(recording.discharges, found, recording.fs)
        tables.append(pd.DataFrame(about, index=matched.index).join(matched))
    return pd.concat(tables, ignore_index=True)


class _Extended:
    """The extended EMG in blocks. Features are (channel, lag), lag 0 at n_lags // 2."""

    def __init__(self, emg, n_lags):
        before = n_lags // 2
        self.emg, self.n_lags = emg, n_lags
        self.padded = np.pad(emg, ((0, 0), (before, n_lags - before - 1)))
        self.covariance = extended_covariance(lag_products(emg, n_lags) / emg.shape[1])
        self.cholesky = np.linalg.cholesky(self.covariance)

    def blocks(self):
        """Extended signal in consecutive blocks, each (features, samples)."""
        for start in range(0, self.emg.shape[1], _BLOCK):
            stop = min(start + _BLOCK, self.emg.shape[1])
            block = self.padded[:, start : stop + self.n_lags - 1]
            lagged = np.lib.stride_tricks.sliding_window_view(block, stop - start, axis=1)
            yield lagged.reshape(-1, stop - start)

    def at(self, samples):
        """Extended signal at some samples, (features, samples)."""
        return windows(self.padded, samples, self.n_lags).reshape(len(samples), -1).T

    def average(self, discharges):
        """Mean extended signal at the discharges, (features,)."""
        return spike_triggered_average(self.emg, discharges, self.n_lags).ravel()

    def activity(self):
        """Activity index: power of the whitened extended signal at each sample, (samples,)."""
        identity = np.eye(len(self.cholesky))
        rows = scipy.linalg.solve_triangular(self.cholesky, identity, lower=True).astype(np.float32)
        return np.concatenate([((rows @ x) ** 2).sum(axis=0) for x in self.blocks()])

    def solve(self, vectors):
        """Inverse covariance times vectors in columns."""
        return scipy.linalg.cho_solve((self.cholesky, True), vectors)

    def unit_power(self, filters):
        """Filters, in columns, scaled to sources of unit power."""
        return filters / np.sqrt((filters * (self.covariance @ filters)).sum(axis=0))

    def sources(self, filters):
        """Sources (filters, samples), float32."""
        rows = filters.T.astype(np.float32)
        return np.concatenate([rows @ x for x in self.blocks()], axis=1)


def _check(recording, n_lags, n_seeds):
    if n_lags < 1 or n_seeds < 1:
        raise ValueError(f"n_lags={n_lags} and n_seeds={n_seeds} must be at least 1")
    if recording.fs <= 2 * BAND_HZ[1]:
        raise ValueError(f"fs={recording.fs} Hz is too slow, expected above {2 * BAND_HZ[1]:g} Hz")
    channels, samples = recording.emg.shape
    needed = channels * n_lags * oversampling(recording.fs)
    if samples < needed:
        least = f"at least {needed} for n_lags={n_lags}; take a longer recording"
        raise ValueError(f"emg has {channels} channels and {samples} samples, expected {least}")


def _band_passed(recording):
    sos = butter(2, BAND_HZ, "bandpass", fs=recording.fs, output="sos")
    return sosfiltfilt(sos, recording.emg, axis=1).astype(np.float32)


def _seeds(activity, n_seeds, fs, rng):
    """Peaks of the activity drawn at random; samples set to 0 are none."""
    found = linear.peaks(activity, fs)
    return np.sort(rng.choice(found, min(n_seeds, len(found)), replace=False))


def _fixed_point(extended, filters, found):
    """Move all filters at once towards sources with pulses, uncorrelated with the found ones.

    Newton steps on the mean of max(source, 0)^3: from known discharges of the sample recording
    twice as many seeds reach their motor unit as with source^3, of the synthetic ones as many.
    """
    filters = _deflate(extended, filters, found)
    for _ in range(_N_ITERATIONS):
        rows = filters.T.astype(np.float32)
        gradient, slope = 0, 0
        for x in extended.blocks():
            pulses = np.maximum(rows @ x, 0)
            gradient = gradient + x @ (pulses**2).T
            slope = slope + 2 * pulses.sum(axis=1)
        filters = _deflate(extended, extended.solve(gradient) - slope * filters, found)
    return filters


def _deflate(extended, filters, found):
    """Filters without what correlates with the found ones, of unit source power."""
    if found:
        f = np.stack(found, axis=1)
        correlation = f.T @ extended.covariance
        filters = filters - f @ np.linalg.solve(correlation @ f, correlation @ filters)
    return extended.unit_power(filters)


def _unlike(extended, filters):
    """The filters without those whose source is nearly the source of an earlier one."""
    correlation = np.abs(filters.T @ extended.covariance @ filters)
    kept = []
    for i, row in enumerate(correlation):
        if (row[kept] <= _SAME_FILTER).all():
            kept.append(i)
    return filters[:, kept]


def _refine(extended, filters, fs):
    """Motor units; each filter is made anew at its discharges while their intervals steady."""
    units = [None] * filters.shape[1]
    numbers = range(filters.shape[1])
    for _ in range(_N_REFINEMENTS):
        better = {}
        for i, b, source in zip(numbers, filters.T, extended.sources(filters), strict=True):
            unit = _unit(b, source, fs)
            if unit and (not units[i] or unit.interval_cov < units[i].interval_cov):
                units[i], better[i] = unit, extended.average(unit.discharges)
        if not better:
            break
        averages = np.stack(list(better.values()), axis=1)
        numbers, filters = list(better), extended.unit_power(extended.solve(averages))
    return [unit for unit in units if unit]


def _unit(b, source, fs):
    """Discharges and quality of a source; None with too few discharges."""
    source = np.sign(source) * source**2
    found = linear.peaks(source, fs, 0)
    if len(found) < _FEWEST_DISCHARGES:
        return None
    heights = source[found].astype(np.float64)
    upper = heights > linear.two_classes(heights).mean()
    discharges, silhouette = found[upper], two_class_silhouette(heights[upper], heights[~upper])
    if len(discharges) < _FEWEST_DISCHARGES:
        return None
    pnr = pulse_to_noise_ratio(source, discharges, fs)
    return _Unit(b, discharges, silhouette, interval_cov(discharges, fs), pnr)


def _distinct(units, fs):
    """One of each motor unit, the one of largest silhouette."""
    kept = []
    for unit in sorted(units, key=lambda unit: -unit.silhouette):
        if all(rate_of_agreement(k.discharges, unit.discharges, fs).rate < SAME_UNIT for k in kept):
            kept.append(unit)
    return kept
