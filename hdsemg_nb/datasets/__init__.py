"""Sources of recordings: each function returns `Recording`s."""

from hdsemg_nb.datasets.otb import load_otb
from hdsemg_nb.datasets.sample import fetch_sample

__all__ = ["fetch_sample", "load_otb"]
