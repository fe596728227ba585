"""The decoder in real time: exported, fed with a stream of samples, and timed."""

from hdsemg_nb.latency.decoder import Decoder, engines
from hdsemg_nb.latency.export import Deviation, TrainedDecoder, export, train_decoder
from hdsemg_nb.latency.faults import bad_streams
from hdsemg_nb.latency.replay import endurance, replay, summarise_replay
from hdsemg_nb.latency.stream import Decision, Stream
from hdsemg_nb.latency.tables import latency_table, table_04, table_11, total_latency
from hdsemg_nb.latency.timing import KEYS, benchmark, eager, measure, summarise

__all__ = [
    "KEYS",
    "Decision",
    "Decoder",
    "Deviation",
    "Stream",
    "TrainedDecoder",
    "bad_streams",
    "benchmark",
    "eager",
    "endurance",
    "engines",
    "export",
    "latency_table",
    "measure",
    "replay",
    "summarise",
    "summarise_replay",
    "table_04",
    "table_11",
    "total_latency",
    "train_decoder",
]
