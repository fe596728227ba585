"""Oracles: Hollander and Wolfe's "Rounding first base", and values published by R packages."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from scipy.stats import binomtest, friedmanchisquare, rankdata, wilcoxon

from hdsemg_nb.stats import friedman, pairs, signed_rank, stars

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


def p(scores, a, b, kind="p"):
    return pairs(scores).set_index(["a", "b"]).loc[(a, b), kind]


def test_pairs_first_base(first_base):
    table = pairs(first_base)
    assert table[["a", "b"]].apply(tuple, axis=1).tolist() == PAIRS
    assert table["p"].tolist() == pytest.approx([0.637427, 0.004410, 0.061371], abs=1e-6)
    assert table["p_exact"].tolist() == pytest.approx([0.651713, 0.003036, 0.057422], abs=1e-6)
    assert table["higher"].tolist() == ["out", "out", "narrow"]
    assert table["stars"].tolist() == ["", "**", ""]
    assert (table["n_blocks"] == 22).all()
    assert table["friedman_p"].tolist() == pytest.approx([0.003805] * 3, abs=5e-7)


def test_pairs_rstatix_example():
    scores = pd.DataFrame(
        {"A": [4, 6, 3, 5, 4, 5], "B": [7, 8, 6, 7, 9, 6], "C": [6, 9, 7, 8, 8, 9]}
    )
    assert pairs(scores)["p"].tolist() == pytest.approx([0.0545, 0.0109, 0.832], abs=5e-4)
    assert pairs(scores)["p_exact"].tolist() == pytest.approx([0.0721, 0.0094, 0.9563], abs=5e-4)
    assert pairs(scores)["stars"].tolist() == ["", "**", ""]  # of the exact p


def test_asymptotic_is_that_of_scikit_posthocs():
    scores = pd.DataFrame(np.random.default_rng(1).normal(size=(6, 4)), columns=list("abcd"))
    theirs = scikit_posthocs.posthoc_nemenyi_friedman(scores)
    for row in pairs(scores).itertuples():
        assert row.p == pytest.approx(theirs.loc[row.a, row.b])


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
    assert p(scores, "a", "c", "p_exact") == pytest.approx(exact, abs=5e-6)
    assert p(scores, "a", "c") == pytest.approx(asymptotic, abs=5e-6)


def test_exact_table_for_four_treatments():
    scores = blocks(([1, 2, 3, 4], 2))  # a and d differ by 6
    assert p(scores, "a", "d", "p_exact") == pytest.approx(0.0833, abs=5e-5)


def test_the_papers_p_values_are_asymptotic_in_16_participants():
    """Rank sums 1.5 and 8.5 apart: P = 0.962 and 0.290 (paper, 10 % and 30 % MVC)."""
    near = blocks(([1, 2, 2], 1), ([1, 3, 2], 7), ([3, 1, 2], 7), ([2, 2, 2], 1))
    assert p(near, "a", "b") == pytest.approx(0.962, abs=5e-4)
    far = blocks(([1, 2, 2], 1), ([1, 3, 2], 7), ([2, 3, 1], 3), ([3, 1, 2], 5))
    assert p(far, "a", "b") == pytest.approx(0.290, abs=5e-4)


def test_two_treatments_are_the_sign_test():
    scores = blocks(([1, 2], 8), ([2, 1], 1))
    tied = pd.concat([scores, blocks(([1, 1], 3))])
    for some in (scores, tied):
        assert p(some, "a", "b", "p_exact") == pytest.approx(binomtest(1, 9).pvalue)


def test_one_block():
    scores = blocks(([1, 2, 3], 1))
    assert (pairs(scores)["p_exact"] == 1).all()
    assert friedman(scores).kendall_w == 1


def test_blocks_tied_throughout_tell_nothing_apart():
    scores = blocks(([1, 1, 1], 4))
    np.testing.assert_allclose(pairs(scores)[["p", "p_exact"]], 1)
    assert friedman(scores) == (0, 2, 1, 0, 4)


def test_refusals(first_base):
    with pytest.raises(ValueError, match="22 blocks .* and 1 treatments"):
        friedman(first_base[["out"]])
    with pytest.raises(ValueError, match="too many arrangements of 12 treatments"):
        pairs(pd.DataFrame([range(12)]))


def test_incomplete_blocks_are_named(first_base):
    first_base.index = [f"S{i:02}" for i in range(22)]
    first_base.loc["S03", ["out", "wide"]] = np.nan
    first_base.loc["S17", "narrow"] = np.nan
    for refuses in (friedman, pairs):
        with pytest.raises(ValueError, match="incomplete blocks: S03, S17. Compute"):
            refuses(first_base)


def test_stars_as_in_the_papers_legend():
    found = [stars(p) for p in (0, 0.000999, 0.001, 0.00999, 0.01, 0.0499, 0.05, 1)]
    assert found == ["***", "***", "**", "**", "*", "*", "", ""]


@pytest.mark.parametrize("n", [3, 8, 25])
def test_signed_rank_without_ties_is_that_of_scipy(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    exact = wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences) == pytest.approx(exact, abs=0 if n <= 16 else 0.005)


def test_signed_rank_with_ties_counts_all_signs():
    differences = np.array([0.1, 0.1, -0.1, 0.3, 0.3, 0.0, 0.4])
    size = rankdata(np.abs(differences[differences != 0]))
    sums = np.array([np.dot(signs, size) for signs in product((-1, 1), repeat=6)])
    seen = np.dot([1, 1, -1, 1, 1, 1], size)
    assert signed_rank(differences) == np.mean(np.abs(sums) >= seen)


def test_differences_and_scores_that_are_equal_on_paper_are_ties():
    """Scores with one decimal give what the same scores in tenths, which are whole, give."""
    for seed in range(8):
        tenths = np.random.default_rng(seed).integers(1, 12, (12, 3))
        scores = tenths / 10
        assert signed_rank(scores[:, 0] - scores[:, 1]) == signed_rank(tenths[:, 0] - tenths[:, 1])
        sums = pd.DataFrame(scores + 0.2 - 0.2 * np.array([1, 1.0 + 1e-16, 1]))
        assert friedman(sums) == friedman(pd.DataFrame(tenths))
        pd.testing.assert_frame_equal(pairs(sums), pairs(pd.DataFrame(tenths)))
    apart = np.array([0.1] * 9 + [-0.1] * 2 + [0.1 + 0.2 - 0.3])  # the last is 5.6e-17, not 0
    above = np.round(np.arange(1, 13) / 10, 1)
    assert signed_rank((above + apart) - above) == pytest.approx(0.0654, abs=5e-5)
    assert friedman(pd.DataFrame([[0.1 + 0.2, 0.3]] * 3)).chi_square == 0


def test_signed_rank_at_its_ends():
    assert signed_rank([1, 2, 3, 4, 5, 6]) == 2 / 64
    assert signed_rank([1e-5, 2e-5, 4e-5]) == 0.25  # small is not rounding
    assert signed_rank([]) == signed_rank([0.0, 0.0]) == signed_rank([-0.2]) == 1
    with pytest.raises(ValueError, match="not finite"):
        signed_rank([0.1, np.nan])
