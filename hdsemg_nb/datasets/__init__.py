"""Sources of recordings: each function returns `Recording`s."""
# ruff: noqa: F401

from hdsemg_nb.datasets.hug2021 import load_demuse, load_hug2021
from hdsemg_nb.datasets.muedit import load_muedit
from hdsemg_nb.datasets.openhdemg import load_openhdemg, save_openhdemg
from hdsemg_nb.datasets.otb import load_otb
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.sources import load_recordings
from hdsemg_nb.datasets.synthetic import electrode_positions, simulate, synthetic_cohort
