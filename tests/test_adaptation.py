import numpy as np
import pandas as pd
import pytest

from hdsemg_nb.chapters import adaptation
from hdsemg_nb.decoders import ADAPTIVE, FILTER, STREAMED


def test_scores_to_the_sample_leave_out_what_has_no_variability():
    about = dict(network=FILTER, step=20, n_windows=100)
    rows = [
        {**about, "motor_unit": 0, "tp": 8, "fp": 2, "fn": 2, "roa_0.5_ms": 0.5},
        {**about, "motor_unit": 1, "tp": 10, "fp": 0, "fn": 0, "roa_0.5_ms": 1.0},
    ]
    covs = {"interval_cov_found": [0.2, np.inf], "interval_cov_labels": [0.1, 0.3]}
    (row,) = adaptation.to_the_sample(pd.DataFrame(rows).assign(**covs)).to_dict("records")
    assert row["f1"] == pytest.approx(0.9) and row["roa_0.5_ms"] == 0.75
    assert (row["interval_cov_found"], row["interval_cov_labels"]) == (0.2, 0.1)


def test_minutes_are_ten_and_drawn(monkeypatch):
    kept = []
    monkeypatch.setattr(adaptation, "save", lambda figure, *rest: kept.append(figure))
    assert sorted(sum(adaptation.MINUTES.values(), ())) == list(range(10))
    names = [FILTER, ADAPTIVE, f"{STREAMED}, not adapting", STREAMED]
    rows = [
        {"decoder": name, "minute": k, "signal": signal, "motor_unit": 0, "roa_0.5_ms": 0.1 * k}
        for name in names
        for signal, numbers in adaptation.MINUTES.items()
        for k in numbers
    ]
    adaptation.draw_minutes(pd.DataFrame(rows), "test", "a note")
    lines = [line for line in kept[0].axes[0].lines if line.get_label() in names]
    assert [line.get_label() for line in lines] == names
    assert [line.get_linestyle() for line in lines] == ["-", "-", "--", "-"]
    np.testing.assert_allclose(lines[0].get_ydata(), 0.1 * np.arange(10))


@pytest.mark.slow
def test_the_signal_changes_as_the_minutes_say():
    recording, emg = adaptation.changing_contraction(1.0)
    minute = recording.n_samples // 10
    changed = (emg != recording.emg).reshape(64, 10, minute).any(axis=2).sum(axis=0)
    assert changed.tolist()[:2] == [0, 0] and changed.tolist()[8:] == [0, 0]
    assert changed[2] == 5 and changed[3] == 10 and (changed[4:8] == 64).all()
    one_row_up = emg[:, 7 * minute - 1 : 7 * minute + 1]
    assert np.isfinite(one_row_up).all() and emg.dtype == np.float32
