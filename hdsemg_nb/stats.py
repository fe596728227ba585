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
from scipy.stats import chi2, rankdata, studentized_range

ROUNDING = 1e-9  # two values are the same within this share of the largest, or of 0.001
EXACT_LIMIT = 5_000_000  # arrangements held at once: about 0.5 GB
STARS = {0.001: "***", 0.01: "**", 0.05: "*"}  # paper, legends of Figures 8, 10 and 11


class Friedman(NamedTuple):
    """Chi-square (corrected for ties), degrees of freedom, p, Kendall's W, number of blocks."""

    chi_square: float
    df: int
    p: float
    kendall_w: float
    n_blocks: int


class SignedRank(NamedTuple):
    """Rank sum of the positive differences, two-sided p, number of differences that are not 0."""

    rank_sum: float
    p: float
    n: int


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


def wnmt(scores, method="asymptotic", ties=None):
    """Compare all pairs of treatments: Wilcoxon, Nemenyi, McDonald and Thompson.

    The p value of a pair is the probability, when no treatment differs, that the largest of all
    differences between two rank sums is at least the pair's difference; it allows for the number
    of pairs (Hollander, Wolfe and Chicken, section 7.3).

    Parameters
    ----------
    scores : pandas.DataFrame, shape (blocks, treatments)
    method : {"asymptotic", "exact"}
        Law of the studentised range, for many blocks; or all arrangements of the ranks, for few
        treatments (3 in 100 blocks, 4 in 48, 5 in 6).
    ties : {None, "corrected"}
        None: the law of ranks without ties, as most software and all printed tables have it.
        "corrected": the law given the ties in these scores; with ties only this one makes
        "exact" exact. Without ties the two are the same.

    Returns
    -------
    pandas.DataFrame, shape (treatments, treatments)
        p values, symmetric, 1 on the diagonal. Two treatments: the two-sided sign test when
        exact. One block: the extreme pair has an exact p of 1. Every block tied throughout:
        all p are 1.

    Raises
    ------
    ValueError
        When an option is unknown, there are fewer than two treatments or no block, a block is
        incomplete, or there are too many arrangements for "exact".

    Examples
    --------
    >>> scores = pd.DataFrame({"a": [1, 1, 2], "b": [2, 3, 3], "c": [3, 4, 5]})
    >>> float(wnmt(scores, "exact").loc["a", "c"].round(4))
    0.0278
    """
    if method not in ("asymptotic", "exact"):
        raise ValueError(f"method is {method!r}, must be 'asymptotic' or 'exact'")
    if ties not in (None, "corrected"):
        raise ValueError(f"ties is {ties!r}, must be None or 'corrected'")
    ranks = _ranks(scores)
    sums = ranks.sum(axis=0)
    differences = np.abs(sums[:, None] - sums)
    if method == "exact":
        untied = np.broadcast_to(np.arange(1.0, len(sums) + 1), ranks.shape)
        p = _exact(differences, ranks if ties else untied)
    elif ties:
        p = _tie_corrected(differences, ranks)
    else:
        p = posthoc_nemenyi_friedman(ranks).to_numpy(copy=True)
    np.fill_diagonal(p, 1)
    return pd.DataFrame(p, index=scores.columns, columns=scores.columns)


def pairs(scores, method="asymptotic", ties=None):
    """Friedman and post hoc test as a table to print.

    Parameters
    ----------
    scores : pandas.DataFrame, shape (blocks, treatments)
    method, ties
        See `wnmt`.

    Returns
    -------
    pandas.DataFrame
        One row per pair: the treatments a and b, higher (the one with the higher rank sum, empty
        when equal), p, stars, then the Friedman test (chi_square, df, friedman_p, kendall_w,
        n_blocks), the same in each row.

    Raises
    ------
    ValueError
        See `wnmt`.
    """
    p = wnmt(scores, method, ties)
    sums = pd.Series(_ranks(scores).sum(axis=0), index=scores.columns)
    test = friedman(scores)._asdict()
    test["friedman_p"] = test.pop("p")
    rows = []
    for a, b in combinations(scores.columns, 2):
        higher = "" if sums[a] == sums[b] else max(a, b, key=sums.get)
        rows.append({"a": a, "b": b, "higher": higher, "p": p.loc[a, b], **test})
    table = pd.DataFrame(rows)
    table.insert(4, "stars", table["p"].map(stars))
    return table


def signed_rank(differences):
    """Wilcoxon signed-rank test of paired differences, exact whatever the ties.

    All 2^n signs of the ranks at hand are counted (Hollander, Wolfe and Chicken, section 3.1).

    Parameters
    ----------
    differences : array_like of float
        One for each pair; those of 0 are left out, and with them what rounding leaves of 0.

    Returns
    -------
    SignedRank
        p is 1 when nothing is left. It cannot be below 2 / 2^n: 0.25 for three pairs, 0.03 for six.

    Raises
    ------
    ValueError
        When a difference is not finite.

    Examples
    --------
    >>> signed_rank([0.1, 0.3, 0.2])
    SignedRank(rank_sum=6.0, p=0.25, n=3)
    """
    differences = np.asarray(differences, dtype=float)
    if not np.isfinite(differences).all():
        raise ValueError("differences hold a value that is not finite; leave the pair out yourself")
    sizes = _tied(np.abs(np.append(differences, 0)))[:-1]
    differences, sizes = differences[sizes > 0], sizes[sizes > 0]
    ranks = rankdata(sizes)
    law = np.ones(1)  # probability of each doubled rank sum: mean ranks become whole numbers
    for rank in np.rint(2 * ranks).astype(int):
        law = (np.pad(law, (0, rank)) + np.pad(law, (rank, 0))) / 2
    rank_sum = ranks[differences > 0].sum()
    tail = law[round(2 * max(rank_sum, ranks.sum() - rank_sum)) :].sum()
    return SignedRank(float(rank_sum), float(min(1, 2 * tail)), len(ranks))


def stars(p):
    """Mark of significance as in the paper's figures: * below 0.05, ** 0.01, *** 0.001.

    Parameters
    ----------
    p : float
        0 to 1.

    Returns
    -------
    str
        Empty when p is 0.05 or more.

    Raises
    ------
    ValueError
        When p is no probability.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p is {p}, must be between 0 and 1")
    return next((mark for level, mark in STARS.items() if p < level), "")


def _ranks(scores):
    """Ranks within each block, from 1 for the lowest score; blocks x treatments."""
    if scores.shape[0] < 1 or scores.shape[1] < 2:
        raise ValueError(
            f"scores has {scores.shape[0]} blocks (rows) and {scores.shape[1]} treatments "
            "(columns); at least one block and two treatments are needed"
        )
    values = scores.to_numpy(float)
    missing = ~np.isfinite(values)
    if missing.any():
        lacking = [
            f"{block} lacks {', '.join(map(str, scores.columns[row]))}"
            for block, row in zip(scores.index, missing, strict=True)
            if row.any()
        ]
        raise ValueError(
            f"incomplete blocks: {'; '.join(lacking)}. Compute these scores, or leave the blocks "
            "out yourself and say so"
        )
    return rankdata([_tied(block) for block in values], axis=1)


def _tied(values):
    """Values in which those that differ by rounding alone are made the same."""
    order = np.argsort(values)
    low_to_high = values[order]
    apart = np.diff(low_to_high, prepend=-np.inf) > ROUNDING * max(np.abs(values).max(), 1e-3)
    tied = np.empty_like(values)
    tied[order] = low_to_high[apart][np.cumsum(apart) - 1]
    return tied


def _tie_corrected(differences, ranks):
    variance = ranks.var(axis=1, ddof=1).sum()
    if variance == 0:
        return np.ones_like(differences)
    return studentized_range.sf(differences / np.sqrt(variance), len(differences), np.inf)


def _exact(differences, ranks):
    """Add one block after the other to the law of the rank sums.

    The law does not change when treatments change places, so rank sums are kept sorted and
    counted from the lowest: few are left. Ranks are doubled to make mean ranks whole numbers.
    """
    n_blocks, n_treatments = ranks.shape
    digits = (2 * n_treatments * n_blocks + 1) ** np.arange(n_treatments)
    sums, probability = np.zeros((1, n_treatments), int), np.ones(1)
    for block in np.rint(2 * ranks).astype(int):
        if len(sums) * factorial(n_treatments) > EXACT_LIMIT:
            raise ValueError(
                f"too many arrangements of {n_treatments} treatments in {n_blocks} blocks for "
                "method 'exact'; use 'asymptotic'"
            )
        arrangements = np.unique(list(permutations(block)), axis=0)
        sums = (sums[:, None] + arrangements).reshape(-1, n_treatments)
        sums = np.sort(sums - sums.min(axis=1, keepdims=True), axis=1)
        _, first, same = np.unique(sums @ digits, return_index=True, return_inverse=True)
        sums = sums[first]
        probability = np.bincount(same, np.repeat(probability, len(arrangements)))
        probability /= len(arrangements)
    tails = [[probability[sums[:, -1] >= 2 * d].sum() for d in row] for row in differences]
    return np.minimum(tails, 1)
