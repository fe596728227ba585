"""Results of a sweep: one JSON file for each run, or a .failed file with its error."""

import json
import platform
import re
import resource
import traceback
from dataclasses import asdict
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from hdsemg_nb import __version__, paths
from hdsemg_nb.engine import bf16_supported
from hdsemg_nb.runs import FILTER, Run
from hdsemg_nb.train import cross_validate

FAILED = ".failed"  # suffix of the record of a failed run

# settings that the motor-unit filter has no use for
TRAINING = (
    "epochs",
    "learning_rate",
    "weight_decay",
    "batch_size",
    "bf16",
    "whiten",
    "fit_offsets",
)


def compute(recording, run):
    """Train and test a run, on whatever machine this is called.

    Parameters
    ----------
    recording : recording.Recording
    run : runs.Run

    Returns
    -------
    dict
        Content of a result file: run (its settings), about (recording, times, machine and
        versions), counts and history (columns of the tables of `train.Result`).
    """
    began = perf_counter()
    result = cross_validate(recording, run, progress=False)
    seconds = round(perf_counter() - began, 1)
    return {
        "run": run.settings(),
        "about": {**describe(recording), "seconds": seconds, **_machine(run)},
        "counts": result.counts.to_dict("list"),
        "history": result.history.round(6).to_dict("list"),
    }


def describe(recording):
    """Columns that say which recording it is."""
    return {
        "recording": recording.source,
        "recording_digest": recording.digest,
        "subject": recording.subject,
        "muscle": recording.muscle,
        "mvc": recording.mvc,
    }


def _machine(run):
    return {
        "bf16": bf16_supported() if run.bf16 is None else run.bf16,
        "date": date.today().isoformat(),
        "device": device_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "hdsemg_nb": __version__,
    }


def device_name():
    """Name of the GPU, or of the processor."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        model = names[0].split(":")[1].strip() if names else model
    return model


def memory_mb(largest=False):
    """Main memory that this process takes, or the largest it has taken so far, in MB.

    Elsewhere than on Linux always the largest.
    """
    status = Path("/proc/self/status")
    if status.exists():  # on Linux a process inherits ru_maxrss from the one that started it
        field = "VmHWM" if largest else "VmRSS"
        return int(re.search(rf"{field}:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def write(path, document):
    """Write a result, whole or not at all; the record of an earlier failure goes.

    Parameters
    ----------
    path : pathlib.Path
    document : dict
        As `compute` returns it.
    """
    paths.write_whole(path, json.dumps(document))
    path.with_suffix(FAILED).unlink(missing_ok=True)


def write_failure(path, error, about, run=None):
    """Write why there is no result, beside the place where it would be.

    Parameters
    ----------
    path : pathlib.Path
        Of the result.
    error : BaseException
    about : dict
        Which recording.
    run : train.Run, optional
        None when the recording could not be read.
    """
    document = {
        "run": run.settings() if run else {},
        "about": {**about, "date": date.today().isoformat()},
        "error": f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    paths.write_whole(path.with_suffix(FAILED), json.dumps(document))


def load(files):
    """Results of finished runs as one tidy table.

    Parameters
    ----------
    files : iterable of pathlib.Path
        Result files: `Path(folder).glob("*.json")` for a whole folder.

    Returns
    -------
    pandas.DataFrame
        One row per run, fold and motor unit: the counts of `train.Result`; the run's settings;
        recording (its source), recording_digest, subject, muscle, mvc; seconds the run took, date,
        device, threads, versions; best_epoch and epoch_seconds (mean) of the fold, missing
        for the motor-unit filter; run, the digest that names its file. Empty without files.
    """
    return _gather(files, _counts)


def histories(files):
    """Learning curves of finished runs.

    Parameters
    ----------
    files
        As for `load`.

    Returns
    -------
    pandas.DataFrame
        One row per run, fold and epoch: fold, epoch, train_loss, val_loss,
        epoch_seconds, and the run's settings and facts as in `load`. Empty without files.
    """
    return _gather(files, _history)


def failures(folder):
    """Runs that failed and have not succeeded since.

    Parameters
    ----------
    folder : str or pathlib.Path
        Of the results.

    Returns
    -------
    pandas.DataFrame
        One row per run: error, file (holds the traceback), recording, subject, date, settings; no
        settings for a recording that could not be read. Empty when none failed.
    """
    rows = []
    for path in sorted(Path(folder).glob(f"*{FAILED}")):
        document = json.loads(path.read_text())
        what = {"error": document["error"], "file": path.name}
        rows.append({**what, **document["about"], **document["run"]})
    return pd.DataFrame(rows, columns=None if rows else ["error", "file"])


def _gather(files, table_of):
    tables = []
    for path in files:
        table = table_of(json.loads(Path(path).read_text()))
        if len(table):
            tables.append(table.assign(run=Path(path).stem))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _counts(document):
    table = _with_facts(pd.DataFrame(document["counts"]), document)
    history = pd.DataFrame(document["history"])
    if len(history):
        folds = history.groupby("fold")
        for name, best in [("best", folds["val_loss"].idxmin()), ("f1", folds["val_f1"].idxmax())]:
            table[f"{name}_epoch"] = table["fold"].map(history.loc[best].set_index("fold")["epoch"])
        table["epoch_seconds"] = table["fold"].map(folds["seconds"].mean())
    return table


def _history(document):
    history = pd.DataFrame(document["history"]).rename(columns={"seconds": "epoch_seconds"})
    return _with_facts(history, document)


def _with_facts(table, document):
    """Table with the settings and facts of the run in every row."""
    facts = _shown({**asdict(Run(**document["run"])), **document["about"]})
    return table.assign(**{name: [value] * len(table) for name, value in facts.items()})


def _shown(run):
    """Settings as a table shows them: all folds as a number, no training for the filter."""
    untrained = dict.fromkeys(TRAINING) if run["network"] == FILTER else {}
    return {**run, "tested_folds": run["tested_folds"] or run["n_folds"], **untrained}
