"""Bars of scores over recordings, as Figures 4 to 11 have them."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator

from hdsemg_nb.chapters.published import SETTINGS
from hdsemg_nb.chapters.scores import LABELS, NOT_RUN
from hdsemg_nb.figures import MM, TWO_COLUMNS

POINT = dict(marker="o", mfc="0.25", mec="w", mew=0.2, ls="")
PUBLISHED = dict(marker="D", ms=2.6, mfc="w", mec="k", mew=0.6, ls="")
HATCH = "/////"  # of a narrow stand-in
WIDTH = 0.8  # of a group of bars, as seaborn places the points


def panels(rows, columns, height_mm, **options):
    """Figure of two columns' width with its axes, lettered row by row."""
    size = TWO_COLUMNS, height_mm * MM
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    for letter, ax in zip("abcdefghijklmnopqrstuvwxyz", axes.flat, strict=False):
        ax.set_title(letter)
    return figure, axes


def label(metric):
    """Of the axis of a metric."""
    return {"n_identified": "Identified (motor units)"}.get(metric, f"{LABELS[metric]} (0 to 1)")


def draw_bars(ax, cells, runs, x, hue, colours):
    """Mean and SD over recordings, the single recordings, and the published mean and SD.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    cells : pandas.DataFrame
        Rows of `scores.beside` of one metric.
    runs : pandas.DataFrame
        From `scores.scores`: those of the cells are drawn.
    x, hue : str
        Columns that place the bars in groups and within a group.
    colours : list
        One for each value of hue.

    Returns
    -------
    float
        Height of what is drawn.
    """
    metric = cells["metric"].iloc[0]
    orders = [list(dict.fromkeys(cells[name])) for name in (x, hue)]
    group, place = (cells[n].map(o.index) for n, o in zip((x, hue), orders, strict=True))
    n = 1 if x == hue else len(orders[1])
    at = group + (0 if n == 1 else (place - (n - 1) / 2) * WIDTH / n)
    within = [*SETTINGS, *(["mvc"] if "all" not in set(cells["mvc"]) else [])]
    runs = runs.merge(cells.loc[cells["n"] > 0, within])
    if len(runs):
        drawn = dict(data=runs, x=x, y=metric, hue=hue, dodge=n > 1, legend=False, ax=ax)
        drawn |= dict(order=orders[0], hue_order=orders[1])
        error = dict(errorbar="sd", capsize=0.3, err_kws=dict(color="k", lw=0.7))
        bars = dict(palette=colours, width=WIDTH, edgecolor="k", lw=0.3, saturation=1)
        sns.barplot(**drawn, **bars, **error)
        points = dict(jitter=False, size=1.7, linewidth=0.2, edgecolor="w", zorder=3)
        sns.stripplot(**drawn, **points, palette=["0.25"] * len(orders[1]))
        _hatch(ax, at[cells["width"] < 1])
    given = cells["published_mean"].notna()
    mean, sd = cells.loc[given, "published_mean"], cells.loc[given, "published_sd"]
    beside = at[given] + 0.3 * WIDTH / n
    ax.errorbar(beside, mean, sd, ecolor="k", elinewidth=0.5, zorder=4, **PUBLISHED)
    for place in at[cells["n"] == 0] if len(runs) else []:
        ax.text(place, 0, f" {NOT_RUN}", rotation=90, ha="center", va="bottom", fontsize=4.5)
    if runs.empty:
        ax.text(0.5, 0.5, NOT_RUN, transform=ax.transAxes, ha="center")
    ax.set(xlabel="", ylabel="", xlim=(-0.6, len(orders[0]) - 0.4))
    ax.set_xticks(range(len(orders[0])), orders[0])
    ends = [1.0, *(cells["mean"] + cells["sd"].fillna(0)), *(mean + sd.fillna(0)), *runs[metric]]
    top = float(np.nanmax(ends))
    whole = metric == "n_identified"
    fifths = FixedLocator(np.linspace(0, 1, 6))
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True) if whole else fifths)
    ax.set_ylim(0, max(1.05 * top, ax.get_ylim()[1]))  # panels of a row share it
    return top


def _hatch(ax, places):
    for bar in ax.patches:
        middle = bar.get_x() + bar.get_width() / 2
        if (abs(places - middle) < 0.01).any():
            bar.set_hatch(HATCH)
            bar.set_edgecolor("w")


def add_legend(figure, table, handles):
    """Legend above the panels: what is given, the points, and what else the table holds."""
    if n := sorted(set(table["n"]) - {0}):
        many = f"{n[0]} to {n[-1]}" if len(n) > 1 else n[0]
        point = Line2D([], [], label=f"one recording (n = {many})", ms=2.5, **POINT)
        handles = [*handles, point]
    if (table["width"] < 1).any():
        handles.append(Patch(fc="0.6", ec="w", hatch=HATCH, lw=0, label="narrow stand-in"))
    if table["published_mean"].notna().any():
        handles.append(Line2D([], [], label="published mean ± SD", **PUBLISHED))
    spread = dict(fontsize=6, columnspacing=1.2, handletextpad=0.4, handlelength=1.2)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), **spread)
