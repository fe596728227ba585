"""Sources of recordings: each function returns `Recording`s."""

from hdsemg_nb.datasets.hug2021 import fetch_hug_operators as fetch_hug_operators
from hdsemg_nb.datasets.hug2021 import load_demuse as load_demuse
from hdsemg_nb.datasets.hug2021 import load_hug2021 as load_hug2021
from hdsemg_nb.datasets.muedit import load_muedit as load_muedit
from hdsemg_nb.datasets.openhdemg import load_openhdemg as load_openhdemg
from hdsemg_nb.datasets.openhdemg import save_openhdemg as save_openhdemg
from hdsemg_nb.datasets.otb import load_otb as load_otb
from hdsemg_nb.datasets.sample import fetch_sample as fetch_sample
from hdsemg_nb.datasets.sources import describe as describe
from hdsemg_nb.datasets.sources import load_recordings as load_recordings
from hdsemg_nb.datasets.synthetic import electrode_positions as electrode_positions
from hdsemg_nb.datasets.synthetic import simulate as simulate
from hdsemg_nb.datasets.synthetic import synthetic_cohort as synthetic_cohort
