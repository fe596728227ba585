"""Decoders under changed signals: noise, dead channels, a moved grid, drift, other intensities.

A decoder is fitted to a recording as it is, and tested on windows that it did not see, as they are
and changed. The paper names these as limits of its study ("Limitations").
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from hdsemg_nb import metrics, segment
from hdsemg_nb.datasets.synthetic import electrode_positions, simulate

NOISE_DB = (20, 10, 5, 0)  # signal-to-noise ratio
DEAD_PERCENT = (1, 5, 10, 15)  # of the channels
SHIFTS_MM = {"half an electrode": (0, 4), "one row": (0, 8), "one column": (8, 0)}  # across, along
DRIFTS = (0.25, 0.5, 1)  # share of the way to a grid moved by half an electrode
AS_RECORDED = ("as recorded", "")


def add_noise(emg, snr_db, rng):
    """EMG with white noise, equally strong on every channel.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    snr_db : float
        Mean power of the channels over that of the noise, in dB.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray of float32, shape (channels, samples)
    """
    sd = np.sqrt(emg.var(axis=1).mean() / 10 ** (snr_db / 10))
    return emg + np.float32(sd) * rng.standard_normal(emg.shape, dtype=np.float32)


def kill_channels(emg, percent, rng):
    """EMG with dead channels, which are 0 all the time.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    percent : float
        Of the channels, at least one.
    rng : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, shape (channels, samples)
    """
    number = max(1, round(len(emg) * percent / 100))
    dead = rng.choice(len(emg), number, replace=False)
    return np.where(np.isin(np.arange(len(emg)), dead)[:, None], 0, emg).astype(emg.dtype)


def drift(emg, moved, share):
    """EMG whose action potentials change slowly, from one place of the grid towards another.

    Parameters
    ----------
    emg, moved : numpy.ndarray, shape (channels, samples)
        The same contraction at two places of the grid.
    share : float
        Of the way at the end of the signal, 0 to 1; it begins with 0.

    Returns
    -------
    numpy.ndarray of float32, shape (channels, samples)
    """
    way = np.linspace(0, share, emg.shape[1], dtype=np.float32)
    return (1 - way) * emg + way * moved


def signal_versions(recording, seed=0):
    """The signal of any recording as it is, with noise and with dead channels.

    Parameters
    ----------
    recording : recording.Recording
    seed : int or sequence of int
        Of the noise and of the choice of channels.

    Returns
    -------
    dict
        (kind, level) to EMG in uV, shape (channels, samples).
    """
    rng, emg = np.random.default_rng(seed), recording.emg
    noisy = {("noise", f"{db} dB"): add_noise(emg, db, rng) for db in NOISE_DB}
    dead = {("dead channels", f"{n} %"): kill_channels(emg, n, rng) for n in DEAD_PERCENT}
    return {AS_RECORDED: emg, **noisy, **dead}


def grid_versions(subject, mvc, seconds, seed):
    """A synthetic contraction under a grid that was moved, or moves while it is recorded.

    Parameters
    ----------
    subject, mvc, seconds, seed
        As for `datasets.simulate`.

    Returns
    -------
    dict
        (kind, level) to EMG in uV, shape (channels, samples).
    """

    def emg(shift):
        place = electrode_positions() + shift
        return simulate(subject, mvc, seconds, seed, electrodes=place).recording.emg

    moved = {("electrode shift", name): emg(shift) for name, shift in SHIFTS_MM.items()}
    here, there = emg((0, 0)), moved["electrode shift", "half an electrode"]
    return {**moved, **{("drift", f"{100 * n:g} %"): drift(here, there, n) for n in DRIFTS}}


def under_changes(fitted, recording, starts, test, versions):
    """Counts of a fitted decoder on versions of a signal.

    Parameters
    ----------
    fitted : decoder
        Of `train.fit` on this recording.
    recording : recording.Recording
    starts : numpy.ndarray of int64, shape (windows,)
    test : numpy.ndarray of int64
        Numbers of the windows that are tested.
    versions : dict
        (kind, level) to EMG, from `signal_versions` or `grid_versions`.

    Returns
    -------
    pandas.DataFrame
        `metrics.count_table` of each version: network, kind, level, motor_unit, n_windows, tp, fp,
        fn.
    """
    run = fitted.run
    labels = segment.run_labels(recording, run, starts, fitted.offsets)[test]
    tables = []
    for (kind, level), emg in versions.items():
        found = fitted.predict(emg, starts[test]) >= run.threshold
        about = dict(network=run.network, kind=kind, level=level)
        tables.append(metrics.count_table(labels, found, **about))
    return pd.concat(tables, ignore_index=True)


def at_other_intensity(fitted, trained, tested, starts, test):
    """Counts of a decoder on another synthetic contraction than that of its training.

    Parameters
    ----------
    fitted : decoder
        Of `train.fit` on the recording of `trained`.
    trained, tested : datasets.synthetic.Simulation
        Of one participant; only motor units that are labelled in both are scored.
    starts, test
        Windows of `tested`, as for `under_changes`.

    Returns
    -------
    pandas.DataFrame
        As of `metrics.count_table`; motor units in the order of recruitment.
    """
    _, ours, theirs = np.intersect1d(
        trained.truth.units, tested.truth.units, assume_unique=True, return_indices=True
    )
    discharges = [tested.recording.discharges[k] for k in theirs]
    matched = replace(tested.recording, discharges=discharges, pnr=None)
    labels = segment.run_labels(matched, fitted.run, starts, fitted.offsets[ours])[test]
    found = fitted.predict(tested.recording.emg, starts[test])[:, ours]
    return metrics.count_table(labels, found >= fitted.run.threshold)
