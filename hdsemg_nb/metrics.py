"""Scores from counts of windows, per motor unit (paper, Eq. 5-8).

The rules where the paper is silent:

* A motor unit without a positive window in a test fold has no score in that fold (NaN); it is
  left out of the means, never counted as 0 or 1.
* A motor unit with positive windows of which none is predicted has precision 0.
"""

from collections import namedtuple

import numpy as np
import pandas as pd

IDENTIFIED_MISS_RATE = 0.1  # paper, "Decomposition accuracy": identified below this miss rate


class Counts(namedtuple("Counts", "tp fp fn")):
    """True positives, false positives and false negatives, each int64 of shape (motor units,)."""


class Scores(namedtuple("Scores", "precision sensitivity f1 miss_rate")):
    """Precision, sensitivity, F1 and miss rate, NaN without positives."""


def counts(y_true, y_pred):
    """Count agreeing and disagreeing windows of each motor unit.

    Parameters
    ----------
    y_true, y_pred : array_like of 0/1 or bool, shape (windows, motor units)
        Labels and predictions.

    Returns
    -------
    Counts
        Integer arrays of shape (motor units,).

    Raises
    ------
    ValueError
        When the shapes differ, are not two-dimensional, or a value is neither 0 nor 1.
    """
    true, pred = binary(y_true, "y_true"), binary(y_pred, "y_pred")
    if true.shape != pred.shape:
        raise ValueError(f"y_true has shape {true.shape} and y_pred {pred.shape}, not the same")
    return Counts(*((a & b).sum(axis=0) for a, b in ((true, pred), (~true, pred), (true, ~pred))))


def binary(y, name):
    """Labels or predictions as bool (windows, motor units); ValueError when they are neither."""
    y = np.asarray(y)
    if y.ndim != 2:
        raise ValueError(f"{name} has shape {y.shape}, expected (windows, motor units)")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"{name} must hold only 0 and 1; threshold probabilities first, as at 0.5")
    return y.astype(bool)


def scores(tp, fp, fn):
    """Precision, sensitivity, F1 and miss rate (paper, Eq. 5-8).

    Parameters
    ----------
    tp, fp, fn : array_like of int, any common shape
        Counts of windows (or of discharges).

    Returns
    -------
    Scores
        Arrays of the same shape. Without positives (`tp + fn == 0`) all are NaN. With positives
        but no prediction, precision and F1 are 0.

    Raises
    ------
    ValueError
        When a count is negative or NaN.

    Examples
    --------
    >>> scores(8, 2, 0).f1.round(4)
    np.float64(0.8889)
    """
    tp, fp, fn = (np.asarray(x, dtype=float) for x in (tp, fp, fn))
    for name, x in dict(tp=tp, fp=fp, fn=fn).items():
        if not (x >= 0).all():
            raise ValueError(f"{name} holds {x.min():g}, a count is 0 or more")
    positives = np.where(tp + fn > 0, tp + fn, np.nan)
    precision = np.where(positives > 0, tp / np.maximum(tp + fp, 1), np.nan)
    return Scores(precision, tp / positives, 2 * tp / (positives + tp + fp), fn / positives)


def always_positive(tp, fp, fn, n_windows):
    """Counts of a predictor that answers "discharge" in every window: the baseline of every F1.

    Parameters
    ----------
    tp, fp, fn : array_like of int
        Counts of any predictor on the same windows (only the positives tp + fn are used).
    n_windows : array_like of int
        Number of windows scored.

    Returns
    -------
    Counts
        Its F1 is 2p / (1 + p), with p the share of windows that hold a discharge.
    """
    positives = np.asarray(tp) + np.asarray(fn)
    return Counts(positives, np.asarray(n_windows) - positives, np.zeros_like(positives))


def count_table(y_true, y_pred, **columns):
    """Counts of one test fold as rows, one per motor unit.

    Parameters
    ----------
    y_true, y_pred : array_like of 0/1, shape (windows, motor units)
    **columns
        What identifies the fold, for example fold=0, network="ML-DCNN".

    Returns
    -------
    pandas.DataFrame
        The given columns, then motor_unit, n_windows, tp, fp, fn.
    """
    c = counts(y_true, y_pred)
    rows = {**columns, "motor_unit": np.arange(len(c.tp)), "n_windows": len(y_true), **c._asdict()}
    return pd.DataFrame(rows)


def recording_scores(table):
    """Scores of one run: its count table to one row, macro and micro.

    Macro: scores of each motor unit in each fold, averaged over the folds where the unit has
    positives ("the average performance metrics across these five tests", paper), then over units.
    Micro: counts pooled over folds and units. A unit is identified when its miss rate, averaged
    over folds, is below 0.1 (paper, "Decomposition accuracy").

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of `count_table`, one per motor unit and fold, of one recording and network.

    Returns
    -------
    pandas.Series
        precision, sensitivity, f1, miss_rate (macro), the same with suffix _micro,
        always_positive_f1 and always_positive_f1_micro, n_identified, n_motor_units.
    """
    return score_table(table.assign(run=0), ["run"]).drop(columns="run").iloc[0]


def score_table(table, by):
    """Scores of several runs: one row each.

    Parameters
    ----------
    table : pandas.DataFrame
        Count tables of several runs, one under the other.
    by : list of str
        Columns that tell the runs apart.

    Returns
    -------
    pandas.DataFrame
        The columns `by`, then those of `recording_scores`, in the order of first appearance.

    Raises
    ------
    ValueError
        When `by` does not tell two runs apart: a motor unit occurs twice in a fold.
    """
    table = table.reset_index(drop=True)
    row = [*by, *({"fold", "motor_unit"} & set(table) - set(by))]
    if table.duplicated(row).any():
        raise ValueError(f"{by} do not tell the runs apart: name what else differs between them")
    counted = table[["tp", "fp", "fn"]]
    baseline = pd.DataFrame(always_positive(*counted.to_numpy().T, table["n_windows"])._asdict())
    scored, alike = _score_columns(counted, baseline), dict(sort=False, dropna=False)
    unit = list(dict.fromkeys([*by, "motor_unit"]))
    per_unit = table[unit].join(scored).groupby(unit, **alike).mean()
    runs = per_unit.groupby(by, **alike)
    pooled = [table[by].join(x).groupby(by, **alike).sum() for x in (counted, baseline)]
    together = runs.mean().join(_score_columns(*pooled).add_suffix("_micro"))
    identified = per_unit["miss_rate"] < IDENTIFIED_MISS_RATE
    together["n_identified"] = identified.groupby(by, **alike).sum()
    together["n_motor_units"] = runs.size()
    return together.reset_index()


def _score_columns(counted, baseline):
    """Scores of counts, and the F1 of the baseline's, in the rows of `counted`."""
    table = pd.DataFrame(scores(*counted.to_numpy().T)._asdict(), index=counted.index)
    return table.assign(always_positive_f1=scores(*baseline.to_numpy().T).f1)
