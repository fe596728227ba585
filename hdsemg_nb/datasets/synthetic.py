"""Synthetic HD-sEMG of the gastrocnemius medialis, with known discharge times.

From the command to the muscle to the electrodes:

1. a pool of motor units with thresholds and rates (Fuglevand et al. 1993,
   doi:10.1152/jn.1993.70.6.2470) under a common drive (De Luca & Erim 1994,
   doi:10.1016/0166-2236(94)90064-7) that follows a trapezoid of force;
2. discharges as a renewal process: gamma-distributed intervals in the time of the summed rate;
3. intracellular action potentials (Rosenfalck 1969) that travel from the end plates to the ends
   of pennate fibres and die out there. The tripole of Merletti et al. 1999
   (doi:10.1109/10.771190) is this source in three points; whole, it has more low frequencies;
4. a layered, anisotropic volume conductor of finite size: muscle, fat, skin
   (`_skin_potentials`);
5. the superposition of all active motor units, noise, and an amplifier.

Every active motor unit is in the signal; those that a linear filter separates well are labelled.

Axes, in mm: x across the limb, z distally along it, both from the centre of the grid; y into the
limb from the surface of the muscle.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import map_coordinates
from scipy.signal import butter, sosfilt, sosfiltfilt, welch
from scipy.special import j1, ndtr
from tqdm.auto import tqdm

from hdsemg_nb import paths
from hdsemg_nb.cbss import MotorUnitFilter, pulse_to_noise_ratio
from hdsemg_nb.recording import Recording, rectangular_grid
from hdsemg_nb.segment import spike_triggered_average

FS = 2048.0  # Hz
MUSCLE = "gastrocnemius medialis (synthetic)"
LEAST_PNR = 30.0  # dB, rule of the paper's dataset

# Labelled motor units per recording (paper, "Results"): mean, SD, least and most at each % MVC.
_LABELLED = {10: (18.25, 7.86, 2, 30), 30: (17.06, 8.16, 4, 31), 50: (10.81, 7.37, 2, 22)}
_CANDIDATES = 60  # motor units with the largest action potentials, tried with the filter
_RANKING_S = 20.0  # seconds on which they are ranked

# Pool. Thresholds in fractions of the maximal voluntary contraction (MVC), rates in 1/s.
_N_UNITS = 250  # of about 580 in the whole muscle (Feinstein et al. 1955), those below the grid
_LARGEST_THRESHOLD, _THRESHOLD_RANGE = 0.8, 15.0
_LEAST_RATE, _PEAK_RATE = (8.5, 10.0), (22.0, 18.0)  # first and last recruited
_RATE_GAIN = 14.0  # 1/s per MVC
_FIBRES = (700.0, 1900.0)  # per motor unit, first and last recruited (Feinstein et al. 1955)
_DRIVE_FS = 256.0  # Hz, sampling of the drive; nothing in it is faster than 30 Hz

# Motor units and fibres, mm and ms.
_FIBRE_AREA = 4000e-6  # mm2, gastrocnemius of young men (Trappe et al. 2001)
_INTRACELLULAR = 1.0  # S/m (Andreassen & Rosenfalck 1981)
_FIBRE_LENGTH, _END_SCATTER = 55.0, 4.0
_PENNATION = (20.0, 10.0)  # degrees at rest, and more per MVC (Maganaris et al. 1998)
_VELOCITY = 3.8  # m/s
_ENDPLATE_OFFSET, _ENDPLATE_SCATTER = 4.0, 8.0  # between and within motor units
_ONSET_MS, _ONSET_SCATTER_MS = 6.0, 2.0  # of the fibres of one motor unit
_SPREAD = ((4.0, 8.0), (9.0, 22.0))  # least and most in x and z
_SUPERFICIAL_END = (1.0, 3.0)  # depth in the muscle
_N_PLACES, _N_ONSETS = 16, 24  # samples of a territory and of the onsets
_NODES = np.linspace(-10.0, _FIBRE_LENGTH + 10.0, 48)  # along the fibres
_WIDTH = 128  # samples of an action potential

# Volume conductor, mm and S/m: muscle and fat as in Farina et al. 2004
# (doi:10.1109/TBME.2003.820998), dry skin of Gabriel et al. 1996
# (doi:10.1088/0031-9155/41/11/003).
_ALONG, _ACROSS, _FAT, _SKIN = 0.5, 0.1, 0.05, 2e-4
_FAT_MM = (3.0, 8.0)  # least and most between participants
_SKIN_MM, _MUSCLE_MM, _GIRTH_MM, _PERIOD_MM = 1.0, 30.0, 346.0, 512.0
_ELECTRODE_RADIUS_MM = 0.5
_DX, _DY, _DZ = 2.0, 1.5, 1.0  # mm, steps of the table of skin potentials
_REFERENCE = (_GIRTH_MM / 2, 230.0)  # mm, on the shin above the ankle

# Muscles below and beside, mostly the soleus, reach all electrodes alike. In this conductor a pool
# like this one 20 mm deeper gives 0.4 of its signal; the soleus has about three times the
# physiological cross-section (Fukunaga et al. 1992, doi:10.1002/jor.1100100623).
_COMMON_MODE = 0.7  # of the signal's standard deviation
_NOISE_UV, _MAINS_UV = 5.0, 1.0
_LSB_UV = 0.5086  # step of the amplifier (Quattrocento, gain 150)


class Truth(NamedTuple):
    """What is known about the labelled motor units of a simulated recording.

    `recording.discharges[k] == discharges[k] + delays[k] + lags[k]` for each of them.
    """

    discharges: tuple  # of int64 arrays: samples at which the motor neurons discharge
    delays: np.ndarray  # samples from there to the centre of the action potential's energy
    lags: np.ndarray  # samples of the label after that centre, drawn from `label_lag`
    units: np.ndarray  # numbers in the pool, in the order of recruitment
    n_active: int  # motor units of the pool that discharge, labelled or not


class Simulation(NamedTuple):
    """A recording and what is known about it."""

    recording: Recording
    truth: Truth


class Recordings(Sequence):
    """Recordings on disk, each read when it is asked for.

    Parameters
    ----------
    files : sequence of pathlib.Path
        As `synthetic_cohort` writes them.
    """

    def __init__(self, files):
        self.files = list(files)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Recordings(self.files[index])
        return _load(self.files[index])


class _Pool(NamedTuple):
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


class _Participant(NamedTuple):
    seed: tuple
    fat_mm: float
    ability: float  # standard normal, the larger the more labelled motor units at any intensity
    pool: _Pool


def synthetic_cohort(
    n_subjects,
    mvc=(10, 30, 50),
    seconds=60.0,
    seed=0,
    label_lag=(0, 0),
    folder=None,
    workers=2,
    progress=True,
):
    """Synthetic recordings of several participants, simulated on first use.

    Parameters
    ----------
    n_subjects : int
    mvc : sequence of float
        Intensities in % of the maximal voluntary contraction, one recording each.
    seconds, seed, label_lag
        As in `simulate`.
    folder : str or pathlib.Path, optional
        Where the recordings are kept, named by a digest of their parameters and of this module;
        default data/synthetic of the project.
    workers : int
        Recordings simulated at a time. More than 1 start processes: a script (not a notebook)
        then has to do its work under ``if __name__ == "__main__":``.
    progress : bool
        Show a progress bar over the recordings.

    Returns
    -------
    Recordings
        By participant, then by intensity.
    """
    folder = Path(folder or paths.DATA / "synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    subjects = range(1, n_subjects + 1)
    wanted = [(s, float(m), float(seconds), seed, tuple(label_lag)) for s in subjects for m in mvc]
    files = [folder / f"{_digest(parameters)}.npz" for parameters in wanted]
    missing = [job for job in zip(wanted, files, strict=True) if not job[1].exists()]
    hidden = not (progress and missing)
    with tqdm(total=len(missing), desc="simulating", unit="recording", disable=hidden) as bar:
        for _ in _simulate_all(missing, workers):
            bar.update()
    return Recordings(files)


def simulate(subject, mvc, seconds=60.0, seed=0, label_lag=(0, 0), electrodes=None):
    """One synthetic recording: a trapezoid of force with its plateau at `mvc`.

    The same seed and subject give the same motor units at every intensity; with the same
    intensity and length also the same discharges, wherever the electrodes are.

    Parameters
    ----------
    subject : int
        Number of the participant, from 1.
    mvc : float
        Intensity in % of the maximal voluntary contraction, 10 to 100.
    seconds : float
        Length, at least 5 s.
    seed : int
    label_lag : (int, int)
        The labels of a motor unit stand a constant number of samples after the centre of its
        action potential, drawn from this range, ends included. (0, 0): none. Labels from blind
        source separation: -9 to 19 in the sample recording.
    electrodes : array_like, shape (64, 2), optional
        Place of each channel's electrode in mm; default `electrode_positions()`. Add (0, 8) to
        move the grid by a row over the same muscle.

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        When a parameter cannot be right; names it, its value and what is allowed.
    """
    electrodes = electrode_positions() if electrodes is None else np.asarray(electrodes, float)
    _check(subject, mvc, seconds, label_lag, electrodes)
    person = _participant((seed, subject))
    spiking, noise, marking = np.random.default_rng([seed, subject, 3, round(100 * mvc)]).spawn(3)
    active, discharges = _recruited(person.pool, mvc / 100, seconds, spiking)
    potentials = _action_potentials(person, mvc / 100, active, electrodes)
    emg = _superposition(discharges, potentials, round(seconds * FS), spiking)
    unlabelled = Recording(
        emg=_amplified(emg, noise),
        fs=FS,
        grid=rectangular_grid(),
        subject=f"S{subject:02d}",
        muscle=MUSCLE,
        mvc=mvc,
        source=f"synthetic, hdsemg_nb, seed {seed}",
    )
    # A motor unit near its threshold pauses: not labelled.
    steady = person.pool.threshold[active] < 0.9 * mvc / 100
    wanted = _n_labelled(person.ability, mvc, marking)
    chosen, delays, pnr = _separable(unlabelled, discharges, potentials, steady, wanted)
    lags = marking.integers(*label_lag, endpoint=True, size=len(chosen))
    true = _inside([discharges[k] for k in chosen], delays + lags, unlabelled.n_samples)
    recording = replace(unlabelled, discharges=_add(true, delays + lags), pnr=pnr)
    return Simulation(recording, Truth(true, delays, lags, active[chosen], len(active)))


def electrode_positions():
    """Place of the electrodes of `recording.rectangular_grid` on the skin.

    Returns
    -------
    numpy.ndarray, shape (64, 2)
        x across and z along the limb in mm, from the centre of the grid.
    """
    grid = rectangular_grid()
    return (grid.electrodes - (np.array(grid.shape) - 1) / 2)[:, ::-1] * grid.ied_mm


def compare(recordings):
    """Features of recordings side by side, synthetic or real.

    Parameters
    ----------
    recordings : iterable of recording.Recording

    Returns
    -------
    pandas.DataFrame
        One row per recording: subject, mvc, source; n_motor_units; and, averaged over channels
        or motor units, mean_frequency and median_frequency in Hz, rms_uv, channel_correlation
        (magnitude, over pairs of channels), common_share (energy of the channels' mean in the
        action potentials), width (samples in which an action potential, over all channels, has
        more than a tenth of its largest energy), peak_to_peak_uv (largest channel), rate in 1/s
        and interval_cov (intervals above 0.4 s are pauses and left out), pnr in dB.
    """
    return pd.DataFrame([_features(recording) for recording in recordings])


def _check(subject, mvc, seconds, label_lag, electrodes):
    if subject < 1:
        raise ValueError(f"subject={subject} must be a participant's number, from 1")
    if not 10 <= mvc <= 100:
        raise ValueError(
            f"mvc={mvc} must be 10 to 100 %: below, the pool has too few steady motor units"
        )
    if not seconds >= 5:
        raise ValueError(f"seconds={seconds} must be at least 5: two ramps and a plateau")
    if len(label_lag) != 2 or not -_WIDTH < label_lag[0] <= label_lag[1] < _WIDTH:
        raise ValueError(
            f"label_lag={label_lag} must be (least, most) in samples, between -{_WIDTH} and "
            f"{_WIDTH}; (0, 0) for none"
        )
    if electrodes.shape != (64, 2):
        raise ValueError(
            f"electrodes has shape {electrodes.shape}, expected (64, 2): x and z in mm of each "
            "channel of rectangular_grid()"
        )


# Pool and discharges


def _participant(seed):
    rng = np.random.default_rng([*seed, 1])
    n = _N_UNITS
    rank = np.arange(1, n + 1) / n
    threshold = _LARGEST_THRESHOLD / _THRESHOLD_RANGE * _THRESHOLD_RANGE**rank
    first, last = _FIBRES
    pool = _Pool(
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
    return _Participant(seed, rng.uniform(*_FAT_MM), rng.normal(), pool)


def _between(ends, share):
    return ends[0] + (ends[1] - ends[0]) * share


def _recruited(pool, level, seconds, rng):
    """Numbers of the motor units that discharge, and the samples at which they do."""
    time = np.arange(round(seconds * _DRIVE_FS) + 1) / _DRIVE_FS
    ramp = min(2.0, seconds / 8)
    force = level * np.clip(np.minimum(time, seconds - time) / ramp, 0, 1)
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


# Action potentials


def _action_potentials(person, level, units, electrodes):
    """Potentials of one discharge in uV, shape (units, channels, _WIDTH), from the discharge on."""
    pennation = np.radians(_PENNATION[0] + _PENNATION[1] * level)
    table = _skin_potentials(person.fat_mm, pennation)
    places = np.vstack([electrodes, _REFERENCE])
    potentials = np.empty((len(units), len(electrodes), _WIDTH), dtype=np.float32)
    for potential, unit in zip(potentials, units, strict=True):
        rng = np.random.default_rng([*person.seed, 2, unit])
        seen = _seen(table, pennation, person.pool, unit, places, rng)
        all_places = seen @ _currents(person.pool, unit, rng)
        potential[:] = all_places[:-1] - all_places[-1]
    return potentials


def _skin_potentials(fat_mm, pennation):
    """Potential on the skin of a point current in the muscle.

    Three layers, muscle of finite thickness, fat and skin, are solved in the plane of spatial
    frequencies (Farina & Merletti 2001, doi:10.1109/10.923782) with the axis of the muscle's
    anisotropy at the pennation angle to the skin (as in Mesin & Farina 2004, IEEE Trans Biomed
    Eng 51:1521). No current leaves the skin or the muscle's deep face. The limb
    is unrolled: x is periodic over its girth, so that muscle thickness times girth is about its
    cross-section, and the far field does not spread as in an infinite half space.

    With k = |(kx, kz)|, s = conductivity, h = thickness, d = depth of the source, and for the
    muscle Y = sqrt(syy sr kx^2 + sr sl kz^2), q = Y / syy, the layers above it have the admittance

        Ys = ss k tanh(k hs),  Yf = sf k (Ys + sf k tanh(k hf)) / (sf k + Ys tanh(k hf))

    and a unit current gives cosh(q (h - d)) / (Y sinh(q h) + Yf cosh(q h)) on the muscle, which
    fat and skin pass on by 1 / ((cosh(k hf) + Ys / (sf k) sinh(k hf)) cosh(k hs)). The tilt of
    the axis only moves the pattern along z, see `_seen`. A round electrode takes the mean over
    its area, 2 J1(k r) / (k r).

    Returns
    -------
    numpy.ndarray of float32, shape (depths, x, z)
        uV per A at steps of `_DY`, `_DX`, `_DZ` from the source.
    """
    n_x, n_z = round(_GIRTH_MM / _DX), round(_PERIOD_MM / _DZ)
    kx = 2 * np.pi * np.fft.fftfreq(n_x, _DX)[:, None]
    kz = 2 * np.pi * np.fft.rfftfreq(n_z, _DZ)
    k = np.hypot(kx, kz)
    k[0, 0] = 1.0  # the sources sum to zero: their mean potential is set to 0 below
    normal = _normal_conductivity(pennation)
    q = np.sqrt(_ACROSS / normal * kx**2 + _ACROSS * _ALONG / normal**2 * kz**2)
    q[0, 0] = 1.0
    skin, fat = _SKIN * k * np.tanh(k * _SKIN_MM), _FAT * k
    above = fat * (skin + fat * np.tanh(k * fat_mm)) / (fat + skin * np.tanh(k * fat_mm))
    passed = 1 / (np.cosh(k * fat_mm) + skin / fat * np.sinh(k * fat_mm)) / np.cosh(k * _SKIN_MM)
    passed *= 2 * j1(k * _ELECTRODE_RADIUS_MM) / (k * _ELECTRODE_RADIUS_MM)
    depth = np.arange(0, _MUSCLE_MM + _DY / 2, _DY)[:, None, None]
    decay = np.exp(-q * depth) * (1 + np.exp(-2 * q * (_MUSCLE_MM - depth)))  # of both cosh
    decay /= 1 + np.exp(-2 * q * _MUSCLE_MM)
    transfer = decay * passed / (normal * q * np.tanh(q * _MUSCLE_MM) + above)
    transfer[:, 0, 0] = 0
    table = np.fft.irfft2(transfer, s=(n_x, n_z))[:, : n_x // 2 + 1, : n_z // 2 + 1]
    return (1e9 / (_DX * _DZ) * table).astype(np.float32)  # 1e9: from V mm / (S/m mm2) to uV


def _normal_conductivity(pennation):
    return _ACROSS + (_ALONG - _ACROSS) * np.sin(pennation) ** 2


def _seen(table, pennation, pool, unit, places, rng):
    """Potential in uV per A at each place from each node along the fibres, mean over the territory.

    The conductivity tensor, tilted by the pennation, moves the pattern on the skin along z by
    -syz / syy times the depth of the source (see `_skin_potentials`).
    """
    x, z = (pool.centre[unit] + rng.normal(0, pool.spread[unit], (_N_PLACES, 2))).T
    depth = rng.uniform(*_SUPERFICIAL_END, _N_PLACES)[:, None] + _NODES * np.sin(pennation)
    depth = np.clip(depth, 0, _MUSCLE_MM)
    along = z[:, None] + (_NODES - _FIBRE_LENGTH / 2) * np.cos(pennation)
    skew = (_ALONG - _ACROSS) * np.sin(pennation) * np.cos(pennation)
    along -= skew / _normal_conductivity(pennation) * depth
    distance = np.empty((3, len(places), _N_PLACES, len(_NODES)), dtype=np.float32)
    distance[0] = depth / _DY
    distance[1] = np.abs(places[:, 0, None, None] - x[:, None]) / _DX
    distance[2] = np.abs(places[:, 1, None, None] - along) / _DZ
    seen = map_coordinates(table, distance, order=1, mode="nearest", output=np.float32)
    return seen.mean(axis=1)


def _currents(pool, unit, rng):
    """Membrane current in A at each node of all fibres together, shape (nodes, _WIDTH).

    The action potential starts at the end plate, travels both ways and ends with the fibre:
    axial current is conductivity x area x gradient of the intracellular potential, nothing flows
    beyond the ends, and what the axial current loses leaves through the membrane. End plates,
    onsets and ends differ between the fibres; the mean over them is simulated.
    """
    time = 1000 * np.arange(_WIDTH) / FS
    onset = _ONSET_MS + _ONSET_SCATTER_MS * rng.normal(size=_N_ONSETS)
    middle = _FIBRE_LENGTH / 2 + pool.endplate[unit]
    endplate = middle + _ENDPLATE_SCATTER * rng.normal(size=_N_ONSETS)
    front = pool.velocity[unit] * (time - onset[:, None])  # (onsets, time), mm from the end plate
    behind = front[:, None] - np.abs(_NODES - endplate[:, None])[..., None]
    potential = _intracellular(behind).mean(axis=0)  # mV, (nodes, time)
    axial = np.diff(potential, axis=0) / np.diff(_NODES)[:, None]  # mV/mm
    between = (_NODES[1:] + _NODES[:-1]) / 2
    present = ndtr(between / _END_SCATTER) * ndtr((_FIBRE_LENGTH - between) / _END_SCATTER)
    axial *= present[:, None] * pool.n_fibres[unit] * _FIBRE_AREA * _INTRACELLULAR * 1e-6  # A
    return np.diff(axial, axis=0, prepend=0, append=0)


def _intracellular(behind):
    """Rosenfalck's action potential above rest in mV, `behind` mm behind its front."""
    behind = np.maximum(behind, 0)
    return 96 * behind**3 * np.exp(-behind)


def _centre(potential):
    """Sample in the middle of the energy of an action potential (channels, samples)."""
    energy = np.square(potential).sum(axis=0)
    return round(float(energy @ np.arange(len(energy)) / energy.sum()))


# Signal


def _superposition(discharges, potentials, n_samples, rng):
    """Sum of all action potentials in uV, shape (channels, n_samples)."""
    emg = np.zeros((n_samples + _WIDTH, potentials.shape[1]), dtype=np.float32)
    for times, potential in zip(discharges, potentials, strict=True):
        shape = np.ascontiguousarray(potential.T)
        sizes = rng.normal(1, 0.05, len(times)).astype(np.float32)
        for time, size in zip(times.tolist(), sizes, strict=True):
            emg[time : time + _WIDTH] += size * shape
    return emg[:n_samples].T


def _amplified(emg, rng):
    """EMG with noise, band-limited and quantised like an amplifier's."""
    n = emg.shape[1]
    common = sosfiltfilt(butter(2, (20, 120), "band", fs=FS, output="sos"), rng.normal(size=n))
    common *= _COMMON_MODE * emg.std() / common.std()
    common += _MAINS_UV * np.sqrt(2) * np.sin(2 * np.pi * (50 / FS * np.arange(n) + rng.random()))
    band = butter(2, (10, 900), "band", fs=FS, output="sos")
    amplified = np.empty(emg.shape, dtype=np.float32)
    for channel, clean in zip(amplified, emg, strict=True):
        noisy = clean + common + _NOISE_UV * rng.standard_normal(n)
        channel[:] = _LSB_UV * np.round(sosfiltfilt(band, noisy) / _LSB_UV)
    return amplified


# Labels


def _n_labelled(ability, mvc, rng):
    levels = sorted(_LABELLED)
    mean, sd, least, most = (
        np.interp(mvc, levels, [_LABELLED[level][k] for level in levels]) for k in range(4)
    )
    count = mean + sd * (0.8 * ability + 0.6 * rng.normal())
    return int(np.clip(round(count), least, most))


def _separable(recording, discharges, potentials, steady, wanted):
    """Steady motor units that the linear filter separates best, at most `wanted`.

    Of those with the largest action potentials; ranked on the first seconds, which is fast, then
    measured on all.

    Returns
    -------
    Their numbers, the samples from a discharge to the centre of the action potential, PNR in dB.
    """
    size = np.where(steady, np.square(potentials).sum(axis=(1, 2)), -1)
    tried = np.argsort(-size)[: min(_CANDIDATES, np.count_nonzero(steady))]
    delays = np.array([_centre(potentials[k]) for k in tried], dtype=np.int64)
    labels = _inside([discharges[k] for k in tried], delays, recording.n_samples)
    labels = _add(labels, delays)
    ranking = _pnr(replace(recording, discharges=labels, pnr=None).crop(0, _RANKING_S))
    best = np.argsort(-ranking)[:wanted]
    pnr = _pnr(replace(recording, discharges=[labels[k] for k in best], pnr=None))
    kept = best[pnr >= LEAST_PNR]
    return tried[kept], delays[kept], pnr[pnr >= LEAST_PNR]


def _pnr(recording):
    sources = MotorUnitFilter().fit(recording).source(recording.emg)
    pairs = zip(sources, recording.discharges, strict=True)
    return np.array([pulse_to_noise_ratio(source, times) for source, times in pairs])


def _inside(discharges, offsets, n_samples):
    """Discharges that lie in the signal after their motor unit's offset is added."""
    pairs = zip(discharges, offsets, strict=True)
    return tuple(d[(d + offset >= 0) & (d + offset < n_samples)] for d, offset in pairs)


def _add(discharges, offsets):
    return [times + offset for times, offset in zip(discharges, offsets, strict=True)]


# Cache


def _digest(parameters):
    """Name of a recording: a hash of its parameters and of the model, this file."""
    content = json.dumps(parameters).encode() + Path(__file__).read_bytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _simulate_all(jobs, workers):
    if workers == 1:
        yield from map(_simulate_to_file, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_simulate_to_file, jobs)


def _simulate_to_file(job):
    parameters, path = job
    _save(simulate(*parameters).recording, path)


def _save(recording, path):
    """Write a recording whole or not at all."""
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    os.close(handle)
    try:
        np.savez(
            partial,
            emg=recording.emg,
            times=np.concatenate([*recording.discharges, np.empty(0, np.int64)]),
            counts=[len(times) for times in recording.discharges],
            pnr=recording.pnr,
            mvc=recording.mvc,
            text=[recording.subject, recording.source],
        )
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _load(path):
    with np.load(path) as stored:
        borders = np.cumsum(stored["counts"].astype(np.int64))[:-1]
        subject, source = (str(text) for text in stored["text"])
        return Recording(
            emg=stored["emg"],
            fs=FS,
            discharges=np.split(stored["times"], borders) if len(stored["counts"]) else (),
            pnr=stored["pnr"],
            grid=rectangular_grid(),
            subject=subject,
            muscle=MUSCLE,
            mvc=float(stored["mvc"]),
            source=source,
        )


# Features

_UNIT_FEATURES = ("common_share", "width", "peak_to_peak_uv", "rate", "interval_cov")


def _features(recording):
    frequency, power = welch(recording.emg, recording.fs, nperseg=2048, axis=1)
    share = np.cumsum(power, axis=1) / power.sum(axis=1, keepdims=True)
    upper = np.triu_indices(recording.n_channels, 1)
    units = [_unit_features(recording, times) for times in recording.discharges]
    return {
        "subject": recording.subject,
        "mvc": recording.mvc,
        "source": recording.source,
        "n_motor_units": recording.n_motor_units,
        "mean_frequency": float(np.mean(power @ frequency / power.sum(axis=1))),
        "median_frequency": float(np.mean(frequency[(share >= 0.5).argmax(axis=1)])),
        "rms_uv": float(recording.emg.std(axis=1).mean()),
        "channel_correlation": float(np.abs(np.corrcoef(recording.emg)[upper]).mean()),
        **pd.DataFrame(units, columns=_UNIT_FEATURES).mean().to_dict(),
        "pnr": float(recording.pnr.mean()) if len(recording.pnr) else float("nan"),
    }


def _unit_features(recording, times):
    average = spike_triggered_average(recording.emg, times, 200)
    energy = np.square(average).sum(axis=0)
    common = np.square(average.mean(axis=0)).sum() * len(average)
    intervals = np.diff(times) / recording.fs
    intervals = intervals[intervals < 0.4]
    return (
        common / energy.sum(),
        np.count_nonzero(energy > 0.1 * energy.max()),
        np.ptp(average, axis=1).max(),
        1 / intervals.mean(),
        intervals.std() / intervals.mean(),
    )
