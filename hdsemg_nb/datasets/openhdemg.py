"""Reader and writer for the .json files of openhdemg."""

import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from hdsemg_nb import paths
from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.files import force_fields, naming
from hdsemg_nb.datasets.matfile import require
from hdsemg_nb.recording import Grid, Recording

_OURS = "hdsemg_nb"  # column of EXTRAS with what openhdemg has no field for
_ABOUT = ("subject", "muscle", "source", "force_name", "interpolated")


def load_openhdemg(path):
    """Read a .json file of openhdemg (Valli et al. 2024, doi:10.1016/j.jelekin.2023.102850).

    The file is gzip-compressed JSON text whose values are JSON text again: tables with columns,
    index and data. Discharge times (MUPULSES) are counted from 0. Columns of RAW_SIGNAL without
    any value, as the empty corner of a DEMUSE grid gives, are left out.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    recording.Recording
        What `save_openhdemg` wrote, unchanged but for what is below 1e-8 uV. Of a file from
        openhdemg itself: EMG with the scale and the channel order of the file, no grid,
        participant or intensity; `pnr` of the pulse trains (IPTS) where openhdemg took them from
        OTBiolab+, which squares them as `cbss.pulse_to_noise_ratio` expects, and NaN otherwise.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken or a field cannot be right; names file and field.
    """
    path = Path(path)
    with naming(path):
        content = require(_read(path), ["SOURCE", "RAW_SIGNAL", "MUPULSES", "FSAMP"])
        emg = _field(content, "RAW_SIGNAL", _rows).astype(np.float32).T
        about = _field(content, "EXTRAS", _about) if "EXTRAS" in content else {}
        places = about.pop("electrodes", None)
        fs, trains = _field(content, "FSAMP"), _field(content, "MUPULSES", list)
        grid = Grid(places, _field(content, "IED")) if places is not None else None
        reference = _field(content, "REF_SIGNAL", _rows) if "REF_SIGNAL" in content else np.empty(0)
        force = force_fields([("force", "", reference)], emg.shape[1])
        force = {"force": reference.ravel()} if about and reference.size else force
        named = {"source": f"openhdemg file {path.name}", **force, **about}
        recording = Recording(emg[~np.isnan(emg).all(axis=1)], fs, trains, grid=grid, **named)
        return replace(recording, pnr=_pnr(content, recording, about))


def _read(path):
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        broken = f"cannot be read as gzip-compressed JSON text ({error})"
        raise ValueError(f"{broken}; is it cut short, or not saved by openhdemg?") from error
    if not isinstance(content, dict):
        raise ValueError("holds no fields; is it a .json saved by openhdemg?")
    return content


def _field(content, name, read=lambda value: value):
    """What a field holds, turned by `read`; a ValueError that names the field when it cannot."""
    try:
        return read(json.loads(content[name]))
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"field {name} is not as openhdemg writes it ({error!r})") from error


def _rows(table):
    """Rows of a table in the order of its index, as openhdemg sorts them; null becomes NaN."""
    data = np.array(table["data"], dtype=float).reshape(len(table["index"]), len(table["columns"]))
    return data[np.argsort(np.array(table["index"], dtype=int))]


def _about(table):
    """What `save_openhdemg` put into EXTRAS; nothing in a file of openhdemg's own."""
    if not isinstance(table, dict) or table.get("columns") != [_OURS]:
        return {}
    return {name: row[0] for name, row in zip(table["index"], table["data"], strict=True)}


def _pnr(content, recording, about):
    if about:
        return _field(content, "ACCURACY", _rows).ravel()
    if _field(content, "SOURCE") != "OTB" or "IPTS" not in content:
        return None
    trains = _field(content, "IPTS", _rows).T
    if trains.shape != (recording.n_motor_units, recording.n_samples):
        return None
    pairs = zip(trains, recording.discharges, strict=True)
    return [pulse_to_noise_ratio(*pair, recording.fs) for pair in pairs]


def save_openhdemg(recording, path):
    """Write a recording as a .json file that openhdemg and `load_openhdemg` read.

    ACCURACY holds the pulse-to-noise ratios in dB (openhdemg's own files hold silhouettes), so
    that they follow when openhdemg sorts or deletes motor units. EXTRAS holds in one column what
    openhdemg has no field for: participant, muscle, intensity, source, name of the force,
    interpolated channels and electrode positions. REF_SIGNAL is the force. IPTS is empty, a
    recording has no pulse trains; IED is NaN without a grid.

    Parameters
    ----------
    recording : recording.Recording
    path : str or pathlib.Path
        Usually ends in .json. Written whole or not at all.
    """
    path = Path(path)
    fields = {name: json.dumps(value) for name, value in _fields(recording, path.name).items()}
    for name, rows in _signals(recording).items():  # pandas: in seconds, json takes minutes
        fields[name] = pd.DataFrame(rows).to_json(orient="split", double_precision=15)
    packed = gzip.compress(json.dumps(fields).encode(), compresslevel=4, mtime=0)
    paths.write_whole(path, packed)


def _fields(recording, name):
    units, samples = recording.n_motor_units, recording.n_samples
    return {
        "SOURCE": "CUSTOMCSV",  # openhdemg reads only sources it knows: this is its generic one
        "FILENAME": name,
        "ACCURACY": _as_table([[None if np.isnan(x) else x] for x in recording.pnr.tolist()], 1),
        "IPTS": _as_table([], units),
        "MUPULSES": [times.tolist() for times in recording.discharges],
        "FSAMP": recording.fs,
        "IED": recording.grid.ied_mm if recording.grid else float("nan"),
        "EMG_LENGTH": samples,
        "NUMBER_OF_MUS": units,
        "EXTRAS": _extras(recording),
    }


def _signals(recording):
    """Fields with a row for each sample."""
    units, samples = recording.n_motor_units, recording.n_samples
    force = np.empty(0) if recording.force is None else recording.force
    firing = [np.bincount(times, minlength=samples) for times in recording.discharges]
    return {
        "RAW_SIGNAL": recording.emg.T,
        "REF_SIGNAL": force[:, None],
        "BINARY_MUS_FIRING": np.reshape(firing, (units, samples)).T.astype(int),
    }


def _extras(recording):
    about = {name: getattr(recording, name) for name in _ABOUT}
    about["mvc"] = None if np.isnan(recording.mvc) else recording.mvc
    about["electrodes"] = recording.grid.electrodes.tolist() if recording.grid else None
    return {"columns": [_OURS], "index": list(about), "data": [[x] for x in about.values()]}


def _as_table(rows, n_columns):
    return {"columns": list(range(n_columns)), "index": list(range(len(rows))), "data": rows}
