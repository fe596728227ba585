"""Training speed and memory against the loop that most people would write.

Both sides train the same networks on the same random data on the same two CPU cores, in turns.
The naive loop: windows copied into one tensor, TensorDataset, DataLoader, float32, one process with
two threads. Ours: `engine.training` in two processes with one thread each, which train a fold each
and keep freed memory (`cluster.MEMORY`), as in the sweep. On a GPU each side is one process, and
ours trains all folds of a run side by side.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import date
from itertools import product
from multiprocessing import get_context
from time import perf_counter
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from benchmarks import memory_mb, save
from hdsemg_nb import __version__, engine, segment
from hdsemg_nb.chapters.comparison import N_CELLS
from hdsemg_nb.chapters.scores import GRID
from hdsemg_nb.cluster import MEMORY
from hdsemg_nb.decoders import LINEAR, PAPER_NETWORKS, Run, build_model
from hdsemg_nb.decoders.architecture import n_macs
from hdsemg_nb.results import device_name

CORES = 2
FS, N_CHANNELS, N_MOTOR_UNITS = 2048, 64, 18
WINDOWS, STEP = GRID["window"], 10  # measured, samples
SECONDS = 60  # length of a recording

# The paper's grid
N_RECORDINGS, N_FOLDS, N_EPOCHS = 48, 5, 100


def naive_epoch(model, run, n_windows):
    """One epoch as most people would write it.

    Parameters
    ----------
    model : torch.nn.Module
    run : decoders.Run
    n_windows : int

    Returns
    -------
    (float, float)
        When it began, with the windows in memory, and when it ended, in s.
    """
    emg, starts, labels = _data(run, n_windows)
    windows = torch.from_numpy(segment.windows(emg, starts[:-1], run.window).copy())
    data = TensorDataset(windows, torch.from_numpy(labels[:-1]).float())
    batches = DataLoader(data, batch_size=run.batch_size, shuffle=True)
    device = engine.device()
    model.to(device).train()
    settings = dict(lr=run.learning_rate, weight_decay=run.weight_decay)
    adam = torch.optim.Adam(model.parameters(), **settings)
    began, total = perf_counter(), 0.0
    for x, y in batches:
        adam.zero_grad()
        loss = binary_cross_entropy_with_logits(model(x.to(device)), y.to(device))
        loss.backward()
        adam.step()
        total += loss.item()
    return began, perf_counter()


def our_epoch(model, run, n_windows):
    """The last epoch of `engine.training`, which also validates on one window; as `naive_epoch`.

    On a GPU in `N_FOLDS` trainings side by side.
    """
    emg, starts, labels = _data(run, n_windows)
    fold = segment.Fold(np.arange(n_windows), np.array([n_windows]), np.array([], dtype=int))
    models = [model, *(deepcopy(model) for _ in range(_abreast() - 1))]
    data = emg, starts, labels, fold, run
    trained = engine.finish([engine.training(one, *data) for one in models], run.seed)
    ended = perf_counter()
    return ended - max(history["seconds"].iloc[-1] for history, _ in trained), ended


def _abreast():
    """Folds that one of our processes trains at a time."""
    return N_FOLDS if torch.cuda.is_available() else 1


def _data(run, n_windows):
    """A random signal, the starts of its windows and one more, and random labels."""
    rng = np.random.default_rng(run.seed)
    n_samples = run.window + run.step * n_windows
    emg = rng.standard_normal((n_samples, N_CHANNELS), dtype=np.float32).T
    starts = segment.window_starts(n_samples, run.window, run.step)
    return emg, starts, (rng.random((len(starts), N_MOTOR_UNITS)) < 0.1).astype(np.uint8)


@contextmanager
def sides():
    """Processes of both sides.

    Yields
    ------
    dict
        Epoch (`naive_epoch`, `our_epoch`) to the processes that run it at the same time.
    """
    n_ours = 1 if torch.cuda.is_available() else CORES
    environ = {name: str(value) for name, value in MEMORY.items()}  # as in the sweep
    with ExitStack() as stack:
        naive = [stack.enter_context(_worker(CORES))]
        ours = [stack.enter_context(_worker(1, environ)) for _ in range(n_ours)]
        yield {naive_epoch: naive, our_epoch: ours}


def speed(network, window, workers, rounds=3, seconds=2.0):
    """Training windows per second of both sides, in turns.

    Parameters
    ----------
    network : str
        A name in `decoders.PAPER_NETWORKS`.
    window : int
        Window W in samples.
    workers : dict
        Of `sides`.
    rounds : int
        Measurements of each side, after one to warm up.
    seconds : float
        What an epoch takes the naive loop, roughly; it has at least one batch.

    Returns
    -------
    dict
        network, window, batches (of an epoch); naive_windows_s, our_windows_s and ratio: medians
        over the rounds; our_tflops_s: convolutions and matrix products, forward and twice backward;
        abreast (trainings at a time on our side), device.
    """
    # on a GPU the epochs before compile and capture what the last one replays
    run = Run(network, window, STEP, epochs=4 if torch.cuda.is_available() else 1)
    batches = 1
    for aim in (seconds / 10, seconds):  # the first warms up
        rate = _rate(workers, naive_epoch, run, batches)
        batches = max(1, round(rate * aim / run.batch_size))
    _rate(workers, our_epoch, run, 1)
    rates = np.array([[_rate(workers, e, run, batches) for e in workers] for _ in range(rounds)])
    (naive_rate, our_rate), ratio = np.median(rates, axis=0), np.median(rates[:, 1] / rates[:, 0])
    macs = n_macs(_network(run), N_CHANNELS, window)
    return {
        "network": network,
        "window": window,
        "batches": batches,
        "naive_windows_s": naive_rate,
        "our_windows_s": our_rate,
        "ratio": ratio,
        "our_tflops_s": 6e-12 * macs * our_rate,  # a multiply-accumulate is two operations
        "abreast": len(workers[our_epoch]) * _abreast(),
        "device": _device(),
    }


def _worker(threads, environ=None):
    """A process of its own with so many threads, and these variables of its environment."""
    worker = ProcessPoolExecutor(1, get_context("spawn"))
    with patch.dict(os.environ, {"OMP_NUM_THREADS": str(threads), **(environ or {})}):
        worker.submit(int).result()  # starts the process
    return worker


def _rate(workers, epoch, run, batches):
    """Windows per second of all workers of a side together, each training one epoch."""
    n_windows = batches * run.batch_size
    futures = [worker.submit(_train, epoch, run, n_windows) for worker in workers[epoch]]
    began, ended = zip(*(future.result() for future in futures), strict=True)
    trainings = len(futures) * (_abreast() if epoch is our_epoch else 1)
    return trainings * n_windows / (max(ended) - min(began))


def _train(epoch, run, n_windows):
    return epoch(_network(run), run, n_windows)


def _network(run):
    return build_model(run.network, run.window, N_MOTOR_UNITS, N_CHANNELS)


def memory(window, step, seconds=SECONDS):
    """Main memory that the windows of a recording take in training, on both sides.

    Measured with one fully connected layer as the network, so that next to nothing else is stored:
    growth of the peak memory of a fresh process in one epoch, the signal itself included.

    Parameters
    ----------
    window, step : int
        Window W and step S in samples.
    seconds : float
        Length of the recording.

    Returns
    -------
    dict
        window, step, windows_mb and signal_mb (what naive and we have to store by arithmetic),
        naive_peak_mb, our_peak_mb and peak_ratio (measured).
    """
    run = Run(LINEAR, window, step, epochs=1)
    n_windows = len(segment.window_starts(round(seconds * FS), window, step))
    peaks = []
    for epoch in (naive_epoch, our_epoch):
        with _worker(1) as worker:
            peaks.append(worker.submit(_peak_growth_mb, epoch, run, n_windows).result())
    return {
        "window": window,
        "step": step,
        "windows_mb": 4e-6 * n_windows * N_CHANNELS * window,  # float32
        "signal_mb": 4e-6 * N_CHANNELS * seconds * FS,
        "naive_peak_mb": peaks[0],
        "our_peak_mb": peaks[1],
        "peak_ratio": peaks[0] / peaks[1],
    }


def _peak_growth_mb(epoch, run, n_windows):
    epoch(_network(run), run, 2 * run.batch_size)  # libraries are loaded, buffers allocated
    before = memory_mb(largest=True)
    epoch(_network(run), run, n_windows - 1)
    return memory_mb(largest=True) - before


def sweep_days(speeds):
    """Projected time of the paper's grid on this device, from the measured speeds.

    48 recordings of 60 s, 4 windows x 5 steps, 5 folds, 100 epochs. Seconds per window are linear
    in W between and beyond the measured windows. A validation window counts as a third of a
    training window (forward without backward), and so does a test window, once.

    Parameters
    ----------
    speeds : pandas.DataFrame
        Rows of `speed` at two windows or more.

    Returns
    -------
    pandas.DataFrame
        network, trainings, naive_days, our_days; the last row is the sum.
    """
    rows = []
    for network, measured in speeds.groupby("network", sort=False):
        days = [_days(measured["window"], measured[f"{s}_windows_s"]) for s in ("naive", "our")]
        trainings = N_RECORDINGS * N_CELLS * N_FOLDS
        rows.append((network, trainings, *days))
    table = pd.DataFrame(rows, columns=["network", "trainings", "naive_days", "our_days"])
    return pd.concat([table, table.sum().to_frame().T.assign(network="all")], ignore_index=True)


def _days(windows, windows_per_second):
    slope, offset = np.polyfit(windows, 1 / windows_per_second, 1)
    parts = N_EPOCHS * (N_FOLDS - 2 + 1 / 3) + 1 / 3  # of a recording, in training windows
    seconds = sum(
        (slope * window + offset) * parts * len(segment.window_starts(SECONDS * FS, window, step))
        for window, step in product(*GRID.values())
    )
    return N_RECORDINGS * seconds / 86400


def save_tables(speeds, memories):
    """Write the tables of this device: rows of `speed` and of `memory`, which may be none."""
    for part, table, title in (
        ("training", speeds, "Training speed, naive loop and ours in turns"),
        ("memory", memories, f"Memory of the windows of {SECONDS} s"),
        ("sweep", sweep_days(speeds), "The paper's grid, projected from the measured speeds"),
    ):
        if len(table):
            save(table, part, f"{title}. {_conditions()}")


def _device():
    where = "one GPU" if torch.cuda.is_available() else f"{CORES} cores"
    return f"{device_name()}, {where}"


def _conditions():
    arithmetic = "bfloat16" if engine.bf16_supported() else "float32"
    return (
        f"{_device()}; naive float32, ours {arithmetic}; {N_MOTOR_UNITS} motor units, "
        f"{N_CHANNELS} channels. {date.today()}, torch {torch.__version__}, hdsemg_nb {__version__}"
    )


def run():
    """Measure everything, write the tables, print them; main memory only without a GPU."""
    sizes = [(network, window) for network in PAPER_NETWORKS for window in WINDOWS]
    with sides() as workers:
        speeds = pd.DataFrame([speed(*size, workers) for size in tqdm(sizes, desc="training")])
    windows = () if torch.cuda.is_available() else (min(WINDOWS), max(WINDOWS))
    memories = pd.DataFrame([memory(window, STEP) for window in windows])
    save_tables(speeds, memories)
    print(speeds, memories, sweep_days(speeds), sep="\n\n")
