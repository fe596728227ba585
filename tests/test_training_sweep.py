import numpy as np
import pandas as pd
import pytest
from random_results import random_results
from test_scores import read

from hdsemg_nb import paths, results
from hdsemg_nb.chapters import scores, training_sweep

DCNNS = "ML-DCNN", "MT-DCNN"


def curves(**losses):
    """Validation losses by epoch of runs with one fold."""
    rows = [
        {"run": run, "fold": 0, "epoch": epoch, "val_loss": loss}
        for run, values in losses.items()
        for epoch, loss in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_the_longest_wait_for_a_fall_of_the_loss():
    table = curves(
        falling=[9, 8, 7, 6, 5, 4],
        early=[9, 1, 2, 3, 4, 5],  # what comes after the lowest does not count
        at_once=[1, 2, 3, 4, 5, 6],
        waits_four=[9, 8, 8, 8, 8.5, 7],  # equal is no fall: four epochs from 1 to 5
        ended=[9, 8],  # by a patience: tells nothing
    )
    found = training_sweep.longest_wait(table).to_dict()
    assert found == {("falling", 0): 1, ("early", 0): 1, ("waits_four", 0): 4, ("at_once", 0): 0}


@pytest.fixture
def rows(monkeypatch):
    return read(monkeypatch, random_results(2))


def test_patience_by_network_and_narrow_apart():
    table = curves(**{f"ML-DRSNet {k}": [3, 2, 2, 2, 2, 1, 2] for k in "ab"})
    table = table.assign(network="ML-DRSNet", window=20, step=50, split="shuffled", width=0.125)
    table = pd.concat([table, *(table[:7].assign(run=x, network=x, width=1) for x in DCNNS)])
    table.loc[table["run"] == "ML-DRSNet b", "split"] = "blocked"
    found = training_sweep.patience(table).set_index("network")
    assert set(found.index) == {"ML-DRSNet (narrow)", "ML-DCNN", "MT-DCNN"}
    assert (found[["kept, p = 5", "trainings", "cells"]] == 1).all(axis=None)
    assert (found["kept, p = 3"] == 0).all()


def test_kept_epochs_by_hand(rows):
    rows["f1_tp"], rows["f1_fp"], rows["f1_fn"] = 60, 0, 0
    table = training_sweep.kept_epochs(rows)
    assert len(table) == 3 * 2 * 2 and set(table["n"]) == {6}
    assert set(table["epoch_lowest_loss"]) == {3} and set(table["epoch_highest_f1"]) == {5}
    assert set(table["f1_highest_f1"]) == {1}
    runs = scores.scores(rows).groupby(["network", "window", "step"])["f1"].mean()
    found = table.set_index(["network", "window", "step"])["f1_lowest_loss"]
    pd.testing.assert_series_equal(found.sort_index(), runs, check_names=False)


def test_coverage_counts_recordings(rows):
    runs = scores.scores(rows).query("mvc != 50 and (network != 'MT-DCNN' or mvc == 10)")
    table = training_sweep.coverage(runs)
    assert table.loc[(10, "MT-DCNN", 20), 10] == 2 and table.loc[(30, "MT-DCNN", 20), 10] == 0
    assert table.loc[(10, "ML-DCNN", 60), 10] == 0 and 50 not in table.index.get_level_values(0)


def test_learning_curves_are_drawn_of_the_networks_there_are(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    some = rows[rows["network"] == "ML-DCNN"].drop_duplicates("run")[["run", "window"]]
    columns = {"fold": 0, "epoch": range(4), "train_loss": 1.0, "val_loss": 1.0, "val_f1": 0.5}
    curves, drawn = some.merge(pd.DataFrame(columns), how="cross"), []
    longer = curves.iloc[:4].assign(epoch=range(4, 8))  # the others ended by their patience
    monkeypatch.setattr(training_sweep, "save", lambda figure, *about: drawn.append(figure))
    training_sweep.draw_learning_curves(pd.concat([curves, longer]), rows, "out", "note")
    assert [ax.get_title(loc="left") for ax in drawn[0].axes] == ["ML-DCNN", ""]
    assert drawn[0].axes[1].lines[0].get_xydata().tolist() == [[e, 0.5] for e in (1, 2, 3, 4)]


def test_longer_trainings_stand_beside_the_protocol_by_hand(rows):
    some = rows.query("network == 'ML-DCNN' and window == 20 and mvc == 30")
    long = some.assign(tp=some["tp"] + some["fn"], fn=0, fp=0, epochs=400, best_epoch=380)
    table = training_sweep.longer(rows, long)
    assert len(table) == 2 * 2 and (table["f1"] == 1).all()
    assert set(table["epochs"]) == {400} and set(table["epoch_lowest_loss"]) == {381}
    expected = scores.scores(some).set_index(["step", "subject"])["f1"]
    found = table.set_index(["step", "subject"])["f1_protocol"]
    pd.testing.assert_series_equal(found, expected[found.index], check_names=False)


def test_trainings_that_are_begun_stand_beside_whole_ones(rows):
    cell = rows.query("window == 20 and step == 10 and mvc == 30 and subject == 'S01'")
    first = cell.query("network == 'ML-DRSNet'").assign(fn=0, fp=0, epochs=25, best_epoch=24)
    table = training_sweep.begun(rows.query("network != 'ML-DRSNet'"), first)
    assert table["network"].tolist() == ["ML-DCNN", "ML-DRSNet", "MT-DCNN"]
    assert set(table["subject"]) == {"S01"} and set(table["step"]) == {10}
    assert table["epochs"].tolist() == [100, 25, 100] and table["f1"][1] == 1
    assert table["epoch_lowest_loss"].tolist() == [3, 25, 3]
    table = training_sweep.begun(rows, first)
    assert table["epochs"].tolist() == 3 * table["subject"].nunique() * [100]


def test_longer_trainings_are_drawn_by_cell(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    some = rows.query("network != 'ML-DRSNet' and window == 20 and mvc == 30")
    some, drawn = some.drop_duplicates("run")[["run", "subject", *training_sweep.CELL]], []
    columns = {"epoch": range(4), "val_loss": [0.5, 0.4, 0.3, 0.2], "val_f1": [0.1, 0.2, 0.3, 0.4]}
    monkeypatch.setattr(training_sweep, "save", lambda figure, *about: drawn.append(figure))
    training_sweep.draw_longer(some.merge(pd.DataFrame(columns), how="cross"), "s", "out", "note")
    upper = drawn[0].axes[:4]
    assert upper[0].get_title(loc="left") == "ML-DCNN, W = 20, S = 10" and len(drawn[0].axes) == 8
    assert upper[3].lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.4], [3, 0.3], [4, 0.2]]
    assert len(upper[0].get_legend().get_texts()) == 2 and upper[3].get_legend() is None


class Pool:
    """Processes that give back what is stored, with some true positives lost."""

    lost = 0

    def __init__(self, n, mp_context):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def map(self, function, rows):
        table = results.read("protocol")
        for row in rows:
            again = table[table["run"] == row["run"]]
            lost = np.minimum(again["tp"], self.lost)
            yield again.assign(tp=again["tp"] - lost, fn=again["fn"] + lost)


def test_the_spot_check_is_loud_when_a_score_is_off(monkeypatch):
    table = random_results(2).assign(epochs=1)
    table.loc[table["network"] != "ML-DCNN", "epoch_seconds"] = 61.0
    table.loc[table["step"] == 50, "tp"] = 0  # would be within the tolerance whatever is found
    table.loc[table["window"] == 140, "device"] = "NVIDIA H100"
    monkeypatch.setattr(results, "read", lambda name: table)
    monkeypatch.setattr(training_sweep, "ProcessPoolExecutor", Pool)
    found = training_sweep.spot_check("protocol", 3, 0)
    assert set(found["network"]) == {"ML-DCNN"} and set(found["window"]) == {20}
    assert set(found["step"]) == {10}
    assert (found["difference"] == 0).all() and len(found) == 3
    assert found.equals(training_sweep.spot_check("protocol", 3, 0))
    for n in (0, 19):
        with pytest.raises(ValueError, match=f"n={n}: from 1 to the 6 quick runs of"):
            training_sweep.spot_check("protocol", n, 0)
    monkeypatch.setattr(Pool, "lost", 30)
    with pytest.raises(RuntimeError, match="results/protocol.csv is not found again"):
        training_sweep.spot_check("protocol", 3, 0)


def test_a_recording_that_is_simulated_otherwise_is_refused(two_units, monkeypatch):
    row = {"subject": "S01", "mvc": 30.0, "recording_digest": "0" * 16, "run": "r"}
    simulated = type("Simulation", (), {"recording": two_units})
    monkeypatch.setattr(training_sweep, "simulate", lambda *about, **more: simulated)
    with pytest.raises(RuntimeError, match="S01 at 30 % MVC is simulated otherwise than it was"):
        training_sweep._again(row, seconds=60.0, seed=0)
