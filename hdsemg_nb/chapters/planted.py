"""Motor units whose action potentials are known, planted in noise: any width, lag and number.

Apart from the simulator of `datasets`: no muscle, no volume conductor, shapes that are drawn. What
it gives is called synthetic, planted.
"""

from typing import NamedTuple

import numpy as np

from hdsemg_nb.recording import Recording, rectangular_grid

FS = 2048.0  # Hz
RATES, COVS = (7.0, 14.0), (0.1, 0.2)  # 1/s, and coefficients of variation of the intervals
PEAK_UV, NOISE_UV = 80.0, 5.0  # typical largest value of an action potential, white noise
N_SMALL, SMALL = 30, 0.1  # motor units that are not labelled, and their size beside the others
ENERGY = 0.99  # share of its energy that an action potential has within its width
LEVELS = 60  # steps in which action potentials change


class Change(NamedTuple):
    """How action potentials differ from those of the beginning, at even distances of time.

    Parameters
    ----------
    width : sequence of float
        Width over that of the beginning; it and all delays grow as the velocity falls.
    rows : sequence of float
        Rows of the grid by which the muscle is moved along it.
    """

    width: tuple = (1.0,)
    rows: tuple = (0.0,)


class Shapes(NamedTuple):
    """What makes the action potentials of motor units: arrays of shape (motor units, ...)."""

    centre: np.ndarray  # row and column above which it is largest
    spread: np.ndarray  # electrodes, standard deviation of its size over the grid
    zone: np.ndarray  # row from which it travels both ways
    delay: np.ndarray  # for each row, over the width of the wave
    parts: np.ndarray  # of three waves with one, two and three phases
    size: np.ndarray  # uV


def shapes(n_units, rng, size=1.0):
    """Draw `Shapes`; `size` scales `PEAK_UV`."""
    return Shapes(
        centre=rng.uniform((0, 0), (12, 4), (n_units, 2)),
        spread=rng.uniform(1, 2.5, n_units),
        zone=rng.uniform(0, 12, n_units),
        delay=rng.uniform(0.4, 0.9, n_units),
        parts=rng.normal(size=(n_units, 3)) / (2.6, 0.7, 1),  # about one size, the first half
        size=size * PEAK_UV * rng.lognormal(0, 0.3, n_units),
    )


def potentials(drawn, width, rows=0.0):
    """Action potentials of `Shapes` in uV.

    Each has `ENERGY` within its width and half of its energy before the middle sample.

    Parameters
    ----------
    drawn : Shapes
    width : float
        In samples.
    rows : float
        By which they are moved along the grid, zones and all.

    Returns
    -------
    numpy.ndarray of float32, shape (motor units, samples, channels)
        An odd number of samples.
    """
    half = round(width)
    at = np.arange(-half, half + 1) / width
    return np.array([_one(Shapes(*unit), at, rows) for unit in zip(*drawn, strict=True)])


def _one(unit, at, rows):
    """An action potential at times in its width, shape (times, channels)."""
    time = np.linspace(0, 30, 601)
    whole = _wave(unit, time, 0)
    energy = np.cumsum(np.square(whole).sum(axis=1))
    shares = (1 - ENERGY) / 2, 0.5, (1 + ENERGY) / 2
    first, middle, last = np.interp(shares, energy / energy[-1], time)
    wave = _wave(unit, middle + at * (last - first), rows)
    return (unit.size / np.abs(whole).max() * wave).astype(np.float32)


def _wave(unit, time, rows):
    """Rosenfalck's action potential and its derivatives, travelling from the zone."""
    place = rectangular_grid().electrodes - (rows, 0)
    gain = np.exp(-np.square(place - unit.centre).sum(axis=1) / (2 * unit.spread**2))
    x = np.maximum(time[:, None] - unit.delay * np.abs(place[:, 0] - unit.zone), 0)
    phases = x**3, 3 * x**2 - x**3, 6 * x - 6 * x**2 + x**3
    return gain * np.exp(-x) * np.tensordot(unit.parts, phases, 1)


def planted(width_ms=45.0, lag=0, n_units=12, seconds=40.0, seed=0, change=None):
    """A recording with planted motor units.

    Parameters
    ----------
    width_ms : float
        Of the action potentials, `ENERGY` of each lies within.
    lag : int
        Samples from a label to the middle of the energy: negative, the label comes late.
    n_units : int
        Labelled motor units; `N_SMALL` smaller ones are in the signal, too.
    seconds : float
    seed : int
        The same units and discharges whatever the other parameters, as far as they allow.
    change : Change, optional
        Of the action potentials with time, all alike; default none.

    Returns
    -------
    recording.Recording
    """
    labelled, small, timing, noise = np.random.default_rng(seed).spawn(4)
    n_samples, change = round(seconds * FS), Change() if change is None else change
    margin = round(width_ms / 1000 * FS * max(change.width)) + abs(lag)
    trains = [_train(timing, margin, n_samples) for _ in range(N_SMALL + n_units)]
    emg = NOISE_UV * noise.standard_normal((n_samples, 64), dtype=np.float32)
    drawn = shapes(N_SMALL, small, SMALL), shapes(n_units, labelled)
    for some, part in zip(drawn, (trains[:N_SMALL], trains[N_SMALL:]), strict=True):
        _plant(emg, some, part, width_ms / 1000 * FS, change)
    return Recording(
        emg.T,
        FS,
        [times - lag for times in trains[N_SMALL:]],
        grid=rectangular_grid(),
        subject=f"P{seed:02d}",
        source=f"synthetic, planted, seed {seed}",
    )


def _train(rng, margin, n_samples):
    """Discharge times with gamma-distributed intervals, away from both ends."""
    rate, cov = rng.uniform(*RATES), rng.uniform(*COVS)
    number = round(1.3 * rate * n_samples / FS) + 20
    times = margin + np.cumsum(rng.gamma(cov**-2, cov**2 / rate, number) * FS)
    return np.unique(times[times < n_samples - margin].astype(np.int64))


def _plant(emg, drawn, trains, width, change):
    """Add action potentials to the EMG (samples, channels), in steps of time as they change."""
    levels = LEVELS if max(map(len, change)) > 1 else 1
    way = (np.arange(levels) + 0.5) / levels
    wide, moved = (np.interp(way, np.linspace(0, 1, len(a)), a) for a in change)
    for k in range(levels):
        waves = potentials(drawn, width * wide[k], moved[k])
        half = waves.shape[1] // 2
        for wave, times in zip(waves, trains, strict=True):
            for t in times[times * levels // len(emg) == k]:
                emg[t - half : t + half + 1] += wave
