import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import paths, tables
from hdsemg_nb.chapters import filter_initialised as muf
from hdsemg_nb.decoders import FILTER, OURS
from hdsemg_nb.results import DEFAULTS


def test_paired_by_hand():
    given = {OURS: [1.0, 0.9, 0.8], FILTER: [0.5, 0.7, 0.75], "ML-DCNN": [0.1, 0.2, 0.9]}
    rows = [
        {"network": network, "subject": f"S{k}", "mvc": 10, "step": step, "f1": f1 * (step == 20)}
        for network, scores in given.items()
        for k, f1 in enumerate(scores)
        for step in (20, 50)
    ]
    table = muf.paired(pd.DataFrame(rows), ["step"]).set_index(["network", "step"])
    row = table.loc[FILTER, 20]
    assert (row["f1_ours"], row["f1"]) == (pytest.approx(0.9), pytest.approx(0.65))
    assert row["difference"] == pytest.approx(0.25) and row["n"] == row["n_ahead"] == 3
    assert row["p"] == pytest.approx(0.25)  # three of three above
    assert table.loc[("ML-DCNN", 20), "p"] > 0.25 and table.loc[("ML-DCNN", 50), "difference"] == 0


def row(network, tp, motor_unit=0, **settings):
    """Counts of one motor unit of which `tp` of 4 discharges are found, and none is false."""
    given = dict(window=40, step=20, fold=0, n_windows=100, tp=tp, fp=0, fn=4 - tp)
    about = dict(network=network, motor_unit=motor_unit, subject="S01", mvc=10, setting=OURS)
    return {**DEFAULTS, "split": "blocked", **given, **about, **settings}


def f1(tp):
    return 2 * tp / (4 + tp)


def test_ablation_compares_with_the_whole_network_of_the_same_step():
    rows = [row(OURS, 4), row(OURS, 3, 1), row(OURS, 1, step=10), row(FILTER, 0)]
    rows += [row(OURS, n, n - 1, setting="MUF-Net ablation", without="lag") for n in (1, 2)]
    table = muf.ablation(pd.DataFrame(rows))
    assert table["without"].tolist() == ["", "", "lag", "lag"]
    assert table["motor_unit"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(table["f1"], [1, f1(3), f1(1), f1(2)])


def test_training_seconds_end_with_all_there_are():
    rows = [row(OURS, int(n), train_seconds=n) for n in (1.0, 2.0)]
    rows += [row(OURS, 4), row(OURS, 0, without="lag")]
    rows += [row(OURS, 0, learning_rate=1e-2)]  # not the same training
    rows += [row(OURS, n, subject="S02", train_seconds=float(n)) for n in (1,)]
    table = muf.training_seconds(pd.DataFrame(rows), 10.0)
    of_one = table[table["subject"] == "S01"]
    assert of_one["train_seconds"].tolist() == [1, 2, 6]
    np.testing.assert_allclose(of_one["f1"], [f1(1), f1(2), 1])
    assert len(table) == 4


def test_changes_are_drawn_beside_the_signal_as_recorded(monkeypatch):
    kept = []
    monkeypatch.setattr(muf, "save", lambda figure, *rest: kept.append(figure))
    levels = [("as recorded", ""), ("noise", "20 dB"), ("dead channels", "5 %")]
    rows = [
        {"network": network, "kind": kind, "level": level, "f1": f1}
        for kind, level in levels
        for network, f1 in ((FILTER, 0.4), (OURS, 0.6))
    ]
    muf.draw_changes(pd.DataFrame(rows), "out", "note")
    labels = [[tick.get_text() for tick in ax.get_xticklabels()] for ax in kept[0].axes]
    assert labels == [["none", "20 dB"], ["none", "5 %"]]


def test_figures_are_the_same_byte_for_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    scores, _ = tables.load(paths.RESULTS / "robustness_cohort.csv")
    drawn = []
    for _ in range(2):  # dots side by side are not placed by chance
        muf.draw_changes(scores, "", "note")
        drawn.append((tmp_path / "figures" / "muf_robustness.png").read_bytes())
    assert drawn[0] == drawn[1]
