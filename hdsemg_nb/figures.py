"""DataFrame or Recording -> figure on disk, in the sizes of a journal."""

import io
import itertools

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image
from matplotlib.patches import Rectangle

from hdsemg_nb import paths
from hdsemg_nb.segment import spike_triggered_average

MM = 1 / 25.4  # inch
TWO_COLUMNS = 170 * MM
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 0.8,
    "pdf.fonttype": 42,  # embedded TrueType: text stays text
    "figure.constrained_layout.use": True,
}


def save(figure, stem, output, note):
    """Save a figure as vector PDF and 300 dpi PNG, close it, and return a preview to show.

    The files hold no date, so the same results give the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    stem : str
        File name without suffix, for example "figure_03".
    output : str
        Project-relative folder (`paths.output_folder`).
    note : str
        Which data and profile: printed in the lower right corner.

    Returns
    -------
    IPython.display.Image
    """
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    figure.text(0.995, 0.005, note, ha="right", va="bottom", fontsize=5, color="0.35")
    folder, preview = paths.output_folder(output, "figures"), io.BytesIO()
    figure.savefig(folder / f"{stem}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{stem}.png", dpi=300)
    figure.savefig(preview, dpi=110)
    plt.close(figure)
    return Image(preview.getvalue())


@plt.rc_context(STYLE)
def draw_recording(recording, output, note, n_shown=6):
    """A recording at a glance: amplitude over the grid, EMG of some channels, spike trains.

    Parameters
    ----------
    recording : recording.Recording
        With a grid.
    output, note : str
        See `save`; the stem is sample_recording.
    n_shown : int
        Channels drawn over time.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplot_mosaic(
        [["grid", "emg"], ["grid", "spikes"]],
        figsize=(TWO_COLUMNS, 85 * MM),
        width_ratios=[1, 3.4],
        height_ratios=[1.6, 1],
    )
    rms = np.sqrt((recording.emg.astype(float) ** 2).mean(axis=1))
    draw_grid_image(axes["grid"], recording.grid, rms, "EMG amplitude (µV RMS)")
    axes["grid"].set_title("a  Electrode grid")
    shown = np.linspace(0, recording.n_channels - 1, n_shown).astype(int)
    time = np.arange(recording.n_samples) / recording.fs
    gap = 500 * np.ceil(8 * rms.max() / 500)  # µV between two traces
    for row, channel in enumerate(shown):
        axes["emg"].plot(time, recording.emg[channel] - row * gap, color="k", lw=0.25)
    rows = [f"({r}, {c})" for r, c in recording.grid.electrodes[shown]]
    axes["emg"].set(
        yticks=-gap * np.arange(n_shown), yticklabels=rows, ylabel="Electrode (row, column)"
    )
    axes["emg"].set_title(f"b  EMG of {n_shown} of {recording.n_channels} electrodes")
    _scale_bar(axes["emg"], time[-1], 0.5 * gap, gap)
    _raster(axes["spikes"], recording.discharges, recording.fs)
    axes["spikes"].set_title("c  Spike trains (blind source separation)")
    axes["spikes"].set_xlabel("Time (s)")
    for name in ("emg", "spikes"):
        axes[name].set_xlim(0, recording.duration)
    return save(figure, "sample_recording", output, note)


def draw_grid_image(ax, grid, values, label):
    """Values of the channels as an image of the electrode grid, with a colour bar.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    grid : recording.Grid
    values : array_like, shape (channels,)
    label : str
        Of the colour bar, with the unit.

    Returns
    -------
    matplotlib.image.AxesImage
    """
    image = ax.imshow(grid.image(values), cmap="cividis", aspect="auto")
    ax.set(xlabel="Column", ylabel="Row", xticks=range(grid.shape[1]))
    ax.figure.colorbar(image, ax=ax, label=label, location="bottom", aspect=12, pad=0.02)
    return image


def _raster(ax, discharges, fs):
    ax.eventplot([d / fs for d in discharges], colors="k", linelengths=0.7, linewidths=0.5)
    ax.set(yticks=range(len(discharges)), ylabel="Motor unit", ylim=(len(discharges) - 0.5, -0.5))


def _scale_bar(ax, x, y, height):
    ax.plot([x, x], [y - height, y], color="k", lw=1.5, clip_on=False, solid_capstyle="butt")
    ax.text(x, y - height / 2, f"  {height / 1000:g} mV", ha="left", va="center")


@plt.rc_context(STYLE)
def draw_muaps(recording, output, note, width_ms=50.0):
    """Motor-unit action potentials over the grid, by spike-triggered averaging.

    Parameters
    ----------
    recording : recording.Recording
        With a grid.
    output, note : str
        See `save`; the stem is sample_muaps.
    width_ms : float
        Time drawn, centred on the discharge.

    Returns
    -------
    IPython.display.Image
    """
    width = round(width_ms * recording.fs / 1000)
    figure, axes = plt.subplots(
        1, recording.n_motor_units, figsize=(TWO_COLUMNS, 85 * MM), squeeze=False
    )
    across = np.linspace(-0.45, 0.45, width)
    for unit, ax in enumerate(axes[0]):
        times = recording.discharges[unit]
        average = spike_triggered_average(recording.emg, times, width)
        height = np.ptp(average, axis=1).max()
        for (row, column), wave in zip(recording.grid.electrodes, average, strict=True):
            ax.plot(column + across, row - wave / height, color="k", lw=0.5)
        ax.set(xticks=range(recording.grid.shape[1]), xlabel="Column")
        ax.set(ylim=(recording.grid.shape[0] - 0.3, -2.2), yticks=range(recording.grid.shape[0]))
        ax.set_title(f"Motor unit {unit}")
        about = f"{len(times)} discharges\n{height:.0f} µV peak to peak"
        ax.text(0, 1, about, transform=ax.transAxes, va="top", fontsize=6)
        ax.plot([2, 2], [-0.6, recording.grid.shape[0] - 0.4], color="#D55E00", lw=0.4, zorder=0)
    axes[0, 0].set_ylabel(f"Row (each trace {width_ms:g} ms)")
    return save(figure, "sample_muaps", output, note)


@plt.rc_context(STYLE)
def draw_decoded(results, fs, window, output, note, shown_s=8.0):
    """Decoded against labelled windows of held-out time, one panel per decoder.

    Parameters
    ----------
    results : dict of str to train.Result
        Title to result.
    fs : float
        Sampling frequency in Hz.
    window : int
        Window W in samples.
    output, note : str
        See `save`; the stem is sample_decoded.
    shown_s : float
        Time shown, in s, from the middle of the recording.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplots(
        len(results), 1, figsize=(TWO_COLUMNS, 45 * MM * len(results)), sharex=True, squeeze=False
    )
    for letter, ax, (title, result) in zip("abcdef", axes[:, 0], results.items(), strict=False):
        time = (result.starts + window / 2) / fs
        decoded, tested = result.decoded, np.isfinite(result.predictions[:, 0])
        label = result.labels.astype(bool)
        kinds = {
            "labelled discharge": (label, -0.2, "|", "k"),
            "decoded, correct": (decoded & label, 0.2, "|", "#0072B2"),
            "decoded, false": (decoded & ~label, 0.2, "x", "#D55E00"),
        }
        for name, (hits, shift, marker, colour) in kinds.items():
            n, unit = np.nonzero(hits & tested[:, None])
            ax.plot(time[n], unit + shift, marker, color=colour, ms=4, mew=0.8, label=name)
        ax.set(yticks=range(label.shape[1]), ylim=(label.shape[1] - 0.4, -0.6))
        middle = time[len(time) // 2]
        xlim = (middle - shown_s / 2, middle + shown_s / 2)
        ax.set(ylabel="Motor unit", xlim=xlim, title=f"{letter}  {title}")
    axes[-1, 0].set_xlabel("Time (s)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return save(figure, "sample_decoded", output, note)


@plt.rc_context(STYLE)
def draw_scores(table, output, note):
    """F1 of each decoder under both splits, beside the always-positive baseline.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns setting, network, window, step, split, f1, always_positive_f1.
    output, note : str
        See `save`; the stem is sample_scores.

    Returns
    -------
    IPython.display.Image
    """
    names = ["setting", "network", "window", "step"]
    rows = table[names].drop_duplicates().reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(TWO_COLUMNS, (22 + 5.5 * len(rows)) * MM))
    place = {tuple(row): -i for i, row in enumerate(rows.to_numpy())}
    y = np.array([place[tuple(row)] for row in table[names].to_numpy()])
    for split, fill in (("blocked", "k"), ("shuffled", "w")):
        chosen = (table["split"] == split).to_numpy()
        ax.plot(table["f1"][chosen], y[chosen], "o", mfc=fill, mec="k", ms=5, label=split)
    ax.plot(
        table["always_positive_f1"], y, "|", color="#D55E00", ms=9, mew=1.5, label="always positive"
    )
    labels = [f"{r.network}, W = {r.window}, S = {r.step}" for r in rows.itertuples()]
    ax.set(yticks=-np.arange(len(rows)), yticklabels=labels)
    ax.set(xlim=(-0.02, 1.02), xlabel="F1 (mean over motor units and folds)")
    ax.grid(axis="x", lw=0.3)
    for setting, group in rows.groupby("setting", sort=False):
        top = -group.index.min() + 0.45
        ax.text(1.03, top - 0.1, setting, va="top", fontsize=6, transform=ax.get_yaxis_transform())
        ax.axhline(top, color="0.6", lw=0.5)
    ax.set_ylim(-len(rows) + 0.5, 0.55)
    figure.legend(loc="outside upper right", ncols=3)
    return save(figure, "sample_scores", output, note)


KIND_COLOURS = {  # light to dark, so that the kinds differ in grey
    "Window": "#FFFFFF",
    "Conv": "#9ECAE1",
    "Shrinkage": "#4A90C2",
    "pool": "#F2E5B0",
    "Flatten": "#E6E6E6",
    "FC": "#E8A87C",
    "Average": "#F2E5B0",
}


@plt.rc_context(STYLE)
def draw_networks(layers, block, window, n_channels, output, note):
    """Figure 3: the networks, drawn from the layers of the modules themselves.

    Parameters
    ----------
    layers : dict of str to pandas.DataFrame
        Title to `models.layer_table`, at most three.
    block : pandas.DataFrame
        `models.layer_table` of ML-DRSNet with its blocks expanded.
    window, n_channels : int
        Size of one window.
    output, note : str
        See `save`; the stem is figure_03.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplots(
        len(layers) + 1, 1, figsize=(TWO_COLUMNS, 28 * MM * (len(layers) + 1))
    )
    for letter, ax, (title, table) in zip("abc", axes, layers.items(), strict=False):
        _draw_chain(ax, [("Window", f"{n_channels} x {window}", []), *_boxes(table)])
        ax.set_title(f"{letter}  {title}")
    inside = block[block["path"].str.startswith("blocks.2.")]
    _draw_block(axes[-1], inside)
    axes[-1].set_title("d  Inside a shrinkage block (the third of ML-DRSNet)")
    for ax in axes:
        ax.set(xlim=(-0.5, 12.6), ylim=(-0.45, 1.15))
        ax.axis("off")
    return save(figure, "figure_03", output, note)


def _boxes(table):
    """Layers to draw as boxes: (layer, output, what follows it: BN, ReLU, dropout)."""
    boxes = []
    for row in table.itertuples():
        if row.layer in ("BN", "ReLU", "Sigmoid") or row.layer.startswith("Dropout"):
            boxes[-1][2].append(row.layer)
        else:
            boxes.append((row.layer, " x ".join(map(str, row.output)), []))
    return boxes


def _draw_chain(ax, boxes, first=0):
    """Boxes from left to right with arrows between them; returns the place after the last."""
    for i, (layer, output, added) in zip(itertools.count(first), boxes, strict=False):
        colour = next(c for kind, c in KIND_COLOURS.items() if kind in layer)
        ax.add_patch(Rectangle((i - 0.4, 0.42), 0.8, 0.6, fc=colour, ec="k", lw=0.6))
        words = layer.replace(", ", "\n").replace(" ", "\n", 1)
        size = 4.5 if "branches" in layer else 5
        ax.text(i, 0.72, words, ha="center", va="center", fontsize=size)
        ax.text(i, 0.36, "\n".join([output, *added]), ha="center", va="top", fontsize=5)
        if i > first:
            ax.annotate(
                "", (i - 0.38, 0.72), (i - 0.62, 0.72), arrowprops=dict(arrowstyle="->", lw=0.6)
            )
    return first + len(boxes)


def _draw_block(ax, table):
    """The three chains of a shrinkage block and how they come together."""
    chains = {
        "body": "features",
        "attention": "thresholds / mean |features|",
        "shortcut": "shortcut",
    }
    place = 0
    for part, name in chains.items():
        chain = _boxes(table[table["path"].str.contains(f".{part}", regex=False)])
        ax.text(place - 0.4, 1.06, name, fontsize=5.5, style="italic")
        place = _draw_chain(ax, chain, place) + 0.7
    rule = "output = ReLU(\n  soft threshold(features, thresholds)\n  + shortcut)"
    ax.text(place - 0.4, 0.72, rule, va="center", fontsize=6)
