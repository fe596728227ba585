"""Linear separation of motor units: blind, and as a filter for new samples."""

from hdsemg_nb.cbss.decomposition import Decomposition as Decomposition
from hdsemg_nb.cbss.decomposition import NoMotorUnit as NoMotorUnit
from hdsemg_nb.cbss.decomposition import decompose as decompose
from hdsemg_nb.cbss.decomposition import recovery as recovery
from hdsemg_nb.cbss.filter import MotorUnitFilter as MotorUnitFilter
from hdsemg_nb.cbss.filter import filter_bank as filter_bank
from hdsemg_nb.cbss.filter import pulse_to_noise_ratio as pulse_to_noise_ratio
