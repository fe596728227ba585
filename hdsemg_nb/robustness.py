"""How sturdy the decoders are: noise, dead channels, moved electrodes, drift, other intensities.

A decoder is trained on the training windows of a recording as it is, and tested on windows that it
did not see, as they are and changed in several ways. The paper names these as limits of its study
("Limitations").
"""

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from distributed import as_completed
from tqdm import tqdm

from hdsemg_nb import cluster, metrics, params, segment, sweep, tables
from hdsemg_nb.datasets import load_recordings
from hdsemg_nb.datasets.synthetic import electrode_positions, simulate
from hdsemg_nb.train import FILTER, fit_fold, run_labels

NOISE_DB = (20, 10, 5, 0)  # signal-to-noise ratio
DEAD_PERCENT = (1, 5, 10, 15)  # of the channels
SHIFTS_MM = {"half an electrode": (0, 4), "one row": (0, 8), "one column": (8, 0)}  # across, along
DRIFTS = (0.25, 0.5, 1)  # share of the way to a grid moved by half an electrode
AS_RECORDED = ("as recorded", "")
KEYS = ["network", "kind", "level"]


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


def robustness(recording, runs, versions, fold=4, progress=True):
    """Decoders trained on a recording, tested on other versions of its signal.

    Parameters
    ----------
    recording : recording.Recording
    runs : sequence of runs.Run
    versions : dict
        (kind, level) to EMG, from `signal_versions` or `grid_versions`.
    fold : int
        Number of the fold that is trained and tested; the last of five blocked ones tests on time
        after all that it was trained on.
    progress : bool
        Show a progress bar over the runs.

    Returns
    -------
    pandas.DataFrame
        `metrics.count_table` of the test windows for each decoder and version: network, kind,
        level, motor_unit, n_windows, tp, fp, fn.
    """
    tables = []
    for run in tqdm(runs, desc=f"robustness, {recording.subject}", disable=not progress):
        starts, folds = _folds(recording, run)
        fitted = fit_fold(recording, run, starts, folds[fold])
        test = folds[fold].test
        labels = run_labels(recording, run, starts, fitted.offsets)[test]
        for (kind, level), emg in versions.items():
            decoded = fitted.predict(emg, starts[test]) >= run.threshold
            about = {"network": run.network, "kind": kind, "level": level}
            tables.append(metrics.count_table(labels, decoded).assign(**about))
    return pd.concat(tables, ignore_index=True)


def other_intensities(subject, mvc, seconds, seed, runs, fold=4):
    """Decoders trained on one synthetic contraction, tested on those of other intensities.

    Only motor units that are labelled in both are scored; the simulation knows which they are.

    Parameters
    ----------
    subject, seconds, seed
        As for `datasets.simulate`.
    mvc : sequence of float
        Intensities in % of the maximal voluntary contraction.
    runs : sequence of runs.Run
    fold : int
        Number of the fold that is trained, and tested at the intensity of the training.

    Returns
    -------
    pandas.DataFrame
        As `robustness`, kind "trained at" and its intensity, level the tested one.
    """
    simulations = {m: simulate(subject, m, seconds, seed) for m in mvc}
    tables = []
    for (trained, one), run in product(simulations.items(), runs):
        starts, folds = _folds(one.recording, run)
        fitted = fit_fold(one.recording, run, starts, folds[fold])
        for tested, other in simulations.items():
            chosen = folds[fold].test if tested == trained else np.arange(len(starts))
            table = _test_matched(fitted, one, other, starts, chosen)
            about = {"network": run.network, "kind": f"trained at {trained} %"}
            tables.append(table.assign(**about, level=f"{tested} %"))
    return pd.concat(tables, ignore_index=True)


def _test_matched(fitted, trained, tested, starts, chosen):
    """Counts of the motor units that both simulations label."""
    _, ours, theirs = np.intersect1d(
        trained.truth.units, tested.truth.units, assume_unique=True, return_indices=True
    )
    discharges = [tested.recording.discharges[k] for k in theirs]
    matched = replace(tested.recording, discharges=discharges, pnr=None)
    labels = run_labels(matched, fitted.run, starts, fitted.offsets[ours])[chosen]
    found = fitted.predict(tested.recording.emg, starts[chosen])[:, ours]
    return metrics.count_table(labels, found >= fitted.run.threshold)


def summarise(counts):
    """Mean scores of every decoder under every change.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `robustness` or `other_intensities`, of one or several recordings; columns that tell
        recordings apart, if any, are subject and mvc.

    Returns
    -------
    pandas.DataFrame
        One row per network, kind and level: n (recordings), f1, precision, sensitivity (means over
        recordings), f1_sd, and lost: F1 as recorded less F1.
    """
    recording = [name for name in ("subject", "mvc") if name in counts]
    groups = metrics.score_table(counts, [*recording, *KEYS]).groupby(KEYS, sort=False)
    table = groups[["f1", "precision", "sensitivity"]].mean()
    table = table.assign(f1_sd=groups["f1"].std(), n=groups.size()).reset_index()
    before = table[table["kind"] == AS_RECORDED[0]].set_index("network")["f1"]
    return table.assign(lost=table["network"].map(before) - table["f1"])


def cohort_robustness(profile):
    """Robustness of the motor-unit filter and of MUF-Net on each recording of a profile; long.

    The networks of the paper take much longer and stand beside them on the few recordings of
    notebook 07.

    Parameters
    ----------
    profile : params.Params
        Its recordings, the motor-unit filter of its honest_runs, its our_runs, workers and
        scheduler are used.

    Returns
    -------
    pandas.DataFrame
        `metrics.score_table` by subject, mvc, network, kind and level (`signal_versions`).
    """
    p = profile
    recordings = load_recordings(p.source, p.folder, p.n_subjects, p.mvc, p.seconds, p.seed)
    filters = [entry for entry in p.honest_runs if entry["network"] == FILTER]
    runs = sweep.expand([*filters, *p.our_runs], p.seed)
    with cluster.connect(p.workers, p.scheduler) as client:
        futures = [
            client.submit(_of_one, recordings[k], runs, (p.seed, k)) for k in range(len(recordings))
        ]
        done = tqdm(as_completed(futures), "robustness", len(futures), unit="recording")
        counts = pd.concat([future.result() for future in done], ignore_index=True)
    return metrics.score_table(
        counts.sort_values(["subject", "mvc"], kind="stable"), ["subject", "mvc", *KEYS]
    )


def _of_one(recording, runs, seed):
    counts = robustness(recording, runs, signal_versions(recording, seed), progress=False)
    return counts.assign(subject=recording.subject, mvc=recording.mvc)


def _folds(recording, run):
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    cut = run.window, run.step, run.n_folds, run.split, run.seed
    return starts, segment.split_folds(len(starts), *cut)


def main(path):
    """Write table robustness_cohort of a profile: `python -m hdsemg_nb.robustness PROFILE.yaml`."""
    profile = params.load(path)
    table = cohort_robustness(profile)
    n_recordings = len(table[["subject", "mvc"]].drop_duplicates())
    note = (
        f"{profile.source.upper()} data, {n_recordings} recordings of {profile.seconds:g} s; last "
        f"of five blocked folds, each with its own noise and dead channels; decoders as in the "
        f"{profile.profile} profile"
    )
    tables.save(table, "robustness_cohort", profile.output, note)


if __name__ == "__main__":
    main(sys.argv[1])
