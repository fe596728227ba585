"""MUF-Net beside the other decoders: the tables of notebook 08."""

import pandas as pd

from hdsemg_nb import metrics, stats
from hdsemg_nb.models import OURS
from hdsemg_nb.train import FILTER

BY = ["network", "window", "step"]
# settings besides these that must be equal for more signal to be all that differs
ALIKE = [*BY, "split", "tested_folds", "learning_rate", "whiten", "fit_offsets"]


def comparable_runs(counts):
    """Runs to compare the whole MUF-Net with: blocked folds, all the signal, one step.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.load`.

    Returns
    -------
    pandas.DataFrame
        Its rows at the shortest step that MUF-Net was run with: other steps are other tasks. Empty
        without MUF-Net.
    """
    blocked = (counts["split"] == "blocked") & (counts["span"] == "step")
    whole = counts["train_seconds"].isna() & counts["without"].isin(("", float("nan")))
    rows = counts[blocked & whole]
    return rows[rows["step"] == rows.loc[rows["network"] == OURS, "step"].min()]


def against_others(runs):
    """MUF-Net against every other decoder on blocked folds, by intensity.

    Parameters
    ----------
    runs : pandas.DataFrame
        Of `comparable_runs`. Of each decoder the window with the highest mean F1 is compared: for
        the others an advantage, they are chosen on the test windows.

    Returns
    -------
    pandas.DataFrame
        One row per other decoder and intensity: network, window, step, mvc, f1 and f1_ours (means
        over participants), difference (ours less the other), n (participants), p (Wilcoxon
        signed-rank test over participants, exact: at least 2 / 2^n). Empty without runs.
    """
    keys = [*BY, "mvc"]
    if runs.empty:
        return pd.DataFrame(columns=[*keys, "f1", "f1_ours", "difference", "n", "p"])
    scores = metrics.score_table(runs, [*keys, "subject"])
    best = scores.groupby(["network", "window"])["f1"].mean().reset_index()
    best = best.sort_values("f1").groupby("network").tail(1)[["network", "window"]]
    f1 = scores.merge(best).set_index([*keys, "subject"])["f1"]
    ours = f1.xs(OURS, level="network").droplevel(["window", "step"])
    pairs = f1.drop(index=OURS, level="network").reset_index()
    pairs = pairs.merge(ours.rename("f1_ours").reset_index(), on=["mvc", "subject"])
    pairs["difference"] = pairs["f1_ours"] - pairs["f1"]
    groups = pairs.groupby(keys, sort=False)
    p = groups["difference"].agg(lambda differences: stats.signed_rank(differences).p)
    means = groups[["f1", "f1_ours", "difference"]].mean()
    return means.assign(n=groups.size(), p=p).reset_index()


def ablation(study):
    """MUF-Net without each of its parts, and the motor-unit filter alone, on one recording.

    Parameters
    ----------
    study : pandas.DataFrame
        Committed counts of `sweep.run_study`.

    Returns
    -------
    pandas.DataFrame
        without ("" for the whole network, which comes first), f1, precision, sensitivity, and
        difference from the whole network.
    """
    rows = study[study["setting"] == "MUF-Net ablation"]
    like = [name for name in (*BY, "split") if name != "network"]
    whole = study[(study["setting"] == OURS) & (study["network"] == OURS)]
    whole = whole.merge(rows[like].drop_duplicates())
    rows = pd.concat([whole.assign(without=""), rows])
    table = metrics.score_table(rows, ["without"])[["without", "f1", "precision", "sensitivity"]]
    return table.assign(difference=table["f1"] - table["f1"].iloc[0])


def paired_robustness(scores):
    """MUF-Net against the motor-unit filter under changed signals, by intensity.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of `robustness.cohort_robustness`.

    Returns
    -------
    pandas.DataFrame
        One row per change (kind, level) and intensity (mvc): f1 (of the filter) and f1_ours, means
        over participants; difference (ours less the filter), n (participants), p (as in
        `against_others`).
    """
    by = ["kind", "level", "mvc"]
    scores = scores.fillna({"level": ""})
    pairs = scores.pivot(index=[*by, "subject"], columns="network", values="f1")
    pairs = pairs.rename(columns={FILTER: "f1", OURS: "f1_ours"})[["f1", "f1_ours"]]
    pairs["difference"] = pairs["f1_ours"] - pairs["f1"]
    groups = pairs.groupby(by)
    p = groups["difference"].agg(lambda differences: stats.signed_rank(differences).p)
    table = groups.mean().assign(n=groups.size(), p=p).reset_index()
    return scores[by].drop_duplicates().merge(table)  # in the order they were computed


def training_seconds(counts, recording_seconds):
    """F1 of each decoder over the signal it was trained on.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.load`, or committed counts of `sweep.run_study`.
    recording_seconds : float
        Length of a recording in s: three fifths of it are all there are to train on.

    Returns
    -------
    pandas.DataFrame
        network, window, step, train_seconds, f1 and always_positive_f1 (means over recordings), n
        (recordings).
    """
    short = counts[counts["train_seconds"].notna()]
    whole = counts[counts["train_seconds"].isna() & counts["without"].isin(("", float("nan")))]
    whole = whole.merge(short[ALIKE].drop_duplicates())
    whole = whole.assign(train_seconds=round(recording_seconds * 3 / 5, 1))
    rows = pd.concat([short, whole])
    scores = metrics.score_table(rows, [*BY, "train_seconds", "recording_digest"])
    groups = scores.groupby([*BY, "train_seconds"])
    means = groups[["f1", "always_positive_f1"]].mean()
    return means.assign(n=groups.size()).reset_index()
