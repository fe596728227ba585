"""Friedman test and its post hoc test for blocks x treatments (paper, "Statistical analysis"), and
the Wilcoxon signed-rank test for two treatments (ours).

A block is what is measured under every treatment: a participant (or a recording) under every
network. Only the order of the treatments within a block counts; tied scores share the mean of
their ranks, and scores that differ by rounding alone (0.1 + 0.2 and 0.3) are tied. M. Hollander,
D. A. Wolfe, E. Chicken: Nonparametric Statistical Methods, 3rd ed. 2014, chapter 7
(DOI 10.1002/9781119196037).
"""

from itertools import combinations, permutations
from math import factorial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import PermutationMethod, chi2, rankdata, wilcoxon

ROUNDING = 12  # decimals to which two values are the same
EXACT_LIMIT = 5_000_000  # arrangements held at once: about 0.5 GB
STARS = {0.001: "***", 0.01: "**", 0.05: "*"}  # paper, legends of Figures 8, 10 and 11


class Friedman(NamedTuple):
    """Chi-square (corrected for ties), degrees of freedom, p, Kendall's W, number of blocks."""

    chi_square: float
    df: int
    p: float
    kendall_w: float
    n_blocks: int


def friedman(scores):
    """Friedman test, corrected for ties, with Kendall's W as the size of the effect.

    Parameters
    ----------
    scores : pandas.DataFrame, shape (blocks, treatments)

    Returns
    -------
    Friedman
        p from the chi-square law with (treatments - 1) degrees of freedom. When every block is
        tied throughout, nothing tells the treatments apart: chi-square 0, W 0, p 1. With one
        block, W is 1 by its definition and p says nothing.

    Raises
    ------
    ValueError
        When there are fewer than two treatments or no block, or a block is incomplete.

    Examples
    --------
    >>> friedman(pd.DataFrame({"a": [1, 1, 2], "b": [2, 3, 3], "c": [3, 4, 5]})).chi_square
    6.0
    """
    ranks = _ranks(scores)
    n_blocks, n_treatments = ranks.shape
    deviations = ranks - (n_treatments + 1) / 2
    between, within = (deviations.sum(axis=0) ** 2).sum(), (deviations**2).sum()
    df = n_treatments - 1
    chi_square = float(df * between / within) if within else 0.0
    p = float(chi2.sf(chi_square, df))
    return Friedman(chi_square, df, p, chi_square / (n_blocks * df), n_blocks)


def pairs(scores):
    """Friedman test, and all pairs of treatments by Wilcoxon, Nemenyi, McDonald and Thompson.

    The p value of a pair is the probability, when no treatment differs, that the largest of all
    differences between two rank sums is at least the pair's difference; it allows for the number
    of pairs (Hollander, Wolfe and Chicken, section 7.3). It is given twice: asymptotic, by the law
    of the studentised range of ranks without ties, as most software has it; and exact, over all
    arrangements of the ranks in these scores, ties included.

    Parameters
    ----------
    scores : pandas.DataFrame, shape (blocks, treatments)

    Returns
    -------
    pandas.DataFrame
        One row per pair: the treatments a and b, higher (the one with the higher rank sum, empty
        when equal), p (asymptotic), p_exact, stars (of p_exact), then the Friedman test
        (chi_square, df, friedman_p, kendall_w, n_blocks), the same in each row. Two treatments:
        p_exact is that of the two-sided sign test. One block: the extreme pair has a p_exact of 1.
        Every block tied throughout: all p are 1.

    Raises
    ------
    ValueError
        When there are fewer than two treatments or no block, a block is incomplete, or there are
        too many arrangements (never of 3 treatments in 300 blocks, 4 in 40 or 5 in 8).

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [1, 1, 2], "b": [2, 3, 3], "c": [3, 4, 5]})
    >>> pairs(scores)["p_exact"].round(4).tolist()
    [0.5278, 0.0278, 0.5278]
    """
    test, ranks = friedman(scores)._asdict(), _ranks(scores)
    sums, asymptotic = ranks.sum(axis=0), posthoc_nemenyi_friedman(ranks)
    spreads, probability = _exact(ranks)
    test["friedman_p"], rows = test.pop("p"), []
    for i, j in combinations(range(len(sums)), 2):
        a, b = scores.columns[[i, j]]
        higher = "" if sums[i] == sums[j] else a if sums[i] > sums[j] else b
        exact = min(probability[spreads >= abs(sums[i] - sums[j])].sum(), 1.0)
        row = {"a": a, "b": b, "higher": higher, "p": asymptotic.loc[i, j], "p_exact": exact}
        rows.append({**row, "stars": stars(exact), **test})
    return pd.DataFrame(rows)


def signed_rank(differences):
    """P of the two-sided Wilcoxon signed-rank test of paired differences, whatever the ties.

    By all 2^n signs of the differences up to 16 pairs, by as many drawn ones for more (Hollander,
    Wolfe and Chicken, section 3.1).

    Parameters
    ----------
    differences : array_like of float
        One for each pair; those of 0 are left out, and with them what rounding leaves of 0.

    Returns
    -------
    float
        1 when no or one difference is left. Not below 2 / 2^n: 0.25 for three pairs, 0.03 for six.

    Raises
    ------
    ValueError
        When a difference is not finite.

    Examples
    --------
    >>> signed_rank([0.1, 0.3, 0.2])
    0.25
    """
    differences = np.round(np.asarray(differences, dtype=float), ROUNDING)
    if not np.isfinite(differences).all():
        raise ValueError("differences hold a value that is not finite; leave the pair out yourself")
    differences = differences[differences != 0]
    if len(differences) < 2:
        return 1.0
    every = PermutationMethod(n_resamples=2**16, rng=np.random.default_rng(0))
    return float(wilcoxon(differences, method=every).pvalue)


def stars(p):
    """Mark of significance as in the paper's figures: * below 0.05, ** 0.01, *** 0.001."""
    return next((mark for level, mark in STARS.items() if p < level), "")


def _ranks(scores):
    """Ranks within each block, from 1 for the lowest score; blocks x treatments."""
    if scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(
            f"scores has {scores.shape[0]} blocks (rows) and {scores.shape[1]} treatments "
            "(columns); at least one block and two treatments are needed"
        )
    values = scores.to_numpy(float)
    incomplete = ~np.isfinite(values).all(axis=1)
    if incomplete.any():
        raise ValueError(
            f"incomplete blocks: {', '.join(map(str, scores.index[incomplete]))}. Compute these "
            "scores, or leave the blocks out yourself and say so"
        )
    return rankdata(values.round(ROUNDING), axis=1)


def _exact(ranks):
    """Law of the largest difference between two rank sums: differences and their probabilities.

    Blocks are added one after the other. The law does not change when treatments change places, so
    rank sums are kept sorted and counted from the lowest: few are left. Ranks are doubled to make
    mean ranks whole numbers.
    """
    n_blocks, n_treatments = ranks.shape
    digits = (2 * n_treatments * n_blocks + 1) ** np.arange(n_treatments)
    sums, probability = np.zeros((1, n_treatments), int), np.ones(1)
    for block in np.rint(2 * ranks).astype(int):
        if len(sums) * factorial(n_treatments) > EXACT_LIMIT:
            raise ValueError(
                f"too many arrangements of {n_treatments} treatments in {n_blocks} blocks for an "
                "exact test; compare fewer at a time"
            )
        arrangements = np.unique(list(permutations(block)), axis=0)
        sums = (sums[:, None] + arrangements).reshape(-1, n_treatments)
        sums = np.sort(sums - sums.min(axis=1, keepdims=True), axis=1)
        _, first, same = np.unique(sums @ digits, return_index=True, return_inverse=True)
        sums = sums[first]
        probability = np.bincount(same, np.repeat(probability, len(arrangements)))
        probability /= len(arrangements)
    return sums[:, -1] / 2, probability
