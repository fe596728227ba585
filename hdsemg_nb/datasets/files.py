"""What every reader of files does: name the file in a fault, pick a grid, a unit, a force.

And several recordings, read one at a time.
"""

import os
import re
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from itertools import count
from numbers import Integral, Real
from pathlib import Path

import numpy as np

_MICROVOLTS = {"nv": 1e-3, "uv": 1.0, "mv": 1e3, "v": 1e6}
_MICROVOLTS |= {"nanovolt": 1e-3, "microvolt": 1.0, "millivolt": 1e3, "volt": 1e6}
_MEASURED = r"acquired data|performed|^path\b|(?<!in)(?<!en)force|torque|load ?cell"


class Recordings(Sequence):
    """Recordings that are read when they are asked for, one at a time, and not kept.

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
        chosen = self.loaders[index]
        return Recordings(chosen) if isinstance(index, slice) else chosen()


@contextmanager
def naming(path):
    """Put the file's path in front of the message of a ValueError; FileNotFoundError without it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def set_aside(path, error, then):
    """Warn that a file is damaged and rename it to end in .damaged, with a number if need be."""
    names = (path.with_suffix(f".damaged{n or ''}") for n in count())
    aside = next(name for name in names if not name.exists())
    warnings.warn(f"{path} is damaged ({error}): set aside as {aside.name}, {then}", stacklevel=3)
    os.replace(path, aside)


def chosen(names, grid):
    """Number of the grid that `grid` means: a number, a name or a part of one name; None if alone.

    Raises
    ------
    ValueError
        When it is none or several of `names`; lists them.
    """
    if isinstance(grid, Integral) and 0 <= grid < len(names):
        return int(grid)
    parts = [k for k, name in enumerate(names) if grid is None or str(grid) in name]
    exact = [k for k, name in enumerate(names) if name == grid]
    found = [] if isinstance(grid, Integral) else exact if exact else parts
    if len(found) != 1:
        has = ", ".join(f"{k} {name!r}" for k, name in enumerate(names))
        raise ValueError(f"grid={grid!r} must choose one of the {len(names)} grid(s): {has}")
    return found[0]


def microvolts(unit, what="unit"):
    """Microvolts in one `unit`: "uV", "mV", "V" or "nV", or a number of uV for a converter's step.

    Raises
    ------
    ValueError
        When it is none of them; `what` says whose unit it is.
    """
    if isinstance(unit, Real) and not isinstance(unit, bool) and 0 < unit < np.inf:
        return float(unit)
    plain = re.sub("Â?[µμ]", "u", str(unit)).strip().lower()
    factor = _MICROVOLTS.get(plain.removesuffix("s"))
    if factor is None:
        raise ValueError(f"{what}={unit!r} must be 'uV', 'mV' or 'V', or the uV of one step")
    return factor


def same_rate(signal, fs, n_samples, emg_fs):
    """A signal beside the EMG at the EMG's samples: linear in between, its last value held.

    One without samples stays so; one that is shorter or longer by more than 2 % and a sample of its
    own stays as it is, for `force_fields` to leave out.
    """
    seconds = np.array([len(signal) / fs, n_samples / emg_fs])
    if len(signal) == 0 or (len(signal) == n_samples and fs == emg_fs):
        return signal
    if abs(np.diff(seconds)[0]) > 0.02 * seconds[1] + 1 / fs:
        return signal
    return np.interp(np.arange(n_samples) / emg_fs, np.arange(len(signal)) / fs, signal)


def force_fields(signals, n_samples):
    """Fields `force` and `force_name` of a `Recording`, from what stands beside the EMG.

    Taken is the first that was measured, else the first that was asked for, else a single auxiliary
    input; one that never changes tells nothing and is passed over.

    Parameters
    ----------
    signals : iterable of (str, str, array_like)
        Name, unit ("" where unknown) and samples of each.
    n_samples : int
        Length of the EMG.

    Returns
    -------
    dict
        Empty when there is none.
    """
    usable = [(name, unit, np.ravel(x)) for name, unit, x in signals if np.size(x)]
    usable = [(name, unit, x) for name, unit, x in usable if not (x == x[0]).all()]
    found = [(label, unit, x) for name, unit, x in usable if (label := force_label(name))]
    found.sort(key=lambda signal: signal[0] == "target")
    inputs = [signal for signal in usable if re.search(r"\baux", signal[0], re.I)]
    found += inputs if len(inputs) == 1 else []
    if not found:
        return {}
    label, unit, force = found[0]
    if len(force) != n_samples or not np.isfinite(force).all():
        wrong = f"the {label} has {len(force)} samples, {np.sum(~np.isfinite(force))} not finite"
        warnings.warn(f"{wrong}; the EMG has {n_samples}: left out", stacklevel=3)
        return {}
    return dict(force=force, force_name=f"{label} ({unit or 'unit not told'})")


def force_label(name):
    """What a channel beside the EMG is, by its name: "force", its "target" or neither."""
    if re.search("requested|original|target", name, re.I):
        return "target"
    return "force" if re.search(_MEASURED, name, re.I) else None
