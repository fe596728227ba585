"""Oracles: Hollander and Wolfe's "Rounding first base", and values published by R packages."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy.stats import binomtest, friedmanchisquare, rankdata, wilcoxon

from hdsemg_nb.stats import friedman, pairs, signed_rank, stars, wnmt

# seconds to second base of 22 runners by three ways of rounding first base
FIRST_BASE = """
5.40 5.50 5.55  5.85 5.70 5.75  5.20 5.60 5.50  5.55 5.50 5.40  5.90 5.85 5.70  5.45 5.55 5.60
5.40 5.40 5.35  5.45 5.50 5.35  5.25 5.15 5.00  5.85 5.80 5.70  5.25 5.20 5.10  5.65 5.55 5.45
5.60 5.35 5.45  5.05 5.00 4.95  5.50 5.50 5.40  5.45 5.55 5.50  5.55 5.55 5.35  5.45 5.50 5.55
5.50 5.45 5.25  5.65 5.60 5.40  5.70 5.65 5.55  6.30 6.30 6.25
"""
PAIRS = [("out", "narrow"), ("out", "wide"), ("narrow", "wide")]


@pytest.fixture
def first_base():
    seconds = np.array(FIRST_BASE.split(), float).reshape(-1, 3)
    return pd.DataFrame(seconds, columns=["out", "narrow", "wide"])


def blocks(*counts):
    """Scores in which each of the given rows stands the given number of times."""
    rows = [row for row, count in counts for _ in range(count)]
    return pd.DataFrame(rows, columns=list("abcd"[: len(rows[0])]))


def test_friedman_first_base(first_base):
    test = friedman(first_base)
    assert test.chi_square == pytest.approx(11.142857, abs=5e-7)
    assert test.p == pytest.approx(0.003805, abs=5e-7)
    assert (test.df, test.n_blocks) == (2, 22)
    assert test.kendall_w == pytest.approx(11.142857 / 44)


def test_friedman_is_that_of_scipy():
    scores = np.random.default_rng(0).integers(0, 4, (12, 5))  # many ties
    test = friedman(pd.DataFrame(scores))
    assert (test.chi_square, test.p) == pytest.approx(tuple(friedmanchisquare(*scores.T)))


@pytest.mark.parametrize(
    ("method", "ties", "expected"),
    [
        ("asymptotic", None, [0.637427, 0.004410, 0.061371]),
        ("asymptotic", "corrected", [0.623928, 0.003421, 0.053804]),
        ("exact", None, [0.682823, 0.004552, 0.071381]),
        ("exact", "corrected", [0.651713, 0.003036, 0.057422]),
    ],
)
def test_wnmt_first_base(first_base, method, ties, expected):
    p = wnmt(first_base, method, ties)
    assert [p.loc[pair] for pair in PAIRS] == pytest.approx(expected, abs=1e-6)
    assert (p.to_numpy() == p.to_numpy().T).all()
    assert (np.diag(p) == 1).all()


@pytest.mark.parametrize(
    ("method", "expected"),
    [("asymptotic", [0.0545, 0.0109, 0.832]), ("exact", [0.0721, 0.0094, 0.9563])],
)
def test_wnmt_rstatix_example(method, expected):
    scores = pd.DataFrame(
        {"A": [4, 6, 3, 5, 4, 5], "B": [7, 8, 6, 7, 9, 6], "C": [6, 9, 7, 8, 8, 9]}
    )
    p = wnmt(scores, method)
    found = [p.loc["A", "B"], p.loc["A", "C"], p.loc["B", "C"]]
    assert found == pytest.approx(expected, abs=5e-4)


def test_asymptotic_is_that_of_scikit_posthocs():
    scores = pd.DataFrame(np.random.default_rng(1).normal(size=(10, 4)), columns=list("abcd"))
    np.testing.assert_allclose(wnmt(scores), scikit_posthocs.posthoc_nemenyi_friedman(scores))


@pytest.mark.parametrize(
    ("counts", "difference", "exact", "asymptotic"),
    [
        ((11, 0, 5), 12, 0.10177, 0.08554),
        ((10, 2, 4), 14, 0.04241, 0.03556),
        ((12, 0, 4), 16, 0.01436, 0.01299),
    ],
)
def test_tables_for_16_blocks(counts, difference, exact, asymptotic):
    orders = ([1, 2, 3], [1, 3, 2], [3, 2, 1])
    scores = blocks(*zip(orders, counts, strict=True))
    assert (scores["c"] - scores["a"]).sum() == difference
    assert wnmt(scores, "exact").loc["a", "c"] == pytest.approx(exact, abs=5e-6)
    assert wnmt(scores).loc["a", "c"] == pytest.approx(asymptotic, abs=5e-6)


def test_exact_table_for_four_treatments():
    scores = blocks(([1, 2, 3, 4], 2))  # a and d differ by 6
    assert wnmt(scores, "exact").loc["a", "d"] == pytest.approx(0.0833, abs=5e-5)


def test_the_papers_p_values_are_asymptotic_in_16_participants():
    """Rank sums 1.5 and 8.5 apart: P = 0.962 and 0.290 (paper, 10 % and 30 % MVC)."""
    near = blocks(([1, 2, 2], 1), ([1, 3, 2], 7), ([3, 1, 2], 7), ([2, 2, 2], 1))
    assert wnmt(near).loc["a", "b"] == pytest.approx(0.962, abs=5e-4)
    far = blocks(([1, 2, 2], 1), ([1, 3, 2], 7), ([2, 3, 1], 3), ([3, 1, 2], 5))
    assert wnmt(far).loc["a", "b"] == pytest.approx(0.290, abs=5e-4)


def test_two_treatments_are_the_sign_test():
    scores = blocks(([1, 2], 8), ([2, 1], 1))
    assert wnmt(scores, "exact").loc["a", "b"] == pytest.approx(binomtest(1, 9).pvalue)
    tied = pd.concat([scores, blocks(([1, 1], 3))])
    assert wnmt(tied, "exact", "corrected").loc["a", "b"] == pytest.approx(binomtest(1, 9).pvalue)


def test_one_block():
    scores = blocks(([1, 2, 3], 1))
    assert (wnmt(scores, "exact") == 1).all(axis=None)
    assert friedman(scores).kendall_w == 1


@pytest.mark.parametrize("method", ["asymptotic", "exact"])
@pytest.mark.parametrize("ties", [None, "corrected"])
def test_blocks_tied_throughout_tell_nothing_apart(method, ties):
    scores = blocks(([1, 1, 1], 4))
    p = wnmt(scores, method, ties)
    np.testing.assert_allclose(p, 1)
    assert (np.diag(p) == 1).all()
    assert friedman(scores) == (0, 2, 1, 0, 4)


def test_refusals(first_base):
    with pytest.raises(ValueError, match="method is 'guess', must be 'asymptotic' or 'exact'"):
        wnmt(first_base, "guess")
    with pytest.raises(ValueError, match="ties is 'mean', must be None or 'corrected'"):
        wnmt(first_base, ties="mean")
    with pytest.raises(ValueError, match="22 blocks .* and 1 treatments"):
        friedman(first_base[["out"]])
    with pytest.raises(ValueError, match="too many arrangements of 12 treatments"):
        wnmt(pd.DataFrame([range(12)]), "exact")


def test_incomplete_blocks_are_named(first_base):
    first_base.index = [f"S{i:02}" for i in range(22)]
    first_base.loc["S03", ["out", "wide"]] = np.nan
    first_base.loc["S17", "narrow"] = np.nan
    for refuses in (friedman, wnmt):
        with pytest.raises(ValueError, match="S03 lacks out, wide; S17 lacks narrow"):
            refuses(first_base)


def test_pairs(first_base):
    table = pairs(first_base, ties="corrected")
    assert table[["a", "b"]].apply(tuple, axis=1).tolist() == PAIRS
    assert table["higher"].tolist() == ["out", "out", "narrow"]
    assert table["stars"].tolist() == ["", "**", ""]
    assert table["p"].tolist() == pytest.approx([0.623928, 0.003421, 0.053804], abs=1e-6)
    assert (table["n_blocks"] == 22).all()
    assert table["friedman_p"].tolist() == pytest.approx([0.003805] * 3, abs=5e-7)


def test_stars_as_in_the_papers_legend():
    found = [stars(p) for p in (0, 0.000999, 0.001, 0.00999, 0.01, 0.0499, 0.05, 1)]
    assert found == ["***", "***", "**", "**", "*", "*", "", ""]
    for p in (np.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="must be between 0 and 1"):
            stars(p)


@pytest.mark.parametrize("n", [3, 8, 25])
def test_signed_rank_without_ties_is_that_of_scipy(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    ours, theirs = signed_rank(differences), wilcoxon(differences, method="exact")
    assert ours.p == pytest.approx(theirs.pvalue) and ours.n == n
    assert min(ours.rank_sum, n * (n + 1) / 2 - ours.rank_sum) == theirs.statistic


def test_signed_rank_with_ties_counts_all_signs():
    differences = np.array([0.1, 0.1, -0.1, 0.3, 0.3, 0.0, 0.4])
    size = rankdata(np.abs(differences[differences != 0]))
    sums = np.array([np.dot(signs, size) for signs in product((-1, 1), repeat=6)])
    seen = np.dot([1, 1, -1, 1, 1, 1], size)
    result = signed_rank(differences)
    assert result.p == np.mean(np.abs(sums) >= seen) and result.n == 6


def test_differences_and_scores_that_are_equal_on_paper_are_ties():
    """Scores with one decimal give what the same scores in tenths, which are whole, give."""
    for seed in range(20):
        tenths = np.random.default_rng(seed).integers(1, 12, (12, 3))
        scores = tenths / 10
        assert signed_rank(scores[:, 0] - scores[:, 1]) == signed_rank(tenths[:, 0] - tenths[:, 1])
        sums = pd.DataFrame(scores + 0.2 - 0.2 * np.array([1, 1.0 + 1e-16, 1]))
        assert friedman(sums) == friedman(pd.DataFrame(tenths))
        pd.testing.assert_frame_equal(
            wnmt(sums, "exact", "corrected"), wnmt(pd.DataFrame(tenths), "exact", "corrected")
        )
    apart = np.array([0.1] * 9 + [-0.1] * 2 + [0.1 + 0.2 - 0.3])  # the last is 5.6e-17, not 0
    above = np.round(np.arange(1, 13) / 10, 1)
    assert signed_rank((above + apart) - above).p == pytest.approx(0.0654, abs=5e-5)
    assert friedman(pd.DataFrame([[0.1 + 0.2, 0.3]] * 3)).chi_square == 0


def test_signed_rank_at_its_ends():
    assert signed_rank([1, 2, 3, 4, 5, 6]).p == 2 / 64
    assert signed_rank([1e-5, -2e-5, 4e-5]).n == 3  # small is not rounding
    assert signed_rank([]) == signed_rank([0.0, 0.0]) == (0, 1, 0)
    assert signed_rank([-0.2]).p == 1
    with pytest.raises(ValueError, match="not finite"):
        signed_rank([0.1, np.nan])
