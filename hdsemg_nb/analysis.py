"""Results of a sweep -> Tables 2, 3 and 5-10 of the paper, best settings, and their tests.

Only rows under the paper's protocol count here: its three networks, shuffled folds, labels over
the step. Scores are those of `metrics.recording_scores`, averaged over motor units (macro).
"""

from itertools import product

import pandas as pd

from hdsemg_nb import metrics, paths, published, results, stats
from hdsemg_nb.published import NOT_GIVEN, SETTINGS

RECORDING = ["subject", "mvc"]
RUN = [*RECORDING, *SETTINGS]
METRICS = ["f1", "sensitivity", "n_identified", "precision"]  # paper, panels a to d of Figure 4
LABELS = {
    "f1": "F1-score",
    "sensitivity": "Sensitivity",
    "n_identified": "Identified motor units",
    "identified_percent": "Identified (%)",
    "precision": "Precision",
}
HEADS = {
    "setting": "Setting",
    "network": "Network",
    "window": "W (samples)",
    "step": "S (samples)",
    "mvc": "MVC (%)",
    "values": "Values",
}
COUNTS = ["n_windows", "tp", "fp", "fn"]
VALIDATION = [f"val_{name}" for name in COUNTS]
NEEDED = [*RUN, "split", "span", "recording", "fold", "motor_unit", "epoch_seconds", "device"]
PAPER = {  # paper, "Model training, validation and testing"
    "split": "shuffled",
    "epochs": 100,
    "tested_folds": 5,
    "learning_rate": 1e-4,
    "batch_size": 64,
    "whiten": False,
    "fit_offsets": False,
    "width": 1.0,
    "n_folds": 5,
    "decay": False,
}
PAPER_GRID = {  # paper, "Effects of window size, step size, ..."
    "window": {20, 60, 100, 140},
    "step": {10, 20, 30, 40, 50},
}
DATA = {"synthetic": "SYNTHETIC data", "DEMUSE": "Hug et al. 2021"}  # by the recordings' source


def read_results(path):
    """Read the results table of a sweep.

    Parameters
    ----------
    path : str
        CSV file, or folder of result files, from the project root.

    Returns
    -------
    pandas.DataFrame
        As `results.load`: one row per run, fold and motor unit.

    Raises
    ------
    FileNotFoundError
        When there is no such file or folder.
    ValueError
        When a column is missing.
    """
    file = paths.PROJECT / path
    if not file.exists():
        raise FileNotFoundError(f"results={path!r}: no such file or folder; run the sweep first")
    if file.is_dir():
        table = results.load(sorted(file.glob("*.json")))
    else:
        table = pd.read_csv(file, comment="#", dtype={"subject": str})
    missing = [name for name in [*NEEDED, *COUNTS, *VALIDATION] if name not in table]
    if missing:
        raise ValueError(f"results={path!r} lacks the columns {missing}; write it with the sweep")
    whole = (table["mvc"] % 1 == 0).all()
    return table.astype({"mvc": int}) if whole else table


def describe(rows, profile):
    """What the figures and tables are stamped with: data, what differs from the paper, profile.

    Parameters
    ----------
    rows : pandas.DataFrame
        Those of `read_results` that the figure or table is about, as `under_paper_protocol`.
    profile : str

    Returns
    -------
    str
    """
    if rows.empty:
        return f"no such runs; {profile} profile"
    sources = rows["recording"].map(lambda s: next((v for k, v in DATA.items() if k in s), s))
    n_recordings = len(rows[RECORDING].drop_duplicates())
    plural = "s" if n_recordings > 1 else ""
    data = f"{', '.join(sources.unique())}, {n_recordings} recording{plural}"
    settings = [name for name in PAPER if name in rows]
    unlike = _unlike_paper(rows, settings)
    changes = f"; unlike the paper: {', '.join(unlike)}" if unlike else ""
    within = rows.groupby(["network", "split"])[settings].nunique().max()
    mixed = list(within[within > 1].index)
    changes += f"; cells of a network not trained alike: {', '.join(mixed)}" if mixed else ""
    return f"{data}{changes}; {profile} profile"


def _unlike_paper(rows, settings):
    unlike = []
    for name, grid in PAPER_GRID.items():
        used = set(rows[name])
        if all(grid <= set(values) for _, values in rows.groupby("network")[name]):
            continue
        others = "".join(f" and {name} {value}" for value in sorted(used - grid))
        uneven = " but not with every network" if used >= grid else ""
        unlike.append(f"{len(used & grid)} of {len(grid)} {name}s{others}{uneven}")
    for name in settings:
        given = rows[name].dropna()  # the filter has no epochs
        if (given != PAPER[name]).any():
            values = (f"{x:g}" if isinstance(x, float) else f"{x}" for x in sorted(given.unique()))
            unlike.append(f"{name} {', '.join(values)}")
    return unlike


def under_paper_protocol(table):
    """Rows of the paper's networks with shuffled folds and labels over the step.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_results`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ValueError
        When there are none, or several runs of one recording, network, window and step, for
        example with two seeds.
    """
    chosen = (table["split"] == "shuffled") & (table["span"] == "step")
    rows = table[chosen & table["network"].isin(published.BEST_SETTINGS)]
    if rows.empty:
        raise ValueError("the results hold no run with split 'shuffled' and span 'step'")
    twice = rows[rows.duplicated([*RUN, "fold", "motor_unit"], keep=False)]
    if len(twice):
        run = ", ".join(f"{name} {twice[name].iloc[0]}" for name in RUN)
        raise ValueError(f"the results hold several runs of {run}; keep one (seed, epochs, ...)")
    return rows


def scores(table, counts="test"):
    """Scores of every run under the paper's protocol.

    Parameters
    ----------
    table : pandas.DataFrame
        From `read_results`.
    counts : {"test", "validation"}
        Windows scored: each fold's test windows, or its validation windows.

    Returns
    -------
    pandas.DataFrame
        One row per recording, network, window and step: these, the columns of
        `metrics.recording_scores`, and training_s_per_epoch (mean over folds). The last is left
        out when the runs were not all trained on one device: such times do not compare.

    Raises
    ------
    ValueError
        See `under_paper_protocol`.
    """
    rows = under_paper_protocol(table)
    seconds = rows.groupby(RUN)["epoch_seconds"].mean().rename("training_s_per_epoch")
    one_device = rows["device"].nunique() == 1
    if counts == "validation":
        rows = rows.drop(columns=COUNTS).rename(columns=dict(zip(VALIDATION, COUNTS, strict=True)))
    found = metrics.score_table(rows, RUN)
    return found.merge(seconds, on=RUN) if one_device else found


def missing(scores):
    """Cells of the grid that not every recording has been run in.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `scores`.

    Returns
    -------
    pandas.DataFrame
        network, window, step, n (recordings there are), lacking (recordings there are not). Empty
        when nothing is missing.
    """
    recordings = set(scores[RECORDING].itertuples(index=False, name=None))
    runs = scores.groupby(SETTINGS)[RECORDING].apply(
        lambda cell: set(cell.itertuples(index=False, name=None))
    )
    rows = []
    for cell in product(published.BEST_SETTINGS, *_grid(scores)):
        lacking = recordings - runs.get(cell, set())
        if lacking:
            names = ", ".join(f"{subject} {mvc} %" for subject, mvc in sorted(lacking))
            names = "all" if lacking == recordings else names
            rows.append((*cell, len(recordings) - len(lacking), names))
    return pd.DataFrame(rows, columns=[*SETTINGS, "n", "lacking"])


def window_and_step(scores, network, by_intensity=False):
    """Tables 2, 3, 5 and 6: scores of a network over windows and steps, beside the published.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `scores`.
    network : str
    by_intensity : bool
        A mean for each intensity (Table 3) instead of over all of them.

    Returns
    -------
    pandas.DataFrame
        One row per window, step, intensity and metric: n (recordings), mean and sd over them (of
        the sample), published_mean, published_sd, difference. A cell without runs has n 0.
        identified_percent is the mean number of identified motor units of the mean number of
        motor units, as in the paper, and has no sd.
    """
    table = _summary(scores, by_intensity)
    return published.beside(table[table["network"] == network].reset_index(drop=True))


def best_settings(scores, validation):
    """Window and step with the highest mean F1 of each network, chosen in two ways.

    Setting "optimal" is chosen on the test windows, as the paper does, and its scores are
    therefore optimistic; "optimal on validation" is chosen on windows that are not scored. Cells
    that lack recordings are passed over; equal means go to the shorter window, then step.

    Parameters
    ----------
    scores, validation : pandas.DataFrame
        From `scores`, with counts "test" and "validation".

    Returns
    -------
    pandas.DataFrame
        One row per setting and network: setting, network, window, step, published_window,
        published_step, f1 and sd (test windows, over recordings).
    """
    f1 = scores.groupby(SETTINGS)["f1"].agg(f1="mean", sd="std")
    chosen_on = {"optimal": scores, "optimal on validation": validation}
    rows = []
    for (setting, runs), network in product(chosen_on.items(), _networks(scores)):
        cell = (network, *_best_cell(runs[runs["network"] == network]))
        rows.append((setting, *cell, *published.BEST_SETTINGS[network], *f1.loc[cell]))
    columns = ["setting", *SETTINGS, "published_window", "published_step", "f1", "sd"]
    return pd.DataFrame(rows, columns=columns)


def shortest_settings(scores):
    """The shortest window and step for every network (paper: 20 and 10 samples).

    Parameters
    ----------
    scores : pandas.DataFrame
        From `scores`.

    Returns
    -------
    pandas.DataFrame
        Columns as the first of `best_settings`. Where the grid begins with another window or
        step, the setting is called "shortest of the grid": it is not the paper's.
    """
    windows, steps = _grid(scores)
    cell = (windows[0], steps[0])
    setting = "shortest" if cell == published.SHORTEST else "shortest of the grid"
    rows = [(setting, network, *cell, *cell) for network in _networks(scores)]
    return pd.DataFrame(rows, columns=["setting", *SETTINGS, "published_window", "published_step"])


def compare(scores, settings, by_intensity=False):
    """Tables 7 to 10: the networks, each at its window and step, beside the published.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `scores`.
    settings : pandas.DataFrame
        From `best_settings` or `shortest_settings`.
    by_intensity : bool
        Tables 8 and 10, instead of 7 and 9.

    Returns
    -------
    pandas.DataFrame
        As `window_and_step`, with setting, published_window and published_step: what the
        published values were found with.
    """
    columns = ["setting", *SETTINGS, "published_window", "published_step"]
    table = settings[columns].merge(_summary(scores, by_intensity), on=SETTINGS)
    order = ["setting", "mvc"] if by_intensity else ["setting"]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    window, step = table["published_window"], table["published_step"]
    beside = published.beside(table.assign(window=window, step=step))
    return beside.assign(window=table["window"], step=table["step"])


def compare_pairs(scores, settings, by_intensity=False):
    """Friedman and post hoc tests between the networks, for Tables 7 to 10.

    Within an intensity the blocks are participants. Over all intensities they are given twice:
    "recordings", as in the paper (recordings of one participant are not independent), and
    "participants", their means over intensities. A block that lacks a network is left out.

    Parameters
    ----------
    scores, settings, by_intensity
        As for `compare`.

    Returns
    -------
    pandas.DataFrame
        setting, mvc, metric, blocks, then `stats.pairs`, p_exact (exact, corrected for ties),
        left_out (blocks), then the published p as in `published.beside_p_values`.

    Raises
    ------
    ValueError
        When no recording has runs of two networks.
    """
    tables, overs = [], ["participants"] if by_intensity else ["recordings", "participants"]
    for setting, chosen in settings[["setting", *SETTINGS]].merge(scores).groupby("setting"):
        groups = chosen.groupby("mvc") if by_intensity else [("all", chosen)]
        for (mvc, runs), metric in product(groups, METRICS):
            row = {"setting": setting, "mvc": mvc, "metric": metric}
            tables += [_pairs(runs, row, over) for over in overs]
    tables = [table for table in tables if len(table)]
    if not tables:
        raise ValueError("no recording has runs of two networks at these settings")
    return published.beside_p_values(pd.concat(tables, ignore_index=True))


def blocks(runs, metric, over="recordings"):
    """Blocks x treatments of a metric for `stats`: complete blocks only.

    Parameters
    ----------
    runs : pandas.DataFrame
        Scores with one row per recording and network.
    metric : str
    over : {"recordings", "participants"}
        "participants": mean over the recordings of each.

    Returns
    -------
    complete : pandas.DataFrame, shape (blocks, networks)
    left_out : list of str
        Recordings that lack a network, or its score, and so are left out.
    """
    table = runs.pivot(index=RECORDING, columns="network", values=metric)[_networks(runs)]
    lacking = table[table.isna().any(axis=1)]
    left_out = [f"{subject} {mvc} %" for subject, mvc in lacking.index]
    complete = table.drop(index=lacking.index)
    return (complete.groupby("subject").mean() if over == "participants" else complete), left_out


def printed(table):
    """Tables 2, 3 and 5-10 as the paper prints them: a row per cell, mean ± SD per metric.

    Parameters
    ----------
    table : pandas.DataFrame
        From `window_and_step` or `compare`.

    Returns
    -------
    pandas.DataFrame
        All text; under a cell that the paper's text gives values for, they and the differences
        stand in rows of their own. A cell without runs says so.
    """
    keys = [name for name in ("setting", *SETTINGS, "mvc") if name in table]
    rows = []
    for key, cell in published.printed(table).groupby(keys, sort=False):
        cell = cell.set_index("metric").rename(LABELS).replace({"ours": {"": "no runs"}})
        given = (cell["published"] != NOT_GIVEN).any()
        shown = {"ours": "ours", "published": "published", "difference": "difference"}
        if not given:
            shown = {"ours": f"ours; published: {NOT_GIVEN}"}
        names = dict(zip(keys, key, strict=True))
        rows += [{**names, "values": label, **cell[name]} for name, label in shown.items()]
    return pd.DataFrame(rows).rename(columns=HEADS)


def printed_pairs(table):
    """Table of `compare_pairs` as people read it, numbers with three digits.

    Parameters
    ----------
    table : pandas.DataFrame

    Returns
    -------
    pandas.DataFrame
    """
    numbers = ["p", "p_exact", "chi_square", "friedman_p", "kendall_w"]
    text = {name: table[name].map(_three_digits) for name in numbers}
    text["metric"] = table["metric"].map(LABELS)
    columns = ["a", "b", "higher", "p", "stars", "p_exact", "published_p", "agrees"]
    tests = ["chi_square", "df", "friedman_p", "kendall_w", "n_blocks", "left_out"]
    return table.assign(**text)[["setting", "mvc", "metric", "blocks", *columns, *tests]]


def _three_digits(x):
    return "<1e-10" if x < 1e-10 else f"{x:.3g}"  # the asymptotic law is no finer


def _networks(scores):
    """The paper's networks that there are, in its order."""
    return [name for name in published.BEST_SETTINGS if name in set(scores["network"])]


def _grid(scores):
    return sorted(scores["window"].unique()), sorted(scores["step"].unique())


def _summary(scores, by_intensity):
    """Mean and SD over recordings of every cell of the grid and metric."""
    runs = scores if by_intensity else scores.assign(mvc="all")
    cell = [*SETTINGS, "mvc"]
    grouped = runs.groupby(cell)
    long = runs.melt(cell, METRICS, "metric").groupby([*cell, "metric"])["value"]
    table = long.agg(n="count", mean="mean", sd="std")
    share = 100 * grouped["n_identified"].sum() / grouped["n_motor_units"].sum()
    share = pd.DataFrame({"n": grouped.size(), "mean": share}).assign(metric="identified_percent")
    table = pd.concat([table, share.set_index("metric", append=True)])
    levels = [_networks(scores), *_grid(scores), sorted(set(runs["mvc"])), list(LABELS)]
    every = pd.MultiIndex.from_product(levels, names=[*cell, "metric"])
    return table.reindex(every).fillna({"n": 0}).astype({"n": int}).reset_index()


def _best_cell(runs):
    cells = runs.groupby(["window", "step"])["f1"].agg(["count", "mean"])
    return cells.loc[cells["count"] == cells["count"].max(), "mean"].idxmax()


def _pairs(runs, row, over):
    """Rows of `compare_pairs` of one metric; none without two networks and a complete block."""
    complete, left_out = blocks(runs, row["metric"], over)
    if complete.shape[1] < 2 or complete.empty:
        return pd.DataFrame()
    table = stats.pairs(complete)
    exact = stats.wnmt(complete, "exact", ties="corrected")
    p_exact = [exact.loc[a, b] for a, b in zip(table["a"], table["b"], strict=True)]
    table = table.assign(p_exact=p_exact, left_out=", ".join(left_out))
    for name, value in reversed({**row, "blocks": over}.items()):
        table.insert(0, name, value)
    return table
