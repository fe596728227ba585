"""Linear separation of motor units: blind, and as a filter for new samples."""

from hdsemg_nb.cbss.decomposition import Decomposition, NoMotorUnit, decompose, recovery
from hdsemg_nb.cbss.filter import MotorUnitFilter, filter_bank, pulse_to_noise_ratio

__all__ = [
    "Decomposition",
    "MotorUnitFilter",
    "NoMotorUnit",
    "decompose",
    "filter_bank",
    "pulse_to_noise_ratio",
    "recovery",
]
