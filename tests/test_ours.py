import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import ours
from hdsemg_nb.models import OURS
from hdsemg_nb.train import FILTER


def row(network, tp, subject="1", mvc=10, **settings):
    """Counts of one motor unit of which `tp` of 4 discharges are found, and none is false."""
    given = dict(window=20, step=20, split="blocked", span="step", fold=0, motor_unit=0)
    counts = dict(n_windows=100, tp=tp, fp=0, fn=4 - tp)
    about = dict(network=network, subject=subject, mvc=mvc, recording_digest=subject, run=network)
    later = dict(train_seconds=np.nan, without=np.nan, whiten=np.nan, setting="")
    later |= dict(tested_folds=5, learning_rate=1e-3, fit_offsets=True)
    return given | counts | about | later | settings


def f1(tp):
    return 2 * tp / (4 + tp)


def test_against_others_by_hand():
    rows = [row(OURS, tp, s, window=40) for s, tp in zip("123", (4, 4, 2), strict=True)]
    rows += [row(FILTER, tp, s) for s, tp in zip("123", (2, 1, 1), strict=True)]
    rows += [row(FILTER, 0, s, window=60) for s in "123"]  # a worse window of the same decoder
    rows += [row("ML-DCNN", 4, s, step=50) for s in "123"]  # another task
    rows += [row("ML-DCNN", 4, s, split="shuffled") for s in "123"]
    rows += [row(OURS, 0, s, window=40, without="lag") for s in "123"]
    table = ours.against_others(ours.comparable_runs(pd.DataFrame(rows)))
    names = ["network", "window", "step", "mvc", "n"]
    assert table[names].to_numpy().tolist() == [[FILTER, 20, 20, 10, 3]]
    assert table["f1_ours"][0] == pytest.approx((2 + f1(2)) / 3)
    assert table["f1"][0] == pytest.approx((f1(2) + 2 * f1(1)) / 3)
    assert table["difference"][0] == pytest.approx(table["f1_ours"][0] - table["f1"][0])
    assert table["p"][0] == pytest.approx(0.25)  # three of three above


def test_nothing_to_compare_without_our_network():
    runs = ours.comparable_runs(pd.DataFrame([row(FILTER, 1)]))
    assert runs.empty and ours.against_others(runs).empty


def test_runs_at_another_step_are_not_compared():
    rows = [row(OURS, 4), row(FILTER, 2), row(OURS, 4, step=50), row(FILTER, 4, step=50)]
    assert ours.against_others(ours.comparable_runs(pd.DataFrame(rows)))["f1"].tolist() == [f1(2)]


def test_ablation_compares_with_the_whole_network_of_the_same_step():
    rows = [row(OURS, 4, setting=OURS), row(OURS, 1, setting=OURS, step=10)]
    rows += [row(OURS, 2, setting="MUF-Net ablation", without="lag")]
    table = ours.ablation(pd.DataFrame(rows))
    assert table["without"].tolist() == ["", "lag"]
    np.testing.assert_allclose(table["f1"], [1, f1(2)])
    np.testing.assert_allclose(table["difference"], [0, f1(2) - 1])


def test_training_seconds_end_with_all_there_are():
    rows = [row(OURS, n, setting="training seconds", train_seconds=n, run=n) for n in (1.0, 2.0)]
    rows += [row(OURS, 4), row(OURS, 0, without="lag", run="a")]
    rows += [row(OURS, 0, learning_rate=1e-4, run="b")]  # not the same training
    table = ours.training_seconds(pd.DataFrame(rows), 10.0)
    assert table["train_seconds"].tolist() == [1, 2, 6]
    np.testing.assert_allclose(table["f1"], [f1(1), f1(2), 1])


def test_training_seconds_are_means_over_recordings():
    rows = [row(OURS, n, s, train_seconds=2.0, run=s) for s, n in zip("12", (4, 1), strict=True)]
    table = ours.training_seconds(pd.DataFrame(rows), 10.0)
    assert table[["train_seconds", "n"]].to_numpy().tolist() == [[2, 2]]
    assert table["f1"][0] == pytest.approx((1 + f1(1)) / 2)


def test_runs_with_less_signal_are_not_compared_with_whole_ones():
    rows = [row(OURS, 4), row(FILTER, 2), row(FILTER, 4, train_seconds=2.0, run="short")]
    table = ours.against_others(ours.comparable_runs(pd.DataFrame(rows)))
    assert table["f1"][0] == pytest.approx(f1(2))


def test_paired_robustness_by_hand():
    rows = [
        dict(network=network, subject=subject, mvc=10, kind="noise", level="10 dB", f1=f1)
        for network, scores in ((FILTER, (0.2, 0.3, 0.4)), (OURS, (0.7, 0.9, 0.8)))
        for subject, f1 in zip("123", scores, strict=True)
    ]
    rows += [{**row, "kind": "as recorded", "level": np.nan, "f1": 0.5} for row in rows]
    table = ours.paired_robustness(pd.DataFrame(rows)).set_index("kind")
    noise = table.loc["noise"]
    assert (noise["n"], noise["mvc"], noise["level"]) == (3, 10, "10 dB")
    assert noise[["f1", "f1_ours", "difference"]].tolist() == pytest.approx([0.3, 0.8, 0.5])
    assert noise["p"] == pytest.approx(0.25) and table.loc["as recorded", "p"] == 1
