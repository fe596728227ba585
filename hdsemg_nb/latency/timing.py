"""How long a prediction takes, measured window by window in one run."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from hdsemg_nb.engine import device
from hdsemg_nb.latency.decoder import PRECISIONS, Decoder
from hdsemg_nb.latency.export import export
from hdsemg_nb.results import device_name

TORCH = "torch"  # eager, in float32: what the exports are compared to
KEYS = ["network", "window", "threads", "decoder"]


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


def benchmark(trained, folder, precisions=PRECISIONS, n_windows=1000, threads=None, others=None):
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
    threads : sequence of int, optional
        Numbers of threads to time all of them with; default: as many as torch uses.
    others : dict of str to callable, optional
        More to time, see `measure`.

    Returns
    -------
    pandas.DataFrame
        `measure` with columns network, window, width, motor_units, flipped_percent (of the labels,
        against torch), positive_percent (labels that are discharges: where there are few, few can
        flip), threads, device. Decoders are "torch" (eager, float32) and for example
        "openvino int8".
    """
    network, window = trained.run.network, trained.run.window
    exports, flipped, positive = {}, {TORCH: 0.0}, None
    for precision in precisions:
        path = Path(folder) / f"{network}_{window}_{precision}.onnx"
        for engine, deviation in export(trained, path, precision, force=True).items():
            name = f"{engine} {precision}"
            exports[name] = path, engine
            flipped[name] = 100 * deviation.flipped_share
            positive = 100 * deviation.positive / deviation.labels
    torch_threads, parts = torch.get_num_threads(), []
    for n in threads or [torch_threads]:
        torch.set_num_threads(n)
        decoders = {name: Decoder(*one, n).probabilities for name, one in exports.items()}
        calls = {TORCH: eager(trained), **(others or {}), **decoders}
        parts.append(measure(calls, trained.val_windows, n_windows).assign(threads=n))
    torch.set_num_threads(torch_threads)
    times = pd.concat(parts, ignore_index=True)
    exported = times["decoder"].isin(exports)
    return times.assign(
        network=network,
        window=window,
        width=trained.run.width,
        motor_units=len(trained.motor_units),
        flipped_percent=times["decoder"].map(flipped),
        positive_percent=positive,
        device=np.where(exported & torch.cuda.is_available(), "CPU", device_name()),
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
        One row per network, window, number of threads and decoder: n_windows, median_ms, p95_ms,
        p99_ms, max_ms, speed_up (median of torch / its own: independent of the machine's speed),
        and the columns that `benchmark` adds.
    """
    groups = times.groupby(KEYS, sort=False)
    facts = groups[["motor_units", "flipped_percent", "positive_percent", "device"]].first()
    ms = groups["ms"]
    tails = {f"p{q}_ms": ms.quantile(q / 100) for q in (95, 99)}
    table = facts.assign(n_windows=ms.size(), median_ms=ms.median(), **tails, max_ms=ms.max())
    torch_ms = table.xs(TORCH, level="decoder")["median_ms"]
    return table.assign(speed_up=torch_ms / table["median_ms"]).loc[table.index].reset_index()
