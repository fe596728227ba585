"""The decoders by name: a new one is a file beside this and an entry here."""

import difflib

from hdsemg_nb.decoders.adaptive_filter import AdaptiveDecoder
from hdsemg_nb.decoders.adaptive_net import AdaptiveNet
from hdsemg_nb.decoders.linear_classifier import LinearClassifier
from hdsemg_nb.decoders.ml_dcnn import MLDCNN
from hdsemg_nb.decoders.ml_drsnet import MLDRSNet
from hdsemg_nb.decoders.motor_unit_filter import FilterDecoder
from hdsemg_nb.decoders.mt_dcnn import MTDCNN
from hdsemg_nb.decoders.muf_net import MUFNet
from hdsemg_nb.decoders.network import Network

PAPER_NETWORKS = ("ML-DRSNet", "ML-DCNN", "MT-DCNN")
FILTER = "motor-unit filter"
ADAPTIVE = "adaptive filter"
LINEAR = "linear classifier"
OURS = "MUF-Net"
STREAMED = "adaptive MUF-Net"
DECODERS = {
    "ML-DRSNet": MLDRSNet,
    "ML-DCNN": MLDCNN,
    "MT-DCNN": MTDCNN,
    LINEAR: LinearClassifier,
    FILTER: FilterDecoder,
    ADAPTIVE: AdaptiveDecoder,
    OURS: MUFNet,
    STREAMED: AdaptiveNet,
}

NETWORKS = tuple(name for name, one in DECODERS.items() if issubclass(one, Network))  # of windows


def kind(name):
    """Decoder of a name.

    Raises
    ------
    ValueError
        For an unknown name; names the nearest.
    """
    if name not in DECODERS:
        near = difflib.get_close_matches(str(name), DECODERS, n=1, cutoff=0.3)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"Unknown decoder {name!r}. {hint}Choose one of {list(DECODERS)}")
    return DECODERS[name]
