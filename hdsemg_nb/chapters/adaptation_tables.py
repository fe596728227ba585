"""Tables and figures of decoders that follow the signal.

Notebook 08 draws what `adaptation` computed.
"""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from hdsemg_nb import metrics
from hdsemg_nb.chapters.adaptation import MIDDLE, VARIED
from hdsemg_nb.chapters.honest_evaluation_figures import COLOURS, MARKERS
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save

NAMES = {
    "width_ms": "Width (ms)",
    "lag": "Label to action potential (samples)",
    "n_units": "Motor units",
}


def to_the_sample(table):
    """Scores of windows, agreement and variability of each decoder, means over units and folds.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `real`.

    Returns
    -------
    pandas.DataFrame
        network, step, f1, precision, sensitivity (of windows), roa_0.5_ms, interval_cov_found,
        interval_cov_labels (where both are finite).
    """
    by, covs = ["network", "step"], ["interval_cov_found", "interval_cov_labels"]
    finite = np.isfinite(table[covs]).all(axis=1)
    trains = table.assign(**{name: table[name].where(finite) for name in covs})
    means = trains.groupby(by, sort=False)[["roa_0.5_ms", *covs]].mean().reset_index()
    scores = metrics.score_table(table, by)[[*by, "f1", "precision", "sensitivity"]]
    return scores.merge(means, on=by)


@plt.rc_context(STYLE)
def draw_minutes(table, output, note):
    """Rate of agreement by the minute: each motor unit as a dot, the mean as a line.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `minutes`.
    output, note : str
        See `save`.
    """
    figure, ax = plt.subplots(figsize=(TWO_COLUMNS, 65 * MM))
    for k, (decoder, rows) in enumerate(table.groupby("decoder", sort=False)):
        adapts, network = "not adapting" not in decoder, decoder.split(",")[0]
        at, line = rows["minute"] + (k - 1.5) / 8, dict(ls="-" if adapts else "--", label=decoder)
        _draw_dots_and_means(ax, at, rows["roa_0.5_ms"], network, **line)
    names = table.drop_duplicates("minute").set_index("minute")["signal"]
    ax.set_xticks(names.index, [fill(name, 12) for name in names], fontsize=5)
    ax.set(xlabel="Minute, and its signal", ylabel="Rate of agreement within 0.5 ms")
    ax.grid(axis="y", lw=0.3)
    figure.legend(loc="outside upper left", ncols=4)
    return save(figure, "adaptation_minutes", output, note)


def _draw_dots_and_means(ax, x, y, network, **line):
    colour, means = COLOURS[network], y.groupby(x).mean()
    ax.plot(x, y, ".", ms=3, color=colour, alpha=0.5)
    ax.plot(means.index, means, color=colour, lw=1.2, marker=MARKERS[network], ms=3.5, **line)


def planted_scores(table):
    """Scores of each decoder on each recording with planted motor units.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `adaptation.planted_units`.

    Returns
    -------
    pandas.DataFrame
        varied (a key of `VARIED`; the middle is there under each), value, seed, network, f1, lowest
        (F1 of the motor unit that is decoded worst), roa_0.5_ms (mean over motor units).
    """
    by = [*MIDDLE, "seed", "network"]
    scores = metrics.score_table(table, by)[[*by, "f1"]]
    units = metrics.scores(*table[["tp", "fp", "fn"]].to_numpy().T).f1
    groups = table.assign(lowest=units).groupby(by)
    sizes = groups.agg({"lowest": "min", "roa_0.5_ms": "mean"}).reset_index()
    scores, parts = scores.merge(sizes, on=by), []
    for name in VARIED:
        others = [other for other in MIDDLE if other != name]
        rows = scores[(scores[others] == [MIDDLE[other] for other in others]).all(axis=1)]
        parts.append(rows.assign(varied=name, value=rows[name]).sort_values(["value", "seed"]))
    told = ["varied", "value", "seed", "network", "f1", "lowest", "roa_0.5_ms"]
    return pd.concat(parts)[told].reset_index(drop=True)


@plt.rc_context(STYLE)
def draw_planted(scores, output, note):
    """F1 over width, lag and number of planted motor units: recordings as dots, means as lines.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of `planted_scores`.
    output, note : str
        See `save`.
    """
    figure, axes = plt.subplots(1, len(VARIED), figsize=(TWO_COLUMNS, 62 * MM), sharey=True)
    for letter, ax, (name, values) in zip("abc", axes, VARIED.items(), strict=True):
        chosen = scores[scores["varied"] == name]
        for k, (network, rows) in enumerate(chosen.groupby("network", sort=False)):
            at = np.array([values.index(value) for value in rows["value"]]) + (k - 1.5) / 8
            _draw_dots_and_means(ax, at, rows["f1"], network, label=network)
        ax.set_xticks(range(len(values)), values)
        ax.set(title=letter, xlabel=NAMES[name])
        ax.grid(axis="y", lw=0.3)
    axes[0].set_ylabel("F1 (mean over motor units)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=4)
    return save(figure, "adaptation_planted", output, note)
