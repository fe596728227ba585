"""Parameters of a profile (params/*.yaml): known names, right types, checked before anything runs.

`python -m hdsemg_nb.params FILE` checks a file.
"""

import difflib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import FunctionType, ModuleType
from typing import get_args

import yaml

from hdsemg_nb import sweep
from hdsemg_nb.models import check_network
from hdsemg_nb.train import Run


@dataclass(frozen=True)
class Params:
    """Every parameter a profile may set; a notebook declares those it uses.

    Parameters
    ----------
    profile : str
        Name of the profile, written on every figure and table.
    output : str
        Folder, from the project root, for figures/ and tables/; "." for the project's own.
    seed : int
        Of everything drawn at random.
    source : str
        Recordings to analyse: "synthetic", "hug2021" or "sample".
    folder : str
        Of the Hug et al. 2021 files; "" for the other sources.
    n_subjects : int
        Participants of the synthetic cohort.
    mvc : list
        Its intensities in % of the maximal voluntary contraction.
    seconds : float
        Length of its recordings in s.
    grid : list of dict
        Runs of the sweep, see `sweep.expand`.
    only : list of int
        Numbers of the recordings to sweep, for a share of a job array; [] for all.
    workers : int
        Processes of the sweep; 0 for three on a GPU, else one for each core.
    scheduler : str
        Address of a Dask scheduler, "tcp://..."; "" for this machine.
    results : str
        Table of all counts, written by the sweep and read by the analysis; below the project.
    n_decomposed : int
        Recordings that blind source separation is tried on.
    sample_seconds : list of float
        First and last second of the real recording to use.
    tour : dict
        Settings of the network the tour trains: those of `runs.Run`, except split and seed.
    honest_seconds : float
        Length in s of the simulated recordings of the honest evaluation.
    honest_runs : list of dict
        Decoders compared on it and on the real recording, see `sweep.expand`.
    our_runs : list of dict
        Our own decoders, beside them where the signal is changed and in notebook 08.
    readings : list of dict
        Runs that are repeated for every reading of the label, see `sweep.expand`.
    n_readings : int
        Recordings of the first participant that they are repeated on.
    offsets : list of int
        Samples by which the centre of the label is moved in these.
    timed_windows : list of int
        Windows W at which the prediction of ML-DRSNet is timed.
    steps : list of int
        Steps S of the table of times.
    timed_epochs : int
        Of the brief training of the networks that are timed.
    n_timed : int
        Windows on which each exported decoder is timed.
    n_motor_units : int
        Motor units M assumed where only sizes are computed, and at most decoded where times are
        measured.
    windows : list of int
        Windows W in samples.
    """

    profile: str
    output: str
    seed: int
    source: str
    folder: str
    n_subjects: int
    mvc: list
    seconds: float
    grid: list
    only: list
    workers: int
    scheduler: str
    results: str
    n_decomposed: int
    sample_seconds: list
    tour: dict
    honest_seconds: float
    honest_runs: list
    our_runs: list
    readings: list
    n_readings: int
    offsets: list
    timed_windows: list
    steps: list
    timed_epochs: int
    n_timed: int
    n_motor_units: int
    windows: list


def check(settings, kind=Params, where="the parameters"):
    """Refuse a name that is not known and a value of the wrong type.

    Parameters
    ----------
    settings : dict
    kind : type
        Dataclass whose fields are the known names.
    where : str
        What the message says the settings belong to.

    Raises
    ------
    ValueError
        Names the parameter, the value, what is expected, and the nearest known name.
    """
    known = {field.name: field.type for field in fields(kind)}
    for name, value in settings.items():
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"Unknown parameter {name!r} in {where}.{hint} Known: {sorted(known)}")
        if not _fits(value, known[name]):
            advice = " (in YAML write 1.0e-3, not 1e-3)" if known[name] is float else ""
            raise ValueError(
                f"{name}={value!r} in {where} is {type(value).__name__}, "
                f"expected {getattr(known[name], '__name__', known[name])}{advice}"
            )
    if "tour" in settings and kind is Params:
        _check_tour(settings["tour"])
    for name in ("grid", "honest_runs", "our_runs", "readings"):
        for number, entry in enumerate(settings.get(name, ())):
            _check_entry(entry, f"entry {number} of {name}")


def _check_tour(tour):
    check(tour, Run, "tour")
    for name in ("split", "seed"):
        if name in tour:
            raise ValueError(f"{name} in tour: the notebook sets it, leave it out")
    missing = {"network", "window", "step"} - set(tour)
    if missing:
        raise ValueError(f"tour lacks {sorted(missing)}")
    check_network(tour["network"], tour["window"])
    Run(**tour)  # refuses impossible values


def _check_entry(entry, where):
    """Refuse settings of a grid that stand for an impossible run."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {entry!r}, expected settings such as network: ML-DCNN")
    for name, value in entry.items():
        for item in value if isinstance(value, list) else [value]:
            check({name: item}, Run, where)
    missing = {"network", "window", "step"} - set(entry)
    if missing:
        raise ValueError(f"{where} lacks {sorted(missing)}")
    sweep.expand([entry])


def _fits(value, kind):
    if kind is float:
        kind = int | float
    if isinstance(value, bool):
        return bool in (kind, *get_args(kind))
    return isinstance(value, kind)


def check_notebook(namespace):
    """Check the parameters of a notebook: call it right after the parameters cell.

    papermill only logs a parameter that the notebook does not declare, but it does define it, so
    a misspelt name is found here, before anything runs.

    Parameters
    ----------
    namespace : dict
        `globals()` of the notebook.

    Raises
    ------
    ValueError
        As `check`.
    """
    first = namespace.setdefault("_parameters", _user_names(namespace))  # a later call: the same
    check({name: namespace[name] for name in first})


def _user_names(namespace):
    hidden = {"In", "Out", "exit", "quit", "open", "get_ipython"}
    other = (ModuleType, FunctionType, type)
    names = [name for name in namespace if not name.startswith("_") and name not in hidden]
    return [name for name in names if not isinstance(namespace[name], other)]


def load(path):
    """Read and check a profile.

    Parameters
    ----------
    path : str or pathlib.Path

    Returns
    -------
    Params

    Raises
    ------
    ValueError
        When a parameter is unknown, missing or of the wrong type; names the file.
    """
    settings = yaml.safe_load(Path(path).read_text())
    check(settings, where=str(path))
    missing = {field.name for field in fields(Params)} - set(settings)
    if missing:
        raise ValueError(f"{path} lacks the parameters {sorted(missing)}")
    return Params(**settings)


if __name__ == "__main__":
    print(load(sys.argv[1]))
