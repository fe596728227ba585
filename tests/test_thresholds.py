import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import honest, metrics
from hdsemg_nb.train import FILTER, Run, cross_validate


def test_precision_and_recall_by_hand():
    curve = honest.precision_recall([1, 0, 1, 0, 0], [0.9, 0.8, 0.8, 0.3, 0.1])
    assert curve["threshold"].tolist() == [0.9, 0.8, 0.3, 0.1]
    np.testing.assert_allclose(curve["precision"], [1, 2 / 3, 1 / 2, 2 / 5])
    np.testing.assert_allclose(curve["sensitivity"], [0.5, 1, 1, 1])
    np.testing.assert_allclose(curve["f1"], [2 / 3, 4 / 5, 2 / 3, 4 / 7])
    assert honest.average_precision(curve) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_curve_is_that_of_counting_at_each_threshold():
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.1
    probabilities = np.round(0.5 * rng.random(200) + 0.4 * labels, 1)  # with ties
    for row in honest.precision_recall(labels, probabilities).itertuples():
        counts = metrics.counts(labels[:, None], probabilities[:, None] >= row.threshold)
        scores = metrics.scores(*counts)
        assert (row.precision, row.sensitivity) == (scores.precision[0], scores.sensitivity[0])


def test_average_precision_of_a_perfect_a_constant_and_no_order():
    labels = np.arange(100) < 7
    perfect, constant = (
        honest.average_precision(honest.precision_recall(labels, p))
        for p in (np.linspace(1, 0, 100), np.full(100, 0.3))
    )
    assert perfect == 1 and constant == pytest.approx(0.07)
    assert np.isnan(honest.average_precision(honest.precision_recall(0 * labels, labels)))


@pytest.mark.parametrize(
    ("labels", "probabilities", "match"),
    [([1, 0], [0.1], r"shape \(2,\), probabilities \(1,\)"), ([1, 0], [0.1, np.nan], "hold NaN")],
)
def test_bad_probabilities_are_refused(labels, probabilities, match):
    with pytest.raises(ValueError, match=match):
        honest.precision_recall(labels, probabilities)


def test_threshold_table_shows_the_f1_in_use_and_the_best(planted):
    run = Run("ML-DCNN", 20, 20, "blocked", epochs=3, learning_rate=1e-3, tested_folds=2)
    result = cross_validate(planted, run, False)
    table = honest.threshold_table(honest.curves({run: result}))
    assert table["motor_unit"].tolist() == [0, 1, 2]
    pooled = result.counts.groupby("motor_unit")[["tp", "fp", "fn"]].sum()
    np.testing.assert_allclose(table["f1"], metrics.scores(*pooled.to_numpy().T).f1)
    assert (table["best_f1"] >= table["f1"]).all()
    tested = np.isfinite(result.predictions[:, 0])
    share = 100 * result.labels[tested].mean(axis=0)
    np.testing.assert_allclose(table["positives_percent"], share)


def test_f1_in_use_is_0_when_no_window_reaches_the_threshold(planted):
    run = Run(FILTER, 20, 20, "blocked", tested_folds=1)
    result = cross_validate(planted, run, False)
    result.predictions[:] *= 0.4
    table = honest.threshold_table(honest.curves({run: result}))
    assert (table["f1"] == 0).all() and (table["best_f1"] > 0.9).all()


def test_identified_motor_units_with_and_without_a_limit_on_false_ones():
    rows = [  # network, motor unit, tp, fp, fn
        ("a", 0, 95, 5, 5),  # misses 5 %, 5 % of the decoded are false
        ("a", 1, 95, 95, 5),  # half are false
        ("a", 2, 70, 0, 30),
        ("always", 0, 100, 900, 0),
    ]
    counts = pd.DataFrame(rows, columns=["network", "motor_unit", "tp", "fp", "fn"])
    table = honest.identified(counts, ["network"], [0.05, 0.1, 0.5], false_limit=0.1)
    found = table.set_index(["network", "miss_limit"])
    assert found.loc["a", "n_identified"].tolist() == [0, 2, 3]
    assert found.loc["a", "n_identified_both"].tolist() == [0, 1, 2]
    assert found.loc["always", "n_identified"].tolist() == [1, 1, 1]
    assert found.loc["always", "n_identified_both"].tolist() == [0, 0, 0]
    assert found["n_motor_units"].tolist() == [3, 1] * 3


def test_identified_agrees_with_the_scores_of_the_paper(planted):
    run = Run(FILTER, 20, 20, "blocked")
    counts = honest.gather_counts({run: cross_validate(planted, run, False)})
    table = honest.identified(counts, ["network"], [metrics.IDENTIFIED_MISS_RATE])
    assert table["n_identified"].item() == metrics.recording_scores(counts)["n_identified"] == 3
