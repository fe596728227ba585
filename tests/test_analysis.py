import numpy as np
import pandas as pd
import pytest
from random_results import FULL, REDUCED, random_results

from hdsemg_nb import analysis, paths, stats

GOOD, FAIR, POOR = (8, 2, 0), (6, 0, 2), (5, 5, 5)  # tp, fp, fn; F1 16/18, 12/14, 1/2


def run(subject, units, mvc=10, network="ML-DRSNet", window=20, step=50, validation=None):
    """Rows of one run with one fold: counts of its motor units."""
    rows = pd.DataFrame(units, columns=["tp", "fp", "fn"]).assign(n_windows=40, fold=0)
    val = pd.DataFrame(validation or units, columns=["val_tp", "val_fp", "val_fn"])
    about = {"subject": subject, "mvc": mvc, "network": network, "window": window, "step": step}
    rest = {"split": "shuffled", "span": "step", "recording": "synthetic", "epoch_seconds": 2.0}
    rows = rows.assign(motor_unit=range(len(units)), val_n_windows=40, **about, **rest)
    return rows.join(val).assign(device="a processor")


@pytest.fixture
def by_hand():
    """F1 of participant A at 20/50 (16/18 + 12/14) / 2, of B 1/2; only A at 60/10."""
    return pd.concat(
        [run("A", [GOOD, FAIR]), run("B", [POOR]), run("A", [POOR, POOR], window=60, step=10)],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def reduced():
    return random_results(**REDUCED)


@pytest.fixture(scope="module")
def reduced_scores(reduced):
    return analysis.scores(reduced)


def cell(table, window, step, metric):
    chosen = (table["window"] == window) & (table["step"] == step) & (table["metric"] == metric)
    return table[chosen].squeeze()


def test_table_by_hand(by_hand):
    table = analysis.window_and_step(analysis.scores(by_hand), "ML-DRSNet")
    assert len(table) == 2 * 2 * 5  # windows, steps, metrics
    first, second = (16 / 18 + 12 / 14) / 2, 1 / 2
    f1 = cell(table, 20, 50, "f1")
    assert f1["n"] == 2 and f1["mean"] == pytest.approx((first + second) / 2)
    assert f1["sd"] == pytest.approx((first - second) / np.sqrt(2))
    assert f1["published_mean"] == 0.85 and f1["difference"] == pytest.approx(f1["mean"] - 0.85)
    assert cell(table, 20, 50, "precision")["mean"] == pytest.approx((0.9 + 0.5) / 2)
    assert cell(table, 20, 50, "sensitivity")["mean"] == pytest.approx((0.875 + 0.5) / 2)
    assert cell(table, 20, 50, "n_identified")["mean"] == 0.5  # 1 and 0
    percent = cell(table, 20, 50, "identified_percent")
    assert percent["mean"] == pytest.approx(100 / 3)  # 1 of 3 motor units
    assert np.isnan(percent["sd"])


def test_times_of_different_devices_are_not_compared(by_hand):
    assert set(analysis.scores(by_hand)["training_s_per_epoch"]) == {2.0}
    by_hand.loc[by_hand["subject"] == "B", "device"] = "a GPU"
    assert "training_s_per_epoch" not in analysis.scores(by_hand)


def test_missing_cells_are_empty_and_named(by_hand):
    scores = analysis.scores(by_hand)
    table = analysis.window_and_step(scores, "ML-DRSNet")
    never = cell(table, 20, 10, "f1")
    assert never["n"] == 0 and np.isnan(never["mean"])
    assert cell(table, 60, 10, "f1")["n"] == 1
    missing = analysis.missing(scores).query("network == 'ML-DRSNet'")
    assert missing[["window", "step", "n", "lacking"]].to_numpy().tolist() == [
        [20, 10, 0, "all"],
        [60, 10, 1, "B 10 %"],
        [60, 50, 0, "all"],
    ]
    shown = analysis.printed(table)
    assert shown.loc[0, ["W (samples)", "S (samples)", "F1-score"]].tolist() == [20, 10, "no runs"]


def test_only_the_protocol_of_the_paper_counts(by_hand):
    wrong = [
        run("A", [POOR]).assign(split="blocked"),
        run("A", [POOR]).assign(span="window"),
        run("A", [POOR], network="motor-unit filter"),
    ]
    more = pd.concat([by_hand, *wrong])
    pd.testing.assert_frame_equal(analysis.scores(more), analysis.scores(by_hand))
    with pytest.raises(ValueError, match="no run with split 'shuffled'"):
        analysis.scores(pd.concat(wrong))


def test_two_runs_of_the_same_cell_are_refused(by_hand):
    with pytest.raises(ValueError, match="several runs of subject A, mvc 10, network ML-DRSNet"):
        analysis.scores(pd.concat([by_hand, run("A", [GOOD])]))


def test_results_are_read_and_checked(by_hand, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    table = by_hand.astype({"mvc": float})
    (tmp_path / "r.csv").write_text("# a note\n" + table.to_csv(index=False))
    assert analysis.read_results("r.csv")["mvc"].tolist() == [10] * 5
    table.drop(columns=["val_tp", "span"]).to_csv(tmp_path / "bad.csv")
    with pytest.raises(ValueError, match=r"results='bad.csv' lacks the columns \['span', 'val_tp'"):
        analysis.read_results("bad.csv")
    with pytest.raises(FileNotFoundError, match="results='none.csv': no such file"):
        analysis.read_results("none.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="results='folder' lacks the columns"):
        analysis.read_results("folder")


def test_the_stamp_says_what_differs_from_the_paper(reduced):
    rows = analysis.under_paper_protocol(reduced)
    assert analysis.describe(rows, "quick") == (
        "SYNTHETIC data, 9 recordings; unlike the paper: 2 of 4 windows, 2 of 5 steps, epochs 3; "
        "quick profile"
    )
    assert "split blocked, shuffled, epochs 3;" in analysis.describe(reduced, "quick")
    whole = random_results(1, FULL["windows"], FULL["steps"], mvc=(10,))
    uneven = whole[(whole["network"] != "MT-DCNN") | (whole["window"] == 20)]
    assert "4 of 4 windows but not with every network" in analysis.describe(uneven, "quick")
    mixed = rows.assign(epochs=np.where(rows["step"] == 50, 12, 3))
    assert analysis.describe(mixed, "quick").endswith(
        "epochs 3, 12; cells of a network not trained alike: epochs; quick profile"
    )
    of_network = rows.assign(epochs=np.where(rows["network"] == "MT-DCNN", 12, 3))
    assert "trained alike" not in analysis.describe(of_network, "quick")
    ours = reduced.assign(window=40, decay=True)
    assert "0 of 4 windows and window 40," in analysis.describe(ours, "quick")
    assert "decay True" in analysis.describe(ours, "quick")
    assert analysis.describe(reduced.iloc[:0], "quick") == "no such runs; quick profile"
    hug = random_results(1, FULL["windows"], FULL["steps"], mvc=(10,))
    hug = hug.assign(recording="DEMUSE file GM_10.mat", epochs=100)
    hug = analysis.under_paper_protocol(hug)
    assert analysis.describe(hug, "paper") == "Hug et al. 2021, 1 recording; paper profile"


def test_best_settings_on_test_and_on_validation():
    counts = pd.concat(
        [
            run("A", [GOOD], validation=[POOR]),
            run("A", [FAIR], window=60, validation=[GOOD]),
            run("A", [GOOD], window=140),  # as good as 20, but longer
            run("B", [FAIR]),
            run("B", [FAIR], window=60),
            run("B", [FAIR], window=140),
            run("A", [(9, 0, 0)], window=60, step=10),  # best of all, but not of all recordings
        ],
        ignore_index=True,
    )
    best = analysis.best_settings(
        analysis.scores(counts), analysis.scores(counts, "validation")
    ).set_index("setting")
    assert best.loc["optimal", ["window", "step"]].tolist() == [20, 50]
    assert best.loc["optimal", "f1"] == pytest.approx((16 / 18 + 12 / 14) / 2)
    chosen = best.loc["optimal on validation"]
    assert chosen[["window", "step"]].tolist() == [60, 50]
    assert chosen["f1"] == pytest.approx(12 / 14)  # of the test windows
    assert chosen[["published_window", "published_step"]].tolist() == [20, 50]


def test_published_values_stand_beside_our_own_best_settings(reduced_scores):
    best = analysis.best_settings(reduced_scores, reduced_scores)
    moved = best.assign(window=20, step=50)  # nothing is published of ML-DCNN there
    table = analysis.compare(reduced_scores, moved)
    row = table.query("setting == 'optimal' and network == 'ML-DCNN' and metric == 'n_identified'")
    assert row[["window", "published_window", "published_mean"]].to_numpy().tolist() == [
        [20, 140, 14.71]
    ]
    ours = reduced_scores.query("network == 'ML-DCNN' and window == 20 and step == 50")
    assert row["mean"].item() == pytest.approx(ours["n_identified"].mean())


def test_shortest_of_a_grid_is_not_taken_for_the_papers(reduced_scores):
    shortest = analysis.shortest_settings(reduced_scores)
    assert set(shortest["setting"]) == {"shortest"} and len(shortest) == 3
    longer = analysis.shortest_settings(reduced_scores.query("step > 10"))
    assert longer[["setting", "window", "step"]].drop_duplicates().to_numpy().tolist() == [
        ["shortest of the grid", 20, 50]
    ]
    pairs = analysis.compare_pairs(reduced_scores, longer)
    assert set(pairs["agrees"]) == {"not in the text"}


def test_blocks_are_recordings_and_participants(reduced_scores):
    shortest = analysis.shortest_settings(reduced_scores)
    pairs = analysis.compare_pairs(reduced_scores, shortest)
    assert pairs.groupby("blocks")["n_blocks"].unique().map(list).to_dict() == {
        "participants": [3],
        "recordings": [9],
    }
    within = analysis.compare_pairs(reduced_scores, shortest, by_intensity=True)
    assert len(within) == 3 * 4 * 3  # intensities, metrics, pairs
    assert set(within["n_blocks"]) == {3} and set(within["blocks"]) == {"participants"}
    runs = reduced_scores.query("window == 20 and step == 10")
    wide = runs.pivot(index=["subject", "mvc"], columns="network", values="f1")
    means = wide.groupby("subject").mean()
    chosen = "metric == 'f1' and a == 'ML-DRSNet' and b == 'ML-DCNN' and blocks == '{}'"
    for over, scores in {"recordings": wide, "participants": means}.items():
        row = pairs.query(chosen.format(over)).squeeze()
        assert row["p"] == pytest.approx(stats.wnmt(scores).loc["ML-DRSNet", "ML-DCNN"])
        assert row["chi_square"] == pytest.approx(stats.friedman(scores).chi_square)


def test_incomplete_blocks_are_left_out_by_name(reduced_scores):
    gap = reduced_scores.query("subject == 'S02' and mvc == 30 and network == 'MT-DCNN'")
    scores = reduced_scores.drop(index=gap.index)
    pairs = analysis.compare_pairs(scores, analysis.shortest_settings(scores))
    assert set(pairs["left_out"]) == {"S02 30 %"}
    assert set(pairs.query("blocks == 'recordings'")["n_blocks"]) == {8}
    alone = scores.query("network == 'ML-DCNN'")
    with pytest.raises(ValueError, match="no recording has runs of two networks"):
        analysis.compare_pairs(alone, analysis.shortest_settings(alone))


def test_printed_as_in_the_paper(reduced_scores):
    table = analysis.window_and_step(reduced_scores, "ML-DRSNet")
    shown = analysis.printed(table)
    shown = shown.set_index(["W (samples)", "S (samples)"])
    ours, published, difference = shown.loc[(20, 50)].to_dict("records")
    f1 = cell(table, 20, 50, "f1")
    assert ours["F1-score"] == f"{f1['mean']:.2f} ± {f1['sd']:.2f}"
    assert published["F1-score"] == "0.85 ± 0.23" and published["Identified (%)"] == "70.87"
    assert difference["F1-score"] == f"{f1['mean'] - 0.85:+.2f}"
    assert shown.loc[(140, 50), "Values"] == "ours; published: not in the text"
    pairs = analysis.compare_pairs(reduced_scores, analysis.shortest_settings(reduced_scores))
    text = analysis.printed_pairs(pairs.assign(p=1e-14, p_exact=0.0123456))
    assert set(text["p"]) == {"<1e-10"} and set(text["p_exact"]) == {"0.0123"}
