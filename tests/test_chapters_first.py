"""Tables and figures of notebooks 00 to 02."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import metrics, paths, results, segment
from hdsemg_nb.chapters import dataset, dataset_figures, networks, start_here
from hdsemg_nb.decoders import FILTER, PAPER_NETWORKS, Run, architecture, build_model
from hdsemg_nb.recording import Recording


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    return tmp_path / "out" / "figures"


def layers(network, recording, window):
    model = build_model(network, window, recording.n_motor_units, recording.n_channels)
    return architecture.layer_table(model, recording.n_channels, window)


# Notebook 00


def test_motor_units_with_one_discharge_or_none(planted):
    few = replace(planted, discharges=(planted.discharges[0], [500], []), pnr=None)
    table = start_here.label_facts(few)
    assert table["discharges"].tolist() == [len(planted.discharges[0]), 1, 0]
    assert table["median_rate_pps"].notna().tolist() == [True, False, False]
    assert abs(table["offset_ms"][0]) < 10 and table["offset_ms"][2] == 0


def test_the_tour_stands_beside_what_is_stored_for_the_same_folds(planted, monkeypatch, folder):
    given = {"network": FILTER, "window": 20, "step": 20}
    trained = start_here.take_tour(planted, {FILTER: given}, tested_folds=2)
    run, result = trained[FILTER]
    assert (run.split, run.tested_folds) == ("blocked", 2)
    name = results.run_name(planted.digest, replace(run, tested_folds=None))
    stored = result.counts.assign(recording_digest=planted.digest, run=name)
    others = [stored.assign(fold=4, tp=0), stored.assign(run="trained otherwise", tp=0)]
    monkeypatch.setattr(results, "read", lambda name: pd.concat([stored, *others]))
    table = start_here.tour_scores(trained | {"mine": (replace(run, step=10), result)})
    assert table.loc[0, "f1"] == table.loc[0, "stored_f1"] > 0.8
    assert table.loc[0, "folds"] == 2 and np.isnan(table.loc[1, "stored_f1"])
    start_here.draw_decoded(trained, planted.fs, "out", "note")
    assert (folder / "sample_decoded.png").exists()


def test_scores_of_the_real_recording(folder):
    stored = start_here.stored_counts()
    assert (stored["tested_folds"] == 5).all()
    published = stored[stored["setting"] == "as published"]
    assert (published["epochs"] == 100).all() and not published["whiten"].any()
    study = metrics.score_table(stored, start_here.RUN)
    best = start_here.best_blocked(study)
    assert (
        best.loc[FILTER, "f1"] == study.query("setting == @FILTER & split == 'blocked'")["f1"].max()
    )
    units = metrics.score_table(stored, [*start_here.RUN, "motor_unit"])
    means = units.groupby(start_here.RUN, sort=False, dropna=False)["f1"].mean()
    assert means.tolist() == pytest.approx(study["f1"].tolist())
    start_here.draw_scores(stored, "out", "note")
    first = (folder / "sample_scores.png").read_bytes()
    start_here.draw_scores(stored, "out", "note")
    assert first == (folder / "sample_scores.png").read_bytes()
    assert start_here.ablation()["f1"].idxmax() == start_here.ablation().index[-1]


# Notebook 01: features


@pytest.fixture
def wave():
    """Two channels in opposite phase, 200 uV at 128 Hz, and a motor unit at 8 per second."""
    time = np.arange(40 * 2048) / 2048
    emg = 100 * np.sqrt(2) * np.sin(2 * np.pi * 128 * time) * np.array([[1], [-1]])
    times = np.arange(1024, 39 * 2048, 256)
    return Recording(emg, 2048, [times], pnr=[31], subject="S", mvc=20, source="made")


def test_features_of_a_known_signal(wave):
    row = dataset.features([wave], "sample").iloc[0]
    assert row["mean_frequency"] == pytest.approx(128, abs=1)
    assert row["median_frequency"] == pytest.approx(128, abs=1)
    assert row["rms_uv"] == pytest.approx(100, rel=0.01)
    assert row["channel_correlation"] == pytest.approx(1)
    assert row["common_share"] == pytest.approx(0, abs=1e-6)
    assert row["width_ms"] == pytest.approx(1000 / 2048 * 205 * 7 / 8, abs=1)  # sin^2 above 0.1
    assert row["peak_to_peak_uv"] == pytest.approx(200 * np.sqrt(2), rel=0.01)
    assert (row["discharge_rate"], row["interval_cov"]) == pytest.approx((8, 0))
    assert (row["n_motor_units"], row["pnr_db"], row["n_flat_channels"]) == (1, 31, 0)


def test_flat_channels_are_counted_and_left_out(wave):
    known = dataset.features([wave], "sample").iloc[0]
    dead = replace(wave, emg=np.vstack([wave.emg, np.full((2, wave.n_samples), 7.0)]))
    row = dataset.features([dead], "sample").iloc[0]
    assert row["n_flat_channels"] == 2
    features = [*dataset.SIGNAL[1:], *dataset.UNIT]
    assert row[features].tolist() == pytest.approx(known[features].tolist(), nan_ok=True)


@pytest.mark.parametrize("n_channels", [0, 1])
def test_no_correlation_of_fewer_than_two_channels(wave, n_channels):
    few = replace(wave, emg=wave.emg[:1] * n_channels)
    row = dataset.features([few], "sample").iloc[0]
    assert np.isnan(row["channel_correlation"])
    assert np.isfinite(row["rms_uv"]) == np.isfinite(row["peak_to_peak_uv"]) == bool(n_channels)


def test_a_motor_unit_that_says_nothing_does_not_change_the_means(wave):
    (times,) = wave.discharges
    known = dataset.by_recording(dataset.features([wave], "sample")).iloc[0]
    more = replace(wave, discharges=[times, [], [5]], pnr=[31, np.nan, np.nan])  # none; at an edge
    row = dataset.by_recording(dataset.features([more], "sample")).iloc[0]
    assert row["n_motor_units"] == 3
    assert row[dataset.UNIT].tolist() == pytest.approx(known[dataset.UNIT].tolist())


def test_a_recording_without_motor_units_is_counted(wave):
    none = replace(wave, discharges=(), pnr=None)
    table = dataset.table_01(dataset.features([wave, none], "sample")).set_index(["metric", "mvc"])
    counted = table.loc[("n_motor_units", 20)]
    assert (counted["n"], counted["mean"], counted["least"]) == (2, 0.5, 0)
    assert table.loc[("pnr_db", "all"), "n"] == 1


@pytest.mark.parametrize("given", [(np.nan, np.nan), (np.nan, 20)])
def test_recordings_without_an_intensity_stay_in_the_tables(wave, given):
    features = dataset.features([replace(wave, mvc=mvc) for mvc in given], "hug2021")
    table = dataset.table_01(features).set_index(["metric", "mvc"])
    n_unknown = np.isnan(given).sum()
    assert table.loc[("n_motor_units", "unknown"), "n"] == n_unknown
    assert table.loc[("n_motor_units", "all"), "n"] == 2
    assert dataset.compare(features)["n_recordings"].sum() == 2


def test_table_1_averages_over_recordings_or_motor_units(wave):
    (times,) = wave.discharges
    two = replace(wave, discharges=[times, times[::2]], pnr=[31, 37])
    features = dataset.features([wave, two, replace(wave, mvc=10.5)], "synthetic")
    table = dataset.table_01(features).set_index(["metric", "mvc"])
    assert table.loc[("n_motor_units", 20), ["n", "mean"]].tolist() == [2, 1.5]
    assert table.loc[("pnr_db", 20), ["n", "mean", "most"]].tolist() == [3, 33, 37]
    assert table.loc[("pnr_db", 10.5), "n"] == 1 and np.isnan(table.loc[("pnr_db", 10.5), "sd"])
    rates = table.loc["discharge_rate"]
    assert rates.index.tolist() == [20, 10.5, "all"]
    assert rates.loc[20, "mean"] == pytest.approx((8 + 8 + 4) / 3)


def test_stamps_come_from_the_rows(wave):
    parts = [dataset.features([wave, wave.crop(0, 20)], "synthetic")]
    parts.append(dataset.features([wave], "sample"))
    expected = "SYNTHETIC data, 2 recordings of 20 to 40 s; "
    expected += "real recording (openhdemg sample), 1 recording of 40 s"
    assert dataset.stamp(pd.concat(parts)) == expected


def test_the_committed_features_are_of_the_whole_cohort(folder):
    table = dataset.read("cohort_features")
    whole = dataset.by_recording(table[table["data"] == "synthetic"])
    assert whole.groupby("mvc").size().to_dict() == {10: 16, 30: 16, 50: 16}
    assert whole["n_motor_units"].sum() == (table["data"] == "synthetic").sum()
    dataset_figures.draw_features(dataset.by_recording(table), "out", "note")
    assert (folder / "synthetic_against_real.png").exists()


def test_features_are_written_and_read_as_they_are(wave, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr(dataset, "synthetic_cohort", lambda *a: [wave])
    monkeypatch.setattr(dataset, "fetch_sample", lambda: replace(wave, subject="NA"))
    dataset.main(["cohort_features"])
    read = dataset.read("cohort_features")
    assert read["data"].tolist() == ["synthetic", "sample"] and read["subject"][1] == "NA"
    monkeypatch.setattr(dataset, "load_recordings", lambda source, folder: [wave, wave])
    both = dataset.read("cohort_features", "hug2021", "folder")
    assert both["data"].tolist() == ["synthetic", "sample", "hug2021", "hug2021"]


def test_a_misspelt_result_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(dataset, "cross_validate", None)
    with pytest.raises(ValueError, match="'cohort_feature' .* Did you mean 'cohort_features'"):
        dataset.main(["pipeline_example", "cohort_feature"])


def test_share_of_motor_units_found_again():
    judged = pd.DataFrame(
        {
            "data": "sample", "subject": "", "mvc": np.nan, "n_found": 7, "motor_unit": range(4),
            "rate_of_agreement": [1, 0.9, 0.8, 0], "label_score": 3.0,
        }
    )  # fmt: skip
    row = dataset.recovered(judged).iloc[0]
    assert row.tolist() == [4, 7, 0.5, pytest.approx(0.85), 3.0, 0.75]


# Notebook 01: figures


def draw_pipeline(recording):
    run = Run("ML-DCNN", 20, 20, split="blocked")
    starts = segment.window_starts(recording.n_samples, 20, 20)[100:140]
    label = segment.labels(recording.discharges, starts, 20)
    probabilities = pd.DataFrame(label, index=starts)
    dataset_figures.draw_pipeline(recording, run, probabilities, "out", "note")


DRAW = {
    "figure_01": draw_pipeline,
    "figure_02": lambda r: dataset_figures.draw_windows(r, 20, 10, "out", "note"),
}


@pytest.mark.parametrize("stem", DRAW)
@pytest.mark.slow
def test_figures_have_the_same_bytes_each_time(planted, folder, stem):
    saved = []
    for _ in range(2):
        DRAW[stem](planted)
        saved.append([(folder / f"{stem}.{suffix}").read_bytes() for suffix in ("pdf", "png")])
    assert saved[0] == saved[1]


@pytest.mark.parametrize(("window", "step"), [(20, 10), (20, 50), (140, 50)])
def test_windows_drawn_are_those_whose_labels_hold_most_motor_units(planted, window, step):
    scene = dataset_figures.busiest(planted, window, step, 3)
    starts = segment.window_starts(planted.n_samples, window, step)
    label = segment.labels(planted.discharges, starts, window)
    firing = [label[k : k + 3].any(axis=0).sum() for k in range(len(starts) - 2)]
    assert scene.starts[0] == starts[np.argmax(firing)] and set(np.diff(scene.starts)) == {step}
    assert len(scene.units) == max(firing) > 0
    first, last = scene.drawn
    assert 0 <= first <= scene.starts[0] and scene.starts[-1] + window <= last


def test_windows_without_a_discharge_are_refused(planted):
    silent = replace(planted, discharges=(), pnr=None)
    with pytest.raises(ValueError, match="no discharge of 0 motor units"):
        dataset_figures.draw_windows(silent, 20, 10, "out", "note")
    with pytest.raises(ValueError, match="holds 3 windows .*, 6 are drawn"):
        short = planted.crop(0, 40 / planted.fs)
        dataset_figures.draw_windows(short, 20, 10, "out", "note")


# Notebook 02


def test_costs_of_every_network_and_window():
    table = networks.cost_table([20, 60], 2, 8)
    assert len(table) == 6 and set(table["network"]) == set(PAPER_NETWORKS)
    model = build_model("MT-DCNN", 60, 2, 8)
    row = table.query("network == 'MT-DCNN' and window == 60").iloc[0]
    assert row["parameters"] == sum(p.numel() for p in model.parameters())
    assert row["mmac"] == architecture.n_macs(model, 8, 60) / 1e6


def test_figure_3_holds_every_layer(planted, folder):
    given = {name: layers(name, planted, 20) for name in PAPER_NETWORKS}
    for table in given.values():
        boxes = networks._boxes(table)
        assert sum(1 + len(added) for _, _, added in boxes) == len(table)
    model = build_model("ML-DRSNet", 20, 3, 16)
    block = architecture.layer_table(model, 16, 20, expand_blocks=True)
    networks.draw_networks(given, block, 20, 16, "out", "note")
    assert (folder / "figure_03.pdf").exists()
