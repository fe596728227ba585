"""The eight trends that the paper reports, looked for in scores under its protocol.

A trend is decided by the order of means over recordings alone, as the paper's text does, and only
where every cell that the claim speaks of was trained at full width; Friedman's p over participants
and Kendall's W stand beside it and decide nothing. "Accuracy" is F1, except in T6, for which the
text gives precision. T8 speaks of times, which are measured, not trained, and of a GPU.
"""

from itertools import product

import numpy as np
import pandas as pd

from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import CELL, SIGNIFICANT
from hdsemg_nb.chapters.scores import GRID, RUN
from hdsemg_nb.stats import friedman


def _rises(means):
    steps = np.diff(means)
    return (steps >= 0).all() and (steps > 0).any()


SHAPES = {
    "rises": _rises,
    "falls": lambda means: _rises(-means),
    "rises, then falls": lambda means: (
        _rises(means[: means.argmax() + 1]) and _rises(-means[means.argmax() :])
    ),
    "the first is highest": lambda means: means[0] == means.max(),
}


def trends(results, times):
    """Look for the paper's eight trends in scores, and in times of training.

    Parameters
    ----------
    results : pandas.DataFrame
        From `scores.scores`; rows with a width below 1 are passed over.
    times : pandas.DataFrame
        From `time_efficiency.training_times`. Those of every device are told; only a GPU decides,
        as the paper's does.

    Returns
    -------
    pandas.DataFrame
        trend (T1 to T8), published, ours (each sequence of means over the recordings
        that have all of its cells, the Friedman test over participants), significant (of how many
        sequences Friedman's p is below 0.05; "" for times), agrees ("agrees", "does not" when one
        sequence contradicts, "cannot be told" when one lacks a cell or a participant) and missing
        (what it lacks).
        Agreement without significance may be chance.
    """
    full, rows = results[results["width"] == 1], []
    for trend, claim, place in published.trends().itertuples(index=False):
        sequences = published.sequences().query("trend == @trend")
        look, where = (_timed, times) if trend == "T8" else (_finding, full)
        found = pd.DataFrame([look(where, sequence) for sequence in sequences.itertuples()])
        told = found[found["holds"].notna()]
        tested = told["significant"].dropna() if len(told) else ()
        verdict = "agrees" if told["holds"].all() else "does not"
        row = {"trend": trend, "published": f"{claim} ({place})", "ours": "; ".join(told["text"])}
        row["significant"] = f"{sum(tested)} of {len(tested)}" if len(tested) else ""
        row["agrees"] = verdict if len(told) == len(found) else "cannot be told"
        rows.append({**row, "missing": "; ".join(found.drop(index=told.index)["text"])})
    return pd.DataFrame(rows)


def _finding(results, sequence):
    """What the results show of a sequence; `holds` is None when they cannot tell it."""
    points = dict(_point(point, sequence.along) for point in sequence.points.split())
    cells = sum(points.values(), [])
    cell = [*CELL, "mvc"][: len(cells[0])]
    block = [name for name in RUN if name not in cell]
    wide = results.pivot(index=block, columns=cell, values=sequence.metric)
    wide = wide.reindex(columns=pd.MultiIndex.from_tuples(cells, names=cell))
    complete = wide.dropna()
    n, every = (table.reset_index()["subject"].nunique() for table in (complete, results))
    if n < every:
        lacking = f"{n} of {every} participants have all cells" if n else _lacking(wide)
        return {"text": f"{sequence.of}: {lacking}", "holds": None}
    scores = pd.DataFrame({at: complete[cells].mean(axis=1) for at, cells in points.items()})
    test, means = friedman(scores.groupby("subject").mean()), scores.mean()
    blocks = "participants" if sequence.along == "mvc" else "recordings"
    what = f"{sequence.of}: mean {sequence.metric} by {sequence.along}"
    return {
        "text": f"{what} {_shown(means)} ({len(scores)} {blocks}; {_printed(test)})",
        "holds": bool(SHAPES[sequence.shape](means.to_numpy())),
        "significant": test.p < SIGNIFICANT,
    }


def _timed(times, sequence):
    """What times say of a sequence; `holds` is None when no GPU was timed at all of its cells."""
    points = dict(_point(point, sequence.along) for point in sequence.points.split())
    wide = times.pivot(index=["device", "decoder"], columns=CELL, values="mean")
    wide = wide.reindex(columns=sum(points.values(), [])).dropna().set_axis([*points], axis=1)
    gpus = wide[wide.index.get_level_values("device").str.contains("GPU")]
    if gpus.empty:
        return {"text": f"{sequence.of}: measured on no GPU", "holds": None}
    told = [f"{device}, {loop}: {_shown(means)}" for (device, loop), means in wide.iterrows()]
    what = f"{sequence.of}: {sequence.metric} by {sequence.along}"
    holds = all(SHAPES[sequence.shape](means) for means in gpus.to_numpy())
    return {"text": f"{what} ({'; '.join(told)})", "holds": holds, "significant": None}


def _point(text, along):
    """Name and cells of a point such as ML-DRSNet/*/*/10: network, window, step and any mvc."""
    given = dict(zip([*CELL, "mvc"], text.split("/"), strict=False))
    network, *numbers = given.items()
    values = [GRID[name] if value == "*" else [int(value)] for name, value in numbers]
    return "/".join(given[name] for name in along.split("/")), list(product(network[1:], *values))


def _lacking(wide):
    never = ["/".join(map(str, cell)) for cell in wide.columns[wide.isna().all()]]
    some = ", ".join(never[:5] + ["..."] * (len(never) > 5))
    text = f"{len(never)} of {wide.shape[1]} cells not run at full width ({some})"
    return text if never else "no recording has all cells"


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
