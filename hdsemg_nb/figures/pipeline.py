"""Figures 1 and 2: from EMG to labelled windows to a network, on samples of one recording."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from hdsemg_nb.cbss import MotorUnitFilter
from hdsemg_nb.figures.networks import KIND_COLOURS
from hdsemg_nb.figures.style import MM, STYLE, TWO_COLUMNS, save, scale_bar
from hdsemg_nb.segment import (
    fit_normalisation,
    label_borders,
    labels,
    split_folds,
    window_starts,
)

INPUT = "#CFE3F3"  # the window pointed out
SPAN = "#8FA9BD"  # samples a label looks at
MARK = "#D55E00"  # a discharge
SETS = {"training": "#DDDDDD", "validation": "#6BAED6", "test": "#08306B"}  # light to dark
SIZE = dict(arrowstyle="<->", lw=0.6, shrinkA=0, shrinkB=0)
FLOW = dict(arrowstyle="-|>", lw=1, color="k", shrinkA=0, shrinkB=0)
PLATE = dict(fc="w", ec="none", pad=0.5)  # behind words that a line may cross
DASHED = (0, (2, 2))
N_UNITS = 3  # motor units drawn one by one
N_LAGS = 16  # extension drawn, as in `MotorUnitFilter`


@plt.rc_context(STYLE)
def draw_windows(recording, window, step, output, note, n_windows=6):
    """Figure 2: sliding windows and their labels on real samples, to scale.

    Shown are the first `n_windows` windows in a row whose labels hold the most motor units, and
    the first three of those motor units.

    Parameters
    ----------
    recording : recording.Recording
        With discharge times.
    window, step : int
        Window W and step S in samples.
    output, note : str
        See `save`; the stem is figure_02.
    n_windows : int
        Windows drawn, at least 2.

    Returns
    -------
    IPython.display.Image

    Raises
    ------
    ValueError
        When the recording has too few windows, or no label holds a discharge.
    """
    starts = _busiest_windows(recording, window, step, n_windows)
    units = _firing(recording, starts, window)
    figure, axes = plt.subplot_mosaic(
        [["emg", "key"], ["spikes", "empty"], ["windows", "vectors"]],
        figsize=(TWO_COLUMNS, 110 * MM),
        width_ratios=[2.3, 1],
        height_ratios=[1.5, 0.5, 1.7],
    )
    for name in ("key", "empty", "vectors"):
        axes[name].axis("off")
    axes["key"].legend(handles=_key(window, step), loc="upper left", handleheight=1.2)
    _short_emg(axes["emg"], recording, starts, window, 5)
    axes["emg"].set_title(f"a  EMG of 5 of C = {recording.n_channels} channels")
    _spikes(axes["spikes"], recording, starts, window, units)
    axes["spikes"].set_title("b  Discharges")
    _staircase(axes["windows"], starts, window, "step")
    _size_arrows(axes["windows"], window, step)
    axes["windows"].set_title("c  Windows and the samples their labels look at")
    seconds, sample_ms = starts[0] / recording.fs, 1000 / recording.fs
    axes["windows"].set_xlabel(f"Sample after {seconds:.3f} s (1 sample = {sample_ms:.2f} ms)")
    _both_spans(axes["vectors"], recording, starts, window, units)
    axes["vectors"].set_title(
        f"d  Labels of {len(units)} of M = {recording.n_motor_units} motor units"
    )
    for name in ("emg", "spikes", "windows"):
        _share_time(axes[name], recording, starts, window, units)
        axes[name].axvspan(*_pointed_out(starts, window), color=INPUT, lw=0, zorder=-2)
    return save(figure, "figure_02", output, note)


def _busiest_windows(recording, window, step, n_windows):
    """Starts of the first windows in a row whose labels hold the most motor units."""
    starts = window_starts(recording.n_samples, window, step)
    if not 2 <= n_windows <= len(starts):
        raise ValueError(
            f"n_windows={n_windows} must be from 2 to the {len(starts)} windows that the recording "
            f"holds (W = {window}, S = {step}); take a longer recording or fewer windows"
        )
    label = labels(recording.discharges, starts, window)
    rows = np.lib.stride_tricks.sliding_window_view(label, n_windows, axis=0)
    first = rows.any(axis=-1).sum(axis=1).argmax()
    return starts[first : first + n_windows]


def _firing(recording, starts, window):
    """The first motor units with a discharge in the labels of the windows."""
    units = np.flatnonzero(labels(recording.discharges, starts, window).any(axis=0))
    if len(units) == 0:
        raise ValueError(
            f"no discharge of {recording.n_motor_units} motor units lies in the label of a "
            "window: draw a recording with discharge times"
        )
    return units[:N_UNITS]


def _pointed_out(starts, window):
    """Borders of the window in the middle, relative to the first."""
    first = starts[len(starts) // 2] - starts[0]
    return first, first + window


def _drawn(recording, starts, window):
    """First and last sample drawn: the windows and a margin, within the recording."""
    margin = max(window, starts[1] - starts[0]) // 2
    return max(starts[0] - margin, 0), min(starts[-1] + window + margin, recording.n_samples)


def _short_emg(ax, recording, starts, window, n_shown):
    """EMG of some channels around the windows, each without its mean, with scale bars."""
    first, last = _drawn(recording, starts, window)
    shown = np.linspace(0, recording.n_channels - 1, n_shown).astype(int)
    gap = _traces(ax, np.arange(first, last) - starts[0], recording.emg[shown, first:last])
    ax.set_yticks(-gap * np.arange(n_shown), shown)
    ax.set_ylabel("Channel")
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    _emg_bar(ax, last - starts[0], gap)


def _traces(ax, x, signals):
    """Signals below each other, without their means; returns the distance between two."""
    signals = signals - signals.mean(axis=1, keepdims=True)
    gap = 0.8 * np.ptp(signals, axis=1).max()
    for row, signal in enumerate(signals):
        ax.plot(x, signal - row * gap, color="k", lw=0.6)
    return gap


def _emg_bar(ax, x, gap):
    """Scale bar at the lowest traces: the distance of two, rounded down to one digit."""
    unit = 10.0 ** np.floor(np.log10(gap))  # µV
    scale_bar(ax, x, ax.get_yticks()[-2], unit * np.floor(gap / unit))


def _between(times, first, last):
    return times[(times >= first) & (times < last)]


def _spikes(ax, recording, starts, window, units):
    """Discharges of some motor units around the windows, at the middle of their sample."""
    drawn = _drawn(recording, starts, window)
    times = [_between(recording.discharges[unit], *drawn) for unit in units]
    ax.eventplot([t + 0.5 - starts[0] for t in times], colors=MARK, linelengths=0.8, linewidths=2)
    ax.set(ylim=(len(units) - 0.4, -0.6), ylabel="Motor\nunit", xticks=[])
    ax.set_yticks(range(len(units)), units)
    ax.spines["bottom"].set_visible(False)


def _share_time(ax, recording, starts, window, units):
    """The samples drawn, from the first start, and a thin line at each discharge."""
    first, last = _drawn(recording, starts, window)
    for unit in units:
        for time in _between(recording.discharges[unit], first, last):
            ax.axvline(time + 0.5 - starts[0], color=MARK, lw=0.6, ls=DASHED, zorder=2.5)
    ax.set_xlim(first - starts[0], last - starts[0])


def _staircase(ax, starts, window, span):
    """Windows as bars to scale, one per row, with centre and label span, from the first start."""
    low, high = label_borders(starts, window, span)
    for row, (start, left, right) in enumerate(
        zip(starts - starts[0], low - starts[0], high - starts[0], strict=True)
    ):
        ax.add_patch(Rectangle((start, row - 0.3), window, 0.6, fc="w", ec="k", lw=0.8))
        ax.add_patch(Rectangle((left, row - 0.16), right - left, 0.32, fc=SPAN, ec="k", lw=0.4))
        ax.plot(start + window / 2, row, "ok", ms=2)
    ax.set(ylim=(len(starts) - 0.4, -2.5), ylabel="Window n")
    ax.set_yticks(range(len(starts)))


def _size_arrows(ax, window, step):
    """Arrows above the first window: W long, and from its start to the next, S long."""
    for y, length, name in ((-1.5, window, "W"), (-0.75, step, "S")):
        ax.annotate("", (0, y), (length, y), arrowprops=SIZE)
        ax.text(length, y, f" {name} = {length}", va="center", bbox=PLATE)


def _both_spans(ax, recording, starts, window, units):
    """Labels of the windows, beside their bars, for both spans."""
    for place, span in ((0, "step"), (N_UNITS + 1, "window")):
        _vectors(ax, labels(recording.discharges, starts, window, span)[:, units], units, place)
        ax.text(place, -1.95, f'span "{span}"', style="italic")
    ax.set(ylim=(len(starts) - 0.4, -2.5), xlim=(-0.2, 2 * N_UNITS + 2))


def _vectors(ax, label, units, place):
    """Labels as cells, a row for each window and a column for each motor unit."""
    for column, unit in enumerate(units):
        ax.text(place + column + 0.4, -0.95, unit, ha="center", va="center")
        for row, value in enumerate(label[:, column]):
            colour = MARK if value else "w"
            cell = Rectangle((place + column, row - 0.3), 0.8, 0.6, fc=colour, ec="k", lw=0.5)
            ax.add_patch(cell)
            ink = "w" if value else "k"
            ax.text(place + column + 0.4, row, value, color=ink, ha="center", va="center")


def _key(window, step):
    return [
        Patch(fc="w", ec="k", label=f'window, W = {window} samples:\nlabel span "window"'),
        Patch(fc=SPAN, ec="k", label=f'label span "step", S = {step} samples\naround the centre'),
        Line2D(
            [], [], color="k", marker="o", ms=2, ls="", label="centre of the window, n S + W / 2"
        ),
        Line2D([], [], color=MARK, lw=0.6, ls=DASHED, label="discharge"),
        Patch(fc=INPUT, label="the window in the middle:\ninput of C x W samples"),
    ]


@plt.rc_context(STYLE)
def draw_pipeline(recording, run, result, layers, output, note, shown_s=0.4):
    """Figure 1: the pipeline of the paper as boxes, with the signals of one recording inside.

    Everything is computed from the recording and the run: the whitened signal and the pulse trains
    (`cbss.MotorUnitFilter`, fitted to all discharge times), the windows, labels and folds, and the
    probabilities of the trained network on windows of its test folds. Shown is the time around the
    windows whose labels hold the most motor units.

    Parameters
    ----------
    recording : recording.Recording
        With discharge times.
    run : runs.Run
        Of a network.
    result : train.Result
        Of `train.cross_validate(recording, run)`, all folds tested.
    layers : pandas.DataFrame
        `architecture.layer_table` of the network.
    output, note : str
        See `save`; the stem is figure_01.
    shown_s : float
        Time drawn of the EMG, the pulse trains and the probabilities.

    Returns
    -------
    IPython.display.Image

    Raises
    ------
    ValueError
        When the recording has too few windows, no label holds a discharge, or a motor unit has
        fewer than two discharges.
    """
    starts = _busiest_windows(recording, run.window, run.step, 4)
    shape = f"{recording.n_channels} x {run.window}"
    stretch = _around(recording, starts, run.window, shown_s)
    figure, canvas = plt.subplots(figsize=(TWO_COLUMNS, 123 * MM))
    canvas.set(xlim=(0, 170), ylim=(2, 121), aspect="equal")
    canvas.axis("off")
    _raw_box(_box(canvas, (0, 69, 48, 52), "a  HD-sEMG"), recording, stretch, starts, run.window)
    _whitened_box(_box(canvas, (58, 69, 48, 52), "b  Extended, whitened"), recording, stretch)
    _pulse_box(_box(canvas, (116, 69, 54, 52), "c  Pulse trains"), recording, stretch, starts, run)
    _window_box(_box(canvas, (0, 8, 54, 48), "d  Windows and labels"), recording, starts, run)
    _fold_box(_box(canvas, (61, 8, 35, 48), f"e  {run.n_folds} folds, {run.split}"), result, run)
    _network_box(_box(canvas, (103, 8, 26, 48), f"f  {run.network}"), layers, shape)
    _output_box(_box(canvas, (136, 8, 34, 48), "g  Output, time of a"), result, run, stretch)
    _arrows(canvas)
    return save(figure, "figure_01", output, note)


def _around(recording, starts, window, shown_s):
    """First and last sample of `shown_s` around the windows, within the recording."""
    length = min(round(shown_s * recording.fs), recording.n_samples)
    first = (starts[0] + starts[-1] + window - length) // 2
    first = int(np.clip(first, 0, recording.n_samples - length))
    return first, first + length


def _box(canvas, rect, title):
    """A framed box with a title; its coordinates are those of the canvas, from its own corner."""
    box = canvas.inset_axes(rect, transform=canvas.transData)
    box.set(xlim=(0, rect[2]), ylim=(0, rect[3]), xticks=[], yticks=[])
    box.spines[:].set(visible=True, color="0.5")
    box.text(1.5, rect[3] - 1.5, title, va="top", fontsize=7.5, weight="bold")
    return box


def _inside(box, x, y, width, height):
    """Axes inside a box, in its coordinates."""
    ax = box.inset_axes((x, y, width, height), transform=box.transData)
    ax.tick_params(labelsize=6, length=2, pad=1.5)
    return ax


def _signal_axes(box, recording, stretch, ylabel, right=2):
    """Axes for signals over the stretch, with a bar of 100 ms instead of a time axis."""
    ax = _inside(box, 11, 7, box.get_xlim()[1] - 11 - right, 38)
    ax.set(xlim=stretch, xticks=[])
    ax.spines["bottom"].set_visible(False)
    ax.set_ylabel(ylabel, fontsize=6, labelpad=2)
    bar = [stretch[0], stretch[0] + 0.1 * recording.fs]
    across = ax.get_xaxis_transform()
    ax.plot(bar, [-0.03, -0.03], "k", lw=1.5, clip_on=False, transform=across)
    ax.text(bar[1], -0.03, "  100 ms", va="center", fontsize=6, transform=across)
    return ax


def _raw_box(box, recording, stretch, starts, window):
    ax = _signal_axes(box, recording, stretch, "Channel", right=12)
    shown = np.linspace(0, recording.n_channels - 1, 6).astype(int)
    gap = _traces(ax, np.arange(*stretch), recording.emg[shown, slice(*stretch)])
    ax.set_yticks(-gap * np.arange(6), shown)
    _emg_bar(ax, stretch[1], gap)
    ax.axvspan(starts[0], starts[-1] + window, color=INPUT, lw=0, zorder=0)


def _whitened_box(box, recording, stretch):
    ax = _signal_axes(box, recording, stretch, "Channel, lag")
    shown = [(c, lag) for c in (0, recording.n_channels - 1) for lag in (0, 1, 2)]
    rows = [channel * N_LAGS + lag for channel, lag in shown]
    gap = _traces(ax, np.arange(*stretch), _whitened(recording, stretch)[rows])
    ax.set_yticks(-gap * np.arange(6), [f"{channel}, {lag}" for channel, lag in shown])
    n = recording.n_channels
    box.text(box.get_xlim()[1] - 1.5, 2, f"{n} x {N_LAGS} rows", ha="right", fontsize=6)


def _whitened(recording, stretch, margin_s=3.0):
    """Extended EMG, row channel * N_LAGS + lag, whitened on the time around the stretch."""
    margin = round(margin_s * recording.fs)
    first = max(stretch[0] - margin, 0)
    emg = np.pad(recording.emg[:, first : stretch[1] + margin], ((0, 0), (N_LAGS - 1, 0)))
    late = np.lib.stride_tricks.sliding_window_view(emg, N_LAGS, axis=1)[:, :, ::-1]
    extended = late.transpose(0, 2, 1).reshape(-1, late.shape[1])
    everywhere = np.ones(extended.shape[1], bool)
    whitened = fit_normalisation(extended, everywhere, whiten=True).apply(extended)
    return whitened[:, stretch[0] - first : stretch[1] - first]


def _pulse_box(box, recording, stretch, starts, run):
    ax = _signal_axes(box, recording, stretch, "Motor unit (pulses in a.u.)")
    source = MotorUnitFilter().fit(recording).source(recording.emg)
    units = _firing(recording, starts, run.window)
    times = [recording.discharges[unit] for unit in units]
    height = [source[unit, t].mean() for unit, t in zip(units, times, strict=True)]
    pulses = source[units] / np.array(height)[:, None]
    gap = 1.25 * pulses[:, slice(*stretch)].max()
    for row, (pulse, all_times) in enumerate(zip(pulses, times, strict=True)):
        ax.plot(np.arange(*stretch), pulse[slice(*stretch)] - gap * row, color="k", lw=0.6)
        shown = _between(all_times, *stretch)
        ax.plot(shown, pulse[shown] - gap * row + 0.15, "v", color=MARK, ms=3, clip_on=False)
    ax.set_yticks(-gap * np.arange(len(units)), units)
    right = box.get_xlim()[1] - 1.5
    box.text(right, 2, "discharges marked", ha="right", fontsize=6)


def _window_box(box, recording, starts, run):
    emg, stairs = _inside(box, 7.5, 30, 26, 13), _inside(box, 7.5, 7, 26, 23)
    _short_emg(emg, recording, starts, run.window, 3)
    _staircase(stairs, starts, run.window, run.span)
    _size_arrows(stairs, run.window, run.step)
    stairs.set_xlabel("Sample", fontsize=6, labelpad=0)
    vectors = _inside(box, 36, 7, 17, 23)
    vectors.axis("off")
    units = _firing(recording, starts, run.window)
    label = labels(recording.discharges, starts, run.window, run.span)[:, units]
    _vectors(vectors, label, units, 0)
    vectors.text(0, -1.95, "motor unit", fontsize=6)
    vectors.set(ylim=stairs.get_ylim(), xlim=(-0.2, N_UNITS))
    for ax in (emg, stairs):
        _share_time(ax, recording, starts, run.window, units)
        ax.yaxis.label.set_size(6)
        ax.yaxis.labelpad = 1


def _fold_box(box, result, run):
    """The set of each window in each fold: of all when blocked, of the first 60 when shuffled."""
    n_windows = len(result.starts)
    folds = split_folds(n_windows, run.window, run.step, run.n_folds, run.split, run.seed)
    sets = np.full((run.n_folds, n_windows), np.nan)
    for row, fold in zip(sets, folds, strict=True):
        for value, part in enumerate((fold.train, fold.val, fold.test)):
            row[part] = value
    n_shown = n_windows if run.split == "blocked" else min(60, n_windows)
    ax = _inside(box, 7, 23, 26, 19)
    look = {"cmap": ListedColormap(SETS.values()), "vmin": 0, "vmax": 2}
    ax.imshow(sets[:, :n_shown], aspect="auto", interpolation="nearest", **look)
    ax.set(xticks=[], yticks=range(run.n_folds))
    ax.set_ylabel("Fold", fontsize=6, labelpad=1)
    ax.set_xlabel(f"{n_shown} of {n_windows} windows", fontsize=6, labelpad=2)
    for row, name in enumerate(SETS):
        box.add_patch(Rectangle((6, 14 - 3 * row), 3, 2, fc=SETS[name], ec="k", lw=0.4))
        box.text(10, 15 - 3 * row, name, va="center", fontsize=6)
    how = "whitening" if run.whiten else "z-score: mean and SD"
    box.text(6, 4.5, f"{how}\nof the training set", va="center", fontsize=6)


def _network_box(box, layers, shape):
    box.text(13, 41, f"window {shape}", ha="center", va="center", fontsize=6)
    box.text(13, 3.5, "sigmoid", ha="center", va="center", fontsize=6)
    stack = _stacked(layers)
    height = 34 / len(stack)
    for row, words in enumerate(stack):
        y = 39 - height * (row + 1)
        colour = next(c for kind, c in KIND_COLOURS.items() if kind in words)
        box.add_patch(Rectangle((2, y + 1), 22, height - 1.5, fc=colour, ec="k", lw=0.6))
        box.text(13, y + height / 2 + 0.25, words, ha="center", va="center", fontsize=5.5)


def _stacked(layers):
    """Layers with weights and pools, equal ones in a row as one: ["Conv 3 x 3", ...]."""
    names = layers["layer"].str.replace(r" /\d+$", "", regex=True)
    names = names[~names.str.contains("BN|ReLU|Dropout|Flatten")]
    runs = names.groupby((names != names.shift()).cumsum())
    return [f"{len(run)} x {run.iloc[0]}" if len(run) > 1 else run.iloc[0] for _, run in runs]


def _output_box(box, result, run, stretch):
    """Labels and probabilities of the windows in the stretch; orange where no fold tests."""
    shown = (result.starts >= stretch[0]) & (result.starts + run.window <= stretch[1])
    grey = {"cmap": "Greys", "vmin": 0, "vmax": 1, "aspect": "auto", "interpolation": "nearest"}
    for y, name, values in (
        (28, "labels", result.labels),
        (11, "probabilities", result.predictions),
    ):
        ax = _inside(box, 7, y, 25, 11.5)
        image = ax.imshow(values[shown].T, **grey)
        ax.set(facecolor=MARK, xticks=[], yticks=[0, values.shape[1] - 1])
        ax.set_ylabel("Motor unit", fontsize=6, labelpad=0)
        ax.set_title(f"{name}, M = {values.shape[1]}", fontsize=6, weight="normal", pad=1.5)
    bar = box.figure.colorbar(image, cax=_inside(box, 7, 6, 25, 1.5), orientation="horizontal")
    bar.set_ticks([0, 0.5, 1], labels=["0", "0.5", "1"])


def _arrows(canvas):
    """What goes from box to box."""
    paths = [
        [(48, 95), (58, 95)],
        [(106, 95), (116, 95)],
        [(14, 69), (14, 56)],
        [(143, 69), (143, 62.5), (42, 62.5), (42, 56)],
        [(54, 32), (61, 32)],
        [(96, 32), (103, 32)],
        [(129, 32), (136, 32)],
        [(153, 8), (153, 4), (116, 4), (116, 8)],
    ]
    for path in paths:
        canvas.plot(*zip(*path[:-1], strict=True), color="k", lw=1)
        canvas.annotate("", path[-1], path[-2], arrowprops=FLOW)
    canvas.text(15, 62.5, "samples", va="center")
    canvas.text(92, 63.2, "discharge times", ha="center", va="bottom")
    loss = "binary cross-entropy, back-propagated; weights of the lowest validation loss kept"
    canvas.text(115, 4, loss, ha="right", va="center", fontsize=6)
