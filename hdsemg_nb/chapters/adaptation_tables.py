"""Tables and figures of decoders that follow the signal, and the bars they had to reach.

Notebook 08 draws what `adaptation` computed.
"""

from textwrap import fill

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from hdsemg_nb import metrics
from hdsemg_nb.cbss.adaptive_stream import DELAY_S, PERIOD_S
from hdsemg_nb.cbss.filter import N_LAGS
from hdsemg_nb.chapters.adaptation import MIDDLE, VARIED
from hdsemg_nb.chapters.filter_initialised import paired
from hdsemg_nb.chapters.honest_evaluation_figures import COLOURS, MARKERS
from hdsemg_nb.decoders import ADAPTIVE, FILTER, OURS, STREAMED
from hdsemg_nb.decoders.adaptive_net import LARGEST_AHEAD
from hdsemg_nb.decoders.detector import SEEN_AHEAD
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save
from hdsemg_nb.robustness import AS_RECORDED

NAMES = {"width_ms": "Width (ms)", "lag": "Lag (samples)", "n_units": "Motor units"}
# of the bars
EARLIER_F1 = {20: 0.959, 10: 0.942}  # of MUF-Net on the real recording, by step (table muf_real)
A_POINT, COV, CORE_PERCENT, DELAY_MS = 0.01, 0.02, 5.0, 10.0
PEERS = [ADAPTIVE, OURS]
PLANTED = {
    "width_ms": "20 to 60 ms wide",
    "lag": "lags from -30 to +10",
    "n_units": "5 to 30 units",
}
STILL = f"{STREAMED}, not adapting"
AHEAD_MS = 1000 / 2048 * (LARGEST_AHEAD + N_LAGS // 2 - 1 + SEEN_AHEAD)  # at most


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


def beside_filters(scores, by):
    """F1 of adaptive MUF-Net less that of the better filter.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns network, f1 and `by`: one row for each decoder and recording.
    by : list of str

    Returns
    -------
    pandas.DataFrame
        `by`, the F1 of each decoder, difference.
    """
    wide = scores.pivot(index=by, columns="network", values="f1")
    difference = wide[STREAMED] - wide[[FILTER, ADAPTIVE]].max(axis=1)
    return wide.assign(difference=difference).reset_index()


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


def bars(real, cohort, planted, grid, real_changed, minutes, tiring, forces):
    """Every bar with what was found.

    Parameters
    ----------
    real, planted, grid, minutes, tiring, forces : pandas.DataFrame
        Of `adaptation.load`.
    cohort, real_changed : pandas.DataFrame
        results/robustness_cohort.csv, and the real recording of results/honest_robustness.csv.

    Returns
    -------
    pandas.DataFrame
        bar, asked, found, verdict ("met" or "missed").
    """
    of_planted = beside_filters(planted_scores(planted), ["varied", "value", "seed"])
    of_grid = metrics.score_table(grid, ["subject", "mvc", "network", "kind", "level"])
    whole = cohort[cohort["kind"] == AS_RECORDED[0]]
    return pd.DataFrame(
        [
            *_real(to_the_sample(real)),
            _beside("cohort as recorded", beside_filters(whole, ["subject", "mvc"])),
            *(
                _beside(f"planted: {words}", of_planted[of_planted["varied"] == name])
                for name, words in PLANTED.items()
            ),
            *_changes(cohort),
            *_changes(of_grid),
            *_one_recording(metrics.score_table(real_changed, ["network", "kind", "level"])),
            *_streamed(minutes, tiring, forces),
            *_cost(tiring),
        ]
    )


def _bar(bar, asked, found, met):
    return dict(bar=bar, asked=asked, found=found, verdict="met" if met else "missed")


def _real(means):
    """On the real recording: agreement, windows, variability of the intervals."""
    means = means.set_index(["network", "step"])
    own, plain = (means.loc[(name, 20)] for name in (STREAMED, FILTER))
    rate, asked = own["roa_0.5_ms"], plain["roa_0.5_ms"]
    yield _bar(
        "real: agreement within 0.5 ms", f"filter's {asked:.3f}", f"{rate:.3f}", rate >= asked
    )
    for step, asked in EARLIER_F1.items():
        f1 = means.loc[(STREAMED, step), "f1"]
        yield _bar(f"real: F1, S = {step}", f"{asked}", f"{f1:.3f}", f1 >= asked)
    off = abs(own["interval_cov_found"] - own["interval_cov_labels"])
    yield _bar(
        "real: interval variability", f"within {COV} of the labels'", f"{off:.3f}", off <= COV
    )


def _beside(name, table):
    """Never more than a point of F1 below the better of the two filters."""
    below, worst = (table["difference"] < -A_POINT).sum(), table["difference"].min()
    found = f"{worst:+.3f} at worst; {below} of {len(table)} recordings more than a point below"
    return _bar(name, "better filter, less a point", found, not below)


def _changes(scores):
    """Against both peers over participants, the mean over their intensities."""
    by = ["network", "kind", "level", "subject"]
    means = scores.groupby(by, sort=False)["f1"].mean().reset_index().assign(mvc="all")
    table = paired(means[means["network"].isin([STREAMED, *PEERS])], ["kind", "level"], STREAMED)
    for (kind, level), rows in table.groupby(["kind", "level"], sort=False):
        if (kind, level) == AS_RECORDED:
            continue
        told = [
            f"{row.difference:+.3f} against {row.network} (ahead in {row.n_ahead} of {row.n}, "
            f"p = {row.p:.3f})"
            for row in rows.itertuples()
        ]
        met = ((rows["difference"] >= 0) & (2 * rows["n_ahead"] > rows["n"])).all()
        yield _bar(f"{kind}, {level}", "at least both peers, ahead in most", "; ".join(told), met)


def _one_recording(scores):
    """The real recording as it changes: one, nothing to test."""
    by = dict(index=["kind", "level"], columns="network", values="f1")
    for (kind, level), row in scores.pivot_table(**by, sort=False).drop(AS_RECORDED).iterrows():
        own, best = row[STREAMED], row[PEERS].max()
        found = f"{own:.3f}, {row[PEERS].idxmax()} {best:.3f}"
        yield _bar(f"real: {kind}, {level}", "at least both peers", found, own >= best)


def _streamed(minutes, tiring, forces):
    """Agreement by the minute beside the adaptive filter, and beside not adapting."""
    steady = tiring["contraction"] == "steady"
    changing = {"steps and moves": minutes, "tiring": tiring[~steady], "steps of force": forces}
    for name, table in changing.items():
        yield _worst(f"ten minutes, {name}", table, ADAPTIVE)
        back = table[table["signal"] == "as calibrated again"]
        yield _worst(f"ten minutes, {name}, back as calibrated", back, STILL)
    yield _worst("ten minutes, nothing changes", tiring[steady], STILL)


def _worst(name, table, other):
    rates = table.pivot_table(index="minute", columns="decoder", values="roa_0.5_ms")
    difference = rates[STREAMED] - rates[other]
    worst = round(difference.min(), 3) + 0.0  # no -0
    found = f"agreement {worst:+.3f} in the worst minute ({difference.idxmin()})"
    return _bar(name, f"{other}, less a point", found, worst >= -A_POINT)


def _cost(tiring):
    """Processor time for 18 motor units, and the delay of a decision."""
    core = tiring.groupby("decoder")["core_percent"].max()
    own, pause_ms = core[STREAMED], 10 * PERIOD_S * (core[STREAMED] - core[STILL])
    asked = f"{CORE_PERCENT:g} % of one core"
    yield _bar("cost, 18 motor units", asked, f"{own:.1f} %", own <= CORE_PERCENT)
    beside = f"new filters take {pause_ms:.0f} ms every {PERIOD_S:g} s, beside the decoding"
    late = AHEAD_MS > DELAY_MS or pause_ms > 1000 * DELAY_S
    asked = f"{DELAY_MS:g} ms and the chunk"
    yield _bar("discharge to decision", asked, f"{AHEAD_MS:.1f} ms; {beside}", not late)
