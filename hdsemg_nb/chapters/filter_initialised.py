"""Notebook 08: MUF-Net beside the other decoders."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn

from hdsemg_nb import metrics, stats
from hdsemg_nb.chapters.honest_evaluation_figures import COLOURS, KINDS, MARKERS, draw_units
from hdsemg_nb.chapters.published import CELL
from hdsemg_nb.decoders import OURS
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save
from hdsemg_nb.robustness import AS_RECORDED

# settings besides these that must be equal for more signal to be all that differs
ALIKE = [*CELL, "split", "tested_folds", "learning_rate", "whiten", "fit_offsets"]


def paired(scores, by, ours=OURS):
    """One of our decoders against each other one over participants, at each intensity.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns network, subject, mvc, f1 and `by`: one row per decoder and recording.
    by : list of str
        What else is kept apart, such as kind and level of a change.
    ours : str
        The decoder whose side is taken.

    Returns
    -------
    pandas.DataFrame
        One row per other decoder, `by` and intensity: f1 and f1_ours (means over participants),
        difference (ours less the other), n (participants), n_ahead (those in which ours is), p
        (Wilcoxon signed-rank test, exact: at least 2 / 2^n; not corrected for the number of tests).
    """
    where, keys = [*by, "mvc", "subject"], ["network", *by, "mvc"]
    own = scores.loc[scores["network"] == ours, [*where, "f1"]]
    pairs = scores[scores["network"] != ours].merge(own, on=where, suffixes=("", "_ours"))
    pairs["difference"] = pairs["f1_ours"] - pairs["f1"]
    pairs["ahead"] = pairs["difference"] > 0
    groups = pairs.groupby(keys, sort=False)
    means = groups[["f1", "f1_ours", "difference"]].mean()
    p = groups["difference"].agg(stats.signed_rank)
    return means.assign(n=groups.size(), n_ahead=groups["ahead"].sum(), p=p).reset_index()


def ablation(counts):
    """Scores of each motor unit by MUF-Net as a whole, which comes first, and without its parts.

    Parameters
    ----------
    counts : pandas.DataFrame
        The study of the real recording, `results.read`.

    Returns
    -------
    pandas.DataFrame
        Columns without ("" for nothing), motor_unit, f1, precision, sensitivity: means over folds.
    """
    parts = counts[counts["setting"] == "MUF-Net ablation"]
    whole = counts[(counts["setting"] == OURS) & (counts["network"] == OURS)]
    whole = whole.merge(parts[["window", "step", "split"]].drop_duplicates())
    scores = metrics.score_table(pd.concat([whole, parts]), ["without", "motor_unit"])
    return scores[["without", "motor_unit", "f1", "precision", "sensitivity"]]


def training_seconds(counts, recording_seconds):
    """F1 of each decoder and recording over the signal it was trained on.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.read`.
    recording_seconds : float
        Length of a recording in s: three fifths of it are all there are to train on.

    Returns
    -------
    pandas.DataFrame
        network, window, step, train_seconds, subject, mvc, f1, always_positive_f1.
    """
    short = counts["train_seconds"].notna()
    whole = counts[~short & (counts["without"] == "")]
    whole = whole.merge(counts.loc[short, ALIKE].drop_duplicates())
    whole = whole.assign(train_seconds=round(recording_seconds * 3 / 5, 1))
    by = [*CELL, "train_seconds", "subject", "mvc"]
    scores = metrics.score_table(pd.concat([counts[short], whole]), by)
    return scores[[*by, "f1", "always_positive_f1"]].sort_values([*CELL, "train_seconds"])


@plt.rc_context(STYLE)
def draw_changes(scores, output, note):
    """F1 of filters and of our networks under changed signals: each recording, and the means.

    Parameters
    ----------
    scores : pandas.DataFrame
        results/robustness_cohort.csv.
    output, note : str
        See `save`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 70 * MM), sharey=True)
    for letter, ax, kind in zip("ab", axes, ("noise", "dead channels"), strict=True):
        chosen = scores[scores["kind"].isin([AS_RECORDED[0], kind])]
        chosen = chosen.assign(level=chosen["level"].replace("", "none"))
        how = dict(data=chosen, x="level", y="f1", hue="network", palette=COLOURS, ax=ax)
        seaborn.stripplot(**how, dodge=True, jitter=False, size=2.5, alpha=0.5, legend=False)
        dodge = 0.8 - 0.8 / chosen["network"].nunique()  # as the dots
        marks = [MARKERS[network] for network in chosen["network"].unique()]
        how |= dict(dodge=dodge, errorbar=None, linestyle="none", markers=marks, markersize=5)
        seaborn.pointplot(**how, markeredgecolor="k", markeredgewidth=0.4, legend=ax is axes[0])
        ax.set(
            ylim=(0, 1.03),
            title=f"{letter}  {kind}",
            xlabel=KINDS[kind],
            ylabel="F1 (mean over motor units)",
        )
        ax.grid(axis="y", lw=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    axes[0].get_legend().remove()
    return save(figure, "muf_robustness", output, note)


@plt.rc_context(STYLE)
def draw_ablation(seconds, ablation, output, note):
    """F1 over the signal the decoders were trained on, and of MUF-Net without its parts.

    Parameters
    ----------
    seconds : dict of str to pandas.DataFrame
        Title of a panel to a table of `training_seconds`.
    ablation : pandas.DataFrame
        Of `ablation`.
    output, note : str
        See `save`.
    """
    size, wide = (TWO_COLUMNS, 75 * MM), [1] * len(seconds) + [1.3]
    figure, (*lefts, right) = plt.subplots(1, len(wide), figsize=size, width_ratios=wide)
    for letter, ax, (title, table) in zip("abc", lefts, seconds.items(), strict=False):
        for network, rows in table.groupby("network", sort=False):
            means = rows.groupby("train_seconds")["f1"].mean()
            style = dict(color=COLOURS[network], marker=MARKERS[network], ms=4, label=network)
            ax.plot(means.index, means, **style)
        ax.set(title=f"{letter}  {title}", xlabel="Signal to train on (s)", ylim=(0, 1.03))
        ax.grid(axis="y", lw=0.3)
    lefts[0].set_ylabel("F1 (mean over motor units)")
    names = ("without " + ablation["without"]).where(ablation["without"] != "", "whole network")
    draw_units(right, ablation.assign(part=names), "f1", "part", color=COLOURS[OURS])
    right.set(
        title=f"{'abc'[len(seconds)]}  Parts of {OURS}", ylabel="", xlabel="F1", xlim=(0, 1.02)
    )
    figure.legend(*lefts[-1].get_legend_handles_labels(), loc="outside upper left", ncols=6)
    return save(figure, "muf_ablation", output, note)
