"""How long a prediction takes, measured window by window in one run."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from hdsemg_nb.latency.decoder import PRECISIONS, Decoder
from hdsemg_nb.latency.export import export
from hdsemg_nb.results import device_name
from hdsemg_nb.train import device

TORCH = "torch"  # eager, in float32: what the exports are compared to
KEYS = ["network", "window", "decoder"]


def eager(trained):
    """The network as torch runs it, on the GPU when there is one: what the others are compared to.

    Parameters
    ----------
    trained : export.TrainedDecoder

    Returns
    -------
    callable
        Window in uV, shape (channels, window), to probabilities, shape (motor units,), as
        `Decoder.probabilities`. The copy back from a GPU waits until it has finished.
    """
    model = trained.model.to(device()).eval()
    mean, matrix = (torch.from_numpy(x).to(device()) for x in trained.normalisation)

    @torch.inference_mode()
    def probabilities(window):
        emg = torch.from_numpy(np.ascontiguousarray(window)).to(device())
        return torch.sigmoid(model((matrix @ (emg - mean))[None]))[0].cpu().numpy()

    return probabilities


def measure(calls, windows, n_windows=1000, warm_up=20, block=50):
    """Time each call on one window at a time.

    The calls take turns in blocks, so that a busy machine slows all of them alike. The clock runs
    over the whole Python call, from a window in uV to probabilities in memory.

    Parameters
    ----------
    calls : dict of str to callable
        Name to a function of a window, shape (channels, window).
    windows : numpy.ndarray, shape (windows, channels, window)
        In uV; used again from the first when there are fewer than `n_windows`.
    n_windows : int
        Timed windows of each call.
    warm_up : int
        Windows of each block that are not timed: the caches, and the threads of the engine, are
        then those of this call.
    block : int
        Timed windows in a turn.

    Returns
    -------
    pandas.DataFrame
        One row per call and window: decoder (the name), ms, in the order of the measurement.
    """
    rows = []
    for first in range(0, n_windows, block):
        for name, call in calls.items():
            for k in range(first - warm_up, min(first + block, n_windows)):
                window = windows[k % len(windows)]
                began = perf_counter()
                call(window)
                ms = 1000 * (perf_counter() - began)
                if k >= first:
                    rows.append((name, ms))
    return pd.DataFrame(rows, columns=["decoder", "ms"])


def benchmark(trained, folder, precisions=PRECISIONS, n_windows=1000):
    """Time torch and every export of a network, on every installed engine, in one run.

    Parameters
    ----------
    trained : export.TrainedDecoder
        The validation windows are those that are decoded.
    folder : str or pathlib.Path
        Where the exports are written, as <network>_<window>_<precision>.onnx.
    precisions : sequence of str
        See `export.export`. An export that flips too many labels is timed all the same: its
        flips stand beside its times.
    n_windows : int
        See `measure`.

    Returns
    -------
    pandas.DataFrame
        `measure` with columns network, window, width, motor_units, flipped_percent (against
        torch), threads, device. Decoders are "torch" (eager, float32) and for example
        "openvino int8".
    """
    calls, flipped = {TORCH: eager(trained)}, {TORCH: 0.0}
    network, window = trained.run.network, trained.run.window
    for precision in precisions:
        path = Path(folder) / f"{network}_{window}_{precision}.onnx"
        for engine, deviation in export(trained, path, precision, force=True).items():
            name = f"{engine} {precision}"
            calls[name] = Decoder(path, engine).probabilities
            flipped[name] = 100 * deviation.flipped_share
    times = measure(calls, trained.val_windows, n_windows)
    processor = "CPU" if torch.cuda.is_available() else device_name()
    return times.assign(
        network=network,
        window=window,
        width=trained.run.width,
        motor_units=len(trained.motor_units),
        flipped_percent=times["decoder"].map(flipped),
        threads=torch.get_num_threads(),
        device=np.where(times["decoder"] == TORCH, device_name(), processor),
    )


def summarise(times):
    """Median, tail and speed-up of each decoder.

    Parameters
    ----------
    times : pandas.DataFrame
        Of `benchmark`, one or several together.

    Returns
    -------
    pandas.DataFrame
        One row per network, window and decoder: n_windows, median_ms, p95_ms, p99_ms, max_ms,
        speed_up (median of torch / its own: independent of the machine's speed), and
        the columns that `benchmark` adds.
    """
    groups = times.groupby(KEYS, sort=False)
    facts = groups[["motor_units", "flipped_percent", "threads", "device"]].first()
    ms = groups["ms"]
    tails = {f"p{q}_ms": ms.quantile(q / 100) for q in (95, 99)}
    table = facts.assign(n_windows=ms.size(), median_ms=ms.median(), **tails, max_ms=ms.max())
    torch_ms = table.xs(TORCH, level="decoder")["median_ms"]
    return table.assign(speed_up=torch_ms / table["median_ms"]).loc[table.index].reset_index()
