"""Linear separation of motor units: blind, and as a filter for new samples."""
# ruff: noqa: F401

from hdsemg_nb.cbss.adaptive import AdaptiveFilter
from hdsemg_nb.cbss.adaptive_stream import AdaptiveStream
from hdsemg_nb.cbss.decomposition import NoMotorUnit, decompose, recovery
from hdsemg_nb.cbss.filter import MotorUnitFilter, filter_bank
from hdsemg_nb.cbss.quality import pulse_to_noise_ratio, silhouette
