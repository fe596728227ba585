"""How every figure is drawn and saved, and the figures of recordings alone."""

import io
import textwrap

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image

from hdsemg_nb import paths
from hdsemg_nb.discharges import smoothed_rate
from hdsemg_nb.recording import rectangular_grid
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
NETWORK_COLOURS = {  # the same in every figure; from light to dark, so that they differ in grey
    "ML-DRSNet": "#F0A830",
    "ML-DCNN": "#3E8FC4",
    "MT-DCNN": "#5B2A56",
}
DISCHARGE = "#D55E00"  # of discharge marks, and of answering "discharge" every time
MUAP_MS = 50.0  # drawn of an action potential, centred on the discharge


def save(figure, stem, output, note):
    """Save a figure as vector PDF and 300 dpi PNG, close it, and return a preview to show.

    The files hold no date, so the same results give the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    stem : str
        File name without suffix, for example "figure_03".
    output : str
        Folder below the project (`paths.output_folder`).
    note : str
        Which data: printed in the lower right corner.

    Returns
    -------
    IPython.display.Image
    """
    width, height = 72 * figure.get_size_inches()  # points
    lines = textwrap.wrap(note, int(width / 3.2))  # letters of 5 points are 3.2 wide at most
    bottom = 0.03 + 6 * (len(lines) - 1) / height
    figure.get_layout_engine().set(rect=(0, bottom, 1, 1 - bottom))
    look = {"ha": "right", "va": "bottom", "fontsize": 5, "color": "0.35"}
    figure.text(0.995, 0.005, "\n".join(lines), **look)
    folder = paths.output_folder(output, "figures")
    pdf = _packed(figure, format="pdf", metadata={"CreationDate": None})
    paths.write_whole(folder / f"{stem}.pdf", pdf)
    paths.write_whole(folder / f"{stem}.png", _packed(figure, dpi=300))
    preview = Image(_packed(figure, dpi=110))
    plt.close(figure)
    return preview


def _packed(figure, **options):
    """Bytes of the file of a figure."""
    file = io.BytesIO()
    figure.savefig(file, **options)
    return file.getvalue()


def scale_bar(ax, x, y, height):
    """Vertical bar with its length in mV.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With EMG in uV on its y axis.
    x, y : float
        Upper end of the bar, in data units.
    height : float
        In uV.
    """
    ax.plot([x, x], [y - height, y], color="k", lw=1.5, clip_on=False, solid_capstyle="butt")
    ax.text(x, y - height / 2, f"  {height / 1000:g} mV", ha="left", va="center")


@plt.rc_context(STYLE)
def draw_recording(recording, stem, output, note):
    """A recording at a glance: amplitude over the grid, EMG of six channels, trains over force.

    Parameters
    ----------
    recording : recording.Recording
        Without a grid its channels are drawn as one column of electrodes.
    stem, output, note : str
        See `save`.

    Returns
    -------
    IPython.display.Image
    """
    layout, times = [["grid", "emg"], ["grid", "spikes"]], np.arange(recording.n_samples)
    ratios = {"width_ratios": [1, 3.4], "height_ratios": [1.6, 1]}
    figure, axes = plt.subplot_mosaic(layout, figsize=(TWO_COLUMNS, 85 * MM), **ratios)
    grid, rms = grid_of(recording), recording.emg.std(axis=1, dtype=float)
    draw_grid_image(axes["grid"], grid, rms, "EMG amplitude (µV RMS)")
    axes["grid"].set_title("a  Electrodes")
    shown = spread(recording.n_channels, 6)
    gap = draw_traces(axes["emg"], times / recording.fs, recording.emg[shown], 8 * rms.mean())
    scale_bar(axes["emg"], recording.duration, 0.5 * gap, gap)
    names = [f"({row}, {column})" for row, column in grid.electrodes[shown]]
    axes["emg"].set_yticks(-gap * np.arange(len(shown)), names)
    axes["emg"].set(ylabel="Electrode (row, column)", xlim=(0, recording.duration))
    axes["emg"].set_title(f"b  EMG of {len(shown)} of {recording.n_channels} channels")
    trains = [train / recording.fs for train in recording.discharges]
    axes["spikes"].eventplot(trains, colors="k", linelengths=0.7, linewidths=0.5)
    rows = max(recording.n_motor_units, 1)
    axes["spikes"].set(ylim=(rows - 0.5, -0.5), ylabel="Motor unit", xlim=(0, recording.duration))
    axes["spikes"].yaxis.get_major_locator().set_params(integer=True)
    axes["spikes"].set(title="c  Spike trains", xlabel="Time (s)")
    if recording.force is not None:
        _draw_force(axes["spikes"], times / recording.fs, recording)
    return save(figure, stem, output, note)


def spread(number, n_shown):
    """Up to `n_shown` of so many channels or motor units, from the first to the last."""
    return np.unique(np.linspace(0, number - 1, n_shown).astype(int))[:number]


def grid_of(recording):
    """The grid of a recording, or its channels below each other."""
    return recording.grid or rectangular_grid(recording.n_channels, 1, 1.0, empty=())


def draw_grid_image(ax, grid, values, label):
    """Values of the channels as an image of the electrode grid, with a colour bar.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    grid : recording.Grid
    values : array_like, shape (channels,)
    label : str
        Of the colour bar, with the unit.
    """
    image = ax.imshow(grid.image(values), cmap="cividis", aspect="auto", interpolation="nearest")
    ax.set(xlabel="Column", ylabel="Row", xticks=range(grid.shape[1]))
    ax.figure.colorbar(image, ax=ax, label=label, location="bottom", aspect=12, pad=0.02)


def draw_traces(ax, x, signals, gap):
    """Signals below each other, each without its mean.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x : array_like, shape (samples,)
    signals : array_like, shape (channels, samples)
    gap : float
        Distance of two signals, in their unit; it is rounded up to one digit.

    Returns
    -------
    float
        The distance.
    """
    unit = 10.0 ** np.floor(np.log10(gap)) if gap > 0 else 1.0
    gap = unit * max(np.ceil(gap / unit), 1)
    for row, signal in enumerate(signals):
        ax.plot(x, signal - signal.mean() - row * gap, color="k", lw=min(0.6, 16000 / len(x)))
    return gap


@plt.rc_context(STYLE)
def draw_muaps(recordings, stem, output, note, n_shown=5):
    """Motor-unit action potentials over the grid, one row of maps for each recording.

    Each map is scaled to its own largest action potential, whose height is written above it; the
    orange lines are the discharge marks, one in each column.

    Parameters
    ----------
    recordings : dict of str to recording.Recording
        Title to recording with discharge times; up to three fill a page.
    stem, output, note : str
        See `save`.
    n_shown : int
        Motor units of each recording, from its first to its last.

    Returns
    -------
    IPython.display.Image
    """
    figure = plt.figure(figsize=(TWO_COLUMNS, 75 * MM * len(recordings)))
    rows = figure.subfigures(len(recordings), 1, squeeze=False)[:, 0]
    for row, (title, recording) in zip(rows, recordings.items(), strict=True):
        row.suptitle(title, x=0.01, ha="left", fontsize=7.5, fontweight="bold")
        axes = row.subplots(1, n_shown, squeeze=False)[0]
        units = spread(recording.n_motor_units, n_shown)
        for unit, ax in zip(units, axes, strict=False):
            _muap_map(ax, recording, unit)
        if len(units) < recording.n_motor_units:
            shown = f"{len(units)} of {recording.n_motor_units} motor units"
            row.text(0.99, 0.99, shown, ha="right", va="top", fontsize=7)
        for ax in axes[len(units) :]:
            ax.set_axis_off()
        axes[0].set_ylabel(f"Row (each trace {MUAP_MS:g} ms)")
        row.supxlabel("Column", fontsize=7)
    return save(figure, stem, output, note)


def _muap_map(ax, recording, unit):
    """Action potential of one motor unit, a trace for each electrode."""
    grid, times = grid_of(recording), recording.discharges[unit]
    average = spike_triggered_average(recording.emg, times, round(MUAP_MS * recording.fs / 1000))
    height = np.ptp(average, axis=1).max()
    n_rows, n_columns = grid.shape
    scale = max(1, n_rows / 13) / (height or 1)
    across = np.linspace(-0.45, 0.45, average.shape[1])
    for (row, column), wave in zip(grid.electrodes, average, strict=True):
        ax.plot(column + across, row - scale * wave, color="k", lw=0.5)
    ax.set(xticks=range(n_columns), ylim=(n_rows - 0.3, -0.17 * n_rows))
    ax.set_yticks(range(0, n_rows, -(-n_rows // 13)))
    about = f"{len(times)} discharges\n{height:.0f} µV peak to peak"
    ax.text(0.03, 1, about, transform=ax.transAxes, va="top", fontsize=6)
    ax.vlines(range(n_columns), -0.6, n_rows - 0.4, color=DISCHARGE, lw=0.4, zorder=0)
    ax.set_title(f"Motor unit {unit}")


@plt.rc_context(STYLE)
def draw_spike_trains(recording, stem, output, note, title=""):
    """Spike trains and smoothed discharge rates of every motor unit, over the force.

    Parameters
    ----------
    recording : recording.Recording
    stem, output, note : str
        See `save`.
    title : str
        Above the figure.

    Returns
    -------
    IPython.display.Image
    """
    n_units, time = recording.n_motor_units, np.arange(recording.n_samples) / recording.fs
    heights = [(25 + 4 * n_units) * MM, 55 * MM]
    size = (TWO_COLUMNS, sum(heights))
    figure, (spikes, rates) = plt.subplots(2, 1, figsize=size, sharex=True, height_ratios=heights)
    colours = plt.get_cmap("cividis")(np.linspace(0, 0.7, max(n_units, 1)))
    trains = [times / recording.fs for times in recording.discharges]
    spikes.eventplot(trains, colors=colours[:n_units], linelengths=0.7, linewidths=0.6)
    spikes.set(ylim=(max(n_units, 1) - 0.5, -0.5), ylabel="Motor unit", title="a  Spike trains")
    spikes.yaxis.get_major_locator().set_params(integer=True)
    for times, colour in zip(recording.discharges, colours, strict=False):
        rate = smoothed_rate(times, recording.n_samples, recording.fs)
        rates.plot(time, np.where(rate > 0.01, rate, np.nan), color=colour)
    rates.set(title="b  Smoothed discharge rates", xlabel="Time (s)", ylim=(0, None))
    rates.set(ylabel="Discharges per second", xlim=(0, recording.duration))
    if recording.force is not None:
        for ax in (spikes, rates):
            _draw_force(ax, time, recording)
    return save(figure, stem, output, note)


def _draw_force(ax, time, recording):
    """The force as a grey area behind what is drawn, with an axis of its own on the right."""
    behind = ax.twinx()
    behind.fill_between(time, recording.force, color="0.88", lw=0)
    behind.set_ylim(min(0, recording.force.min()), None)
    behind.set_ylabel(recording.force_name[:1].upper() + recording.force_name[1:])
    behind.spines["right"].set_visible(True)
    ax.set_zorder(behind.get_zorder() + 1)
    ax.patch.set_visible(False)
