"""How long a prediction takes: window by window, and in a stream."""

from time import perf_counter, sleep

import numpy as np
import pandas as pd
import torch

from hdsemg_nb.engine import device

BLOCK = 50  # timed windows in a turn


def eager(fitted):
    """The network as torch runs it, on the GPU when there is one: what the others are compared to.

    Parameters
    ----------
    fitted : decoders.network.FittedNetwork

    Returns
    -------
    callable
        Window in uV, shape (channels, window), to probabilities, shape (motor units,), as
        `Decoder.probabilities`. The copy back from a GPU waits until it has finished.
    """
    model = fitted.model.to(device()).eval()
    mean, matrix = (torch.from_numpy(x).to(device()) for x in fitted.normalisation)

    @torch.inference_mode()
    def probabilities(window):
        emg = torch.from_numpy(np.ascontiguousarray(window)).to(device())
        return torch.sigmoid(model((matrix @ (emg - mean))[None]))[0].cpu().numpy()

    return probabilities


def measure(calls, windows, n_windows=1000, warm_up=20):
    """Time each call on one window at a time.

    The calls take turns of `BLOCK` windows, so that a busy machine slows all of them alike. The
    clock runs over the whole Python call, from a window in uV to probabilities in memory.

    Parameters
    ----------
    calls : dict of str to callable
        Name to a function of a window, shape (channels, window).
    windows : numpy.ndarray, shape (windows, channels, window)
        In uV; used again from the first when there are fewer than `n_windows`.
    n_windows : int
        Timed windows of each call.
    warm_up : int
        Windows of each turn that are not timed: the caches, and the threads of the engine, are
        then those of this call.

    Returns
    -------
    pandas.DataFrame
        One row per call and window: decoder (the name), ms, in the order of the measurement.
    """
    rows = []
    for first in range(0, n_windows, BLOCK):
        for name, call in calls.items():
            for k in range(first - warm_up, min(first + BLOCK, n_windows)):
                window = windows[k % len(windows)]
                began = perf_counter()
                call(window)
                ms = 1000 * (perf_counter() - began)
                if k >= first:
                    rows.append((name, ms))
    return pd.DataFrame(rows, columns=["decoder", "ms"])


def replay(decoder, recording, chunk):
    """Play a recording to a stream in chunks and in real time, as an amplifier sends it.

    Parameters
    ----------
    decoder : decoder.Decoder
    recording : recording.Recording
    chunk : int
        Samples that come together: 20 to 40 are 10 to 20 ms at 2048 Hz.

    Returns
    -------
    pandas.DataFrame
        One row per window: start (sample), decided_ms (from the arrival of its last sample to the
        decision, with the wait for decisions before it), spikes (number of motor units), problem.
    """
    stream, rows = decoder.stream(recording.fs), []
    began = perf_counter()
    for first in range(0, recording.n_samples, chunk):
        samples = recording.emg[:, first : first + chunk]
        arrival = began + (first + samples.shape[1]) / recording.fs
        sleep(max(0, arrival - perf_counter()))
        for d in stream.push(samples, first, arrival):
            rows.append((d.start, 1000 * (d.time - arrival), int(d.spikes.sum()), d.problem))
    return pd.DataFrame(rows, columns=["start", "decided_ms", "spikes", "problem"])
