"""Many runs: each is computed once, written whole or not at all, and found again by its digest."""

import hashlib
import json
import platform
from dataclasses import asdict
from datetime import date
from itertools import product
from pathlib import Path
from time import perf_counter

import pandas as pd
import torch
import yaml

from hdsemg_nb import __version__, paths
from hdsemg_nb.datasets import fetch_sample
from hdsemg_nb.train import FILTER, Run, cross_validate

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


def digest(recording, run):
    """Name of a run: a hash of its settings and of the recording's content.

    Parameters
    ----------
    recording : recording.Recording
    run : train.Run

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    settings = json.dumps({**asdict(run), "recording": recording.digest}, sort_keys=True)
    return hashlib.sha256(settings.encode()).hexdigest()[:16]


def run_all(recording, runs, folder, progress=True):
    """Compute the runs that are not in the folder yet.

    Parameters
    ----------
    recording : recording.Recording
    runs : sequence of train.Run
    folder : str or pathlib.Path
        One JSON file per finished run; an interrupted call resumes after the last of them.
    progress : bool
        Show a progress bar per run.

    Returns
    -------
    pandas.DataFrame
        `load` of these runs.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{digest(recording, run)}.json" for run in runs]
    for path, run in zip(files, runs, strict=True):
        if not path.exists():
            began = perf_counter()
            result = cross_validate(recording, run, progress)
            document = _document(recording, run, result, perf_counter() - began)
            paths.write_whole(path, json.dumps(document))
    return load(files)


def load(files):
    """Results of finished runs as one tidy table.

    Parameters
    ----------
    files : iterable of pathlib.Path
        As `run_all` writes them.

    Returns
    -------
    pandas.DataFrame
        One row per run, fold and motor unit: the run's settings, n_windows, tp, fp, fn, the
        seconds the run took, its best epoch, and date, device and versions.
    """
    tables = []
    for path in files:
        document = json.loads(Path(path).read_text())
        table = pd.DataFrame(document["counts"])
        about = {**_shown(document["run"]), **document["about"]}
        tables.append(table.assign(**{k: [v] * len(table) for k, v in about.items()}))
    return pd.concat(tables, ignore_index=True)


def _shown(run):
    """Settings as a table shows them: all folds as a number, no training for the filter."""
    untrained = dict.fromkeys(TRAINING) if run["network"] == FILTER else {}
    return {**run, "tested_folds": run["tested_folds"] or run["n_folds"], **untrained}


def expand(entries):
    """Runs from a list of settings; a list as a value stands for one run per item.

    Parameters
    ----------
    entries : list of dict
        For example [{"network": "ML-DCNN", "window": [20, 140], "step": 50}].

    Returns
    -------
    list of train.Run
    """
    return [
        Run(**dict(zip(entry, values, strict=True)))
        for entry in entries
        for values in product(*(v if isinstance(v, list) else [v] for v in entry.values()))
    ]


def run_study(recording, study, folder):
    """Compute the runs of a study and gather their counts.

    Parameters
    ----------
    recording : recording.Recording
    study : str or pathlib.Path
        YAML file: name of a setting to its entries for `expand`.
    folder : str or pathlib.Path
        See `run_all`.

    Returns
    -------
    pandas.DataFrame
        `load` of all runs with the name of their setting in front.
    """
    settings = yaml.safe_load(Path(study).read_text())
    tables = {name: run_all(recording, expand(runs), folder) for name, runs in settings.items()}
    return pd.concat(tables, names=["setting"]).reset_index("setting").reset_index(drop=True)


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


def _document(recording, run, result, seconds):
    best = {}
    if len(result.history):
        lowest = result.history.groupby("fold")["val_loss"].idxmin()
        best = {"best_epoch": float(result.history.loc[lowest, "epoch"].mean())}
    about = {
        "recording": recording.source,
        "recording_digest": recording.digest,
        "seconds": round(seconds, 1),
        **best,
        "date": date.today().isoformat(),
        "device": device_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "hdsemg_nb": __version__,
    }
    history = result.history.round(6).to_dict("list")
    counts = result.counts.to_dict("list")
    return {"run": asdict(run), "about": about, "counts": counts, "history": history}


def main():
    """`make sample`: the study of the real recording, its counts committed as a table."""
    runs = paths.PROJECT / "runs" / "sample"
    counts = run_study(fetch_sample(), paths.PARAMS / "sample_runs.yaml", runs)
    paths.write_whole(paths.SAMPLE_COUNTS, counts.to_csv(index=False, lineterminator="\n"))
    print(f"{paths.SAMPLE_COUNTS}: {len(counts)} rows")


if __name__ == "__main__":
    main()
