"""The decoder in real time: exported, fed with a stream of samples, and timed."""

from hdsemg_nb.latency.decoder import Decoder, engines
from hdsemg_nb.latency.export import export
from hdsemg_nb.latency.stream import Stream
from hdsemg_nb.latency.timing import eager, measure, replay

__all__ = [
    "Decoder",
    "Stream",
    "eager",
    "engines",
    "export",
    "measure",
    "replay",
]
