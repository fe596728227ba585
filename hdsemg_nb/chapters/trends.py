"""The eight trends that the paper reports, looked for in scores under its protocol.

A trend is decided by the order of means over recordings alone, as the paper's text does, and only
where every cell that the claim speaks of was trained at full width; Friedman's p over participants
and Kendall's W stand beside it and decide nothing. "Accuracy" is F1, except in T6, for which the
text gives precision.
"""

from itertools import product
from typing import NamedTuple

import pandas as pd

from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import BEST_SETTINGS, SETTINGS, SHORTEST, SIGNIFICANT
from hdsemg_nb.chapters.scores import GRID, INTENSITIES, RUN
from hdsemg_nb.stats import friedman


class Claim(NamedTuple):
    """Means of `metric` have a `shape` along something, each the mean over its `cells`.

    `cells` are (network, window, step), and the intensity when the claim is along it.
    """

    shape: str
    of: str
    along: str
    cells: dict
    metric: str = "f1"


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


SHAPES = {
    "rises": _rises,
    "falls": lambda means: _rises(-means),
    "rises, then falls": _rises_then_falls,
    "the first is highest": lambda means: means.iloc[0] == means.max(),
}
DRS = "ML-DRSNet"
CELLS = list(product(*GRID.values()))  # window, step


def _along_step(shape, w):
    return Claim(shape, f"{DRS}, window {w}", "step", {s: [(DRS, w, s)] for s in GRID["step"]})


def _along_window(shape, s):
    return Claim(shape, f"{DRS}, step {s}", "window", {w: [(DRS, w, s)] for w in GRID["window"]})


def _best(network):
    cells = sorted(CELLS, key=lambda cell: cell != BEST_SETTINGS[network])
    cells = {f"{w}/{s}": [(network, w, s)] for w, s in cells}
    return Claim("the first is highest", network, "window/step", cells)


CLAIMS = {
    "T1": [_along_step("rises", 20)],
    "T2": [_along_step("falls", window) for window in (60, 100, 140)],
    "T3": [_along_window("falls", step) for step in (30, 40, 50)]
    + [_along_window("rises, then falls", step) for step in (10, 20)],
    "T4": [_best("ML-DCNN")],
    "T5": [_best("MT-DCNN")],
}
_SHORTEST = {name: [(name, *SHORTEST)] for name in ("ML-DRSNet", "ML-DCNN", "MT-DCNN")}
CLAIMS["T6"] = [Claim("falls", "window 20, step 10", "network", _SHORTEST, "precision")]
_BY_MVC = {mvc: [(DRS, *cell, mvc) for cell in CELLS] for mvc in INTENSITIES}
CLAIMS["T7"] = [Claim("falls", DRS, "mvc", _BY_MVC)]
_BEST = {name: [(name, *BEST_SETTINGS[name])] for name in ("ML-DCNN", "ML-DRSNet", "MT-DCNN")}
CLAIMS["T8"] = [Claim("rises", "best settings", "network", _BEST, "training_s_per_epoch")]


def trends(results):
    """Look for the paper's eight trends in scores.

    Parameters
    ----------
    results : pandas.DataFrame
        One row per recording, network, window and step, all of one kind of split: columns
        subject, mvc, network, window, step (samples), and the metrics f1, precision and
        training_s_per_epoch, as far as they were measured; rows with a width below 1 are passed
        over.

    Returns
    -------
    pandas.DataFrame
        trend (T1 to T8), published, ours (each sequence of means over the recordings
        that have all of its cells, the Friedman test over participants), significant (of how many
        sequences Friedman's p is below 0.05), agrees ("agrees", "does not" when one sequence
        contradicts, "cannot be told" when one lacks a cell) and missing (what it lacks).
        Agreement without significance may be chance.

    Raises
    ------
    ValueError
        When two rows are of the same recording, network, window and step.
    """
    full = results[results["width"] == 1] if "width" in results else results
    twice = full[full.duplicated(RUN)]
    if len(twice):
        row = ", ".join(f"{key} {twice[key].iloc[0]}" for key in RUN)
        raise ValueError(f"results hold {row} more than once; give one split and one seed only")
    return pd.DataFrame([_row(full, trend) for trend in published.trends().itertuples()])


def _row(results, known):
    claims = CLAIMS[known.trend]
    findings = [_finding(results, claim) for claim in claims]
    told = [f for f in findings if f.holds is not None]
    untold = [f.text for f in findings if f.holds is None]
    verdict = "agrees" if all(f.holds for f in told) else "does not"
    return {
        "trend": known.trend,
        "published": f"{known.claim} ({known.place})",
        "ours": "; ".join(f.text for f in told),
        "significant": f"{sum(f.significant for f in told)} of {len(told)}" if told else "",
        "agrees": "cannot be told" if untold else verdict,
        "missing": "; ".join(untold),
    }


def _finding(results, claim):
    if claim.metric not in results:
        return Finding(f"no {claim.metric} measured on one device")
    cell = [*SETTINGS, "mvc"] if claim.along == "mvc" else SETTINGS
    needed = pd.MultiIndex.from_tuples(sum(claim.cells.values(), []), names=cell)
    block = [name for name in RUN if name not in cell]
    wide = results.pivot(index=block, columns=cell, values=claim.metric).reindex(columns=needed)
    complete = wide.dropna()
    if complete.empty:
        return Finding(f"{claim.of}: {_lacking(wide)}")
    scores = pd.DataFrame({at: complete[cells].mean(axis=1) for at, cells in claim.cells.items()})
    test = friedman(scores.groupby("subject").mean())
    means = scores.mean()
    blocks = "participants" if claim.along == "mvc" else "recordings"
    what = f"{claim.of}: mean {claim.metric} by {claim.along}"
    text = f"{what} {_shown(means)} ({len(scores)} {blocks}; {_printed(test)})"
    return Finding(text, bool(SHAPES[claim.shape](means)), test.p < SIGNIFICANT)


def _lacking(wide):
    never = ["/".join(map(str, cell)) for cell in wide.columns[wide.isna().all()]]
    if not never:
        return "no recording has all cells"
    some = ", ".join(never[:5]) + (", ..." if len(never) > 5 else "")
    return f"{len(never)} of {wide.shape[1]} cells not run at full width ({some})"


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
