"""Results under the paper's protocol -> scores, and what notebooks 03 to 05 share about them.

Scores are those of `metrics.recording_scores`, averaged over motor units (macro).
"""

import pandas as pd

from hdsemg_nb import metrics, results
from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import CELL, NOT_GIVEN
from hdsemg_nb.decoders import PAPER_NETWORKS
from hdsemg_nb.results import DEFAULTS

RECORDING = ["subject", "mvc"]
RUN = [*RECORDING, *CELL]
GRID = {"window": (20, 60, 100, 140), "step": (10, 20, 30, 40, 50)}  # paper, Table 2, samples
INTENSITIES = (10, 30, 50)  # paper, % MVC
NOT_RUN = "not run yet"
METRICS = ["f1", "sensitivity", "n_identified", "precision"]  # paper, panels a to d of Figure 4
LABELS = {
    "f1": "F1-score",
    "sensitivity": "Sensitivity",
    "n_identified": "Identified motor units",
    "identified_percent": "Identified (%)",
    "precision": "Precision",
}
HEADS = {"window": "W (samples)", "step": "S (samples)", "mvc": "MVC (%)", "n": "Recordings"}
# what may differ between runs under one protocol; the rest are the defaults of `Run`
FREE = {"tested_folds", "width", "patience", "bf16", "seed"}


def read(name="protocol"):
    """Rows of results/<name>.csv under the paper's protocol: its networks, shuffled folds, labels
    over the step.

    Of a recording, network, window and step the run with most folds counts; where a network was
    trained at full width for any recording, its narrow stand-ins in that cell do not.

    Parameters
    ----------
    name : str

    Returns
    -------
    pandas.DataFrame
        As `results.read`, with mvc a whole number where it is one, "unknown" where none is given.

    Raises
    ------
    ValueError
        When there are no such rows, runs were trained otherwise, or there are several recordings of
        a subject and intensity, or runs of one recording, network, window and step, for example
        with two seeds.
    """
    table = results.read(name)
    chosen = (table["split"] == "shuffled") & (table["span"] == "step")
    rows = table[chosen & table["network"].isin(PAPER_NETWORKS)]
    if rows.empty:
        raise ValueError(
            f"results/{name}.csv holds no run of {', '.join(PAPER_NETWORKS)} with split 'shuffled' "
            "and span 'step'"
        )
    _check_protocol(rows, name)
    mvc = rows["mvc"].astype(object).where(rows["mvc"].notna(), "unknown")
    rows = rows.assign(mvc=[int(m) if m != "unknown" and m % 1 == 0 else m for m in mvc])
    several = rows.groupby(RECORDING)["recording_digest"].nunique()
    if (several > 1).any():
        one = " ".join(map(str, several.index[several > 1][0]))
        raise ValueError(
            f"results/{name}.csv holds several recordings of {one} % MVC: other cohorts"
        )
    rows = rows[rows["width"] == rows.groupby(CELL)["width"].transform("max")]
    rows = rows[rows["tested_folds"] == rows.groupby(RUN)["tested_folds"].transform("max")]
    twice = rows[rows.duplicated([*RUN, "fold", "motor_unit"], keep=False)]
    if len(twice):
        run = ", ".join(f"{name} {twice[name].iloc[0]}" for name in RUN)
        raise ValueError(f"results/{name}.csv holds several runs of {run}; keep one of them")
    return rows.reset_index(drop=True)


def _check_protocol(rows, name):
    for setting, default in DEFAULTS.items():
        given = rows[setting]
        other = given[given.notna() if default is None else given != default]
        if len(other) and setting not in FREE:
            raise ValueError(
                f"results/{name}.csv holds runs trained with {setting}={other.iloc[0]}; "
                f"the paper's protocol is {default}. Keep them in a file of their own"
            )


def stamp(rows, name="protocol"):
    """One line about rows of `read`, to be printed on the figure or table that shows them."""
    file = f"results/{name}.csv"
    if rows.empty:
        return f"{NOT_RUN}; {file}"
    sources = ["SYNTHETIC data" if s.startswith("synthetic") else s for s in rows["recording"]]
    n = len(rows[RECORDING].drop_duplicates())
    mvc = ", ".join(map(str, _sorted(rows["mvc"])))
    several = (rows["tested_folds"] > 1).any()
    folds = f"{span(rows['tested_folds'])} folds" if several else "first fold"
    narrow = ", ".join(f"{x:g}" for x in sorted(set(rows["width"])) if x < 1)
    narrow = f"; narrow: width {narrow}" if narrow else ""
    data = ", ".join(dict.fromkeys(sources))
    return f"{data}, {n} recording{'s'[: n > 1]} at {mvc} % MVC; {file}, {folds}{narrow}"


def span(numbers):
    """Lowest and highest of whole numbers as text; one of them when they are the same."""
    low, high = min(numbers), max(numbers)
    return f"{low:g} to {high:g}" if low < high else f"{low:g}"


def scores(rows, prefix=""):
    """Scores of every run.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `read`.
    prefix : {"", "val_", "f1_"}
        Counts to score: of the test windows, of the validation windows, or of the test windows
        with the weights of the highest validation F1.

    Returns
    -------
    pandas.DataFrame
        One row per recording, network, window and step: these, the columns of
        `metrics.recording_scores`, and width.
    """
    counts = ["n_windows", "tp", "fp", "fn"]
    counted = rows.assign(**{c: rows[prefix + c] for c in counts if prefix + c in rows})
    found = metrics.score_table(counted.dropna(subset=counts), RUN)
    return found.merge(rows.groupby(RUN, as_index=False)["width"].first())


def shown(table):
    """Names of the networks as people read them: a narrow stand-in is called so."""
    narrow = table["network"].where(table["width"] == 1, table["network"] + " (narrow)")
    return table.assign(network=narrow)


def complete(runs):
    """The largest part of a network's runs in which every recording has every window and step."""
    there = pd.crosstab([runs[name] for name in RECORDING], [runs["window"], runs["step"]]) > 0
    there = there.loc[there.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    sizes = [n * there.iloc[:n].all().sum() for n in range(1, len(there) + 1)]
    kept = there.iloc[: pd.Series(sizes)[::-1].idxmax() + 1]
    cells = kept.columns[kept.all()].to_frame(index=False)
    return runs.merge(kept.index.to_frame(index=False)).merge(cells)


def summary(runs, by_intensity=False):
    """Scores of every network, window and step over recordings.

    Parameters
    ----------
    runs : pandas.DataFrame
        From `scores`.
    by_intensity : bool
        A mean for each intensity instead of over all of them.

    Returns
    -------
    pandas.DataFrame
        One row per network, window, step, mvc and metric: n (recordings), mean and sd over them
        (of the sample), width, like (full width, all recordings that any run is of and, for "all",
        all the paper's intensities).
        All of the paper's cells are there; one without runs has n 0. identified_percent is the
        mean number of identified motor units of the mean number of motor units, as in the paper,
        and has no sd.
    """
    cell = [*CELL, "mvc"]
    given, runs = runs, runs if by_intensity else runs.assign(mvc="all")
    long = runs.melt(cell, METRICS, "metric").groupby([*cell, "metric"])["value"]
    table = long.agg(n="count", mean="mean", sd="std")
    grouped = runs.groupby(cell)
    share = 100 * grouped["n_identified"].sum() / grouped["n_motor_units"].sum()
    share = pd.DataFrame({"n": grouped.size(), "mean": share}).assign(metric="identified_percent")
    table = pd.concat([table, share.set_index("metric", append=True)])
    grid = [_sorted([*GRID[name], *runs[name]]) for name in GRID]
    intensities = _sorted([*INTENSITIES, *runs["mvc"]]) if by_intensity else ["all"]
    every = [PAPER_NETWORKS, *grid, intensities, LABELS]
    every = pd.MultiIndex.from_product(every, names=[*cell, "metric"])
    groups = given.groupby(CELL)
    about = groups[["width"]].first()
    all_there = groups["mvc"].agg(lambda mvc: set(mvc) >= set(INTENSITIES)).astype(bool)
    about["like"] = (all_there | by_intensity) & (about["width"] == 1)
    table = table.reindex(every).reset_index().join(about, on=CELL)
    table = table.fillna({"n": 0, "width": 1, "like": False}).astype({"n": int, "like": bool})
    recordings = given.drop_duplicates(RECORDING)
    n = recordings["mvc"].value_counts() if by_intensity else {"all": len(recordings)}
    return table.assign(like=table["like"] & (table["n"] == table["mvc"].map(n)))


def beside(table):
    """`published.beside`, with a difference only where the cell is `like` the published."""
    table = published.beside(table)
    return table.assign(difference=table["difference"].where(table["like"]))


def printed(table):
    """Tables 2, 3 and 5-10 as the paper prints them: a row per cell, mean ± SD per metric.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of `summary` through `beside`, or of `comparison.compare`.

    Returns
    -------
    pandas.DataFrame
        All text; under a cell that the paper's text gives values for, they and the differences,
        where any can be told, stand in rows of their own. A cell without runs says so.
    """
    keys = [name for name in ("setting", *CELL, "mvc") if name in table]
    so_far = ~table["like"] & (table["n"] > 0)
    table = table.assign(mvc=table["mvc"].mask(so_far, table["mvc"].astype(str) + " so far"))
    table = published.printed(shown(table)).replace({"ours": {"": NOT_RUN}})
    rows = []
    for key, cell in table.set_index("metric").rename(LABELS).groupby(keys, sort=False):
        values = {name: name for name in ("ours", "published", "difference")}
        if (cell["published"] == NOT_GIVEN).all():
            values = {"ours": f"ours; published: {NOT_GIVEN}"}
        names = {**dict(zip(keys, key, strict=True)), "n": cell["n"].iloc[0]}
        told = {name: label for name, label in values.items() if cell[name].any()}
        rows += [{**names, "values": label, **cell[name]} for name, label in told.items()]
    return pd.DataFrame(rows).rename(columns=lambda name: HEADS.get(name, name.capitalize()))


def _sorted(values):
    """Different values, text last."""
    return sorted(set(values), key=lambda x: (isinstance(x, str), x))
