"""The decoder in real time: exported, fed with a stream of samples, and timed."""
# ruff: noqa: F401

from hdsemg_nb.latency.decoder import Decoder
from hdsemg_nb.latency.export import export, load_decoder
from hdsemg_nb.latency.stream import Stream
from hdsemg_nb.latency.streamed import SampleStream, StreamedDecoder
from hdsemg_nb.latency.timing import eager, measure, replay
