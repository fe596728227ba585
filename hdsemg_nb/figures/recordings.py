"""Figures of recordings: EMG, spike trains, action potentials over the grid."""

import matplotlib.pyplot as plt
import numpy as np

from hdsemg_nb.figures.style import MM, STYLE, TWO_COLUMNS, save, scale_bar
from hdsemg_nb.segment import spike_triggered_average


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
    scale_bar(axes["emg"], time[-1], 0.5 * gap, gap)
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
    figure, axes = plt.subplots(
        1, recording.n_motor_units, figsize=(TWO_COLUMNS, 85 * MM), squeeze=False
    )
    for unit, ax in enumerate(axes[0]):
        _muap_map(ax, recording, unit, width_ms)
        ax.set_xlabel("Column")
    axes[0, 0].set_ylabel(f"Row (each trace {width_ms:g} ms)")
    return save(figure, "sample_muaps", output, note)


@plt.rc_context(STYLE)
def draw_muap_page(recordings, output, note, n_shown=4, width_ms=50.0):
    """A page of motor-unit action potentials over the grid, one row for each recording.

    Each map is scaled to its own largest action potential, whose height is written above it; the
    orange line is the discharge mark in the middle column.

    Parameters
    ----------
    recordings : dict of str to recording.Recording
        Title to recording, each with a grid; up to three fill a page.
    output, note : str
        See `save`; the stem is muap_maps.
    n_shown : int
        Motor units of each recording, from its first to its last.
    width_ms : float
        Time drawn, centred on the discharge.

    Returns
    -------
    IPython.display.Image
    """
    figure = plt.figure(figsize=(TWO_COLUMNS, 75 * MM * len(recordings)))
    rows = figure.subfigures(len(recordings), 1, squeeze=False)[:, 0]
    for letter, row, (title, recording) in zip("abcdef", rows, recordings.items(), strict=False):
        row.suptitle(f"{letter}  {title}", x=0.01, ha="left", fontsize=7.5, fontweight="bold")
        axes = row.subplots(1, n_shown)
        for ax in axes:
            ax.set_axis_off()
        units = np.unique(np.linspace(0, recording.n_motor_units - 1, n_shown).astype(int))
        for unit, ax in zip(units, axes, strict=False):
            ax.set_axis_on()
            _muap_map(ax, recording, unit, width_ms)
        axes[0].set_ylabel(f"Row (each trace {width_ms:g} ms)")
        row.supxlabel("Column", fontsize=7)
    return save(figure, "muap_maps", output, note)


def _muap_map(ax, recording, unit, width_ms):
    """Action potential of one motor unit, a trace for each electrode of the grid."""
    width = round(width_ms * recording.fs / 1000)
    across = np.linspace(-0.45, 0.45, width)
    times = recording.discharges[unit]
    average = spike_triggered_average(recording.emg, times, width)
    height = np.ptp(average, axis=1).max()
    for (row, column), wave in zip(recording.grid.electrodes, average, strict=True):
        ax.plot(column + across, row - wave / height, color="k", lw=0.5)
    n_rows, n_columns = recording.grid.shape
    ax.set(xticks=range(n_columns), ylim=(n_rows - 0.3, -2.2), yticks=range(n_rows))
    ax.set_title(f"Motor unit {unit}")
    about = f"{len(times)} discharges\n{height:.0f} µV peak to peak"
    ax.text(0, 1, about, transform=ax.transAxes, va="top", fontsize=6)
    ax.plot([n_columns // 2] * 2, [-0.6, n_rows - 0.4], color="#D55E00", lw=0.4, zorder=0)
