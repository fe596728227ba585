import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import metrics


def test_counts_by_hand():
    true = [[1, 0], [1, 0], [0, 0], [0, 1]]
    pred = [[1, 0], [0, 1], [1, 0], [0, 1]]
    c = metrics.counts(true, pred)
    assert (c.tp.tolist(), c.fp.tolist(), c.fn.tolist()) == ([1, 1], [1, 1], [1, 0])


@pytest.mark.parametrize(
    ("true", "pred", "match"),
    [
        ([[1, 0]], [[1]], r"shape \(1, 2\) and y_pred \(1, 1\)"),
        ([1, 0], [1, 0], "y_true has shape"),
        ([[1]], [[0.7]], "threshold probabilities first"),
        ([[1]], [[np.nan]], "threshold probabilities first"),
    ],
)
def test_counts_refuse(true, pred, match):
    with pytest.raises(ValueError, match=match):
        metrics.counts(true, pred)


def test_scores_by_hand():
    s = metrics.scores(tp=[8, 19], fp=[2, 0], fn=[4, 1])
    np.testing.assert_allclose(s.precision, [0.8, 1])
    np.testing.assert_allclose(s.sensitivity, [8 / 12, 0.95])
    np.testing.assert_allclose(s.f1, [16 / 22, 38 / 39])
    np.testing.assert_allclose(s.miss_rate, [4 / 12, 0.05])


def test_scores_without_positives_or_predictions():
    s = metrics.scores(tp=[0, 0], fp=[3, 0], fn=[0, 5])
    assert np.isnan([s.precision[0], s.sensitivity[0], s.f1[0], s.miss_rate[0]]).all()
    assert (s.precision[1], s.sensitivity[1], s.f1[1], s.miss_rate[1]) == (0, 0, 0, 1)
    with pytest.raises(ValueError, match="fp holds -1, a count is 0 or more"):
        metrics.scores(1, -1, 0)
    with pytest.raises(ValueError, match="tp holds nan"):
        metrics.scores(np.nan, 0, 0)


def test_always_positive_has_f1_2p_over_1_plus_p():
    p = 0.06
    c = metrics.always_positive(tp=[10], fp=[7], fn=[50], n_windows=[1000])
    assert metrics.scores(*c).f1[0] == pytest.approx(2 * p / (1 + p))


def table(rows):
    return pd.DataFrame(rows, columns=["fold", "motor_unit", "n_windows", "tp", "fp", "fn"])


def test_recording_scores_by_hand():
    counts = table(
        [
            (0, 0, 100, 10, 0, 0),  # F1 1
            (1, 0, 100, 5, 0, 5),  # F1 2/3, miss rate 0.5
            (0, 1, 100, 10, 10, 0),  # F1 2/3
            (1, 1, 100, 0, 3, 0),  # no positives: no score
        ]
    )
    s = metrics.recording_scores(counts)
    assert s["f1"] == pytest.approx((5 / 6 + 2 / 3) / 2)
    assert s["precision"] == pytest.approx((1 + 0.5) / 2)
    assert s["f1_micro"] == pytest.approx(2 * 25 / (2 * 25 + 13 + 5))
    assert (s["n_identified"], s["n_motor_units"]) == (1, 2)
    tenth = metrics.recording_scores(table([(0, 0, 50, 9, 0, 1)]))
    assert tenth["n_identified"] == 0  # a miss rate of exactly 0.1 is not below it
    per_fold = 2 * 0.1 / 1.1
    assert s["always_positive_f1"] == pytest.approx(per_fold)
    assert s["always_positive_f1_micro"] == pytest.approx(2 * (30 / 400) / (1 + 30 / 400))


def test_score_table_keeps_runs_apart():
    one, two = table([(0, 0, 10, 1, 0, 0)]), table([(0, 0, 10, 0, 0, 1)])
    both = pd.concat([one.assign(run="b", x=None), two.assign(run="a", x=None)])
    scores = metrics.score_table(both, ["run", "x"])
    assert scores["run"].tolist() == ["b", "a"] and scores["f1"].tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"\['x'\] do not tell the runs apart"):
        metrics.score_table(both, ["x"])


def test_count_table_names_the_fold():
    rows = metrics.count_table([[1, 0]], [[1, 1]], network="x", fold=3)
    assert rows.columns.tolist() == [
        "network", "fold", "motor_unit", "n_windows", "tp", "fp", "fn",
    ]  # fmt: skip
    assert rows.iloc[1].tolist() == ["x", 3, 1, 1, 0, 1, 0]
