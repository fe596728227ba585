"""What the threshold on the probability decides: precision, sensitivity, identified motor units."""

import numpy as np
import pandas as pd

from hdsemg_nb import metrics

MISS_LIMITS = tuple(np.round(np.arange(0.05, 1.0, 0.05), 2))
FALSE_LIMIT = 0.1  # share of false discharges among the decoded, as strict as the paper's miss rate


def precision_recall(labels, probabilities):
    """Precision and sensitivity (recall) at every threshold.

    Parameters
    ----------
    labels : array_like of 0/1, shape (windows,)
    probabilities : array_like of float, shape (windows,)

    Returns
    -------
    pandas.DataFrame
        One row per distinct probability, from the highest: threshold; precision, sensitivity and
        f1 when the windows with at least this probability count as discharges (NaN without a
        positive label).

    Raises
    ------
    ValueError
        When the shapes differ or a probability is NaN.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=float)
    if labels.shape != probabilities.shape or labels.ndim != 1:
        raise ValueError(
            f"labels have shape {labels.shape}, probabilities {probabilities.shape}; expected one "
            "of each for every window of one motor unit"
        )
    if np.isnan(probabilities).any():
        raise ValueError("probabilities hold NaN: leave out the windows that no fold tests")
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.diff(probabilities[order], append=-np.inf))  # of equal probabilities
    tp = np.cumsum(labels[order])[last]
    scores = metrics.scores(tp, last + 1 - tp, labels.sum() - tp)
    table = pd.DataFrame(scores._asdict())[["precision", "sensitivity", "f1"]]
    table.insert(0, "threshold", probabilities[order][last])
    return table


def average_precision(curve):
    """Mean of the precision over the sensitivity gained at each threshold.

    Parameters
    ----------
    curve : pandas.DataFrame
        From `precision_recall`.

    Returns
    -------
    float
        1 for a perfect order of the windows, the share of positive windows for a constant
        probability, NaN without a positive label. A decoder that answers 0 or 1 has one point.
    """
    gained = np.diff(curve["sensitivity"], prepend=0)
    return float((curve["precision"] * gained).sum(skipna=False))


def curves(results):
    """Precision-recall curve of every decoder and motor unit, over all tested windows.

    Parameters
    ----------
    results : dict of train.Run to train.Result

    Returns
    -------
    pandas.DataFrame
        network, motor_unit, then the columns of `precision_recall`.
    """
    tables = []
    for run, result in results.items():
        tested = np.isfinite(result.predictions[:, 0])
        pairs = zip(result.labels[tested].T, result.predictions[tested].T, strict=True)
        for unit, (labels, probabilities) in enumerate(pairs):
            curve = precision_recall(labels, probabilities)
            curve.insert(0, "network", run.network)
            curve.insert(1, "motor_unit", unit)
            tables.append(curve)
    return pd.concat(tables, ignore_index=True)


def threshold_table(curves, threshold=0.5):
    """Average precision of each motor unit, and what another threshold would give.

    Parameters
    ----------
    curves : pandas.DataFrame
        From `curves`.
    threshold : float
        In use.

    Returns
    -------
    pandas.DataFrame
        One row per network and motor unit: positives_percent (the average precision of chance, in
        %), average_precision, f1 (at `threshold`), best_f1 and best_threshold (chosen on these
        very windows: an upper bound).
    """
    rows = []
    for (network, unit), curve in curves.groupby(["network", "motor_unit"], sort=False):
        best = curve.loc[curve["f1"].fillna(0).idxmax()]
        rows.append(
            {
                "network": network,
                "motor_unit": unit,
                "positives_percent": 100 * curve["precision"].iloc[-1],
                "average_precision": average_precision(curve),
                "f1": _f1_at(curve, threshold),
                "best_f1": best["f1"],
                "best_threshold": best["threshold"],
            }
        )
    return pd.DataFrame(rows)


def _f1_at(curve, threshold):
    reached = curve.loc[curve["threshold"] >= threshold, "f1"]
    return reached.iloc[-1] if len(reached) else 0 * curve["f1"].iloc[-1]  # NaN without positives


def identified(counts, by, miss_limits=MISS_LIMITS, false_limit=FALSE_LIMIT):
    """Identified motor units by the limit on the miss rate, without and with one on false ones.

    The paper identifies by the miss rate alone, below 0.1; a decoder that always answers
    "discharge" misses nothing.

    Parameters
    ----------
    counts : pandas.DataFrame
        Count tables (`metrics.count_table`) of several runs.
    by : list of str
        Columns that tell decoders apart; recordings are not among them.
    miss_limits : sequence of float
    false_limit : float
        Largest share of false positives among the decoded windows, 1 - precision.

    Returns
    -------
    pandas.DataFrame
        The columns `by`, miss_limit, n_identified (miss rate below the limit, both averaged over
        folds), n_identified_both (and the share of false positives below `false_limit`),
        n_motor_units.
    """
    unit = [name for name in ("recording_digest", "motor_unit") if name in counts]
    scores = pd.DataFrame(metrics.scores(*counts[["tp", "fp", "fn"]].to_numpy().T)._asdict())
    scores = scores[["miss_rate", "precision"]].set_index(counts.index)
    keys = [counts[name] for name in [*by, *unit]]
    units = scores.groupby(keys, sort=False, dropna=False).mean()
    groups, tables = units.groupby(by, sort=False, dropna=False), []
    for limit in miss_limits:
        found = units["miss_rate"] < limit
        both = found & (1 - units["precision"] < false_limit)
        n, n_both = (x.groupby(by, sort=False, dropna=False).sum() for x in (found, both))
        table = pd.DataFrame({"n_identified": n, "n_identified_both": n_both})
        tables.append(table.assign(n_motor_units=groups.size(), miss_limit=limit).reset_index())
    columns = [*by, "miss_limit", "n_identified", "n_identified_both", "n_motor_units"]
    return pd.concat(tables, ignore_index=True)[columns]
