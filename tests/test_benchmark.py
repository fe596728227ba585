import copy

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from hdsemg_nb import benchmark, paths
from hdsemg_nb.train import Run


def test_both_sides_take_the_same_step_on_the_same_windows():
    torch.manual_seed(0)
    naive = nn.Sequential(nn.Flatten(), nn.Linear(64 * 20, benchmark.N_MOTOR_UNITS))
    ours, run = copy.deepcopy(naive), Run("ML-DRSNet", 20, 10, epochs=1, bf16=False)
    before = naive[1].weight.detach().clone()
    for epoch, model in ((benchmark.naive_epoch, naive), (benchmark.our_epoch, ours)):
        began, ended = epoch(model, run, run.batch_size)  # one batch: no order to differ in
        assert ended > began
    assert not torch.equal(naive[1].weight, before)
    torch.testing.assert_close(naive[1].weight, ours[1].weight)


def test_speed_measures_both_sides_in_processes():
    row = benchmark.speed("ML-DCNN", 20, rounds=1, seconds=0.05)
    numbers = [row[name] for name in ("naive_windows_s", "our_windows_s", "our_tflops_s")]
    assert np.isfinite(numbers).all() and min(numbers) > 0
    assert row["ratio"] == pytest.approx(row["our_windows_s"] / row["naive_windows_s"])


def test_windows_are_never_stored():
    row = benchmark.memory(140, 10, seconds=20)
    assert row["windows_mb"] == pytest.approx(14 * row["signal_mb"], rel=0.01)
    assert row["naive_peak_mb"] > 0.9 * row["windows_mb"]
    assert row["our_peak_mb"] < 2 * row["signal_mb"]


def seconds_per_window(window):
    return (1 + (window - 20) / 10) * 1e-3


SPEEDS = pd.DataFrame({"network": "ML-DCNN", "window": [20, 140]})
SPEEDS["naive_windows_s"] = 1 / seconds_per_window(SPEEDS["window"])
SPEEDS["our_windows_s"] = 4 * SPEEDS["naive_windows_s"]


def test_sweep_days_by_hand():
    days = benchmark.sweep_days(SPEEDS).set_index("network")
    # 60 s give about 122880 / S windows; 3/5 train, 1/5 validates for a third, 100 epochs, 5 folds
    windows = 48 * 122880 * sum(1 / step for step in (10, 20, 30, 40, 50)) * (3 + 1 / 3) * 100
    seconds = windows * sum(seconds_per_window(w) for w in (20, 60, 100, 140))
    assert days.loc["ML-DCNN", "naive_days"] == pytest.approx(seconds / 86400, rel=0.01)
    assert days.loc["all", "our_days"] == pytest.approx(days.loc["all", "naive_days"] / 4)
    assert days.loc["ML-DCNN", "trainings"] == 4800


def test_tables_say_where_and_how(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    memories = pd.DataFrame({"window": [20], "our_peak_mb": [1.0]})
    benchmark.save_tables(SPEEDS, memories, ".")
    files = sorted((tmp_path / "tables").glob("benchmark_*.csv"))
    assert len(files) == 3
    for path in files:
        note = path.read_text().splitlines()[0]
        assert all(word in note for word in (benchmark.device_name(), "torch", "naive float32"))
