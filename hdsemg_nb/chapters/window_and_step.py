"""Tables 2, 3, 5 and 6 and Figures 4 to 7: scores of a network over windows and steps."""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hdsemg_nb.chapters import scores
from hdsemg_nb.chapters.score_figures import add_legend, draw_bars, label, panels
from hdsemg_nb.decoders import PAPER_NETWORKS
from hdsemg_nb.figures import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save


def window_and_step(runs, network, by_intensity=False):
    """Tables 2, 3, 5 and 6.

    Parameters
    ----------
    runs : pandas.DataFrame
        From `scores.scores`.
    network : str
    by_intensity : bool
        A mean for each intensity (Table 3) instead of over all of them.

    Returns
    -------
    pandas.DataFrame
        Rows of `scores.summary` of the network, through `scores.beside`.
    """
    table = scores.summary(runs, by_intensity)
    return scores.beside(table[table["network"] == network].reset_index(drop=True))


@plt.rc_context(STYLE)
def draw_window_and_step(table, runs, stem, output, note):
    """Figures 4, 6 and 7: means over recordings with the standard deviation (cut at 0).

    Parameters
    ----------
    table : pandas.DataFrame
        From `window_and_step`, over all intensities.
    runs : pandas.DataFrame
        From `scores.scores`.
    stem, output, note : str
        See `figures.save`.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = panels(2, 2, 110)
    for ax, metric in zip(axes.flat, scores.METRICS, strict=True):
        _draw_grid(ax, table[table["metric"] == metric], runs)
        ax.set_ylabel(label(metric))
    return _finish(figure, axes, table, [], stem, output, note)


@plt.rc_context(STYLE)
def draw_intensities(table, runs, stem, output, note):
    """Figure 5: as `draw_window_and_step`, one column for each intensity."""
    intensities = table["mvc"].unique()
    shape = len(scores.METRICS), len(intensities)
    figure, axes = panels(*shape, 160, sharex=True, sharey="row")
    for (row, column), ax in np.ndenumerate(axes):
        mvc, metric = intensities[column], scores.METRICS[row]
        cells = table[(table["metric"] == metric) & (table["mvc"] == mvc)]
        _draw_grid(ax, cells, runs)
        title = f"{ax.get_title(loc='left')}  {mvc} % MVC"
        if cells["n"].any():
            ax.axhline(cells["mean"].mean(), color="k", lw=0.6, ls="--")
            title += f": mean {cells['mean'].mean():.2f}"
        ax.set(title=title, ylabel=label(metric) if column == 0 else "")
    line = Line2D([], [], color="k", lw=0.6, ls="--", label="mean of the bars")
    return _finish(figure, axes, table, [line], stem, output, note)


def _draw_grid(ax, cells, runs):
    draw_bars(ax, cells, runs, "window", "step", _shades(cells))


def _shades(table):
    """From light to the full colour of the network, one for each step."""
    colour = NETWORK_COLOURS[table["network"].iloc[0]]
    return sns.light_palette(colour, table["step"].nunique() + 1)[1:]


def _finish(figure, axes, table, handles, stem, output, note):
    for ax in axes[-1]:
        ax.set_xlabel("Window W (samples)")
    steps = [
        Patch(fc=shade, ec="k", lw=0.3, label=f"S = {step}")
        for shade, step in zip(_shades(table), table["step"].unique(), strict=True)
    ]
    add_legend(figure, table, [*steps, *handles])
    return save(figure, stem, output, note)


@plt.rc_context(STYLE)
def draw_map(runs, output, note):
    """Mean F1 of every network, window and step as a heat map, with the number of recordings.

    Parameters
    ----------
    runs : pandas.DataFrame
        From `scores.scores`.
    output, note : str
        See `figures.save`; the stem is window_step_f1.

    Returns
    -------
    IPython.display.Image
    """
    table = scores.summary(runs)
    table = table[table["metric"] == "f1"]
    figure, axes = plt.subplots(1, 3, figsize=(TWO_COLUMNS, 55 * MM), sharey=True)
    for ax, network in zip(axes, PAPER_NETWORKS, strict=True):
        cells = table[table["network"] == network].copy()
        cells["text"] = [
            f"{c.mean:.2f}\nn = {c.n}" + ("\nnarrow" if c.width < 1 else "")
            for c in cells.itertuples()
        ]
        mean, text = (
            cells.pivot(index="window", columns="step", values=v) for v in ("mean", "text")
        )
        style = dict(vmin=0, vmax=1, cmap="cividis", cbar=False, linewidths=0.5)
        sns.heatmap(mean, annot=text, fmt="", annot_kws={"size": 4.5}, **style, ax=ax)
        for place in np.argwhere(mean.isna().to_numpy()):
            ax.text(*(place[::-1] + 0.5), scores.NOT_RUN.replace(" ", "\n"), **NONE)
        ax.set(title=network, xlabel="Step S (samples)", ylabel="")
    axes[0].set_ylabel("Window W (samples)")
    return save(figure, "window_step_f1", output, note)


NONE = dict(ha="center", va="center", fontsize=4.5, color="0.4")
