"""Readers for bare arrays: NumPy files and tables of numbers as text."""

import re
import warnings
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from hdsemg_nb.datasets.files import force_fields, force_label, microvolts, naming
from hdsemg_nb.recording import Recording

_TIME = re.compile(r"(times?|zeit|samples?|index|seconds?)([^a-z].*)?|[ts]", re.I)


def load_array(path, fs=None, unit=None):
    """Read an EMG array from a NumPy .npy or .npz file, or from a table of numbers as text.

    The longer axis is time: a recording has more samples than channels. Of an .npz the array "emg"
    is read, or the only one. A table has one column, or row, for each channel, separated by comma,
    semicolon, tab or blanks, with or without names above; one with the time or number of each
    sample is recognised by its name or because it never falls, checked against `fs` and left out;
    one named as a force or its target is the force.

    Parameters
    ----------
    path : str or pathlib.Path
    fs : float
        Sampling frequency in Hz, which the file does not tell.
    unit : str or float
        "uV", "mV" or "V", or the uV of one step of the converter.

    Returns
    -------
    recording.Recording
        EMG in uV, and the force as it stands in a table; no grid, no discharges.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When `fs` or `unit` is missing, the array is not of two axes or square, a table has fewer
        names than columns, or its column of times does not fit `fs`; names the file.
    """
    with naming(path):
        if fs is None or unit is None:
            raise ValueError(f"an array tells neither rate nor unit, got fs={fs!r}, unit={unit!r}")
        with open(path, "rb") as file:
            start = file.read(6)
        numpy_file = start.startswith((b"\x93NUMPY", b"PK"))
        emg, beside = (_numpy(path, fs), []) if numpy_file else _table(path, fs)
        if emg.ndim != 2 or emg.dtype.kind not in "iuf" or emg.shape[0] == emg.shape[1]:
            of = f"an array of shape {emg.shape} and dtype {emg.dtype}"
            raise ValueError(f"holds {of}, expected numbers, channels x samples, fewer channels")
        emg = emg if emg.shape[0] < emg.shape[1] else emg.T
        about = dict(source=f"array file {Path(path).name}", **force_fields(beside, emg.shape[1]))
        return Recording(emg * microvolts(unit), fs, **about)


def _numpy(path, fs):
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            name = "emg" if "emg" in content else content.files[0]
            if name != "emg" and len(content.files) > 1:
                raise ValueError(f"holds the arrays {content.files}; name one of them emg")
            if "fs" in content and float(content["fs"]) != fs:
                raise ValueError(f"holds fs = {content['fs']} Hz, fs={fs} was given")
            return content[name]
    except (OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot be read as a NumPy file ({error}); is it cut short?") from error


def _table(path, fs):
    """EMG, and the columns named as a force: name, unit, samples."""
    with open(path, encoding="utf-8-sig") as file:
        lines = list(islice(file, 2))
    if not lines:
        raise ValueError("holds no row of numbers")
    separator = next((mark for mark in ";\t," if all(mark in line for line in lines)), r"\s+")
    named = _is_named(lines[0], separator)
    try:
        decimal = "," if separator != "," and "," in lines[-1] else "."
        table = pd.read_csv(
            path, sep=separator, decimal=decimal, header=0 if named else None, encoding="utf-8-sig"
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read as a table ({error})") from error
    if not isinstance(table.index, pd.RangeIndex):  # of the columns without a name
        has = f"{table.shape[1]} names for {table.shape[1] + table.index.nlevels} columns"
        raise ValueError(f"line 1 has {has}: take out comments, or name every column")
    if table.empty:
        raise ValueError("holds no row of numbers")
    if table.iloc[:, -1].isna().all():  # a separator ends each line
        table = table.iloc[:, :-1]
    wrong = [name for name in table if table[name].dtype.kind not in "iuf"]
    if wrong:
        raise ValueError(f"column {wrong[0]!r} holds {table[wrong[0]].iloc[0]!r}, expected numbers")
    table = table.astype(float)
    if separator == "," and _is_split(table.to_numpy()):
        raise ValueError("every second column is a fraction: its comma is also the separator")
    if len(table) <= table.shape[1]:  # a row for each channel
        table = table.T
    beside = [name for name in table if force_label(str(name))]
    forces = [(name, "", table[name]) for name in beside]
    table, several = _emg_alone(table.drop(columns=beside)), table.shape[1] > 1
    for name, column in zip(table, table.to_numpy().T, strict=True):
        if several and (_TIME.fullmatch(str(name).strip()) or _rises(column)):
            _check_time(column, name, fs)
            table = table.drop(columns=name)
    _warn_of_names([str(name) for name in table])
    return table.to_numpy().T, forces


def _warn_of_names(names):
    """Warn of columns that are named unlike nearly all, and of columns numbered out of order."""
    words = [re.sub(r"[\W\d_]+", "", name).lower() for name in names]
    usual = max(words, key=words.count)
    others = [name for name, word in zip(names, words, strict=True) if word != usual]
    if 0 < len(others) <= len(names) / 4:
        said = f"columns {others} are named unlike the others; take them out if they are no EMG"
        warnings.warn(said, stacklevel=5)
    numbers = [[int(x) for x in re.findall(r"\d+", name)] for name in names]
    numbers = [one for one, word in zip(numbers, words, strict=True) if word == usual]
    if numbers != sorted(numbers):
        said = "columns are numbered out of order, and are taken in the order in which they stand"
        warnings.warn(f"{said}: {', '.join(names[:4])} ...", stacklevel=5)


def _emg_alone(table):
    """The columns called EMG, where there are such, and those of time."""
    emg = [name for name in table if re.search("emg", str(name), re.I)]
    kept = [name for name in table if name in emg or _TIME.fullmatch(str(name).strip())]
    if emg and len(kept) < table.shape[1]:
        others = [name for name in table if name not in kept]
        warnings.warn(f"columns {others} are not called EMG: left out", stacklevel=5)
    return table[kept] if emg else table


def _is_named(line, separator):
    """Whether the first line holds names, or numbers the columns from 0 or 1 as pandas does."""
    cells = [x.replace(",", ".") for x in re.split(separator, line.strip()) if x.strip()]
    try:
        values = [float(x) for x in cells]
    except ValueError:
        return True
    return len(values) > 1 and values in [list(range(k, k + len(values))) for k in (0, 1)]


def _is_split(values):
    """Whether each number stands in two columns, cut at a decimal comma."""
    whole, fraction = values[:, ::2], values[:, 1::2]
    pairs = whole.shape == fraction.shape and (values % 1 == 0).all()
    return pairs and fraction.min() >= 0 and (whole.min() < 0 or not whole.any())


def _rises(column):
    """Whether a column rises and never falls, as time does and EMG does not."""
    return column[-1] > column[0] and (np.diff(column) >= 0).all()


def _check_time(column, name, fs):
    """The mean step of a column is a sample, 1 / fs in s, or that in ms."""
    steps = np.diff(column)
    step = steps.mean()
    even = step > 0 and (np.abs(steps - step) < 0.5 * step).all()  # times may be rounded
    if not even or not np.isclose(step, [1.0, 1 / fs, 1e3 / fs], rtol=1e-3).any():
        rule = f"expected even steps of 1/fs = {1 / fs:.6g} s, of 1 sample, or none at all"
        raise ValueError(f"column {str(name)!r} counts by {step:.6g} for fs={fs} Hz; {rule}")
