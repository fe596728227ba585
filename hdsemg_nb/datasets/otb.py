"""Reader for the .mat files that OTBiolab+ exports."""

import re
import warnings
from pathlib import Path

import numpy as np

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.files import chosen, force_fields, naming
from hdsemg_nb.datasets.matfile import cells, number, numbers, read_mat, require
from hdsemg_nb.recording import Recording, rectangular_grid

LAG = 8  # samples by which OTBiolab+ writes discharge marks late, see `load_otb`

# Electrode number minus 1 at each place of the grid, -1 where there is no electrode. GR 13 x 5:
# down one column and up the next, from the left. HD 13 x 5: every column down, from the right.
# GR 8 x 8: every column up, from the left. HD 8 x 4: every column down, from the left. The last two
# as MUedit and scd-edition number them, the 8 x 8 as openhdemg, too; GR10MM0804 and HD10MM0808 are
# left out, no second source confirms what MUedit says of them.
_ROW, _COLUMN = np.arange(13), np.arange(8)
_GR_13X5 = np.stack([_ROW - 1, 24 - _ROW, 25 + _ROW, 50 - _ROW, 51 + _ROW], axis=1)
_HD_13X5 = np.stack([51 + _ROW, 38 + _ROW, 25 + _ROW, 12 + _ROW, _ROW - 1], axis=1)
_GR_8X8 = 8 * _COLUMN + 7 - _COLUMN[:, None]
_HD_8X4 = 8 * _COLUMN[:4] + _COLUMN[:, None]
GRIDS = {  # numbers and interelectrode distance in mm
    "GR08MM1305": (_GR_13X5, 8.0),
    "GR04MM1305": (_GR_13X5, 4.0),
    "HD08MM1305": (_HD_13X5, 8.0),
    "HD04MM1305": (_HD_13X5, 4.0),
    "GR10MM0808": (_GR_8X8, 10.0),
    "HD10MM0804": (_HD_8X4, 10.0),
}


def load_otb(path, grid=None):
    """Read an OTBiolab+ .mat export, MATLAB 5 or v7.3, with its decomposition results if any.

    Channels are put in row-major order over the electrode grid, without an empty corner, when the
    file names a grid type of `GRIDS`; otherwise they keep the order of the file and `grid` is None.

    OTBiolab+ writes the mark of each discharge 8 samples after the peak of the source it belongs to
    (measured on the sample recording: the same 8 for all five motor units; openhdemg,
    doi:10.1016/j.jelekin.2023.102850, corrects the same 8). They are moved back; marks that would
    fall before the first sample are left out.

    Parameters
    ----------
    path : str or pathlib.Path
    grid : str or int, optional
        Which of several grids: its number from 0, its name or a part of it.

    Returns
    -------
    recording.Recording
        EMG in uV; `pnr` of the exported sources (`cbss.pulse_to_noise_ratio`), NaN without them;
        force from "acquired data" or the performed path, else the target from the requested path.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not an OTBiolab+ export, holds several grids and none is chosen, or a field
        cannot be right; names file and field.

    Warns
    -----
    UserWarning
        When the type of the grid is not known.
    """
    with naming(path):
        data, names, fs = _fields(read_mat(path))
        kinds = np.array([_kind(name) for name in names])
        if "emg" not in kinds:
            units = sorted({unit for name in names for unit in re.findall(r"\[([^]]*)\]$", name)})
            raise ValueError(f"Description has no column in [uV], only {units}; export EMG in uV")
        grids = list(dict.fromkeys(map(_grid_name, names[kinds == "emg"])))
        name = grids[chosen(grids, grid)]
        of_grid = np.array([len(grids) == 1 or _grid_name(column) == name for column in names])
        emg, marks, sources = (
            np.flatnonzero((kinds == kind) & of_grid) for kind in ("emg", "marks", "source")
        )
        order, layout = _layout(names[emg])
        discharges, pnr = [_discharges(data[:, k], names[k]) for k in marks], None
        if len(sources) == len(marks):
            pairs = zip(data[:, sources].T, discharges, strict=True)
            pnr = [pulse_to_noise_ratio(*pair, fs) for pair in pairs]
        muscle = ", ".join(dict.fromkeys(name.split(" - ")[0] for name in names[emg]))
        source = f"OTBiolab+ export {Path(path).name}"
        others = [(*_unit(names[k]), data[:, k]) for k in np.flatnonzero(kinds == "other")]
        about = force_fields(others, len(data)) | dict(muscle=muscle, source=source)
        return Recording(data[:, emg[order]].T, fs, discharges, pnr, layout, **about)


def _fields(content):
    """Columns (samples, columns), their descriptions, and the sampling frequency in Hz."""
    require(content, ["Data", "Description", "SamplingFrequency"])
    signals, names = cells(content["Data"]), cells(content["Description"])
    if not all(isinstance(name, str) for name in names):
        raise ValueError("field Description must hold text, one for each column of Data")
    data = numbers(signals[0], "Data") if len(signals) == 1 else np.empty(len(signals))
    if data.ndim != 2 or data.shape[1] != len(names):
        raise ValueError(f"Data has shape {data.shape}, expected one (samples, {len(names)})")
    fs = number(content["SamplingFrequency"], "SamplingFrequency")
    return data, np.array([name.strip() for name in names]), fs


def _kind(name):
    if "Source for decomposition" in name:
        return "source"
    if "Decomposition of" in name:
        return "marks"
    return "emg" if re.search(r"\[[uµμ]V\]$", name) else "other"


def _unit(name):
    """Name and unit of a column like "acquired data[ %(MVC)]"."""
    parts = re.fullmatch(r"(.*)\[([^]]*)\]", name)
    return (parts[1], re.sub(r"[()]", " ", parts[2]).strip()) if parts else (name, "")


def _grid_name(name):
    """Grid of a column like "(Decomposition of) ... - GR08MM1305 (1)[uV]"; "" without one."""
    part = re.fullmatch(r"(?i:.*decomposition of )?(.*\w) \(\d+\)\[[^]]*\]", name)
    return part[1] if part else ""


def _layout(names):
    """Order of the EMG columns of one grid and its `Grid`."""
    parts = [re.fullmatch(r".*?(\w+) \((\d+)\)\[.V\]", name) for name in names]
    if None in parts:
        return layout(names[0], range(len(names)))
    numbers = np.array([int(part[2]) for part in parts])
    return layout(parts[0][1], numbers - numbers.min())


def layout(kind, numbers):
    """Order of the channels over a grid of the type `kind`, row by row, and its `Grid`.

    Parameters
    ----------
    kind : str
        As OTBioelettronica names its grids, for example "GR08MM1305".
    numbers : array_like of int, shape (channels,)
        Number of each channel's electrode, from 0.

    Returns
    -------
    order : numpy.ndarray of int
    grid : Grid or None
        None, with a warning, when the type is not in `GRIDS`.

    Raises
    ------
    ValueError
        When it is, and the electrodes are not all of its.
    """
    if kind not in GRIDS:
        unknown = f"where the electrodes of {kind!r} are is not known"
        warnings.warn(f"{unknown}: grid is None, channels in the order of the file", stacklevel=4)
        return np.arange(len(numbers)), None
    wanted, ied_mm = GRIDS[kind]
    size = np.sum(wanted >= 0)
    if sorted(numbers) != list(range(size)):
        raise ValueError(f"{kind} has electrodes 1 to {size}, the file {len(numbers)}; export all")
    empty = [tuple(place) for place in np.argwhere(wanted < 0)]
    return np.argsort(numbers)[wanted[wanted >= 0]], rectangular_grid(*wanted.shape, ied_mm, empty)


def _discharges(mark, name):
    wrong = mark[~np.isin(mark, (0, 1))]
    if len(wrong):
        raise ValueError(f"column {str(name)!r} holds {wrong[0]}, expected 0 or 1")
    times = np.flatnonzero(mark) - LAG
    return times[times >= 0]
