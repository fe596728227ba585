"""Errors that blind source separation leaves in discharge times, put into true ones."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np


class Noise(NamedTuple):
    """Errors of the labels of a motor unit.

    Parameters
    ----------
    lag_ms : (float, float)
        Least and most of its constant lag, in ms.
    jitter_ms : float
        Standard deviation of each label around its discharge, in ms.
    missed, added : float
        Shares of its discharges: without a label; labels without a discharge, at random times.
    """

    lag_ms: tuple = (0.0, 0.0)
    jitter_ms: float = 0.0
    missed: float = 0.0
    added: float = 0.0


# Lags: over 14 ms, as wide as in the real recording, where the middle of the action potentials'
# energy lies 2 samples before to 24 after the labels. Missed and added: an agreement of 95 %, which
# convolution kernel compensation has with intramuscular recordings (Clarke et al. 2021,
# doi:10.1109/TBME.2020.3006508). Jitter: 0.5 ms is a sample; 2 ms is more than separation leaves.
KINDS = {
    "": Noise(),
    "lags": Noise(lag_ms=(-4.5, 9.5)),
    "jitter": Noise(jitter_ms=2.0),
    "missed and added": Noise(missed=0.025, added=0.025),
    "separation": Noise(lag_ms=(-4.5, 9.5), jitter_ms=0.5, missed=0.025, added=0.025),
}


def noisy(recording, kind, seed):
    """A recording with labels as a separation would have made them, and its true discharges.

    Parameters
    ----------
    recording : recording.Recording
    kind : str
        A name in `KINDS`.
    seed : int
        With the content of the recording it says which errors.

    Returns
    -------
    recording.Recording
        With the labels; the same one for the kind "".
    tuple of numpy.ndarray of int64
        True discharges of each motor unit, moved by the constant lag of its labels.

    Raises
    ------
    ValueError
        When there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} must be one of {list(KINDS)}")
    noise = KINDS[kind]
    if noise == Noise():
        return recording, recording.discharges
    rng, fs = np.random.default_rng([seed, int(recording.digest, 16)]), recording.fs
    lags = np.rint(rng.uniform(*noise.lag_ms, recording.n_motor_units) * fs / 1000).astype(int)
    moved = zip(recording.discharges, lags, strict=True)
    true = tuple(_inside(times + lag, recording.n_samples) for times, lag in moved)
    labels = [_with_errors(times, noise, recording, rng) for times in true]
    return replace(recording, discharges=labels), true


def _with_errors(times, noise, recording, rng):
    if len(times) == 0:
        return times
    found = times[rng.random(len(times)) >= noise.missed]
    found = found + np.rint(noise.jitter_ms * recording.fs / 1000 * rng.normal(size=len(found)))
    more = rng.integers(times[0], times[-1] + 1, round(noise.added * len(times)))
    return _inside(np.unique([*found.astype(np.int64), *more]), recording.n_samples)


def _inside(times, n_samples):
    return times[(times >= 0) & (times < n_samples)]
