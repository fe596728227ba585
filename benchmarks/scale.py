"""Time and memory of each step from a file to decoded discharges, over channels, length and rate.

On noise with planted motor units (SYNTHETIC), each step in a process of its own; trainings of one
epoch, since all epochs are alike.
"""

import tempfile
from dataclasses import replace
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from benchmarks import memory_mb, save
from hdsemg_nb import cbss, datasets, motor_units, signal_check, train
from hdsemg_nb.decoders import Run
from hdsemg_nb.results import device_name

# channels, minutes, Hz
LENGTHS = [(64, 1, 2048), (64, 10, 2048)]
RATES = [(64, 1, 2000), (64, 1, 4000), (64, 1, 5120), (64, 1, 10240)]
GRIDS = [(256, 10, 2048), (320, 10, 2048)]  # four and five of 64
N_MOTOR_UNITS, RATE_PPS, WIDTH_S = 10, 10.0, 0.015
MUF_NET = Run("MUF-Net", 40, 20, epochs=1, learning_rate=1e-2)
SEPARATED = 64  # channels at most: blind source separation works grid by grid


def planted(channels, minutes, fs, seed=0):
    """EMG and discharge times: white noise of 5 uV, motor units of up to 100 uV."""
    rng, n_samples = np.random.default_rng(seed), round(60 * minutes * fs)
    emg = 5 * rng.standard_normal((channels, n_samples), dtype=np.float32)
    width = round(WIDTH_S * fs)
    shape, trains = np.diff(np.hanning(width + 1)) * width / 4, []
    for _ in range(N_MOTOR_UNITS):
        intervals = rng.normal(fs / RATE_PPS, 0.1 * fs / RATE_PPS, round(60 * minutes * RATE_PPS))
        times = np.cumsum(intervals.astype(int)) + rng.integers(fs)
        times = times[times + width < n_samples]
        wave = np.outer(rng.uniform(-100, 100, channels), shape).astype(np.float32)
        for t in times:
            emg[:, t : t + width] += wave
        trains.append(times + width // 2)
    return emg, trains


def _decode(recording):
    fitted = cbss.MotorUnitFilter().fit(recording.crop(0, 30))
    return lambda: fitted.decode(recording.emg)


def _decode_muf_net(recording):
    fitted = train.fit(recording.crop(0, 30), MUF_NET)
    return lambda: fitted.decode_recording(recording)


STEPS = {  # name: function of the recording that gives the function that is measured
    "check the signal": lambda r: lambda: signal_check.check_signal(r),
    "blind source separation": lambda r: lambda: cbss.decompose(r, progress=False),
    "describe motor units": lambda r: lambda: motor_units.motor_unit_table(r),
    "fit the motor-unit filter": lambda r: lambda: cbss.MotorUnitFilter().fit(r),
    "decode by the filter": _decode,
    "train MUF-Net, an epoch": lambda r: lambda: train.fit(r, MUF_NET),
    "decode by MUF-Net": _decode_muf_net,
}


def _measured(path, trains, fs, step):
    """Seconds and memory of one step, in this process."""
    torch.set_num_threads(1)
    began = perf_counter()
    recording = datasets.load(path, fs=fs, unit="uV")
    recording = replace(recording, discharges=trains, pnr=None)
    if step != "load":
        call = STEPS[step](recording)
        began = perf_counter()
        try:
            call()
        except cbss.NoMotorUnit:
            step += ", none found"
    seconds = perf_counter() - began
    return {
        "step": step,
        "seconds": seconds,
        "seconds_per_minute": seconds / recording.duration * 60,
        "signal_mb": recording.emg.nbytes / 1e6,
        "largest_memory_mb": memory_mb(largest=True),
    }


def measure(sizes, steps=("load", *STEPS)):
    """Each step on each size.

    Parameters
    ----------
    sizes : sequence of (int, float, float)
        Channels, minutes, sampling frequency in Hz.
    steps : sequence of str
        "load" or names in `STEPS`.

    Returns
    -------
    pandas.DataFrame
        channels, minutes, fs, step, seconds, seconds_per_minute (of signal), signal_mb (float32),
        largest_memory_mb (of the process), device, date.
    """
    rows, context = [], get_context("spawn")
    for channels, minutes, fs in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "planted.npy"
            emg, trains = planted(channels, minutes, fs)
            np.save(path, emg)
            del emg
            for step in tqdm(steps, f"{channels} channels, {minutes} min, {fs} Hz"):
                if step == "blind source separation" and channels > SEPARATED:
                    continue
                with context.Pool(1) as pool:
                    measured = pool.apply(_measured, (path, trains, fs, step))
                rows.append(dict(channels=channels, minutes=minutes, fs=fs) | measured)
    return pd.DataFrame(rows).assign(device=device_name(), date=date.today().isoformat())


def run():
    """Measure everything, the better part of an hour; the table is kept after each size."""
    note = "SYNTHETIC data, planted motor units; one thread; each step in a process of its own"
    tables = []
    for size in [*LENGTHS, *RATES, *GRIDS]:
        tables.append(measure([size]))
        save(pd.concat(tables), "scale", note)
