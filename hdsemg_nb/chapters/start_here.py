"""Motor units decoded from one real recording (notebook 00)."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn

from hdsemg_nb import metrics, results
from hdsemg_nb.decoders import FILTER, OURS, Run
from hdsemg_nb.figures import DISCHARGE, MM, STYLE, TWO_COLUMNS, save
from hdsemg_nb.segment import label_offsets
from hdsemg_nb.train import cross_validate

SETTINGS = ["as published", "our settings", FILTER, OURS]  # in results/real_recording.csv
RUN = ["setting", "network", "window", "step", "split", "epochs"]
SHOWN = ["f1", "precision", "sensitivity", "always_positive_f1", "n_identified"]
KINDS = {  # of decoded windows: place beside the row of the motor unit, marker, colour
    "labelled discharge": (-0.2, "|", "k"),
    "decoded, correct": (0.2, "|", "#0072B2"),
    "decoded, false": (0.2, "x", DISCHARGE),
}


def label_facts(recording):
    """Facts about the motor units of a recording.

    Parameters
    ----------
    recording : recording.Recording

    Returns
    -------
    pandas.DataFrame
        Per motor unit: motor_unit, discharges, median_rate_pps, pnr_db, offset_ms (from the mark
        to the middle of the 20 samples with the most energy of the action potential).
    """
    everywhere = np.ones(recording.n_samples, dtype=bool)
    offsets = label_offsets(recording.emg, recording.discharges, everywhere, window=20)
    intervals = [np.diff(d) if len(d) > 1 else [np.nan] for d in recording.discharges]
    return pd.DataFrame(
        {
            "motor_unit": range(recording.n_motor_units),
            "discharges": [len(times) for times in recording.discharges],
            "median_rate_pps": [recording.fs / np.median(some) for some in intervals],
            "pnr_db": recording.pnr,
            "offset_ms": 1000 * offsets / recording.fs,
        }
    )


def take_tour(recording, tour, tested_folds):
    """Train and test decoders now, on blocked folds: (run, result) by setting."""
    runs = {
        setting: Run(**given, split="blocked", tested_folds=tested_folds)
        for setting, given in tour.items()
    }
    return {setting: (run, cross_validate(recording, run)) for setting, run in runs.items()}


def tour_scores(trained):
    """Scores of the tour beside the F1 stored for the same folds in results/real_recording.csv.

    Parameters
    ----------
    trained : dict of str to (Run, train.Result)
        From `take_tour`.

    Returns
    -------
    pandas.DataFrame
        setting, network, window, step, split, folds, the scores, stored_f1 (NaN where this very run
        is not stored).
    """
    stored, rows = results.read("real_recording"), []
    for setting, (run, result) in trained.items():
        about = {"setting": setting} | {name: getattr(run, name) for name in RUN[1:5]}
        digest, whole = stored["recording_digest"].iloc[0], replace(run, tested_folds=None)
        same = stored["run"] == results.run_name(digest, whole)
        same &= stored["fold"].isin(result.counts["fold"])
        f1 = metrics.recording_scores(stored[same])["f1"] if same.any() else np.nan
        scores = metrics.recording_scores(result.counts)[SHOWN]
        rows.append({**about, "folds": run.tested_folds, **scores, "stored_f1": f1})
    return pd.DataFrame(rows)


def stored_counts():
    """Counts of results/real_recording.csv that were tested on all folds, by `SETTINGS`."""
    table = results.read("real_recording")
    table = table[(table["tested_folds"] == table["n_folds"]) & table["setting"].isin(SETTINGS)]
    table = table.sort_values(["network", "window", "step"], kind="stable")
    return table.sort_values("setting", key=lambda names: names.map(SETTINGS.index), kind="stable")


def best_blocked(scores):
    """Of each setting the run with the highest F1 on blocked folds."""
    blocked = scores[scores["split"] == "blocked"].sort_values("f1", kind="stable")
    best = blocked.groupby("setting").tail(1).set_index("setting")
    return best.reindex([name for name in SETTINGS if name in best.index])


def ablation():
    """How our settings were found: ML-DCNN, S = 20, blocked folds, 20 epochs."""
    table = results.read("real_recording")
    tried = table["setting"].isin(["our settings", "ablation"]) & (table["step"] == 20)
    table = table[tried & (table["network"] == "ML-DCNN") & (table["split"] == "blocked")]
    factors = ["window", "learning_rate", "whiten", "fit_offsets"]
    return metrics.score_table(table, factors).sort_values(factors, ignore_index=True)


@plt.rc_context(STYLE)
def draw_decoded(trained, fs, output, note):
    """Decoded against labelled windows in 8 s of held-out time, one panel per decoder.

    Parameters
    ----------
    trained : dict of str to (Run, train.Result)
        From `take_tour`.
    fs : float
        Sampling frequency in Hz.
    output, note : str
        See `figures.save`; the stem is sample_decoded.

    Returns
    -------
    IPython.display.Image
    """
    size = (TWO_COLUMNS, 40 * MM * len(trained))
    figure, axes = plt.subplots(len(trained), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (run, result) in zip(axes[:, 0], trained.values(), strict=True):
        tested = np.isfinite(result.predictions[:, 0])
        time = (result.starts[tested] + run.window / 2) / fs
        decoded = result.predictions[tested] >= run.threshold
        label = result.labels[tested].astype(bool)
        hits = dict(zip(KINDS, [label, decoded & label, decoded & ~label], strict=True))
        for name, (shift, marker, colour) in KINDS.items():
            n, unit = np.nonzero(hits[name])
            ax.plot(time[n], unit + shift, marker, color=colour, ms=4, mew=0.8, label=name)
        ax.set(yticks=range(label.shape[1]), ylim=(label.shape[1] - 0.4, -0.6), title=run.network)
        middle = time[len(time) // 2]
        ax.set(ylabel="Motor unit", xlim=(middle - 4, middle + 4))
    axes[-1, 0].set_xlabel("Time (s)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return save(figure, "sample_decoded", output, note)


@plt.rc_context(STYLE)
def draw_scores(stored, output, note):
    """F1 of each decoder under both splits: every motor unit, their mean, and always positive.

    Parameters
    ----------
    stored : pandas.DataFrame
        Of `stored_counts`.
    output, note : str
        See `figures.save`; the stem is sample_scores.

    Returns
    -------
    IPython.display.Image
    """
    units = metrics.score_table(stored, [*RUN, "motor_unit"])
    names = units["network"] + ", W = " + units["window"].astype(str)
    units = units.assign(run=names + ", S = " + units["step"].astype(str))
    groups = list(units.groupby("setting", sort=False))
    rows = [group["run"].nunique() for _, group in groups]
    size = (TWO_COLUMNS, (20 * len(rows) + 5 * sum(rows)) * MM)
    figure, axes = plt.subplots(len(rows), 1, figsize=size, sharex=True, height_ratios=rows)
    look = {"x": "f1", "y": "run", "hue": "split", "palette": {"blocked": "k", "shuffled": "0.6"}}
    for ax, (setting, group) in zip(np.atleast_1d(axes), groups, strict=True):
        seaborn.stripplot(group, dodge=True, jitter=False, size=2.5, legend=False, ax=ax, **look)
        seaborn.pointplot(group, dodge=0.4, errorbar=None, markers="D", ls="", ms=4, ax=ax, **look)
        chance = group.groupby("run", sort=False)["always_positive_f1"].mean()
        ax.plot(chance, range(len(chance)), "|", color=DISCHARGE, ms=9, label="always positive")
        ax.set(title=setting, ylabel="", xlim=(-0.02, 1.02))
        ax.set_xlabel("F1 of each motor unit (dot) and mean over them (diamond)")
        ax.grid(axis="x", lw=0.3)
        handles = ax.get_legend_handles_labels()
        ax.get_legend().remove()
    figure.legend(*handles, loc="outside upper right", ncols=3)
    return save(figure, "sample_scores", output, note)
