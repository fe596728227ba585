"""Leakage: what shuffled folds show that blocked folds do not."""

from dataclasses import fields

import numpy as np
import pandas as pd

from hdsemg_nb import metrics, segment, stats
from hdsemg_nb.train import Run

RECORDING = ["recording_digest", "subject", "mvc"]
MEASURED = ["f1_shuffled", "f1_blocked", "difference", "always_positive_f1", "shared_percent"]


def shared_windows(n_windows, run):
    """Share of the test windows that have samples in common with a training window.

    Counted from the folds themselves, over those that are tested.

    Parameters
    ----------
    n_windows : int
        Of the recording.
    run : runs.Run
        Its window, step, split, folds and seed are used.

    Returns
    -------
    float
        0 to 1.
    """
    starts = np.arange(n_windows) * run.step
    folds = segment.split_folds(n_windows, run.window, run.step, run.n_folds, run.split, run.seed)[
        : run.tested_folds
    ]
    seen = []
    for fold in folds:
        train = segment.covered_samples(starts[fold.train], run.window, starts[-1] + run.window)
        seen.append(segment.windows(train[None], starts, run.window)[fold.test].any(axis=(1, 2)))
    return float(np.concatenate(seen).mean())


def under_both_splits(counts):
    """Rows of the runs that were computed on shuffled and on blocked folds.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.load`: one row per run, fold and motor unit.

    Returns
    -------
    pandas.DataFrame
        May be empty.
    """
    runs = counts.groupby(_pairing(counts), dropna=False)["split"]
    return counts[runs.transform("nunique") == len(segment.SPLITS)]


def _pairing(counts):
    """Columns whose values two runs share that differ in the split alone."""
    settings = [f.name for f in fields(Run) if f.name != "split" and f.name in counts]
    return ["recording_digest", *settings]


def leakage(counts):
    """F1 under both splits of every run that was computed under both.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.load`: one row per run, fold and motor unit.

    Returns
    -------
    pandas.DataFrame
        One row per recording and run: recording_digest, subject, mvc, the settings of the run
        except split, f1_shuffled, f1_blocked, difference (shuffled - blocked), always_positive_f1
        (of the blocked windows), shared_percent (`shared_windows` of the shuffled folds, in %).
        Empty when no run was computed under both splits.
    """
    by = _pairing(counts)
    counts = under_both_splits(counts)
    if counts.empty:
        return pd.DataFrame(columns=[*RECORDING, *by[1:], *MEASURED])
    facts = counts.groupby("recording_digest")[["subject", "mvc"]].first()
    scores = metrics.score_table(counts, [*by, "split"]).set_index([*by, "split"])
    f1 = scores["f1"].unstack("split")[list(segment.SPLITS)].dropna()
    baseline = scores["always_positive_f1"].xs("blocked", level="split")
    table = f1.add_prefix("f1_").assign(
        difference=f1["shuffled"] - f1["blocked"],
        always_positive_f1=baseline.reindex(f1.index),
    )
    table = table.join(_shared_percent(counts, by)).reset_index()
    return facts.merge(table, on="recording_digest", validate="one_to_many").pipe(_ordered)


def summarise(pairs, over="recordings"):
    """Means of `leakage` and a paired test of shuffled against blocked.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From `leakage`.
    over : {"recordings", "participants"}
        "participants": means over the recordings of each first; recordings of one participant are
        not independent.

    Returns
    -------
    pandas.DataFrame
        One row per run (settings except split): means of f1_shuffled, f1_blocked, difference,
        always_positive_f1 and shared_percent; n (recordings or participants) and p
        (`stats.signed_rank`, exact).
    """
    settings = [name for name in pairs if name not in [*RECORDING, *MEASURED]]
    if over == "participants":
        by = [*settings, "subject"]
        pairs = pairs.groupby(by, sort=False, dropna=False)[MEASURED].mean().reset_index()
    runs = pairs.groupby(settings, sort=False, dropna=False)
    p = runs["difference"].agg(lambda differences: stats.signed_rank(differences).p)
    return runs[MEASURED].mean().assign(n=runs.size(), p=p).reset_index()


def _shared_percent(counts, by):
    """`shared_windows` of each shuffled run in %, a series with the index `by`."""
    shuffled = counts[counts["split"] == "shuffled"].drop_duplicates([*by, "fold"])
    share = {}
    for key, folds in shuffled.groupby(by, sort=False, dropna=False):
        run = folds.iloc[0]
        n_windows = round(folds["n_windows"].sum() * run["n_folds"] / run["tested_folds"])
        drawn = ["network", "window", "step", "n_folds", "tested_folds", "seed"]
        share[key] = 100 * shared_windows(n_windows, Run(**run[drawn]))
    names = pd.MultiIndex.from_tuples(share, names=by)
    return pd.Series(list(share.values()), names, name="shared_percent")


def _ordered(table):
    first = [*RECORDING, "network", "window", "step"]
    return table[[*first, *(name for name in table if name not in first)]]
