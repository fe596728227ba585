"""Reader for the .mat files of MUedit."""

import warnings
from pathlib import Path

import numpy as np

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.files import chosen, force_fields, naming
from hdsemg_nb.datasets.matfile import cells, number, numbers, read_mat, struct, zero_based
from hdsemg_nb.recording import Grid, Recording


def load_muedit(path, grid=None):
    """Read one grid of a .mat file that MUedit decomposed or edited, MATLAB 5 or v7.3.

    MUedit (Avrillon et al., https://github.com/simonavrillon/MUedit) stores the struct `signal`
    and, once edited, the struct `edition`, whose discharge times and pulse trains are then taken
    (an empty `edition` holds no edit).
    Channels are put in row-major order over the electrode grid. Channels that EMGmask marks are
    left out, as in MUedit's own decomposition; motor units without discharges are left out too.

    Parameters
    ----------
    path : str or pathlib.Path
    grid : str or int, optional
        Which of several grids: its number from 0, its name or a part of it (its muscle or type).

    Returns
    -------
    recording.Recording
        EMG with the scale of the file, which does not tell its unit: mV where MUedit read an
        .otb+, with a supply of 3.3 V whatever the amplifier. `pnr` is that of the pulse trains,
        which MUedit stores squared with their sign as `cbss.pulse_to_noise_ratio` expects; NaN
        without pulse trains. Force is the path that the participant performed, else an auxiliary
        signal that names a force, else the target; the file does not tell its unit.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken, holds several grids and none is chosen, or a field cannot be
        right; names file and field.

    Warns
    -----
    UserWarning
        When the places of the electrodes contradict the type of the grid: `grid` is None then.
    """
    with naming(path):
        content = read_mat(path)
        signal = struct(content, "signal", ["data", "fsamp", "coordinates", "IED"])
        grid = chosen(_grid_names(signal), grid)
        emg, layout = _channels(signal, grid)
        fs = number(signal["fsamp"], "signal.fsamp")
        discharges, pnr = _motor_units(content, grid, emg.shape[1], fs)
        about = force_fields(_beside(signal), emg.shape[1])
        about["muscle"] = _item(signal, "muscle", grid, "")
        about["source"] = f"MUedit file {Path(path).name}, grid {grid}"
        return Recording(emg, fs, discharges, pnr, layout, **about)


def _grid_names(signal):
    """Muscle and type of each grid."""
    grids = range(len(cells(signal["coordinates"])))
    about = [[_item(signal, field, k, "") for field in ("muscle", "gridname")] for k in grids]
    return [" ".join(x for x in pair if isinstance(x, str) and x) for pair in about]


def _beside(signal):
    """Name, unit and samples of what was recorded beside the EMG."""
    named = [(name, "", signal[name]) for name in ("path", "target") if name in signal]
    names, values = cells(signal.get("auxiliaryname", np.empty(0))), signal.get("auxiliary", [])
    more = [(str(name), "", x) for name, x in zip(names, values, strict=False)]
    return [(name, unit, x) for name, unit, x in named + more if isinstance(x, np.ndarray)]


def _item(struct, name, grid, missing):
    """Item of one grid in a cell with one for each grid; `missing` when it is not there."""
    items = cells(struct[name]) if name in struct else []
    return items[grid] if grid < len(items) else missing


def _channels(signal, grid):
    """EMG and `Grid` of the good channels of one grid, in row-major order."""
    places = [numbers(x, "signal.coordinates") for x in cells(signal["coordinates"])]
    first = sum(len(x) for x in places[:grid])
    electrodes = places[grid].astype(float) - 1  # counted from 1 in the file
    rows = numbers(signal["data"], "signal.data")[first : first + len(electrodes)]
    masked = _item(signal, "EMGmask", grid, np.zeros(len(electrodes)))
    masked = numbers(masked, "signal.EMGmask").ravel() != 0
    if not len(rows) == len(electrodes) == len(masked):
        others = f"signal.coordinates {len(electrodes)}, signal.EMGmask {len(masked)}"
        raise ValueError(f"field signal.data has {len(rows)} channels for grid {grid}, {others}")
    good = np.flatnonzero(~masked)
    order = good[np.lexsort(electrodes[good, ::-1].T)]
    ied = numbers(signal["IED"], "signal.IED").ravel()[grid : grid + 1]
    name = str(_item(signal, "gridname", grid, ""))
    if name.startswith("HD") and len(electrodes) == 64 and electrodes[13, 0] < electrodes[12, 0]:
        older = "the electrode numbers of a GR grid, as older versions of MUedit write them"
        warnings.warn(f"grid {grid}, {name}, has {older}: grid is None", stacklevel=3)
        return rows[good], None
    return rows[order], Grid(electrodes[order], number(ied, f"signal.IED({grid + 1})"))


def _motor_units(content, grid, n_samples, fs):
    """Discharge times of the motor units of one grid, and their pulse-to-noise ratios."""
    edited = content.get("edition", "")
    is_edited = len(edited) and np.size(edited) and "Dischargetimes" in struct(content, "edition")
    name = "edition" if is_edited else "signal"
    source = content[name]
    table = source.get("Dischargetimes", np.empty(0))
    if not isinstance(table, np.ndarray) or (table.size and table.dtype != object):
        raise ValueError(f"field {name}.Dischargetimes must be a cell, {{grid, motor unit}}")
    trains = numbers(_item(source, "Pulsetrain", grid, np.empty(0)), f"{name}.Pulsetrain")
    if trains.size and trains.shape[1] != n_samples:
        raise ValueError(f"{name}.Pulsetrain has {trains.shape[1]} samples, the EMG {n_samples}")
    units = enumerate(table[grid] if grid < len(table) else [], start=1)
    field = f"{name}.Dischargetimes{{{grid + 1}"
    times = [zero_based(pulses, f"{field},{unit}}}", n_samples) for unit, pulses in units]
    kept = [k for k, found in enumerate(times) if len(found)]  # rows of a cell are equally long
    with_train = {k: pulse_to_noise_ratio(trains[k], times[k], fs) for k in kept if k < len(trains)}
    return [times[k] for k in kept], [with_train.get(k, np.nan) for k in kept]
