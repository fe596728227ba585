"""Under which data, labels and training the paper's findings show (notebook 07)."""

from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from hdsemg_nb import metrics, paths, results, studies
from hdsemg_nb.chapters.published import CELL
from hdsemg_nb.figures import DISCHARGE, MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save

REFERENCE = "reference"
EQUAL_STEPS = "equal steps"  # of the optimiser as with S = 10, where it is the reference
POOLED, BEST_F1 = "pooled score", "weights of the highest F1"  # of the reference, scored otherwise
# Findings: what is compared, the metric, and cells from the best to the worst; of several cells in
# a place the claim is about each. ML-DRSNet is narrow here.
FINDINGS = {
    "T1": ("ML-DRSNet, W = 20: rises with S", "f1", "ML-DRSNet/20/50 > ML-DRSNet/20/10"),
    "T2": ("ML-DRSNet, W = 60: falls with S", "f1", "ML-DRSNet/60/10 > ML-DRSNet/60/50"),
    "T3": ("ML-DRSNet, S = 50: falls with W", "f1", "ML-DRSNet/20/50 > ML-DRSNet/60/50"),
    "T4": (
        "ML-DCNN is best at (140, 50)",
        "f1",
        "ML-DCNN/140/50 > ML-DCNN/20/10 ML-DCNN/20/50 ML-DCNN/60/10 ML-DCNN/60/50 ML-DCNN/140/10",
    ),
    "T4, W = 140": ("ML-DCNN, W = 140: rises with S", "f1", "ML-DCNN/140/50 > ML-DCNN/140/10"),
    "T5": (
        "MT-DCNN is best at (140, 10)",
        "f1",
        "MT-DCNN/140/10 > MT-DCNN/20/10 MT-DCNN/20/50 MT-DCNN/60/10 MT-DCNN/60/50 MT-DCNN/140/50",
    ),
    "T6": (
        "(20, 10): precision of ML-DRSNet > ML-DCNN > MT-DCNN",
        "precision",
        "ML-DRSNet/20/10 > ML-DCNN/20/10 > MT-DCNN/20/10",
    ),
}


def read():
    """Counts of the study's runs, and of the same cells of results/protocol.csv as the reference.

    Returns
    -------
    pandas.DataFrame
        As `results.read`, column setting among them, first folds.
    """
    study = studies.load(paths.PARAMS / "sweeps" / "conditions.yaml")
    cells = {(run.network, run.window, run.step) for one in study.blocks for run in one.runs}
    rows = results.read("protocol")
    rows = rows[(rows["mvc"] == study.recordings["mvc"]) & (rows["fold"] == 0)]
    rows = rows[[cell in cells for cell in rows[CELL].itertuples(index=False, name=None)]]
    rows = rows[(rows["width"] < 1) == (rows["network"] == "ML-DRSNet")]
    rows = rows.drop_duplicates([*CELL, "subject", "motor_unit"])
    shared = rows[rows["step"] == 10].assign(setting=EQUAL_STEPS)
    return pd.concat([rows.assign(setting=REFERENCE), shared, results.read("conditions")])


def scores(rows):
    """Scores of every run, and of the reference scored otherwise, in the cells of all participants.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of `read`.

    Returns
    -------
    pandas.DataFrame
        setting, network, window, step, subject, cell (network/window/step), f1, precision,
        sensitivity, always_positive_f1 (macro), and truth_f1 (against the true discharges, where
        the labels have errors).
    """
    by, kept = ["setting", *CELL, "subject"], ["f1", "precision", "sensitivity"]
    found = metrics.score_table(rows, by)
    truth = _scored(rows, by, "truth_")[[*by, "f1"]].rename(columns={"f1": "truth_f1"})
    table = found[[*by, *kept, "always_positive_f1"]].merge(truth, "left", by)
    reference = found[found["setting"] == REFERENCE]
    pooled = reference[by].join(reference[[f"{name}_micro" for name in kept]])
    pooled = pooled.rename(columns=lambda name: name.removesuffix("_micro")).assign(setting=POOLED)
    best = _scored(rows[rows["setting"] == REFERENCE], by, "f1_").assign(setting=BEST_F1)
    table = pd.concat([table, pooled, best[[*by, *kept]]], ignore_index=True)
    there = table.groupby(["setting", *CELL])["subject"].transform("nunique")
    table = table[there == table["subject"].nunique()].reset_index(drop=True)
    return table.assign(cell=["/".join(map(str, each)) for each in table[CELL].to_numpy()])


def _scored(rows, by, prefix):
    """Scores of the counts with a prefix, of the rows that have them."""
    rows = rows.dropna(subset=f"{prefix}tp")
    return metrics.score_table(
        rows.assign(**{name: rows[prefix + name] for name in ("tp", "fp", "fn")}), by
    )


def order(settings):
    """The reference, its other readings, then the settings as the study has them."""
    study = studies.load(paths.PARAMS / "sweeps" / "conditions.yaml")
    every = [REFERENCE, BEST_F1, POOLED, *dict.fromkeys(block.name for block in study.blocks)]
    return [name for name in every if name in set(settings)]


def means(table):
    """Mean F1 over the participants by setting and cell, with the number of participants.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `scores`.

    Returns
    -------
    pandas.DataFrame
        One row per setting and cell: setting, network, window, step, n, f1, truth_f1, precision,
        sensitivity, always_positive_f1.
    """
    by = ["setting", *CELL]
    values = ["f1", "truth_f1", "precision", "sensitivity", "always_positive_f1"]
    grouped = table.groupby(by)
    found = grouped[values].mean().assign(n=grouped.size()).reset_index()
    names = order(found["setting"])
    in_order = dict(key=lambda setting: setting.map(names.index), kind="stable", ignore_index=True)
    return found.sort_values("setting", **in_order)[[*by, "n", *values]]


def findings(table):
    """Whether each finding shows in each setting.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `scores`.

    Returns
    -------
    pandas.DataFrame
        One row per setting and finding: setting, finding, claim, difference (of the means over
        participants: from place to place, the smallest step of the claimed order), shows_in, of
        (participants), missing (cells) and verdict: "shows", "does not", or "cannot be told" when
        what is there agrees and a cell is missing.
    """
    rows = []
    for setting in order(table["setting"]):
        wide = table[table["setting"] == setting]
        for finding, (claim, metric, places) in FINDINGS.items():
            found = _finding(wide.pivot(index="subject", columns="cell", values=metric), places)
            rows.append({"setting": setting, "finding": finding, "claim": claim, **found})
    return pd.DataFrame(rows)


def _finding(scores, places):
    names = places.replace(">", " ").split()
    missing = [name for name in names if name not in scores]
    groups = [[n for n in part.split() if n in scores] for part in places.split(">")]
    complete = scores[[n for n in names if n in scores]].dropna()
    pairs = [
        (better, worse) for one, other in pairwise(groups) for better, worse in product(one, other)
    ]
    unknown = {"difference": np.nan, "shows_in": 0, "of": 0}
    if not pairs or complete.empty:
        return {**unknown, "missing": " ".join(missing), "verdict": "cannot be told"}
    steps = pd.DataFrame({k: complete[a] - complete[b] for k, (a, b) in enumerate(pairs)})
    difference, each = steps.mean().min(), steps.min(axis=1) > 0
    verdict = "does not" if difference <= 0 else "cannot be told" if missing else "shows"
    about = {"difference": difference, "shows_in": int(each.sum()), "of": len(each)}
    return {**about, "missing": " ".join(missing), "verdict": verdict}


def printed(found):
    """Findings as people read them: one row per setting, in each cell the verdict and by how much.

    "so far": the cells that are there agree, others are missing.

    Parameters
    ----------
    found : pandas.DataFrame
        Of `findings`.

    Returns
    -------
    pandas.DataFrame
    """
    agrees_so_far = (found["verdict"] == "cannot be told") & (found["of"] > 0)
    verdict = found["verdict"].mask(agrees_so_far, "so far")
    text = [
        name + (f" {row.difference:+.2f} ({row.shows_in}/{row.of})" if row.of else "")
        for name, row in zip(verdict, found.itertuples(), strict=True)
    ]
    wide = found.assign(text=text).pivot(index="setting", columns="finding", values="text")
    return wide.loc[order(wide.index), list(FINDINGS)]


def label_share(table):
    """Error of a network against its labels and against the truth, where the labels have errors.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `scores`.

    Returns
    -------
    pandas.DataFrame
        One row per setting and cell, means over participants: n, f1 (against the labels), truth_f1,
        reference_f1 (the same cell trained on true labels, same participants), error (1 - f1),
        of_the_label_percent (share of that error that is gone against the truth; below 0 when the
        network follows its labels more than the truth).
    """
    by = ["cell", "subject"]
    clean = table[table["setting"] == REFERENCE].set_index(by)["f1"].rename("reference_f1")
    noisy = table.dropna(subset="truth_f1").join(clean, on=by)
    grouped = noisy.groupby(["setting", *CELL])
    found = grouped[["f1", "truth_f1", "reference_f1"]].mean().assign(n=grouped.size())
    found = found.assign(error=1 - found["f1"]).reset_index()
    share = 100 * (found["truth_f1"] - found["f1"]) / found["error"]
    return found.assign(of_the_label_percent=share)


@plt.rc_context(STYLE)
def draw_conditions(table, output, note):
    """F1 of ML-DCNN in every setting: for each window an arrow from S = 10 to S = 50 (`scores`)."""
    rows, windows = order(table["setting"]), (20, 60, 140)
    size = (TWO_COLUMNS, (26 + 5.2 * len(rows)) * MM)
    figure, axes = plt.subplots(1, 3, figsize=size, sharex=True, sharey=True)
    found = table[table["network"] == "ML-DCNN"]
    for ax, window in zip(axes, windows, strict=True):
        ax.set_title(f"ML-DCNN, W = {window}")
        for y, setting in enumerate(rows):
            here = found[(found["setting"] == setting) & (found["window"] == window)]
            _draw_arrow(ax, y, here)
        ax.axvspan(0, 1, (len(rows) - 1) / len(rows), 1, color="0.93", lw=0, zorder=0)
        ax.grid(axis="x", lw=0.3)
        ax.set(xlabel="F1-score (0 to 1)", xlim=(-0.02, 1.04), ylim=(len(rows) - 0.5, -0.5))
    axes[2].plot(1, 0, "D", ms=4, mfc="w", mec="k", mew=0.8, zorder=4, clip_on=False)
    axes[0].set_yticks(range(len(rows)), rows)
    figure.legend(handles=_arrow_legend(), loc="outside upper left", ncols=5)
    return save(figure, "conditions", output, note)


def _draw_arrow(ax, y, here):
    colour, ends = NETWORK_COLOURS["ML-DCNN"], {}
    for step, place in ((10, -0.2), (50, 0.2)):
        f1 = here.loc[here["step"] == step, "f1"]
        ax.plot(f1, np.full(len(f1), y + place), "|", ms=3, color="0.6", mew=0.6)
        ends[step] = f1.mean()
    ax.plot(ends[10], y, "o", ms=4, mfc="w", mec=colour)
    ax.plot(ends[50], y, "o", ms=4, color=colour)
    always = here.loc[here["step"] == 50, "always_positive_f1"].mean()
    ax.plot(always, y, "x", ms=4, color=DISCHARGE, mew=1.2)
    if np.isfinite(ends[10]) and np.isfinite(ends[50]):
        look = dict(arrowstyle="->", color="k", lw=0.9, shrinkA=3, shrinkB=3)
        ax.annotate("", (ends[50], y), (ends[10], y), arrowprops=look)


def _arrow_legend():
    colour = NETWORK_COLOURS["ML-DCNN"]
    return [
        Line2D([], [], marker="o", mfc="w", mec=colour, ls="", label="S = 10"),
        Line2D([], [], marker="o", color=colour, ls="", label="S = 50"),
        Line2D([], [], marker="|", color="0.6", ls="", label="participants (S = 10 above)"),
        Line2D([], [], marker="x", color=DISCHARGE, ls="", label="always positive, S = 50"),
        Line2D([], [], marker="D", mfc="w", mec="k", ls="", label="published (140, 50)"),
    ]
