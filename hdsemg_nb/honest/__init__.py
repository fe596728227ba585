"""Honest evaluation: what the paper's protocol cannot see."""

from hdsemg_nb.honest.conclusions import (
    cautions,
    markdown,
    on_leakage,
    on_peers,
    on_readings,
    on_robustness,
    on_settings,
    on_thresholds,
    on_trains,
    page,
    recommendations,
)
from hdsemg_nb.honest.leakage import leakage, shared_windows, summarise, under_both_splits
from hdsemg_nb.honest.peers import beats_filter, compare_peers, gather_counts, with_always_positive
from hdsemg_nb.honest.readings import (
    reading_scores,
    reading_trends,
    run_readings,
    shifted,
    verdicts,
)
from hdsemg_nb.honest.thresholds import (
    average_precision,
    curves,
    identified,
    precision_recall,
    threshold_table,
)
from hdsemg_nb.honest.trains import (
    compare_trains,
    decoded_trains,
    drive_table,
    separated_trains,
)

__all__ = [
    "average_precision",
    "beats_filter",
    "cautions",
    "compare_peers",
    "compare_trains",
    "curves",
    "decoded_trains",
    "drive_table",
    "gather_counts",
    "identified",
    "leakage",
    "markdown",
    "on_leakage",
    "on_peers",
    "on_readings",
    "on_settings",
    "on_robustness",
    "on_thresholds",
    "on_trains",
    "page",
    "precision_recall",
    "reading_scores",
    "reading_trends",
    "recommendations",
    "run_readings",
    "separated_trains",
    "shared_windows",
    "shifted",
    "summarise",
    "threshold_table",
    "under_both_splits",
    "verdicts",
    "with_always_positive",
]
