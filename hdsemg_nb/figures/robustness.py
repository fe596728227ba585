"""Figures of decoders under changed signals, with less data, and with parts taken away."""

import matplotlib.pyplot as plt
import numpy as np

from hdsemg_nb.figures.honest import COLOURS, MARKERS
from hdsemg_nb.figures.style import MM, STYLE, TWO_COLUMNS, save
from hdsemg_nb.robustness import AS_RECORDED

KINDS = {  # of change, and the name of its axis
    "noise": "Noise (signal-to-noise ratio)",
    "dead channels": "Dead channels",
    "electrode shift": "Electrode shift",
    "drift": "Drift (of 4 mm, in all)",
}
F1 = "F1 (mean over motor units)"


@plt.rc_context(STYLE)
def draw_robustness(summaries, output, note, stem="robustness"):
    """F1 of each decoder as the signal gets worse, one row of panels for each data set.

    Parameters
    ----------
    summaries : dict of str to pandas.DataFrame
        Title to a table of `robustness.summarise`.
    output, note, stem : str
        See `save`.

    Returns
    -------
    IPython.display.Image
    """
    size = (TWO_COLUMNS, 60 * MM * len(summaries) + 10 * MM)
    shape = len(summaries), len(KINDS)
    figure, axes = plt.subplots(*shape, figsize=size, sharey=True, squeeze=False)
    for letter, row, (title, table) in zip("abc", axes, summaries.items(), strict=False):
        for ax, kind in zip(row, KINDS, strict=True):
            _draw_kind(ax, table, kind)
        row[0].set(ylabel=F1, ylim=(0, 1.03))
        row[0].set_title(f"{letter}  {title}")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=6)
    return save(figure, stem, output, note)


def _draw_kind(ax, table, kind):
    """Lines over the levels of one kind, the signal as it was recorded first."""
    rows = table[table["kind"] == kind]
    if rows.empty:
        return ax.set_axis_off()
    levels = [AS_RECORDED[1], *rows["level"].unique()]
    for network, of_network in table.groupby("network", sort=False):
        chosen = of_network[of_network["kind"].isin([kind, AS_RECORDED[0]])].set_index("level")
        style = dict(color=COLOURS.get(network, "k"), marker=MARKERS.get(network, "."), ms=4)
        f1, sd = chosen["f1"].reindex(levels), chosen["f1_sd"].reindex(levels)
        ax.errorbar(range(len(levels)), f1, sd, label=network, capsize=1.5, elinewidth=0.5, **style)
    ax.set_xticks(range(len(levels)), ["as\nrecorded", *(n.replace(" ", "\n") for n in levels[1:])])
    ax.tick_params(axis="x", labelsize=5.5)
    ax.set_xlabel(KINDS[kind])
    ax.grid(axis="y", lw=0.3)
    return None


@plt.rc_context(STYLE)
def draw_ablation(seconds, ablation, output, note):
    """F1 of the decoders over the signal they were trained on, and of MUF-Net without its parts.

    Parameters
    ----------
    seconds : dict of str to pandas.DataFrame
        Title of a panel to columns network, train_seconds (s), f1.
    ablation : pandas.DataFrame
        Columns without ("" for the whole network) and f1.
    output, note : str
        See `save`; the stem is muf_ablation.

    Returns
    -------
    IPython.display.Image
    """
    figure, (*lefts, right) = plt.subplots(
        1,
        len(seconds) + 1,
        figsize=(TWO_COLUMNS, 70 * MM),
        width_ratios=[1] * len(seconds) + [1.1],
    )
    for letter, ax, (title, table) in zip("abc", lefts, seconds.items(), strict=False):
        _draw_seconds(ax, table)
        ax.set_title(f"{letter}  {title}")
    lefts[0].set_ylabel(F1)
    handles = {}
    for ax in lefts:
        handles |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles, loc="outside upper right", ncols=6)
    names = ["whole network", *(f"without {name}" for name in ablation["without"][1:])]
    place = -np.arange(len(ablation))
    right.barh(place, ablation["f1"], color=["0.35"] + ["0.75"] * (len(place) - 1), ec="k", lw=0.4)
    for y, f1 in zip(place, ablation["f1"], strict=True):
        right.text(f1 + 0.01, y, f"{f1:.2f}", va="center", fontsize=6)
    right.set_yticks(place, names)
    right.set(xlabel=F1, xlim=(0, 1.2))
    right.set_title(f"{'abc'[len(seconds)]}  Parts of MUF-Net")
    return save(figure, "muf_ablation", output, note)


def _draw_seconds(ax, table):
    for network, rows in table.groupby("network", sort=False):
        rows = rows.sort_values("train_seconds")
        style = dict(color=COLOURS.get(network, "k"), marker=MARKERS.get(network, "."), ms=4)
        ax.plot(rows["train_seconds"], rows["f1"], label=network, **style)
    ax.set(xlabel="Signal to train on (s)", ylim=(0, 1.03))
    ax.grid(axis="y", lw=0.3)
