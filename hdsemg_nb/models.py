"""The three networks of the paper, by their paper names, and what stands beside them.

Every network takes windows of shape (batch, channels, window) and returns logits of shape
(batch, motor units); a sigmoid makes them probabilities.
"""

import difflib

import torch
from torch import nn

from hdsemg_nb.filter_network import MUFNet


class Thinning(nn.Conv2d):
    """Convolution 1 x 1 of every n-th row and column: a strided one, in two steps.

    In one step oneDNN writes past its buffer in the backward pass when a convolution has fewer
    than 16 input channels, as in a narrow ML-DRSNet (github.com/uxlfoundation/oneDNN issue 6035).

    Parameters
    ----------
    channels_in, channels_out, n : int
    """

    def __init__(self, channels_in, channels_out, n):
        super().__init__(channels_in, channels_out, 1, bias=False)
        self.n = n

    def forward(self, x):
        """Features of shape (batch, channels, rows, columns), rows and columns thinned out."""
        return super().forward(x[:, :, :: self.n, :: self.n])


class ShrinkageBlock(nn.Module):
    """Residual shrinkage building unit with channel-wise thresholds (RSBU-CW).

    Conv 3x3 - BN - ReLU - Conv 3x3 - BN - soft threshold, plus the shortcut, then ReLU. The
    threshold of each channel is its mean absolute value times a number in (0, 1) that a small
    network sets from the mean absolute values of all channels: FC - BN - ReLU - FC - sigmoid. It
    is below the largest absolute value, so a channel is never all zero.

    Parameters
    ----------
    channels_in, channels_out : int
    stride : int
        Of the first convolution and of the shortcut.

    References
    ----------
    Zhao et al. 2020, IEEE Trans Ind Inf 16:4681, Eq. 9-14, doi:10.1109/TII.2019.2943898.
    """

    def __init__(self, channels_in, channels_out, stride=1):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
        )
        self.attention = nn.Sequential(
            nn.Linear(channels_out, channels_out),
            nn.BatchNorm1d(channels_out),
            nn.ReLU(),
            nn.Linear(channels_out, channels_out),
            nn.Sigmoid(),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                Thinning(channels_in, channels_out, stride),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x):
        """Features of shape (batch, channels in, rows, columns) to (batch, channels out, ...)."""
        features = self.body(x)
        size = features.abs()
        mean_size = size.mean(dim=(2, 3))  # (batch, channels)
        threshold = (mean_size * self.attention(mean_size))[:, :, None, None]
        sign = features.detach().sign()  # constant where it has a gradient
        shrunk = sign * torch.relu(size - threshold)  # soft threshold
        return torch.relu(shrunk + self.shortcut(x))


class MLDRSNet(nn.Module):
    """ML-DRSNet: multi-label deep residual shrinkage network (Ma et al. 2025).

    Conv 3x3 (64) - BN - ReLU; eight `ShrinkageBlock` of 64, 64, 128, 128, 256, 256, 512, 512
    channels; global average pooling; flatten; FC to the motor units.

    The paper says the layer list above, kernel 3 x 3, padding 1, and that the thresholds use
    |x| of "the final BN layer". We chose what it leaves open: the window is an image of one
    channel, electrodes x samples ("3 x 3" and "padding of 1" speak for two dimensions); first
    strides 1, 2, 2, 2 of the four widths as in a ResNet-18 for small images; 1 x 1 convolution and
    BN in the shortcut where the shape changes; no ReLU before the pooling but the block's own;
    fully connected layers of the attention as wide as the block; no bias before a BN.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
        The weights depend on `n_motor_units` alone.
    width : float
        Times the numbers of channels above. Below 1 it is a reduced network: cheaper, and not the
        paper's.

    References
    ----------
    Ma et al. 2025, J NeuroEng Rehabil 22:106, "Network structure of ML-DRSNet" and Fig. 3b,
    doi:10.1186/s12984-025-01639-3.
    """

    min_window = 1

    def __init__(self, window, n_motor_units, n_channels=64, width=1.0):
        super().__init__()
        widths, strides = (64, 64, 64, 128, 128, 256, 256, 512, 512), (1, 1, 2, 1, 2, 1, 2, 1)
        widths = [max(1, round(width * channels)) for channels in widths]
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            *(ShrinkageBlock(*size) for size in zip(widths, widths[1:], strides, strict=False))
        )
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], n_motor_units)
        )

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        return self.head(self.features(x))

    def features(self, x):
        """Windows to the features before the pooling: what is the same for any motor units."""
        return self.blocks(self.stem(x[:, None]))  # one image: (batch, 1, ...)


def _pooled(n_samples):
    """Samples left after two valid convolutions of 3 samples and a pooling of 2."""
    return (n_samples - 4) // 2


class Dropout(nn.Dropout):
    """Dropout whose mask a CPU draws four times as fast as that of `torch.nn.Dropout`."""

    def forward(self, x):
        """Features with a share `p` of them set to 0 and the others scaled up, in training."""
        if not self.training:
            return x
        kept = torch.rand_like(x, dtype=torch.float32) >= self.p
        return x * (kept / (1 - self.p)).to(x.dtype)


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


def _conv(channels_in, channels_out, branches=1):
    """Convolution along time of 3 samples, without padding."""
    return nn.Conv2d(channels_in, channels_out, (1, 3), groups=branches)


def _pool():
    return nn.MaxPool2d((1, 2))


def _shared_layers(n_channels):
    """The layers that the two DCNNs begin with."""
    return (
        _conv(n_channels, 128),
        nn.ReLU(),
        _conv(128, 128),
        nn.ReLU(),
        _pool(),
        Dropout(0.5),
    )


def _as_rows(x):
    """Windows (batch, channels, window) as the rows of one image, (1, channels, batch, window).

    Kernels of one row do not mix windows. For short windows a CPU is up to three times as fast
    with one image of many rows as with many images of one row.
    """
    return x.transpose(0, 1)[None]


class MLDCNN(nn.Module):
    """ML-DCNN: multi-label deep convolutional neural network (Ma et al. 2025).

    Conv 3 (128) - ReLU - Conv 3 (128) - ReLU - max pool 2 - dropout 0.5 - Conv 3 (128) - ReLU -
    Conv 3 (64) - ReLU - max pool 2 - dropout 0.5 - flatten - FC 256 - ReLU - dropout 0.5 - FC.

    The paper says four convolutions of 128, 128, 128, 64 channels, two max poolings, three
    dropouts of 0.5, two fully connected layers of 256 and M, ReLU and a final sigmoid. We chose
    the order of Wen et al. 2021 whose network it follows: convolutions along time, electrodes as
    channels, kernel 3, no padding, stride 1.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
        `window` at least 16 samples.

    References
    ----------
    Ma et al. 2025, "Network structure of ML-DCNN" and Fig. 3a, doi:10.1186/s12984-025-01639-3;
    Wen et al. 2021, J Neural Eng 18, doi:10.1088/1741-2552/abeead.
    """

    min_window = 16

    def __init__(self, window, n_motor_units, n_channels=64):
        super().__init__()
        self.features = nn.Sequential(
            *_shared_layers(n_channels),
            _conv(128, 128),
            nn.ReLU(),
            _conv(128, 64),
            nn.ReLU(),
            _pool(),
            Dropout(0.5),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * _pooled(_pooled(window)), 256),
            nn.ReLU(),
            Dropout(0.5),
            nn.Linear(256, n_motor_units),
        )

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        features = self.features(_as_rows(x))  # (1, 64, batch, samples)
        return self.head(features.transpose(0, 2))


class MTDCNN(nn.Module):
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
        self.shared = nn.Sequential(*_shared_layers(n_channels))
        # first and second convolution of the branches; the first sees all shared features
        self.first = nn.Sequential(_conv(128, 128 * m), nn.ReLU())
        self.second = nn.Sequential(
            _conv(128 * m, 64 * m, branches=m), nn.ReLU(), _pool(), Dropout(0.5)
        )
        self.head = nn.Sequential(
            BranchLinear(m, 64 * _pooled(_pooled(window)), 256),
            nn.ReLU(),
            Dropout(0.5),
            BranchLinear(m, 256, 1),
        )

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        features = self.first(self.shared(_as_rows(x)))  # (1, 128 M, batch, samples)
        features = self.second(features.transpose(0, 2))  # (batch, 64 M, 1, samples)
        branches = features.unflatten(1, (self.n_branches, 64)).transpose(0, 1)
        return self.head(branches.flatten(2))[..., 0].T  # (M, batch, 1) -> (batch, M)


class LinearClassifier(nn.Sequential):
    """The least that can be trained: one weight for each sample of the window and motor unit.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
    """

    min_window = 1

    def __init__(self, window, n_motor_units, n_channels=64):
        super().__init__(nn.Flatten(), nn.Linear(n_channels * window, n_motor_units))


NETWORKS = {"ML-DRSNet": MLDRSNet, "ML-DCNN": MLDCNN, "MT-DCNN": MTDCNN}  # the paper's
OURS = "MUF-Net"
DECODERS = {**NETWORKS, "linear classifier": LinearClassifier, OURS: MUFNet}


def build_model(name, window, n_motor_units, n_channels=64, width=1.0, without=""):
    """Build a network by its name.

    Parameters
    ----------
    name : str
        In `DECODERS`.
    window : int
        Window W in samples.
    n_motor_units : int
        Number of outputs M, at least 1.
    n_channels : int
        Number of EMG channels.
    width : float
        Of ML-DRSNet.
    without : str
        Of MUF-Net.

    Returns
    -------
    torch.nn.Module
        Takes (batch, n_channels, window), returns logits (batch, n_motor_units).

    Raises
    ------
    ValueError
        For an unknown name or a size the network cannot take.
    """
    check_network(name, window, n_motor_units, n_channels)
    options = {"ML-DRSNet": {"width": width}, OURS: {"without": without}}.get(name, {})
    return DECODERS[name](window, n_motor_units, n_channels, **options)


def check_network(name, window, n_motor_units=1, n_channels=1):
    """Refuse an unknown name or a size the network cannot take, without building it.

    Parameters
    ----------
    name, window, n_motor_units, n_channels
        As in `build_model`.

    Raises
    ------
    ValueError
        Names the value and what is allowed.
    """
    if name not in DECODERS:
        near = difflib.get_close_matches(str(name), DECODERS, n=1, cutoff=0.3)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"Unknown network {name!r}. {hint}Choose one of {list(DECODERS)}")
    least = dict(window=DECODERS[name].min_window, n_motor_units=1, n_channels=1)
    sizes = dict(window=window, n_motor_units=n_motor_units, n_channels=n_channels)
    for size, value in sizes.items():
        if value < least[size]:
            raise ValueError(f"{size}={value}: {name} needs at least {least[size]}")
