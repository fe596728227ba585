"""ML-DCNN, the multi-label network that the paper compares with."""

import torch
from torch import nn

from hdsemg_nb.decoders.network import Network


def pooled(n_samples):
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


def convolution(channels_in, channels_out, branches=1):
    """Convolution along time of 3 samples, without padding."""
    return nn.Conv2d(channels_in, channels_out, (1, 3), groups=branches)


def pool():
    """Max pooling of 2 samples."""
    return nn.MaxPool2d((1, 2))


def shared_layers(n_channels):
    """The layers that the two DCNNs begin with."""
    return (
        convolution(n_channels, 128),
        nn.ReLU(),
        convolution(128, 128),
        nn.ReLU(),
        pool(),
        Dropout(0.5),
    )


def as_rows(x):
    """Windows (batch, channels, window) as the rows of one image, (1, channels, batch, window).

    Kernels of one row do not mix windows. For short windows a CPU is up to three times as fast
    with one image of many rows as with many images of one row.
    """
    return x.transpose(0, 1)[None]


class MLDCNN(Network):
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
            *shared_layers(n_channels),
            convolution(128, 128),
            nn.ReLU(),
            convolution(128, 64),
            nn.ReLU(),
            pool(),
            Dropout(0.5),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(64 * pooled(pooled(window)), 256),
            nn.ReLU(),
            Dropout(0.5),
            nn.Linear(256, n_motor_units),
        )

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        features = self.features(as_rows(x))  # (1, 64, batch, samples)
        return self.head(features.transpose(0, 2))
