from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from hdsemg_nb import metrics, paths, segment, tables
from hdsemg_nb.chapters import honest_evaluation as honest
from hdsemg_nb.chapters import honest_evaluation_figures as figures
from hdsemg_nb.chapters import honest_evaluation_results as computed
from hdsemg_nb.datasets import simulate
from hdsemg_nb.decoders import FILTER, Run
from hdsemg_nb.results import DEFAULTS

RUN = Run(FILTER, 40, 20, "blocked")


def test_what_an_interrupted_call_left_is_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    about = {"subject": ["S01", "S01"], "mvc": 30.0, "network": ["a", "b"], "x": 1}
    computed._append("honest_units", pd.DataFrame(about))
    computed._append("honest_units", pd.DataFrame(about).query("network == 'b'").assign(x=2))
    found = honest.load("units")
    assert found[["network", "x"]].to_numpy().tolist() == [["a", 1], ["b", 2]]


# Leakage


@pytest.mark.parametrize(
    ("window", "step", "expected"),
    [(20, 50, 0.0), (20, 20, 0.0), (20, 10, 0.84), (140, 50, 0.974), (140, 10, 1.0)],
)
def test_shared_windows_of_shuffled_folds(window, step, expected):
    # three of five parts train: a test window with k neighbours is alone with probability 0.4 ** k
    share = honest.shared_windows(6000, Run("ML-DCNN", window, step))
    assert share == pytest.approx(expected, abs=0.01)
    assert honest.shared_windows(6000, Run("ML-DCNN", window, step, split="blocked")) == 0


def counts(subject, split, tp, **settings):
    """Counts of a motor unit with four discharges in each of two tested folds."""
    about = dict(subject=subject, mvc=30.0, network="ML-DCNN", window=140, step=50)
    about |= {**DEFAULTS, "split": split, "tested_folds": 2, **settings}
    rows = [dict(fold=k, motor_unit=0, n_windows=100, tp=tp, fp=0, fn=4 - tp) for k in range(2)]
    return [{**about, **row} for row in rows]


def test_leakage_pairs_both_splits_of_the_same_run():
    rows = counts("S01", "shuffled", 4) + counts("S01", "blocked", 2)
    rows += counts("S01", "shuffled", 4, epochs=7)  # not computed on blocked folds
    rows += counts("S02", "shuffled", 3, bf16=True) + counts("S02", "blocked", 0, bf16=False)
    table = honest.leakage(pd.DataFrame(rows))
    assert table["subject"].tolist() == ["S01", "S02"]
    np.testing.assert_allclose(table["f1_shuffled"], [1, 6 / 7])
    np.testing.assert_allclose(table["f1_blocked"], [2 / 3, 0])
    np.testing.assert_allclose(table["difference"], [1 / 3, 6 / 7])
    np.testing.assert_allclose(table["always_positive_f1"], 2 * 0.04 / 1.04)
    run = Run("ML-DCNN", 140, 50, tested_folds=2)
    np.testing.assert_allclose(table["shared_percent"], 100 * honest.shared_windows(500, run))


# Peers


def units(network, rows):
    table = pd.DataFrame(rows, columns=["tp", "fp", "fn"]).assign(network=network, n_windows=200)
    return table.assign(data="real", subject="sample", mvc=26.0, motor_unit=range(len(rows)))


def test_always_positive_is_identified_by_the_miss_rate_alone(monkeypatch):
    some = pd.concat([units("A", [(19, 0, 1), (19, 19, 1)]), units("B", [(0, 0, 20), (10, 0, 10)])])
    costs = units("A", [(0, 0, 0)])[[*honest.DATA, "network"]].assign(mmac=1.0)
    monkeypatch.setattr(honest, "load", {"units": some, "decoders": costs}.get)
    table = honest.peers().set_index("network")
    assert table["n_identified"].to_dict() == {"A": 2, "B": 0, honest.ALWAYS_POSITIVE: 2}
    assert table["n_identified_both"].to_dict() == {"A": 1, "B": 0, honest.ALWAYS_POSITIVE: 0}
    assert table.loc[honest.ALWAYS_POSITIVE, "f1"] == pytest.approx(2 * 0.1 / 1.1)
    assert table.loc["A", "mmac"] == 1 and np.isnan(table.loc["B", "mmac"])


# Thresholds


def test_precision_and_sensitivity_at_every_threshold():
    labels, probabilities = np.array([1, 0, 1, 1, 0], np.uint8), np.array([0.9, 0.4, 0.8, 0.4, 0.1])
    curve = computed.precision_recall(labels, probabilities)
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.4, 0.1]
    np.testing.assert_allclose(curve["precision"], [1, 1, 3 / 4, 3 / 5])
    np.testing.assert_allclose(curve["sensitivity"], [1 / 3, 2 / 3, 1, 1])
    summary = computed._summary(curve)
    assert summary["average_precision"] == pytest.approx(1 / 3 + 1 / 3 + 3 / 4 / 3)
    assert (summary["best_f1"], summary["best_threshold"]) == (pytest.approx(6 / 7), 0.4)
    assert np.isnan(
        computed._summary(computed.precision_recall(0 * labels, probabilities))["average_precision"]
    )


def test_a_thinned_curve_keeps_its_ends():
    labels = np.random.default_rng(0).integers(0, 2, 999).astype(np.uint8)
    curve = computed.precision_recall(labels, np.linspace(1, 0, 999))
    thin = computed._thinned(curve)
    assert len(thin) == computed.CURVE_POINTS
    assert thin["sensitivity"].iloc[-1] == 1 and thin["precision"].iloc[0] == labels[0]


# Spike trains


def last_windows(recording):
    starts, folds = segment.cut(recording, RUN)
    return starts[folds[-1].test]


def test_the_truth_of_a_label_counts_where_the_label_does():
    recording, truth = simulate(1, 10, 8, seed=98)
    trains = {"labels": recording.discharges}
    table = computed.compare_trains(
        recording, trains, RUN, last_windows(recording), truth.discharges
    )
    true = table[table["reference"] == "truth"]
    assert (table["roa_0.5_ms"] == 1).all() and (table["n_reference"] > 0).all()
    np.testing.assert_allclose(true["lag_ms"], 1000 * truth.delays / recording.fs)
    assert (table["cst_correlation"] > 0.99).all() and (table["interval_error_ms"] == 0).all()


def test_missed_and_false_discharges_lower_the_agreement(planted):
    trains = {
        "half": [times[::2] for times in planted.discharges],
        "more": [np.sort(np.r_[times, times[:-1] + 70]) for times in planted.discharges],
        "none": [[]] * 3,
    }
    table = computed.compare_trains(planted, trains, RUN, last_windows(planted))
    rate = table.groupby("decoder")["roa_1_ms"].mean()
    assert rate[["half", "more"]].between(0.45, 0.6).all() and rate["none"] == 0
    assert table.loc[table["decoder"] == "none", "cst_correlation"].isna().all()
    starts = last_windows(planted)
    within = [((t >= starts[0] + 10) & (t < starts[-1] + 30)).sum() for t in planted.discharges]
    assert table["n_reference"].tolist() == 3 * within


def test_windows_cost_time_and_not_discharges(planted):
    table = computed.ceilings(planted, RUN, None).groupby("decoder")
    mean = table[["roa_0.5_ms", "roa_half_step", "interval_error_ms"]].mean()
    assert mean.loc[computed.LABELS].tolist() == [1, 1, 0]
    assert mean.loc[computed.WINDOWED, "roa_half_step"] == 1 > 0.6
    assert mean.loc[computed.WINDOWED, "roa_0.5_ms"] < 0.6
    assert mean.loc[computed.FILTER_TRAINS, "roa_0.5_ms"] > 0.9
    assert mean.loc[computed.SEPARATION, "roa_0.5_ms"] > 0.6  # in the order of the labels


# What takes long


@pytest.fixture
def short(tmp_path, monkeypatch, planted):
    """A study of seconds, and the folder of its results."""
    settings = yaml.safe_load(computed.SETTINGS.read_text())
    cheap = [{"network": FILTER, "window": 40, "step": 20, "split": "blocked"}]
    linear = {"network": "linear classifier", "epochs": 1, "learning_rate": 1e-3}
    settings["decoders"] |= {"participants": [], "runs": [*cheap, cheap[0] | linear]}
    settings["intensities"] |= {"tested_at": [10, 30], "trained_at": [10], "runs": cheap}
    settings["cohort"] |= {"participants": [1], "mvc": [30], "runs": cheap}
    path = tmp_path / "honest.yaml"
    path.write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(computed, "SETTINGS", path)
    truth = SimpleNamespace(discharges=planted.discharges, units=np.arange(3))
    one = SimpleNamespace(recording=replace(planted, subject="S01", mvc=30.0), truth=truth)
    monkeypatch.setattr(computed, "simulate", lambda *trapezoid: one)
    monkeypatch.setattr(computed, "decompose", lambda *_, **__: SimpleNamespace(recording=planted))
    monkeypatch.setattr(computed, "fetch_sample", lambda: replace(planted, subject="sample"))
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    return tmp_path


def test_what_is_there_is_not_computed_again(short, monkeypatch, planted):
    computed.compute()
    files = {path.name: path.read_bytes() for path in short.glob("*.csv")}
    assert set(files) == {f"{stem}.csv" for _, stems in computed.PARTS.values() for stem in stems}
    found = metrics.score_table(computed.load("units"), ["network"])
    assert found.set_index("network").loc[FILTER, "f1"] > 0.9
    computed.compute()
    assert {path.name: path.read_bytes() for path in short.glob("*.csv")} == files
    table, note = tables.load(short / "honest_decoders.csv")
    paths.write_whole(short / "honest_decoders.csv", f"# {note}\n{table[:1].to_csv(index=False)}")
    for stem in ("units", "robustness"):
        table, note = tables.load(short / f"honest_{stem}.csv")
        kept = table[table["network"] == FILTER].to_csv(index=False)
        paths.write_whole(short / f"honest_{stem}.csv", f"# {note}\n{kept}")
    monkeypatch.setattr(computed, "ceilings", None)  # was computed with the first decoder
    computed.compute()  # the linear classifier alone
    assert len(computed.load("decoders")) == 2 and len(computed.load("units")) == 6
    (short / "honest_intensities.csv").write_text("gone")
    computed.compute(["intensities"])
    assert len(computed.load("intensities")) > 0


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="Unknown parameter 'reading' in the parts of .* Known: "):
        computed.compute(["reading"])


# Figures


def test_leakage_is_drawn_from_shuffled_to_blocked(monkeypatch):
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, *rest: kept.append(figure))
    rows = counts("S01", "shuffled", 4) + counts("S01", "blocked", 2)
    figures.draw_leakage(honest.leakage(pd.DataFrame(rows)), "out", "note")
    ax = kept[0].axes[0]
    blocked, shuffled = (points.get_offsets()[0, 0] for points in ax.collections[1:3])
    assert (shuffled, blocked) == (1, pytest.approx(2 / 3))


def test_robustness_begins_with_the_signal_as_recorded(monkeypatch):
    kept = []
    monkeypatch.setattr(figures, "save", lambda figure, *rest: kept.append(figure))
    levels = [("as recorded", ""), ("noise", "20 dB"), ("dead channels", "5 %"), ("noise", "10 dB")]
    rows = [
        {"data": data, "network": network, "kind": kind, "level": level, "f1": 1 - 0.1 * k}
        for k, (kind, level) in enumerate(levels)
        for network in (FILTER, "MUF-Net")
        for data in ("synthetic", "real")
    ]
    figures.draw_robustness(pd.DataFrame(rows), "out", "note")
    noise, dead, shift, _ = kept[0].axes[:4]
    np.testing.assert_allclose(noise.lines[0].get_ydata(), [1, 0.9, 0.7])
    np.testing.assert_allclose(dead.lines[0].get_ydata(), [1, 0.8])
    assert not shift.axison


def test_figures_of_the_real_recording_alone(monkeypatch):
    monkeypatch.setattr(figures, "save", lambda figure, *rest: len(figure.axes))
    units, curves, trains, changed = (
        table[table["data"] == "real"]
        for table in map(honest.load, ("units", "curves", "trains", "robustness"))
    )
    peers, units = honest.peers().query("data == 'real'"), honest.unit_scores(units)
    assert figures.draw_peers(units, peers, "out", "note") == 3
    assert figures.draw_thresholds(curves, units, "out", "note") == curves["network"].nunique()
    assert figures.draw_robustness(honest.unit_scores(changed), "out", "note") == 4
    assert figures.draw_trains({"real": trains}, "out", "note") == 1
