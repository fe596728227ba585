"""Conclusions written by the numbers: sentences made from the tables of the honest evaluation."""

import numpy as np
import pandas as pd

from hdsemg_nb.honest.peers import ALWAYS_POSITIVE, NO_NETWORKS, beats_filter
from hdsemg_nb.honest.thresholds import FALSE_LIMIT
from hdsemg_nb.honest.trains import FILTER_TRAINS, LABELS, SEPARATION, WINDOWED
from hdsemg_nb.metrics import IDENTIFIED_MISS_RATE
from hdsemg_nb.published import BEST_SETTINGS, SIGNIFICANT, values
from hdsemg_nb.train import FILTER

CEILINGS = {LABELS, WINDOWED, SEPARATION}


def on_leakage(summary, over="recordings"):
    """Shuffled against blocked folds, and what becomes of the paper's perfect score.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `leakage.summarise`.
    over : {"recordings", "participants"}
        What it was summarised over: recordings of one participant are not independent.

    Returns
    -------
    list of str
    """
    if summary.empty:
        return ["No run was computed on both shuffled and blocked folds."]
    shared = summary["shared_percent"] > 0
    groups = {"share samples with training windows": shared, "share none": ~shared}
    means = [
        f"{rows['difference'].mean():+.3f} where shuffled test windows {what} ({len(rows)} runs)"
        for what, chosen in groups.items()
        if len(rows := summary[chosen])
    ]
    n_significant, n = (summary["p"] < SIGNIFICANT).sum(), summary["n"].max()
    return [
        f"F1 on shuffled minus F1 on blocked folds is on average {' and '.join(means)}.",
        f"{n_significant} of {len(summary)} runs differ significantly (p < {SIGNIFICANT}, signed "
        f"ranks over {over}, n up to {n}; the smallest p that {n} pairs allow is "
        f"{min(1, 2 / 2**n):.2g}).",
        _on_the_perfect_score(summary),
    ]


def _on_the_perfect_score(summary):
    network = "ML-DCNN"
    window, step = BEST_SETTINGS[network]
    known = values().query("network == @network and metric == 'f1' and mvc == 'all'")
    published = known[(known["window"] == window) & (known["step"] == step)]["mean"].iloc[0]
    what = f"{network} at W = {window}, S = {step} (published F1 {published:.2f})"
    rows = summary.query("network == @network and window == @window and step == @step")
    if rows.empty:
        return f"{what} was not run under both splits here."
    row = rows.loc[rows["f1_shuffled"].idxmax()]
    return (
        f"{what} reaches {row['f1_shuffled']:.2f} on shuffled and {row['f1_blocked']:.2f} on "
        f"blocked folds here (always positive: {row['always_positive_f1']:.2f}); "
        f"{row['shared_percent']:.0f} % of its shuffled test windows share samples with training "
        "windows."
    )


def on_trains(against_labels, against_truth=None):
    """Agreement at the level of discharges, with what limits it.

    Parameters
    ----------
    against_labels, against_truth : pandas.DataFrame
        From `trains.compare_trains` of one recording.

    Returns
    -------
    list of str
    """
    rates = ["roa_0.5_ms", "roa_half_step", "interval_error_ms"]
    mean = against_labels.groupby("decoder")[rates].mean()
    best = _best(mean["roa_half_step"])
    said = [
        f"Within half a step {best} agrees with the labels in {_at(mean, best, 'roa_half_step')} "
        f"of the discharges, within 0.5 ms in {_at(mean, best, 'roa_0.5_ms')}; a decoder without "
        f"a false window reaches {_at(mean, WINDOWED, 'roa_0.5_ms')} there, because a window times "
        "a discharge no finer than its step.",
    ]
    if FILTER_TRAINS in mean.index:
        said.append(
            f"The motor-unit filter, which times discharges to the sample, agrees within 0.5 ms "
            f"in {_at(mean, FILTER_TRAINS, 'roa_0.5_ms')}; inter-discharge intervals are off by "
            f"{_at(mean, FILTER_TRAINS, 'interval_error_ms')} ms (root mean square) with it and by "
            f"{_at(mean, best, 'interval_error_ms')} ms with {best}."
        )
    if against_truth is not None:
        true = against_truth.groupby("decoder")[rates].mean()
        ceilings = [
            f"{name} in {_at(true, name, rates[0])}"
            for name in (LABELS, SEPARATION)
            if name in true.index
        ]
        said.append(
            f"With the truth agree within 0.5 ms, after the constant lag: {', '.join(ceilings)} of "
            f"the discharges. This is the ceiling of what a score against labels can mean. {best} "
            f"agrees with the truth in {_at(true, best, 'roa_half_step')} within half a step."
        )
    return said


def on_peers(peers):
    """Whether a network beats the motor-unit filter, and at what cost.

    Parameters
    ----------
    peers : pandas.DataFrame
        From `peers.compare_peers`.

    Returns
    -------
    list of str
    """
    table = peers.set_index("network")
    best, winners = _best(table["f1"]), beats_filter(peers)
    linear, network = table.loc[FILTER], table.loc[best]
    verdict = f"{', '.join(winners)} beat" + ("s" if len(winners) == 1 else "")
    return [
        f"{verdict if winners else 'No network beats'} the motor-unit filter on the same windows: "
        f"F1 {network['f1']:.2f} ({best}, the best network) against {linear['f1']:.2f}; always "
        f"positive {table.loc[ALWAYS_POSITIVE, 'f1']:.2f}.",
        f"A window takes {best} {network['median_ms']:.2f} ms and {network['mmac']:.2f} million "
        f"multiply-accumulates, the filter {linear['median_ms']:.2f} ms and {linear['mmac']:.2f}; "
        f"after the centre of a label at the mark {best} needs {network['lookahead_ms']:.1f} ms of "
        f"signal, the filter {linear['lookahead_ms']:.1f} ms.",
    ]


def on_readings(verdicts, scores):
    """Which reading of the label shows most of the paper's trends, and what the reading moves.

    Parameters
    ----------
    verdicts : pandas.DataFrame
        From `readings.verdicts`.
    scores : pandas.DataFrame
        From `readings.reading_scores`.

    Returns
    -------
    list of str
    """
    told = [
        f"span {row.span}, centre {row.offset:+d} samples: {row.agrees}"
        + (f" ({row.shown})" if row.agrees else "")
        + f", against {row.does_not}"
        for row in verdicts.itertuples()
    ]
    n_untold = verdicts["cannot_be_told"].min()
    cells = scores.groupby(["network", "window", "step", "span", "offset"])[
        ["f1", "always_positive_f1"]
    ].mean()
    spread = cells.groupby(level=[0, 1, 2]).agg(lambda x: x.max() - x.min()).max()
    always = cells["always_positive_f1"]
    _, window, step, span, _ = always.idxmax()
    return [
        f"Of the eight trends, each reading shows: {'; '.join(told)}. At least {n_untold} cannot "
        "be told from this grid.",
        f"The reading alone moves the F1 of one network, window and step by up to "
        f"{spread['f1']:.2f}, and that of always positive by up to "
        f"{spread['always_positive_f1']:.2f}.",
        f"Always positive alone reaches F1 {always.max():.2f} at W = {window}, S = {step} with "
        f"labels over the {span}: a score there means little without it beside.",
    ]


def on_thresholds(thresholds, identified):
    """What the threshold is worth, and what the miss rate alone identifies.

    Parameters
    ----------
    thresholds : pandas.DataFrame
        From `thresholds.threshold_table`.
    identified : pandas.DataFrame
        From `thresholds.identified` by network, with always positive.

    Returns
    -------
    list of str
    """
    mean = thresholds.groupby("network")[["average_precision", "f1", "best_f1"]].mean()
    best = _best(mean["average_precision"])
    at_limit = identified[identified["miss_limit"] == IDENTIFIED_MISS_RATE].set_index("network")
    found = [
        f"{row.Index} {row.n_identified} and {row.n_identified_both}"
        for row in at_limit.itertuples()
    ]
    return [
        f"Average precision is highest for {best} ({_at(mean, best, 'average_precision')}); "
        f"another threshold for each motor unit would lift its F1 from {_at(mean, best, 'f1')} to "
        f"at most {_at(mean, best, 'best_f1')}.",
        f"Of {at_limit['n_motor_units'].max()} motor units, identified by a miss rate below "
        f"{IDENTIFIED_MISS_RATE:g} alone, and with fewer than {100 * FALSE_LIMIT:.0f} % false "
        f"positives as well: {'; '.join(found)}.",
    ]


def on_robustness(summary):
    """For each change of the signal the network with the highest mean F1, and the filter.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `robustness.summarise`, with the motor-unit filter in it.

    Returns
    -------
    list of str
    """
    said = []
    for kind, rows in summary.groupby("kind", sort=False):
        f1 = rows.pivot(index="network", columns="level", values="f1")[rows["level"].unique()]
        levels = f" ({', '.join(f1.columns)})" if all(f1.columns) else ""
        best = _best(f1.mean(axis=1))
        by = [f"{name} {', '.join(f'{x:.2f}' for x in f1.loc[name])}" for name in (best, FILTER)]
        networks = f1.drop(index=NO_NETWORKS.intersection(f1.index))
        leads = (f1.loc[FILTER] > networks.max()).sum()
        said.append(
            f"{kind.capitalize()}{levels}: F1 {'; '.join(by)}. The filter is ahead of every "
            f"network at {leads} of {f1.shape[1]} levels."
        )
    return said


def recommendations(peers, compared, drive, identified):
    """Which decoder for which purpose, by the tables of one recording.

    Parameters
    ----------
    peers, compared, identified : pandas.DataFrame
        From `peers.compare_peers`, `trains.compare_trains` and `thresholds.identified`.
    drive : pandas.Series
        Column cst_correlation of `trains.drive_table` by decoder.

    Returns
    -------
    pandas.DataFrame
        One row per purpose: purpose, criterion, best (decoder) and its value, best_network and
        network_value. Of equals the first.
    """
    mean = compared.groupby("decoder").mean(numeric_only=True)
    at_limit = identified[identified["miss_limit"] == IDENTIFIED_MISS_RATE].set_index("network")
    scores = peers.set_index("network")
    costs = scores.drop(index=ALWAYS_POSITIVE)
    criteria = [
        ("windows decoded rightly", "F1", scores["f1"]),
        ("times of discharges", "agreement within 0.5 ms", mean["roa_0.5_ms"]),
        ("neural drive", "correlation of cumulative spike trains", drive),
        ("many motor units, few false", "identified", at_limit["n_identified_both"]),
        ("shortest latency", "least ms of signal after the mark's label", costs["lookahead_ms"]),
        ("least computing", "least million multiply-accumulates", costs["mmac"]),
    ]
    rows = []
    for purpose, criterion, score in criteria:
        score = score.drop(index=CEILINGS.intersection(score.index)).astype(float)
        better = score.idxmin if criterion.startswith("least") else score.idxmax
        network = _best(-score if criterion.startswith("least") else score)
        rows.append((purpose, criterion, better(), score[better()], network, score[network]))
    names = ["purpose", "criterion", "best", "value", "best_network", "network_value"]
    return pd.DataFrame(rows, columns=names)


def on_settings(summary):
    """Which network, window and step decode best on blocked folds.

    Parameters
    ----------
    summary : pandas.DataFrame
        From `leakage.summarise`.

    Returns
    -------
    list of str
    """
    networks = summary[~summary["network"].isin(NO_NETWORKS)]
    if networks.empty:
        return ["No network was run on both shuffled and blocked folds."]
    said = []
    for network, rows in networks.groupby("network", sort=False):
        row = rows.loc[(rows["f1_blocked"] - rows["always_positive_f1"]).idxmax()]
        said.append(
            f"{network} W = {row['window']}, S = {row['step']}: {row['f1_blocked']:.2f} "
            f"(always positive {row['always_positive_f1']:.2f})"
        )
    return [f"F1 on blocked folds, where it is most above always positive: {'; '.join(said)}."]


def cautions(n_labelled, n_active, n_participants, notes):
    """What must not be concluded.

    Parameters
    ----------
    n_labelled, n_active : int
        Motor units of the simulated recording that are labelled, and that discharge.
    n_participants : int
        Of the results of the sweep.
    notes : sequence of str
        Stamps of the figures: data and profile.

    Returns
    -------
    list of str
    """
    smallest = min(1, 2 / 2**n_participants)
    synthetic = any("SYNTHETIC" in note for note in notes)
    said = [
        f"On synthetic data {n_labelled} of {n_active} active motor units are labelled: those that "
        "a linear filter separates best. The filter's score there is favoured by construction "
        "and must not be read as its score on people; nor does it say how decoders do on the "
        "other motor units.",
        "Nothing synthetic here has movement, fatigue, artefacts or electrodes that come off; the "
        "real recording's labels come from a linear separation of the same signal.",
        f"With {n_participants} participant{'s' * (n_participants > 1)} no test over participants "
        f"can give a p below {smallest:.2g}; agreement of an order of means may be chance.",
        f"The numbers are of this data and profile: {'; '.join(dict.fromkeys(notes))}. Networks "
        "trained less than the paper's say nothing about the paper's.",
    ]
    return said if synthetic else said[1:]


def page(parts):
    """Conclusions as a table.

    Parameters
    ----------
    parts : dict of str to list of str
        Part of the evaluation to its sentences.

    Returns
    -------
    pandas.DataFrame
        part, conclusion.
    """
    rows = [(part, sentence) for part, sentences in parts.items() for sentence in sentences]
    return pd.DataFrame(rows, columns=["part", "conclusion"])


def markdown(page):
    """The table of `page` as Markdown: a heading for each part, a line for each conclusion."""
    parts = page.groupby("part", sort=False)["conclusion"]
    return "\n\n".join(f"**{part}**\n\n* " + "\n* ".join(said) for part, said in parts)


def _best(score):
    """Network with the highest score; one without a value is last."""
    networks = [
        name for name in score.index if name not in NO_NETWORKS | CEILINGS | {FILTER_TRAINS}
    ]
    return score[networks].fillna(-np.inf).idxmax()


def _at(table, row, column):
    value = table.loc[row, column]
    return "no" if np.isnan(value) else f"{value:.2f}"
