"""MATLAB files, up to v7 and v7.3 (HDF5), as plain objects, and the checks the readers share."""

import h5py
import numpy as np
import scipy.io


def read_mat(path):
    """Variables of a .mat file of any version since MATLAB 5.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    dict
        By name: a struct as dict, a cell as array of objects, text as str, a matrix of characters
        as array of its rows, numbers as array. Arrays have MATLAB's shape; nothing is squeezed, so
        a cell of one stays a cell.

    Raises
    ------
    ValueError
        When it cannot be read as a .mat file.
    """
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path) as file:
                return {name: _from_hdf5(file[name]) for name in file if not name.startswith("#")}
        content = scipy.io.loadmat(path)
    except Exception as error:  # both libraries raise many kinds on a broken file
        raise ValueError(f"cannot be read as a MATLAB file ({error}); is it cut short?") from error
    return {name: _from_mat5(x) for name, x in content.items() if not name.startswith("__")}


def _from_mat5(value):
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names and value.size == 1:
        return {name: _from_mat5(value[name].item()) for name in value.dtype.names}
    if value.dtype.kind == "U":
        return _text(value.ravel())
    return np.frompyfunc(_from_mat5, 1, 1)(value) if value.dtype == object else value


def _from_hdf5(item):
    """A dataset or group of MATLAB v7.3, where arrays are stored with their axes reversed."""
    if isinstance(item, h5py.Group):
        return {name: _from_hdf5(item[name]) for name in item}
    is_text = item.attrs.get("MATLAB_class") == b"char"
    if item.attrs.get("MATLAB_empty"):  # the values are the shape
        return "" if is_text else np.empty(item[()].astype(int))
    value = np.asarray(item[()]).T
    if is_text:
        return _text(["".join(map(chr, row)) for row in value])
    if value.dtype == object:
        return np.frompyfunc(lambda reference: _from_hdf5(item.file[reference]), 1, 1)(value)
    return value


def _text(rows):
    """Text; of a matrix of characters a cell with its rows, which MATLAB fills up with blanks."""
    stripped = np.array([row.rstrip() for row in rows], dtype=object)
    return stripped if len(rows) > 1 else "".join(rows)


def require(content, names):
    """The dict `content`; ValueError unless every field of `names` is in it."""
    missing = [name for name in names if name not in content]
    if missing:
        raise ValueError(f"field {missing[0]} is missing, found {sorted(content)}; the right file?")
    return content


def struct(content, name, fields=()):
    """The struct `name` of a file, checked to have the fields; ValueError names what is wrong."""
    value = require(content, [name])[name]
    if not isinstance(value, dict):
        raise ValueError(f"field {name} holds {_brief(value)}, expected one struct")
    return require(value, fields)


def _brief(value):
    return f"an array of shape {value.shape}" if np.ndim(value) else f"{value!r:.80}"


def numbers(value, field):
    """`value` as read, checked to be an array of real numbers; ValueError names `field`."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "buif":
        raise ValueError(f"field {field} holds {_brief(value)}, expected numbers")
    return value


def number(value, field):
    """`value` as float, checked to be a single number; ValueError names `field`."""
    value = numbers(value, field)
    if value.size != 1:
        raise ValueError(f"field {field} has shape {value.shape}, expected a single number")
    return float(value.item())


def cells(value):
    """Items of a cell in a list; what is no cell counts as a cell of one, nothing as of none."""
    is_cell = isinstance(value, np.ndarray) and (value.dtype == object or value.size == 0)
    return list(value.ravel()) if is_cell else [value]


def zero_based(pulses, field, n_samples):
    """Discharge times counted from 0, from MATLAB's counted from 1.

    Parameters
    ----------
    pulses : numpy.ndarray
        Of any number type (files mix uint16, int32 and double), one row or column.
    field : str
        Name in error messages.
    n_samples : int
        Length of the signal.

    Returns
    -------
    numpy.ndarray of int64

    Raises
    ------
    ValueError
        When a pulse is no whole number from 1 to `n_samples`.
    """
    pulses = numbers(pulses, field)
    if pulses.size and pulses.size != max(pulses.shape):
        raise ValueError(f"field {field} has shape {pulses.shape}, expected one row of pulses")
    pulses = pulses.ravel()
    wrong = pulses[~((pulses >= 1) & (pulses <= n_samples) & (pulses % 1 == 0))]
    if len(wrong):
        raise ValueError(f"field {field} holds {wrong[0]}, expected whole numbers 1 to {n_samples}")
    return pulses.astype(np.int64) - 1
