"""The paper's numbers, each with its place in the paper, and ours beside them.

J. Ma et al. 2025, J NeuroEngineering Rehabil 22:106, DOI 10.1186/s12984-025-01639-3. Only the
running text could be read: a number that stands in the body of a table or in a figure alone is
not here, and its cell says `NOT_GIVEN`.
"""

from pathlib import Path

import pandas as pd

# window and step with which each network performs best (paper, Tables 2, 5 and 6)
BEST_SETTINGS = {"ML-DRSNet": (20, 50), "ML-DCNN": (140, 50), "MT-DCNN": (140, 10)}
SHORTEST = (20, 10)  # window and step in samples (paper, Tables 9 and 10)
NOT_GIVEN = "not in the text"
SIGNIFICANT = 0.05  # paper, "Statistical analysis"
CELL = ["network", "window", "step"]  # of the tables: what is trained, and at what setting
PAIR = ["setting", "mvc", "metric", "a", "b"]


def values():
    """Means and standard deviations that the paper's text gives.

    Returns
    -------
    pandas.DataFrame
        item ("table_01" ...), network, window and step in samples, mvc in %, metric, mean, sd
        (NaN where none is given), note, place in the paper. "all" stands for all of them
        together; network, window and step are empty where they do not apply.
    """
    return _read("published.csv")


def p_values():
    """P values of the post hoc test that the paper's text gives.

    Returns
    -------
    pandas.DataFrame
        item, setting ("optimal": each network with its `BEST_SETTINGS`; "shortest": window 20
        and step 10), mvc in %, metric, the networks a and b, p as printed (such as "<0.001", or
        "n.s." without a number), higher (the better network, empty when not significant), place.
    """
    return _read("published_p_values.csv")


def trends():
    """The eight trends that the paper reports: trend (T1 to T8), claim, place in the paper."""
    return _read("published_trends.csv")


def sequences():
    """What each trend says of means of a metric: their shape from point to point, and the points.

    A point is network/window/step, and /mvc where a trend is along the intensity; * stands for all
    of the paper's windows or steps, over which the mean is taken.
    """
    return _read("published_sequences.csv")


def items():
    """The paper's 22 tables and figures: item, what it shows, the table with its numbers."""
    return _read("published_items.csv")


def beside(ours):
    """Put the published mean and standard deviation beside ours.

    A cell is published when network, window, step, mvc and metric agree, whichever table of the
    paper holds it. Give only rows under the paper's protocol (shuffled folds): the published
    values know no other.

    Parameters
    ----------
    ours : pandas.DataFrame
        Tidy: one row per cell with columns mvc, metric, mean, network, window, step and any
        others. A table without the last three is of recordings, not of networks (Table 1).

    Returns
    -------
    pandas.DataFrame
        `ours` with published_mean, published_sd and difference (ours - published) appended, NaN
        where the paper's text gives no value. `printed` shows it to people.

    Raises
    ------
    KeyError
        When a column is missing.

    Examples
    --------
    >>> ours = pd.DataFrame({"mvc": ["all"], "metric": ["pnr_db"], "mean": [38.0], "sd": [2.0]})
    >>> beside(ours)["difference"].round(2).item()
    -0.74
    """
    known = values()
    if "network" in ours:
        cell = [*CELL, "mvc", "metric"]
    else:
        cell, known = ["mvc", "metric"], known[known["network"] == ""]
    found = _look_up(known, ours, cell)
    return ours.assign(
        published_mean=found["mean"].to_numpy(),
        published_sd=found["sd"].to_numpy(),
        difference=ours["mean"].to_numpy() - found["mean"].to_numpy(),
    )


def printed(table):
    """Table of `beside` as people read it, with mean ± SD in one cell.

    Parameters
    ----------
    table : pandas.DataFrame
        From `beside`, with a column sd.

    Returns
    -------
    pandas.DataFrame
        The numeric columns replaced by ours, published (`NOT_GIVEN` where the text gives none)
        and difference (empty there), all text.
    """
    numeric = ["mean", "sd", "published_mean", "published_sd", "difference"]
    ours, published = (
        [_mean_sd(*x) for x in table[columns].itertuples(index=False)]
        for columns in (numeric[:2], numeric[2:4])
    )
    return table.drop(columns=numeric).assign(
        ours=ours,
        published=[text or NOT_GIVEN for text in published],
        difference=["" if pd.isna(x) else f"{x:+.2f}" for x in table["difference"]],
    )


def beside_p_values(ours):
    """Put the published p value of each pair beside ours.

    Parameters
    ----------
    ours : pandas.DataFrame
        Rows of `stats.pairs` with the columns setting, mvc and metric in front.

    Returns
    -------
    pandas.DataFrame
        `ours` with published_p and published_higher as in `p_values`, difference (ours -
        published, NaN unless printed as a number), and agrees: "agrees" when both find the same
        network significantly better at 0.05, or both none; else "does not"; `NOT_GIVEN`.

    Raises
    ------
    KeyError
        When a column is missing.
    """
    found = _look_up(_ordered(p_values()), _ordered(ours), PAIR)[["p", "higher"]]
    p, higher = found.fillna(NOT_GIVEN).to_numpy().T
    agree = ours["higher"].where(ours["p"] < SIGNIFICANT, "") == higher
    return ours.assign(
        published_p=p,
        published_higher=higher,
        difference=ours["p"].to_numpy() - pd.to_numeric(p, errors="coerce"),
        agrees=agree.map({True: "agrees", False: "does not"}).where(p != NOT_GIVEN, NOT_GIVEN),
    )


def _read(name):
    """Text as text, numbers as numbers; an empty mean or sd is NaN, any other empty cell ""."""
    table = pd.read_csv(
        Path(__file__).with_name(name),
        dtype=dict.fromkeys(["window", "step", "mvc", "p"], str),
        keep_default_na=False,
        na_values={"mean": "", "sd": ""},
    )
    whole = table.columns.intersection(["window", "step", "mvc"])
    return table.assign(**{c: [int(x) if x.isdigit() else x for x in table[c]] for c in whole})


def _look_up(known, ours, cell):
    """Rows of `known` for each row of `ours`, NaN where there is none."""
    return known.set_index(cell).reindex(pd.MultiIndex.from_frame(ours[cell]))


def _ordered(table):
    """The two networks of a pair in alphabetical order."""
    a, b = table[["a", "b"]].min(axis=1), table[["a", "b"]].max(axis=1)
    return table.assign(a=a, b=b)


def _mean_sd(mean, sd):
    """Mean ± SD as text; without the SD where there is none, empty without a mean."""
    if pd.isna(mean):
        return ""
    return f"{mean:.2f}" + ("" if pd.isna(sd) else f" ± {sd:.2f}")
