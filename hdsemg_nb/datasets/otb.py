"""Reader for the .mat files that OTBiolab+ exports."""

import re
import warnings
from pathlib import Path

import numpy as np

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.files import naming
from hdsemg_nb.datasets.matfile import cells, number, numbers, read_mat, require
from hdsemg_nb.recording import Recording, rectangular_grid

LAG = 8  # samples by which OTBiolab+ writes discharge marks late, see `load_otb`

# Electrode number minus 1 at each place of the 13 x 5 grids, -1 where there is no electrode. GR:
# down one column and up the next, from the left. HD: every column down, from the right.
_ROW = np.arange(13)
_NUMBERS = {
    "GR": np.stack([_ROW - 1, 24 - _ROW, 25 + _ROW, 50 - _ROW, 51 + _ROW], axis=1),
    "HD": np.stack([51 + _ROW, 38 + _ROW, 25 + _ROW, 12 + _ROW, _ROW - 1], axis=1),
}
GRIDS_13X5 = {"GR08MM1305": 8.0, "HD08MM1305": 8.0, "GR04MM1305": 4.0, "HD04MM1305": 4.0}


def load_otb(path, subject="", mvc=float("nan")):
    """Read an OTBiolab+ .mat export with decomposition results, MATLAB 5 or v7.3.

    Channels are put in row-major order over the electrode grid, without the empty corner, when
    the file names a 13 x 5 grid; otherwise they keep the order of the file and `grid` is None.

    OTBiolab+ writes the mark of each discharge 8 samples after the peak of the source it belongs to
    (measured on the sample recording: the same 8 for all five motor units; openhdemg,
    doi:10.1016/j.jelekin.2023.102850, corrects the same 8). They are moved back; marks that would
    fall before the first sample are left out.

    Parameters
    ----------
    path : str or pathlib.Path
    subject : str
    mvc : float
        Contraction intensity in % of the maximal voluntary contraction, not told by the file.

    Returns
    -------
    recording.Recording
        EMG in uV; `pnr` of the exported sources (`cbss.pulse_to_noise_ratio`), NaN without them.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not an OTBiolab+ export, holds several grids, or a field cannot be right;
        names file and field.

    Warns
    -----
    UserWarning
        When the type of the grid is not known.
    """
    with naming(path):
        data, names, fs = _fields(read_mat(path))
        kinds = np.array([_kind(name) for name in names])
        emg, marks, sources = (data[:, kinds == kind].T for kind in ("emg", "marks", "source"))
        emg_names, mark_names = (names[kinds == kind].tolist() for kind in ("emg", "marks"))
        if not emg_names:
            units = sorted({unit for name in names for unit in re.findall(r"\[([^]]*)\]$", name)})
            raise ValueError(f"Description has no column in [uV], only {units}; export EMG in uV")
        order, grid = _layout(emg_names)
        discharges = [_discharges(*pair) for pair in zip(marks, mark_names, strict=True)]
        known = len(sources) == len(discharges)
        pnr = list(map(pulse_to_noise_ratio, sources, discharges)) if known else None
        muscle, source = ", ".join(_muscles(emg_names)), f"OTBiolab+ export {Path(path).name}"
        return Recording(emg[order], fs, discharges, pnr, grid, subject, muscle, mvc, source)


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


def _muscles(names):
    return list(dict.fromkeys(name.split(" - ")[0] for name in names))


def _layout(names):
    """Order of the EMG columns and their grid, from names like "... - GR08MM1305 (1)[uV]"."""
    grids, numbered = set(), range(len(names))
    parts = [re.fullmatch(r"(.*?)(\w+) \((\d+)\)\[.V\]", name) for name in names]
    if None not in parts:
        grids, numbered = {part[2] for part in parts}, [int(part[3]) - 1 for part in parts]
    muscles = _muscles(names)
    if len(grids) > 1 or (grids and len(muscles) > 1) or len(set(numbered)) < len(names):
        several = f"several grids, {sorted(grids)} on {muscles}"
        raise ValueError(f"the EMG columns belong to {several}; export one grid at a time")
    kind = "".join(grids)
    if kind not in GRIDS_13X5:
        unknown = f"where the electrodes of {kind or names[0]!r} are is not known"
        warnings.warn(f"{unknown}: grid is None, channels in the order of the file", stacklevel=3)
        return np.arange(len(names)), None
    if sorted(numbered) != list(range(64)):
        raise ValueError(f"{kind} has electrodes 1 to 64, the export {len(names)}; export all")
    wanted = _NUMBERS[kind[:2]]
    grid = rectangular_grid(ied_mm=GRIDS_13X5[kind], empty=[tuple(np.argwhere(wanted < 0)[0])])
    return np.argsort(numbered)[wanted[wanted >= 0]], grid


def _discharges(mark, name):
    wrong = mark[~np.isin(mark, (0, 1))]
    if len(wrong):
        raise ValueError(f"column {name!r} holds {wrong[0]}, expected 0 or 1")
    times = np.flatnonzero(mark) - LAG
    return times[times >= 0]
