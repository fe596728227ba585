"""Reader and writer for the .json files of openhdemg."""

import gzip
import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from hdsemg_nb import paths
from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.matfile import naming, require
from hdsemg_nb.recording import Grid, Recording

_OURS = "hdsemg_nb"  # column of EXTRAS with what openhdemg has no field for


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
        What `save_openhdemg` wrote, unchanged. Of a file from openhdemg itself: EMG with the
        scale and the channel order of the file, no grid, participant or intensity; `pnr` of
        the pulse trains (IPTS) where openhdemg took them from OTBiolab+, which squares them as
        `cbss.pulse_to_noise_ratio` expects, and NaN otherwise.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken or a field cannot be right; names file and field.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a .json saved by openhdemg")
    with naming(path):
        content = require(_read(path), ["SOURCE", "RAW_SIGNAL", "MUPULSES", "FSAMP"])
        emg = _table(content, "RAW_SIGNAL", np.float32).T
        about = _about(content)
        places = about.get("electrodes")
        recording = Recording(
            emg=emg[~np.isnan(emg).all(axis=1)],
            fs=_number(content, "FSAMP"),
            discharges=_pulses(content),
            grid=Grid(places, _number(content, "IED")) if places is not None else None,
            subject=about.get("subject", ""),
            muscle=about.get("muscle", ""),
            mvc=about.get("mvc"),
            source=about.get("source", f"openhdemg file {path.name}"),
        )
        return replace(recording, pnr=_pnr(content, recording, about))


def _read(path):
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise ValueError(
            f"cannot be read as gzip-compressed JSON text ({error}); it may be cut short, or not a "
            ".json saved by openhdemg"
        ) from error
    if not isinstance(content, dict):
        raise ValueError("holds no fields; is it a .json saved by openhdemg?")
    return content


def _value(content, field):
    try:
        return json.loads(content[field])
    except (TypeError, ValueError) as error:
        raise ValueError(f"field {field} holds no JSON text ({error})") from error


def _number(content, field):
    value = _value(content, field)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"field {field} holds {value!r}, expected a number")
    return float(value)


def _pulses(content):
    pulses = _value(content, "MUPULSES")
    if not isinstance(pulses, list) or not all(isinstance(times, list) for times in pulses):
        raise ValueError(
            f"field MUPULSES holds {pulses!r:.80}, expected a list of discharge times for each "
            "motor unit"
        )
    return pulses


def _table(content, field, dtype=float):
    """Rows of a table in the order of its index, as openhdemg sorts them; null becomes NaN."""
    table = _value(content, field)
    try:
        data = np.array(table["data"], dtype=dtype)
        data = data.reshape(len(table["index"]), len(table["columns"]))
        return data[np.argsort(np.array(table["index"], dtype=int))]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"field {field} is no table of numbers ({error})") from error


def _about(content):
    """What `save_openhdemg` put into EXTRAS; nothing in a file of openhdemg's own."""
    extras = _value(content, "EXTRAS") if "EXTRAS" in content else None
    if not isinstance(extras, dict) or extras.get("columns") != [_OURS]:
        return {}
    try:
        return {name: row[0] for name, row in zip(extras["index"], extras["data"], strict=True)}
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ValueError(f"field EXTRAS is not as save_openhdemg writes it ({error!r})") from error


def _pnr(content, recording, about):
    if about:
        return _table(content, "ACCURACY").ravel()
    if _value(content, "SOURCE") != "OTB" or "IPTS" not in content:
        return None
    trains = _table(content, "IPTS").T
    if trains.shape != (recording.n_motor_units, recording.n_samples):
        return None
    return list(map(pulse_to_noise_ratio, trains, recording.discharges))


def save_openhdemg(recording, path):
    """Write a recording as a .json file that openhdemg and `load_openhdemg` read.

    ACCURACY holds the pulse-to-noise ratios in dB (openhdemg's own files hold silhouettes), so
    that they follow when openhdemg sorts or deletes motor units. EXTRAS holds in one column what
    openhdemg has no field for: participant, muscle, intensity, source and electrode positions.
    IPTS and REF_SIGNAL are empty, a recording has neither pulse trains nor a force signal; IED is
    NaN without a grid.

    Parameters
    ----------
    recording : recording.Recording
    path : str or pathlib.Path
        Usually ends in .json. Written whole or not at all.
    """
    path = Path(path)
    fields = {name: json.dumps(value) for name, value in _fields(recording, path.name).items()}
    packed = gzip.compress(json.dumps(fields).encode(), compresslevel=4, mtime=0)
    paths.write_whole(path, packed)


def _fields(recording, name):
    units, samples = recording.n_motor_units, recording.n_samples
    firing = np.zeros((samples, units), dtype=int)
    for unit, times in enumerate(recording.discharges):
        firing[times, unit] = 1
    return {
        "SOURCE": "CUSTOMCSV",  # openhdemg reads only sources it knows: this is its generic one
        "FILENAME": name,
        "RAW_SIGNAL": _as_table(recording.emg.T.astype(float).tolist(), recording.n_channels),
        "REF_SIGNAL": _as_table([], 1),
        "ACCURACY": _as_table([[_or_null(value)] for value in recording.pnr.tolist()], 1),
        "IPTS": _as_table([], units),
        "MUPULSES": [times.tolist() for times in recording.discharges],
        "FSAMP": recording.fs,
        "IED": recording.grid.ied_mm if recording.grid else float("nan"),
        "EMG_LENGTH": samples,
        "NUMBER_OF_MUS": units,
        "BINARY_MUS_FIRING": _as_table(firing.tolist(), units),
        "EXTRAS": _extras(recording),
    }


def _extras(recording):
    about = {
        "subject": recording.subject,
        "muscle": recording.muscle,
        "mvc": _or_null(recording.mvc),
        "source": recording.source,
        "electrodes": recording.grid.electrodes.tolist() if recording.grid else None,
    }
    return {"columns": [_OURS], "index": list(about), "data": [[x] for x in about.values()]}


def _as_table(rows, n_columns):
    return {"columns": list(range(n_columns)), "index": list(range(len(rows))), "data": rows}


def _or_null(value):
    return None if np.isnan(value) else value
