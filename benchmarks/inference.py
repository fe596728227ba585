"""Time of one window: every export against eager torch, MT-DCNN also against a loop over branches.

All on the first 18 motor units of one SYNTHETIC recording, with networks that are trained briefly:
a time does not depend on the weights, flipped labels do.
"""

import tempfile
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks import memory_mb, save
from hdsemg_nb import latency, segment, train
from hdsemg_nb.chapters import published
from hdsemg_nb.datasets import synthetic_cohort
from hdsemg_nb.decoders import PAPER_NETWORKS, Run
from hdsemg_nb.latency.decoder import PRECISIONS
from hdsemg_nb.results import device_name

N_MOTOR_UNITS = 18
WINDOWS = {"ML-DRSNet": (20,)}  # the others at both
SHORT_AND_LONG = (20, 140)
THREADS = (1, 2)
N_WINDOWS = 1000
TRAINING = dict(step=50, learning_rate=1e-3, batch_size=32)
EPOCHS = {"ML-DRSNet": 4}  # the others 10
TORCH = "torch"  # eager, in float32: what the exports are compared to
LOOP = "torch, loop over branches"
KEYS = ["network", "window", "threads", "decoder"]
CHUNK = 20  # samples that come together in the endurance


class LoopedMTDCNN(nn.Module):
    """MT-DCNN as most people would write it: 1-D convolutions, branch after branch.

    Parameters
    ----------
    grouped : mt_dcnn.MTDCNN
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
    one = synthetic_cohort(2, [10], seconds=60.0, seed=0)[1]
    kept = slice(N_MOTOR_UNITS)
    return replace(one, discharges=one.discharges[kept], pnr=one.pnr[kept])


def runs():
    """Network, window and brief training of all that is timed."""
    sizes = [(name, w) for name in PAPER_NETWORKS for w in WINDOWS.get(name, SHORT_AND_LONG)]
    return [Run(*size, epochs=EPOCHS.get(size[0], 10), **TRAINING) for size in sizes]


def measure(one, run, threads=THREADS, n_windows=N_WINDOWS):
    """Time torch and every export of a network, MT-DCNN also as a loop over branches, in one run.

    Parameters
    ----------
    one : recording.Recording
    run : decoders.Run
    threads : sequence of int
        Numbers of threads to time all of them with.
    n_windows : int
        See `latency.measure`.

    Returns
    -------
    pandas.DataFrame
        `latency.measure` with columns network, window, motor_units, flipped_percent (of the labels,
        against torch), positive_percent (labels that are discharges: where there are few, few can
        flip), threads, device. Decoders are "torch" and for example "onnxruntime int8". An export
        that flips too many labels is timed all the same.
    """
    trained = train.fit(one, run, segment.cut(one, run)[1][0])
    calls = {TORCH: latency.eager(trained)}
    if run.network == "MT-DCNN":
        calls[LOOP] = latency.eager(replace(trained, model=LoopedMTDCNN(trained.model)))
    before, parts = torch.get_num_threads(), []
    with tempfile.TemporaryDirectory() as folder:
        exports = _exports(trained, folder)
        for n in threads:
            torch.set_num_threads(n)
            decoders = {
                name: latency.Decoder(path, n).probabilities for name, (path, _) in exports.items()
            }
            times = latency.measure(calls | decoders, trained.windows("val"), n_windows)
            parts.append(times.assign(threads=n))
    torch.set_num_threads(before)
    times = pd.concat(parts, ignore_index=True)
    deviations = {name: deviation for name, (_, deviation) in exports.items()}
    flipped = {name: 100 * d.flipped_share for name, d in deviations.items()} | {TORCH: 0.0}
    positive = [100 * d.positive / d.labels for d in deviations.values()]
    on_cpu = times["decoder"].isin(exports) & torch.cuda.is_available()
    return times.assign(
        network=run.network,
        window=run.window,
        motor_units=len(trained.offsets),
        flipped_percent=times["decoder"].map(flipped),
        positive_percent=positive[0],
        device=np.where(on_cpu, "CPU", device_name()),
    )


def _exports(trained, folder):
    """File and deviation of every export, by names such as "onnxruntime int8"."""
    files = {f"onnxruntime {one}": (Path(folder) / f"{one}.onnx", one) for one in PRECISIONS}
    return {
        name: (path, latency.export(trained, path, precision, force=True))
        for name, (path, precision) in files.items()
    }


def summarise(times):
    """Median, tail and speed-up of each decoder.

    Parameters
    ----------
    times : pandas.DataFrame
        Of `measure`, one or several together.

    Returns
    -------
    pandas.DataFrame
        One row per network, window, number of threads and decoder: n_windows, median_ms, p95_ms,
        p99_ms, max_ms, speed_up (median of torch / its own: independent of the machine's speed),
        loop_speed_up (the same of the loop over branches), the columns that `measure` adds, the
        date and the versions.
    """
    groups = times.groupby(KEYS, sort=False)
    facts = groups[["motor_units", "flipped_percent", "positive_percent", "device"]].first()
    ms = groups["ms"]
    tails = {f"p{q}_ms": ms.quantile(q / 100) for q in (95, 99)}
    table = facts.assign(n_windows=ms.size(), median_ms=ms.median(), **tails, max_ms=ms.max())
    table = table.reset_index()
    for column, baseline in {"speed_up": TORCH, "loop_speed_up": LOOP}.items():
        own = table[table["decoder"] == baseline].set_index(KEYS[:3])["median_ms"]
        table[column] = table.join(own.rename("base"), on=KEYS[:3])["base"] / table["median_ms"]
    return table.assign(**versions())


def versions():
    """Date and versions, one column each."""
    names = "torch", "onnxruntime", "hdsemg_nb"
    return {"date": date.today().isoformat(), **{name: version(name) for name in names}}


def endurance(decoder, one, hours):
    """Play a recording again and again to one stream, as fast as possible.

    Parameters
    ----------
    decoder : latency.Decoder
    one : recording.Recording
        Its end, less than a chunk, is left out.
    hours : float
        Length of the signal.

    Returns
    -------
    dict
        hours, windows (decided, each a step after the one before), missed_windows (to the
        number by arithmetic), with_problem, windows_per_s, times_real_time, slowest_ms (of a chunk
        with its windows), memory_growth_mb (largest memory of the process above that after a tenth
        of the time or a minute of signal).
    """
    emg = one.emg[:, : one.n_samples // CHUNK * CHUNK]
    n_chunks, minute = (round(s * one.fs / CHUNK) for s in (3600 * hours, 60))
    settled = min(n_chunks // 10, minute)
    stream, windows, problems, slowest, memory = decoder.stream(one.fs), 0, 0, 0.0, []
    due, began = 0, perf_counter()
    for k in range(n_chunks):
        at, before = k * CHUNK % emg.shape[1], perf_counter()
        for d in stream.push(emg[:, at : at + CHUNK], k * CHUNK):
            windows += d.start == due
            problems += d.problem != ""
            due = d.start + decoder.step
        slowest = max(slowest, perf_counter() - before)
        if k >= settled and (k - settled) % minute == 0 or k == n_chunks - 1:
            memory.append(memory_mb())
    seconds, n_samples = perf_counter() - began, n_chunks * CHUNK
    expected = len(segment.window_starts(n_samples, decoder.window, decoder.step))
    return {
        "hours": n_samples / one.fs / 3600,
        "windows": windows,
        "missed_windows": expected - windows,
        "with_problem": problems,
        "windows_per_s": windows / seconds,
        "times_real_time": n_samples / one.fs / seconds,
        "slowest_ms": 1000 * slowest,
        "memory_growth_mb": max(memory) - memory[0],
    }


def an_hour(one, hours=1.0):
    """`endurance` of ML-DCNN at the shortest setting, int8, one thread: a table of one row."""
    run = Run("ML-DCNN", *published.SHORTEST, epochs=3, learning_rate=1e-3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        latency.export(train.fit(one, run), path, "int8", force=True)
        decoder = latency.Decoder(path, threads=1)
    cell = {"network": run.network, "window": run.window, "step": run.step}
    cell |= {"decoder": "onnxruntime int8", "device": device_name(), "threads": 1}
    return pd.DataFrame([{**cell, **endurance(decoder, one, hours), **versions()}])


def save_tables(table, hour):
    """Write the tables of this device: of `summarise` and of `an_hour`."""
    epochs = f"{EPOCHS['ML-DRSNet']} epochs for ML-DRSNet, 10 for the others"
    note = f"{device_name()}; SYNTHETIC data, {N_MOTOR_UNITS} motor units; brief training: {epochs}"
    for part, content, title in (
        ("inference", table, "One window at a time, decoders in turns"),
        ("endurance", hour, "A recording in a loop, faster than real time"),
    ):
        save(content, part, f"{title}. {note}")


def run():
    """Measure everything, write the tables, print them."""
    one = recording()
    hour = an_hour(one)
    table = summarise(pd.concat([measure(one, each) for each in runs()], ignore_index=True))
    save_tables(table, hour)
    print(table, hour, sep="\n\n")
