"""One HD-sEMG recording with its discharge times, checked when it is made."""

import hashlib
import warnings
from dataclasses import dataclass, replace
from numbers import Real
from operator import index
from pathlib import PurePath

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
        When a position is no whole number, negative or used twice, or `ied_mm` is not positive.
    """

    electrodes: np.ndarray
    ied_mm: float

    def __post_init__(self):
        electrodes = np.array(self.electrodes)
        right = electrodes.shape[1:] == (2,) and electrodes.dtype.kind in "iuf"
        right = right and (electrodes >= 0).all() and (electrodes % 1 == 0).all()
        if not right or len(np.unique(electrodes, axis=0)) < len(electrodes):
            raise ValueError(
                f"electrodes has shape {electrodes.shape} and dtype {electrodes.dtype}, expected "
                "(channels, 2) non-negative whole numbers, each (row, column) used once"
            )
        ied_mm = _number(self.ied_mm, "ied_mm", "a distance above 0 mm", lambda x: x > 0)
        object.__setattr__(self, "electrodes", electrodes.astype(np.int64))
        object.__setattr__(self, "ied_mm", ied_mm)

    @property
    def shape(self):
        """Rows and columns."""
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

    The default is the paper's ("Experimental HD-sEMG dataset"): 13 x 5 but a corner, 8 mm apart.

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

    Raises
    ------
    ValueError
        When a position of `empty` is none of the grid.
    """
    places = list(np.ndindex(rows, columns))
    without = [tuple(np.ravel(place)) for place in empty]
    if not set(without) <= set(places):
        raise ValueError(f"empty={empty!r} must hold (row, column) of a {rows} x {columns} grid")
    return Grid([place for place in places if place not in without], ied_mm)


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """HD-sEMG of one participant at one intensity, with the discharge times of its motor units.

    Parameters
    ----------
    emg : array_like, shape (channels, samples)
        Monopolar EMG in uV, kept as float32, read-only.
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
        Participant, muscle, and where the recording comes from; a number or a path becomes text,
        None or NaN is "".
    mvc : float
        Contraction intensity in % of the maximal voluntary contraction; NaN where unknown.
    force : array_like, shape (samples,), optional
        Force or torque beside the EMG, or its target where that alone was recorded; kept alike.
    force_name : str
        What `force` is, with its unit, for example "force (% MVC)": the label of its axis.
    interpolated : sequence of (int, sequence of int)
        Channels that `signal_check.repair` has interpolated, each with those whose mean it is: a
        decoder that is trained here treats other recordings alike.

    Raises
    ------
    ValueError
        When a field cannot be right; the message names the field, the value and the rule.

    Warns
    -----
    UserWarning
        When there are more channels than samples: the signal may be transposed.
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
    force: np.ndarray | None = None
    force_name: str = ""
    interpolated: tuple = ()

    def __post_init__(self):
        emg = _checked_emg(self.emg)
        grid = self.grid
        if not isinstance(grid, Grid | None):
            raise ValueError(f"grid is a {type(grid).__name__}, expected a Grid or None")
        if grid and len(grid.electrodes) != len(emg):
            raise ValueError(f"grid has {len(grid.electrodes)} electrodes, emg {len(emg)} channels")
        trains = enumerate(() if self.discharges is None else self.discharges)
        trains = tuple(discharge_times(t, f"discharges[{k}]", emg.shape[1]) for k, t in trains)
        fields = dict(emg=emg, discharges=trains, pnr=_checked_pnr(self.pnr, len(trains)))
        fields["fs"] = _number(self.fs, "fs", "a finite frequency above 0 Hz", lambda x: x > 0)
        mvc, rule = np.nan if self.mvc is None else self.mvc, "an intensity in % MVC, or NaN"
        fields["mvc"] = _number(mvc, "mvc", rule, lambda x: not x < 0)
        fields["force"] = _checked_force(self.force, emg.shape[1])
        fields["interpolated"] = _checked_pairs(self.interpolated, len(emg))
        for name in ("subject", "muscle", "source", "force_name"):
            fields[name] = _text(getattr(self, name), name)
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self):
        about = [self.subject, self.muscle, f"{self.mvc:g} % MVC" if self.mvc >= 0 else ""]
        signal = f"{self.n_channels} channels x {self.duration:.4g} s at {self.fs:g} Hz"
        units = f"{self.n_motor_units} motor units"
        facts = [*about, signal, units, self.force_name, self.source]
        return f"Recording({', '.join(fact for fact in facts if fact)})"

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
        start, stop = round(start_s * self.fs), round(min(stop_s * self.fs, self.n_samples))
        if not 0 <= start < stop:
            rule = f"must hold samples of the {self.duration:.2f} s"
            raise ValueError(f"start_s={start_s}, stop_s={stop_s} {rule}")
        kept = [d[(d >= start) & (d < stop)] - start for d in self.discharges]
        force = None if self.force is None else self.force[start:stop]
        return replace(self, emg=self.emg[:, start:stop], discharges=kept, force=force)


def discharge_times(times, name="discharges", n_samples=None, ordered=True):
    """Checked discharge times: the one rule for everything that takes them.

    Parameters
    ----------
    times : array_like
        Whole 0-based sample numbers of any number type, of one motor unit.
    name : str
        For the message.
    n_samples : int, optional
        Length of the signal they have to lie in; default: not checked.
    ordered : bool
        Whether they have to be strictly increasing; False for several motor units together.

    Returns
    -------
    numpy.ndarray of int64

    Raises
    ------
    ValueError
        When they cannot be right.
    """
    times = np.asarray(times)
    if times.size == 0:
        return np.empty(0, dtype=np.int64)
    if times.ndim != 1 or times.dtype.kind not in "iuf":
        kind = f"shape {times.shape}, dtype {times.dtype}"
        raise ValueError(f"{name} has {kind}; expected times of a motor unit")
    wrong = times[~np.isfinite(times) | (times != np.floor(times))]
    if len(wrong):
        raise ValueError(f"{name} holds {wrong[0]}, expected whole sample numbers (not seconds)")
    times = times.astype(np.int64)  # before any arithmetic: files store uint16
    outside = [] if n_samples is None else times[(times < 0) | (times >= n_samples)]
    if len(outside):
        raise ValueError(f"{name} holds {outside[0]}, outside the signal: 0 to {n_samples - 1}")
    back = np.flatnonzero(np.diff(times) <= 0)
    if ordered and len(back):
        one, other = times[back[0] : back[0] + 2]
        raise ValueError(f"{name} goes from {one} to {other}, expected strictly increasing times")
    return times


def _checked_emg(emg):
    if np.ma.is_masked(emg):
        raise ValueError("emg is masked in places; interpolate them or drop the channels first")
    emg = np.asarray(emg)
    if emg.ndim != 2 or 0 in emg.shape or emg.dtype.kind not in "iuf":
        rule = "(channels, samples) in uV, at least one of each; of one channel emg[np.newaxis]"
        raise ValueError(f"emg has shape {emg.shape} and dtype {emg.dtype}, expected {rule}")
    emg = _kept(emg)
    if not np.isfinite(emg).all():
        channel, sample = np.argwhere(~np.isfinite(emg))[0]
        where = f"emg holds {emg[channel, sample]} at channel {channel}, sample {sample}"
        raise ValueError(f"{where}, which is not finite; interpolate or drop the channel first")
    if len(emg) > emg.shape[1]:
        sizes = f"emg has {len(emg)} channels and only {emg.shape[1]} samples"
        warnings.warn(f"{sizes}; if it is transposed, pass emg.T", stacklevel=4)
    return emg


def _kept(values):
    """The values in float32, read-only; copied where their owner could go on writing."""
    if values.dtype != np.float32 or values.flags.writeable or not values.flags.c_contiguous:
        values = np.array(values, dtype=np.float32, order="C")
    values.flags.writeable = False
    return values


def _checked_force(force, n_samples):
    if force is None:
        return None
    force = np.asarray(force)
    if force.shape != (n_samples,) or force.dtype.kind not in "iuf" or not np.isfinite(force).all():
        rule = f"a finite number for each of the {n_samples} samples, or None"
        raise ValueError(f"force has shape {force.shape} and dtype {force.dtype}, expected {rule}")
    return _kept(force)


def _checked_pnr(pnr, n_units):
    try:
        pnr = [np.nan] * n_units if pnr is None else pnr
        return np.array(pnr, dtype=float).reshape(n_units)
    except (TypeError, ValueError) as error:
        rule = f"a number in dB for each of the {n_units} motor units, NaN where unknown"
        raise ValueError(f"pnr={pnr!r} must be {rule}") from error


def _checked_pairs(interpolated, n_channels):
    try:
        pairs = tuple((index(one), tuple(map(index, others))) for one, others in interpolated)
    except TypeError as error:
        rule = "pairs of a channel and those whose mean it is"
        raise ValueError(f"interpolated={interpolated!r} must be {rule}") from error
    if not all(others and {one, *others} <= {*range(n_channels)} for one, others in pairs):
        raise ValueError(f"interpolated={pairs} must name some of the {n_channels} channels")
    return pairs


def _number(value, name, rule, allowed):
    """`value` as float, checked to be a single number that is allowed and not infinite."""
    try:
        number = float(value) if np.ndim(value) == 0 and not isinstance(value, bool) else np.inf
    except (TypeError, ValueError):
        number = np.inf
    if np.isinf(number) or not allowed(number):
        raise ValueError(f"{name}={value!r} must be {rule}")
    return number


def _text(value, name):
    """Text of a label; a whole number without its decimals, as it would be written by hand."""
    if isinstance(value, str | PurePath):
        return str(value)
    if value is None or (isinstance(value, Real) and value != value):
        return ""
    if isinstance(value, Real):
        return str(int(value) if value % 1 == 0 else float(value))
    raise ValueError(f"{name}={value!r} must be text or a number, not {type(value).__name__}")
