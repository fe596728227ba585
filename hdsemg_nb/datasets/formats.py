"""One call for every format: which it is, is found by the file's content."""

import re
import tarfile
import warnings
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import h5py
import scipy.io

from hdsemg_nb.datasets.arrays import load_array
from hdsemg_nb.datasets.bids import load_bids
from hdsemg_nb.datasets.edf import load_edf
from hdsemg_nb.datasets.hug2021 import load_demuse
from hdsemg_nb.datasets.muedit import load_muedit
from hdsemg_nb.datasets.openhdemg import load_openhdemg
from hdsemg_nb.datasets.otb import load_otb
from hdsemg_nb.datasets.otb_archive import load_otb4, load_otb_plus
from hdsemg_nb.datasets.save import load_mat
from hdsemg_nb.recording import Grid, Recording


def load(path, **about):
    """Read a recording of any known format, found by the content of the file.

    Known are OTBiolab+, DEMUSE, MUedit and our own .mat, openhdemg .json, .otb+, .otb4, EMG-BIDS (a
    folder, or a file *_emg.edf or *_emg.bdf), EDF and BDF, .npy, .npz and tables as text.

    Parameters
    ----------
    path : str or pathlib.Path
    **about
        `grid`: which of several grids, by number from 0, name or part of it; or a `Grid`, where the
        channels of a recording without one sit. `fs` (Hz) and `unit` ("uV", "mV", "V" or uV of one
        step): for arrays, which do not tell; `unit` over the header's for EDF and BIDS. Every other
        field of a `Recording`, such as `subject`, `muscle` or `mvc`: over what the file tells;
        with `discharges` its pulse-to-noise ratios go.

    Returns
    -------
    recording.Recording

    Raises
    ------
    FileNotFoundError
        When there is no such file or folder.
    ValueError
        When the format is not known (names those that are, and for some others a library), holds
        several grids or recordings and none is chosen (lists them), or something in `about` or the
        file cannot be right.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    name, reader, options = _format(path)
    options = options.split()
    known = {field.name for field in fields(Recording)} - {"emg", "fs", "grid"}
    placed = {"grid": about.pop("grid")} if isinstance(about.get("grid"), Grid) else {}
    for key in about:
        if key not in known.union(options):
            takes = f"{name} takes {sorted(known.union(options))}"
            raise ValueError(f"{path}: {key}={about[key]!r} is not for this file; {takes}")
    recording = reader(path, **{key: about[key] for key in options if key in about})
    if placed and recording.grid is not None:
        warnings.warn(f"{path}: grid= over the one that the file tells", stacklevel=2)
    if "discharges" in about:  # the ratios in the file are those of others
        placed["pnr"] = None
    placed |= {key: value for key, value in about.items() if key not in options}
    return replace(recording, **placed) if placed else recording


def _format(path):
    """Name, reader and options of the first format that the content fits."""
    start = b""
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4096)
    for name, fits, *rest in _FORMATS:
        if fits(path, start):
            return name, *rest
    for name, fits, then in _OTHERS:
        if fits(path, start):
            then = f"{then}, and build a Recording from its arrays"
            raise ValueError(f"{path}: {name} is not read; {then}")
    known = ", ".join(name for name, *_ in _FORMATS)
    raise ValueError(f"{path}: of no known format; known are {known}")


def _mat_with(*names):
    return lambda path, start: set(names) <= _variables(path, start)


def _variables(path, start):
    """Names of the variables of a MATLAB file; none of any other file."""
    try:
        if start.startswith(b"MATLAB 5.0"):
            return {name for name, _, _ in scipy.io.whosmat(path)}
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                return set(file)
    except Exception as error:  # both libraries raise many kinds on a broken file
        broken = f"cannot be read as a MATLAB file ({error}); is it cut short?"
        raise ValueError(f"{path}: {broken}") from error
    return set()


def _tar_with(pattern):
    return lambda path, start: any(re.search(pattern, name) for name in _tar_names(path))


def _tar_names(path):
    """Names of the files in a tar, as far as it can be read; none of any other file."""
    names = []
    try:
        with tarfile.open(path, "r:") as archive:
            names += (member.name for member in archive)
    except (tarfile.TarError, EOFError):
        pass
    return names


def _is_edf(path, start):
    return start.startswith((b"0       ", b"\xffBIOSEMI"))


def _is_bids(path, start):
    return path.is_dir() or (_is_edf(path, start) and path.stem.endswith("_emg"))


def _is_array(path, start):
    if start.startswith(b"PK\x03\x04"):
        return zipfile.is_zipfile(path) and all(
            name.endswith(".npy") for name in zipfile.ZipFile(path).namelist()
        )
    return start.startswith(b"\x93NUMPY") or (
        _is_table(start) and not _is_delsys_table(path, start)
    )


def _is_table(start):
    """Whether the second line is of numbers, or the only one; the last is cut, maybe."""
    if b"\0" in start:
        return False
    lines = start.decode("utf-8-sig", errors="ignore").splitlines()[:2]
    cells = re.split(r"[;,\t ]+", lines[-1].strip(";,\t ") if lines else "")
    try:
        return len([float(cell) for cell in cells[:-1]]) > 0
    except ValueError:
        return False


def _starts(*magic):
    return lambda path, start: start.startswith(magic)


def _ends(*suffixes):
    return lambda path, start: path.suffix.lower() in suffixes


def _is_delsys_table(path, start):
    return b"\0" not in start and re.search(rb"trigno|delsys|X ?\[s\]", start, re.I) is not None


_NEO = "neo reads it (pip install neo, neo.io.{})".format
_FORMATS = [  # name, whether the content fits, reader, what it takes besides the path
    ("EMG-BIDS", _is_bids, load_bids, "grid unit"),
    ("OTBiolab+ .mat", _mat_with("Data", "Description"), load_otb, "grid"),
    ("DEMUSE .mat", _mat_with("SIG", "MUPulses"), load_demuse, ""),
    ("MUedit .mat", _mat_with("signal"), load_muedit, "grid"),
    (".mat of save_mat", _mat_with("emg", "fs", "discharges"), load_mat, ""),
    ("openhdemg .json", _starts(b"\x1f\x8b"), load_openhdemg, ""),
    ("OTB4", _tar_with(r"(^|/)Tracks_\d+\.xml$"), load_otb4, "grid"),
    ("OTB+", _tar_with(r"\.sig$"), load_otb_plus, "grid"),
    ("EDF/BDF", _is_edf, load_edf, "unit"),
    ("NumPy or a table as text", _is_array, load_array, "fs unit"),
]
_OTHERS = [  # name, whether the content fits, what to do
    ("Intan", _starts(b"\x02\x27\x91\xc6", b"\xac\x27\x91\xd6"), _NEO("IntanIO")),
    ("Blackrock", _starts(b"NEURALSG", b"NEURALCD", b"BRSMPGRP"), _NEO("BlackrockIO")),
    ("C3D", _ends(".c3d"), "ezc3d reads it (pip install ezc3d)"),
    ("Delsys .hpf", _ends(".hpf"), "export it as .csv, which delsys reads (pip install delsys)"),
    ("a Delsys table", _is_delsys_table, "delsys reads it (pip install delsys)"),
]
