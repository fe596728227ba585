"""Tables 2, 3, 5 and 6 and Figures 4 to 7: scores of a network over windows and steps."""

import seaborn as sns
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hdsemg_nb.chapters import scores
from hdsemg_nb.chapters.score_figures import draw_bars, draw_panels
from hdsemg_nb.figures import NETWORK_COLOURS

MEAN = dict(color="k", lw=0.6, ls="--")


def window_and_step(runs, network, by_intensity=False):
    """Tables 2, 5 and 6, and by intensity Table 3: `scores.summary` of a network, beside the
    published.
    """
    table = scores.summary(runs, by_intensity)
    return scores.beside(table[table["network"] == network].reset_index(drop=True))


def draw_window_and_step(table, runs, *about):
    """Figures 4, 6 and 7: means over recordings with the standard deviation (cut at 0).

    Parameters
    ----------
    table : pandas.DataFrame
        From `window_and_step`, over all intensities.
    runs : pandas.DataFrame
        From `scores.scores`.
    *about : str
        stem, output and note of `figures.save`.
    """
    return _draw(table, runs, about, [], rows=2, height_mm=110)


def draw_intensities(table, runs, *about):
    """Figure 5: as `draw_window_and_step`, one column for each intensity."""
    drawn = table.groupby("mvc")[["n", "width"]].apply(_all_there).any()
    line = [Line2D([], [], label="mean of all bars", **MEAN)] if drawn else []
    shared = dict(sharex=True, sharey="row")
    return _draw(table, runs, about, line, rows=len(scores.METRICS), height_mm=160, **shared)


def _all_there(cells):
    """Whether every cell was trained at full width."""
    return bool(((cells["n"] > 0) & (cells["width"] == 1)).all())


def _draw(table, runs, about, handles, **options):
    steps = table["step"].unique()
    colour = NETWORK_COLOURS[table["network"].iloc[0]]
    shades = dict(zip(steps, sns.light_palette(colour, len(steps) + 1)[1:], strict=True))

    def draw(ax, cells):
        draw_bars(ax, cells, runs, "window", "step", cells["step"].map(shades))
        if cells["mvc"].iloc[0] != "all" and _all_there(cells):
            mean = cells["mean"].mean()
            ax.axhline(mean, **MEAN)
            ax.set_title(f"{ax.get_title(loc='left')}: mean {mean:.2f}")

    bars = [Patch(fc=fc, ec="k", lw=0.3, label=f"S = {step}") for step, fc in shades.items()]
    label, handles = "Window W (samples)", [*bars, *handles]
    return draw_panels(
        table, draw, scores.METRICS, xlabel=label, handles=handles, about=about, **options
    )
