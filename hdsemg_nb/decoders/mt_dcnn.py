"""MT-DCNN, the multi-task network of Wen et al. 2021."""

import torch
from torch import nn

from hdsemg_nb.decoders.ml_dcnn import Dropout, as_rows, convolution, pool, pooled, shared_layers
from hdsemg_nb.decoders.network import Network


class BranchLinear(nn.Module):
    """A fully connected layer for each branch, drawn like `torch.nn.Linear`.

    Parameters
    ----------
    branches, n_in, n_out : int
    """

    def __init__(self, branches, n_in, n_out):
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(branches, n_in, n_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(branches, 1, n_out).uniform_(-bound, bound))

    def forward(self, x):
        """Features of shape (branches, batch, in) to (branches, batch, out)."""
        return torch.baddbmm(self.bias, x, self.weight)


def as_products(convolve, x):
    """A grouped convolution of 3 samples as a batched matrix product, which suits a GPU better."""
    m, batch = convolve.groups, len(x)
    pieces = x[:, :, 0].unflatten(1, (m, -1)).unfold(3, 3, 1)  # (batch, M, channels, samples, 3)
    pieces = pieces.permute(1, 0, 3, 2, 4).flatten(1, 2).flatten(2)
    weight = convolve.weight.unflatten(0, (m, -1)).flatten(2).transpose(1, 2)
    y = torch.baddbmm(convolve.bias.reshape(m, 1, -1), pieces, weight)  # (M, batch samples, 64)
    return y.unflatten(1, (batch, -1)).permute(1, 0, 3, 2).flatten(1, 2)[:, :, None]


class MTDCNN(Network):
    """MT-DCNN: multi-task deep convolutional neural network (Wen et al. 2021).

    Shared: Conv 3 (128) - ReLU - Conv 3 (128) - ReLU - max pool 2 - dropout 0.5. Then for each
    motor unit a branch of its own: Conv 3 (128) - ReLU - Conv 3 (64) - ReLU - max pool 2 -
    dropout 0.5 - flatten - FC 256 - ReLU - dropout 0.5 - FC 1.

    The paper says it took the structure of Wen et al. 2021. We chose nothing but the form: the
    branches are computed together, as grouped convolutions and batched matrix products. The numbers
    are those of a loop over branches.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
        `window` at least 16 samples.

    References
    ----------
    Wen et al. 2021, J Neural Eng 18, doi:10.1088/1741-2552/abeead; Ma et al. 2025, "Comparative
    analysis", doi:10.1186/s12984-025-01639-3.
    """

    min_window = 16

    def __init__(self, window, n_motor_units, n_channels=64):
        super().__init__()
        m = self.n_branches = n_motor_units
        self.shared = nn.Sequential(*shared_layers(n_channels))
        # first and second convolution of the branches; the first sees all shared features
        self.first = nn.Sequential(convolution(128, 128 * m), nn.ReLU())
        self.second = nn.Sequential(
            convolution(128 * m, 64 * m, branches=m), nn.ReLU(), pool(), Dropout(0.5)
        )
        self.head = nn.Sequential(
            BranchLinear(m, 64 * pooled(pooled(window)), 256),
            nn.ReLU(),
            Dropout(0.5),
            BranchLinear(m, 256, 1),
        )

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        features = self.first(self.shared(as_rows(x)))  # (1, 128 M, batch, samples)
        features = features.transpose(0, 2)  # (batch, 128 M, 1, samples)
        convolve = self.second[0]
        features = as_products(convolve, features) if x.is_cuda else convolve(features)
        features = self.second[1:](features)  # (batch, 64 M, 1, samples)
        branches = features.unflatten(1, (self.n_branches, 64)).transpose(0, 1)
        return self.head(branches.flatten(2))[..., 0].T  # (M, batch, 1) -> (batch, M)
