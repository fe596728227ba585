"""Decoders: what a run is, and one file for each that can carry it out."""
# ruff: noqa: F401

from hdsemg_nb.decoders.registry import (
    ADAPTIVE,
    DECODERS,
    FILTER,
    LINEAR,
    NETWORKS,
    OURS,
    PAPER_NETWORKS,
    STREAMED,
)
from hdsemg_nb.decoders.run import Run


def build_model(network, window, n_motor_units, n_channels=64, **own):
    """An untrained network by its name.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    window : int
        Window W in samples.
    n_motor_units, n_channels : int
        At least 1.
    **own
        Settings of `Run` that this network alone has: `width`, `without`.

    Returns
    -------
    torch.nn.Module
        Takes (batch, n_channels, window), returns logits (batch, n_motor_units).

    Raises
    ------
    ValueError
        For an unknown name or a size the network cannot take.
    """
    run = Run(network, window, step=1, **own)
    if network not in NETWORKS:
        raise ValueError(f"network={network!r} must be one of {list(NETWORKS)}")
    return DECODERS[network].build(run, n_motor_units, n_channels)
