"""Sources of recordings: each function returns `Recording`s."""

from hdsemg_nb.datasets.features import compare, summarise
from hdsemg_nb.datasets.hug2021 import fetch_hug_operators, load_demuse, load_hug2021
from hdsemg_nb.datasets.muedit import load_muedit
from hdsemg_nb.datasets.openhdemg import load_openhdemg, save_openhdemg
from hdsemg_nb.datasets.otb import load_otb
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.sources import describe, load_recordings
from hdsemg_nb.datasets.synthetic import electrode_positions, simulate, synthetic_cohort

__all__ = [
    "compare",
    "describe",
    "electrode_positions",
    "fetch_hug_operators",
    "fetch_sample",
    "load_demuse",
    "load_hug2021",
    "load_muedit",
    "load_openhdemg",
    "load_otb",
    "load_recordings",
    "save_openhdemg",
    "simulate",
    "summarise",
    "synthetic_cohort",
]
