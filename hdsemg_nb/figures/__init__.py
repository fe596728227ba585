"""DataFrame or Recording -> figure on disk, in the sizes of a journal."""

from hdsemg_nb.figures.comparison import (
    draw_intensities,
    draw_networks_by_intensity,
    draw_networks_compared,
    draw_window_and_step,
)
from hdsemg_nb.figures.honest import (
    draw_leakage,
    draw_peers,
    draw_readings,
    draw_thresholds,
    draw_trains,
)
from hdsemg_nb.figures.latency import draw_latency
from hdsemg_nb.figures.networks import draw_networks
from hdsemg_nb.figures.pipeline import draw_pipeline, draw_windows
from hdsemg_nb.figures.recordings import (
    draw_grid_image,
    draw_muap_page,
    draw_muaps,
    draw_recording,
)
from hdsemg_nb.figures.robustness import draw_ablation, draw_robustness
from hdsemg_nb.figures.scores import draw_decoded, draw_scores
from hdsemg_nb.figures.style import NETWORK_COLOURS, ONE_COLUMN, STYLE, TWO_COLUMNS, save
from hdsemg_nb.figures.training import draw_learning_curves

__all__ = [
    "NETWORK_COLOURS",
    "ONE_COLUMN",
    "STYLE",
    "TWO_COLUMNS",
    "draw_ablation",
    "draw_decoded",
    "draw_grid_image",
    "draw_intensities",
    "draw_leakage",
    "draw_learning_curves",
    "draw_latency",
    "draw_muap_page",
    "draw_muaps",
    "draw_networks",
    "draw_networks_by_intensity",
    "draw_networks_compared",
    "draw_peers",
    "draw_pipeline",
    "draw_readings",
    "draw_recording",
    "draw_robustness",
    "draw_scores",
    "draw_thresholds",
    "draw_trains",
    "draw_window_and_step",
    "draw_windows",
    "save",
]
