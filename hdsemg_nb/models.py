from hdsemg_nb.decoders import *  # noqa
from hdsemg_nb.decoders import DECODERS, PAPER_NETWORKS, OURS, FILTER  # noqa
from hdsemg_nb.decoders.ml_drsnet import *  # noqa
from hdsemg_nb.decoders.ml_dcnn import *  # noqa
from hdsemg_nb.decoders.mt_dcnn import *  # noqa
from hdsemg_nb.decoders.linear_classifier import *  # noqa
NETWORKS = {n: DECODERS[n] for n in PAPER_NETWORKS}
