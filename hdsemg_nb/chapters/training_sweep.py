"""What the committed studies hold, how their networks learned, and some of them trained again."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields
from functools import partial
from multiprocessing import get_context

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
import torch

from hdsemg_nb import metrics, paths, results, studies, train
from hdsemg_nb.chapters import scores
from hdsemg_nb.datasets.synthetic import simulate
from hdsemg_nb.decoders import Run
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save

CELL = ["network", "window", "step"]
# Trained on another processor, the same run rounds otherwise, and a training amplifies it:
# mean F1 over motor units moves by some hundredths, by far less than a wrong result would be off.
TOLERANCE = 0.05


def overview():
    """What stands in results/: a row for each table of counts."""
    rows = []
    names = ["network", "split", "epochs", "tested_folds", "device"]
    for file in sorted(paths.RESULTS.glob("*.csv")):
        table = results.read(file.stem)
        if {"run", "tp", "date", *names} <= set(table):
            runs = table.drop_duplicates("run").astype({"epochs": "Int64"})
            several = {
                name: ", ".join(map(str, sorted(set(runs[name].dropna())))) for name in names
            }
            n = {"runs": len(runs), "recordings": runs["recording_digest"].nunique()}
            dates = f"{runs['date'].min()} to {runs['date'].max()}"
            rows.append({"study": file.stem, **n, **several, "dates": dates})
    return pd.DataFrame(rows)


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
    return wide[wide.groupby(level="mvc").transform("sum").any(axis=1)]


def kept_epochs(rows):
    """Weights of the lowest validation loss, which all tables use, beside those of the highest F1.

    Parameters
    ----------
    rows : pandas.DataFrame
        From `scores.read`; runs without the second are left out.

    Returns
    -------
    pandas.DataFrame
        One row per network, window and step, means over recordings: n, epoch_lowest_loss,
        epoch_highest_f1 (validation, counted from 1), f1_lowest_loss, f1_highest_f1 (test).
    """
    rows = rows.dropna(subset=["f1_tp", "f1_epoch"])
    f1 = [scores.scores(rows, prefix).set_index(scores.RUN)["f1"] for prefix in ("", "f1_")]
    epochs = rows.groupby(scores.RUN)[["best_epoch", "f1_epoch", "width"]].mean()
    table = epochs.assign(f1_lowest_loss=f1[0], f1_highest_f1=f1[1], n=1).reset_index()
    sums = dict.fromkeys(table.columns[5:], "mean") | {"n": "sum"}
    table = scores.shown(table.groupby(CELL, sort=False).agg(sums).reset_index())
    table[["best_epoch", "f1_epoch"]] += 1
    names = {"best_epoch": "epoch_lowest_loss", "f1_epoch": "epoch_highest_f1"}
    return table.rename(columns=names).drop(columns="width")


def patience_kept(curves, p):
    """For which runs a patience would have kept the weights of all epochs.

    Parameters
    ----------
    curves : pandas.DataFrame
        Of results/protocol_curves.csv: one row per run, fold and epoch with val_loss.
    p : int
        Epochs without a fall of the validation loss after which a training ends.

    Returns
    -------
    pandas.Series of bool
        Of each run and fold with the most epochs that there are: those that a patience ended
        tell nothing.
    """

    def same(losses):
        losses = losses.reset_index(drop=True)
        lowest_at = losses.cummin().drop_duplicates().index
        waits = pd.Series([*lowest_at[1:], len(losses)]) - lowest_at
        return bool((waits[:-1] <= p).all())

    curves = curves.sort_values("epoch").dropna(subset="val_loss")
    folds = curves.groupby(["run", "fold"])["val_loss"]
    whole = folds.size() == curves["epoch"].max() + 1
    return folds.agg(same)[whole]


def patience(curves, rows, candidates=(3, 5, 10, 20, 30)):
    """Of how many trainings each patience would have kept the epoch, a row for each network.

    Parameters
    ----------
    curves : pandas.DataFrame
    rows : pandas.DataFrame
        From `scores.read`: says which of the runs are narrow.
    candidates : sequence of int
    """
    runs = scores.shown(rows.drop_duplicates("run")).set_index("run")[CELL]
    kept = pd.DataFrame({p: patience_kept(curves, p) for p in candidates}).join(runs, how="inner")
    networks = kept.groupby("network")
    table = networks[list(candidates)].sum().add_prefix("kept, p = ")
    cells = networks[CELL].apply(lambda some: len(some.drop_duplicates()))
    return table.assign(trainings=networks.size(), cells=cells).reset_index()


@plt.rc_context(STYLE)
def draw_learning_curves(curves, rows, output, note):
    """Loss and validation F1 by epoch, a column for each network; mean over steps and recordings.

    Parameters
    ----------
    curves, rows
        As for `patience`.
    output, note : str
        See `figures.save`; the stem is learning_curves.
    """
    names = scores.shown(rows.drop_duplicates("run")).set_index("run")["network"]
    curves = curves.assign(network=curves["run"].map(names), epoch=curves["epoch"] + 1)
    curves = curves.dropna(subset="network")
    networks = list(curves["network"].unique())
    size = TWO_COLUMNS, 100 * MM
    figure, axes = plt.subplots(2, len(networks), figsize=size, sharex=True, squeeze=False)
    for network, (upper, lower) in zip(networks, axes.T, strict=True):
        of_network = curves[curves["network"] == network]
        style = dict(data=of_network, x="epoch", hue="window", palette="viridis", errorbar=None)
        sns.lineplot(y="val_loss", **style, ax=upper)
        sns.lineplot(y="train_loss", ls=":", **style, legend=False, ax=upper)
        sns.lineplot(y="val_f1", **style, legend=False, ax=lower)
        upper.set(title=network, ylabel="Binary cross-entropy")
        upper.legend(title="W (validation; dotted: training)", title_fontsize=5.5, fontsize=5.5)
        lower.set(xlabel="Epoch", ylabel="F1 of the validation windows", ylim=(0, 1))
    return save(figure, "learning_curves", output, note)


def spot_check(name="protocol", n=2, seed=0, limit_s=60.0):
    """Train some runs of a study again, from nothing, and compare the scores.

    Parameters
    ----------
    name : str
        Of the study of synthetic recordings.
    n : int
        Runs, chosen by the seed among those that took less than `limit_s` on a processor.
    seed : int
    limit_s : float

    Returns
    -------
    pandas.DataFrame
        One row per run: network, window, step, subject, mvc, f1_stored, f1_found, difference,
        seconds.

    Raises
    ------
    RuntimeError
        When a score is further off than `TOLERANCE`.
    """
    table = results.read(name)
    runs = table[(table["seconds"] < limit_s) & ~table["device"].str.contains("NVIDIA")]
    chosen = runs.drop_duplicates("run").sample(n, random_state=seed)["run"]
    stored = [table[table["run"] == run] for run in chosen]
    cohort = studies.load(paths.PARAMS / "sweeps" / f"{name}.yaml").recordings
    again = partial(_again, seconds=cohort["seconds"], seed=cohort["seed"])
    with ProcessPoolExecutor(n, mp_context=get_context("spawn")) as pool:
        again = list(pool.map(again, [rows.iloc[0].to_dict() for rows in stored]))
    columns = [*CELL, "subject", "mvc"]
    found = pd.DataFrame([rows.iloc[0][columns] for rows in stored]).reset_index(drop=True)
    found["f1_stored"], found["f1_found"] = ([_f1(x) for x in some] for some in (stored, again))
    found["difference"] = found["f1_found"] - found["f1_stored"]
    if not (found["difference"].abs() <= TOLERANCE).all():
        raise RuntimeError(
            f"results/{name}.csv is not found again (tolerance {TOLERANCE}):\n{found.to_string()}"
        )
    return found


def _f1(counts):
    return metrics.score_table(counts.assign(of=0), ["of"])["f1"].item()


def _again(row, **simulated):
    """Counts of the run of a row, on its recording simulated again."""
    torch.set_num_threads(1)
    recording = simulate(int(row["subject"][1:]), row["mvc"], **simulated).recording
    if recording.digest != row["recording_digest"]:
        raise RuntimeError(
            f"{row['subject']} at {row['mvc']:g} % MVC is simulated otherwise than it was when run "
            f"{row['run']} was trained: digest {recording.digest}, then {row['recording_digest']}"
        )
    given = {field.name: row[field.name] for field in fields(Run)}
    settings = {key: None if pd.isna(x) else x for key, x in given.items()} | {"bf16": None}
    return train.cross_validate(recording, Run(**settings), progress=False).counts
