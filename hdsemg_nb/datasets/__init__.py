"""Sources of recordings: each function returns `Recording`s; `load` finds the format itself."""
# ruff: noqa: F401

from hdsemg_nb.datasets.arrays import load_array
from hdsemg_nb.datasets.bids import load_bids
from hdsemg_nb.datasets.edf import load_edf
from hdsemg_nb.datasets.formats import load
from hdsemg_nb.datasets.hug2021 import load_demuse, load_hug2021
from hdsemg_nb.datasets.muedit import load_muedit
from hdsemg_nb.datasets.openhdemg import load_openhdemg, save_openhdemg
from hdsemg_nb.datasets.otb import load_otb
from hdsemg_nb.datasets.otb_archive import load_otb4, load_otb_plus
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.save import load_mat, save_bids, save_csv, save_events_tsv, save_mat
from hdsemg_nb.datasets.sources import load_recordings
from hdsemg_nb.datasets.synthetic import Setup, electrode_positions, simulate, synthetic_cohort
