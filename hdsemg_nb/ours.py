"""MUF-Net beside the other decoders: the tables of notebook 08."""

import pandas as pd

from hdsemg_nb import metrics, stats
from hdsemg_nb.models import OURS

BY = ["network", "window", "step"]


def against_others(counts, step):
    """MUF-Net against every other decoder on blocked folds, by intensity.

    Parameters
    ----------
    counts : pandas.DataFrame
        Of `results.load`. Of each decoder the window with the highest mean F1 is compared: for the
        others an advantage, they are chosen on the test windows.
    step : int
        Step S in samples, the same for all: other steps are other tasks.

    Returns
    -------
    pandas.DataFrame
        One row per other decoder and intensity: network, window, mvc, f1 and f1_ours (means over
        participants), difference (ours less the other), n (participants), p (Wilcoxon signed-rank
        test over participants, exact: at least 2 / 2^n).

    Raises
    ------
    ValueError
        When MUF-Net was not run on blocked folds with this step.
    """
    chosen = (counts["split"] == "blocked") & (counts["span"] == "step") & (counts["step"] == step)
    scores = metrics.score_table(counts[chosen], [*BY, "subject", "mvc"])
    best = scores.groupby(["network", "window"])["f1"].mean().reset_index()
    best = best.sort_values("f1").groupby("network").tail(1)[["network", "window"]]
    if OURS not in set(best["network"]):
        raise ValueError(f"the results hold no run of {OURS} on blocked folds with step {step}")
    f1 = scores.merge(best).set_index(["network", "window", "mvc", "subject"])["f1"]
    ours = f1.xs(OURS, level="network").droplevel("window")
    pairs = f1.drop(index=OURS, level="network").reset_index()
    pairs = pairs.merge(ours.rename("f1_ours").reset_index(), on=["mvc", "subject"])
    pairs["difference"] = pairs["f1_ours"] - pairs["f1"]
    groups = pairs.groupby(["network", "window", "mvc"], sort=False)
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


def training_seconds(study, recording_seconds):
    """F1 of each decoder over the signal it was trained on, on one recording.

    Parameters
    ----------
    study : pandas.DataFrame
        Committed counts of `sweep.run_study`.
    recording_seconds : float
        Length of the recording in s: three fifths of it are all there is to train on.

    Returns
    -------
    pandas.DataFrame
        network, window, step, train_seconds, f1, always_positive_f1.
    """
    short = study[study["setting"] == "training seconds"]
    alike = [*BY, "split"]
    ablations = study["setting"].str.contains("ablation")
    whole = study[study["train_seconds"].isna() & ~ablations]
    whole = whole.merge(short[[*alike, "whiten"]].drop_duplicates())
    whole = whole.assign(train_seconds=round(recording_seconds * 3 / 5, 1))
    table = metrics.score_table(pd.concat([short, whole]), [*BY, "train_seconds"])
    table = table[[*BY, "train_seconds", "f1", "always_positive_f1"]]
    return table.sort_values([*BY, "train_seconds"], ignore_index=True)
