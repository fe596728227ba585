"""What the committed studies hold, how their networks learned, and some of them trained again."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.lines import Line2D
from pandas import MultiIndex

from hdsemg_nb import paths, results, studies, train
from hdsemg_nb.chapters import scores
from hdsemg_nb.chapters.published import CELL
from hdsemg_nb.datasets.synthetic import simulate
from hdsemg_nb.decoders import Run
from hdsemg_nb.figures import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save
from hdsemg_nb.metrics import recording_scores
from hdsemg_nb.results import DEFAULTS

# Trained on another processor, the same run rounds otherwise, and a training amplifies it:
# mean F1 over motor units moves by some hundredths, by far less than a wrong result would be off.
TOLERANCE = 0.05
PATIENCES = (3, 5, 10, 20, 30)  # epochs without a fall of the validation loss before the end
LIMIT_S = 60.0  # a run that trained for longer is not trained again
TELLING_F1 = 0.3  # nor one that decodes so little that any network is within the tolerance


def overview():
    """What stands in results/: a row for each table of counts."""
    tables = {file.stem: results.read(file.stem) for file in sorted(paths.RESULTS.glob("*.csv"))}
    counts = {name: table for name, table in tables.items() if {"run", "tp", "date"} <= set(table)}
    runs = pd.concat(counts, names=["study"]).reset_index("study").astype({"epochs": "Int64"})
    runs = runs.drop_duplicates(["study", "run"])
    study, shown = runs.groupby("study"), ["network", "split", "epochs", "tested_folds", "device"]
    n = {"runs": study.size(), "recordings": study["recording_digest"].nunique()}
    several = study[shown].agg(lambda values: ", ".join(map(str, sorted(set(values.dropna())))))
    dates = study["date"].min() + " to " + study["date"].max()
    return pd.DataFrame({**n, **several, "dates": dates}).reset_index()


def coverage(runs):
    """How many recordings each network, intensity, window and step has; 0: not run yet.

    Parameters
    ----------
    runs : pandas.DataFrame
        From `scores.scores`.
    """
    table = scores.summary(runs, by_intensity=True)
    table = scores.shown(table[table["metric"] == "f1"])
    table = table.rename(columns={"step": "S", "window": "W"})
    wide = table.pivot_table(index=["mvc", "network", "W"], columns="S", values="n", aggfunc="sum")
    return wide[wide.groupby(level="mvc").transform("sum").any(axis=1)].fillna(0).astype(int)


def kept_epochs(rows):
    """Weights of the lowest validation loss, which all tables use, beside those of the highest F1.

    Means over recordings of rows of `scores.read` that have both: epochs of the validation counted
    from 1, F1 of the test windows.
    """
    rows = rows.dropna(subset=["f1_tp", "f1_epoch"])
    f1 = [scores.scores(rows, prefix).set_index(scores.RUN)["f1"] for prefix in ("", "f1_")]
    means = rows.groupby(scores.RUN)[["best_epoch", "f1_epoch", "width"]].mean()
    table = pd.DataFrame({
        "epoch_lowest_loss": means["best_epoch"] + 1, "epoch_highest_f1": means["f1_epoch"] + 1,
        "width": means["width"], "f1_lowest_loss": f1[0], "f1_highest_f1": f1[1],
    })  # fmt: skip
    cells = table.groupby(CELL, sort=False)
    means = scores.shown(cells.mean().assign(n=cells.size()).reset_index())
    return means.drop(columns="width").sort_values(CELL, ignore_index=True)


def longest_wait(curves):
    """Most epochs from one fall of the validation loss to the next, for each run and fold.

    Only of trainings with the most epochs that there are: what a patience ended tells nothing.
    """
    curves = curves.sort_values("epoch").dropna(subset="val_loss")
    training = ["run", "fold"]
    whole = curves.groupby(training).size() == curves["epoch"].max() + 1
    lowest = curves.assign(lowest=curves.groupby(training)["val_loss"].cummin())
    falls = lowest.drop_duplicates([*training, "lowest"]).groupby(training)["epoch"]
    return falls.agg(lambda epochs: epochs.diff().max())[whole].fillna(0)


def patience(curves):
    """Of how many trainings each patience would have kept the epoch, a row for each network.

    Parameters
    ----------
    curves : pandas.DataFrame
        Of results/protocol_curves.csv: one row per run, fold and epoch with val_loss.
    """
    curves = curves[curves["split"] == "shuffled"]
    runs = scores.shown(curves.drop_duplicates("run")).set_index("run")[CELL]
    trainings = longest_wait(curves).to_frame("wait").join(runs, how="inner")
    kept = {f"kept, p = {p}": trainings["wait"] <= p for p in PATIENCES}
    networks = trainings.assign(**kept).groupby("network")
    cells = trainings.drop_duplicates(CELL).groupby("network").size()
    return networks[list(kept)].sum().assign(trainings=networks.size(), cells=cells).reset_index()


@plt.rc_context(STYLE)
def draw_learning_curves(curves, rows, output, note):
    """Loss and validation F1 by epoch, a column for each network; mean over steps and recordings.

    A curve ends where the first of its trainings ended by its patience.

    Parameters
    ----------
    curves : pandas.DataFrame
        As for `patience`.
    rows : pandas.DataFrame
        From `scores.read`: says which of the runs are narrow.
    output, note : str
        See `figures.save`; the stem is learning_curves.
    """
    names = scores.shown(rows.drop_duplicates("run")).set_index("run")["network"]
    curves = curves.assign(network=curves["run"].map(names), epoch=curves["epoch"] + 1)
    curves = _while_all_train(curves)
    networks, size = curves.groupby("network", sort=False), (TWO_COLUMNS, 100 * MM)
    figure, axes = plt.subplots(2, len(networks), figsize=size, sharex=True, squeeze=False)
    windows = scores.GRID["window"]
    palette = dict(zip(windows, sns.color_palette("viridis", len(windows)), strict=True))
    handles = [Line2D([], [], color=palette[w], label=f"W = {w}") for w in windows]
    handles += [Line2D([], [], color="k", ls=":", label="training loss")]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    for (network, some), (upper, lower) in zip(networks, axes.T, strict=True):
        style = dict(data=some, x="epoch", hue="window", palette=palette, errorbar=None)
        sns.lineplot(y="val_loss", **style, legend=False, ax=upper)
        sns.lineplot(y="train_loss", ls=":", **style, legend=False, ax=upper)
        sns.lineplot(y="val_f1", **style, legend=False, ax=lower)
        upper.set(title=network, ylabel="Binary cross-entropy")
        lower.set(xlabel="Epoch", ylabel="F1 of the validation windows", ylim=(0, 1))
    return save(figure, "learning_curves", output, note)


def longer(rows, long):
    """F1 of trainings of more epochs beside the protocol's, of the cells that have both.

    Parameters
    ----------
    rows, long : pandas.DataFrame
        Of `scores.read`, and of a study with more epochs on some of its recordings
        (`results.read`).

    Returns
    -------
    pandas.DataFrame
        One row per network, window, step and subject: f1_protocol, epochs, f1, and
        epoch_lowest_loss of the longer one, counted from 1.
    """
    short = rows[rows["recording_digest"].isin(long["recording_digest"])]
    run = [*CELL, "subject"]
    table = scores.scores(long)[[*run, "f1"]].merge(
        scores.scores(short)[[*run, "f1"]], on=run, suffixes=("", "_protocol")
    )
    facts = long.groupby(run, as_index=False)[["epochs", "best_epoch"]].first()
    table = table.merge(facts).assign(epoch_lowest_loss=lambda t: t["best_epoch"] + 1)
    table = table[[*run, "f1_protocol", "epochs", "f1", "epoch_lowest_loss"]]
    return table.sort_values(run, ignore_index=True)


def begun(rows, first):
    """Trainings that are begun, or whole where they are, beside the protocol's of other networks.

    Parameters
    ----------
    rows, first : pandas.DataFrame
        Of `scores.read`, and of a study with fewer epochs on some of its recordings
        (`results.read`).

    Returns
    -------
    pandas.DataFrame
        One row per subject, network, window and step, of the recordings and cells that the network
        of `first` has, at its intensities: epochs, epoch_lowest_loss (counted from 1), precision,
        sensitivity, f1.
    """
    run = ["subject", *CELL]
    whole = rows[rows["mvc"].isin(first["mvc"])]
    whole = whole.merge(first[["window", "step"]].drop_duplicates())
    names, is_whole = set(first["network"]), MultiIndex.from_frame(whole[run])
    table = pd.concat([first[~MultiIndex.from_frame(first[run]).isin(is_whole)], whole])
    has = table.loc[table["network"].isin(names), "recording_digest"]
    table = table[table["recording_digest"].isin(has)]
    facts = table.groupby(run, as_index=False)[["epochs", "best_epoch"]].first()
    facts["epoch_lowest_loss"] = facts.pop("best_epoch") + 1
    found = scores.scores(table)[[*run, "precision", "sensitivity", "f1"]]
    return facts.merge(found).sort_values(run, ignore_index=True)


@plt.rc_context(STYLE)
def draw_longer(curves, stem, output, note):
    """Validation loss and F1 by epoch, a column for each cell, a line for each participant.

    Parameters
    ----------
    curves : pandas.DataFrame
        Learning curves; a line marks the end of the protocol where they reach it.
    stem, output, note : str
        See `figures.save`.
    """
    cells = curves.assign(epoch=curves["epoch"] + 1).groupby(CELL)
    size = dict(figsize=(TWO_COLUMNS, 100 * MM), sharex=True, squeeze=False)
    figure, axes = plt.subplots(2, len(cells), **size)
    subjects = dict(style="subject", style_order=sorted(curves["subject"].unique()))
    for (cell, some), (upper, lower) in zip(cells, axes.T, strict=True):
        lines = dict(data=some, x="epoch", color=NETWORK_COLOURS[cell[0]], **subjects)
        for ax, y in ((upper, "val_loss"), (lower, "val_f1")):
            sns.lineplot(y=y, **lines, errorbar=None, legend=ax is axes[0, 0], ax=ax)
            if curves["epoch"].max() >= DEFAULTS["epochs"]:
                ax.axvline(DEFAULTS["epochs"], color="k", lw=0.6, ls=":")
        upper.set(title="{}, W = {}, S = {}".format(*cell), ylabel="Validation loss")
        lower.set(xlabel="Epoch", ylabel="F1 of the validation windows", ylim=(0, 1))
    axes[0, 0].legend(title=None)
    return save(figure, stem, output, note)


def _while_all_train(curves):
    """Epochs that all trainings of a network and window have: some ended by their patience."""
    last = curves.groupby(["run", "fold"])["epoch"].transform("max")
    return curves[
        curves["epoch"] <= last.groupby([curves["network"], curves["window"]]).transform("min")
    ]


def spot_check(name, n, seed):
    """Train some runs of a study again, from nothing, and compare the scores.

    Parameters
    ----------
    name : str
        Of the study of synthetic recordings.
    n : int
        Runs, chosen by the seed among those that trained for less than `LIMIT_S` on a processor
        and have an F1 above `TELLING_F1`.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row per run: network, window, step, subject, mvc, f1_stored, f1_found, difference.

    Raises
    ------
    ValueError
        When there are not so many runs to choose from, or none is asked for.
    RuntimeError
        When a score is further off than `TOLERANCE`.
    """
    runs = [counts for _, counts in results.read(name).groupby("run", sort=False)]
    telling = [counts for counts in runs if _telling(counts)]
    if not 1 <= n <= len(telling):
        raise ValueError(f"n={n}: from 1 to the {len(telling)} quick runs of results/{name}.csv")
    chosen = np.random.default_rng(seed).choice(len(telling), n, replace=False)
    stored = [telling[k] for k in chosen]
    cohort = studies.load(paths.PARAMS / "sweeps" / f"{name}.yaml").recordings
    again = partial(_again, seconds=cohort["seconds"], seed=cohort["seed"])
    first = [rows.iloc[0].to_dict() for rows in stored]
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        again = pool.map(again, first)
        found = pd.DataFrame(first)[[*CELL, "subject", "mvc"]].assign(
            f1_stored=[recording_scores(counts)["f1"] for counts in stored],
            f1_found=[recording_scores(counts)["f1"] for counts in again],
        )
    found["difference"] = found["f1_found"] - found["f1_stored"]
    if not (found["difference"].abs() <= TOLERANCE).all():
        raise RuntimeError(
            f"results/{name}.csv is not found again (tolerance {TOLERANCE}):\n{found.to_string()}"
        )
    return found


def _telling(counts):
    """Whether to train a run again takes little time and would show a fault."""
    run = counts.iloc[0]
    quick = run["epoch_seconds"] * run["epochs"] * run["tested_folds"] < LIMIT_S
    quick = quick and "NVIDIA" not in run["device"]
    return quick and recording_scores(counts)["f1"] > TELLING_F1


def _again(row, **simulated):
    """Counts of the run of a row, on its recording simulated again."""
    torch.set_num_threads(1)
    recording = simulate(int(row["subject"][1:]), row["mvc"], **simulated).recording
    if recording.digest != row["recording_digest"]:
        raise RuntimeError(
            f"{row['subject']} at {row['mvc']:g} % MVC is simulated otherwise than it was when run "
            f"{row['run']} was trained: digest {recording.digest}, then {row['recording_digest']}"
        )
    names = [name for name in (*CELL, *results.DEFAULTS) if name != "bf16" and pd.notna(row[name])]
    run = Run(**{name: row[name] for name in names})
    return train.cross_validate(recording, run, progress=False).counts
