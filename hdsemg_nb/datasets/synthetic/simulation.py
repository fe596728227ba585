"""One synthetic recording of the gastrocnemius medialis, with known discharge times.

A pool of motor units discharges (`muscle`), its action potentials reach the electrodes
(`potentials`) and add up; other muscles, noise and an amplifier follow.

Every active motor unit is in the signal; those that a linear filter separates well are labelled.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.signal import butter, sosfiltfilt

from hdsemg_nb.cbss import MotorUnitFilter, pulse_to_noise_ratio
from hdsemg_nb.datasets.synthetic.muscle import FS, participant, recruited
from hdsemg_nb.datasets.synthetic.potentials import WIDTH, action_potentials, energy_centre
from hdsemg_nb.recording import Recording, rectangular_grid

MUSCLE = "gastrocnemius medialis (synthetic)"
LEAST_PNR = 30.0  # dB, rule of the paper's dataset

# Labelled motor units per recording (paper, "Results"): mean, SD, least and most at each % MVC.
_LABELLED = {10: (18.25, 7.86, 2, 30), 30: (17.06, 8.16, 4, 31), 50: (10.81, 7.37, 2, 22)}
_CANDIDATES = 60  # motor units with the largest action potentials, tried with the filter
_RANKING_S = 20.0  # seconds on which they are ranked

# Muscles below and beside, mostly the soleus, reach all electrodes alike. In this conductor a pool
# like this one 20 mm deeper gives 0.4 of its signal; the soleus has about three times the
# physiological cross-section (Fukunaga et al. 1992, doi:10.1002/jor.1100100623).
_COMMON_MODE = 0.7  # of the signal's standard deviation
_NOISE_UV, _MAINS_UV = 5.0, 1.0
_LSB_UV = 0.5086  # step of the amplifier (Quattrocento, gain 150)


class Setup(NamedTuple):
    """How a synthetic recording is made; the defaults are those of the cohort.

    Parameters
    ----------
    contractions : int
        Trapezoids of force, one after the other, that share the length of the recording.
    fibre_mm : float
        Length of the muscle fibres in mm, 30 to 120. The longer, the wider the action potentials:
        with 100 mm, as in the vastus lateralis (Ward et al. 2009, doi:10.1007/s11999-008-0594-8), a
        tenth of the largest energy is passed for 31 to 37 samples (middle half of the largest
        motor units), with 55 mm for 25 to 30.
    band_hz : sequence of two floats
        Band-pass filter in Hz, Butterworth of second order, forwards and backwards.
    """

    contractions: int = 1
    fibre_mm: float = 55.0
    band_hz: tuple = (10.0, 900.0)

    def changes(self):
        """What differs from the defaults, by name."""
        default = self._field_defaults
        return {name: value for name, value in self._asdict().items() if value != default[name]}


COHORT = Setup()


class Truth(NamedTuple):
    """What is known about the labelled motor units of a simulated recording.

    `recording.discharges[k] == discharges[k] + delays[k]` for each of them.
    """

    discharges: tuple  # of int64 arrays: samples at which the motor neurons discharge
    delays: np.ndarray  # samples from there to the centre of the action potential's energy
    units: np.ndarray  # numbers in the pool, in the order of recruitment


class Simulation(NamedTuple):
    """A recording and what is known about it."""

    recording: Recording
    truth: Truth


def simulate(subject, mvc, seconds=60.0, seed=0, electrodes=None, setup=COHORT):
    """One synthetic recording: a trapezoid of force with its plateau at `mvc`.

    A label stands at the centre of the action potential's energy, not at the neuron's discharge.

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
    electrodes : array_like, shape (64, 2), optional
        Place of each channel's electrode in mm; default `electrode_positions()`. Add (0, 8) to
        move the grid by a row over the same muscle.
    setup : Setup

    Returns
    -------
    Simulation

    Raises
    ------
    ValueError
        When a parameter cannot be right; names it, its value and what is allowed.
    """
    electrodes = electrode_positions() if electrodes is None else np.asarray(electrodes, float)
    _check(subject, mvc, seconds, electrodes, setup)
    person = participant((seed, subject))
    spiking, noise, marking = np.random.default_rng([seed, subject, 3, round(100 * mvc)]).spawn(3)
    active, discharges = recruited(person.pool, mvc / 100, seconds, spiking, setup.contractions)
    potentials = action_potentials(person, mvc / 100, active, electrodes, setup.fibre_mm)
    emg = _superposition(discharges, potentials, round(seconds * FS), spiking)
    changed = (f"{name} {value}" for name, value in setup.changes().items())
    unlabelled = Recording(
        emg=_amplified(emg, noise, setup.band_hz),
        fs=FS,
        grid=rectangular_grid(),
        subject=f"S{subject:02d}",
        muscle=MUSCLE,
        mvc=mvc,
        source=", ".join([f"synthetic, hdsemg_nb, seed {seed}", *map(str, changed)]),
    )
    # A motor unit near its threshold pauses: not labelled.
    steady = person.pool.threshold[active] < 0.9 * mvc / 100
    wanted = _n_labelled(person.ability, mvc, marking)
    chosen, delays, pnr = _separable(unlabelled, discharges, potentials, steady, wanted)
    true = _inside([discharges[k] for k in chosen], delays, unlabelled.n_samples)
    recording = replace(unlabelled, discharges=_add(true, delays), pnr=pnr)
    return Simulation(recording, Truth(true, delays, active[chosen]))


def electrode_positions():
    """Place of the electrodes of `recording.rectangular_grid` on the skin.

    Returns
    -------
    numpy.ndarray, shape (64, 2)
        x across and z along the limb in mm, from the centre of the grid.
    """
    grid = rectangular_grid()
    return (grid.electrodes - (np.array(grid.shape) - 1) / 2)[:, ::-1] * grid.ied_mm


def _check(subject, mvc, seconds, electrodes, setup):
    if subject < 1:
        raise ValueError(f"subject={subject} must be a participant's number, from 1")
    if not 10 <= mvc <= 100:
        raise ValueError(
            f"mvc={mvc} must be 10 to 100 %: below, the pool has too few steady motor units"
        )
    if setup.contractions < 1 or setup.contractions % 1:
        raise ValueError(f"contractions={setup.contractions} must be a whole number from 1")
    if not seconds >= 5 * setup.contractions:
        each = "two ramps and a plateau in each contraction"
        raise ValueError(f"seconds={seconds} must be at least {5 * setup.contractions}: {each}")
    if not 30 <= setup.fibre_mm <= 120:
        raise ValueError(f"fibre_mm={setup.fibre_mm} must be 30 to 120 mm")
    low, high = setup.band_hz
    if not 0 < low < high < FS / 2:
        raise ValueError(f"band_hz={setup.band_hz} must rise between 0 and {FS / 2:g} Hz")
    if electrodes.shape != (64, 2):
        raise ValueError(
            f"electrodes has shape {electrodes.shape}, expected (64, 2): x and z in mm of each "
            "channel of rectangular_grid()"
        )


def _superposition(discharges, potentials, n_samples, rng):
    """Sum of all action potentials in uV, shape (channels, n_samples)."""
    emg = np.zeros((n_samples + WIDTH, potentials.shape[1]), dtype=np.float32)
    for times, potential in zip(discharges, potentials, strict=True):
        shape = np.ascontiguousarray(potential.T)
        sizes = rng.normal(1, 0.05, len(times)).astype(np.float32)
        for time, size in zip(times.tolist(), sizes, strict=True):
            emg[time : time + WIDTH] += size * shape
    return emg[:n_samples].T


def _amplified(emg, rng, band_hz):
    """EMG with noise, band-limited and quantised like an amplifier's."""
    n = emg.shape[1]
    common = sosfiltfilt(butter(2, (20, 120), "band", fs=FS, output="sos"), rng.normal(size=n))
    common *= _COMMON_MODE * emg.std() / common.std()
    common += _MAINS_UV * np.sqrt(2) * np.sin(2 * np.pi * (50 / FS * np.arange(n) + rng.random()))
    band = butter(2, band_hz, "band", fs=FS, output="sos")
    amplified = np.empty(emg.shape, dtype=np.float32)
    for channel, clean in zip(amplified, emg, strict=True):
        noisy = clean + common + _NOISE_UV * rng.standard_normal(n)
        channel[:] = _LSB_UV * np.round(sosfiltfilt(band, noisy) / _LSB_UV)
    return amplified


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
    delays = np.array([energy_centre(potentials[k]) for k in tried], dtype=np.int64)
    labels = _inside([discharges[k] for k in tried], delays, recording.n_samples)
    labels = _add(labels, delays)
    ranking = _pnr(replace(recording, discharges=labels, pnr=None).crop(0, _RANKING_S))
    best = np.argsort(-ranking)[:wanted]
    pnr = _pnr(replace(recording, discharges=[labels[k] for k in best], pnr=None))
    pnr = pnr.round(3)  # what is behind depends on the number of threads of the matrix products
    kept = best[pnr >= LEAST_PNR]
    return tried[kept], delays[kept], pnr[pnr >= LEAST_PNR]


def _pnr(recording):
    sources = MotorUnitFilter().fit(recording).source(recording.emg)
    pairs = zip(sources, recording.discharges, strict=True)
    return np.array([pulse_to_noise_ratio(source, times, recording.fs) for source, times in pairs])


def _inside(discharges, offsets, n_samples):
    """Discharges that lie in the signal after their motor unit's offset is added."""
    pairs = zip(discharges, offsets, strict=True)
    return tuple(d[(d + offset >= 0) & (d + offset < n_samples)] for d, offset in pairs)


def _add(discharges, offsets):
    return [times + offset for times, offset in zip(discharges, offsets, strict=True)]
