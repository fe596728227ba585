"""Reader for EMG in the Brain Imaging Data Structure (BIDS)."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from hdsemg_nb.datasets.edf import at_rate, header_unit, read_signals, stack
from hdsemg_nb.datasets.files import chosen, force_fields, microvolts, naming
from hdsemg_nb.recording import Grid, Recording, discharge_times
from hdsemg_nb.signal_check import repair

KINDS_OF_EVENT = ["event_type", "trial_type", "description"]  # columns that may say what it is
SPIKE = "motor-unit-spike"  # what events.tsv calls a discharge, as the MUnitQuest competition does
_TO_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def load_bids(path, grid=None, unit=None):
    """Read an EMG recording of a BIDS dataset (EMG since BIDS 1.11).

    Read are *_emg.edf or *_emg.bdf, channels.tsv (type, units, group, status, electrode),
    electrodes.tsv, coordsystem.json and *_emg.json, by the inheritance principle: tables of the
    data set, participant and session hold for what lies below. Channels whose status is bad are
    interpolated (`signal_check.repair`), with a warning, so that all recordings of a grid have the
    same channels. Discharges are the "motor-unit-spike" of events.tsv (its column
    event_type or description; unit_id; sample counted from 0, or else onset), beside the recording
    or under derivatives/.

    A grid is a group of channels.tsv, or without groups a coordinate system of electrodes.tsv. It
    gets its map when its positions are multiples of one step: rows along y, columns along x, in
    their order as given; channels are put in row-major order over it.

    Where the EDF header and channels.tsv disagree on the unit of the EMG, the header wins, with a
    warning: the physical range beside it is in that unit, every reader of EDF goes by it, and
    tables with another unit than their file are a known fault (mne-bids issues 81 and 1477).
    channels.tsv is taken where the header is silent; `unit` overrules both. For other signals, of
    which nothing is converted, channels.tsv is believed.

    Parameters
    ----------
    path : str or pathlib.Path
        Folder of a data set, participant or session with one recording, or an *_emg file.
    grid : str or int, optional
        Which of several grids: its number from 0, its name or a part of it.
    unit : str or float, optional
        Of the EMG: "uV", "mV" or "V".

    Returns
    -------
    recording.Recording
        EMG in uV; all discharges of the recording whatever the grid; `mvc` where the task's label
        says "<number>percentMVC"; force from a signal that is no EMG and names one.

    Raises
    ------
    FileNotFoundError
        When there is no such file, or the folder holds no recording.
    ValueError
        When the folder holds several recordings or the recording several grids and none is chosen
        (lists them), or something cannot be right; names the file.

    Warns
    -----
    UserWarning
        When units disagree, channels are bad, positions are no grid, or the length is not the one
        that *_emg.json tells.
    """
    file = emg_file(Path(path))
    with naming(file):
        root = _root(file)
        edf, about = read_signals(file), {}
        for found in _beside(file, root, "emg.json"):
            about |= _json(found)
        channels = _channels(file, root, edf)
        emg, others = channels[channels.type == "EMG"], channels[channels.type != "EMG"]
        groups = list(emg.grid.unique())
        name = groups[chosen(groups, grid)]
        emg = emg[emg.grid == name]
        signals, fs = stack([edf.signals[k] for k in emg.index], _scales(emg, unit, file))
        length, beside = _length(about, edf, signals.shape[1], fs, file), []
        for row in others.itertuples():
            values = at_rate(edf.signals[row.Index], signals.shape[1], fs)[:length]
            beside.append((f"{row.description} {row.name}", row.units or row.header, values))
        order, layout = _layout(emg, about, file)
        task = _entities(file).get("task", "")
        intensities = re.findall(r"(?<!\d)(?<!\d[p.])(\d+)percentMVC", task)
        recording = Recording(
            signals[order, :length],
            fs,
            _discharges(file, root, fs),
            grid=layout,
            subject=_entities(file).get("sub", ""),
            muscle=", ".join(dict.fromkeys(x for x in emg.target_muscle if x)),
            mvc=float(intensities[-1]) if intensities else np.nan,
            source=f"BIDS file {file.name}" + (f", {name}" if name else ""),
            **force_fields(beside, length),
        )
        bad = (emg.status == "bad").to_numpy()[order]
        if bad.any():
            names = ", ".join(emg.name.to_numpy()[order][bad])
            warnings.warn(f"{file.name}: bad channels interpolated: {names}", stacklevel=2)
        return repair(recording, np.flatnonzero(bad))


def emg_file(path):
    """The *_emg.edf or .bdf of a folder, derivatives apart; a file is itself."""
    if not path.is_dir():
        return path
    derived = {"derivatives", "sourcedata"}
    found = sorted(path.rglob("*_emg.[eb]df"))
    found = [file for file in found if derived.isdisjoint(file.relative_to(path).parts)]
    if not found:
        raise FileNotFoundError(f"{path}: no *_emg.edf or *_emg.bdf in this folder")
    if len(found) > 1:
        listed = "\n  ".join(str(p) for p in found)
        raise ValueError(f"{path}: holds {len(found)} recordings; give one of\n  {listed}")
    return found[0]


def _root(file):
    """Folder of the data set: the one described, or above the participant's, or the file's."""
    described = [p for p in file.parents if (p / "dataset_description.json").is_file()]
    above = [p.parent for p in file.parents if p.name.startswith("sub-")]
    return [*described, *above, file.parent][0]


def _entities(path):
    """Entities of a name such as sub-01_task-rest_emg.edf; those that a table adds are left out."""
    parts = [part.split("-", 1) for part in path.name.split("_")[:-1] if "-" in part]
    return {key: value for key, value in parts if key not in ("space", "desc")}


def _beside(file, root, ending):
    """Files that end so and hold for `file`, the most specific last."""
    of, found = _entities(file).items(), []
    for folder in reversed([file.parent, *file.parent.parents]):
        if folder == root or root in folder.parents:
            found += [p for p in sorted(folder.glob(f"*{ending}")) if _entities(p).items() <= of]
    return found


def _json(path):
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path.name} beside it is no JSON ({error})") from error
    return content if isinstance(content, dict) else {}


def _table(path):
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return table.apply(lambda column: column.str.strip()).replace({"n/a": "", "N/A": ""})


def _with(table, columns):
    """The table with these columns, "" where it lacks one."""
    return table.assign(**{name: "" for name in columns if name not in table})


def _channels(file, root, edf):
    """What is known of each signal of the file, in their order, with its grid and its place."""
    labels = [signal.label.strip() for signal in edf.signals]
    tables = _beside(file, root, "channels.tsv")
    if tables:
        table = _with(_table(tables[-1]), ["name", "type"])
        by_name = sorted(table.name) == sorted(labels) and table.name.is_unique
        if not by_name and len(table) != len(labels):
            lists = f"{tables[-1].name} lists {len(table)} channels, the file has {len(labels)}"
            raise ValueError(f"{lists}; they have to be the same")
        pairs = [pair for pair in zip(table.name, labels, strict=True) if len(set(pair)) == 2]
        if not by_name and {name for name, _ in pairs} & {label for _, label in pairs}:
            told, label = pairs[0]
            lists = f"{tables[-1].name} lists {told!r} where the file has {label!r}"
            raise ValueError(f"{lists}, others in another order: name them all as the file does")
        table = (table.set_index("name").loc[labels].reset_index() if by_name else table).copy()
    else:
        warnings.warn(f"{file.name}: no channels.tsv, all signals in volts are EMG", stacklevel=3)
        volts = [header_unit(signal).lower().endswith("v") for signal in edf.signals]
        table = pd.DataFrame({"name": labels, "type": np.where(volts, "EMG", "MISC")})
    fields = "units group status signal_electrode target_muscle description".split()
    table = _with(table, fields).assign(header=[header_unit(signal) for signal in edf.signals])
    table["type"], table["status"] = table.type.str.upper(), table.status.str.lower()
    if "EMG" not in set(table.type):
        raise ValueError(f"has no channel of the type EMG, only {sorted(set(table.type))}")
    return _placed(table, file, root)


def _placed(table, file, root):
    """The table with x, y and coordinate system of each channel's electrode, and its grid."""
    tables = [_table(path) for path in _beside(file, root, "electrodes.tsv")]
    columns = ["name", "x", "y", "group", "coordinate_system"]
    places = _with(pd.concat([pd.DataFrame(columns=["name"], dtype=str), *tables]), columns)
    rows = []
    for channel in table.itertuples():
        found = places[places.name == (channel.signal_electrode or channel.name)]
        if len(found) > 1:  # electrodes are known by name and group
            found = found[found.group == channel.group]
        rows.append(dict(found.iloc[-1]) if len(found) else dict.fromkeys(columns, ""))
    found = pd.DataFrame(list(rows), index=table.index).fillna("")
    for name in ("x", "y", "coordinate_system"):
        table[name] = found[name]
    grouped = (table.group != "").any()
    return table.assign(grid=table.group if grouped else table.coordinate_system)


def _scales(emg, unit, file):
    """Microvolts in one unit of each EMG signal; warns where header and table disagree."""
    scales, otherwise = [], set()
    for row in emg.itertuples():
        scales.append(microvolts(unit or row.header or row.units, f"unit of {row.name}"))
        if unit is None and row.units:
            if microvolts(row.units, "units in channels.tsv") != scales[-1]:
                otherwise.add((row.header, row.units))
    for header, table in sorted(otherwise):
        both = f"{file.name}: EMG in {header} by the EDF header, {table} by channels.tsv"
        taken = f"taken as {header}, the unit of the header's range"
        warnings.warn(f"{both}; {taken} (unit= overrules it)", stacklevel=3)
    return scales


def _length(about, edf, n_samples, fs, file):
    """Samples without the zeros that fill the last record, by the RecordingDuration."""
    told = about.get("RecordingDuration")
    told = round(told * fs) if isinstance(told, int | float) else n_samples
    if n_samples - edf.data_record_duration * fs < told <= n_samples:
        return told
    says = f"RecordingDuration says {told / fs:g} s, the file holds {n_samples / fs:g} s"
    warnings.warn(f"{file.name}: {says}; all of the file is read", stacklevel=3)
    return n_samples


def _layout(emg, about, file):
    """Order of the channels and their `Grid`, None where the positions are no grid."""
    order, says = np.arange(len(emg)), "electrodes.tsv gives no place for some"
    if len(emg) == 1:
        return order, None
    places = emg[["x", "y"]].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if np.isfinite(places).all():
        places = places.round(6)
        steps = np.concatenate([np.diff(np.unique(axis)) for axis in places.T])
        step = steps.min() if len(steps) else np.inf
        ranks = (places - places.min(axis=0)) / step
        electrodes = ranks.round().astype(int)[:, ::-1]
        ied = _ied(emg, about, file, step)
        regular = np.allclose(ranks, ranks.round(), rtol=0, atol=1e-2)
        regular &= (electrodes.max(axis=0) + 1).prod() <= 10 * len(electrodes)
        says = "the positions in electrodes.tsv are not regular, or their distance is not known"
        if regular and ied and len(np.unique(electrodes, axis=0)) == len(electrodes):
            order = np.lexsort(electrodes[:, ::-1].T)
            return order, Grid(electrodes[order], ied)
    warnings.warn(f"{file.name}: {says}: grid is None", stacklevel=3)
    return order, None


def _ied(emg, about, file, step):
    """Interelectrode distance in mm: the step in the coordinates' unit, or as *_emg.json tells."""
    space = emg.coordinate_system.iloc[0]
    for path in _beside(file, _root(file), "coordsystem.json")[::-1]:
        of = re.search(r"_space-([^_]+)_", path.name)
        if of is None or of[1] == space:
            unit = _json(path).get("EMGCoordinateUnits")
            if unit in _TO_MM:
                return float(step * _TO_MM[unit])
    told = about.get("InterelectrodeDistance")
    return float(told) if isinstance(told, int | float) else None


def _discharges(file, root, fs):
    """Discharge times from events.tsv beside the recording, or else under derivatives/."""
    of, derived = _entities(file).items(), sorted((root / "derivatives").rglob("*events.tsv"))
    paths = _beside(file, root, "events.tsv")[::-1]
    paths += [path for path in derived if _entities(path).items() <= of]
    found = [(path, trains) for path in paths if (trains := read_spikes(path, fs)) is not None]
    if len(found) > 1:
        names = [str(path) for path, _ in found]
        warnings.warn(f"discharges in {names}; those of the first are taken", stacklevel=3)
    return found[0][1] if found else ()


def read_spikes(path, fs):
    """Discharge times of each motor unit in an events.tsv, in the order of unit_id.

    Parameters
    ----------
    path : str or pathlib.Path
    fs : float
        Sampling frequency in Hz, for files without the column sample.

    Returns
    -------
    list of numpy.ndarray of int64, or None
        None when the file has no event "motor-unit-spike".

    Raises
    ------
    ValueError
        When a time is no whole number, or a discharge has no unit_id.

    Warns
    -----
    UserWarning
        When samples and onsets disagree: samples counted from 1, or at another rate.
    """
    table = _with(_table(path), ["onset", "sample", "unit_id", *KINDS_OF_EVENT])
    table = table[(table[KINDS_OF_EVENT] == SPIKE).any(axis=1)]
    if not len(table):
        return None
    if (table.unit_id == "").any():
        raise ValueError(f"{Path(path).name} has a discharge without unit_id: whose is it?")
    try:
        onsets, samples = (
            table[name].replace("", "nan").astype(float) for name in ("onset", "sample")
        )
    except ValueError as error:
        raise ValueError(f"{Path(path).name} has a time that is no number ({error})") from error
    late = (samples - onsets * fs).median()
    if abs(late) > 0.75:
        says = f"samples are {late:.3g} beyond the onsets at {fs:g} Hz, counted from 1?"
        warnings.warn(f"{Path(path).name}: {says} They are taken as they stand", stacklevel=2)
    samples = samples.fillna((onsets * fs).round())
    names = sorted(set(table.unit_id), key=_by_number)
    trains = {name: np.unique(samples[table.unit_id == name]) for name in names}
    return [discharge_times(x, f"{Path(path).name}, unit {name}") for name, x in trains.items()]


def _by_number(name):
    try:
        return 0, float(name), name
    except ValueError:
        return 1, 0.0, name
