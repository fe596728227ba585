"""The signal of the reader's own recording: read, checked, repaired (notebook 09)."""

import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from hdsemg_nb import datasets
from hdsemg_nb.decoders.fitted import channel_names, check_kind
from hdsemg_nb.figures import DISCHARGE, MM, STYLE, TWO_COLUMNS, draw_grid_image, grid_of, save
from hdsemg_nb.recording import rectangular_grid
from hdsemg_nb.signal_check import check_signal, repair


def read(file, new_file, electrodes=(), **about):
    """The recording to train on, and the new one to decode.

    Parameters
    ----------
    file : str
        See `datasets.load`; "" for the real sample.
    new_file : str
        Another recording of the same electrodes; "" to cut the last third off the first.
    electrodes : (int, int, float), optional
        Rows, columns and mm between electrodes, where the file does not tell the grid: channels in
        row-major order; where they are one fewer, the first corner is without electrode.
    **about
        For `datasets.load`; what is empty or 0 is left to the file.

    Returns
    -------
    tuple of recording.Recording

    Raises
    ------
    ValueError
        When a decoder trained on the first cannot take the new one, or `electrodes` are not three
        numbers that fit the channels.
    """
    about = {name: value for name, value in about.items() if value}
    recording = datasets.load(file, **about) if file else datasets.fetch_sample()
    recording = _placed(recording, electrodes)
    if new_file:
        new = _placed(datasets.load(new_file, **about), electrodes)
        try:
            check_kind(new, recording.fs, channel_names(recording))
        except ValueError as error:
            raise ValueError(f"{new_file} does not fit {file or 'the sample'}: {error}") from error
        return recording, new
    border = recording.duration * 2 / 3
    parts = recording.crop(0, border), recording.crop(border, recording.duration)
    start = f"from sample {parts[0].n_samples} on ({parts[0].duration:.2f} s)"
    return parts[0], replace(parts[1], source=f"{recording.source}, {start}")


def _placed(recording, electrodes):
    if not electrodes:
        return recording
    if len(electrodes) != 3:
        raise ValueError(f"electrodes={electrodes!r}: give rows, columns, mm between electrodes")
    if recording.grid is not None:
        warnings.warn(f"electrodes={electrodes!r} over the grid that the file tells", stacklevel=3)
    rows, columns, ied_mm = electrodes
    empty = [(0, 0)] if rows * columns == recording.n_channels + 1 else []
    return replace(recording, grid=rectangular_grid(rows, columns, ied_mm, empty))


def name(file):
    """What the recording is called in titles and notes."""
    return Path(file).name if file else "real recording (openhdemg sample)"


def new_name(file, new_file):
    """What the new recording is called."""
    return name(new_file) if new_file else f"{name(file)}, last third"


def facts(**recordings):
    """What was read: a column for each recording."""
    return pd.DataFrame({name: _facts(one) for name, one in recordings.items()})


def _facts(one):
    rows = one.grid and f"{one.grid.shape[0]} x {one.grid.shape[1]}, {one.grid.ied_mm:g} mm"
    return {
        "source": one.source,
        "muscle": one.muscle or "not told",
        "channels": one.n_channels,
        "electrode grid": rows or "not told",
        "sampling frequency": f"{one.fs:g} Hz",
        "length": f"{one.duration:.1f} s",
        "motor units with discharge times": one.n_motor_units,
        "force": one.force_name or "none",
    }


def bad_channels(checked, also_bad=(), not_bad=()):
    """Channels to interpolate: those of the check, and what the reader decides otherwise."""
    known = set(checked.channels["channel"])
    for name, given in {"also_bad": also_bad, "not_bad": not_bad}.items():
        if unknown := set(given) - known:
            raise ValueError(f"{name}={sorted(unknown)}: channels are 0 to {max(known)}")
    found = checked.channels.query("action == 'interpolate'")["channel"]
    return sorted((set(found) | set(also_bad)) - set(not_bad))


def problems(checked):
    """The channels with a problem, alone; a sentence when there is none."""
    found = checked.channels.query("problem != ''").set_index("channel").round(3)
    return found if len(found) else "No channel has a problem."


def sentence(recording, checked, bad):
    """What was done about the channels, and what else the check says."""
    names = ", ".join(map(str, bad))
    how = "the mean of the sound electrodes around it"
    if recording.grid is None:
        how = "the mean of its neighbours by number, for the grid is not told (electrodes)"
    done = f"Interpolated: channels {names}, each {how}" if bad else "No channel interpolated"
    return ". ".join([done, *checked.notes]) + "."


def checked_and_repaired(recording, also_bad=(), not_bad=()):
    """The recording repaired, its check, and a sentence on both."""
    checked = check_signal(recording)
    bad = bad_channels(checked, also_bad, not_bad)
    return repair(recording, bad), checked, sentence(recording, checked, bad)


@plt.rc_context(STYLE)
def draw_check(recording, checked, output, note):
    """The signal of each electrode: amplitude, noise and mains over the grid, problems crossed.

    The colours end at the largest value of a channel without a problem.
    """
    figure, axes = plt.subplots(1, 3, figsize=(TWO_COLUMNS, 85 * MM))
    table, grid = checked.channels, grid_of(recording)
    shown = {
        "rms_uv": "EMG amplitude (µV RMS)",
        "noise": "High-frequency noise (times the median)",
        "mains_percent": "Mains (% of the power)",
    }
    for ax, (name, label) in zip(axes, shown.items(), strict=True):
        bad = table["problem"] != ""
        draw_grid_image(ax, grid, table[name].clip(upper=table.loc[~bad, name].max()), label)
        rows, columns = grid.electrodes[bad].T
        ax.plot(columns, rows, "x", color=DISCHARGE, ms=5)
    return save(figure, "signal_check", output, f"{note}; crosses: channels with a problem")
