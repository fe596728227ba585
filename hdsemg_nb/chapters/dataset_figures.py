"""Figures 1 and 2, and the features of recordings side by side (notebook 01)."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.transforms import offset_copy

from hdsemg_nb.cbss import MotorUnitFilter
from hdsemg_nb.figures import (
    DISCHARGE,
    MM,
    STYLE,
    TWO_COLUMNS,
    draw_traces,
    save,
    scale_bar,
    spread,
)
from hdsemg_nb.recording import Recording
from hdsemg_nb.segment import cut, label_borders, labels, window_starts

INPUT = "#CFE3F3"  # the window pointed out
SPAN = "#8FA9BD"  # samples a label looks at
SETS = {"training": "#DDDDDD", "validation": "#6BAED6", "test": "#08306B"}  # light to dark
DASHED = (0, (2, 2))
SHOWN = 6  # windows of Figure 2
SIZE = {"arrowstyle": "<->", "lw": 0.6, "shrinkA": 0, "shrinkB": 0}
FLOW = {"arrowstyle": "-|>", "lw": 1, "color": "k"}
FEATURES = {
    "n_motor_units": "Motor units",
    "rms_uv": "RMS (µV)",
    "median_frequency": "Median frequency (Hz)",
    "channel_correlation": "Channel correlation",
    "discharge_rate": "Discharge rate (1/s)",
    "interval_cov": "CoV of intervals",
    "width_ms": "MUAP width (ms)",
    "common_share": "Common MUAP energy",
}


class Scene(NamedTuple):
    """Windows that are drawn, and the motor units that discharge in them."""

    recording: Recording
    starts: np.ndarray  # first samples of the windows
    window: int
    units: np.ndarray  # their numbers, three at most

    def around(self, length):
        """First and last sample of a stretch around the windows, within the recording."""
        first = (self.starts[0] + self.starts[-1] + self.window - length) // 2
        first = int(np.clip(first, 0, max(self.recording.n_samples - length, 0)))
        return first, min(first + length, self.recording.n_samples)

    @property
    def drawn(self):
        """The windows and a margin."""
        return self.around(int(np.ptp(self.starts) + 2 * self.window))


def busiest(recording, window, step, n_windows):
    """The first windows in a row whose labels hold the most motor units.

    Raises
    ------
    ValueError
        When the recording has too few windows, or no label holds a discharge.
    """
    starts = window_starts(recording.n_samples, window, step)
    if len(starts) < n_windows:
        raise ValueError(
            f"the recording holds {len(starts)} windows (W = {window}, S = {step}), {n_windows} "
            "are drawn: take a longer one"
        )
    label = labels(recording.discharges, starts, window)
    fires = np.lib.stride_tricks.sliding_window_view(label, n_windows, axis=0).any(axis=-1)
    if not fires.any():
        raise ValueError(
            f"no discharge of {recording.n_motor_units} motor units lies in the label of a "
            "window: draw a recording with discharge times"
        )
    first = fires.sum(axis=1).argmax()
    units = np.flatnonzero(fires[first])[:3]
    return Scene(recording, starts[first : first + n_windows], window, units)


@plt.rc_context(STYLE)
def draw_windows(recording, window, step, output, note, stem="figure_02"):
    """Figure 2: sliding windows and their labels on real samples, to scale.

    Shown are the windows of `busiest`, and the first three of their motor units.

    Parameters
    ----------
    recording : recording.Recording
        With discharge times.
    window, step : int
        Window W and step S in samples.
    output, note, stem : str
        See `figures.save`.

    Returns
    -------
    IPython.display.Image
    """
    scene = busiest(recording, window, step, SHOWN)
    figure, axes = plt.subplot_mosaic(
        [["emg", "key"], ["spikes", "key"], ["windows", "vectors"]],
        figsize=(TWO_COLUMNS, 110 * MM),
        width_ratios=[2.3, 1],
        height_ratios=[1.5, 0.5, 1.7],
    )
    axes["key"].axis("off")
    axes["key"].legend(handles=_key(window, step), loc="upper left", handleheight=1.2)
    shown = spread(recording.n_channels, 5)
    first, last = scene.drawn
    emg = recording.emg[shown, first:last]
    time = np.arange(first, last) - scene.starts[0]
    gap = draw_traces(axes["emg"], time, emg, 0.6 * np.ptp(emg, axis=1).max())
    scale_bar(axes["emg"], time[-1], -3 * gap, gap)
    axes["emg"].set_yticks(-gap * np.arange(len(shown)), shown)
    channels = f"{len(shown)} of C = {recording.n_channels} channels"
    axes["emg"].set(title=f"a  EMG of {channels}", ylabel="Channel")
    trains = [recording.discharges[unit] + 0.5 - scene.starts[0] for unit in scene.units]
    axes["spikes"].eventplot(trains, colors=DISCHARGE, linelengths=0.8, linewidths=2)
    axes["spikes"].set_yticks(range(len(trains)), scene.units)
    axes["spikes"].set(ylim=(len(trains) - 0.4, -0.6), ylabel="Motor\nunit", title="b  Discharges")
    _draw_staircase(axes["windows"], scene, "step")
    at, sample_ms = scene.starts[0] / recording.fs, 1000 / recording.fs
    axes["windows"].set_xlabel(f"Sample after {at:.3f} s (1 sample = {sample_ms:.2f} ms)")
    axes["windows"].set_title("c  Windows and the samples their labels look at")
    _draw_labels(axes["vectors"], scene, ["step", "window"])
    axes["vectors"].set_title(f"d  Labels of {len(trains)} of M = {recording.n_motor_units} units")
    middle = scene.starts[SHOWN // 2] - scene.starts[0]
    for name in ("emg", "spikes", "windows"):
        axes[name].axvspan(middle, middle + window, color=INPUT, lw=0, zorder=-2)
        _mark_discharges(axes[name], scene)
        if name != "windows":
            axes[name].set(xticks=[])
            axes[name].spines["bottom"].set_visible(False)
    return save(figure, stem, output, note)


def _key(window, step):
    centre = dict(marker="o", ms=2, ls="", label="centre of the window, n S + W / 2")
    return [
        Patch(fc="w", ec="k", label=f'window, W = {window} samples:\nlabel span "window"'),
        Patch(fc=SPAN, ec="k", label=f'label span "step", S = {step} samples\naround the centre'),
        Line2D([], [], color="k", **centre),
        Line2D([], [], color=DISCHARGE, lw=0.6, ls=DASHED, label="discharge"),
        Patch(fc=INPUT, label="the window in the middle:\ninput of C x W samples"),
    ]


def _mark_discharges(ax, scene):
    """A line at each discharge, at the middle of its sample, over the samples drawn."""
    first, last = np.subtract(scene.drawn, scene.starts[0])
    times = np.concatenate([scene.recording.discharges[unit] for unit in scene.units])
    times = times + 0.5 - scene.starts[0]
    for time in times[(times > first) & (times < last)]:
        ax.axvline(time, color=DISCHARGE, lw=0.6, ls=DASHED, zorder=2.5)
    ax.set_xlim(first, last)


def _draw_staircase(ax, scene, span):
    """Windows as bars to scale, one per row, with centre and label span, from the first start."""
    window, starts = scene.window, scene.starts - scene.starts[0]
    for row, (start, left, right) in enumerate(
        zip(starts, *label_borders(starts, window, span), strict=True)
    ):
        ax.add_patch(Rectangle((start, row - 0.3), window, 0.6, fc="w", ec="k", lw=0.8))
        ax.add_patch(Rectangle((left, row - 0.16), right - left, 0.32, fc=SPAN, ec="k", lw=0.4))
        ax.plot(start + window / 2, row, "ok", ms=2)
    for y, length, name in ((-1.5, window, "W"), (-0.75, starts[1], "S")):
        ax.annotate("", (0, y), (length, y), arrowprops=SIZE)
        behind = {"fc": "w", "ec": "none", "pad": 0.5}
        ax.text(length, y, f" {name} = {length}", va="center", bbox=behind)
    ax.set(ylim=(len(starts) - 0.4, -2.5), yticks=range(len(starts)), ylabel="Window n")


def _draw_labels(ax, scene, spans):
    """Labels as cells: a row for each window, for each span a column for each motor unit."""
    for place, span in enumerate(spans):
        table = labels(scene.recording.discharges, scene.starts, scene.window, span)
        first = place * (len(scene.units) + 1)
        ax.text(first, -1.95, f'span "{span}"', style="italic")
        for column, unit in enumerate(scene.units, first):
            ax.text(column + 0.4, -0.95, unit, ha="center", va="center")
            for row, value in enumerate(table[:, unit]):
                colour, ink = (DISCHARGE, "w") if value else ("w", "k")
                cell = Rectangle((column, row - 0.3), 0.8, 0.6, fc=colour, ec="k", lw=0.5)
                ax.add_patch(cell)
                ax.text(column + 0.4, row, value, color=ink, ha="center", va="center")
    ax.set(ylim=(len(scene.starts) - 0.4, -2.5), xlim=(-0.2, len(spans) * (len(scene.units) + 1)))
    ax.axis("off")


@plt.rc_context(STYLE)
def draw_pipeline(recording, run, probabilities, output, note):
    """Figure 1: the pipeline of the paper, with the signals of one recording inside.

    Everything but the probabilities is computed from the recording and the run: the pulse trains
    (`cbss.MotorUnitFilter`, fitted to all discharge times), the windows, labels and folds. Shown is
    the time of the probabilities.

    Parameters
    ----------
    recording : recording.Recording
        With discharge times.
    run : decoders.Run
        Of a network, all folds tested.
    probabilities : pandas.DataFrame
        Of windows in a row, each from the fold that tested it: index start, a column for each
        motor unit.
    output, note : str
        See `figures.save`; the stem is figure_01.

    Returns
    -------
    IPython.display.Image
    """
    scene = busiest(recording, run.window, run.step, 4)
    starts = probabilities.index.to_numpy()
    figure = plt.figure(figsize=(TWO_COLUMNS, 120 * MM))
    upper, lower = figure.subfigures(2, 1, height_ratios=[1, 1.1])
    a, b = upper.subplots(1, 2)
    _draw_separation((a, b), scene, (int(starts[0]), int(starts[-1]) + run.window))
    c, vectors, d, e, f = lower.subplots(1, 5, width_ratios=[3, 1.8, 2, 1.6, 2])
    _draw_staircase(c, scene, run.span)
    _mark_discharges(c, scene)
    c.set_xlabel("Sample")
    _draw_labels(vectors, scene, [run.span])
    _draw_folds(d, recording, run)
    sizes = f"{recording.n_channels} x {run.window}", "layers of\nFigure 3"
    words = "\n↓\n".join([*sizes, f"sigmoid\nM = {recording.n_motor_units}"])
    e.text(0.5, 0.5, words, ha="center", va="center")
    e.set(xticks=[], yticks=[])
    label = labels(recording.discharges, starts, run.window, run.span)
    _draw_output(f, label, probabilities.to_numpy())
    titles = {b: "b  Extended, whitened, separated: pulse trains", vectors: "labels from b"}
    titles |= {d: "d  Folds", e: f"e  {run.network}", f: "f  Output"}
    for ax, title in {a: "a  HD-sEMG", c: "c  Windows of a", **titles}.items():
        ax.set_title(title)
        if ax in titles:
            _arrow_to(ax)
    loss = "loss: binary cross-entropy; the weights of the lowest validation loss are kept"
    lower.supxlabel(loss, fontsize=6)
    return save(figure, "figure_01", output, note)


def _arrow_to(ax):
    """Arrow that ends at the title of the axes."""
    beside = offset_copy(ax.transAxes, ax.get_figure(root=True), -3, 7, units="points")
    ax.annotate("", (0, 1), (-20, 0), beside, "offset points", FLOW, annotation_clip=False)


def _draw_separation(axes, scene, stretch):
    """EMG and pulse trains over a stretch, in ms."""
    recording, (first, last) = scene.recording, stretch
    time = 1000 * np.arange(last - first) / recording.fs
    shown = spread(recording.n_channels, 6)
    emg = recording.emg[shown, first:last]
    source = MotorUnitFilter().fit(recording).source(recording.emg)[scene.units, first:last]
    pulses = source / np.abs(source).max(axis=1, keepdims=True)
    drawn = {"Channel": (emg, shown), "Motor unit": (pulses, scene.units)}
    for ax, (label, (signals, names)) in zip(axes, drawn.items(), strict=True):
        gap = draw_traces(ax, time, signals, 0.9 * np.ptp(signals, axis=1).max())
        ax.set_yticks(-gap * np.arange(len(signals)), names)
        ax.set(xlabel="Time (ms)", ylabel=label)
        if signals is emg:
            scale_bar(ax, time[-1], -3 * gap, gap)
    for row, (unit, pulse) in enumerate(zip(scene.units, pulses, strict=True)):
        times = recording.discharges[unit]
        times = times[(times >= first) & (times < last)] - first
        axes[1].plot(time[times], pulse[times] - row * gap + 0.1, "v", color=DISCHARGE, ms=3)
    windows = np.array([scene.starts[0], scene.starts[-1] + scene.window]) - first
    axes[0].axvspan(*(1000 * windows / recording.fs), color=INPUT, lw=0, zorder=0)


def _draw_folds(ax, recording, run):
    """The set of each window in each fold: of all when blocked, of the first 60 when shuffled."""
    starts, folds = cut(recording, run)
    sets = np.full((len(folds), len(starts)), np.nan)
    for row, fold in zip(sets, folds, strict=True):
        for value, part in enumerate((fold.train, fold.val, fold.test)):
            row[part] = value
    n_shown = len(starts) if run.split == "blocked" else min(60, len(starts))
    look = {"cmap": ListedColormap(SETS.values()), "vmin": 0, "vmax": 2, "aspect": "auto"}
    ax.imshow(sets[:, :n_shown], interpolation="nearest", **look)
    ax.set(xticks=[], yticks=range(len(folds)), ylabel="Fold")
    ax.set_xlabel(f"{n_shown} of {len(starts)} windows,\n{run.split}")
    patches = [Patch(fc=colour, ec="k", lw=0.4, label=name) for name, colour in SETS.items()]
    ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=6)


def _draw_output(ax, label, probabilities):
    """Labels above probabilities, a row for each motor unit."""
    n_units = label.shape[1]
    both = np.vstack([label.T, np.full((1, len(label)), np.nan), probabilities.T])
    look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    ax.imshow(both, **look)
    ticks = [0, n_units - 1]
    ax.set_yticks([*ticks, *(n_units + 1 + np.array(ticks))], [*ticks, *ticks])
    ax.set(ylabel="probability            label", xticks=[])
    ax.set_xlabel("windows at the\ntime of a, from\nwhite (0) to black (1)")


@plt.rc_context({**STYLE, "figure.constrained_layout.use": False})  # set below: seaborn minds
def draw_features(table, output, note):
    """Features of every recording by intensity and kind of data.

    Parameters
    ----------
    table : pandas.DataFrame
        From `dataset.by_recording`.
    output, note : str
        See `figures.save`; the stem is synthetic_against_real.

    Returns
    -------
    IPython.display.Image
    """
    table = table.rename(columns=FEATURES).replace({"data": {"sample": "real"}})
    long = table.melt(["data", "mvc"], FEATURES.values(), "feature")
    colours = iter(["#3E8FC4", DISCHARGE])
    look = {"hue": "data"}
    look["palette"] = ["k" if kind == "real" else next(colours) for kind in table["data"].unique()]
    grid = {"col": "feature", "col_wrap": 4, "sharey": False, "native_scale": True}
    drawn = seaborn.catplot(
        long, x="mvc", y="value", kind="strip", size=3, jitter=False, alpha=0.5, **grid, **look
    )
    drawn.set_titles("{col_name}").set_axis_labels("% MVC", "").set(xlim=(0, 60))
    for ax in drawn.axes.flat:
        ax.set_ylim(0, 1.05 * ax.get_ylim()[1])
    drawn.figure.set(size_inches=(TWO_COLUMNS, 90 * MM), layout_engine="constrained")
    seaborn.move_legend(drawn, "outside upper right", ncols=3, title=None)
    return save(drawn.figure, "synthetic_against_real", output, note)
