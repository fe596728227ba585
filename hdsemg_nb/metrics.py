"""Scores from counts of windows, per motor unit (paper, Eq. 5-8); agreement of discharge times.

The rules where the paper is silent:

* A motor unit without a positive window in a test fold has no score in that fold (NaN); it is
  counted as `unscored`, never as 0 or 1.
* A motor unit with positive windows of which none is predicted has precision 0.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

IDENTIFIED_MISS_RATE = 0.1  # paper, "Decomposition accuracy": identified below this miss rate
PAUSE_S = 0.4  # longer inter-discharge intervals are pauses, left out of rate and variability


class Counts(NamedTuple):
    """True positives, false positives and false negatives, each int64 of shape (motor units,)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray


class Scores(NamedTuple):
    """Precision, sensitivity, F1, miss rate (NaN without positives) and identified (bool)."""

    precision: np.ndarray
    sensitivity: np.ndarray
    f1: np.ndarray
    miss_rate: np.ndarray
    identified: np.ndarray


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
    y_true, y_pred = _binary(y_true, "y_true"), _binary(y_pred, "y_pred")
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"y_true has shape {y_true.shape} and y_pred {y_pred.shape}; both must be "
            "(windows, motor units)"
        )
    return Counts(
        (y_true & y_pred).sum(axis=0),
        (~y_true & y_pred).sum(axis=0),
        (y_true & ~y_pred).sum(axis=0),
    )


def _binary(y, name):
    y = np.asarray(y)
    if y.ndim != 2:
        raise ValueError(f"{name} has shape {y.shape}, expected (windows, motor units)")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(
            f"{name} must hold only 0 and 1; threshold probabilities first, for example at 0.5"
        )
    return y.astype(bool)


def scores(tp, fp, fn):
    """Precision, sensitivity, F1 and miss rate (paper, Eq. 5-8), and who is identified.

    Parameters
    ----------
    tp, fp, fn : array_like of int, any common shape
        Counts of windows (or of discharges).

    Returns
    -------
    Scores
        Arrays of the same shape. Without positives (`tp + fn == 0`) the four scores are NaN and
        `identified` is False. With positives but no prediction, precision and F1 are 0.

    Raises
    ------
    ValueError
        When a count is negative.

    Examples
    --------
    >>> scores(8, 2, 0).f1.round(4)
    np.float64(0.8889)
    """
    tp, fp, fn = (np.asarray(x, dtype=float) for x in (tp, fp, fn))
    for name, x in dict(tp=tp, fp=fp, fn=fn).items():
        if (x < 0).any():
            raise ValueError(f"{name} holds {x.min():g}, a count cannot be negative")
    positives = np.where(tp + fn > 0, tp + fn, np.nan)
    precision = np.where(positives > 0, tp / np.maximum(tp + fp, 1), np.nan)
    sensitivity = tp / positives
    f1 = 2 * tp / (positives + tp + fp)
    miss_rate = fn / positives
    return Scores(precision, sensitivity, f1, miss_rate, miss_rate < IDENTIFIED_MISS_RATE)


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
    table = pd.DataFrame({"motor_unit": range(len(c.tp)), "n_windows": len(y_true), **c._asdict()})
    for name, value in reversed(columns.items()):
        table.insert(0, name, value)
    return table


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
        always_positive_f1 and always_positive_f1_micro, n_identified, n_motor_units, and
        n_unscored: pairs of unit and fold without a positive window.
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
    """
    table = table.reset_index(drop=True)
    counted = table[["tp", "fp", "fn"]]
    baseline = always_positive(*counted.to_numpy().T, table["n_windows"])
    baseline = pd.DataFrame(baseline._asdict())
    run = [table[name] for name in by]
    per_fold = _score_columns(counted, baseline)
    per_unit = per_fold.groupby([*run, table["motor_unit"]], sort=False, dropna=False).mean()
    runs = per_unit.groupby(by, sort=False, dropna=False)
    pooled = [x.groupby(run, sort=False, dropna=False).sum() for x in (counted, baseline)]
    unscored = per_fold["f1"].isna().groupby(run, sort=False, dropna=False).sum()
    identified = per_unit["miss_rate"] < IDENTIFIED_MISS_RATE
    together = runs.mean().join(_score_columns(*pooled).add_suffix("_micro"))
    return together.assign(
        n_identified=identified.groupby(by, sort=False, dropna=False).sum(),
        n_motor_units=runs.size(),
        n_unscored=unscored,
    ).reset_index()


def _score_columns(counted, baseline):
    """Scores of counts, and the F1 of the baseline's, in the rows of `counted`."""
    table = pd.DataFrame(scores(*counted.to_numpy().T)._asdict(), index=counted.index)
    f1 = scores(*baseline.to_numpy().T).f1
    return table.drop(columns="identified").assign(always_positive_f1=f1)


def match_discharges(reference, found, fs, tolerance_ms=1.0):
    """Count discharges that agree, one to one, in the order of time.

    Parameters
    ----------
    reference, found : array_like of int, sorted
        Discharge times as samples.
    fs : float
        Sampling frequency in Hz.
    tolerance_ms : float
        Two discharges agree when at most this far apart, in ms.

    Returns
    -------
    Counts
        Three ints: matched, only in `found`, only in `reference`.
    """
    tolerance = tolerance_ms * fs / 1000
    i = j = matched = 0
    while i < len(reference) and j < len(found):
        distance = found[j] - reference[i]
        if abs(distance) <= tolerance + 1e-9:
            matched, i, j = matched + 1, i + 1, j + 1
        elif distance > 0:
            i += 1
        else:
            j += 1
    return Counts(matched, len(found) - matched, len(reference) - matched)


class Agreement(NamedTuple):
    """Agreement of two spike trains, see `rate_of_agreement`."""

    rate: float
    lag_ms: float
    matched: int
    only_found: int
    only_reference: int


def rate_of_agreement(reference, found, fs, tolerance_ms=0.5, largest_lag_ms=30.0):
    """Rate of agreement of two spike trains after removing the constant lag between them.

    matched / (matched + only in found + only in reference) discharges, matched one to one in the
    order of time, at the lag where most of them agree.

    Parameters
    ----------
    reference, found : array_like of int, sorted
        Discharge times as samples.
    fs : float
        Sampling frequency in Hz.
    tolerance_ms : float
        Two discharges agree when at most this far apart, in ms.
    largest_lag_ms : float
        Largest constant lag tried to both sides, in ms; 0 to remove none.

    Returns
    -------
    Agreement
        rate (0 when neither has a discharge), lag_ms (found after reference), matched,
        only_found, only_reference.
    """
    reference, found = np.asarray(reference, np.int64), np.asarray(found, np.int64)
    lag = _common_lag(reference, found, fs, tolerance_ms, largest_lag_ms)
    c = match_discharges(reference, found - lag, fs, tolerance_ms)
    return Agreement(c.tp / max(sum(c), 1), 1000 * lag / fs, *c)


def _common_lag(reference, found, fs, tolerance_ms, largest_lag_ms):
    """Samples by which `found` comes after `reference`, 0 when one of them is empty."""
    if len(reference) == 0 or len(found) == 0:
        return 0
    largest, tolerance = round(largest_lag_ms * fs / 1000), int(tolerance_ms * fs / 1000 + 1e-9)
    train = np.zeros(max(reference[-1], found[-1]) + 2 * largest + 1)
    train[found + largest] = 1
    near = np.convolve(train, np.ones(2 * tolerance + 1), "same") + train  # exact hits break ties
    lags = np.arange(-largest, largest + 1)
    return int(lags[near[reference[:, None] + largest + lags].sum(axis=0).argmax()])


def match_motor_units(reference, found, fs, tolerance_ms=0.5, largest_lag_ms=30.0):
    """Best match of each reference motor unit among the found ones, one to one.

    Parameters
    ----------
    reference, found : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    fs, tolerance_ms, largest_lag_ms
        As in `rate_of_agreement`.

    Returns
    -------
    pandas.DataFrame
        One row for each reference motor unit: motor_unit, found (number of its match, -1 without),
        rate_of_agreement (0 without), lag_ms (NaN without), matched, only_found, only_reference.
    """
    pairs = [
        [rate_of_agreement(a, b, fs, tolerance_ms, largest_lag_ms) for b in found]
        for a in reference
    ]
    rates = np.array([[pair.rate for pair in row] for row in pairs])
    rates = rates.reshape(len(reference), len(found))
    best = dict(zip(*linear_sum_assignment(-rates), strict=True))
    rows = []
    for unit, times in enumerate(reference):
        match = best.get(unit, -1)
        if match < 0 or rates[unit, match] == 0:
            rows.append((unit, -1, 0.0, float("nan"), 0, 0, len(times)))
        else:
            rows.append((unit, int(match), *pairs[unit][match]))
    names = "motor_unit found rate_of_agreement lag_ms matched only_found only_reference".split()
    return pd.DataFrame(rows, columns=names)


def discharge_intervals(discharges, fs):
    """Inter-discharge intervals in s, without the pauses of `PAUSE_S` and longer.

    Parameters
    ----------
    discharges : array_like of int
        Discharge times of one motor unit as sorted samples.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    numpy.ndarray of float
    """
    intervals = np.diff(discharges) / fs
    return intervals[intervals < PAUSE_S]


def discharge_rate(discharges, fs):
    """Mean discharge rate in 1/s, over `discharge_intervals`; NaN without one."""
    intervals = discharge_intervals(discharges, fs)
    return float(1 / intervals.mean()) if len(intervals) else float("nan")


def interval_cov(discharges, fs):
    """Coefficient of variation of the `discharge_intervals`; infinite with fewer than two."""
    intervals = discharge_intervals(discharges, fs)
    return float(intervals.std() / intervals.mean()) if len(intervals) > 1 else float("inf")
