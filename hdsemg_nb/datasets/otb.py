"""Reader for the .mat files that OTBiolab+ exports."""

import re
from pathlib import Path

import numpy as np
import scipy.io

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.recording import Recording, rectangular_grid

OTB_LAG = 8  # samples by which OTBiolab+ writes discharge marks late, see `load_otb`

# Electrode number minus 1 at each place of the 13 x 5 grids: numbers run down one column and up
# the next, from the corner without an electrode.
_ROW = np.arange(13)
_ORDER_13X5 = np.stack([_ROW - 1, 24 - _ROW, 25 + _ROW, 50 - _ROW, 51 + _ROW], axis=1).ravel()[1:]
_HEADER = {"__header__", "__version__", "__globals__"}
GRIDS_13X5 = {"GR08MM1305": 8.0, "HD08MM1305": 8.0, "GR04MM1305": 4.0, "HD04MM1305": 4.0}


def load_otb(path, lag=OTB_LAG, subject="", mvc=float("nan")):
    """Read an OTBiolab+ .mat export with decomposition results.

    Channels are put in row-major order over the electrode grid, without the empty corner, when
    the file names a 13 x 5 grid; otherwise they keep the order of the file and `grid` is None.

    Parameters
    ----------
    path : str or pathlib.Path
    lag : int
        Samples by which the marks of discharges stand late. OTBiolab+ writes each mark 8 samples
        after the peak of the source it belongs to (measured on the sample recording: the same 8
        for all five motor units; openhdemg, doi:10.1016/j.jelekin.2023.102850, corrects the same
        8). They are moved back; marks that would fall before the first sample are left out.
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
        When the file is not an OTBiolab+ export or a field cannot be right; names file and field.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give the .mat exported from OTBiolab+")
    data, names, fs = _fields(path)
    kinds = [_kind(name) for name in names]
    emg, marks, sources = (
        data[:, [i for i, kind in enumerate(kinds) if kind == wanted]].T
        for wanted in ("emg", "marks", "source")
    )
    emg_names = [name for name, kind in zip(names, kinds, strict=True) if kind == "emg"]
    if not emg_names:
        raise ValueError(f"{path}: Description names no column in [uV]; is EMG in the export?")
    order, grid = _layout(path, emg_names)
    discharges = [np.flatnonzero(mark) - lag for mark in marks]
    discharges = [times[times >= 0] for times in discharges]
    return Recording(
        emg=emg[order],
        fs=fs,
        discharges=discharges,
        pnr=_pnr(sources, discharges),
        grid=grid,
        subject=subject,
        muscle=emg_names[0].split(" - ")[0],
        mvc=mvc,
        source=f"OTBiolab+ export {path.name}",
    )


def _fields(path):
    """Columns (samples, columns), their descriptions, and the sampling frequency in Hz."""
    try:
        content = scipy.io.loadmat(path, simplify_cells=True)
    except Exception as error:  # scipy raises many kinds on a broken or v7.3 file
        raise ValueError(
            f"{path}: cannot be read as a MATLAB 5 file ({error}); export it again from OTBiolab+"
        ) from error
    for field in ("Data", "Description", "SamplingFrequency"):
        if field not in content:
            raise ValueError(
                f"{path}: field {field} is missing, found {sorted(set(content) - _HEADER)}; "
                "is this an OTBiolab+ export?"
            )
    data = np.asarray(content["Data"])
    names = [str(name) for name in np.atleast_1d(content["Description"])]
    if data.ndim != 2 or data.shape[1] != len(names):
        raise ValueError(
            f"{path}: Data has shape {data.shape}, expected (samples, {len(names)}): a column for "
            "each Description"
        )
    return data, names, float(content["SamplingFrequency"])


def _kind(name):
    if "Source for decomposition" in name:
        return "source"
    if "Decomposition of" in name:
        return "marks"
    return "emg" if name.endswith("[uV]") else "other"


def _layout(path, emg_names):
    """Order of the EMG columns and their grid, from names like "... - GR08MM1305 (1)[uV]"."""
    matches = [re.search(r"(\w+) \((\d+)\)\[uV\]$", name) for name in emg_names]
    grids = {match.group(1) if match else None for match in matches}
    if len(grids) > 1:
        raise ValueError(
            f"{path}: the EMG columns belong to several grids {sorted(map(str, grids))}; export "
            "one grid at a time"
        )
    name = grids.pop()
    if name not in GRIDS_13X5:
        return np.arange(len(emg_names)), None
    column = {int(match.group(2)) - 1: i for i, match in enumerate(matches)}
    if sorted(column) != list(range(64)):
        raise ValueError(
            f"{path}: {name} has electrodes 1 to 64, the export {len(column)} of them; export all"
        )
    return np.array([column[e] for e in _ORDER_13X5]), rectangular_grid(ied_mm=GRIDS_13X5[name])


def _pnr(sources, discharges):
    if len(sources) != len(discharges):
        return None
    return [pulse_to_noise_ratio(s, d) for s, d in zip(sources, discharges, strict=True)]
