"""ML-DRSNet, the network of the paper."""

import torch
from torch import nn

from hdsemg_nb.decoders.network import Network


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


class MLDRSNet(Network):
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

    own = ("width",)
    compiled_on_gpu = True

    @classmethod
    def check(cls, run):
        """Refuse a run that this decoder cannot carry out."""
        super().check(run)
        if not 0 < run.width <= 1:
            raise ValueError(f"width={run.width}: above 0 and at most 1")

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
