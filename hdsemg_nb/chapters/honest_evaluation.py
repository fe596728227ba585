"""Notebook 07: what the paper's protocol cannot see. `python -m` computes what it draws."""

import sys

import numpy as np
import pandas as pd

from hdsemg_nb import metrics, results, segment
from hdsemg_nb.chapters import honest_evaluation_results
from hdsemg_nb.chapters.honest_evaluation_results import DATA, load
from hdsemg_nb.decoders import Run

ALWAYS_POSITIVE = "always positive"
FALSE_LIMIT = 0.1  # share of false discharges among the decoded, as strict as the paper's miss rate


def shared_windows(n_windows, run):
    """Share of the test windows that have samples in common with a training window.

    Parameters
    ----------
    n_windows : int
        Of the recording.
    run : decoders.Run
        Its window, step, split, folds and seed are used.

    Returns
    -------
    float
        0 to 1, over the folds that are tested.
    """
    starts, seen = np.arange(n_windows) * run.step, []
    folds = segment.split_folds(n_windows, run.window, run.step, run.n_folds, run.split, run.seed)
    for fold in folds[: run.tested_folds]:
        train = segment.covered_samples(starts[fold.train], run.window, starts[-1] + run.window)
        seen.append(segment.windows(train[None], starts, run.window)[fold.test].any(axis=(1, 2)))
    return float(np.concatenate(seen).mean())


def leakage(counts):
    """F1 on shuffled and on blocked folds of every run that was computed on both.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.read`.

    Returns
    -------
    pandas.DataFrame
        One row per recording and run: subject, mvc, its settings except split and bf16 (a
        matter of the processor), f1_shuffled, f1_blocked, difference (shuffled - blocked),
        always_positive_f1 (of the blocked windows), shared_percent (`shared_windows` of the
        shuffled folds, in %).
    """
    settings = [name for name in results.DEFAULTS if name not in ("split", "bf16")]
    by = ["subject", "mvc", "network", "window", "step", *settings]
    scores = metrics.score_table(counts, [*by, "split"])
    scores = scores[[*by, "split", "f1", "always_positive_f1"]].dropna(subset="f1")
    one_unit = counts.drop_duplicates([*by, "split", "fold"])
    n = one_unit.groupby([*by, "split"], dropna=False)["n_windows"].sum().reset_index()
    shuffled, blocked = (
        table[table["split"] == split].drop(columns="split")
        for table, split in zip((scores.merge(n), scores), segment.SPLITS, strict=True)
    )
    table = shuffled.merge(blocked, on=by, suffixes=("_shuffled", "_blocked"))
    table = table.rename(columns={"always_positive_f1_blocked": "always_positive_f1"})
    drawn = ["network", "window", "step", "n_folds", "tested_folds", "seed"]
    shared = [
        shared_windows(round(row["n_windows"] * row["n_folds"] / row["tested_folds"]), Run(**run))
        for row, run in zip(table.to_dict("records"), table[drawn].to_dict("records"), strict=True)
    ]
    table = table.drop(columns=["n_windows", "always_positive_f1_shuffled"])
    difference = table["f1_shuffled"] - table["f1_blocked"]
    table = table.assign(difference=difference, shared_percent=100 * np.array(shared))
    return table.sort_values(["network", "window", "step"], kind="stable", ignore_index=True)


def unit_scores(counts):
    """Counts with the scores of each row: columns precision, sensitivity, f1, miss_rate."""
    return counts.assign(**metrics.scores(*counts[["tp", "fp", "fn"]].to_numpy().T)._asdict())


def peers():
    """Scores and costs of every decoder on every recording.

    Returns
    -------
    pandas.DataFrame
        One row per recording and decoder, "always positive" among them: the columns of
        `metrics.score_table`; n_identified_both, motor units that are identified (miss rate below
        0.1, the paper's rule) and of whose decoded windows less than `FALSE_LIMIT` are false; the
        columns of results/honest_decoders.csv.
    """
    units, by = load("units"), [*DATA, "network"]
    first = units.drop_duplicates([*DATA, "motor_unit"])
    always = metrics.always_positive(*first[["tp", "fp", "fn"]].to_numpy().T, first["n_windows"])
    always = first.assign(network=ALWAYS_POSITIVE, **always._asdict())
    units = pd.concat([units, always], ignore_index=True)
    scores = unit_scores(units)
    few_missed = scores["miss_rate"] < metrics.IDENTIFIED_MISS_RATE
    both = units.assign(n_identified_both=few_missed & (scores["precision"] > 1 - FALSE_LIMIT))
    n_both = both.groupby(by)["n_identified_both"].sum()
    table = metrics.score_table(units, by).join(n_both, on=by)
    return table.merge(load("decoders"), "left", by)


if __name__ == "__main__":
    honest_evaluation_results.compute(sys.argv[1:])
