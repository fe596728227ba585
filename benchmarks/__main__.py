"""`make benchmark`: all parts, or the one that is named."""

import argparse

from benchmarks import inference, live, scale, training

PARTS = {"training": training, "inference": inference, "live": live, "scale": scale}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="?", choices=PARTS, help="default: all")
    part = parser.parse_args().part
    for name in [part] if part else PARTS:
        PARTS[name].run()
