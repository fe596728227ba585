"""Speed of this package against what most people would write (`make benchmark`)."""

import re
from pathlib import Path

import psutil

from hdsemg_nb import paths, tables
from hdsemg_nb.results import device_name

FOLDER = paths.RESULTS / "benchmarks"


def save(table, part, note):
    """Write a table of this device as <device>_<part>.csv, with a line on how it was measured."""
    device = re.sub(r"[^a-z0-9]+", "_", device_name().lower()).strip("_")
    FOLDER.mkdir(parents=True, exist_ok=True)
    tables.write(table, FOLDER / f"{device}_{part}.csv", note)


def memory_mb(largest=False):
    """Main memory that this process takes, or the largest it has taken so far, in MB.

    macOS does not tell the largest of a process alone: there it is what the process takes now.
    """
    now = psutil.Process().memory_info()
    status = Path("/proc/self/status")
    if not largest:
        return now.rss / 1e6
    if status.exists():  # Linux
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    return getattr(now, "peak_wset", now.rss) / 1e6  # Windows
