"""A recording played to a stream: in real time, or for hours."""

from time import perf_counter, sleep

import numpy as np
import pandas as pd

from hdsemg_nb import segment
from hdsemg_nb.results import memory_mb


def replay(decoder, recording, chunk, real_time=False):
    """Play a recording to a stream in chunks, as an amplifier sends it.

    Parameters
    ----------
    decoder : decoder.Decoder
    recording : recording.Recording
    chunk : int
        Samples that come together: 20 to 40 are 10 to 20 ms at 2048 Hz.
    real_time : bool
        Wait for each chunk as long as an amplifier would take; else as fast as possible.

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
        arrival = perf_counter()
        if real_time:
            arrival = began + (first + samples.shape[1]) / recording.fs
            sleep(max(0, arrival - perf_counter()))
        for d in stream.push(samples, first, arrival if real_time else None):
            rows.append((d.start, 1000 * (d.time - arrival), int(d.spikes.sum()), d.problem))
    return pd.DataFrame(rows, columns=["start", "decided_ms", "spikes", "problem"])


def summarise_replay(played, decoder, recording):
    """A replay in one row.

    Parameters
    ----------
    played : pandas.DataFrame
        Of `replay`.
    decoder : decoder.Decoder
    recording : recording.Recording

    Returns
    -------
    pandas.DataFrame
        windows, missed_windows (that have no decision), late_windows (decided later than the next
        is complete), with_problem, spikes; median_ms, p95_ms, p99_ms and max_ms of decided_ms.
    """
    expected = segment.window_starts(recording.n_samples, decoder.window, decoder.step)
    ms = played["decided_ms"]
    row = {
        "windows": len(played),
        "missed_windows": len(np.setdiff1d(expected, played["start"])),
        "late_windows": int((ms > 1000 * decoder.step / decoder.fs).sum()),
        "with_problem": int((played["problem"] != "").sum()),
        "spikes": played["spikes"].sum(),
        "median_ms": ms.median(),
        "p95_ms": ms.quantile(0.95),
        "p99_ms": ms.quantile(0.99),
        "max_ms": ms.max(),
    }
    return pd.DataFrame([row])


def endurance(decoder, recording, hours, chunk=20):
    """Play a recording again and again to one stream, as fast as possible.

    Parameters
    ----------
    decoder : decoder.Decoder
    recording : recording.Recording
        Its end, less than a chunk, is left out.
    hours : float
        Length of the signal.
    chunk : int
        Samples that come together.

    Returns
    -------
    pandas.DataFrame
        One row: hours, windows (decided, each a step after the one before), missed_windows (to the
        number by arithmetic), with_problem, windows_per_s, times_real_time, slowest_ms (of a chunk
        with its windows), memory_growth_mb (largest memory of the process above that after a tenth
        of the time or a minute of signal).
    """
    emg = recording.emg[:, : recording.n_samples // chunk * chunk]
    n_chunks, minute = (round(s * recording.fs / chunk) for s in (3600 * hours, 60))
    settled = min(n_chunks // 10, minute)
    stream, windows, problems, slowest, memory = decoder.stream(recording.fs), 0, 0, 0.0, []
    due, began = 0, perf_counter()
    for k in range(n_chunks):
        at, before = k * chunk % emg.shape[1], perf_counter()
        for d in stream.push(emg[:, at : at + chunk], k * chunk):
            windows += d.start == due
            problems += d.problem != ""
            due = d.start + decoder.step
        slowest = max(slowest, perf_counter() - before)
        if k >= settled and (k - settled) % minute == 0 or k == n_chunks - 1:
            memory.append(memory_mb())
    seconds, n_samples = perf_counter() - began, n_chunks * chunk
    row = {
        "hours": n_samples / recording.fs / 3600,
        "windows": windows,
        "missed_windows": len(segment.window_starts(n_samples, decoder.window, decoder.step))
        - windows,
        "with_problem": problems,
        "windows_per_s": windows / seconds,
        "times_real_time": n_samples / recording.fs / seconds,
        "slowest_ms": 1000 * slowest,
        "memory_growth_mb": max(memory) - memory[0],
    }
    return pd.DataFrame([row])
