"""Tables 4 and 11: training and prediction times, beside the paper's."""

import pandas as pd

from hdsemg_nb.latency.timing import KEYS
from hdsemg_nb.published import BEST_SETTINGS, SHORTEST, beside

MVC = 10  # % MVC of the recording in the paper's Tables 4 and 11 (participant S10)
CELL = ["network", "window", "step", "mvc", "metric", "decoder", "width", "device"]


def total_latency(window, step, fs, prediction_ms):
    """Time from a discharge to its decoding, counted in three ways.

    Parameters
    ----------
    window, step : int
        Window W and step S in samples.
    fs : float
        Sampling frequency in Hz.
    prediction_ms : float or numpy.ndarray

    Returns
    -------
    dict
        In ms, all with the prediction: whole_window, the paper's (W); half_window, from the
        centre of the window, where its label is (W / 2; paper, "Window size"); longest, from a
        discharge at the beginning of its label, which waits half a step more (W / 2 + S / 2).
    """
    ms = 1000 / fs
    return {
        "whole_window": window * ms + prediction_ms,
        "half_window": window / 2 * ms + prediction_ms,
        "longest": (window + step) / 2 * ms + prediction_ms,
    }


def latency_table(times, step, fs):
    """Total latency and deadline misses of each decoder.

    Parameters
    ----------
    times : pandas.DataFrame
        Of `timing.benchmark`.
    step : int
        Step S in samples: the next window is complete after S / fs.
    fs : float

    Returns
    -------
    pandas.DataFrame
        One row per network, window and decoder: step, prediction_ms (median), total latency
        (`total_latency`) in ms, misses_percent: share of the windows whose prediction takes
        longer than the step.
    """
    groups = times.groupby(KEYS, sort=False)["ms"]
    table = groups.median().rename("prediction_ms").reset_index()
    totals = total_latency(table["window"], step, fs, table["prediction_ms"])
    misses = groups.apply(lambda ms: 100 * (ms > 1000 * step / fs).mean())
    return table.assign(step=step, **totals, misses_percent=misses.to_numpy())


def table_04(times, runs, steps):
    """Table 4: training and prediction time of ML-DRSNet over window and step.

    Parameters
    ----------
    times : pandas.DataFrame
        Of `timing.benchmark`: one or several decoders.
    runs : pandas.DataFrame
        `results.load` of a sweep; may be empty.
    steps : list of int
        Steps S in samples. A prediction does not depend on the step.

    Returns
    -------
    pandas.DataFrame
        `published.beside`: one row per cell, metric, decoder, width (of the network: below 1 it is
        smaller than the paper's, and stands alone) and device, and the mean over all cells ("all").
    """
    network, windows = "ML-DRSNet", sorted(times["window"].unique())
    cells = [(network, window, step) for window in windows for step in steps]
    table = _cells(times, runs, cells)
    by = ["network", *CELL[3:]]
    over_all = table.groupby(by, sort=False)["mean"].mean().reset_index()
    over_all = over_all.assign(window="all", step="all")
    return _beside(pd.concat([table, over_all], ignore_index=True))


def table_11(times, runs, fs):
    """Table 11: the three networks at their best and at the shortest window and step.

    Parameters
    ----------
    times, runs
        As for `table_04`.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    pandas.DataFrame
        As `table_04`, with total_ms as a third metric: the whole window and the prediction.
    """
    cells = [
        (network, *setting)
        for network, best in BEST_SETTINGS.items()
        for setting in (best, SHORTEST)
    ]
    order, table = pd.DataFrame(cells, columns=CELL[:3]), _cells(times, runs, cells)
    total = table[table["metric"] == "prediction_ms_per_window"].assign(metric="total_ms")
    total["mean"] = total_latency(total["window"], total["step"], fs, total["mean"])["whole_window"]
    return _beside(order.merge(pd.concat([table, total], ignore_index=True)))


def _cells(times, runs, cells):
    """Training and prediction time of (network, window, step), one row each where there is one."""
    wanted = pd.DataFrame(cells, columns=CELL[:3]).assign(mvc=MVC)
    predicted = times.groupby([*KEYS, "width", "device"], sort=False)["ms"].agg(["median", "std"])
    predicted = predicted.set_axis(["mean", "sd"], axis=1).reset_index()
    predicted = wanted.merge(predicted).assign(metric="prediction_ms_per_window")
    trained = _training(runs).merge(wanted).assign(metric="training_s_per_epoch", decoder="torch")
    both = pd.concat([trained, predicted], ignore_index=True).infer_objects()
    return both[[*CELL, "mean", "sd"]]


def _beside(table):
    """`published.beside`; the paper has nothing to compare with a narrower network."""
    table = beside(table)
    published = ["published_mean", "published_sd", "difference"]
    return table.assign(**table[published].where(table["width"] == 1))


def _training(runs):
    """Seconds per epoch of each cell and device, over runs and folds."""
    cell = ["network", "window", "step", "mvc", "width", "device"]
    if runs.empty:
        return pd.DataFrame(columns=[*cell, "mean", "sd"])
    if "train_seconds" in runs:  # less signal, shorter epochs
        runs = runs[runs["train_seconds"].isna()]
    folds = runs.drop_duplicates(["run", "fold"])
    seconds = folds.groupby(cell)["epoch_seconds"].agg(["mean", "std"])
    return seconds.set_axis(["mean", "sd"], axis=1).reset_index()
