"""The motor units of a participant, and when they discharge.

A pool of motor units with thresholds and rates (Fuglevand et al. 1993,
doi:10.1152/jn.1993.70.6.2470) under a common drive (De Luca & Erim 1994,
doi:10.1016/0166-2236(94)90064-7) that follows a trapezoid of force; discharges as a renewal
process, gamma-distributed intervals in the time of the summed rate.
"""

from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfilt

FS = 2048.0  # Hz

# Pool. Thresholds in fractions of the maximal voluntary contraction (MVC), rates in 1/s.
_N_UNITS = 250  # of about 580 in the whole muscle (Feinstein et al. 1955), those below the grid
_LARGEST_THRESHOLD, _THRESHOLD_RANGE = 0.8, 15.0
_LEAST_RATE, _PEAK_RATE = (8.5, 10.0), (22.0, 18.0)  # first and last recruited
_RATE_GAIN = 14.0  # 1/s per MVC
_FIBRES = (700.0, 1900.0)  # per motor unit, first and last recruited (Feinstein et al. 1955)
_DRIVE_FS = 256.0  # Hz, sampling of the drive; nothing in it is faster than 30 Hz

_VELOCITY = 3.8  # m/s
_ENDPLATE_OFFSET = 4.0  # mm, between motor units
_SPREAD = ((4.0, 8.0), (9.0, 22.0))  # mm, least and most in x and z
_FAT_MM = (3.0, 8.0)  # least and most between participants


class Pool(NamedTuple):
    """Motor units in the order of recruitment: arrays of shape (motor units,) or (..., 2)."""

    threshold: np.ndarray  # fraction of the maximal voluntary contraction
    least_rate: np.ndarray  # 1/s
    peak_rate: np.ndarray  # 1/s
    interval_cov: np.ndarray
    n_fibres: np.ndarray
    velocity: np.ndarray  # m/s
    endplate: np.ndarray  # mm, middle of the end plates from the middle of the fibres
    centre: np.ndarray  # mm, x and z of the middle of the territory
    spread: np.ndarray  # mm, standard deviations of the territory in x and z


class Participant(NamedTuple):
    """One participant: the same motor units and tissue at every intensity."""

    seed: tuple
    fat_mm: float
    ability: float  # standard normal, the larger the more labelled motor units at any intensity
    pool: Pool


def participant(seed):
    """Draw a participant from a sequence of integers."""
    rng = np.random.default_rng([*seed, 1])
    n = _N_UNITS
    rank = np.arange(1, n + 1) / n
    threshold = _LARGEST_THRESHOLD / _THRESHOLD_RANGE * _THRESHOLD_RANGE**rank
    first, last = _FIBRES
    pool = Pool(
        threshold=threshold,
        least_rate=_between(_LEAST_RATE, threshold / _LARGEST_THRESHOLD),
        peak_rate=_between(_PEAK_RATE, threshold / _LARGEST_THRESHOLD),
        interval_cov=rng.uniform(0.10, 0.20, n),
        n_fibres=first * (last / first) ** rank * rng.lognormal(0, 0.3, n),
        velocity=np.clip(rng.normal(_VELOCITY, 0.3, n), 3.0, 5.5),
        endplate=rng.normal(0, _ENDPLATE_OFFSET, n),
        centre=rng.uniform((-36, -78), (36, 78), (n, 2)),
        spread=rng.uniform(_SPREAD[0], _SPREAD[1], (n, 2)),
    )
    return Participant(seed, rng.uniform(*_FAT_MM), rng.normal(), pool)


def _between(ends, share):
    return ends[0] + (ends[1] - ends[0]) * share


def recruited(pool, level, seconds, rng, contractions=1):
    """Numbers of the motor units that discharge, and the samples at which they do."""
    time = np.arange(round(seconds * _DRIVE_FS) + 1) / _DRIVE_FS
    each = seconds / contractions
    ramp, since = min(2.0, each / 8), time % each
    force = level * np.clip(np.minimum(since, each - since) / ramp, 0, 1)
    common = 1 + 0.02 * _wander(rng, len(time), 2, "low")
    common += 0.015 * _wander(rng, len(time), (15, 30), "band")
    trains = []
    for unit in range(len(pool.threshold)):
        drive = force * (common + 0.03 * _wander(rng, len(time), 5, "low"))
        above = drive - pool.threshold[unit]
        rate = np.minimum(pool.least_rate[unit] + _RATE_GAIN * above, pool.peak_rate[unit])
        times = _renewal(time, np.where(above >= 0, rate, 0), pool.interval_cov[unit], rng)
        trains.append(np.unique(np.int64(times * FS)))
    active = np.flatnonzero([len(train) > 0 for train in trains])
    return active, [trains[unit] for unit in active]


def _wander(rng, n, cutoff, kind):
    """Filtered noise of unit variance, n samples at `_DRIVE_FS`."""
    sos = butter(2, cutoff, kind, fs=_DRIVE_FS, output="sos")
    noise = sosfilt(sos, rng.standard_normal(n))
    return noise / noise.std()


def _renewal(time, rate, cov, rng):
    """Times in s at which the integral of the rate reaches sums of gamma-distributed intervals."""
    expected = np.cumsum(rate) / _DRIVE_FS
    intervals = rng.gamma(cov**-2, cov**2, int(1.2 * expected[-1]) + 20)
    intervals[0] *= rng.random()
    reached = np.cumsum(intervals)
    return np.interp(reached[reached < expected[-1]], expected, time)
