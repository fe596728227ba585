"""Synthetic HD-sEMG of the gastrocnemius medialis, with known discharge times."""
# ruff: noqa: F401

from hdsemg_nb.datasets.synthetic.cohort import synthetic_cohort
from hdsemg_nb.datasets.synthetic.simulation import Setup, electrode_positions, simulate
