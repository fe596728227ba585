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
    return given | counts | about | later | settings


def f1(tp):
    return 2 * tp / (4 + tp)


def test_against_others_by_hand():
    rows = [row(OURS, tp, s, window=40) for s, tp in zip("123", (4, 4, 2), strict=True)]
    rows += [row(FILTER, tp, s) for s, tp in zip("123", (2, 1, 1), strict=True)]
    rows += [row(FILTER, 0, s, window=60) for s in "123"]  # a worse window of the same decoder
    rows += [row("ML-DCNN", 4, s, step=50) for s in "123"]  # another task
    rows += [row("ML-DCNN", 4, s, split="shuffled") for s in "123"]
    table = ours.against_others(pd.DataFrame(rows), step=20)
    assert table[["network", "window", "mvc", "n"]].to_numpy().tolist() == [[FILTER, 20, 10, 3]]
    assert table["f1_ours"][0] == pytest.approx((2 + f1(2)) / 3)
    assert table["f1"][0] == pytest.approx((f1(2) + 2 * f1(1)) / 3)
    assert table["difference"][0] == pytest.approx(table["f1_ours"][0] - table["f1"][0])
    assert table["p"][0] == pytest.approx(0.25)  # three of three above


def test_against_others_needs_our_network():
    with pytest.raises(ValueError, match="no run of MUF-Net on blocked folds with step 20"):
        ours.against_others(pd.DataFrame([row(FILTER, 1)]), step=20)


def test_ablation_compares_with_the_whole_network_of_the_same_step():
    rows = [row(OURS, 4, setting=OURS), row(OURS, 1, setting=OURS, step=10)]
    rows += [row(OURS, 2, setting="MUF-Net ablation", without="lag")]
    table = ours.ablation(pd.DataFrame(rows))
    assert table["without"].tolist() == ["", "lag"]
    np.testing.assert_allclose(table["f1"], [1, f1(2)])
    np.testing.assert_allclose(table["difference"], [0, f1(2) - 1])


def test_training_seconds_end_with_all_there_are():
    rows = [row(OURS, n, setting="training seconds", train_seconds=n, run=n) for n in (1.0, 2.0)]
    rows += [row(OURS, 4, setting=OURS), row(OURS, 0, setting="MUF-Net ablation", run="a")]
    table = ours.training_seconds(pd.DataFrame(rows), 10.0)
    assert table["train_seconds"].tolist() == [1, 2, 6]
    np.testing.assert_allclose(table["f1"], [f1(1), f1(2), 1])
