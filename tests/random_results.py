"""Results table of a sweep that never was: random counts, for tests of tables and figures."""

from itertools import product

import numpy as np
import pandas as pd

FULL = dict(n_subjects=16, windows=(20, 60, 100, 140), steps=(10, 20, 30, 40, 50))
REDUCED = dict(n_subjects=3, windows=(20, 140), steps=(10, 50))
NETWORKS = {"ML-DRSNet": 0.9, "ML-DCNN": 1.1, "MT-DCNN": 0.7}


def random_results(n_subjects=3, windows=(20, 140), steps=(10, 50), mvc=(10, 30, 50), seed=0):
    """Random counts of the paper's networks, shuffled and blocked, as `results.load` has them."""
    rng = np.random.default_rng([seed, n_subjects])
    tables = []
    for subject, intensity in product(range(n_subjects), mvc):
        ability, n_units = rng.normal(0, 0.7), int(rng.integers(3, 12))
        for run in product(NETWORKS, windows, steps, ("shuffled", "blocked")):
            tables.append(_counts(rng, ability - intensity / 40, n_units, *run))
            about = {"subject": f"S{subject + 1:02d}", "mvc": intensity}
            about["recording_digest"] = f"{subject}/{intensity}"
            tables[-1] = {**about, **tables[-1]}
    return pd.concat([pd.DataFrame(table) for table in tables], ignore_index=True)


def _counts(rng, ability, n_units, network, window, step, split):
    skill = NETWORKS[network] * (1 + ability + window / 70 + step / 50) - (split == "blocked")
    share = 1 / (1 + np.exp(-skill - rng.normal(0, 0.5, 5 * n_units)))
    columns = {
        "fold": np.repeat(range(5), n_units),
        "motor_unit": np.tile(range(n_units), 5),
        "network": network, "window": window, "step": step, "split": split, "span": "step",
        "epochs": 3, "n_folds": 5, "tested_folds": 5, "learning_rate": 1e-4, "seed": 0,
        "recording": "synthetic, random counts of the tests", "date": "2026-01-01",
        "epoch_seconds": 10.0 / step, "best_epoch": 2, "whiten": False, "device": "a processor",
    }  # fmt: skip
    for prefix in ("", "val_"):
        tp = rng.binomial(60, share)
        fp = rng.binomial(60, (1 - share) / 2)
        counts = {"n_windows": 1000, "tp": tp, "fp": fp, "fn": 60 - tp}
        columns |= {prefix + name: value for name, value in counts.items()}
    return columns
