"""Tables 7 to 10 and Figures 8 to 11: the networks compared, at their best settings and shortest.

A narrow stand-in is shown and not tested, nor are networks whose best setting was chosen among
different numbers of cells: the more there are, the better the best.
"""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from hdsemg_nb import stats
from hdsemg_nb.chapters import published, scores
from hdsemg_nb.chapters.published import NOT_GIVEN
from hdsemg_nb.chapters.score_figures import draw_bars, draw_panels
from hdsemg_nb.chapters.scores import (
    CELL,
    GRID,
    INTENSITIES,
    LABELS,
    METRICS,
    NOT_RUN,
    RECORDING,
)
from hdsemg_nb.decoders import PAPER_NETWORKS
from hdsemg_nb.figures import NETWORK_COLOURS

PAIR_COLUMNS = [
    *("setting", "mvc", "metric", "blocks", "a", "b", "higher", "p", "p_exact", "stars"),
    *("chi_square", "df", "friedman_p", "kendall_w", "n_blocks", "left_out"),
]
FEWEST = 3  # blocks: of fewer no p is below 0.05
N_CELLS = len(GRID["window"]) * len(GRID["step"])
STARS = "exact p: *** < 0.001, ** < 0.01, * < 0.05"  # as `stats.stars`


def best_settings(runs, validation):
    """Window and step with the highest mean F1 of each network, chosen in two ways.

    Setting "optimal" is chosen on the test windows, as the paper does, and its scores are
    therefore optimistic; "optimal on validation" is chosen on windows that are not scored. Chosen
    among cells that all of `n` recordings have, at full width where there is one; equal means go
    to the shorter window, then step.

    Parameters
    ----------
    runs, validation : pandas.DataFrame
        From `scores.scores`, of the test and of the validation windows.

    Returns
    -------
    pandas.DataFrame
        One row per setting and network: setting, network, window, step, published_window,
        published_step, f1 and sd (test windows, over these recordings), n, cells (chosen among),
        width. A network without runs stands at the paper's best, with n 0.
    """
    rows = []
    chosen_on = {"optimal": runs, "optimal on validation": validation}
    for (setting, some), network in product(chosen_on.items(), PAPER_NETWORKS):
        of_network = some[some["network"] == network]
        widest = of_network[of_network["width"] == of_network["width"].max()]
        cell, about = published.BEST_SETTINGS[network], (np.nan, np.nan, 0, 0, 1.0)
        if len(widest):
            same = scores.complete(widest)
            means = same.groupby(["window", "step"])["f1"].mean()
            cell = means.idxmax()
            chosen = same[(same["window"] == cell[0]) & (same["step"] == cell[1])]
            f1 = runs.merge(chosen[scores.RUN])["f1"]
            about = (f1.mean(), f1.std(), len(f1), len(means), widest["width"].iloc[0])
        rows.append((setting, network, *cell, *published.BEST_SETTINGS[network], *about))
    columns = ["published_window", "published_step", "f1", "sd", "n", "cells", "width"]
    return pd.DataFrame(rows, columns=["setting", *CELL, *columns])


def shortest_settings():
    """The paper's shortest window and step, 20 and 10 samples, for every network.

    Columns as the first of `best_settings`.
    """
    cell = published.SHORTEST
    rows = [("shortest", network, *cell, *cell) for network in PAPER_NETWORKS]
    return pd.DataFrame(rows, columns=["setting", *CELL, "published_window", "published_step"])


def compare(runs, settings, by_intensity=False):
    """Tables 7 to 10: the networks, each at its window and step, beside the published.

    Parameters
    ----------
    runs : pandas.DataFrame
        From `scores.scores`.
    settings : pandas.DataFrame
        From `best_settings` or `shortest_settings`.
    by_intensity : bool
        Tables 8 and 10, instead of 7 and 9.

    Returns
    -------
    pandas.DataFrame
        As `scores.summary` through `scores.beside`, with setting, published_window and
        published_step: what the published values were found with. A best setting has a difference
        from the published where every network was chosen among all cells.
    """
    columns = ["setting", *CELL, "published_window", "published_step"]
    table = settings[columns].merge(scores.summary(runs, by_intensity), on=CELL)
    order = ["setting", "mvc"] if by_intensity else ["setting"]
    table = table.sort_values(order, kind="stable", ignore_index=True)
    theirs = table.assign(window=table["published_window"], step=table["published_step"])
    table = scores.beside(theirs).assign(window=table["window"], step=table["step"])
    whole = table["setting"].isin(_chosen_among_all(settings))
    return table.assign(difference=table["difference"].where(whole))


def _chosen_among_all(settings):
    """Settings in which no network was chosen among fewer cells than the paper had."""
    cells = settings.get("cells", pd.Series(N_CELLS, settings.index))
    return set(settings["setting"]) - set(settings["setting"][cells < N_CELLS])


def _chosen_alike(settings):
    """Rows of the settings in which all networks of full width had as many cells to choose from."""
    if "cells" not in settings:
        return settings
    ran = settings[(settings["n"] > 0) & (settings["width"] == 1)]
    n_different = ran.groupby("setting")["cells"].nunique()
    return settings[settings["setting"].map(n_different) == 1]


def compare_pairs(runs, settings, by_intensity=False):
    """Friedman and post hoc tests between the networks of full width, for Tables 7 to 10.

    Within an intensity the blocks are participants. Over all intensities they are given twice:
    "recordings", as in the paper (recordings of one participant are not independent), and
    "participants", their means over intensities. A block that lacks a network is left out. Best
    settings are tested where all networks had as many cells to choose from.

    Parameters
    ----------
    runs, settings, by_intensity
        As for `compare`.

    Returns
    -------
    pandas.DataFrame
        setting, mvc, metric, blocks, then `stats.pairs`, left_out (blocks), and the published p as
        in `published.beside_p_values`; agrees is "not run yet" where not all three networks are
        compared, a best one was chosen among fewer cells than the paper had, not all the paper's
        intensities are there, a block is left out, or there are too few blocks. No row without two
        networks.
    """
    chosen = _chosen_alike(settings)[["setting", *CELL]].merge(runs[runs["width"] == 1])
    kinds = ["participants"] if by_intensity else ["recordings", "participants"]
    groups = chosen.assign(of=chosen["mvc"] if by_intensity else "all")
    tables = [
        _pairs(some, metric, over).assign(setting=setting, mvc=mvc)
        for (setting, mvc), some in groups.groupby(["setting", "of"], sort=False)
        for metric, over in product(METRICS, kinds)
    ]
    found = pd.concat([pd.DataFrame(), *tables], ignore_index=True).reindex(columns=PAIR_COLUMNS)
    table = published.beside_p_values(found)
    like = (table["df"] == 2) & (by_intensity or set(chosen["mvc"]) >= set(INTENSITIES))
    like &= table["setting"].isin(_chosen_among_all(settings))
    like &= (table["left_out"] == "") & (table["n_blocks"] >= FEWEST)
    judged = table["agrees"] != NOT_GIVEN
    return table.assign(agrees=table["agrees"].mask(judged & ~like, NOT_RUN))


def _pairs(runs, metric, over):
    """Rows of `compare_pairs`; none without two networks and a complete block."""
    table = runs.pivot(index=RECORDING, columns="network", values=metric)
    complete = table[[name for name in PAPER_NETWORKS if name in table]].dropna()
    lacking = table.index.drop(complete.index)
    if over == "participants":
        complete = complete.groupby("subject").mean()
    if complete.shape[1] < 2 or complete.empty:
        return pd.DataFrame()
    left_out = ", ".join(f"{subject} {mvc} %" for subject, mvc in lacking)
    return stats.pairs(complete).assign(metric=metric, blocks=over, left_out=left_out)


def printed_pairs(table):
    """Table of `compare_pairs` as people read it, numbers with three digits."""
    numbers = ["p", "p_exact", "chi_square", "friedman_p", "kendall_w"]
    text = {name: table[name].map(_three_digits) for name in numbers}
    table = table.assign(**text, metric=table["metric"].map(LABELS))
    return table.drop(columns=["published_higher", "difference"])


def _three_digits(x):
    return "<1e-10" if x < 1e-10 else f"{x:.3g}"  # the asymptotic law is no finer


def draw_networks_compared(table, pairs, runs, *about):
    """Figures 8 and 10: the networks over all intensities, with brackets of significance.

    Bars are means over recordings with the standard deviation. Stars of the exact p over the
    recordings, and in parentheses over the participants' means; a pair without a bracket differs
    significantly in neither.

    Parameters
    ----------
    table, pairs : pandas.DataFrame
        From `compare` and `compare_pairs`, one setting.
    runs : pandas.DataFrame
        From `scores.scores`.
    *about : str
        stem, output and note of `figures.save`.
    """
    key = f"{STARS} over recordings (participants)"
    return _draw(table, pairs, runs, about, key, METRICS, rows=1, height_mm=68)


def draw_networks_by_intensity(table, pairs, runs, *about):
    """Figures 9 and 11: precision and identified motor units of the networks by intensity.

    Parameters as for `draw_networks_compared`, the tables by intensity.
    """
    shape = dict(rows=2, height_mm=115, letters="F", sharey="row")  # a, b at 10 % MVC: Figure 11
    return _draw(table, pairs, runs, about, STARS, ["precision", "n_identified"], **shape)


def _draw(table, pairs, runs, about, key, metrics, **options):
    def draw(ax, cells):
        """Bars of one metric, one for each network, under brackets of significance."""
        names = scores.shown(cells)["network"].str.replace(" ", "\n")
        at = cells["window"].astype(str) + " / " + cells["step"].astype(str)
        networks = list(cells["network"])
        colours = cells["network"].map(NETWORK_COLOURS)
        top = draw_bars(ax, cells, runs, "network", "metric", colours)
        ax.set_xticks(range(len(networks)), names + "\n" + at, fontsize=4.8)
        _draw_brackets(ax, pairs.merge(cells[["metric", "mvc"]].iloc[:1]), networks.index, top)

    if pairs.empty or pairs["n_blocks"].max() < FEWEST:
        key = "no test: the networks lack cells"
    elif not pairs["stars"].any():
        key = "no pair differs significantly (exact p)"
    label, handles = "Window / step (samples)", [Line2D([], [], ls="", label=key)]
    return draw_panels(table, draw, metrics, xlabel=label, handles=handles, about=about, **options)


def _draw_brackets(ax, pairs, place, top):
    """A bracket over each pair that differs significantly, the nearest pairs lowest."""
    step, level = 0.12 * top, 1.03 * top
    marks = pairs.groupby(["a", "b"], sort=False)["stars"].agg(list)
    ends = {(a, b): (place(a), place(b)) for a, b in marks[marks.map(any)].index}
    for pair, (a, b) in sorted(ends.items(), key=lambda item: abs(item[1][0] - item[1][1])):
        ax.plot([a, a, b, b], level + step * np.array([0, 0.2, 0.2, 0]), color="k", lw=0.6)
        stars = [mark or "n.s." for mark in marks[pair]]
        text = stars[0] if len(stars) == 1 else f"{stars[0]} ({stars[1]})"
        ax.text((a + b) / 2, level + 0.25 * step, text, ha="center", va="bottom", fontsize=5)
        level += step
    ax.set_ylim(0, max(level, ax.get_ylim()[1]))
