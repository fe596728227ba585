"""The networks beside simple decoders on the same windows: accuracy, latency and compute."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from hdsemg_nb import metrics, segment
from hdsemg_nb.architecture import n_macs
from hdsemg_nb.latency import measure
from hdsemg_nb.train import FILTER, FittedFilter, fit_fold

ALWAYS_POSITIVE, LINEAR = "always positive", "linear classifier"
NO_NETWORKS = {FILTER, LINEAR, ALWAYS_POSITIVE}
SCORES = ["f1", "precision", "sensitivity", "n_identified", "n_motor_units"]


def with_always_positive(counts):
    """Counts of several decoders on the same windows, and those of always answering "discharge".

    Parameters
    ----------
    counts : pandas.DataFrame
        `metrics.count_table`s with a column network, all of the same windows.

    Returns
    -------
    pandas.DataFrame
        `counts`, then the rows of network "always positive".
    """
    first = counts[counts["network"] == counts["network"].iloc[0]]
    always = metrics.always_positive(*first[["tp", "fp", "fn"]].to_numpy().T, first["n_windows"])
    always = first.assign(network=ALWAYS_POSITIVE, **always._asdict())
    return pd.concat([counts, always], ignore_index=True)


def gather_counts(results):
    """Test counts of several decoders in one table.

    Parameters
    ----------
    results : dict of train.Run to train.Result

    Returns
    -------
    pandas.DataFrame
        The columns of `metrics.count_table` and network.

    Raises
    ------
    ValueError
        When a network occurs twice or the decoders were not tested on the same windows.
    """
    asked = ["window", "step", "split", "span", "n_folds", "tested_folds", "seed"]
    kinds = {run.network: tuple(getattr(run, name) for name in asked) for run in results}
    if len(kinds) < len(results) or len(set(kinds.values())) != 1:
        raise ValueError(
            f"results must hold one run of each network, all with the same {', '.join(asked)}; "
            f"they hold {len(results)} runs: {kinds}"
        )
    tables = [result.counts.assign(network=run.network) for run, result in results.items()]
    return pd.concat(tables, ignore_index=True)


def compare_peers(recording, results, n_timed=200):
    """Accuracy, latency and compute of every decoder, on the same windows in the same run.

    Parameters
    ----------
    recording : recording.Recording
    results : dict of train.Run to train.Result
        Of `train.cross_validate` on this recording, one run of each network.
    n_timed : int
        Windows on which each decoder is timed, one at a time (`latency.measure`).

    Returns
    -------
    pandas.DataFrame
        One row per decoder and "always positive": network; f1, precision, sensitivity,
        n_identified, n_motor_units of the test windows (`metrics.recording_scores`); median_ms and
        p95_ms of `predict` on one window, from uV to probabilities, the same call for all
        (exported networks are faster, see `latency`); mmac (`multiply_accumulates` of a window, in
        millions); lookahead_ms, signal needed after the centre of the label at the mark
        (`lookahead`).

    Raises
    ------
    ValueError
        See `gather_counts`.
    """
    counts = gather_counts(results)
    fitted = {run.network: _fitted(recording, run) for run in results}
    ms = _times(fitted, recording.emg, n_timed).groupby("decoder")["ms"]
    facts = {
        run.network: (
            multiply_accumulates(fitted[run.network], recording.n_channels) / 1e6,
            1000 * lookahead(fitted[run.network], result.offsets) / recording.fs,
        )
        for run, result in results.items()
    }
    costs = pd.DataFrame.from_dict(facts, "index", columns=["mmac", "lookahead_ms"])
    costs = costs.assign(median_ms=ms.median(), p95_ms=ms.quantile(0.95))
    costs.loc[ALWAYS_POSITIVE] = 0.0
    scores = metrics.score_table(with_always_positive(counts), ["network"])[["network", *SCORES]]
    return scores.join(costs[["median_ms", "p95_ms", "mmac", "lookahead_ms"]], on="network")


def _times(fitted, emg, n_timed):
    """`latency.measure` of `predict` of each decoder on windows taken evenly from the signal."""
    window = next(iter(fitted.values())).run.window
    firsts = np.linspace(0, emg.shape[1] - window, n_timed).astype(int)
    start = np.zeros(1, dtype=np.int64)
    calls = {name: partial(_predict_one, one, start) for name, one in fitted.items()}
    return measure(calls, segment.windows(emg, firsts, window), n_timed)


def _predict_one(fitted, start, window):
    return fitted.predict(window, start)


def multiply_accumulates(fitted, n_channels):
    """Multiply-accumulates of one window.

    Parameters
    ----------
    fitted : train.FittedNetwork or train.FittedFilter
    n_channels : int

    Returns
    -------
    int
        Of a network as `architecture.n_macs`. Of the filter, which sees each new sample once: its
        weights times the step.
    """
    if isinstance(fitted, FittedFilter):
        return fitted.filter.weights_.size * fitted.run.step
    return n_macs(fitted.model, n_channels, fitted.run.window)


def lookahead(fitted, offsets):
    """Samples after the centre of a label at the marks that a decoder needs before it can answer.

    Parameters
    ----------
    fitted : train.FittedNetwork or train.FittedFilter
    offsets : numpy.ndarray of int64, shape (folds, motor units)
        Of `train.Result`.

    Returns
    -------
    int
        Half a window for a network, and what the label of its latest motor unit was moved by
        (`Run.fit_offsets`). For the filter: to the end of the label, then the lag and half
        the lags of its latest motor unit, then the refractory time in which a larger peak would
        replace the one found.
    """
    if not isinstance(fitted, FittedFilter):
        return fitted.run.window // 2 + int(offsets.max())
    linear, run = fitted.filter, fitted.run
    label = run.step if run.span == "step" else run.window
    refractory = round(linear.refractory_ms * linear.fs_ / 1000)
    return label // 2 + int(linear.lags_.max()) + linear.n_lags // 2 + refractory


def _fitted(recording, run):
    """The decoder of the first fold, hardly trained: its speed does not depend on its weights."""
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    how = run.n_folds, run.split, run.seed
    fold = segment.split_folds(len(starts), run.window, run.step, *how)[0]
    if run.network != FILTER:
        fold = fold._replace(train=fold.train[:256], val=fold.val[:64])
    return fit_fold(recording, replace(run, epochs=1), starts, fold)


def beats_filter(peers):
    """Networks whose F1 is above that of the motor-unit filter on the same windows.

    Parameters
    ----------
    peers : pandas.DataFrame
        From `compare_peers`.

    Returns
    -------
    list of str
    """
    f1 = peers.set_index("network")["f1"]
    return [name for name in f1.index if name not in NO_NETWORKS and f1[name] > f1[FILTER]]
