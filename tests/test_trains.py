from dataclasses import replace

import numpy as np
import pytest

from hdsemg_nb import honest, segment
from hdsemg_nb.datasets import simulate
from hdsemg_nb.honest import trains
from hdsemg_nb.train import FILTER, Run, cross_validate

RUN = Run(FILTER, 20, 10, "blocked")


@pytest.fixture
def decoded(planted):
    return honest.decoded_trains(planted, {RUN: cross_validate(planted, RUN, False)})


def test_labels_are_the_ceiling_and_windows_cost_time_not_discharges(planted, decoded):
    table = honest.compare_trains(planted, decoded)
    rates = [name for name in table if name.startswith("roa")]
    mean = table.groupby("decoder")[[*rates, "interval_error_ms", "lag_ms"]].mean()
    assert (mean.loc["labels", rates] == 1).all() and mean.loc["labels", "interval_error_ms"] == 0
    windowed = mean.loc["labels through windows"]
    assert windowed["roa_half_step"] == 1 > 0.6 > windowed["roa_0.5_ms"]
    assert windowed["interval_error_ms"] < 500 * 10 / 2048 * 2
    filtered = mean.loc[["motor-unit filter, to the sample", "motor-unit filter"]]
    assert filtered["roa_0.5_ms"].iloc[0] > 0.9 > filtered["roa_0.5_ms"].iloc[1]


def test_only_tested_samples_are_compared(planted):
    run = replace(RUN, tested_folds=1)
    result = cross_validate(planted, run, False)
    mask = trains.tested_samples(planted.n_samples, run, result)
    fold = segment.split_folds(len(result.starts), 20, 10, split="blocked")[0]
    assert mask.sum() == 10 * len(fold.test)
    decoded = honest.decoded_trains(planted, {run: result})
    table = honest.compare_trains(planted, decoded)
    expected = [mask[times].sum() for times in planted.discharges]
    assert table["n_reference"].tolist() == expected * len(decoded)


@pytest.mark.parametrize(("window", "step"), [(20, 50), (20, 20), (60, 20)])
def test_labels_tile_the_tested_time(planted, window, step):
    run = replace(RUN, window=window, step=step, split="shuffled", n_folds=3)
    result = cross_validate(planted, run, False)
    mask = trains.tested_samples(planted.n_samples, run, result)
    low, high = segment.label_borders(result.starts, window, "step")
    assert np.flatnonzero(mask)[[0, -1]].tolist() == [
        max(low[0], 0),
        min(high[-1], planted.n_samples) - 1,
    ]
    assert mask[max(low[0], 0) : high[-1]].all()


def test_the_truth_of_a_label_counts_where_the_label_does():
    recording, truth = simulate(1, 10, 8, seed=98)
    mask = np.zeros(recording.n_samples, bool)
    mask[5000:9000] = True
    decoded = {"labels": trains.Decoded(list(recording.discharges), mask, 2.4)}
    table = honest.compare_trains(recording, decoded, truth.discharges)
    assert (table["roa_0.5_ms"] == 1).all() and (table["n_reference"] > 0).all()
    np.testing.assert_allclose(table["lag_ms"], 1000 * truth.delays / recording.fs)
    drive = honest.drive_table(recording, decoded, truth.discharges)
    assert drive["cst_correlation"].item() > 0.99


def test_missed_and_false_discharges_lower_what_they_should(planted):
    mask = np.ones(planted.n_samples, bool)
    half = [times[::2] for times in planted.discharges]
    more = [np.sort(np.r_[times, times[:-1] + 70]) for times in planted.discharges]
    decoded = {
        name: trains.Decoded(found, mask, 2.4)
        for name, found in {"half": half, "more": more}.items()
    }
    table = honest.compare_trains(planted, decoded)
    assert table.groupby("decoder")["roa_1_ms"].mean().between(0.49, 0.52).all()
    none = {"none": trains.Decoded([np.empty(0, np.int64)] * 3, mask, 2.4)}
    silent = honest.compare_trains(planted, none)
    assert (silent["roa_half_step"] == 0).all() and silent["rate_correlation"].isna().all()
    assert np.isnan(honest.drive_table(planted, none)["cst_correlation"].item())


def test_separated_trains_stand_in_the_order_of_the_labels(planted):
    like = trains.Decoded([], np.ones(planted.n_samples, bool), 2.4)
    decoded = honest.separated_trains(planted, like, n_seeds=30, n_rounds=1, progress=False)
    table = honest.compare_trains(planted, decoded)
    assert table["motor_unit"].tolist() == [0, 1, 2]
    assert (table["roa_1_ms"] > 0.9).sum() >= 2


def test_one_run_of_a_network(planted):
    result = cross_validate(planted, RUN, False)
    with pytest.raises(ValueError, match="motor-unit filter twice"):
        honest.decoded_trains(planted, {RUN: result, replace(RUN, seed=1): result})
