import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import honest
from hdsemg_nb.honest.trains import FILTER_TRAINS
from hdsemg_nb.train import FILTER


@pytest.fixture
def summary():
    rows = [
        ("ML-DCNN", 140, 50, 0.90, 0.60, 0.30, 0.5, 97.4, 12, 0.001),
        ("ML-DCNN", 20, 50, 0.51, 0.50, 0.01, 0.3, 0.0, 12, 0.6),
        (FILTER, 20, 50, 0.99, 0.98, 0.01, 0.3, 0.0, 12, 0.2),
    ]
    names = ["network", "window", "step", "f1_shuffled", "f1_blocked", "difference"]
    names += ["always_positive_f1", "shared_percent", "n", "p"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def peers():
    rows = [
        (FILTER, 0.95, 0.3, 0.1, 20.0),
        ("ML-DCNN", 0.5, 0.9, 1.7, 5.0),
        ("ML-DRSNet", 0.7, 5.0, 11.0, 5.0),
        ("linear classifier", 0.8, 0.1, 0.01, 5.0),
        ("always positive", 0.1, 0.0, 0.0, 0.0),
    ]
    names = ["network", "f1", "median_ms", "mmac", "lookahead_ms"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def compared():
    rows = [
        ("labels", 1.0, 1.0, 0.0),
        ("labels through windows", 0.3, 1.0, 2.0),
        (FILTER, 0.25, 0.9, 2.0),
        (FILTER_TRAINS, 0.91, 0.92, 0.1),
        ("ML-DCNN", 0.2, 0.45, 2.1),
        ("ML-DRSNet", 0.22, 0.6, 2.2),
    ]
    names = ["decoder", "roa_0.5_ms", "roa_half_step", "interval_error_ms"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def identified():
    rows = [(FILTER, 9, 8), ("ML-DCNN", 5, 0), ("ML-DRSNet", 4, 2), ("always positive", 10, 0)]
    table = pd.DataFrame(rows, columns=["network", "n_identified", "n_identified_both"])
    return table.assign(miss_limit=0.1, n_motor_units=10)


def test_what_becomes_of_the_perfect_score(summary):
    sharing, significant, perfect = honest.on_leakage(summary)
    assert (
        "+0.300 where shuffled test windows share samples with training windows (1 run" in sharing
    )
    assert "+0.010 where shuffled test windows share none (2 runs)" in sharing
    assert significant.startswith("1 of 3 runs differ significantly") and "0.00049" in significant
    assert "W = 140, S = 50 (published F1 1.00) reaches 0.90 on shuffled and 0.60" in perfect
    assert "97 % of its shuffled test windows" in perfect
    assert "was not run under both splits" in honest.on_leakage(summary[1:])[-1]


def test_leakage_without_a_pair_and_over_participants(summary):
    none = summary.iloc[:0]
    assert honest.on_leakage(none) == ["No run was computed on both shuffled and blocked folds."]
    assert honest.on_settings(none) == ["No network was run on both shuffled and blocked folds."]
    assert (
        "signed ranks over participants, n up to 12;"
        in honest.on_leakage(summary, "participants")[1]
    )


def test_a_network_beats_the_filter_only_when_it_does(peers):
    verdict, cost = honest.on_peers(peers)
    assert verdict.startswith("No network beats the motor-unit filter")
    assert "F1 0.70 (ML-DRSNet, the best network) against 0.95; always positive 0.10" in verdict
    assert "ML-DRSNet 5.00 ms and 11.00 million" in cost and "the filter 20.0 ms" in cost
    peers.loc[peers["network"] == "ML-DCNN", "f1"] = 0.96
    assert honest.on_peers(peers)[0].startswith("ML-DCNN beats the motor-unit filter")
    peers.loc[peers["network"] == "ML-DRSNet", "f1"] = 0.97
    assert honest.on_peers(peers)[0].startswith("ML-DCNN, ML-DRSNet beat the motor-unit filter")
    peers.loc[peers["network"] == "linear classifier", "f1"] = 1.0  # no network
    assert "linear" not in honest.on_peers(peers)[0]


def test_trains_name_the_limit_of_the_step_and_of_the_labels(compared):
    against_labels = honest.on_trains(compared)
    assert len(against_labels) == 2
    assert "Within half a step ML-DRSNet agrees with the labels in 0.60" in against_labels[0]
    assert "reaches 0.30 there" in against_labels[0] and "in 0.91;" in against_labels[1]
    true = compared.assign(**{"roa_0.5_ms": compared["roa_0.5_ms"] - 0.05})
    assert "labels in 0.95 of the discharges" in honest.on_trains(compared, true)[-1]


def test_trains_without_a_single_agreement_say_so(compared):
    compared.loc[compared["decoder"].str.startswith("ML"), "interval_error_ms"] = np.nan
    assert "by no ms with ML-DRSNet" in honest.on_trains(compared)[1]


def test_readings_are_told_with_what_they_move():
    verdicts = pd.DataFrame(
        [("step", 0, 2, 1, 5, "T1, T6"), ("window", -10, 0, 2, 6, "")],
        columns=["span", "offset", "agrees", "does_not", "cannot_be_told", "shown"],
    )
    scores = pd.DataFrame(
        [("step", 0, 0.8, 0.1), ("window", -10, 0.5, 0.3)],
        columns=["span", "offset", "f1", "always_positive_f1"],
    ).assign(network="ML-DCNN", window=20, step=50)
    shown, moved, always = honest.on_readings(verdicts, scores)
    assert "span step, centre +0 samples: 2 (T1, T6), against 1" in shown
    assert "span window, centre -10 samples: 0, against 2" in shown and "At least 5" in shown
    assert "up to 0.30" in moved and "always positive by up to 0.20" in moved
    assert "reaches F1 0.30 at W = 20, S = 50 with labels over the window" in always


def test_thresholds_name_who_always_fires(identified):
    thresholds = pd.DataFrame(
        [("ML-DCNN", 0.6, 0.4, 0.7), ("ML-DCNN", 0.8, 0.6, 0.8), (FILTER, 0.9, 0.9, 0.9)],
        columns=["network", "average_precision", "f1", "best_f1"],
    )
    lift, who = honest.on_thresholds(thresholds, identified)
    assert "highest for ML-DCNN (0.70)" in lift and "from 0.50 to at most 0.75" in lift
    assert "always positive 10 and 0" in who and "motor-unit filter 9 and 8" in who


def test_recommendations_by_purpose(peers, compared, identified):
    drive = pd.Series({"labels": 1.0, FILTER: 0.9, "ML-DCNN": np.nan, "ML-DRSNet": 0.8})
    table = honest.recommendations(peers, compared, drive, identified).set_index("purpose")
    assert table.loc["times of discharges", "best"] == FILTER_TRAINS
    assert table.loc["neural drive", ["best", "best_network"]].tolist() == [FILTER, "ML-DRSNet"]
    assert table.loc["shortest latency", ["best", "value"]].tolist() == ["ML-DCNN", 5.0]
    assert table.loc["least computing", "best_network"] == "ML-DCNN"
    assert table.loc["many motor units, few false", "network_value"] == 2


def test_best_setting_is_the_furthest_above_always_positive(summary):
    (said,) = honest.on_settings(summary)
    assert "ML-DCNN W = 20, S = 50: 0.50 (always positive 0.30)" in said and "filter" not in said


def test_cautions_depend_on_the_data():
    synthetic = honest.cautions(5, 60, 3, ["SYNTHETIC data", "real", "real"])
    assert "5 of 60 active motor units are labelled" in synthetic[0]
    assert any("3 participants" in said and "0.25" in said for said in synthetic)
    assert "SYNTHETIC data; real." in synthetic[-1]
    assert len(honest.cautions(5, 60, 3, ["real"])) == len(synthetic) - 1


def test_page_and_markdown():
    page = honest.page({"A": ["one.", "two."], "B": ["three."]})
    assert page["part"].tolist() == ["A", "A", "B"]
    assert honest.markdown(page) == "**A**\n\n* one.\n* two.\n\n**B**\n\n* three."


def test_robustness_is_told_at_every_level():
    rows = [
        ("noise", "20 dB", FILTER, 0.9), ("noise", "20 dB", "B", 0.95),
        ("noise", "10 dB", FILTER, 0.2), ("noise", "10 dB", "B", 0.7),
        ("noise", "20 dB", "C", 0.5), ("noise", "10 dB", "C", 0.4),
        ("drift", "", FILTER, 0.8), ("drift", "", "B", 0.3), ("drift", "", "C", 0.2),
        ("drift", "", "linear classifier", 0.9), ("noise", "10 dB", "linear classifier", 0.9),
        ("noise", "20 dB", "linear classifier", 0.9),
    ]  # fmt: skip
    summary = pd.DataFrame(rows, columns=["kind", "level", "network", "f1"])
    assert honest.on_robustness(summary) == [
        f"Noise (20 dB, 10 dB): F1 B 0.95, 0.70; {FILTER} 0.90, 0.20. "
        "The filter is ahead of every network at 0 of 2 levels.",
        f"Drift: F1 B 0.30; {FILTER} 0.80. The filter is ahead of every network at 1 of 1 levels.",
    ]
