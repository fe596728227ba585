import numpy as np
import pytest
from random_results import random_results
from test_scores import FAIR, GOOD, POOR, read, run

from hdsemg_nb import stats
from hdsemg_nb.chapters import comparison, scores


@pytest.fixture
def runs(monkeypatch):
    return scores.scores(read(monkeypatch, random_results()))


def test_best_settings_on_test_and_on_validation(monkeypatch):
    val = {"val_tp": 5, "val_fp": 5, "val_fn": 5, "val_n_windows": 40}
    better = val | {"val_tp": 8, "val_fn": 0}
    rows = read(
        monkeypatch,
        run("A", [GOOD], **val),
        run("A", [FAIR], window=60, **better),
        run("A", [GOOD], window=140, **val),  # as good as 20, but longer
        run("B", [FAIR], **val),
        run("B", [FAIR], window=60, **val),
        run("B", [FAIR], window=140, **val),
        run("A", [(9, 0, 0)], window=60, step=10, **better),  # best, but not of all recordings
    )
    best = comparison.best_settings(scores.scores(rows), scores.scores(rows, "val_"))
    best = best[best["network"] == "ML-DRSNet"].set_index("setting")
    assert best.loc["optimal", ["window", "step", "n", "cells"]].tolist() == [20, 50, 2, 3]
    assert best.loc["optimal", "f1"] == pytest.approx((16 / 18 + 12 / 14) / 2)
    chosen = best.loc["optimal on validation"]
    assert chosen[["window", "step"]].tolist() == [60, 50]
    assert chosen["f1"] == pytest.approx(12 / 14)  # of the test windows
    assert chosen[["published_window", "published_step"]].tolist() == [20, 50]


def test_networks_without_runs_are_said_not_to_be_run_yet(runs):
    some = runs[runs["network"] == "ML-DCNN"]
    best = comparison.best_settings(some, some)
    assert best.groupby("network")["n"].first().to_dict() == {
        "ML-DCNN": 9, "ML-DRSNet": 0, "MT-DCNN": 0,
    }  # fmt: skip
    shown = scores.printed(comparison.compare(some, best)).set_index("Network")
    assert shown.loc["MT-DCNN", "F1-score"].iloc[0] == "not run yet"
    assert comparison.compare_pairs(some, best).empty
    assert comparison.printed_pairs(comparison.compare_pairs(some, best)).empty


def test_published_values_stand_beside_our_own_best_settings(runs):
    moved = comparison.best_settings(runs, runs).assign(window=20, step=50)
    table = comparison.compare(runs, moved)
    row = table.query("setting == 'optimal' and network == 'ML-DCNN' and metric == 'n_identified'")
    given = row[["window", "published_window", "published_mean"]].to_numpy().tolist()
    assert given == [[20, 140, 14.71]]
    ours = runs.query("network == 'ML-DCNN' and window == 20 and step == 50")
    assert row["mean"].item() == pytest.approx(ours["n_identified"].mean())


def test_blocks_are_recordings_and_participants(runs):
    shortest = comparison.shortest_settings()
    pairs = comparison.compare_pairs(runs, shortest)
    assert pairs.groupby("blocks")["n_blocks"].first().to_dict() == {
        "participants": 3, "recordings": 9,
    }  # fmt: skip
    within = comparison.compare_pairs(runs, shortest, by_intensity=True)
    assert len(within) == 3 * 4 * 3  # intensities, metrics, pairs
    assert set(within["n_blocks"]) == {3} and set(within["blocks"]) == {"participants"}
    chosen = runs.query("window == 20 and step == 10")
    wide = chosen.pivot(index=["subject", "mvc"], columns="network", values="f1")
    query = "metric == 'f1' and a == 'ML-DRSNet' and b == 'ML-DCNN' and blocks == '{}'"
    for over, table in {"recordings": wide, "participants": wide.groupby("subject").mean()}.items():
        row = pairs.query(query.format(over)).squeeze()
        expected = stats.pairs(table[["ML-DRSNet", "ML-DCNN", "MT-DCNN"]]).iloc[0]
        assert row[expected.index].equals(expected)


def test_incomplete_blocks_are_left_out_by_name(runs):
    gap = runs.query("subject == 'S02' and mvc == 30 and network == 'MT-DCNN'")
    pairs = comparison.compare_pairs(runs.drop(index=gap.index), comparison.shortest_settings())
    assert set(pairs["left_out"]) == {"S02 30 %"}
    assert set(pairs.query("blocks == 'recordings'")["n_blocks"]) == {8}
    assert set(pairs["agrees"]) == {scores.NOT_RUN, "not in the text"}
    few = comparison.compare_pairs(runs.query("subject < 'S03'"), comparison.shortest_settings())
    verdicts = few.groupby("blocks")["agrees"].agg(set)
    assert verdicts["participants"] == {
        scores.NOT_RUN,
        "not in the text",
    }  # two blocks: p is 0.17 at best


def test_pairs_are_judged_when_all_networks_and_intensities_are_there(runs):
    shortest = comparison.shortest_settings()

    def judged(some):
        table = comparison.compare_pairs(some, shortest)
        return set(table.loc[table["published_p"] != "not in the text", "agrees"]), len(table)

    assert judged(runs)[0] <= {"agrees", "does not"} and judged(runs)[1] == 2 * 4 * 3
    assert judged(runs[runs["mvc"] == 30])[0] == {"not run yet"}
    narrow = runs.assign(width=np.where(runs["network"] == "ML-DRSNet", 0.125, 1))
    assert judged(narrow)[1] == 2 * 4 * 1  # one pair is left


def test_best_settings_are_judged_where_they_were_chosen_among_all_cells(runs, monkeypatch):
    best = comparison.best_settings(runs, runs)
    assert set(best["cells"]) == {4}
    for n_cells, judged in ((20, False), (4, True)):
        monkeypatch.setattr(comparison, "N_CELLS", n_cells)
        verdicts = set(comparison.compare_pairs(runs, best)["agrees"])
        assert judged == bool(verdicts & {"agrees", "does not"})
        assert judged == comparison.compare(runs, best)["difference"].notna().any()


def test_best_among_different_numbers_of_cells_are_not_tested(runs):
    best = comparison.best_settings(runs, runs)
    assert len(comparison.compare_pairs(runs, best)) == 2 * 2 * 4 * 3
    few = runs.query("network != 'MT-DCNN' or window == 20")
    best = comparison.best_settings(few, few)
    assert best.query("network == 'MT-DCNN'")["cells"].tolist() == [2, 2]
    assert comparison.compare_pairs(few, best).empty
    narrow = few.assign(width=np.where(few["network"] == "MT-DCNN", 0.125, 1.0))
    pairs = comparison.compare_pairs(narrow, comparison.best_settings(narrow, narrow))
    assert set(pairs["a"] + pairs["b"]) == {"ML-DRSNetML-DCNN"}


def test_pairs_for_people(runs):
    pairs = comparison.compare_pairs(runs, comparison.shortest_settings())
    text = comparison.printed_pairs(pairs.assign(p=1e-14, p_exact=0.0123456))
    assert set(text["p"]) == {"<1e-10"} and set(text["p_exact"]) == {"0.0123"}


def test_three_participants_named_like_missing_values_are_three_blocks(monkeypatch):
    rows = read(
        monkeypatch,
        *(
            run(subject, [units], network=network, step=10)
            for network, units in {"ML-DCNN": GOOD, "MT-DCNN": POOR}.items()
            for subject in ("NA", "nan", "")
        ),
    )
    pairs = comparison.compare_pairs(scores.scores(rows), comparison.shortest_settings())
    assert set(pairs["n_blocks"]) == {3} and set(pairs["left_out"]) == {""}
