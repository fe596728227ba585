"""Reader for plain EDF and BDF files, and what the BIDS reader shares with it."""

import warnings
from pathlib import Path

import edfio
import numpy as np

from hdsemg_nb.datasets.files import force_fields, microvolts, naming, same_rate
from hdsemg_nb.recording import Recording


def load_edf(path, unit=None):
    """Read an EDF or BDF file, with or without "+", that has no BIDS tables beside it.

    EMG are the signals with "EMG" in their label or, when none has it, all in a unit of voltage.
    Nothing tells where the electrodes are: `grid` is None.

    Parameters
    ----------
    path : str or pathlib.Path
    unit : str or float, optional
        Of the EMG, over what the header says: "uV", "mV" or "V".

    Returns
    -------
    recording.Recording
        EMG in uV, no discharges; force from a signal whose label names one.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is broken or interrupted, holds no EMG, or its EMG has several rates or no known
        unit; names the file.
    """
    with naming(path):
        signals = read_signals(path).signals
        units = [header_unit(signal) for signal in signals]
        emg = [k for k, signal in enumerate(signals) if "emg" in signal.label.lower()]
        emg = emg or [k for k, x in enumerate(units) if x.lower().endswith("v")]
        if not emg and unit is None:
            none = f"no signal is called EMG or is in volts, units {sorted(set(units))}"
            raise ValueError(f"{none}; if all are EMG, give their unit")
        emg = emg or list(range(len(signals)))
        scales = [microvolts(unit or units[k], f"unit of {signals[k].label}") for k in emg]
        told = {microvolts(units[k]) for k in emg if units[k].lower().endswith("v")}
        if unit and told - {microvolts(unit)}:
            others = sorted({units[k] for k in emg})
            warnings.warn(f"{path}: unit={unit!r} over the header's {others}", stacklevel=2)
        stacked, fs = stack([signals[k] for k in emg], scales)
        others = [signals[k] for k in range(len(signals)) if k not in emg]
        beside = [(x.label, header_unit(x), at_rate(x, stacked.shape[1], fs)) for x in others]
        force = force_fields(beside, stacked.shape[1])
        return Recording(stacked, fs, source=f"EDF file {Path(path).name}", **force)


def read_signals(path):
    """The `edfio.Edf` of an EDF file or the `edfio.Bdf` of a BDF file, known by its first byte."""
    with open(path, "rb") as file:
        read = edfio.read_bdf if file.read(1) == b"\xff" else edfio.read_edf
    try:
        content = read(path, header_encoding="latin-1")
        _ = content.signals[-1].data[-1]  # the last record is there
    except Exception as error:  # edfio raises many kinds on a broken file
        raise ValueError(f"cannot be read as EDF or BDF ({error}); is it cut short?") from error
    if not content.is_continuous:
        raise ValueError("is interrupted (EDF+D or BDF+D); only recordings without gaps are read")
    return content


def header_unit(signal):
    """Unit that the header gives a signal, "" when none."""
    return signal.physical_dimension.strip()


def stack(signals, scales):
    """Signals times their scales as float32 (channels, samples), and their rate in Hz."""
    rates = sorted({signal.sampling_frequency for signal in signals})
    if len(rates) != 1:
        raise ValueError(
            f"has {len(signals)} EMG signals, at {rates} Hz, expected one rate for all"
        )
    emg = np.empty((len(signals), len(signals[0].data)), np.float32)
    for row, signal, scale in zip(emg, signals, scales, strict=True):
        row[:] = signal.data * scale
    return emg, rates[0]


def at_rate(signal, n_samples, fs):
    """Samples of a signal at those of the EMG."""
    return same_rate(signal.data, signal.sampling_frequency, n_samples, fs)
