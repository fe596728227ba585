"""`make benchmark`: all parts, or those that are named."""

import sys

from hdsemg_nb.benchmark import inference, training

PARTS = {"training": training, "inference": inference}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part].run()
