"""Synthetic recordings of several participants, kept in files."""

import hashlib
import io
import json
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from hdsemg_nb import cbss, paths
from hdsemg_nb.datasets.files import Recordings, set_aside
from hdsemg_nb.datasets.synthetic import muscle, potentials, simulation
from hdsemg_nb.datasets.synthetic.muscle import FS
from hdsemg_nb.datasets.synthetic.simulation import COHORT, MUSCLE, simulate
from hdsemg_nb.recording import Recording, rectangular_grid


def synthetic_cohort(
    n_subjects=3, mvc=(10, 30, 50), seconds=60.0, seed=0, folder=None, setup=COHORT
):
    """Synthetic recordings of several participants, simulated on first use, two at a time.

    More than one to simulate starts processes: a script (not a notebook) then has to do its work
    under ``if __name__ == "__main__":``.

    Parameters
    ----------
    n_subjects : int
    mvc : sequence of float
        Intensities in % of the maximal voluntary contraction, one recording each.
    seconds, seed, setup
        As in `simulate`.
    folder : str or pathlib.Path, optional
        Where the recordings are kept, named by a digest of their parameters and of the model;
        default data/synthetic of the project. A damaged file is set aside and simulated again,
        with a warning.

    Returns
    -------
    datasets.files.Recordings
        By participant, then by intensity.
    """
    folder = Path(folder or paths.DATA / "synthetic")
    intensities = [float(one) for one in np.atleast_1d(mvc)]
    wanted = product(range(1, n_subjects + 1), intensities, [float(seconds)], [int(seed)], [setup])
    jobs = [(parameters, folder / f"{_digest(parameters)}.npz") for parameters in wanted]
    if not jobs:
        raise ValueError(f"n_subjects={n_subjects}, mvc={mvc!r}: no recording; give at least one")
    missing = [job for job in jobs if not job[1].exists()]
    bar = dict(total=len(missing), desc="simulating", unit="recording", disable=not missing)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        apply = pool.map if len(missing) > 1 else map
        for _ in tqdm(apply(_simulate_to_file, missing), **bar):
            pass
    return Recordings(partial(_load, *job) for job in jobs)


def _digest(parameters):
    """Name of a recording: a hash of its parameters and of the files that make it."""
    labelling = cbss.covariance, cbss.filter, cbss.quality
    modules = muscle, potentials, simulation, *labelling
    model = [Path(module.__file__).read_bytes() for module in modules]
    content = b"".join([json.dumps(parameters).encode(), *model])
    return hashlib.sha256(content).hexdigest()[:16]


def _simulate_to_file(job):
    """Simulate and keep; where nothing can be written, the recording is still there."""
    (*parameters, setup), path = job
    recording = simulate(*parameters, setup=setup).recording
    try:
        paths.made(path.parent)
        _save(recording, path)
    except OSError as error:
        warnings.warn(f"{error}; simulated again whenever it is read", stacklevel=2)
    return recording


def _load(parameters, path):
    try:
        return _read(path)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        if path.exists():
            set_aside(path, error, "simulated again")
    return _simulate_to_file((parameters, path))


def _save(recording, path):
    content = io.BytesIO()
    times = np.concatenate([*recording.discharges, np.empty(0, np.int64)])
    counts = [len(train) for train in recording.discharges]
    about = dict(pnr=recording.pnr, mvc=recording.mvc, text=[recording.subject, recording.source])
    np.savez(content, emg=recording.emg, times=times, counts=counts, **about)
    paths.write_whole(path, content.getvalue())


def _read(path):
    with np.load(path) as stored:
        ends = np.cumsum(stored["counts"].astype(np.int64))
        discharges = np.split(stored["times"], ends)[:-1]
        subject, source = map(str, stored["text"])
        about = rectangular_grid(), subject, MUSCLE, float(stored["mvc"]), source
        return Recording(stored["emg"], FS, discharges, stored["pnr"], *about)
