"""`python -m hdsemg_nb.live`: decode a stream, send a recording, or calibrate a decoder."""

import argparse
import signal

from hdsemg_nb import live
from hdsemg_nb.datasets import fetch_sample, load
from hdsemg_nb.latency import load_decoder
from hdsemg_nb.live.calibration import prepared
from hdsemg_nb.live.log import check_empty
from hdsemg_nb.signal_check import check_signal, repair


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m hdsemg_nb.live", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("decoder", nargs="?", help="an exported decoder: decode a stream")
    what.add_argument("--replay", metavar="FILE", help="send a recording; 'sample': the real one")
    what.add_argument("--calibrate", metavar="SECONDS", type=float, help="record, train, decode")
    parser.add_argument("--fs", type=float, help="Hz, of --replay of an array")
    parser.add_argument("--unit", help="likewise: uV, mV or V")
    parser.add_argument("--to", default="decoder.npz", help="of --calibrate (%(default)s)")
    parser.add_argument("--name", default="", help="of the stream")
    parser.add_argument("--type", default="EMG", help="of the stream (%(default)s)")
    parser.add_argument("--source-id", default="", help="tells streams of one name apart")
    parser.add_argument("--host", default="", help="that as well")
    parser.add_argument("--minutes", type=float, help="default: until interrupted, a file once")
    parser.add_argument("--chunk", type=int, default=20, help="samples sent together (20)")
    parser.add_argument("--log", metavar="FOLDER", help="write a log")
    return parser.parse_args()


def main():
    """Run one of the three."""
    given = _arguments()
    if given.replay:
        name = given.name or "replay"
        about = {key: value for key in ("fs", "unit") if (value := getattr(given, key))}
        recording = fetch_sample() if given.replay == "sample" else load(given.replay, **about)
        return live.send(recording, name, given.chunk, given.minutes)
    source = live.Source(given.name, given.type, given.source_id, given.host)
    if given.log:
        check_empty(given.log)  # before minutes of work
    if given.calibrate is not None:
        prepared(given.to)
        recording = live.record(given.calibrate, source)
        channels, notes = check_signal(recording)
        bad = channels.query("problem != ''").set_index("channel")["problem"]
        print(bad.to_string() if len(bad) else "no channel has a problem", *notes, sep="\n")
        bad = channels.query("action == 'interpolate'")["channel"]
        quality = live.calibrate(repair(recording, bad), given.to)
        print(quality.round(2).to_string(index=False))
    decoder = load_decoder(given.decoder or given.to, threads=1)
    print(live.Receiver(decoder, source, given.log).run(given.minutes))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends it as Ctrl-C does
    try:
        main()
    except KeyboardInterrupt:
        print("stopped")
    except (ValueError, ImportError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
