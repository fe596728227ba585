"""Speed of this package against what most people would write (`make benchmark`)."""

import re

from hdsemg_nb.results import device_name


def stem():
    """Name of the tables of this device, without suffix."""
    return "benchmark_" + re.sub(r"[^a-z0-9]+", "_", device_name().lower()).strip("_")
