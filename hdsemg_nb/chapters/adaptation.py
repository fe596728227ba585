"""Decoders that follow the signal, measured on signals of every kind. Notebook 08.

`python -m hdsemg_nb.chapters.adaptation [part]` computes results/adaptation_*.csv; `PARTS`.
"""

import sys
from itertools import product
from time import process_time

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hdsemg_nb import metrics, params, paths, robustness, segment, tables, train
from hdsemg_nb.chapters.contractions import (
    FORCES,
    MINUTE_S,
    MINUTES,
    MVC,
    SEED,
    TIRED,
    TIRING,
    changing_contraction,
    stepping_contraction,
)
from hdsemg_nb.chapters.planted import planted
from hdsemg_nb.datasets import fetch_sample, simulate
from hdsemg_nb.decoders import ADAPTIVE, FILTER, OURS, STREAMED, Run, adaptive_net, muf_net
from hdsemg_nb.discharges import interval_cov, rate_of_agreement

RUNS = {
    FILTER: {},
    ADAPTIVE: {},
    STREAMED: adaptive_net.TRAINING,
    OURS: muf_net.TRAINING,  # of windows: not in the ten minutes
}
NOTES = {
    "adaptation_real": "Decoders to the sample on the real recording, five blocked folds",
    "adaptation_minutes": "SYNTHETIC contraction of 10 min (S01, 30 % MVC) whose signal changes, "
    "streamed in chunks of 64 samples; rate of agreement with the labels within 0.5 ms by minute",
    "adaptation_grid": "SYNTHETIC data, 8 participants at 30 % MVC, 60 s; counts of the windows of "
    "the last of five blocked folds under a grid that was moved or drifts (W = 40, S = 20)",
    "adaptation_planted": "SYNTHETIC, planted motor units of several widths, lags and numbers, "
    "40 s, two seeds; last of five blocked folds (W = 40, S = 20), by motor unit",
    "adaptation_forces": "SYNTHETIC contraction of 10 min (S02) with steps of force, motor units "
    "labelled at both 30 and 50 % MVC; streamed as in adaptation_minutes",
    "adaptation_tiring": "SYNTHETIC, 18 planted motor units, 10 min, action potentials that change "
    "with fatigue and place, and that do not; streamed as in adaptation_minutes",
}
PARTICIPANTS = range(1, 9)  # under a moved grid
MIDDLE = dict(width_ms=45, lag=0, n_units=12)  # of planted motor units; one is varied at a time
VARIED = dict(width_ms=(20, 30, 45, 60), lag=(-30, -15, 0, 10), n_units=(5, 12, 30))
SEEDS = (0, 1)
CHUNK = 64
CONTRACTIONS = {"tiring": (TIRING, TIRED), "steady": (None, {"as calibrated": range(10)})}


def run(name, step=20):
    """A run of one of the compared decoders, on blocked folds."""
    return Run(name, 40, step, split="blocked", seed=SEED, **RUNS[name])


def real():
    """Every fold of the real recording: windows, agreement, variability, by motor unit.

    Returns
    -------
    pandas.DataFrame
        network, step, fold, motor_unit, n_windows, tp, fp, fn (of windows), roa_0.5_ms (NaN
        without a discharge) and interval_cov_found, interval_cov_labels, of the test samples.
    """
    recording, found = fetch_sample(), []
    cases = [run(name, step) for name in RUNS for step in (20, 10)]
    for case in tqdm(cases, "real recording"):
        starts, folds = segment.cut(recording, case)
        for k, fold in enumerate(folds):
            fitted = train.fit(recording, case, fold)
            found.append(_tested(fitted, recording, starts, fold.test).assign(fold=k))
    return pd.concat(found, ignore_index=True)


def _tested(fitted, recording, starts, test):
    """Windows, agreement and variability of the test windows by motor unit."""
    run = fitted.run
    labels = segment.run_labels(recording, run, starts, fitted.offsets)[test]
    decoded = fitted.predict(recording.emg, starts[test]) >= run.threshold
    counts = metrics.count_table(labels, decoded)
    mask = segment.covered_samples(starts[test], run.window, recording.n_samples)
    labelled, found = (
        [times[mask[times]] for times in trains]
        for trains in (recording.discharges, fitted.decode(recording.emg))
    )
    pairs = zip(labelled, found, strict=True)
    counts["roa_0.5_ms"] = [_agreement(*pair, recording.fs) for pair in pairs]
    counts["interval_cov_found"] = [interval_cov(times, recording.fs) for times in found]
    counts["interval_cov_labels"] = [interval_cov(times, recording.fs) for times in labelled]
    return counts.assign(network=run.network, step=run.step)


def _agreement(reference, found, fs):
    """Rate of agreement within 0.5 ms; NaN without a discharge in either."""
    either = len(reference) + len(found) > 0
    return rate_of_agreement(reference, found, fs, 0.5).rate if either else np.nan


def minutes(minute_s=MINUTE_S):
    """Agreement of streamed decoders minute by minute; they are fitted to the first one.

    Parameters
    ----------
    minute_s : float
        Length of a minute, shorter for a try.

    Returns
    -------
    pandas.DataFrame
        decoder, minute, signal (a key of `MINUTES`), motor_unit, n_labels, n_found, roa_0.5_ms
        (NaN without a discharge in either), lost (share of the minute in which the unit was
        reported as lost; NaN: never reported), core_percent (processor time over signal time).
    """
    return _followed(*changing_contraction(minute_s), MINUTES)


def tiring(minute_s=MINUTE_S):
    """As `minutes`, of planted motor units: as they tire and move (`TIRED`), and as they do not.

    Returns
    -------
    pandas.DataFrame
        Columns of `minutes`, and contraction (a key of `CONTRACTIONS`).
    """
    found = []
    for name, (change, signals) in CONTRACTIONS.items():
        recording = planted(30, n_units=18, seconds=10 * minute_s, change=change)
        found.append(_followed(recording, recording.emg, signals).assign(contraction=name))
    return pd.concat(found, ignore_index=True)


def forces(minute_s=MINUTE_S):
    """As `minutes`, under steps of force that the decoders were not trained at (`FORCES`)."""
    recording, known = stepping_contraction(minute_s)
    found = _followed(recording, recording.emg, FORCES)
    return found[found["motor_unit"].isin(known)]


def _followed(recording, emg, signals):
    """Streamed decoders minute by minute; `signals` as `MINUTES`."""
    streams = tqdm(_streams(recording).items(), "streams")
    found = [_by_minute(name, stream, recording, emg, signals) for name, stream in streams]
    return pd.concat(found, ignore_index=True)


def _streams(recording):
    """Decoders fitted to the first minute of the recording."""
    start = recording.crop(0, recording.n_samples / recording.fs / 10)
    fitted = {}
    for name in (ADAPTIVE, STREAMED):
        starts, _ = segment.cut(start, run(name))
        parts = np.array_split(np.arange(len(starts)), 5)
        fold = segment.Fold(np.concatenate(parts[:4]), parts[4], np.array([], int))
        fitted[name] = train.fit(start, run(name), fold)
    return {
        FILTER: fitted[ADAPTIVE].stream(adapting=False),
        ADAPTIVE: fitted[ADAPTIVE].stream(),
        f"{STREAMED}, not adapting": fitted[STREAMED].stream(adapting=False),
        STREAMED: fitted[STREAMED].stream(),
    }


def _by_minute(name, stream, recording, emg, signals):
    minute, found, lost = recording.n_samples // 10, [], []
    began = process_time()
    for k in range(0, emg.shape[1], CHUNK):
        found.append(stream.push(emg[:, k : k + CHUNK]))
        lost.append(stream.now.lost)
    core = 100 * (process_time() - began) * recording.fs / emg.shape[1]
    trains = [np.concatenate(times) for times in zip(*found, strict=True)]
    lost, chunks = np.array(lost, float), np.arange(len(lost)) * CHUNK // minute
    rows = []
    for signal, numbers in signals.items():
        for number in numbers:
            for unit, pair in enumerate(zip(recording.discharges, trains, strict=True)):
                inside = [times[times // minute == number] for times in pair]
                about = dict(decoder=name, minute=number, signal=signal, motor_unit=unit)
                about |= {"n_labels": len(inside[0]), "n_found": len(inside[1])}
                about["roa_0.5_ms"] = _agreement(*inside, recording.fs)
                share = lost[chunks == number, unit].mean() if stream.adapting else np.nan
                rows.append({**about, "lost": share, "core_percent": core})
    return pd.DataFrame(rows)


def grid(participants=PARTICIPANTS, seconds=60.0):
    """Counts of each decoder under a grid that was moved, or drifts while it is recorded.

    Parameters
    ----------
    participants : sequence of int
    seconds : float
        Length of a recording, shorter for a try.

    Returns
    -------
    pandas.DataFrame
        subject, mvc and the columns of `robustness.under_changes`, the last blocked fold.
    """
    found = []
    for subject in tqdm(participants, "moved grid"):
        about = subject, MVC, seconds, SEED
        one = simulate(*about).recording
        versions = {robustness.AS_RECORDED: one.emg, **robustness.grid_versions(*about)}
        for case in map(run, RUNS):
            starts, folds = segment.cut(one, case)
            fitted = train.fit(one, case, folds[-1])
            counts = robustness.under_changes(fitted, one, starts, folds[-1].test, versions)
            found.append(counts.assign(subject=one.subject, mvc=MVC))
    return pd.concat(found, ignore_index=True)


def cases():
    """What planted motor units are like: the middle, and one thing varied at a time."""
    every = [MIDDLE | {name: value} for name, values in VARIED.items() for value in values]
    return [case for k, case in enumerate(every) if case not in every[:k]]


def planted_units(seconds=40.0):
    """Scores of each decoder on planted motor units, by motor unit, the last blocked fold.

    Parameters
    ----------
    seconds : float
        Length of a recording, shorter for a try.

    Returns
    -------
    pandas.DataFrame
        width_ms, lag, n_units, seed, the columns of `real` but fold, and lag_found: samples from
        the marks to the middle of what the decoder sees.
    """
    found = []
    for about, seed in tqdm(list(product(cases(), SEEDS)), "planted"):
        recording = planted(**about, seconds=seconds, seed=seed)
        for case in map(run, RUNS):
            starts, folds = segment.cut(recording, case)
            fitted = train.fit(recording, case, folds[-1])
            lags = fitted.offsets if case.network == OURS else fitted.filter.lags_
            scores = _tested(fitted, recording, starts, folds[-1].test)
            found.append(scores.assign(**about, seed=seed, lag_found=lags))
    return pd.concat(found, ignore_index=True)


PARTS = {
    "real": real,
    "minutes": minutes,
    "grid": grid,
    "planted": planted_units,
    "tiring": tiring,
    "forces": forces,
}


def compute(asked):
    """Compute results/adaptation_<part>.csv for the parts asked for; default all."""
    params.refuse_unknown(asked, PARTS, "the parts of results/adaptation_*.csv")
    torch.set_num_threads(1)
    for part in asked or PARTS:
        stem = f"adaptation_{part}"
        tables.write(PARTS[part](), paths.RESULTS / f"{stem}.csv", NOTES[stem], "%.4g")


if __name__ == "__main__":
    compute(sys.argv[1:])
