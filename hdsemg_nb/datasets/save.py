"""Writers of recordings: BIDS, MATLAB, and tables of discharge times."""

import io
import json
import re
from fractions import Fraction
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import scipy.io

from hdsemg_nb import paths
from hdsemg_nb.datasets.bids import SPIKE
from hdsemg_nb.datasets.files import naming
from hdsemg_nb.datasets.matfile import cells, number, numbers, read_mat, require, zero_based
from hdsemg_nb.recording import Grid, Recording


def save_events_tsv(recording, path):
    """Write the discharge times as a BIDS events.tsv, as the MUnitQuest competition takes them.

    Columns onset (s), duration (0), sample (from 0), unit_id (from 0), event_type
    "motor-unit-spike", by time. `save_bids` puts the same beside the signal.

    Parameters
    ----------
    recording : recording.Recording
    path : str or pathlib.Path
        Written whole or not at all.
    """
    table = _spikes(recording).assign(duration=0, event_type=SPIKE)
    columns = ["onset", "duration", "sample", "unit_id", "event_type"]
    paths.write_whole(Path(path), _tsv(table[columns]))


def save_csv(recording, path):
    """Write the discharge times as a table: unit (from 0), sample (from 0), time_s.

    Parameters
    ----------
    recording : recording.Recording
    path : str or pathlib.Path
        Written whole or not at all.
    """
    table = _spikes(recording).sort_values(["unit_id", "sample"])
    table = table.rename(columns={"unit_id": "unit", "onset": "time_s"})
    paths.write_whole(Path(path), table.to_csv(index=False, lineterminator="\n"))


def _spikes(recording):
    """One row for each discharge, by time, with the onset in s as text."""
    trains = enumerate(recording.discharges)
    rows = sorted((sample, unit) for unit, times in trains for sample in times.tolist())
    rows = [(unit, sample, f"{sample / recording.fs:.6f}") for sample, unit in rows]
    return pd.DataFrame(rows, columns=["unit_id", "sample", "onset"])


def save_mat(recording, path):
    """Write a recording as a MATLAB 5 file that `load_mat` reads.

    Variables: emg (channels x samples, single, uV), fs (Hz), discharges (cell, one row of sample
    numbers counted from 1 for each motor unit), pnr (dB), force (1 x samples) and force_name, grid
    (struct with electrodes, row and column of each channel counted from 1, and ied_mm),
    interpolated (cell, one row for each such channel: its number from 1, then those whose mean it
    is), subject, muscle, mvc (% MVC), source. What a recording lacks is empty.

    Parameters
    ----------
    recording : recording.Recording
    path : str or pathlib.Path
        Written whole or not at all.
    """
    grid = recording.grid
    pairs = [np.array([one, *others]) for one, others in recording.interpolated]
    content = {name: getattr(recording, name) for name in ("subject", "muscle", "source")}
    content |= dict(emg=recording.emg, fs=recording.fs, mvc=recording.mvc)
    content |= dict(discharges=_cell(recording.discharges), interpolated=_cell(pairs))
    content |= dict(pnr=recording.pnr, force_name=recording.force_name, force=[], grid=[])
    if recording.force is not None:
        content["force"] = recording.force
    if grid is not None:
        content["grid"] = {"electrodes": grid.electrodes + 1.0, "ied_mm": grid.ied_mm}
    packed = io.BytesIO()
    scipy.io.savemat(packed, content, oned_as="row")  # EMG hardly packs, and slowly
    paths.write_whole(Path(path), packed.getvalue())


def _cell(rows):
    """Rows of numbers from 0 as a MATLAB cell of numbers from 1."""
    cell = np.empty((1, len(rows)), dtype=object)
    for k, row in enumerate(rows):
        cell[0, k] = row[np.newaxis] + 1.0
    return cell


def load_mat(path):
    """Read a file of `save_mat`, or one made in MATLAB with its variables emg, fs, discharges.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    recording.Recording
        What `save_mat` wrote, unchanged.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When a variable is missing or cannot be right; names the file.
    """
    with naming(path):
        content = require(read_mat(path), ["emg", "fs", "discharges"])
        emg = numbers(content["emg"], "emg")
        trains = enumerate(cells(content["discharges"]), start=1)
        trains = [zero_based(x, f"discharges{{{k}}}", emg.shape[-1]) for k, x in trains]
        names = ("subject", "muscle", "source", "force_name")
        about = {name: x for name in names if isinstance(x := content.get(name), str)}
        for name in ("pnr", "force"):
            values = numbers(content.get(name, np.empty(0)), name).ravel()
            about[name] = values if values.size else None
        rows = cells(content.get("interpolated", np.empty(0)))
        rows = [zero_based(row, "interpolated", len(emg)) for row in rows]
        about["interpolated"] = [(one, others) for one, *others in rows]
        if "mvc" in content:
            about["mvc"] = number(content["mvc"], "mvc")
        if isinstance(grid := content.get("grid"), dict):
            require(grid, ["electrodes", "ied_mm"])
            places = numbers(grid["electrodes"], "grid.electrodes").astype(float) - 1
            about["grid"] = Grid(places, number(grid["ied_mm"], "grid.ied_mm"))
        return Recording(emg, number(content["fs"], "fs"), trains, **about)


def save_bids(recording, folder, task="isometric"):
    """Write a recording as a BIDS data set (EMG since BIDS 1.11) that `load_bids` reads.

    Adds sub-<subject>/emg/sub-<subject>_task-<task><mvc>percentMVC_... to the data set: signal,
    emg.json, channels.tsv, events.tsv with the discharges and, with a grid, electrodes.tsv and
    coordsystem.json; dataset_description.json is written where it is missing, the participant added
    to participants.tsv. The signal is BDF, each channel scaled to its own range, rounded up to
    whole units: values come back within half a step, range / 2^24. What BIDS has no place for is
    lost: pulse-to-noise ratios, an intensity that is no whole number, the source, a motor unit
    without discharges (those after it are numbered anew when they are read). Interpolated channels
    are marked as bad, and interpolated again when they are read. Required fields of emg.json that
    a recording does not tell are "n/a".

    Parameters
    ----------
    recording : recording.Recording
    folder : str or pathlib.Path
        Of the data set; made if missing.
    task : str
        Label of the task, letters and digits.

    Returns
    -------
    pathlib.Path
        The signal's file.

    Raises
    ------
    ValueError
        When the task or the subject is no label (letters and digits; a task to which the intensity
        is added ends in a letter), or the signal cannot be
        stored: a rate that no whole record holds, a value of eight digits; when the participant's
        grid in the data set is another.
    FileExistsError
        When the data set holds this recording already.
    """
    if not re.fullmatch("[0-9a-zA-Z]+", task):
        raise ValueError(f"task={task!r} must be letters and digits, as BIDS asks of a label")
    subject = recording.subject.removeprefix("sub-")
    if not re.fullmatch("[0-9a-zA-Z]+", subject):
        raise ValueError(
            f"subject={subject!r} must be letters and digits, as BIDS asks of a label: save "
            "dataclasses.replace(recording, subject=...) with one"
        )
    intensity = f"{recording.mvc:.0f}percentMVC" if recording.mvc % 1 == 0 else ""
    if intensity and task[-1].isdigit():
        raise ValueError(f"task={task!r} must end in a letter: {intensity} follows it in the name")
    name = f"sub-{subject}_task-{task}{intensity}"
    place = paths.made(Path(folder) / f"sub-{subject}" / "emg")
    signal = place / f"{name}_emg.bdf"
    if there := sorted(place.glob(f"{name}_*")):
        raise FileExistsError(f"{there[0]} is there already; choose another task or subject")
    content = _bdf(recording)
    if recording.grid is not None:
        _once(place / f"sub-{subject}_electrodes.tsv", _tsv(_electrodes(recording.grid)))
        _once(place / f"sub-{subject}_space-grid1_coordsystem.json", _json(_COORDINATES))
    _dataset(Path(folder), f"sub-{subject}")
    paths.write_whole(place / f"{name}_emg.json", _json(_about(recording, task)))
    paths.write_whole(place / f"{name}_channels.tsv", _tsv(_channels(recording)))
    save_events_tsv(recording, place / f"{name}_events.tsv")
    paths.write_whole(signal, content)
    return signal


_COORDINATES = {
    "EMGCoordinateSystem": "Other",
    "EMGCoordinateUnits": "mm",
    "EMGCoordinateSystemDescription": "x along the columns of the grid, y along its rows, from the "
    "electrode in the first row and column",
}


def _once(path, content):
    """Write what all recordings of a participant share, or find it the same."""
    if path.exists() and path.read_text(encoding="utf-8") != content:
        raise ValueError(f"{path} tells of another grid; choose another subject")
    paths.write_whole(path, content)


def _json(content):
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _tsv(table):
    table = table.replace({"": "n/a"})
    return table.to_csv(sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def _dataset(folder, participant):
    description = folder / "dataset_description.json"
    if not description.exists():
        about = dict(Name=folder.resolve().name, BIDSVersion="1.11.1", DatasetType="raw")
        paths.write_whole(description, _json(about))
    known = folder / "participants.tsv"
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else ["participant_id"]
    if participant not in [line.split("\t")[0] for line in lines]:
        row = "\t".join([participant, *["n/a"] * lines[0].count("\t")])
        paths.write_whole(known, "\n".join([*lines, row]) + "\n")


def _about(recording, task):
    unknown = "EMGPlacementScheme EMGReference PowerLineFrequency SoftwareFilters".split()
    about = {"TaskName": task, "SamplingFrequency": recording.fs} | dict.fromkeys(unknown, "n/a")
    about |= {"RecordingType": "continuous", "RecordingDuration": recording.duration}
    about["EMGChannelCount"] = recording.n_channels
    if recording.grid is not None:
        about["InterelectrodeDistance"] = recording.grid.ied_mm
    return about


def _force(recording):
    """Name and unit of the force."""
    parts = re.fullmatch(r"(.*) \((.*)\)", recording.force_name)
    return (parts[1], parts[2]) if parts else (recording.force_name or "force", "")


def _channels(recording):
    names = [f"EMG{k:03d}" for k in range(1, recording.n_channels + 1)]
    table = pd.DataFrame({"name": names, "type": "EMG", "units": "uV", "description": ""})
    electrodes = [f"E{k}" for k in range(1, len(names) + 1)] if recording.grid is not None else ""
    table = table.assign(signal_electrode=electrodes, group="grid1", target_muscle=recording.muscle)
    bad = np.isin(range(len(names)), [one for one, _ in recording.interpolated])
    table["status"] = np.where(bad, "bad", "good")
    if recording.force is not None:
        name, unit = _force(recording)
        table.loc[len(table)] = ["force", "MISC", unit, name, "", "", "", "good"]
    return table


def _electrodes(grid):
    names = [f"E{k}" for k in range(1, len(grid.electrodes) + 1)]
    rows, columns = grid.electrodes.T * grid.ied_mm
    table = pd.DataFrame({"name": names, "x": columns, "y": rows})
    return table.assign(coordinate_system="grid1", group="grid1")


def _bdf(recording):
    """Bytes of the file; the last record is filled with zeros."""
    whole = Fraction(recording.fs).limit_denominator(100)
    if float(whole) != recording.fs:
        raise ValueError(
            f"fs={recording.fs} Hz: no record of up to 100 s holds whole samples of it"
        )
    units = {f"EMG{k:03d}": ("uV", x) for k, x in enumerate(recording.emg, start=1)}
    if recording.force is not None:
        unit = _force(recording)[1]  # the header holds eight plain characters, channels.tsv all
        units["force"] = (unit[:8] if unit.isascii() else "", recording.force)
    signals = []
    for label, (unit, values) in units.items():
        limit = max(float(np.ceil(np.abs(values).max())), 1.0)
        if limit > 9_999_999:
            raise ValueError(f"{label} reaches {limit:g}; the header holds seven digits, scale it")
        values = np.pad(values.astype(float), (0, -len(values) % whole.numerator))
        about = dict(physical_dimension=unit, physical_range=(-limit, limit))
        signals.append(edfio.BdfSignal(values, recording.fs, label=label, **about))
    return edfio.Bdf(signals, data_record_duration=whole.denominator).to_bytes()
