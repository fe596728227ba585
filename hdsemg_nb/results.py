"""Results of runs: one JSON file for each while they are computed, one CSV file for each study.

A run is named by a digest of its settings and of the recording's content. (The digest does not know
the code: after a change of a decoder delete its results.)
"""

import hashlib
import json
import platform
import traceback
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from hdsemg_nb import __version__, paths, tables
from hdsemg_nb.datasets.files import set_aside
from hdsemg_nb.decoders import DECODERS, Run
from hdsemg_nb.engine import in_bf16
from hdsemg_nb.train import cross_validate_together

FAILED = ".failed"  # suffix of the record of a failed run
DEFAULTS = {field.name: field.default for field in fields(Run)[3:]}  # without network, window, step


def run_name(recording_digest, run):
    """Name of a run on a recording: a hash of the run's settings and of the recording's content.

    Parameters
    ----------
    recording_digest : str
        `Recording.digest`.
    run : decoders.Run

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    settings = json.dumps({**run.settings(), "recording": recording_digest}, sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def compute(recordings, run, bar_of=tqdm):
    """Train and test a run on recordings, on a GPU side by side, wherever this is called.

    Parameters
    ----------
    recordings : sequence of recording.Recording
    run : decoders.Run
    bar_of : callable
        As for `train.cross_validate_together`; no bar is drawn here.

    Returns
    -------
    list of dict
        Content of a result file for each recording: run (its settings), about (recording, times,
        machine and versions), counts and history (columns of the tables of `train.Result`).
    """
    began = perf_counter()
    found = cross_validate_together(recordings, run, progress=False, bar_of=bar_of)
    seconds = round((perf_counter() - began) / len(recordings), 1)
    return [
        {
            "run": run.settings(),
            "about": {**describe(recording), "seconds": seconds, **_machine(run)},
            "counts": result.counts.to_dict("list"),
            "history": result.history.round(6).to_dict("list"),
        }
        for recording, result in zip(recordings, found, strict=True)
    ]


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
        "bf16": in_bf16(run.bf16),
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


def write(path, document):
    """Write a result of `compute`, whole or not at all; the record of a failure before goes."""
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
    run : decoders.Run, optional
        None when the recording could not be read.
    """
    document = {
        "run": asdict(run) if run else {},
        "about": {**about, "date": date.today().isoformat()},
        "error": f"{type(error).__name__}: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    paths.write_whole(path.with_suffix(FAILED), json.dumps(document))


def document(path):
    """Content of a result file; None where there is none, or none that can be read.

    A damaged file is named in a warning and set aside, so that the run is computed again.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
        if not {"run", "about", "counts", "history"} <= set(content):
            raise ValueError("no result of a run")
    except (ValueError, TypeError) as error:  # JSON and text that is not UTF-8 among them
        return set_aside(path, error, "computed again")
    return content


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
        try:
            content = json.loads(path.read_text())
            what = {"error": content["error"], **content["about"], **content["run"]}
        except (ValueError, KeyError, TypeError) as error:
            what = {"error": f"the record of the failure cannot be read: {error}"}
        rows.append({"file": path.name, **what})
    return pd.DataFrame(rows, columns=None if rows else ["file", "error"])


def counts(documents):
    """Results of finished runs as one tidy table.

    Parameters
    ----------
    documents : dict of str to dict
        Name of a run to its result, as `compute` returns it.

    Returns
    -------
    pandas.DataFrame
        One row per run, fold and motor unit: the counts of `train.Result`; the run's settings;
        recording (its source), recording_digest, subject, muscle, mvc; seconds since it was last
        begun, date, device, threads, versions; of trained decoders best_epoch, f1_epoch (lowest
        validation loss, highest validation F1) and epoch_seconds (mean) of the fold; run, its name.
    """
    return _gather(documents, _counts)


def histories(documents):
    """Learning curves of finished runs, parameters as for `counts`.

    Returns
    -------
    pandas.DataFrame
        One row per run, fold and epoch: fold, epoch, train_loss, val_loss, val_f1, epoch_seconds,
        and the run's settings and facts as in `counts`.
    """
    return _gather(documents, _history)


def _gather(documents, table_of):
    some = [table_of(content).assign(run=name) for name, content in documents.items()]
    some = [table for table in some if len(table)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame()


def _counts(content):
    table = _with_facts(pd.DataFrame(content["counts"]), content)
    history = pd.DataFrame(content["history"])
    if "epoch" in history:
        folds = history.groupby("fold")
        for name, best in [("best", folds["val_loss"].idxmin()), ("f1", folds["val_f1"].idxmax())]:
            table[f"{name}_epoch"] = table["fold"].map(history.loc[best].set_index("fold")["epoch"])
        table["epoch_seconds"] = table["fold"].map(folds["seconds"].mean())
    return table


def _history(content):
    history = pd.DataFrame(content["history"]).rename(columns={"seconds": "epoch_seconds"})
    return _with_facts(history, content)


def _with_facts(table, content):
    """Table with the settings and facts of the run in every row."""
    run = Run(**content["run"])
    facts = {**asdict(run), **content["about"], "tested_folds": run.tested_folds or run.n_folds}
    facts |= dict.fromkeys(DECODERS[run.network].unused)
    return table.assign(**{name: [value] * len(table) for name, value in facts.items()})


def save(table, path, note):
    """Write a study: one line about it, then the table without the settings nothing differs in.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `counts`, `histories` or others.
    path : str or pathlib.Path
        Below the project.
    note : str
        What it is and how it was computed: the first line.
    """
    path = paths.PROJECT / path
    settings = _settings(table).items()
    same = [n for n, default in settings if n in table and _all_are(table[n], default)]
    table = table.drop(columns=same)
    if "patience" in table:  # a whole number also beside runs that have none
        table = table.astype({"patience": "Int64"})
    paths.made(path.parent)
    tables.write(table, path, note)


def _settings(table):
    """Settings that a table leaves out where nothing differs in them; a table of `counts` alone."""
    return DEFAULTS if {"run", "tp"} <= set(table) else {}


def _refuse_incomplete(table, file):
    """ValueError when a run has not each motor unit once in each tested fold, all counted alike."""
    folds = table["tested_folds"].fillna(table["n_folds"])
    units = table.groupby(["recording_digest", "label_noise"])["motor_unit"].transform("max") + 1
    same = [name for name in ("network", "window", "step", *DEFAULTS) if name in table]
    runs = table.assign(expected=units * folds).groupby(["run", "subject", "mvc"], dropna=False)
    varied = runs[[*same, "recording_digest"]].nunique(dropna=False).gt(1).any(axis=1)
    empty = table[["n_windows", "tp", "fp", "fn"]].isna().any(axis=1)
    twice = table.duplicated(["run", "subject", "mvc", "fold", "motor_unit"])
    wrong = [*varied.index[varied | (runs.size() != runs["expected"].first())].get_level_values(0)]
    wrong += [*table.loc[empty | twice, "run"]]
    if wrong:
        rule = "each motor unit once in each tested fold, with the same settings and four counts"
        raise ValueError(f"{file}: run {wrong[0]} has not {rule}: was it edited? Restore it")


def _all_are(column, value):
    return (column.isna() if value is None else column == value).all()


def read(path):
    """Read a study that `save` wrote, with the settings that were left out.

    Parameters
    ----------
    path : str or pathlib.Path
        Name of a file in results/ without its suffix, or a path from the project root.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file, or it is no table; names the file.
    """
    file = paths.PROJECT / path if str(path).endswith(".csv") else paths.RESULTS / f"{path}.csv"
    table, _ = tables.load(file)
    for name, default in _settings(table).items():
        if name not in table:
            table[name] = [default] * len(table)
    if "tested_folds" in table and "n_folds" in table:
        if "run" in table:
            _refuse_incomplete(table, file)
        table["tested_folds"] = table["tested_folds"].fillna(table["n_folds"]).astype(int)
    return table
