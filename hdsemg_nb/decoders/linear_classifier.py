"""The linear classifier: the simplest network that can be trained."""

from torch import nn

from hdsemg_nb.decoders.network import Network


class LinearClassifier(Network):
    """The least that can be trained: one weight for each sample of the window and motor unit.

    Parameters
    ----------
    window, n_motor_units, n_channels : int
    """

    def __init__(self, window, n_motor_units, n_channels=64):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(n_channels * window, n_motor_units))

    def forward(self, x):
        """Windows (batch, channels, window) to logits (batch, motor units)."""
        return self.layers(x)
