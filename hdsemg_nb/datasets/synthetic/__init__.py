"""Synthetic HD-sEMG of the gastrocnemius medialis, with known discharge times."""

from hdsemg_nb.datasets.synthetic.cohort import (
    Simulation,
    Truth,
    electrode_positions,
    simulate,
    synthetic_cohort,
)

__all__ = ["Simulation", "Truth", "electrode_positions", "simulate", "synthetic_cohort"]
