"""One HD-sEMG recording with its discharge times, checked when it is made."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Grid:
    """Where each channel sits on the electrode grid.

    Parameters
    ----------
    electrodes : array_like of int, shape (channels, 2)
        Row and column of each channel, 0-based.
    ied_mm : float
        Interelectrode distance in mm.

    Raises
    ------
    ValueError
        When a position is negative or used twice, or `ied_mm` is not positive.
    """

    electrodes: np.ndarray
    ied_mm: float

    def __post_init__(self):
        electrodes = np.array(self.electrodes, dtype=np.int64)
        if electrodes.ndim != 2 or electrodes.shape[1] != 2:
            raise ValueError(
                f"electrodes has shape {electrodes.shape}, expected (channels, 2): row, column"
            )
        if (electrodes < 0).any() or len(np.unique(electrodes, axis=0)) < len(electrodes):
            raise ValueError("electrodes must be non-negative and each (row, column) used once")
        if not self.ied_mm > 0:
            raise ValueError(f"ied_mm={self.ied_mm} must be a distance above 0 mm")
        object.__setattr__(self, "electrodes", electrodes)

    @property
    def shape(self):
        """Rows and columns of the grid."""
        return tuple(int(n) for n in self.electrodes.max(axis=0) + 1)

    def image(self, values):
        """Values of the channels laid out on the grid, NaN where there is no electrode.

        Parameters
        ----------
        values : array_like, shape (channels,)

        Returns
        -------
        numpy.ndarray of float, shape (rows, columns)
        """
        image = np.full(self.shape, np.nan)
        image[tuple(self.electrodes.T)] = values
        return image


def rectangular_grid(rows=13, columns=5, ied_mm=8.0, empty=((0, 0),)):
    """Grid in row-major order without its empty positions.

    The default is the 64-electrode grid of the paper (Methods, "Experimental HD-sEMG dataset"):
    13 x 5 electrodes, 8 mm apart, one corner without an electrode.

    Parameters
    ----------
    rows, columns : int
    ied_mm : float
        Interelectrode distance in mm.
    empty : sequence of (int, int)
        Positions (row, column) without an electrode.

    Returns
    -------
    Grid
    """
    positions = [(r, c) for r in range(rows) for c in range(columns) if (r, c) not in set(empty)]
    return Grid(np.array(positions), ied_mm)


@dataclass(frozen=True, eq=False)
class Recording:
    """HD-sEMG of one participant at one intensity, with the discharge times of its motor units.

    Parameters
    ----------
    emg : array_like, shape (channels, samples)
        Monopolar EMG in uV, kept as float32.
    fs : float
        Sampling frequency in Hz.
    discharges : sequence of array_like of int
        One array per motor unit: its discharge times as 0-based samples, strictly increasing,
        kept as int64. May be empty.
    pnr : array_like, shape (motor units,), optional
        Pulse-to-noise ratio of each motor unit in dB; NaN where unknown.
    grid : Grid, optional
        Position of each channel.
    subject, muscle, source : str
        Participant, muscle, and where the recording comes from.
    mvc : float
        Contraction intensity in % of the maximal voluntary contraction; NaN where unknown.

    Raises
    ------
    ValueError
        When a field cannot be right; the message names the field, the value and the rule.
    """

    emg: np.ndarray
    fs: float
    discharges: tuple = ()
    pnr: np.ndarray | None = None
    grid: Grid | None = None
    subject: str = ""
    muscle: str = ""
    mvc: float = float("nan")
    source: str = ""

    def __post_init__(self):
        emg = _checked_emg(self.emg)
        fs = _checked_fs(self.fs)
        discharges = tuple(
            _checked_discharges(times, unit, emg.shape[1])
            for unit, times in enumerate(self.discharges)
        )
        pnr = np.full(len(discharges), np.nan) if self.pnr is None else self.pnr
        pnr = np.atleast_1d(np.array(pnr, dtype=float))
        if pnr.shape != (len(discharges),):
            raise ValueError(
                f"pnr has shape {pnr.shape}, expected one value in dB for each of the "
                f"{len(discharges)} motor units"
            )
        if self.grid is not None and len(self.grid.electrodes) != len(emg):
            raise ValueError(
                f"grid has {len(self.grid.electrodes)} electrodes, "
                f"expected one for each of the {len(emg)} channels of emg"
            )
        for name, value in dict(emg=emg, fs=fs, discharges=discharges, pnr=pnr).items():
            object.__setattr__(self, name, value)

    @property
    def n_channels(self):
        """Number of EMG channels."""
        return self.emg.shape[0]

    @property
    def n_samples(self):
        """Number of samples per channel."""
        return self.emg.shape[1]

    @property
    def n_motor_units(self):
        """Number of motor units with discharge times."""
        return len(self.discharges)

    @property
    def duration(self):
        """Length in s."""
        return self.n_samples / self.fs

    @property
    def digest(self):
        """Hash of the signal, its sampling frequency and the discharge times."""
        content = hashlib.sha256(self.emg.tobytes())
        content.update(repr((self.emg.shape, self.fs)).encode())
        for times in self.discharges:
            content.update(np.int64(len(times)).tobytes() + times.tobytes())
        return content.hexdigest()[:16]

    def crop(self, start_s, stop_s):
        """The recording between two times.

        Parameters
        ----------
        start_s, stop_s : float
            Borders in s from the first sample; discharges keep their place in the signal.

        Returns
        -------
        Recording

        Raises
        ------
        ValueError
            When the interval holds no sample of the recording.
        """
        start, stop = round(start_s * self.fs), min(round(stop_s * self.fs), self.n_samples)
        if not 0 <= start < stop:
            raise ValueError(
                f"start_s={start_s}, stop_s={stop_s} must hold 0 <= start_s < stop_s "
                f"within the {self.duration:.2f} s of the recording"
            )
        kept = [d[(d >= start) & (d < stop)] - start for d in self.discharges]
        return replace(self, emg=self.emg[:, start:stop], discharges=kept)


class Recordings(Sequence):
    """Recordings that are read when they are asked for, one at a time, and not kept.

    A slice is again `Recordings`, unread.

    Parameters
    ----------
    loaders : iterable of callable
        Each returns a `Recording` when called without arguments; picklable where the recordings
        are sent to other processes.
    """

    def __init__(self, loaders):
        self.loaders = list(loaders)

    def __len__(self):
        return len(self.loaders)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Recordings(self.loaders[index])
        return self.loaders[index]()


def _checked_emg(emg):
    emg = np.asarray(emg)
    if emg.ndim != 2:
        raise ValueError(
            f"emg has {emg.ndim} dimension(s), shape {emg.shape}; "
            "expected 2: (channels, samples). For a single channel pass emg[np.newaxis]"
        )
    if 0 in emg.shape:
        raise ValueError(f"emg has shape {emg.shape}, expected at least one channel and one sample")
    if not (np.issubdtype(emg.dtype, np.floating) or np.issubdtype(emg.dtype, np.integer)):
        raise ValueError(f"emg has dtype {emg.dtype}, expected real numbers in uV")
    emg = np.ascontiguousarray(emg, dtype=np.float32)
    if not np.isfinite(emg).all():
        channel, sample = np.argwhere(~np.isfinite(emg))[0]
        raise ValueError(
            f"emg holds {emg[channel, sample]} at channel {channel}, sample {sample}; every sample "
            "must be finite. Interpolate or drop the channel first"
        )
    return emg


def _checked_fs(fs):
    if not (np.isscalar(fs) and np.isreal(fs) and np.isfinite(fs) and fs > 0):
        raise ValueError(f"fs={fs!r} must be a finite sampling frequency above 0 Hz")
    return float(fs)


def _checked_discharges(times, unit, n_samples):
    name, times = f"discharges[{unit}]", np.asarray(times)
    if times.size == 0:
        return np.empty(0, dtype=np.int64)
    if times.ndim != 1 or not np.issubdtype(times.dtype, np.number):
        raise ValueError(
            f"{name} has shape {times.shape} and dtype {times.dtype}, "
            "expected a one-dimensional array of sample numbers"
        )
    if (times != np.floor(times)).any():
        raise ValueError(
            f"{name} holds {times[times != np.floor(times)][0]}, expected whole 0-based sample "
            "numbers (not seconds)"
        )
    times = times.astype(np.int64)  # before any arithmetic: files store uint16
    if times.min() < 0 or times.max() >= n_samples:
        wrong = times[(times < 0) | (times >= n_samples)][0]
        raise ValueError(f"{name} holds {wrong}, outside the signal: samples 0 to {n_samples - 1}")
    if (np.diff(times) <= 0).any():
        k = int(np.argmax(np.diff(times) <= 0))
        raise ValueError(
            f"{name} goes from {times[k]} to {times[k + 1]}, expected strictly increasing times"
        )
    return times
