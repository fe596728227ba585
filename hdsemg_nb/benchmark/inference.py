"""Time of one window: every export against eager torch, MT-DCNN also against a loop over branches.

All on the first 18 motor units of one SYNTHETIC recording, with networks that are trained briefly:
a time does not depend on the weights, flipped labels do.
"""

import tempfile
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from hdsemg_nb import latency, published, tables
from hdsemg_nb.benchmark import stem
from hdsemg_nb.datasets import load_recordings
from hdsemg_nb.latency.export import MOST_FLIPPED
from hdsemg_nb.latency.timing import TORCH
from hdsemg_nb.models import NETWORKS
from hdsemg_nb.results import device_name
from hdsemg_nb.train import Run

N_MOTOR_UNITS = 18
WINDOWS = {"ML-DRSNet": (20,)}  # the others at both
SHORT_AND_LONG = (20, 140)
THREADS = (1, 2)
N_WINDOWS = 1000
TRAINING = dict(step=50, learning_rate=1e-3, batch_size=32)
EPOCHS = {"ML-DRSNet": 4}  # the others 10
LOOP = "torch, loop over branches"

PAPER_MS = published.values().set_index("metric").loc["prediction_ms_per_window", "mean"]
# network, window, most ms, least speed-up against what
BARS = (
    ("ML-DRSNet", 20, PAPER_MS, 4, TORCH),
    ("ML-DCNN", 140, 0.5, 1, TORCH),
    ("MT-DCNN", 140, 2.0, 4, LOOP),
)


class LoopedMTDCNN(nn.Module):
    """MT-DCNN as most people would write it: 1-D convolutions, branch after branch.

    Parameters
    ----------
    grouped : models.MTDCNN
        Its weights are copied.
    """

    def __init__(self, grouped):
        super().__init__()
        m, n_channels = grouped.n_branches, grouped.shared[0].in_channels
        self.shared = nn.Sequential(
            nn.Conv1d(n_channels, 128, 3),
            nn.ReLU(),
            nn.Conv1d(128, 128, 3),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Dropout(0.5),
        )
        self.branches = nn.ModuleList(_branch(grouped.head[0].weight.shape[1]) for _ in range(m))
        _copy(self.shared, grouped.shared.parameters())
        for branch, weights in zip(self.branches, _weights_by_branch(grouped), strict=True):
            _copy(branch, weights)

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        features = self.shared(x)
        return torch.cat([branch(features) for branch in self.branches], dim=1)


def _branch(n_features):
    return nn.Sequential(
        nn.Conv1d(128, 128, 3),
        nn.ReLU(),
        nn.Conv1d(128, 64, 3),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(n_features, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 1),
    )


def _weights_by_branch(grouped):
    """Weights of each branch, in the order of its layers."""
    m = grouped.n_branches
    convolutions = [*grouped.first.parameters(), *grouped.second.parameters()]
    return zip(
        *(weight.chunk(m) for weight in convolutions),
        *(weight.transpose(1, 2) for weight in grouped.head.parameters()),
        strict=True,
    )


def _copy(module, weights):
    with torch.no_grad():
        for parameter, weight in zip(module.parameters(), weights, strict=True):
            parameter.copy_(weight.reshape(parameter.shape))


def recording():
    """The recording that everything is measured on: 18 motor units, 60 s at 10 % MVC."""
    one = load_recordings("synthetic", "", n_subjects=2, mvc=[10], seed=0)[1]
    kept = slice(N_MOTOR_UNITS)
    return replace(one, discharges=one.discharges[kept], pnr=one.pnr[kept])


def runs():
    """Network, window and brief training of all that is timed."""
    sizes = [
        (name, window)
        for name, network in NETWORKS.items()
        for window in WINDOWS.get(name, SHORT_AND_LONG)
        if window >= network.min_window
    ]
    return [Run(*size, epochs=EPOCHS.get(size[0], 10), **TRAINING) for size in sizes]


def measure(one, run, threads=THREADS, n_windows=N_WINDOWS):
    """Times of a network and of all its exports, MT-DCNN also as a loop over branches.

    Parameters
    ----------
    one : recording.Recording
    run : runs.Run
    threads, n_windows
        See `latency.benchmark`.

    Returns
    -------
    pandas.DataFrame
        Of `latency.benchmark`.
    """
    trained, others = latency.train_decoder(one, run), {}
    if run.network == "MT-DCNN":
        looped = replace(trained, model=LoopedMTDCNN(trained.model))
        others[LOOP] = latency.eager(looped)
    with tempfile.TemporaryDirectory() as folder:
        return latency.benchmark(
            trained, folder, n_windows=n_windows, threads=threads, others=others
        )


def summarise(times):
    """`latency.summarise` with loop_speed_up, the versions and the date."""
    table = latency.summarise(times)
    keys = ["network", "window", "threads"]
    loop = table[table["decoder"] == LOOP].set_index(keys)["median_ms"]
    loop_ms = table.join(loop.rename("loop_ms"), on=keys)["loop_ms"]
    return table.assign(loop_speed_up=loop_ms / table["median_ms"], **versions())


def versions():
    """Date and versions, one column each."""
    names = "torch", *latency.engines(), "hdsemg_nb"
    return {"date": date.today().isoformat(), **{name: version(name) for name in names}}


def bars(table):
    """What was to be reached, and whether it was.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `summarise`.

    Returns
    -------
    pandas.DataFrame
        One row per bar and number of threads: the fastest export that flips at most 0.5 % of the
        labels, against the baseline with as many threads.
    """
    rows = []
    for network, window, most_ms, least_speed_up, baseline in BARS:
        cells = table[(table["network"] == network) & (table["window"] == window)]
        for _, cell in cells.groupby("threads"):
            base = cell[cell["decoder"] == baseline]["median_ms"].item()
            exports = cell[~cell["decoder"].isin((TORCH, LOOP))]
            fine = exports[exports["flipped_percent"] <= 100 * MOST_FLIPPED]
            best = fine.loc[fine["median_ms"].idxmin()]
            row = best[["network", "window", "decoder", "threads", "flipped_percent", "median_ms"]]
            speed_up = base / best["median_ms"]
            limits = {"most_ms": most_ms, "baseline": baseline, "baseline_ms": base}
            ratio = {"speed_up": speed_up, "least_speed_up": least_speed_up}
            met = best["median_ms"] <= most_ms and speed_up >= least_speed_up
            rows.append({**row, **limits, **ratio, "met": met})
    return pd.DataFrame(rows)


def endurance(one, hours=1.0):
    """`latency.endurance` of ML-DCNN at the shortest setting, int8, one thread."""
    run = Run("ML-DCNN", *published.SHORTEST, epochs=3, learning_rate=1e-3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        latency.export(latency.train_decoder(one, run), path, "int8", force=True)
        decoder = latency.Decoder(path, threads=1)
    cell = {"network": run.network, "window": run.window, "step": run.step}
    cell |= {"decoder": f"{decoder.engine} int8", "threads": 1}
    return pd.DataFrame([cell]).join(latency.endurance(decoder, one, hours)).assign(**versions())


def save_tables(table, hour, output):
    """Write the tables of this device.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `summarise`.
    hour : pandas.DataFrame
        Of `endurance`.
    output : str
        See `tables.save`; the stems are benchmark_<device>_inference, _bars and _endurance.
    """
    epochs = f"{EPOCHS['ML-DRSNet']} epochs for ML-DRSNet, 10 for the others"
    note = f"{device_name()}; SYNTHETIC data, {N_MOTOR_UNITS} motor units; brief training: {epochs}"
    for suffix, content, title in (
        ("_inference", table, "One window at a time, decoders in turns"),
        ("_bars", bars(table), "Fastest export against the baseline with as many threads"),
        ("_endurance", hour, "A recording in a loop, faster than real time"),
    ):
        tables.save(content, stem() + suffix, output, f"{title}. {note}", digits=3)


def run():
    """Measure everything, write the tables, print them."""
    one = recording()
    hour = endurance(one)
    table = summarise(pd.concat([measure(one, each) for each in runs()], ignore_index=True))
    save_tables(table, hour, ".")
    print(table, bars(table), hour, sep="\n\n")
