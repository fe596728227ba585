"""The eight trends that the paper reports, looked for in any table of results.

A trend is decided by the order of means over recordings alone, as the paper's text does.
Friedman's p over participants and Kendall's W stand beside it and decide nothing. "Accuracy" is
F1, except in T6, for which the text gives precision.
"""

from typing import NamedTuple

import pandas as pd

from hdsemg_nb import published
from hdsemg_nb.published import BEST_SETTINGS, SIGNIFICANT
from hdsemg_nb.stats import friedman

KEYS = ["subject", "mvc", "network", "window", "step"]


class Claim(NamedTuple):
    """In the rows with the values `where`, means of `metric` have a `shape` along a column.

    `first` are the values that come first, in this order; the claim cannot be told without them.
    The others follow sorted. `blocks` tell apart what is compared along the column.
    """

    shape: str
    along: str
    where: dict
    metric: str = "f1"
    first: tuple = ()
    blocks: tuple = ("subject", "mvc")


class Finding(NamedTuple):
    """What the results show of one claim; `holds` is None when they cannot tell it."""

    text: str
    holds: bool | None = None
    significant: bool = False


def _rises(means):
    steps = means.diff().dropna()
    return (steps >= 0).all() and (steps > 0).any()


def _rises_then_falls(means):
    peak = means.argmax()
    return _rises(means[: peak + 1]) and _rises(-means[peak:])


SHAPES = {  # name: how the means are judged, how many of them it takes
    "rises": (_rises, 2),
    "falls": (lambda means: _rises(-means), 2),
    "rises, then falls": (_rises_then_falls, 3),
    "the first is highest": (lambda means: means.iloc[0] == means.max(), 2),
}

DRS = {"network": "ML-DRSNet"}
SHORTEST = dict(zip(("window", "step"), published.SHORTEST, strict=True))
BY_PRECISION = ("ML-DRSNet", "ML-DCNN", "MT-DCNN")
BY_TRAINING_TIME = ("ML-DCNN", "ML-DRSNet", "MT-DCNN")


def _best_cell(network):
    where = {"network": network}
    return Claim("the first is highest", "window/step", where, first=(_cell(network),))


def _cell(network):
    return "{}/{}".format(*BEST_SETTINGS[network])


TRENDS = {
    "T1": (
        "ML-DRSNet, window 20: accuracy rises with the step (Fig. 4, Table 2)",
        [Claim("rises", "step", {**DRS, "window": 20})],
    ),
    "T2": (
        "ML-DRSNet, windows 60, 100, 140: accuracy falls with the step (Fig. 4, Table 2)",
        [Claim("falls", "step", {**DRS, "window": window}) for window in (60, 100, 140)],
    ),
    "T3": (
        "ML-DRSNet: accuracy falls with the window at steps 30, 40, 50; rises, then falls at "
        "steps 10, 20 (Fig. 4, Table 2)",
        [Claim("falls", "window", {**DRS, "step": step}) for step in (30, 40, 50)]
        + [Claim("rises, then falls", "window", {**DRS, "step": step}) for step in (10, 20)],
    ),
    "T4": (
        "ML-DCNN is best at window 140, step 50 (Fig. 6, Table 5)",
        [_best_cell("ML-DCNN")],
    ),
    "T5": (
        "MT-DCNN is best at window 140, step 10 (Fig. 7, Table 6)",
        [_best_cell("MT-DCNN")],
    ),
    "T6": (
        "window 20, step 10: precision of ML-DRSNet > ML-DCNN > MT-DCNN (Abstract, Table 9)",
        [Claim("falls", "network", SHORTEST, "precision", BY_PRECISION)],
    ),
    "T7": (
        "ML-DRSNet: accuracy falls with the intensity, 10 to 50 % MVC (Fig. 5, Table 3)",
        [Claim("falls", "mvc", DRS, blocks=("subject", "window", "step"))],
    ),
    "T8": (
        "best settings: training time of ML-DCNN < ML-DRSNet < MT-DCNN (Table 11)",
        [Claim("rises", "network", {"setting": "best"}, "training_s_per_epoch", BY_TRAINING_TIME)],
    ),
}


def trends(results):
    """Look for the paper's eight trends in a table of results.

    Parameters
    ----------
    results : pandas.DataFrame
        One row per recording, network, window and step, all of one kind of split: columns
        subject, mvc, network, window, step (samples), and the metrics f1, precision and
        training_s_per_epoch, as far as they were measured. Networks that are not the paper's are
        passed over.

    Returns
    -------
    pandas.DataFrame
        trend (T1 to T8), published, decided_by, ours (each sequence of means, the Friedman test
        over participants), significant (of how many sequences Friedman's p is below 0.05) and
        agrees: "agrees", "does not" (one sequence contradicts), or "cannot be told: " and what
        is missing. A claim made for several windows or steps is told from those that the results
        have; `ours` names them. Agreement without significance may be chance.

    Raises
    ------
    ValueError
        When a column is missing, or two rows are of the same recording, network, window and step.
    """
    missing = [key for key in KEYS if key not in results]
    if missing:
        raise ValueError(f"results lack the columns {missing}; each row needs {KEYS}")
    twice = results.duplicated(KEYS)
    if twice.any():
        row = ", ".join(f"{key} {results.loc[twice, key].iloc[0]}" for key in KEYS)
        raise ValueError(f"results hold {row} more than once; give one split and one seed only")
    results = results[results["network"].isin(BEST_SETTINGS)]
    cells = [f"{w:g}/{s:g}" for w, s in zip(results["window"], results["step"], strict=True)]
    results = results.assign(**{"window/step": cells})
    best = results["window/step"] == results["network"].map(_cell)
    results = results.assign(setting=best.map({True: "best", False: "other"}))
    return pd.DataFrame([_row(results, name) for name in TRENDS])


def _row(results, name):
    published, claims = TRENDS[name]
    findings = [(claim.shape, _finding(results, claim)) for claim in claims]
    told = [f for _, f in findings if f.holds is not None]
    told_shapes = {shape for shape, f in findings if f.holds is not None}
    untold = [f.text for shape, f in findings if shape not in told_shapes]
    agrees = f"cannot be told: {'; '.join(untold)}" if untold else "agrees"
    return {
        "trend": name,
        "published": published,
        "decided_by": "; ".join(dict.fromkeys(_rule(claim) for claim in claims)),
        "ours": "; ".join(f.text for f in told),
        "significant": f"{sum(f.significant for f in told)} of {len(told)}" if told else "",
        "agrees": agrees if all(f.holds for f in told) else "does not",
    }


def _rule(claim):
    order = f" ({', '.join(claim.first)})" if claim.first else ""
    return f"mean {claim.metric} along {claim.along}{order}: {claim.shape}"


def _finding(results, claim):
    holds, least = SHAPES[claim.shape]
    label = ", ".join(f"{k} {v}".removeprefix("network ") for k, v in claim.where.items())
    if claim.metric not in results:
        return Finding(f"no column {claim.metric}")
    for column, value in claim.where.items():
        results = results[results[column] == value]
    found = set(results[claim.along])
    if len(found) < least or not found >= set(claim.first):
        has = ", ".join(map(str, sorted(found))) or "none"
        needs = ", ".join(claim.first) or f"at least {least}"
        return Finding(f"{label}: {claim.along} {has}, needs {needs}")
    order = [*claim.first, *sorted(found - set(claim.first))]
    scores = results.pivot(index=claim.blocks, columns=claim.along, values=claim.metric)[order]
    lacking = scores.index[scores.isna().any(axis=1)]
    if len(lacking):
        block = ", ".join(f"{k} {v}" for k, v in zip(claim.blocks, lacking[0], strict=True))
        return Finding(f"{label}: {len(lacking)} incomplete along {claim.along}, first {block}")
    test = friedman(scores.groupby("subject").mean())
    text = f"{label}: {claim.along} {_shown(scores.mean())} ({_printed(test)})"
    return Finding(text, bool(holds(scores.mean())), test.p < SIGNIFICANT)


def _shown(means):
    """All means, or the highest and the lowest of more than five."""
    texts = [f"{value}: {mean:.3f}" for value, mean in means.items()]
    if len(texts) > 5:
        highest, lowest = texts[means.argmax()], texts[means.argmin()]
        return f"{highest} (highest) to {lowest} (lowest of {len(texts)})"
    return ", ".join(texts)


def _printed(test):
    if test.n_blocks == 1:
        return "one participant, no test"
    return f"Friedman p = {test.p:.2g}, Kendall's W = {test.kendall_w:.2f}, n = {test.n_blocks}"
