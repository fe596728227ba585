"""Panels with bars of scores over recordings, as Figures 4 to 11 have them."""

from itertools import product
from string import ascii_lowercase

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator

from hdsemg_nb.chapters.published import CELL
from hdsemg_nb.chapters.scores import LABELS, NOT_RUN, span
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save

POINT = dict(marker="o", mfc="0.25", mec="w", mew=0.2, ls="")
PUBLISHED = dict(marker="D", ms=2.6, mfc="w", mec="k", mew=0.6, ls="")
HATCH = "/////"  # of a narrow stand-in
WIDTH = 0.8  # of a group of bars


@plt.rc_context(STYLE)
def draw_panels(table, draw, metrics, rows, height_mm, xlabel, handles, about, **options):
    """Figure with a panel for each metric, or for each metric and intensity.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `scores.beside`.
    draw : callable
        Draws the rows of the table of one panel: draw(ax, cells).
    metrics : sequence of str
    rows : int
        Of panels.
    height_mm : float
    xlabel : str
    handles : list
        Of the legend, beside those of points, published values and narrow stand-ins.
    about : sequence of str
        stem, output and note of `figures.save`.
    **options
        letters: "F" counts the panels from top to bottom; others are of `pyplot.subplots`.

    Returns
    -------
    IPython.display.Image
    """
    panels = list(product(metrics, table["mvc"].unique()))
    shape, size = (rows, len(panels) // rows), (TWO_COLUMNS, height_mm * MM)
    letters = np.reshape(list(ascii_lowercase[: len(panels)]), shape, options.pop("letters", "C"))
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, **options)
    for ax, letter, (metric, mvc) in zip(axes.flat, letters.flat, panels, strict=True):
        ax.set_title(letter if mvc == "all" else f"{letter}  {mvc} % MVC")
        draw(ax, table[(table["metric"] == metric) & (table["mvc"] == mvc)])
        if mvc == panels[0][1]:
            unit = "Identified (motor units)"
            ax.set_ylabel(unit if metric == "n_identified" else f"{LABELS[metric]} (0 to 1)")
    for ax in axes[-1]:
        ax.set_xlabel(xlabel)
    spread = dict(fontsize=6, columnspacing=0.8, handletextpad=0.4, handlelength=1.2)
    handles = [*handles, *_key(table)]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), **spread)
    return save(figure, *about)


def _key(table):
    """Handles of the legend: the points, and what else the table holds."""
    if table["n"].any():
        n = span(table.loc[table["n"] > 0, "n"])
        number = ", below a bar: its n" if table.loc[table["n"] > 0, "n"].nunique() > 1 else ""
        yield Line2D([], [], label=f"one recording (n = {n}{number})", ms=2.5, **POINT)
    if (table["width"] < 1).any():
        yield Patch(fc="0.6", ec="w", hatch=HATCH, lw=0, label="narrow stand-in")
    if table["published_mean"].notna().any():
        there = " at the paper's best W / S" if "optimal" in set(table.get("setting", ())) else ""
        yield Line2D([], [], label=f"published mean ± SD{there}", **PUBLISHED)


def draw_bars(ax, cells, runs, x, hue, colours):
    """Mean and SD over recordings, the single recordings, and the published mean and SD.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    cells : pandas.DataFrame
        Rows of `scores.beside` of one metric, one for each bar.
    runs : pandas.DataFrame
        From `scores.scores`: those of the cells are drawn.
    x, hue : str
        Columns that place the bars in groups and within a group.
    colours : sequence
        One for each bar.

    Returns
    -------
    float
        Height of what is drawn.
    """
    metric, published = cells["metric"].iloc[0], cells["published_mean"]
    group, place = (pd.factorize(cells[name])[0] for name in (x, hue))
    n, width = place.max() + 1, WIDTH / (place.max() + 1)
    cells = cells.assign(at=group + (place - (n - 1) / 2) * width, colour=list(colours))
    ran, never = cells[cells["n"] > 0], cells[cells["n"] == 0]
    narrow = ran["width"] < 1
    bars = dict(color=ran["colour"], lw=0.3, ec=np.where(narrow, "w", "k"))
    ax.bar(ran["at"], ran["mean"], width, hatch=np.where(narrow, HATCH, ""), **bars)
    for colour, thick in (("w", 1.5), ("k", 0.7)):  # black on white, to be seen on dark bars
        look = dict(ls="", ecolor=colour, elinewidth=thick, capsize=thick + 0.3, capthick=thick)
        ax.errorbar(ran["at"], ran["mean"], ran["sd"], **look)
    within = [*CELL, *(["mvc"] if "all" not in set(cells["mvc"]) else [])]
    points = runs.merge(ran[[*within, "at"]])
    ax.plot(points["at"], points[metric], ms=1.7, **POINT)
    beside, spread = cells["at"] + 0.2 * width, cells["published_sd"]
    ax.errorbar(beside, published, spread, ecolor="k", elinewidth=0.5, zorder=4, **PUBLISHED)
    if ran["n"].nunique() > 1:
        _write_numbers(ax, ran)
    if ran.empty:
        ax.text(0.5, 0.5, NOT_RUN, transform=ax.transAxes, ha="center")
    else:
        _write_not_run(ax, never["at"], ran["at"].round())
    ax.set_xticks(range(group.max() + 1), cells[x].unique())
    ax.set_xlim(-0.6, group.max() + 0.6)
    ax.tick_params(axis="x", length=0, pad=5)
    ends = [cells["mean"] + cells["sd"].fillna(0), published + spread.fillna(0), points[metric]]
    top = float(np.nanmax([1.0, *pd.concat(ends)]))
    fifths, whole = FixedLocator(np.linspace(0, 1, 6)), MaxNLocator(5, integer=True)
    ax.yaxis.set_major_locator(whole if metric == "n_identified" else fifths)
    ax.set_ylim(0, max(1.05 * top, ax.get_ylim()[1]))  # panels of a row share it
    return top


def _write_not_run(ax, places, groups):
    """At each bar that is missing, or once where all of a group are."""
    for group, of_group in places.groupby(places.round()):
        alone = group in set(groups) or len(of_group) == 1
        for at in of_group if alone else [group]:
            how = dict(ha="center", va="bottom", rotation=90 * alone, fontsize=4.5 + (not alone))
            ax.text(at, 0, f" {NOT_RUN}" if alone else f"{NOT_RUN}\n", **how)


def _write_numbers(ax, ran):
    """Recordings under each bar: where they differ, bars do not compare."""
    under = dict(textcoords="offset points", va="top", ha="center", fontsize=4)
    for at, n in zip(ran["at"], ran["n"], strict=True):
        ax.annotate(n, (at, 0), (0, -1), **under)
