"""Contractions of ten minutes whose signal changes, with their truth. Notebook 08."""

from dataclasses import replace

import numpy as np

from hdsemg_nb import robustness
from hdsemg_nb.chapters.planted import Change
from hdsemg_nb.datasets import simulate
from hdsemg_nb.datasets.synthetic import electrode_positions
from hdsemg_nb.datasets.synthetic.muscle import participant

PARTICIPANT, MVC, MINUTE_S, SEED = 1, 30, 60.0, 0
STEPPING = 2  # participant of the steps of force: many units are labelled at both intensities
MINUTES = {  # what the signal is like in each minute
    "as calibrated": (0, 1),
    "a channel dies every 12 s": (2, 3),
    "noise 10 dB": (4,),
    "noise 5 dB": (5,),
    "grid moves by one row": (6,),
    "grid moves back": (7,),
    "as calibrated again": (8, 9),
}
STEPS = ((30, 2), (50, 2), (30, 1), (10, 2), (30, 1), (50, 1), (30, 1))  # % MVC, minutes
FORCES = {  # the same of steps of force
    "as calibrated": (0, 1),
    "50 % MVC": (2, 3),
    "30 % MVC": (4,),
    "10 % MVC: silent": (5, 6),
    "30 % MVC again": (7,),
    "50 % MVC again": (8,),
    "as calibrated again": (9,),
}
TIRED = {  # the same of planted action potentials
    "as calibrated": (0, 1),
    "velocity falls by a fifth": (2, 3),
    "stays so": (4,),
    "comes back": (5,),
    "muscle moves by half a row": (6,),
    "moves back": (7,),
    "as calibrated again": (8, 9),
}
TIRING = Change(  # at the borders of the minutes
    width=(1, 1, 1, 1.125, 1.25, 1.25, 1, 1, 1, 1, 1), rows=(0, 0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0)
)


def changing_contraction(minute_s=MINUTE_S):
    """A contraction of ten minutes whose signal changes as `MINUTES` say.

    The grid moves through half a row to a whole one, in between interpolated in time.

    Parameters
    ----------
    minute_s : float
        Length of a minute, shorter for a try.

    Returns
    -------
    recording.Recording
        As at the first place of the grid, with its labels.
    numpy.ndarray of float32, shape (channels, samples)
        The changed signal in uV.
    """
    about, place = (PARTICIPANT, MVC, 10 * minute_s, SEED), electrode_positions()
    recording = simulate(*about).recording
    half, row = (simulate(*about, electrodes=place + (0, mm)).recording.emg for mm in (4, 8))
    emg, minute = recording.emg.copy(), recording.n_samples // 10
    rng = np.random.default_rng(SEED)
    for k, channel in enumerate(rng.choice(len(emg), 10, replace=False)):
        emg[channel, 2 * minute + k * minute // 5 : 4 * minute] = 0
    for first, snr_db in ((4, 10), (5, 5)):
        part = slice(first * minute, (first + 1) * minute)
        emg[:, part] = robustness.add_noise(emg[:, part], snr_db, rng)
    part = slice(6 * minute, 8 * minute)
    way = 2 - np.abs(np.linspace(-2, 2, 2 * minute, dtype=np.float32))  # 0, a whole row at 2, 0
    here, between, there = emg[:, part], half[:, part], row[:, part]
    first_half = (1 - way) * here + way * between
    emg[:, part] = np.where(way < 1, first_half, (2 - way) * between + (way - 1) * there)
    return recording, emg


def stepping_contraction(minute_s=MINUTE_S):
    """A contraction of ten minutes with the intensities of `STEPS`.

    Parameters
    ----------
    minute_s : float
        Length of a minute, shorter for a try.

    Returns
    -------
    recording.Recording
        With the motor units that are labelled at 30 % MVC.
    list of int
        Those whose discharges are known at every intensity: labelled at 50 % MVC, too, and
        recruited above 10 % MVC.
    """
    lengths = {mvc: minute_s * sum(n for other, n in STEPS if other == mvc) for mvc, _ in STEPS}
    sources = {mvc: simulate(STEPPING, mvc, length, SEED) for mvc, length in lengths.items()}
    labelled, emg, trains, done = sources[MVC].truth.units, [], [], dict.fromkeys(sources, 0.0)
    for mvc, n in STEPS:
        part = sources[mvc].recording.crop(done[mvc], done[mvc] + n * minute_s)
        done[mvc] += n * minute_s
        times = dict(zip(sources[mvc].truth.units, part.discharges, strict=True))
        before = sum(one.shape[1] for one in emg)
        trains.append([before + times.get(unit, np.empty(0, int)) for unit in labelled])
        emg.append(part.emg)
    trains = [np.concatenate(train) for train in zip(*trains, strict=True)]
    whole = replace(sources[MVC].recording, emg=np.concatenate(emg, axis=1), pnr=None)
    threshold = participant((SEED, STEPPING)).pool.threshold[labelled]
    known = np.isin(labelled, sources[50].truth.units) & (threshold > 0.11)
    return replace(whole, discharges=trains), np.flatnonzero(known).tolist()
