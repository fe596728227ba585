"""Synthetic recordings of several participants, kept in files."""

import hashlib
import io
import json
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from hdsemg_nb import paths
from hdsemg_nb.datasets.synthetic import muscle, potentials, simulation
from hdsemg_nb.datasets.synthetic.muscle import FS
from hdsemg_nb.datasets.synthetic.simulation import MUSCLE, simulate
from hdsemg_nb.recording import Recording, Recordings, rectangular_grid


def synthetic_cohort(
    n_subjects,
    mvc=(10, 30, 50),
    seconds=60.0,
    seed=0,
    folder=None,
    workers=2,
    progress=True,
):
    """Synthetic recordings of several participants, simulated on first use.

    Parameters
    ----------
    n_subjects : int
    mvc : sequence of float
        Intensities in % of the maximal voluntary contraction, one recording each.
    seconds, seed
        As in `simulate`.
    folder : str or pathlib.Path, optional
        Where the recordings are kept, named by a digest of their parameters and of the model;
        default data/synthetic of the project. A damaged file is set aside and simulated again,
        with a warning.
    workers : int
        Recordings simulated at a time. More than 1 start processes: a script (not a notebook)
        then has to do its work under ``if __name__ == "__main__":``.
    progress : bool
        Show a progress bar over the recordings.

    Returns
    -------
    recording.Recordings
        By participant, then by intensity.
    """
    folder = Path(folder or paths.DATA / "synthetic")
    folder.mkdir(parents=True, exist_ok=True)
    subjects = range(1, n_subjects + 1)
    wanted = [
        (s, float(m), float(seconds), int(seed)) for s in subjects for m in np.atleast_1d(mvc)
    ]
    jobs = [(parameters, folder / f"{_digest(parameters)}.npz") for parameters in wanted]
    missing = [job for job in jobs if not job[1].exists()]
    hidden = not (progress and missing)
    with tqdm(total=len(missing), desc="simulating", unit="recording", disable=hidden) as bar:
        for _ in _simulate_all(missing, workers):
            bar.update()
    return Recordings(partial(_load, *job) for job in jobs)


def _digest(parameters):
    """Name of a recording: a hash of its parameters and of the files of the model."""
    model = [Path(module.__file__).read_bytes() for module in (muscle, potentials, simulation)]
    content = b"".join([json.dumps(parameters).encode(), *model])
    return hashlib.sha256(content).hexdigest()[:16]


def _simulate_all(jobs, workers):
    if min(workers, len(jobs)) <= 1:
        yield from map(_simulate_to_file, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_simulate_to_file, jobs)


def _simulate_to_file(job):
    parameters, path = job
    _save(simulate(*parameters).recording, path)


def _load(parameters, path):
    try:
        return _read(path)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        aside = path.with_suffix(".damaged")
        warnings.warn(
            f"{path} is damaged ({error}): set aside as {aside.name}, simulated again",
            stacklevel=2,
        )
        if path.exists():
            os.replace(path, aside)
    _simulate_to_file((parameters, path))
    return _read(path)


def _save(recording, path):
    content = io.BytesIO()
    np.savez(
        content,
        emg=recording.emg,
        times=np.concatenate([*recording.discharges, np.empty(0, np.int64)]),
        counts=[len(times) for times in recording.discharges],
        pnr=recording.pnr,
        mvc=recording.mvc,
        text=[recording.subject, recording.source],
    )
    paths.write_whole(path, content.getvalue())


def _read(path):
    with np.load(path) as stored:
        borders = np.cumsum(stored["counts"].astype(np.int64))[:-1]
        subject, source = (str(text) for text in stored["text"])
        return Recording(
            emg=stored["emg"],
            fs=FS,
            discharges=np.split(stored["times"], borders) if len(stored["counts"]) else (),
            pnr=stored["pnr"],
            grid=rectangular_grid(),
            subject=subject,
            muscle=MUSCLE,
            mvc=float(stored["mvc"]),
            source=source,
        )
