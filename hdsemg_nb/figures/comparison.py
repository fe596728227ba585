"""Figures 4 to 11: scores over windows and steps, by intensity, and of the networks compared."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator

from hdsemg_nb.analysis import LABELS, METRICS, RECORDING
from hdsemg_nb.figures.style import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save
from hdsemg_nb.published import SETTINGS

AXES = {"n_identified": "Identified (motor units)"}
POINT = dict(ls="", marker="o", ms=1.6, mfc="0.25", mec="w", mew=0.2)
FIFTHS = np.linspace(0, 1, 6)
LEGEND = dict(fontsize=6, columnspacing=1.2, handletextpad=0.4, handlelength=1.2)
PUBLISHED = dict(fmt="D", ms=2.6, mfc="w", mec="k", mew=0.6, ecolor="k", elinewidth=0.5)


@plt.rc_context(STYLE)
def draw_window_and_step(table, scores, stem, output, note):
    """Figures 4, 6 and 7: scores of a network over windows and steps.

    Bars are means over recordings with the standard deviation (cut at 0), as in the paper.

    Parameters
    ----------
    table : pandas.DataFrame
        From `analysis.window_and_step`, over all intensities.
    scores : pandas.DataFrame
        From `analysis.scores`: the single recordings, drawn as points.
    stem, output, note : str
        See `save`.

    Returns
    -------
    IPython.display.Image
    """
    if table.empty:
        return _draw_nothing(stem, output, note)
    figure, axes = plt.subplots(2, 2, figsize=(TWO_COLUMNS, 110 * MM))
    for letter, ax, metric in zip("abcd", axes.flat, METRICS, strict=True):
        _draw_grid(ax, table[table["metric"] == metric], scores)
        ax.set(title=letter, ylabel=_label(metric))
    for ax in axes[-1]:
        ax.set_xlabel("Window W (samples)")
    _add_legend(figure, table, _step_patches(table))
    return save(figure, stem, output, note)


@plt.rc_context(STYLE)
def draw_intensities(table, scores, stem, output, note):
    """Figure 5: scores of a network over windows and steps, one column for each intensity.

    Parameters
    ----------
    table : pandas.DataFrame
        From `analysis.window_and_step`, by intensity.
    scores, stem, output, note
        As for `draw_window_and_step`.

    Returns
    -------
    IPython.display.Image
    """
    if table.empty:
        return _draw_nothing(stem, output, note)
    intensities = table["mvc"].unique()
    shape = len(METRICS), len(intensities)
    figure, axes = plt.subplots(
        *shape, figsize=(TWO_COLUMNS, 160 * MM), sharex=True, sharey="row", squeeze=False
    )
    for (row, column), ax in np.ndenumerate(axes):
        chosen = (table["metric"] == METRICS[row]) & (table["mvc"] == intensities[column])
        _draw_grid(ax, table[chosen], scores)
        mean = table.loc[chosen, "mean"].mean()
        ax.axhline(mean, color="k", lw=0.6, ls="--")
        letter = chr(ord("a") + row * shape[1] + column)
        ax.set_title(f"{letter}  {intensities[column]} % MVC: mean {mean:.2f}")
    for ax, metric in zip(axes[:, 0], METRICS, strict=True):
        ax.set_ylabel(_label(metric))
    for ax in axes[-1]:
        ax.set_xlabel("Window W (samples)")
    line = Line2D([], [], color="k", lw=0.6, ls="--", label="mean of the bars")
    _add_legend(figure, table, [*_step_patches(table), line])
    return save(figure, stem, output, note)


@plt.rc_context(STYLE)
def draw_networks_compared(table, pairs, scores, stem, output, note):
    """Figures 8 and 10: the networks over all intensities, with brackets of significance.

    Bars are means over recordings with the standard deviation. Stars over the recordings, as in
    the paper, and in parentheses over the participants' means; a pair without a bracket differs
    significantly in neither.

    Parameters
    ----------
    table : pandas.DataFrame
        From `analysis.compare`, one setting.
    pairs : pandas.DataFrame
        From `analysis.compare_pairs` of the same.
    scores : pandas.DataFrame
        From `analysis.scores`: the single recordings, drawn as points.
    stem, output, note : str
        See `save`.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplots(1, len(METRICS), figsize=(TWO_COLUMNS, 68 * MM))
    for letter, ax, metric in zip("abcd", axes, METRICS, strict=True):
        of_metric = pairs[pairs["metric"] == metric]
        _draw_networks(ax, table[table["metric"] == metric], of_metric, scores)
        ax.set(title=letter, ylabel=_label(metric), xlabel="Window / step (samples)")
    key = "*** p < 0.001, ** p < 0.01, * p < 0.05 over recordings (participants)"
    _add_legend(figure, table, [Line2D([], [], ls="", label=key)])
    return save(figure, stem, output, note)


@plt.rc_context(STYLE)
def draw_networks_by_intensity(table, pairs, scores, stem, output, note):
    """Figures 9 and 11: precision and identified motor units of the networks by intensity.

    Parameters
    ----------
    table, pairs : pandas.DataFrame
        From `analysis.compare` and `analysis.compare_pairs`, by intensity, one setting.
    scores, stem, output, note
        As for `draw_networks_compared`.

    Returns
    -------
    IPython.display.Image
    """
    intensities, metrics = table["mvc"].unique(), ["precision", "n_identified"]
    figure, axes = plt.subplots(
        2, len(intensities), figsize=(TWO_COLUMNS, 115 * MM), sharey="row", squeeze=False
    )
    for (column, row), ax in np.ndenumerate(axes.T):
        cell = [
            x[(x["metric"] == metrics[row]) & (x["mvc"] == intensities[column])]
            for x in (table, pairs)
        ]
        _draw_networks(ax, *cell, scores)
        letter = chr(ord("a") + 2 * column + row)  # paper, Figure 11: a and b at 10 % MVC
        ax.set_title(f"{letter}  {intensities[column]} % MVC")
    for ax, metric in zip(axes[:, 0], metrics, strict=True):
        ax.set_ylabel(_label(metric))
    for ax in axes[-1]:
        ax.set_xlabel("Window / step (samples)")
    key = "*** p < 0.001, ** p < 0.01, * p < 0.05"
    _add_legend(figure, table, [Line2D([], [], ls="", label=key)])
    return save(figure, stem, output, note)


def _draw_nothing(stem, output, note):
    """In place of a figure of a network that was not run."""
    figure = plt.figure(figsize=(TWO_COLUMNS, 30 * MM))
    figure.text(0.5, 0.5, "no runs of this network", ha="center")
    return save(figure, stem, output, note)


def _label(metric):
    return AXES.get(metric, f"{LABELS[metric]} (0 to 1)")


def _draw_grid(ax, cells, scores):
    """Bars of one metric: groups by window, within them the steps from light to dark."""
    windows, steps = cells["window"].unique(), cells["step"].unique()
    width = 0.84 / len(steps)
    group, place = np.searchsorted(windows, cells["window"]), np.searchsorted(steps, cells["step"])
    colours = _shades(NETWORK_COLOURS[cells["network"].iloc[0]], len(steps))
    x = group + (place - (len(steps) - 1) / 2) * width
    _draw_bars(ax, cells.assign(x=x), scores, width, [colours[i] for i in place])
    ax.set_xticks(range(len(windows)), windows)
    ax.set_xlim(-0.6, len(windows) - 0.4)


def _draw_networks(ax, cells, pairs, scores):
    """Bars of one metric, one for each network, under brackets of significance."""
    cells = cells.assign(x=np.arange(len(cells)))
    colours = [NETWORK_COLOURS[network] for network in cells["network"]]
    top = _draw_bars(ax, cells, scores, 0.7, colours)
    names = [f"{c.network}\n{c.window} / {c.step}" for c in cells.itertuples()]
    ax.set_xticks(cells["x"], names, fontsize=4.8)
    ax.set_xlim(-0.5, len(cells) - 0.5)
    _draw_brackets(ax, pairs, dict(zip(cells["network"], cells["x"], strict=True)), top)


def _draw_bars(ax, cells, scores, width, colours):
    """Mean and SD over recordings at x, the single recordings, and the published mean and SD.

    Returns the height of what is drawn.
    """
    ax.bar(cells["x"], cells["mean"], 0.94 * width, color=colours, ec="k", lw=0.3, zorder=1)
    x, y = _points(cells, scores, width)
    ax.plot(x, y, zorder=3, **POINT)
    error = dict(ecolor="k", elinewidth=0.8, capsize=1.5, capthick=0.8, zorder=2)
    ax.errorbar(cells["x"], cells["mean"], cells["sd"], fmt="none", **error)
    given = cells[cells["published_mean"].notna()]
    beside = given["x"] + 0.3 * width
    ax.errorbar(beside, given["published_mean"], given["published_sd"], zorder=4, **PUBLISHED)
    for place in cells.loc[cells["n"] == 0, "x"]:
        ax.text(place, 0, " no runs", rotation=90, ha="center", va="bottom", fontsize=5)
    whole = cells["metric"].iloc[0] == "n_identified"
    ax.yaxis.set_major_locator(MaxNLocator(5, integer=True) if whole else FixedLocator(FIFTHS))
    ends = [cells["mean"] + cells["sd"], given["published_mean"] + given["published_sd"], y]
    top = max([1.0, *(end.max() for end in ends if end.notna().any())])
    ax.set_ylim(0, max(1.05 * top, ax.get_ylim()[1]))
    return top


def _points(cells, scores, width):
    """Places of the single recordings: in the left half of the bar, in the same order in each."""
    of_cell = SETTINGS if (cells["mvc"] == "all").all() else [*SETTINGS, "mvc"]
    points = cells[[*of_cell, "x"]].merge(scores, on=of_cell)
    order = points.groupby(RECORDING).ngroup()
    left = 0.45 - 0.38 * (order + 0.5) / (order.max() + 1)
    return points["x"] - width * left, points[cells["metric"].iloc[0]]


def _draw_brackets(ax, pairs, x, top):
    """A bracket over each pair that differs significantly, the nearest pairs lowest."""
    step, level = 0.12 * top, 1.03 * top
    marks = pairs.groupby(["a", "b"], sort=False)["stars"].agg(list)
    for a, b in sorted(marks[marks.map(any)].index, key=lambda pair: abs(x[pair[0]] - x[pair[1]])):
        ends = [x[a], x[a], x[b], x[b]]
        ax.plot(ends, level + step * np.array([0, 0.2, 0.2, 0]), color="k", lw=0.6)
        stars = [mark or "n.s." for mark in marks[a, b]]
        text = stars[0] if len(stars) == 1 else f"{stars[0]} ({stars[1]})"
        ax.text((x[a] + x[b]) / 2, level + 0.25 * step, text, ha="center", va="bottom", fontsize=5)
        level += step
    ax.set_ylim(0, max(level, ax.get_ylim()[1]))


def _shades(colour, n):
    """From light to the full colour."""
    return [tuple(1 - k * (1 - np.array(to_rgb(colour)))) for k in np.linspace(1, 0.25, n)[::-1]]


def _step_patches(table):
    steps = table["step"].unique()
    shades = _shades(NETWORK_COLOURS[table["network"].iloc[0]], len(steps))
    return [
        Patch(fc=shade, ec="k", lw=0.3, label=f"S = {step}")
        for shade, step in zip(shades, steps, strict=True)
    ]


def _add_legend(figure, table, handles):
    """Legend above the panels: what is given, the points, and the published values if any."""
    recording = f"one recording (n = {table['n'].max()})"
    handles = [*handles, Line2D([], [], label=recording, **{**POINT, "ms": 2.5})]
    if table["published_mean"].notna().any():
        marker = dict(marker="D", ms=2.6, mfc="w", mec="k", mew=0.6, ls="")
        handles.append(Line2D([], [], label="published mean ± SD", **marker))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), **LEGEND)
