"""Synthetic HD-sEMG of the gastrocnemius medialis, with known discharge times."""

from hdsemg_nb.datasets.synthetic.cohort import synthetic_cohort as synthetic_cohort
from hdsemg_nb.datasets.synthetic.simulation import electrode_positions as electrode_positions
from hdsemg_nb.datasets.synthetic.simulation import simulate as simulate
