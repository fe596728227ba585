"""Which peaks of the sources of filters are discharges: a small network, shared by all units."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import maximum_filter1d
from scipy.special import expit
from torch import nn

SEEN_BACK, SEEN_AHEAD = 22, 3  # samples of the sources around a peak
BINS, BIN = 24, 16  # and the largest in so many bins of so many samples before: 188 ms at 2048 Hz
LEAST = 0.15  # of the threshold: lower peaks are no candidates


class Detector(nn.Module):
    r"""Probability that a peak of a source is a discharge.

    With z_m the source of unit m over its threshold of the moment, at a peak at t::

        logit_m(t) = 4 (min(z_m(t), 2) - 1) + g_m D(f_m(t)) + b_m

    The first term is the threshold by two classes. D, shared by all units, corrects it: three fully
    connected layers that see z_m from 22 samples before to 3 after, its largest values in the 188
    ms before (when did the unit last discharge?), sum_n a_mn z_n (t), and how far the two classes
    of peaks are apart.

    Parameters
    ----------
    n_motor_units : int
    """

    def __init__(self, n_motor_units):
        super().__init__()
        n_features = SEEN_BACK + SEEN_AHEAD + 1 + BINS + 3
        self.interaction = nn.Parameter(torch.zeros(n_motor_units, n_motor_units))
        self.gain = nn.Parameter(torch.ones(n_motor_units))
        self.bias = nn.Parameter(torch.zeros(n_motor_units))
        self.layers = nn.Sequential(
            *(nn.Linear(n_features, 32), nn.ReLU(), nn.Dropout(0.2)),
            *(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1)),
        )

    def forward(self, unit, seen, others, before, classes):
        """Logits (candidates,) from `Candidates`."""
        together = (others * self.interaction[unit]).sum(1, keepdim=True)
        correction = self.layers(torch.cat([seen, together, before, classes], 1))[:, 0]
        threshold = 4 * (seen[:, SEEN_BACK].clamp(max=2) - 1)
        return threshold + self.gain[unit] * correction + self.bias[unit]


class Candidates(NamedTuple):
    """Peaks of the sources, and what `Detector` sees of them; NumPy arrays, or tensors of them."""

    unit: np.ndarray  # (candidates,)
    seen: np.ndarray  # (candidates, samples)
    others: np.ndarray  # (candidates, motor units): the largest of the others within 2 samples
    before: np.ndarray  # (candidates, bins)
    classes: np.ndarray  # (candidates, 2)


def candidates(sources, now, first=0):
    """Peaks of the sources that may be discharges.

    Parameters
    ----------
    sources : numpy.ndarray, shape (motor units, samples)
        Of the filters of the moment.
    now : cbss.adapted.Adapted
    first : int
        Peaks before this sample are left out.

    Returns
    -------
    Candidates
    numpy.ndarray of int64
        Their samples; motor units one after the other.
    """
    scaled = sources / now.filter.thresholds_[:, None].astype(np.float32)
    lead = max(0, first - SEEN_AHEAD)
    near = scaled[:, lead:]
    highest = maximum_filter1d(near, 2 * SEEN_AHEAD + 1, axis=1, mode="constant")
    chosen = (near == highest) & (near > LEAST)
    chosen[:, : first - lead] = False
    unit, at = np.nonzero(chosen)
    others = maximum_filter1d(near, 5, axis=1, mode="constant")[:, at].T
    others[np.arange(len(at)), unit] = 0
    at += lead
    reach = SEEN_BACK + BINS * BIN
    padded = np.zeros((len(scaled), reach + scaled.shape[1] + SEEN_AHEAD), dtype=np.float32)
    padded[:, reach:-SEEN_AHEAD] = scaled
    around = np.lib.stride_tricks.sliding_window_view(padded, reach + 1 + SEEN_AHEAD, axis=1)
    around = around[unit, at]
    before = around[:, : BINS * BIN].reshape(len(at), BINS, BIN).max(axis=2)
    lower, upper = now.classes.T
    classes = np.stack([np.log(np.maximum(upper, 1e-3)), lower / np.maximum(upper, 1e-3)], 1)
    seen, others = np.clip(around[:, BINS * BIN :], -1, 4), np.clip(others, 0, 4)
    parts = seen, others, np.clip(before, 0, 2), classes[unit].astype(np.float32)
    return Candidates(unit, *parts), at


@dataclass(frozen=True, eq=False)
class PeakDetector:
    """A trained `Detector` on the sources of the moment, as `AdaptiveStream` takes it.

    Computed by NumPy: a few candidates at a time, torch takes five times as long.
    """

    weights: dict  # of str to numpy.ndarray, names as in `Detector.state_dict`
    threshold: float
    before = SEEN_BACK + BINS * BIN  # samples of the sources it needs on both sides
    ahead = SEEN_AHEAD

    def logits(self, found):
        """As `Detector.forward`, of `Candidates` of NumPy arrays."""
        weights, unit = self.weights, found.unit
        together = (found.others * weights["interaction"][unit]).sum(axis=1, keepdims=True)
        hidden = np.concatenate([found.seen, together, found.before, found.classes], axis=1)
        for k in (0, 3, 5):  # the linear ones
            hidden = np.maximum(hidden, 0) if k else hidden
            hidden = hidden @ weights[f"layers.{k}.weight"].T + weights[f"layers.{k}.bias"]
        threshold = 4 * (np.minimum(found.seen[:, SEEN_BACK], 2) - 1)
        return threshold + weights["gain"][unit] * hidden[:, 0] + weights["bias"][unit]

    def probabilities(self, sources, now, first=0):
        """Probability of a discharge at each sample, 0 without a peak and before `first`."""
        found, at = candidates(sources, now, first)
        probabilities = np.zeros(sources.shape, dtype=np.float32)
        probabilities[found.unit, at] = expit(self.logits(found))
        return probabilities

    def __call__(self, sources, now, first=0):
        """Which samples are discharges, before the refractory time is kept."""
        return self.probabilities(sources, now, first) >= self.threshold
