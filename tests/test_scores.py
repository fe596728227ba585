import numpy as np
import pandas as pd
import pytest
from random_results import random_results

from hdsemg_nb import paths, results
from hdsemg_nb.chapters import scores, window_and_step
from hdsemg_nb.results import DEFAULTS

GOOD, FAIR, POOR = (8, 2, 0), (6, 0, 2), (5, 5, 5)  # tp, fp, fn; F1 16/18, 12/14, 1/2


def run(subject, units, network="ML-DRSNet", window=20, step=50, **other):
    """Rows of one run with one fold: counts of its motor units."""
    rows = pd.DataFrame(units, columns=["tp", "fp", "fn"]).assign(fold=0)
    rows["motor_unit"] = range(len(units))
    about = {"subject": subject, "mvc": 10.0, "network": network, "window": window, "step": step}
    rest = {"recording": "synthetic", "epoch_seconds": 2.0, "device": "a CPU", "threads": 1}
    rest["recording_digest"] = f"of {subject}"
    return rows.assign(n_windows=40, **DEFAULTS | about | rest | {"tested_folds": 1} | other)


def read(monkeypatch, *runs):
    table = pd.concat(runs, ignore_index=True)
    monkeypatch.setattr(results, "read", lambda name: table)
    return scores.read("some")


@pytest.fixture
def by_hand(monkeypatch):
    """F1 of participant A at 20/50 (16/18 + 12/14) / 2, of B 1/2; only A at 60/10."""
    runs = [run("A", [GOOD, FAIR]), run("B", [POOR]), run("A", [POOR, POOR], window=60, step=10)]
    return read(monkeypatch, *runs)


def cell(table, window, step, metric):
    chosen = (table["window"] == window) & (table["step"] == step) & (table["metric"] == metric)
    return table[chosen].squeeze()


def test_table_by_hand(by_hand):
    table = window_and_step.window_and_step(scores.scores(by_hand), "ML-DRSNet", True)
    assert len(table) == 4 * 5 * 3 * 5  # the paper's windows, steps, intensities; metrics
    table = table[table["mvc"] == 10]
    first, second = (16 / 18 + 12 / 14) / 2, 1 / 2
    f1 = cell(table, 20, 50, "f1")
    assert f1["n"] == 2 and f1["mean"] == pytest.approx((first + second) / 2)
    assert f1["sd"] == pytest.approx((first - second) / np.sqrt(2))
    assert cell(table, 20, 50, "precision")["mean"] == pytest.approx((0.9 + 0.5) / 2)
    assert cell(table, 20, 50, "sensitivity")["mean"] == pytest.approx((0.875 + 0.5) / 2)
    assert cell(table, 20, 50, "n_identified")["mean"] == 0.5  # 1 and 0
    percent = cell(table, 20, 50, "identified_percent")
    assert percent["mean"] == pytest.approx(100 / 3) and np.isnan(percent["sd"])


def test_cells_without_runs_are_said_not_to_be_run_yet(by_hand):
    runs = scores.scores(by_hand)
    table = window_and_step.window_and_step(runs, "ML-DRSNet")
    never = cell(table, 20, 10, "f1")
    assert never["n"] == 0 and np.isnan(never["mean"])
    assert cell(table, 60, 10, "f1")["n"] == 1
    shown = scores.printed(table).set_index(["W (samples)", "S (samples)"])
    assert shown.loc[(20, 10), "F1-score"].iloc[0] == "not run yet"
    assert list(shown.loc[(20, 10), "Values"]) == ["ours", "published"]  # no difference
    nothing = scores.printed(window_and_step.window_and_step(runs, "MT-DCNN", True))
    assert set(nothing["Recordings"]) == {0} and set(nothing["MVC (%)"]) == {10, 30, 50}


def test_recordings_of_two_cohorts_are_not_mixed(monkeypatch, by_hand):
    other = run("A", [GOOD], network="MT-DCNN", recording_digest="of another cohort")
    with pytest.raises(ValueError, match="holds several recordings of A 10 % MVC: other cohorts"):
        read(monkeypatch, by_hand, other)


def test_all_intensities_are_compared_with_the_published_when_all_are_there(monkeypatch, by_hand):
    table = window_and_step.window_and_step(scores.scores(by_hand), "ML-DRSNet")
    assert cell(table, 20, 50, "f1")["published_mean"] == 0.85
    assert np.isnan(cell(table, 20, 50, "f1")["difference"])
    mvc = scores.printed(table).set_index(["W (samples)", "S (samples)"])["MVC (%)"]
    assert set(mvc.loc[20, 50]) == {"all so far"} and set(mvc.loc[20, 10]) == {"all"}
    more = read(monkeypatch, by_hand, *(run("A", [GOOD], mvc=m) for m in (30.0, 50.0)))
    f1 = cell(window_and_step.window_and_step(scores.scores(more), "ML-DRSNet"), 20, 50, "f1")
    assert f1["difference"] == pytest.approx(f1["mean"] - 0.85)
    other = (run("A", [GOOD], mvc=m) for m in (30.0, 50.0))
    more = read(monkeypatch, by_hand, *other, run("Z", [GOOD], network="ML-DCNN"))
    table = window_and_step.window_and_step(scores.scores(more), "ML-DRSNet")
    assert np.isnan(cell(table, 20, 50, "f1")["difference"])  # one participant lacks it


def test_a_narrow_stand_in_is_named_not_compared_and_replaced(monkeypatch):
    narrow = [run("A", [POOR], mvc=m, width=0.125) for m in (10.0, 30.0, 50.0)]
    narrow += [run("A", [POOR], step=10, width=0.125)]
    rows = read(monkeypatch, *narrow)
    table = window_and_step.window_and_step(scores.scores(rows), "ML-DRSNet")
    assert cell(table, 20, 50, "f1")["mean"] == 0.5
    assert np.isnan(cell(table, 20, 50, "f1")["difference"])
    shown = scores.printed(table).set_index(["W (samples)", "S (samples)"]).loc[(20, 50)]
    assert set(shown["Network"]) == {"ML-DRSNet (narrow)"}
    assert set(shown["MVC (%)"]) == {"all so far"}
    assert scores.stamp(rows).endswith("first fold; narrow: width 0.125")
    runs = scores.scores(read(monkeypatch, *narrow, run("B", [GOOD])))
    assert runs.set_index(["step", "subject"])["width"].to_dict() == {
        (10, "A"): 0.125,
        (50, "B"): 1,
    }


def test_of_a_run_the_one_with_most_folds_counts(monkeypatch):
    five = [run("A", [GOOD], fold=k, tested_folds=5) for k in range(5)]
    rows = read(monkeypatch, run("A", [POOR]), *five, run("B", [POOR]))
    assert scores.scores(rows)["f1"].tolist() == pytest.approx([16 / 18, 0.5])
    assert "results/protocol.csv, 1 to 5 folds" in scores.stamp(rows)


def test_only_the_protocol_of_the_paper_counts(monkeypatch, by_hand):
    wrong = [
        run("A", [POOR], split="blocked"),
        run("A", [POOR], span="window"),
        run("A", [POOR], network="motor-unit filter"),
    ]
    more = read(monkeypatch, by_hand, *wrong)
    pd.testing.assert_frame_equal(scores.scores(more), scores.scores(by_hand))
    with pytest.raises(ValueError, match="some.csv holds no run of ML-DRSNet, .* 'shuffled'"):
        read(monkeypatch, *wrong)
    for setting in ({"epochs": 3}, {"whiten": True}, {"train_seconds": 20.0}):
        ((name, value),) = setting.items()
        with pytest.raises(ValueError, match=f"runs trained with {name}={value}; the paper's"):
            read(monkeypatch, by_hand, run("C", [POOR], **setting))
    with pytest.raises(ValueError, match="several runs of subject A, mvc 10, network ML-DRSNet"):
        read(monkeypatch, by_hand, run("A", [GOOD], seed=1))


def test_the_stamp_is_one_line_about_the_rows(monkeypatch, by_hand):
    assert scores.stamp(by_hand) == (
        "SYNTHETIC data, 2 recordings at 10 % MVC; results/protocol.csv, first fold"
    )
    assert scores.stamp(by_hand[:0], "mine") == "not run yet; results/mine.csv"
    rows = random_results(1, (20,), (50,)).assign(recording="DEMUSE file GM_10.mat")
    assert scores.stamp(read(monkeypatch, rows)) == (
        "DEMUSE file GM_10.mat, 3 recordings at 10, 30, 50 % MVC; results/protocol.csv, 5 folds"
    )


def test_participants_of_any_name_and_recordings_without_intensity_stay_in(monkeypatch, tmp_path):
    names = ["NA", "None", "nan", "", "trial #2.mat"]
    table = pd.concat([run(name, [GOOD], mvc=np.nan) for name in names], ignore_index=True)
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    results.save(table, tmp_path / "names.csv", "a note")
    runs = scores.scores(scores.read("names"))
    assert runs["subject"].tolist() == names and set(runs["mvc"]) == {"unknown"}
    assert len(scores.complete(runs)) == 5
    table = window_and_step.window_and_step(runs, "ML-DRSNet", by_intensity=True)
    assert cell(table[table["mvc"] == "unknown"], 20, 50, "f1")["n"] == 5


def test_the_largest_complete_part_of_the_runs():
    cells = {"A": (10, 20, 30), "B": (10, 20), "C": (10, 20), "D": (50,)}
    runs = [{"subject": s, "mvc": 10, "window": 20, "step": x} for s in cells for x in cells[s]]
    part = scores.complete(pd.DataFrame(runs))
    assert set(part["subject"]) == {"A", "B", "C"} and set(part["step"]) == {10, 20}


def test_printed_as_in_the_paper(monkeypatch):
    rows = read(monkeypatch, random_results(2, (20, 140), (50,)))
    table = window_and_step.window_and_step(scores.scores(rows), "ML-DRSNet")
    shown = scores.printed(table).set_index(["W (samples)", "S (samples)"])
    ours, published, difference = shown.loc[(20, 50)].to_dict("records")
    f1 = cell(table, 20, 50, "f1")
    assert ours["F1-score"] == f"{f1['mean']:.2f} ± {f1['sd']:.2f}"
    assert published["F1-score"] == "0.85 ± 0.23" and published["Identified (%)"] == "70.87"
    assert difference["F1-score"] == f"{f1['mean'] - 0.85:+.2f}"
    assert shown.loc[(140, 50), "Values"] == "ours; published: not in the text"
