"""MUF-Net, our own decoder: a small network that starts from motor-unit filters."""

import warnings

import numpy as np
import torch
from torch import nn

from hdsemg_nb import segment
from hdsemg_nb.cbss import filter_bank
from hdsemg_nb.cbss.moves import move_matrices
from hdsemg_nb.decoders.fitted import warn_of_rate
from hdsemg_nb.decoders.network import Network

N_LAGS = 16  # samples of the filters
LARGEST_BACK, LARGEST_AHEAD = 32, 10  # samples of lag at most; looking ahead costs delay, 4.9 ms
NOISE = (0.0, 0.2)  # noise the filters of a motor unit expect, in standard deviations of the EMG
SHIFTS = (-0.5, -0.25, 0, 0.25, 0.5)  # interelectrode distances along rows and columns
TRAINING = dict(epochs=20, learning_rate=1e-2, decay=True)  # at W = 40, S = 20 (notebook 08)
ABLATIONS = {  # name of what is taken away: what is there instead
    "initialisation": "filters drawn at random",
    "whitening": "average action potentials as filters",
    "lag": "labels at the marks",
    "noise filters": "the filters for clean EMG alone, no gate",
    "squaring": "the filter output as it is",
    "filter training": "the filters stay as they were fitted",
    "interaction": "each motor unit on its own",
    "electrode shift": "training windows from the place of the electrodes alone",
    "augmentation": "the training windows as they are",
}


def _fit_filters(recording, mask, normalisation, without):
    """Filters to start from, (levels, motor units, channels, lags), and the lags of the labels.

    The filters are for normalised channels; the lags, in samples, are those of `cbss.filter_bank`.
    """
    largest = (0, 0) if without == "lag" else (LARGEST_BACK, LARGEST_AHEAD)
    whiten = without != "whitening"
    with warnings.catch_warnings():  # more look-ahead would help a motor unit: that is its price
        warnings.filterwarnings("ignore", "motor unit .* is separated best")
        filters, lags = filter_bank(
            recording, mask, NOISE, N_LAGS, largest[0], whiten, largest_ahead=largest[1]
        )
    return np.einsum("kmcl,cd->kmdl", filters, np.linalg.inv(normalisation.matrix)), lags


def shift_matrices(grid, normalisation):
    """What the channels would record if the grid were moved by up to half an electrode.

    Interpolated linearly between the electrodes; beyond the border the signal stays that of the
    border.

    Parameters
    ----------
    grid : recording.Grid or None
        None: where the electrodes are is not known, nothing is moved.
    normalisation : normalisation.Normalisation

    Returns
    -------
    numpy.ndarray of float32, shape (shifts, channels, channels)
        To multiply normalised channels with; one for each pair of `SHIFTS`.
    """
    matrix = normalisation.matrix
    if grid is None:
        return np.eye(len(matrix), dtype=np.float32)[None]
    weights = move_matrices(grid, SHIFTS)
    return (matrix @ weights @ np.linalg.inv(matrix)).astype(np.float32)


class MUFNet(Network):
    r"""MUF-Net: motor-unit filters, a gate for the noise, and one small detector for all units.

    With a window x of channels and samples, motor units m and n, noise levels k::

        s_mk(t) = sum_cl w_mkcl x_c(t + l)       filters, from `cbss.filter_bank`
        p_k     = log mean_mt s_mk(t)^2          how loud the separated signals are
        s_m(t)  = sum_k softmax_k(G(p)) s_mk(t)  gate G: two layers
        q_m(t)  = 2 s_m(t) |s_m(t)|              square with sign: discharges stand out
        r_m(t)  = q_m(t) + sum_n a_mn q_n(t)     units inhibit or support each other, a_mm = 0
        logit_m = g_m D(r_m, p) + b_m            detector D: shared by all motor units

    D is a convolution of 5 samples and two fully connected layers. Sharing it lets few discharges
    of many motor units train it together. The output biases b start at the share of positive
    windows, so that the rarity of discharges does not have to be learned; the loss stays
    unweighted, which keeps the outputs probabilities.

    In training, windows are changed as real recordings change: electrodes moved by up to half their
    distance (a fifth of the windows), amplitude (10 %), white noise (up to 0.4 standard deviations
    of the EMG, half of the windows), lost channels (up to a fifth, half of the windows). The gate
    learns from it which filters to trust.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
        `window` at least 20 samples.
    without : str
        Part to take away, a name in `ABLATIONS`; "" for none.
    """

    min_window = N_LAGS + 4
    own = ("without",)

    def __init__(self, window, n_motor_units, n_channels=64, without=""):
        super().__init__()
        self.without, n_hidden = without, 16
        self.n_levels = 1 if without == "noise filters" else len(NOISE)
        self.filters = nn.Conv1d(n_channels, n_motor_units * self.n_levels, N_LAGS, bias=False)
        self.loudness = nn.BatchNorm1d(self.n_levels, affine=False)
        self.gate = nn.Sequential(
            nn.Linear(self.n_levels, n_hidden), nn.ReLU(), nn.Linear(n_hidden, self.n_levels)
        )
        self.interaction = nn.Parameter(torch.zeros(n_motor_units, n_motor_units))
        self.shape = nn.Sequential(nn.Conv1d(1, n_hidden, 5), nn.ReLU())
        n_features = n_hidden * (window - N_LAGS - 3) + 1 + self.n_levels
        self.detector = nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, 1))
        self.gain = nn.Parameter(torch.ones(n_motor_units))
        self.bias = nn.Parameter(torch.zeros(n_motor_units))
        self.register_buffer("shifts", torch.eye(n_channels)[None], persistent=False)

    def _initialise(self, filters, positive, shifts):
        """Start from `_fit_filters`, the share of windows with a discharge and `shift_matrices`."""
        self.shifts = torch.from_numpy(shifts)
        if self.without != "initialisation":
            weight = torch.from_numpy(filters[: self.n_levels]).float().transpose(0, 1)
            self.filters.weight.data = weight.flatten(0, 1).contiguous()
        self.bias.data = torch.logit(torch.from_numpy(positive).float(), eps=1e-3)

    @classmethod
    def check(cls, run):
        """Refuse a run that this decoder cannot carry out."""
        super().check(run)
        if run.without and run.without not in ABLATIONS:
            raise ValueError(f"without={run.without!r}: choose one of {list(ABLATIONS)}")
        if run.fit_offsets:
            raise ValueError(
                f"fit_offsets=True: leave it out for {run.network}, which always fits the lags of "
                "its own filters"
            )

    def prepare(self, recording, run, starts, fold, mask, normalisation):
        """Fit the filters it starts from; their lags are the offsets of the labels."""
        warn_of_rate(recording.fs, "MUF-Net")
        filters, lags = _fit_filters(recording, mask, normalisation, self.without)
        positive = segment.run_labels(recording, run, starts, lags)[fold.train].mean(axis=0)
        self._initialise(filters, positive, shift_matrices(recording.grid, normalisation))
        return lags

    def parameter_groups(self, learning_rate):
        """Parameters with their learning rates: the fitted filters change a 500th as fast."""
        slow = {"filter training": 0.0, "initialisation": 1.0}.get(self.without, 0.002)
        others = [p for name, p in self.named_parameters() if not name.startswith("filters")]
        return [
            {"params": others, "lr": learning_rate},
            {"params": self.filters.parameters(), "lr": slow * learning_rate},
        ]

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        if self.training and self.without != "augmentation":
            x = _augmented(x, self.shifts if self.without != "electrode shift" else None)
        sources = self.filters(x).unflatten(1, (-1, self.n_levels))  # (batch, units, levels, time)
        power = torch.log(sources.square().mean((1, 3)) + 1e-4)
        loudness = self.loudness(power)  # (batch, levels)
        gate = torch.softmax(self.gate(loudness), 1)[:, None, :, None]
        source = (gate * sources).sum(2)
        if self.without != "squaring":
            source = 2 * source * source.abs()
        if self.without != "interaction":
            others = self.interaction - torch.diag(torch.diagonal(self.interaction))
            source = source + others @ source
        return self._detect(source, loudness)

    def _detect(self, source, loudness):
        batch, units, _ = source.shape
        shape = self.shape(source.reshape(batch * units, 1, -1)).reshape(batch, units, -1)
        own = torch.log(source.abs().mean(2, keepdim=True) + 1e-4)
        every = loudness[:, None].expand(-1, units, -1)
        features = torch.cat([shape, own, every], 2)
        return self.detector(features)[..., 0] * self.gain + self.bias


def _augmented(x, shifts):
    """Windows with moved electrodes, another amplitude, noise, lost channels, each its own."""
    batch, channels = x.shape[:2]

    def drawn(size=1):
        return torch.rand(batch, size, 1, device=x.device)

    if shifts is not None:
        moved = torch.randperm(batch, device=x.device)[: round(0.2 * batch)]
        chosen = shifts[torch.randint(len(shifts), (len(moved),), device=x.device)]
        x = x.clone()
        x[moved] = (chosen @ x[moved]).to(x.dtype)
    x = x * (1 + 0.1 * torch.randn(batch, 1, 1, device=x.device))
    x = x + 0.4 * drawn() * (drawn() < 0.5) * torch.randn_like(x)
    lost = (drawn(channels) < 0.2 * drawn()) & (drawn() < 0.5)
    return x.masked_fill(lost, 0)
