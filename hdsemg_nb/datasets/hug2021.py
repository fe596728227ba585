"""Readers for the data of Hug et al. 2021, decomposed with DEMUSE: the paper's own data set."""

import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from hdsemg_nb.datasets.files import Recordings, force_fields, naming
from hdsemg_nb.datasets.matfile import cells, number, numbers, read_mat, require, zero_based
from hdsemg_nb.recording import Grid, Recording

IED_MM = {(13, 5): 8.0, (8, 4): 10.0}  # the paper's two grids (Methods), for files without IED
_PLACE = re.compile(r"(S(\d+))/.+_(\d+)_([A-Za-z]+)\.mat")
_LAYOUT = "S<number>/<code>_<MVC>_<muscle>.mat, for example S10/vaMiKT_10_GM.mat"


def load_hug2021(folder, muscle="GM", exclude=("S14", "S15")):
    """Find the recordings of the triceps surae data set in a folder; each is read when asked for.

    The data belong to Hug et al. 2021, "Muscles from the same muscle group do not necessarily
    share common drive: evidence from the human triceps surae", J. Appl. Physiol. 130:342-354, the
    paper's reference 27. Where its authors deposited them is in the data availability statement
    of that article: look it up there, download the archive, and unpack it so that the folder
    holds S<number>/<code>_<MVC>_<muscle>.mat, for example S10/vaMiKT_10_GM.mat. Folders in
    between, such as raw/S10, do no harm.

    Parameters
    ----------
    folder : str or pathlib.Path
    muscle : str
        As in the file names: "GM", "GL" or "SOL".
    exclude : str or sequence of str
        Participants left out; the default is the paper's (Methods: no isometric plantarflexion).

    Returns
    -------
    datasets.files.Recordings
        By participant and intensity.

    Raises
    ------
    FileNotFoundError
        When the folder holds no such file.
    ValueError
        When two files are of the same participant, muscle and intensity.
    """
    found, exclude = {}, np.atleast_1d(exclude).tolist()
    for path in Path(folder).resolve().rglob("*.mat"):
        place = _PLACE.fullmatch(f"{path.parent.name}/{path.name}")
        if not place or place[4] != muscle or place[1] in exclude:
            continue
        key = int(place[2]), place[1], float(place[3])
        if key in found:
            both = f"{path} and {found[key]} are both {key[1]} at {key[2]:g} % MVC"
            raise ValueError(f"{both}; keep one of them in the folder")
        found[key] = path
    if not found:
        none = f"{folder}: no {muscle} recording besides the participants excluded, {exclude}"
        raise FileNotFoundError(f"{none}; expected {_LAYOUT} (where from: see load_hug2021)")
    keys = sorted(found)
    return Recordings(partial(load_demuse, found[key], key[1], muscle, key[2]) for key in keys)


def load_demuse(path, subject="", muscle="", mvc=float("nan")):
    """Read a .mat file of DEMUSE, MATLAB 5 or v7.3.

    Required are the fields SIG (cell of the grid's shape, empty where there is no electrode),
    MUPulses (cell, sample numbers counted from 1) and fsamp; PNR, discardChannelsVec, IED and
    ref_signal (force in arbitrary units) are used where present. Channels are in row-major order
    over the grid, without the empty places. Channels that discardChannelsVec marks are replaced, as
    the paper's first author does, by a cubic spline (not-a-knot) through the other channels along
    the channel number; the first and last channels are extrapolated by it.

    Parameters
    ----------
    path : str or pathlib.Path
    subject, muscle : str
    mvc : float
        Contraction intensity in % MVC, not told by the file.

    Returns
    -------
    recording.Recording
        EMG with the scale of the file, which is uV up to a factor of 2. `pnr` is NaN without PNR.
        `grid` is None without IED when the grid is none of the paper's two (13 x 5 with 8 mm,
        8 x 4 with 10 mm).

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken or a field cannot be right; names file and field.
    """
    with naming(path):
        content = require(read_mat(path), ["SIG", "MUPulses", "fsamp"])
        emg, electrodes = _channels(content["SIG"])
        trains = enumerate(cells(content["MUPulses"]), start=1)
        discharges = [zero_based(x, f"MUPulses{{{k}}}", emg.shape[1]) for k, x in trains]
        emg = _interpolated(emg, electrodes, content)
        fs = number(content["fsamp"], "fsamp")
        pnr = numbers(content["PNR"], "PNR").ravel() if "PNR" in content else None
        ied = number(content["IED"], "IED") if "IED" in content else _usual_ied(content["SIG"])
        grid = None if ied is None else Grid(electrodes, ied)
        source = f"DEMUSE file {Path(path).name}"
        reference = [("force", "arbitrary units", content.get("ref_signal", ()))]
        force = force_fields(reference, emg.shape[1])
        return Recording(emg, fs, discharges, pnr, grid, subject, muscle, mvc, source, **force)


def _usual_ied(sig):
    ied = IED_MM.get(sig.shape)
    taken = f"taken as {ied:g} mm, the paper's" if ied else "not known, grid is None"
    warnings.warn(f"field IED is missing: distance of the {sig.shape} grid {taken}", stacklevel=3)
    return ied


def _channels(sig):
    """EMG (channels, samples) and the row and column of each channel, in row-major order."""
    if not isinstance(sig, np.ndarray) or sig.dtype != object:
        raise ValueError("field SIG must be a cell, one signal for each place of the grid")
    signals = {}
    for place in np.ndindex(sig.shape):
        name = f"SIG{{{place[0] + 1},{place[1] + 1}}}"
        signal = numbers(sig[place], name).ravel()
        length = len(next(iter(signals.values()), signal))
        if len(signal) not in (0, length):
            raise ValueError(f"field {name} has {len(signal)} samples, the first one {length}")
        if len(signal):
            signals[place] = signal.astype(np.float32)
    if not signals:
        raise ValueError("field SIG holds no signal, every place of the grid is empty")
    return np.stack(list(signals.values())), np.array(list(signals))


def _interpolated(emg, electrodes, content):
    """EMG with the discarded channels taken from a spline through the others."""
    shape = content["SIG"].shape
    marks = numbers(content.get("discardChannelsVec", np.zeros(shape)), "discardChannelsVec")
    if marks.shape != shape:
        raise ValueError(f"field discardChannelsVec has shape {marks.shape}, SIG {shape}")
    discarded = marks[tuple(electrodes.T)] != 0
    good, bad = np.flatnonzero(~discarded), np.flatnonzero(discarded)
    if len(bad) and len(good) < 2:
        raise ValueError(f"field discardChannelsVec leaves {len(good)} channel(s), not 2 or more")
    if len(bad):  # the spline is linear in its values: its weights serve every sample
        emg[bad] = CubicSpline(good, np.eye(len(good)))(bad) @ emg[good]
    return emg
