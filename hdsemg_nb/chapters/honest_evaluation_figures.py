"""Figures of notebook 07."""

from textwrap import fill

import matplotlib.pyplot as plt
import pandas as pd
import seaborn
from matplotlib.lines import Line2D

from hdsemg_nb.chapters.honest_evaluation import ALWAYS_POSITIVE
from hdsemg_nb.chapters.honest_evaluation_results import (
    FILTER_TRAINS,
    LABELS,
    NARROW,
    SEPARATION,
    WINDOWED,
)
from hdsemg_nb.decoders import ADAPTIVE, FILTER, LINEAR, OURS, STREAMED
from hdsemg_nb.figures import DISCHARGE, MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save
from hdsemg_nb.robustness import AS_RECORDED

COLOURS = {  # of decoders, the same in every figure
    FILTER: "k",
    ADAPTIVE: "#2E8B57",
    OURS: "#B2182B",
    STREAMED: "#F4A582",
    NARROW: NETWORK_COLOURS["ML-DRSNet"],
    **NETWORK_COLOURS,
    LINEAR: "0.55",
    ALWAYS_POSITIVE: DISCHARGE,
}
MARKERS = dict(zip(COLOURS, "DdPpoos^vX", strict=True))
AGREEMENT = {
    "roa_0.5_ms": "within 0.5 ms: mean, and each motor unit",
    "roa_half_step": "within S / 2: mean, and each motor unit",
}
KINDS = {  # of change, and the name of its axis
    "noise": "Noise (signal-to-noise ratio)",
    "dead channels": "Dead channels",
    "electrode shift": "Electrode shift",
    "drift": "Drift at the end (share of 4 mm)",
}


@plt.rc_context(STYLE)
def draw_leakage(table, output, note):
    """F1 on shuffled and on blocked folds of every run (`leakage`), beside always positive."""
    figure, ax = plt.subplots(figsize=(TWO_COLUMNS, (28 + 5 * len(table)) * MM))
    rows, colours = range(len(table)), table["network"].map(COLOURS)
    ax.hlines(rows, table["f1_shuffled"], table["f1_blocked"], colors=colours, lw=1.2)
    ax.scatter(table["f1_blocked"], rows, 20, colours, label="blocked folds")
    hollow = dict(color="w", edgecolors=colours, zorder=3, label="shuffled folds")
    ax.scatter(table["f1_shuffled"], rows, 20, **hollow)
    always = dict(color=COLOURS[ALWAYS_POSITIVE], marker="|", label=ALWAYS_POSITIVE)
    ax.scatter(table["always_positive_f1"], rows, 60, **always)
    beside = dict(va="center", ha="right", transform=ax.get_yaxis_transform())
    columns = {1.08: ("shared", "{0.shared_percent:.0f} %"), 1.19: ("diff.", "{0.difference:+.2f}")}
    for x, (head, text) in columns.items():
        for y, row in enumerate(table.itertuples()):
            ax.text(x, y, text.format(row), **beside)
        ax.text(x, -1, head, **beside)
    ax.set_yticks(rows, [_run_name(row) for row in table.itertuples()])
    ax.set(xlim=(-0.02, 1.02), ylim=(len(table) - 0.4, -0.6))
    ax.set_xlabel(
        "F1 (right: share of the shuffled test windows with samples\n"
        "in training; F1 shuffled - blocked)"
    )
    ax.grid(axis="x", lw=0.3)
    legend = figure.legend(loc="outside upper left", ncols=3)
    legend.legend_handles[0].set_color("k")
    legend.legend_handles[1].set_edgecolor("k")
    return save(figure, "honest_leakage", output, note)


def _run_name(row):
    trained = f", {row.epochs:.0f} epochs" if row.epochs > 0 else ""
    trained += ", whitened" * bool(row.whiten)
    if row.tested_folds < row.n_folds:
        trained += f", {row.tested_folds} of {row.n_folds} folds"
    return f"{row.network}, W {row.window}, S {row.step}{trained}"


@plt.rc_context(STYLE)
def draw_trains(panels, output, note):
    """Rate of agreement of each motor unit's spike train, of every decoder, and the means.

    Parameters
    ----------
    panels : dict of str to pandas.DataFrame
        Title to rows of results/honest_trains.csv; up to three.
    output, note : str
        See `save`.
    """
    there = set(pd.concat(panels.values())["decoder"])
    known = [LABELS, WINDOWED, SEPARATION, FILTER_TRAINS, *COLOURS]
    order = [name for name in known if name in there]
    size = (TWO_COLUMNS, 75 * MM)
    shared = dict(sharex=True, sharey=True, squeeze=False)
    figure, (axes,) = plt.subplots(1, len(panels), figsize=size, **shared)
    for letter, ax, (title, table) in zip("abc", axes, panels.items(), strict=False):
        long = table.rename(columns=AGREEMENT).melt("decoder", AGREEMENT.values(), "of", "rate")
        how = dict(data=long, x="rate", y="decoder", hue="of", order=order, ax=ax)
        how |= dict(palette=["#B2182B", "#3E8FC4"])
        seaborn.stripplot(**how, dodge=True, size=2.5, alpha=0.5, jitter=False, legend=False)
        how |= dict(dodge=0.4, errorbar=None, linestyle="none", marker="|")
        seaborn.pointplot(**how, markersize=5, markeredgewidth=1.8)
        ax.set(title=f"{letter}  {title}", xlabel="Rate of agreement", ylabel="")
        ax.set_xlim(-0.02, 1.02)
        ax.grid(axis="x", lw=0.3)
        ax.get_legend().remove()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return save(figure, "honest_spike_trains", output, note)


@plt.rc_context(STYLE)
def draw_peers(units, peers, output, note):
    """F1 of every decoder: of each motor unit, and over what it costs; one row for each data set.

    Parameters
    ----------
    units : pandas.DataFrame
        Columns data, network and f1 of each motor unit.
    peers : pandas.DataFrame
        Of `honest_evaluation.peers`.
    output, note : str
        See `save`.
    """
    costs = {
        "mmac": "Multiply-accumulates (millions)",
        "lookahead_ms": "Signal after the label's centre (ms)",
    }
    names = peers["data"].unique()
    shape, size = (len(names), 1 + len(costs)), (TWO_COLUMNS, 52 * MM * len(names))
    figure, axes = plt.subplots(*shape, figsize=size, sharex="col", sharey=True, squeeze=False)
    for row, data in zip(axes, names, strict=True):
        of_data = units[units["data"] == data]
        draw_units(row[0], of_data, "network", "f1", hue="network", palette=COLOURS)
        row[0].tick_params(axis="x", rotation=90)
        row[0].set(xlabel="", ylabel="F1 on the last fifth", ylim=(-0.02, 1.06), title=data)
        f1 = of_data.groupby("network", sort=False)["f1"].mean()
        means = peers[(peers["data"] == data) & peers["mmac"].notna()]
        means = means.groupby("network", sort=False)[[*costs]].mean().join(f1).reset_index()
        for ax, (column, label) in zip(row[1:], costs.items(), strict=True):
            how = dict(hue="network", style="network", palette=COLOURS, markers=MARKERS, s=40)
            seaborn.scatterplot(means, x=column, y="f1", ax=ax, edgecolor="k", **how)
            ax.get_legend().remove()
            ax.set_xlabel(label if data == names[-1] else "")
            ax.set_axisbelow(True)
            ax.grid(lw=0.3)
        row[1].set_xscale("log")
    handles, labels = axes[0, 1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return save(figure, "honest_peers", output, note)


def draw_units(ax, table, x, y, **colours):
    """Dots of single motor units or recordings, and a bar at their mean."""
    across = x == "f1"
    how = dict(data=table, x=x, y=y, legend=False, ax=ax, **colours)
    seaborn.swarmplot(**how, size=3, alpha=0.5, warn_thresh=1)  # without chance
    how |= dict(errorbar=None, linestyle="none", marker="|" if across else "_", markersize=11)
    seaborn.pointplot(**how, markeredgewidth=2)
    ax.grid(axis="x" if across else "y", lw=0.3)


@plt.rc_context(STYLE)
def draw_thresholds(curves, units, output, note):
    """Precision over sensitivity of every motor unit, at every threshold it has, and at 0.5.

    Parameters
    ----------
    curves, units : pandas.DataFrame
        Of results/, `units` with columns precision and sensitivity.
    output, note : str
        See `save`.
    """
    names, networks = curves["data"].unique(), curves["network"].unique()
    shape, size = (len(names), len(networks)), (TWO_COLUMNS, (10 + 38 * len(names)) * MM)
    figure, axes = plt.subplots(*shape, figsize=size, sharex=True, sharey=True, squeeze=False)
    for (data, network), of_units in curves.groupby(["data", "network"], sort=False):
        ax = axes[list(names).index(data), list(networks).index(network)]
        used = units[(units["data"] == data) & (units["network"] == network)]
        ax.plot(used["sensitivity"], used["precision"], "+", color="k", ms=5)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
        ax.set_title(fill(network, 10) if data == names[0] else "", fontsize=6)
        if network in (FILTER, ADAPTIVE):  # one threshold
            continue
        in_order = dict(by=["sensitivity", "precision"], ascending=[True, False])
        points = pd.concat([of_units, used]).sort_values(**in_order)
        for _, curve in points.groupby(["subject", "motor_unit"]):
            ax.plot(curve["sensitivity"], curve["precision"], color=COLOURS[network], alpha=0.8)
    for ax, data in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(f"{data}\n\nPrecision")
    for ax in axes[-1]:
        ax.set_xlabel("Sensitivity")
    cross = Line2D([], [], ls="", marker="+", color="k", label="a motor unit at threshold 0.5")
    figure.legend(handles=[cross], loc="outside upper left")
    return save(figure, "honest_thresholds", output, note)


@plt.rc_context(STYLE)
def draw_robustness(scores, output, note):
    """F1 of each decoder as the signal gets worse: mean and range of the recordings.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns data, network, subject, kind, level and f1, of each recording.
    output, note : str
        See `save`.
    """
    names = scores["data"].unique()
    size = (TWO_COLUMNS, (60 * len(names) + 10) * MM)
    shape = len(names), len(KINDS)
    figure, axes = plt.subplots(*shape, figsize=size, sharey=True, squeeze=False)
    for row, data in zip(axes, names, strict=True):
        of_data = scores[scores["data"] == data]
        for ax, (kind, label) in zip(row, KINDS.items(), strict=True):
            chosen = of_data[of_data["kind"].isin([AS_RECORDED[0], kind])]
            if chosen["kind"].nunique() == 1:
                ax.set_axis_off()
                continue
            level = chosen["level"].replace("", "none")
            level = level.str.replace(r" ([a-z]+)$", r"\n\1", regex=True)
            look = dict(hue="network", palette=COLOURS, errorbar=("pi", 100), dodge=0.4)
            look |= dict(markers=[MARKERS[name] for name in chosen["network"].unique()])
            look |= dict(markersize=3, linewidth=0.9, err_kws={"linewidth": 0.5})
            seaborn.pointplot(chosen.assign(level=level), x="level", y="f1", ax=ax, **look)
            ax.get_legend().remove()
            ax.set(xlabel=label, ylim=(-0.02, 1.03), ylabel="F1")
            ax.grid(axis="y", lw=0.3)
        row[0].set_title(data)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return save(figure, "robustness", output, note)
