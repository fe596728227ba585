"""Figures of the honest evaluation."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from hdsemg_nb.figures.style import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save
from hdsemg_nb.honest.peers import ALWAYS_POSITIVE, LINEAR
from hdsemg_nb.honest.trains import FILTER_TRAINS, LABELS, SEPARATION, WINDOWED
from hdsemg_nb.metrics import IDENTIFIED_MISS_RATE
from hdsemg_nb.models import OURS
from hdsemg_nb.published import SIGNIFICANT
from hdsemg_nb.train import FILTER

COLOURS = {
    **NETWORK_COLOURS,
    OURS: "#B2182B",
    FILTER: "k",
    FILTER_TRAINS: "k",
    LINEAR: "0.55",
    ALWAYS_POSITIVE: "#D55E00",
    LABELS: "#009E73",
    SEPARATION: "#009E73",
    WINDOWED: "0.4",
}
MARKERS = {
    "ML-DRSNet": "o",
    "ML-DCNN": "s",
    "MT-DCNN": "^",
    OURS: "P",
    FILTER: "D",
    FILTER_TRAINS: "d",
    LINEAR: "v",
    ALWAYS_POSITIVE: "X",
    LABELS: "*",
    SEPARATION: "+",
    WINDOWED: "_",
}
LINES = {SEPARATION: ":", WINDOWED: "--", FILTER_TRAINS: "--"}
ROA = {"0.5 ms": "roa_0.5_ms", "1 ms": "roa_1_ms", "2 ms": "roa_2_ms", "S / 2": "roa_half_step"}


@plt.rc_context(STYLE)
def draw_leakage(summaries, output, note):
    """F1 on shuffled and on blocked folds of every run, beside always positive.

    Parameters
    ----------
    summaries : dict of str to pandas.DataFrame
        Title to a table from `honest.summarise`, one panel each.
    output, note : str
        See `save`; the stem is honest_leakage.

    Returns
    -------
    IPython.display.Image
    """
    n_rows = max(len(table) for table in summaries.values())
    size = (TWO_COLUMNS, (30 + 5.5 * n_rows) * MM)
    figure, axes = plt.subplots(1, len(summaries), figsize=size, squeeze=False)
    for letter, ax, (title, table) in zip("abc", axes[0], summaries.items(), strict=False):
        _draw_splits(ax, table)
        ax.set(xlim=(-0.02, 1.02), ylim=(n_rows - 0.4, -1.1), title=f"{letter}  {title}")
        ax.set_xlabel(
            "F1 (right: share of the shuffled test windows with samples in\n"
            "training; F1 shuffled - blocked, * p < 0.05 over recordings)",
            fontsize=6,
        )
        ax.grid(axis="x", lw=0.3)
    always = dict(color=COLOURS[ALWAYS_POSITIVE], ms=8, mew=1.5, label=ALWAYS_POSITIVE)
    handles = [
        Line2D([], [], ls="", marker="o", mfc="w", mec="k", ms=4.5, label="shuffled folds"),
        Line2D([], [], ls="", marker="o", color="k", ms=4.5, label="blocked folds"),
        Line2D([], [], ls="", marker="|", **always),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return save(figure, "honest_leakage", output, note)


def _draw_splits(ax, table):
    """A line from the shuffled to the blocked F1 of each run."""
    beside = dict(va="center", fontsize=5.5, transform=ax.get_yaxis_transform())
    for y, row in enumerate(table.itertuples()):
        colour = COLOURS.get(row.network, "k")
        ax.plot([row.f1_shuffled, row.f1_blocked], [y, y], color=colour, lw=1.2)
        ax.plot(row.f1_blocked, y, "o", color=colour, ms=4.5)
        ax.plot(row.f1_shuffled, y, "o", mfc="w", mec=colour, ms=4.5)
        ax.plot(row.always_positive_f1, y, "|", color=COLOURS[ALWAYS_POSITIVE], ms=8, mew=1.5)
        star = "*" if row.p < SIGNIFICANT else ""
        ax.text(1.16, y, f"{row.shared_percent:.0f} %", ha="right", **beside)
        ax.text(1.21, y, f"{row.difference:+.2f}{star}", **beside)
    ax.text(1.16, -0.8, "shared", ha="right", **beside)
    ax.text(1.21, -0.8, "diff.", **beside)
    ax.set_yticks(range(len(table)), [_run_name(row) for row in table.itertuples()], fontsize=5)


def _run_name(row):
    name = f"{row.network}, W {row.window}, S {row.step}"
    if not row.epochs > 0:  # the filter
        return name
    epochs = f"{row.epochs:.0f} epoch" + "s" * (row.epochs > 1)
    return f"{name}\n{epochs}" + ", whitened" * bool(row.whiten)


@plt.rc_context(STYLE)
def draw_trains(tables, output, note):
    """Rate of agreement of the spike trains over the tolerance.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Title to a table from `honest.compare_trains`, one panel each.
    output, note : str
        See `save`; the stem is honest_spike_trains.

    Returns
    -------
    IPython.display.Image
    """
    size = (TWO_COLUMNS, 70 * MM)
    figure, axes = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
    for letter, ax, (title, table) in zip("abc", axes[0], tables.items(), strict=False):
        units = table.groupby("decoder", sort=False)[list(ROA.values())]
        for name, rates in units.mean().iterrows():
            style = dict(color=COLOURS.get(name, "k"), ls=LINES.get(name, "-"))
            marker = dict(marker=MARKERS.get(name, "."), ms=4, label=name)
            ax.plot(range(len(ROA)), rates, **style, **marker)
        ax.set_xticks(range(len(ROA)), ROA)
        ax.set(title=f"{letter}  {title}", xlabel="Tolerance", ylim=(0, 1.04))
        ax.grid(axis="y", lw=0.3)
    axes[0, 0].set_ylabel("Rate of agreement (mean over motor units)")
    handles = {
        label: handle
        for ax in axes[0]
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside upper left", ncols=4, fontsize=6)
    return save(figure, "honest_spike_trains", output, note)


@plt.rc_context(STYLE)
def draw_peers(tables, output, note):
    """F1 of every decoder over its time per window, and over its multiply-accumulates.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Title to a table from `honest.compare_peers`, one row of panels each.
    output, note : str
        See `save`; the stem is honest_peers.

    Returns
    -------
    IPython.display.Image
    """
    costs = {
        "median_ms": "Time per window (ms, median)",
        "mmac": "Multiply-accumulates per window (millions)",
        "lookahead_ms": "Signal after the mark's label (ms)",
    }
    shape, size = (len(tables), len(costs)), (TWO_COLUMNS, 58 * MM * len(tables))
    figure, axes = plt.subplots(*shape, figsize=size, sharey=True, squeeze=False)
    for row, (title, table) in zip(axes, tables.items(), strict=True):
        always = table.set_index("network").loc[ALWAYS_POSITIVE, "f1"]
        for ax, (column, label) in zip(row, costs.items(), strict=True):
            for one in table[table["network"] != ALWAYS_POSITIVE].to_dict("records"):
                colour, marker = COLOURS.get(one["network"], "k"), MARKERS.get(one["network"], ".")
                style = dict(ls="", color=colour, marker=marker, mec="k", mew=0.5, ms=6)
                ax.plot(one[column], one["f1"], label=one["network"], **style)
            ax.axhline(always, color=COLOURS[ALWAYS_POSITIVE], ls="--", label=ALWAYS_POSITIVE)
            ax.set(xlabel=label, ylim=(-0.02, 1.04))
            ax.grid(lw=0.3)
        for ax in row[:2]:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_locator(NullLocator())
        row[0].set(ylabel="F1 on blocked folds", title=title)
        row[2].set(xlim=(0, None))
    for letter, ax in zip("abcdefghi", axes.flat, strict=False):
        ax.set_title(f"{letter}  {ax.get_title(loc='left')}")
    legend = axes[0, 0].get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper left", ncols=6, fontsize=6)
    return save(figure, "honest_peers", output, note)


@plt.rc_context(STYLE)
def draw_readings(scores, output, note):
    """F1 over the centre of the label, for both spans, and always positive of each.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `honest.reading_scores`.
    output, note : str
        See `save`; the stem is honest_readings.

    Returns
    -------
    IPython.display.Image
    """
    cells = list(scores.groupby(["network", "window", "step"], sort=False))
    columns = min(len(cells), 4)
    shape = (-(-len(cells) // columns), columns)
    size = (TWO_COLUMNS, (14 + 44 * shape[0]) * MM)
    figure, axes = plt.subplots(*shape, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, ((network, window, step), cell) in zip(axes.flat, cells, strict=False):
        for span, fill in (("step", COLOURS.get(network, "k")), ("window", "w")):
            mean = cell[cell["span"] == span].groupby("offset").mean(numeric_only=True)
            style = dict(color=COLOURS.get(network, "k"), marker="o", ms=4, mfc=fill, clip_on=False)
            ls = "-" if span == "step" else "--"
            ax.plot(mean.index, mean["f1"], ls=ls, **style)
            ax.plot(mean.index, mean["always_positive_f1"], ls=ls, color=COLOURS[ALWAYS_POSITIVE])
        ax.set_title(f"{network}, W {window}, S {step}", fontsize=6)
        ax.grid(axis="y", lw=0.3)
    for ax in axes.flat[len(cells) :]:
        ax.axis("off")
    axes[0, 0].set(ylim=(0, 1.02), xticks=sorted(scores["offset"].unique()))
    for ax in axes[:, 0]:
        ax.set_ylabel("F1 on shuffled folds")
    for ax in axes[-1]:
        ax.set_xlabel("Centre of the label\nafter the mark (samples)")
    styles = {"span: step": "-", "span: window": "--"}
    handles = [
        Line2D(
            [], [], color="k", ls=ls, marker="o", ms=4, mfc="k" if ls == "-" else "w", label=name
        )
        for name, ls in styles.items()
    ]
    always = Line2D([], [], color=COLOURS[ALWAYS_POSITIVE], label=f"{ALWAYS_POSITIVE} of each span")
    figure.legend(handles=[*handles, always], loc="outside upper left", ncols=3)
    return save(figure, "honest_readings", output, note)


@plt.rc_context(STYLE)
def draw_thresholds(curves, identified, output, note):
    """Precision over sensitivity of every motor unit, and identified motor units over the limit.

    Parameters
    ----------
    curves : pandas.DataFrame
        From `honest.curves`.
    identified : pandas.DataFrame
        From `honest.identified`, by network.
    output, note : str
        See `save`; the stem is honest_thresholds.

    Returns
    -------
    IPython.display.Image
    """
    networks = list(curves["network"].unique())
    figure, axes = plt.subplot_mosaic(
        [networks, ["alone"] * len(networks), ["both"] * len(networks)],
        figsize=(TWO_COLUMNS, 125 * MM),
    )
    for letter, network in zip("abcdefgh", networks, strict=False):
        ax, of_network = axes[network], curves[curves["network"] == network]
        _draw_curves(ax, of_network, COLOURS.get(network, "k"))
        ax.set_title(f"{letter}  {network}", fontsize=6.5)
    axes[networks[0]].set_ylabel("Precision")
    titles = {"alone": "Miss rate below the limit", "both": "... and at most 10 % false positives"}
    for k, (key, column) in enumerate(
        {"alone": "n_identified", "both": "n_identified_both"}.items()
    ):
        letter = "abcdefghijk"[len(networks) + k]
        _draw_identified(axes[key], identified, column)
        axes[key].set_title(f"{letter}  {titles[key]}")
    axes["both"].set_xlabel("Limit on the miss rate")
    handles, labels = axes["alone"].get_legend_handles_labels()
    handles.append(Line2D([], [], ls="", marker="+", color="k", ms=5))
    labels.append("threshold 0.5")
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=6)
    return save(figure, "honest_thresholds", output, note)


def _draw_curves(ax, curves, colour):
    """A line for each motor unit; the cross is the threshold 0.5."""
    for _, curve in curves.groupby("motor_unit"):
        start = curve["sensitivity"].iloc[:1].to_numpy() * 0
        sensitivity = np.r_[start, curve["sensitivity"]]
        precision = np.r_[curve["precision"].iloc[:1], curve["precision"]]
        ax.step(sensitivity, precision, where="pre", color=colour, lw=0.7, alpha=0.8)
        used = curve[curve["threshold"] >= 0.5].tail(1)
        ax.plot(used["sensitivity"], used["precision"], "+", color="k", ms=5, mew=0.9)
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel="Sensitivity")
    ax.grid(lw=0.3)


def _draw_identified(ax, identified, column):
    for network, rows in identified.groupby("network", sort=False):
        style = dict(color=COLOURS.get(network, "k"), marker=MARKERS.get(network, "."), ms=3)
        ax.plot(rows["miss_limit"], rows[column], label=network, **style)
    ax.axvline(IDENTIFIED_MISS_RATE, color="k", lw=0.6, ls=":")
    top = identified["n_motor_units"].max()
    ax.set(ylim=(-0.03 * top, 1.06 * top), ylabel="Motor units")
