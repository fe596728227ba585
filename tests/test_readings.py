from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import honest, trends

ENTRIES = [
    {"network": "ML-DCNN", "window": 20, "step": [20, 50], "epochs": 1, "n_folds": 3},
]


def test_shifted_labels_leave_what_falls_out(planted):
    first = planted.discharges[0][0]
    moved = honest.shifted(planted, -int(first) - 1)
    assert moved.discharges[0].tolist() == (planted.discharges[0][1:] - first - 1).tolist()
    assert moved.emg is planted.emg


def test_readings_are_computed_for_both_spans_and_every_offset(planted, tmp_path):
    recording = replace(planted.crop(0, 3), subject="S01", mvc=10)
    given = dict(offsets=[0, 12], folder=tmp_path, workers=1, progress=False)
    counts = honest.run_readings([recording], ENTRIES, **given)
    scores = honest.reading_scores(counts)
    readings = scores.groupby(["span", "offset"])["step"].agg(list)
    assert readings.to_dict() == {(s, o): [20, 50] for s in ("step", "window") for o in (0, 12)}
    positives = counts.groupby(["span", "offset", "step"])[["tp", "fn"]].sum().sum(axis=1)
    n_discharges = sum(map(len, recording.discharges))
    assert positives["step", 0, 20] <= n_discharges < positives["step", 0, 20] + 5  # once each
    assert positives["window", 0, 50] < 0.7 * n_discharges  # labels of 20 samples every 50
    found = honest.reading_trends(scores)
    assert (
        len(found) == 4 * len(trends.TRENDS) and np.isfinite(scores["training_s_per_epoch"]).all()
    )


def test_verdicts_count_each_reading_apart():
    table = honest.verdicts(
        pd.DataFrame(
            [
                ("step", 0, "T1", "agrees"),
                ("step", 0, "T2", "cannot be told: window 20, needs at least 2"),
                ("window", 0, "T1", "does not"),
                ("window", 0, "T2", "does not"),
            ],
            columns=["span", "offset", "trend", "agrees"],
        )
    ).set_index(["span", "offset"])
    assert table.loc[("step", 0)].tolist() == [1, 0, 1, "T1"]
    assert table.loc[("window", 0)].tolist() == [0, 2, 0, ""]


def test_an_impossible_entry_is_refused(planted, tmp_path):
    with pytest.raises(ValueError, match="step=0"):
        honest.run_readings([planted], [{**ENTRIES[0], "step": 0}], [0], tmp_path)
