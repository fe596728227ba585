"""Decoders that follow the signal, measured: to the sample, and minute by minute. Notebook 08.

`python -m hdsemg_nb.chapters.adaptation [real|minutes]` computes results/adaptation_*.csv.
"""

import sys
from textwrap import fill
from time import process_time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hdsemg_nb import metrics, paths, robustness, segment, tables, train
from hdsemg_nb.cbss import AdaptiveStream
from hdsemg_nb.chapters.honest_evaluation_figures import COLOURS
from hdsemg_nb.datasets import fetch_sample, simulate
from hdsemg_nb.datasets.synthetic import electrode_positions
from hdsemg_nb.decoders import ADAPTIVE, FILTER, OURS, STREAMED, Run
from hdsemg_nb.decoders.muf_net import TRAINING
from hdsemg_nb.discharges import interval_cov, rate_of_agreement
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save

RUNS = {
    FILTER: {},
    ADAPTIVE: {},
    STREAMED: dict(epochs=12, learning_rate=3e-3, weight_decay=1e-3, decay=True),
}
OF_WINDOWS = {OURS: TRAINING}  # not of the ten minutes
NOTES = {
    "adaptation_real": "Decoders to the sample on the real recording, five blocked folds",
    "adaptation_minutes": "SYNTHETIC contraction of 10 min (S01, 30 % MVC) whose signal changes, "
    "streamed in chunks of 64 samples; rate of agreement with the labels within 0.5 ms by minute",
}
PARTICIPANT, MVC, MINUTE_S, SEED = 1, 30, 60.0, 0
CHUNK = 64
MINUTES = {  # what the signal is like in each minute
    "as calibrated": (0, 1),
    "a channel dies every 12 s": (2, 3),
    "noise 10 dB": (4,),
    "noise 5 dB": (5,),
    "grid moves by one row": (6,),
    "grid moves back": (7,),
    "as calibrated again": (8, 9),
}


def run(name, step=20):
    """A run of one of the compared decoders, on blocked folds."""
    return Run(name, 40, step, split="blocked", seed=SEED, **(RUNS | OF_WINDOWS)[name])


def real():
    """Every fold of the real recording: windows, agreement, variability, by motor unit.

    Returns
    -------
    pandas.DataFrame
        network, step, fold, motor_unit, n_windows, tp, fp, fn (of windows), roa_0.5_ms (NaN
        without a discharge) and interval_cov_found, interval_cov_labels, of the test samples.
    """
    recording, found = fetch_sample(), []
    cases = [run(name, step) for name in RUNS | OF_WINDOWS for step in (20, 10)]
    for case in tqdm(cases, "real recording"):
        starts, folds = segment.cut(recording, case)
        for k, fold in enumerate(folds):
            fitted = train.fit(recording, case, fold)
            labels = segment.run_labels(recording, case, starts, fitted.offsets)[fold.test]
            decoded = fitted.predict(recording.emg, starts[fold.test]) >= case.threshold
            counts = metrics.count_table(labels, decoded)
            mask = segment.covered_samples(starts[fold.test], case.window, recording.n_samples)
            trains = fitted.decode(recording.emg)
            sizes = [
                _agreement(a[mask[a]], b[mask[b]], recording.fs)
                for a, b in zip(recording.discharges, trains, strict=True)
            ]
            about = dict(network=case.network, step=case.step, fold=k)
            found.append(counts.join(pd.DataFrame(sizes)).assign(**about))
    return pd.concat(found, ignore_index=True)


def _agreement(reference, found, fs):
    covs = (interval_cov(times, fs) for times in (found, reference))
    names = ("roa_0.5_ms", "interval_cov_found", "interval_cov_labels")
    either = len(reference) + len(found) > 0
    rate = rate_of_agreement(reference, found, fs, 0.5).rate if either else np.nan
    return dict(zip(names, (rate, *covs), strict=True))


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


def minutes(minute_s=MINUTE_S):
    """Agreement of streamed decoders minute by minute; they are fitted to the first one.

    Parameters
    ----------
    minute_s : float
        Length of a minute, shorter for a try.

    Returns
    -------
    pandas.DataFrame
        decoder, minute, signal (a key of `MINUTES`), motor_unit, n_labels, roa_0.5_ms, lost (share
        of the minute in which the unit was reported as lost; NaN: never reported), core_percent
        (processor time over signal time).
    """
    recording, emg = changing_contraction(minute_s)
    streams = _streams(recording)
    return pd.concat(
        [_by_minute(name, stream, recording, emg) for name, stream in tqdm(streams.items())],
        ignore_index=True,
    )


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
        FILTER: AdaptiveStream(fitted[ADAPTIVE].filter, adapting=False),
        ADAPTIVE: AdaptiveStream(fitted[ADAPTIVE].filter),
        f"{STREAMED}, not adapting": fitted[STREAMED].stream(adapting=False),
        STREAMED: fitted[STREAMED].stream(),
    }


def _by_minute(name, stream, recording, emg):
    minute, found, lost = recording.n_samples // 10, [], []
    began = process_time()
    for k in range(0, emg.shape[1], CHUNK):
        found.append(stream.push(emg[:, k : k + CHUNK]))
        lost.append(stream.now.lost)
    core = 100 * (process_time() - began) * recording.fs / emg.shape[1]
    trains = [np.concatenate(times) for times in zip(*found, strict=True)]
    lost, chunks = np.array(lost, float), np.arange(len(lost)) * CHUNK // minute
    rows = []
    for signal, numbers in MINUTES.items():
        for number in numbers:
            for unit, pair in enumerate(zip(recording.discharges, trains, strict=True)):
                inside = [times[times // minute == number] for times in pair]
                agreed = rate_of_agreement(*inside, recording.fs, 0.5)
                about = dict(decoder=name, minute=number, signal=signal, motor_unit=unit)
                about |= {"n_labels": len(inside[0]), "roa_0.5_ms": agreed.rate}
                share = lost[chunks == number, unit].mean() if stream.adapting else np.nan
                rows.append({**about, "lost": share, "core_percent": core})
    return pd.DataFrame(rows)


def compute(asked):
    """Compute results/adaptation_<part>.csv for the parts asked for; default both."""
    torch.set_num_threads(1)
    for part in asked or ("real", "minutes"):
        table, stem = {"real": real, "minutes": minutes}[part](), f"adaptation_{part}"
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.4g")
        paths.write_whole(paths.RESULTS / f"{stem}.csv", f"# {NOTES[stem]}\n{text}")


def load(part):
    """Table results/adaptation_<part>.csv."""
    return tables.load(paths.RESULTS / f"adaptation_{part}.csv")[0]


def to_the_sample(table):
    """Scores of windows, agreement and variability of each decoder, means over units and folds.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `real`.

    Returns
    -------
    pandas.DataFrame
        network, step, f1, precision, sensitivity (of windows), roa_0.5_ms, interval_cov_found,
        interval_cov_labels (where both are finite).
    """
    by, covs = ["network", "step"], ["interval_cov_found", "interval_cov_labels"]
    finite = np.isfinite(table[covs]).all(axis=1)
    trains = table.assign(**{name: table[name].where(finite) for name in covs})
    means = trains.groupby(by, sort=False)[["roa_0.5_ms", *covs]].mean().reset_index()
    scores = metrics.score_table(table, by)[[*by, "f1", "precision", "sensitivity"]]
    return scores.merge(means, on=by)


@plt.rc_context(STYLE)
def draw_minutes(table, output, note):
    """Rate of agreement by the minute: each motor unit as a dot, the mean as a line.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `minutes`.
    output, note : str
        See `save`.
    """
    figure, ax = plt.subplots(figsize=(TWO_COLUMNS, 65 * MM))
    for k, (decoder, rows) in enumerate(table.groupby("decoder", sort=False)):
        adapts = "not adapting" not in decoder
        colour, at = COLOURS[decoder.split(",")[0]], (k - 1.5) / 8
        ax.plot(rows["minute"] + at, rows["roa_0.5_ms"], ".", ms=3, color=colour, alpha=0.5)
        means = rows.groupby("minute")["roa_0.5_ms"].mean()
        style = dict(color=colour, ls="-" if adapts else "--", lw=1.2, label=decoder)
        ax.plot(means.index + at, means, **style)
    names = table.drop_duplicates("minute").set_index("minute")["signal"]
    ax.set_xticks(names.index, [fill(name, 12) for name in names], fontsize=5)
    ax.set(xlabel="Minute, and its signal", ylabel="Rate of agreement within 0.5 ms")
    ax.grid(axis="y", lw=0.3)
    figure.legend(loc="outside upper left", ncols=4)
    return save(figure, "adaptation_minutes", output, note)


if __name__ == "__main__":
    compute(sys.argv[1:])
