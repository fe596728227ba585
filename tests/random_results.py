"""Results of a study that never was: random counts, for tests of tables and figures."""

from functools import cache
from itertools import product

import numpy as np
import pandas as pd

from hdsemg_nb.results import DEFAULTS

NETWORKS = {"ML-DRSNet": 0.9, "ML-DCNN": 1.1, "MT-DCNN": 0.7}


def random_results(n_subjects=3, windows=(20, 140), steps=(10, 50), mvc=(10, 30, 50)):
    """Random counts of the paper's networks by its protocol, as `results.read` has them."""
    return _random(n_subjects, windows, steps, mvc).copy()


@cache
def _random(n_subjects, windows, steps, mvc):
    rng = np.random.default_rng([0, n_subjects])
    tables = []
    for subject, intensity in product(range(n_subjects), mvc):
        ability, n_units = rng.normal(0, 0.7), int(rng.integers(3, 12))
        for run in product(NETWORKS, windows, steps):
            table = pd.DataFrame(_counts(rng, ability - intensity / 40, n_units, *run))
            name = f"{subject}/{intensity}/{'/'.join(map(str, run))}"
            about = {"subject": f"S{subject + 1:02d}", "mvc": float(intensity), "run": name}
            tables.append(table.assign(**about, recording_digest=f"{subject}/{intensity}"))
    return pd.concat(tables, ignore_index=True)


def _counts(rng, ability, n_units, network, window, step):
    skill = NETWORKS[network] * (1 + ability + window / 70 + step / 50)
    share = 1 / (1 + np.exp(-skill - rng.normal(0, 0.5, 5 * n_units)))
    columns = {
        **DEFAULTS, "fold": np.repeat(range(5), n_units),
        "motor_unit": np.tile(range(n_units), 5), "network": network, "window": window,
        "step": step, "tested_folds": 5, "recording": "synthetic, random counts of the tests",
        "date": "2026-01-01", "epoch_seconds": 10.0 / step, "best_epoch": 2, "f1_epoch": 4.0,
        "device": "a processor", "threads": 1, "seconds": 20.0,
    }  # fmt: skip
    for prefix in ("", "val_", "f1_"):
        tp = rng.binomial(60, share)
        fp = rng.binomial(60, (1 - share) / 2)
        counts = {"n_windows": 1000, "tp": tp, "fp": fp, "fn": 60 - tp}
        columns |= {prefix + name: value for name, value in counts.items()}
    return columns
