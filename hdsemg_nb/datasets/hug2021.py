"""Readers for the data of Hug et al. 2021, decomposed with DEMUSE: the paper's own data set."""

import re
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline

from hdsemg_nb import paths
from hdsemg_nb.datasets.matfile import cells, naming, number, numbers, read_mat, require, zero_based
from hdsemg_nb.recording import Grid, Recording, Recordings

OPERATORS_DOI = "10.6084/m9.figshare.13695937.v1"
IED_MM = {(13, 5): 8.0, (8, 4): 10.0}  # the paper's two grids (Methods), for files without IED
_NAME = re.compile(r".+_(?P<mvc>\d+)_(?P<muscle>[A-Za-z]+)\.mat")
_LAYOUT = "S<number>/<code>_<MVC>_<muscle>.mat, for example S10/vaMiKT_10_GM.mat"


class _File(NamedTuple):
    path: Path
    subject: str
    muscle: str
    mvc: float


def load_hug2021(folder, muscle="GM", exclude=("S14", "S15"), min_discharges=0):
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
    min_discharges : int
        Motor units with fewer discharges are left out, see `load_demuse`.

    Returns
    -------
    recording.Recordings
        By participant and intensity.

    Raises
    ------
    FileNotFoundError
        When the folder holds no such file.
    ValueError
        When two files are of the same participant, muscle and intensity.
    """
    folder = Path(folder).resolve()
    exclude = [exclude] if isinstance(exclude, str) else list(exclude)
    found = [file for file in _files(folder) if file.muscle == muscle]
    kept = [file for file in found if file.subject not in exclude]
    if not kept:
        raise FileNotFoundError(
            f"{folder}: no {muscle} recording besides the participants excluded, {exclude}; "
            f"expected {_LAYOUT} (the docstring of load_hug2021 tells where to get them)"
        )
    kept.sort(key=lambda file: (int(file.subject[1:]), file.mvc))
    for one, other in zip(kept, kept[1:], strict=False):
        if (one.subject, one.mvc) == (other.subject, other.mvc):
            raise ValueError(
                f"{one.path} and {other.path} are both {one.subject} at {one.mvc:g} % MVC; "
                "keep one of them in the folder"
            )
    return Recordings(partial(load_demuse, *file, min_discharges) for file in kept)


def _files(folder):
    for path in folder.rglob("*.mat"):
        name, subject = _NAME.fullmatch(path.name), path.parent.name
        if name and re.fullmatch(r"S\d+", subject):
            yield _File(path, subject, name["muscle"], float(name["mvc"]))


def load_demuse(path, subject="", muscle="", mvc=float("nan"), min_discharges=0):
    """Read a .mat file of DEMUSE, MATLAB 5 or v7.3.

    Required are the fields SIG (cell of the grid's shape, empty where there is no electrode),
    MUPulses (cell, sample numbers counted from 1) and fsamp; PNR, discardChannelsVec and IED are
    used where present. Channels are in row-major order over the grid, without the empty places.
    Channels that discardChannelsVec marks are replaced, as the paper's first author does, by a
    cubic spline (not-a-knot) through the other channels along the channel number; the first and
    last channels are extrapolated by it.

    Parameters
    ----------
    path : str or pathlib.Path
    subject, muscle : str
    mvc : float
        Contraction intensity in % MVC, not told by the file.
    min_discharges : int
        Motor units with fewer discharges are left out; default none. A published script of the
        paper's first author keeps units with more than 300: give 301.

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
        shape = content["SIG"].shape
        emg = _interpolated(emg, _discarded(content, shape)[tuple(electrodes.T)])
        ied = number(content["IED"], "IED") if "IED" in content else _usual_ied(shape)
        discharges = [
            zero_based(pulses, f"MUPulses{{{unit}}}", emg.shape[1])
            for unit, pulses in enumerate(cells(content["MUPulses"]), start=1)
        ]
        kept = [i for i, times in enumerate(discharges) if len(times) >= min_discharges]
        return Recording(
            emg=emg,
            fs=number(content["fsamp"], "fsamp"),
            discharges=[discharges[i] for i in kept],
            pnr=_pnr(content, len(discharges))[kept],
            grid=None if ied is None else Grid(electrodes, ied),
            subject=subject,
            muscle=muscle,
            mvc=mvc,
            source=f"DEMUSE file {Path(path).name}",
        )


def _usual_ied(shape):
    ied = IED_MM.get(shape)
    taken = f"taken as {ied:g} mm, the paper's" if ied else "not known, grid is None"
    warnings.warn(f"field IED is missing: distance of the {shape} grid {taken}", stacklevel=3)
    return ied


def _channels(sig):
    """EMG (channels, samples) and the row and column of each channel, in row-major order."""
    if not isinstance(sig, np.ndarray) or sig.dtype != object:
        raise ValueError("field SIG must be a cell, one signal for each place of the grid")
    names = {place: f"SIG{{{place[0] + 1},{place[1] + 1}}}" for place in np.ndindex(sig.shape)}
    signals = {place: numbers(sig[place], name).ravel() for place, name in names.items()}
    signals = {place: signal for place, signal in signals.items() if signal.size}
    if not signals:
        raise ValueError("field SIG holds no signal, every place of the grid is empty")
    first = next(iter(signals))
    for place, signal in signals.items():
        if len(signal) != len(signals[first]):
            raise ValueError(
                f"field {names[place]} has {len(signal)} samples, {names[first]} has "
                f"{len(signals[first])}; every channel must be equally long"
            )
    emg = np.stack([signal.astype(np.float32) for signal in signals.values()])
    return emg, np.array(list(signals))


def _discarded(content, shape):
    """True at the places of the grid whose channel was discarded."""
    if "discardChannelsVec" not in content:
        return np.zeros(shape, dtype=bool)
    marks = numbers(content["discardChannelsVec"], "discardChannelsVec")
    if marks.shape != shape:
        raise ValueError(
            f"field discardChannelsVec has shape {marks.shape}, expected that of SIG, {shape}"
        )
    return marks != 0


def _interpolated(emg, discarded):
    """EMG with the discarded channels taken from a spline through the others."""
    good, bad = np.flatnonzero(~discarded), np.flatnonzero(discarded)
    if len(bad) == 0:
        return emg
    if len(good) < 2:
        raise ValueError(
            f"field discardChannelsVec leaves {len(good)} channel(s), the spline needs 2 or more"
        )
    # the spline is linear in its values: its weights serve every sample
    emg[bad] = CubicSpline(good, np.eye(len(good)))(bad) @ emg[good]
    return emg


def _pnr(content, n_units):
    if "PNR" not in content:
        return np.full(n_units, np.nan)
    pnr = numbers(content["PNR"], "PNR").ravel()
    if len(pnr) != n_units:
        raise ValueError(f"field PNR has {len(pnr)} values for {n_units} motor units in MUPulses")
    return pnr


def fetch_hug_operators(folder=None):
    """Download the data set of the operators, and give the paths of its .mat files.

    Hug et al. 2021, J. Electromyogr. Kinesiol. 58:102548, doi:10.6084/m9.figshare.13695937.v1:
    recordings of three muscles decomposed by several operators; read each with `load_demuse`.
    The repository is asked for names and checksums of the files, .zip files are unpacked. What is
    in the folder already is not downloaded again.

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Where the files are kept; default data/hug_operators of the project.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    RuntimeError
        When the archive cannot be reached or a file arrives damaged; tells what to do.
    """
    import pooch  # here, because it warns on import where notebooks have no widgets

    folder = Path(folder or paths.DATA / "hug_operators")
    archive = pooch.create(path=folder, base_url=f"doi:{OPERATORS_DOI}/", registry=None)
    try:
        archive.load_registry_from_doi()
        for name in archive.registry:
            unpack = pooch.Unzip() if name.endswith(".zip") else None
            archive.fetch(name, processor=unpack, progressbar=True)
    except (OSError, ValueError) as error:  # no connection; unknown DOI or wrong checksum
        raise RuntimeError(
            f"The files of doi:{OPERATORS_DOI} could not be downloaded ({error}). Check the "
            f"connection and try again, or put the files by hand into {folder}"
        ) from error
    return sorted(folder.rglob("*.mat"))
