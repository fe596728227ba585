"""A recording, sent as an amplifier sends it."""

from time import sleep

import numpy as np
from tqdm import tqdm

from hdsemg_nb.decoders.fitted import channel_names
from hdsemg_nb.live.lsl import outlet, pylsl


def send(recording, name="replay", chunk=20, minutes=None, wait_s=60.0, progress=True):
    """Send a recording in real time, from the moment on that somebody listens.

    Parameters
    ----------
    recording : recording.Recording
    name : str
        Of the stream, of type EMG.
    chunk : int
        Samples that come together.
    minutes : float, optional
        Send it again and again for so long; default: once.
    wait_s : float
        Most seconds to wait for a receiver.
    progress : bool
        Show a progress bar.

    Raises
    ------
    TimeoutError
        When nobody listens within `wait_s`.
    ValueError
        When `chunk` is below 1.
    """
    if chunk < 1:
        raise ValueError(f"chunk={chunk}: at least 1 sample")
    grid, fs = recording.grid, recording.fs
    out = outlet(
        name, "EMG", channel_names(recording), fs, "microvolts", ied_mm=grid and grid.ied_mm
    )
    if not out.wait_for_consumers(wait_s):
        raise TimeoutError(f"nobody listens to stream {name!r} within {wait_s:g} s")
    emg, began = np.ascontiguousarray(recording.emg.T), pylsl().local_clock()
    total = recording.n_samples if minutes is None else round(60 * minutes * fs)
    with tqdm(total=round(total / fs), unit="s", disable=not progress, desc=name) as bar:
        for first in range(0, total, chunk):
            stop = min(first + chunk, total)
            due = began + stop / fs
            sleep(max(0, due - pylsl().local_clock()))
            out.push_chunk(emg.take(range(first, stop), axis=0, mode="wrap"), due)
            bar.update(int(stop / fs) - bar.n)
    sleep(0.5)  # until the last chunk is out
