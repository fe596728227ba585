"""What notebook 07 draws and took long to compute: decoders seen from every side."""

from datetime import date
from itertools import product
from time import process_time

import numpy as np
import pandas as pd
from tqdm import tqdm

from hdsemg_nb import (
    discharges,
    metrics,
    params,
    paths,
    results,
    robustness,
    segment,
    tables,
    train,
)
from hdsemg_nb.cbss import MotorUnitFilter, decompose
from hdsemg_nb.datasets import fetch_sample, simulate
from hdsemg_nb.decoders import DECODERS, FILTER, Run, architecture
from hdsemg_nb.decoders.network import FittedNetwork

SETTINGS = paths.PARAMS / "honest.yaml"
DATA = ["data", "subject", "mvc"]
LABELS, WINDOWED, TRUTH = "labels", "labels through windows", "truth"
FILTER_TRAINS, SEPARATION = f"{FILTER}, to the sample", "blind source separation"
NARROW = "ML-DRSNet (narrow)"
TOLERANCES_MS = (0.5, 1.0, 2.0)
PIECE = ("subject", "mvc", "network", "decoder", "trained_at")  # what is computed at once
LARGEST_LAG_MS = 60.0  # an action potential's centre comes up to so long after its discharge
SHOWN = [
    "network", "window", "step", "split", "width", "decay", "epochs", "learning_rate",
    "weight_decay", "batch_size", "bf16", "whiten", "fit_offsets", "patience",
]  # fmt: skip
CURVE_POINTS = 40  # of a precision-recall curve
REDUCED = "reduced: fewer epochs than the paper, params/honest.yaml"
NOTES = {  # first lines of the files in results/
    "honest_decoders": "Decoders, their settings and costs on each recording",
    "honest_units": "Counts of test windows and thresholds of each motor unit",
    "honest_curves": "Precision over sensitivity of each motor unit, thinned",
    "honest_trains": "Agreement of spike trains with labels and truth, by motor unit",
    "honest_robustness": "Counts of test windows under changed signals",
    "honest_intensities": "SYNTHETIC data, counts of test windows at other intensities",
    "robustness_cohort": "SYNTHETIC data, 24 recordings of 60 s; last of five blocked folds, each "
    "with its own noise and dead channels",
}


def compute(asked=()):
    """Compute what is missing in results/; a part that is named, again from the start.

    Parameters
    ----------
    asked : sequence of str
        Names in `PARTS`.

    Raises
    ------
    ValueError
        For an unknown part.
    """
    params.refuse_unknown(asked, PARTS, "the parts of honest_evaluation")
    settings = params.read_yaml(SETTINGS)
    for part, (computed, stems) in PARTS.items():
        if part in asked:
            for stem in stems:
                _path(stem).unlink(missing_ok=True)
        computed(settings)


def _path(stem):
    return paths.RESULTS / f"{stem}.csv"


def _append(stem, table):
    """Add rows to a file, in place of those that an interrupted call left there."""
    if _path(stem).exists():
        before = tables.load(_path(stem))[0]
        key = [name for name in PIECE if name in table]
        again = pd.MultiIndex.from_frame(before[key]).isin(pd.MultiIndex.from_frame(table[key]))
        table = pd.concat([before[~again], table], ignore_index=True)
    tables.write(table, _path(stem), f"{NOTES[stem]}; {REDUCED}", "%.6g")


def load(stem):
    """Table results/honest_<stem>.csv, in which ML-DRSNet is narrow and called so."""
    return tables.load(_path(f"honest_{stem}"))[0].replace("ML-DRSNet", NARROW)


def _done(stem, columns):
    """Rows that were computed before, as tuples."""
    there = tables.load(_path(stem))[0] if _path(stem).exists() else pd.DataFrame(columns=columns)
    return set(there[columns].itertuples(index=False, name=None))


def _runs(settings, part):
    return [Run(seed=settings["seed"], **entry) for entry in settings[part]["runs"]]


def _fit(recording, run, fold):
    """The decoder with the weights of the highest validation F1, if it has several."""
    fitted = train.fit(recording, run, fold)
    return fitted.of_highest_f1()


def compute_decoders(settings):
    """Every decoder on every recording, one after the other."""
    s, done = settings["decoders"], _done("honest_decoders", ["subject", "network"])
    trapezoid, runs = (s["mvc"], settings["seconds"], settings["seed"]), _runs(settings, "decoders")
    for participant in [*s["participants"], None]:
        subject = f"S{participant:02d}" if participant else "sample"
        missing = [run for run in runs if (subject, run.network) not in done]
        if not missing:
            continue
        simulation = simulate(participant, *trapezoid) if participant else None
        recording = simulation.recording if simulation else fetch_sample()
        truth = simulation.truth.discharges if simulation else None
        versions = robustness.signal_versions(recording, settings["seed"])
        versions |= robustness.grid_versions(participant, *trapezoid) if simulation else {}
        about = {"data": "synthetic" if simulation else "real"}
        about |= {"subject": subject, "mvc": recording.mvc}
        if missing == runs:
            _append("honest_trains", ceilings(recording, runs[0], truth).assign(**about))
        for run in tqdm(missing, subject):
            for stem, table in evaluate(recording, run, versions, truth).items():
                _append(f"honest_{stem}", table.assign(**about))


def evaluate(recording, run, versions, truth):
    """Fit a decoder to the last fold and look at it from every side.

    Parameters
    ----------
    recording : recording.Recording
    run : decoders.Run
        On blocked folds.
    versions : dict
        Of `robustness`.
    truth : sequence of array_like of int or None
        True times of the labelled discharges.

    Returns
    -------
    dict of str to pandas.DataFrame
        Rows of the files honest_robustness, _curves, _units, _trains and _decoders.
    """
    starts, folds = segment.cut(recording, run)
    test, began = folds[-1].test, process_time()
    fitted = _fit(recording, run, folds[-1])
    seconds = process_time() - began
    changed = robustness.under_changes(fitted, recording, starts, test, versions)
    labels = segment.run_labels(recording, run, starts, fitted.offsets)[test]
    probabilities = fitted.predict(recording.emg, starts[test])
    curves = [precision_recall(*unit) for unit in zip(labels.T, probabilities.T, strict=True)]
    units = changed[changed["kind"] == robustness.AS_RECORDED[0]].drop(columns=["kind", "level"])
    decoded = discharges.decoded_discharges(
        probabilities >= run.threshold, starts[test], run.window, recording.fs
    )
    thinned = [_thinned(curve).assign(motor_unit=unit) for unit, curve in enumerate(curves)]
    return {
        "robustness": changed,
        "curves": pd.concat(thinned).assign(network=run.network),
        "units": units.join(pd.DataFrame(map(_summary, curves))),
        "trains": compare_trains(recording, {run.network: decoded}, run, starts[test], truth),
        "decoders": pd.DataFrame([_facts(fitted, recording, seconds)]),
    }


def _facts(fitted, recording, seconds):
    """Settings and costs of a fitted decoder; look-ahead: see notebook 07."""
    run, of = fitted.run, DECODERS[fitted.run.network]
    if isinstance(fitted, FittedNetwork):
        macs = architecture.n_macs(fitted.model, recording.n_channels, run.window)
        ahead = run.window // 2 + int(fitted.offsets.max())
    else:  # it sees each new sample once
        macs, ahead = fitted.n_macs * run.step, run.step // 2 + fitted.look_ahead
    best = fitted.history.loc[fitted.history["val_f1"].idxmax(), "epoch"] if of.trained else np.nan
    return {
        **{name: getattr(run, name) for name in SHOWN if name not in of.unused},
        "f1_epoch": best,
        "mmac": macs / 1e6,
        "lookahead_ms": 1000 * ahead / recording.fs,
        "training_cpu_seconds": round(seconds, 1),
        "device": results.device_name(),
        "date": date.today().isoformat(),
    }


def ceilings(recording, run, truth):
    """Spike trains that are no decoder's windows: labels, the filter to the sample, separation."""
    starts, folds = segment.cut(recording, run)
    test = starts[folds[-1].test]
    mask = segment.covered_samples(starts[folds[-1].train], run.window, recording.n_samples)
    windows = segment.labels(recording.discharges, test, run.window)
    found = decompose(recording, progress=False).recording.discharges
    match = discharges.match_motor_units(recording.discharges, found, recording.fs)
    trains = {
        LABELS: recording.discharges,
        WINDOWED: discharges.decoded_discharges(windows, test, run.window, recording.fs),
        FILTER_TRAINS: MotorUnitFilter().fit(recording, mask).decode(recording.emg),
        SEPARATION: [found[k] if k >= 0 else np.empty(0, np.int64) for k in match["found"]],
    }
    return compare_trains(recording, trains, run, test, truth)


def compare_trains(recording, trains, run, test, truth=None):
    """Agreement of spike trains with the labels, and with the true discharges, unit by unit.

    Parameters
    ----------
    recording : recording.Recording
    trains : dict of str to sequence of array_like of int
        Name to the discharge times of each motor unit, as samples.
    run : decoders.Run
    test : numpy.ndarray of int64
        Starts of the tested windows, one after the other: only there is compared.
    truth : sequence of array_like of int, optional
        True times of the labelled discharges; one counts where its label lies.

    Returns
    -------
    pandas.DataFrame
        One row per decoder, reference ("labels", "truth") and motor unit: n_reference, n_found,
        rate of agreement after removing the constant lag of each tolerance (roa_0.5_ms, roa_1_ms,
        roa_2_ms, roa_half_step), lag_ms (of the last), interval_error_ms (root mean square, between
        discharges within half a step; NaN without any), cst_correlation (of the cumulative spike
        trains, one value for all motor units).
    """
    low, high = segment.label_borders(test, run.window, run.span, run.step)
    mask = np.zeros(recording.n_samples, dtype=bool)
    mask[max(low[0], 0) : high[-1]] = True
    half_step_ms, rows = 500 * run.step / recording.fs, []
    references = {LABELS: recording.discharges} | ({} if truth is None else {TRUTH: truth})
    for (decoder, found), (name, times) in product(trains.items(), references.items()):
        reference = [t[mask[label]] for t, label in zip(times, recording.discharges, strict=True)]
        found = [t[mask[t]] for t in (np.asarray(t, np.int64) for t in found)]
        units = [
            _agreement(*pair, recording.fs, half_step_ms)
            for pair in zip(reference, found, strict=True)
        ]
        lags = [round(unit["lag_ms"] * recording.fs / 1000) for unit in units]
        aligned = [t - lag for t, lag in zip(found, lags, strict=True)]
        pooled = [np.sort(np.concatenate(all_)) for all_ in (reference, aligned)]
        drive = discharges.rate_correlation(*pooled, mask, recording.fs)
        about = {"decoder": decoder, "reference": name, "cst_correlation": drive}
        rows += [{**about, "motor_unit": k, **unit} for k, unit in enumerate(units)]
    return pd.DataFrame(rows)


def _agreement(reference, found, fs, half_step_ms):
    named = {f"roa_{t:g}_ms": t for t in TOLERANCES_MS} | {"roa_half_step": half_step_ms}
    agreed = {
        name: discharges.rate_of_agreement(reference, found, fs, t, LARGEST_LAG_MS)
        for name, t in named.items()
    }
    lag_ms = agreed["roa_half_step"].lag_ms
    aligned = found - round(lag_ms * fs / 1000)
    errors = discharges.interval_errors(reference, aligned, fs, half_step_ms)
    return {
        "n_reference": len(reference),
        "n_found": len(found),
        **{name: one.rate for name, one in agreed.items()},
        "lag_ms": lag_ms,
        "interval_error_ms": np.sqrt(np.mean(errors**2)) if len(errors) else np.nan,
    }


def precision_recall(labels, probabilities):
    """Precision, sensitivity (recall) and F1 of one motor unit at every threshold.

    One row per distinct probability, from the highest (column threshold): windows with at least
    this probability count as discharges. NaN without a positive label.
    """
    order = np.argsort(-probabilities, kind="stable")
    last = np.flatnonzero(np.diff(probabilities[order], append=-np.inf))  # of equal probabilities
    tp = np.cumsum(labels[order], dtype=np.int64)[last]
    scores = metrics.scores(tp, last + 1 - tp, labels.sum(dtype=np.int64) - tp)
    table = pd.DataFrame(scores._asdict())[["precision", "sensitivity", "f1"]]
    return table.assign(threshold=probabilities[order][last])


def _summary(curve):
    """Average precision, and the best F1 of any threshold on these very windows."""
    gained = np.diff(curve["sensitivity"], prepend=0)
    best = curve.loc[curve["f1"].fillna(0).idxmax()]
    return {
        "average_precision": (curve["precision"] * gained).sum(skipna=False),
        "best_f1": best["f1"],
        "best_threshold": best["threshold"],
    }


def _thinned(curve):
    kept = np.unique(np.linspace(0, len(curve) - 1, CURVE_POINTS).round().astype(int))
    return curve[["sensitivity", "precision"]].iloc[kept].round(4)


def compute_intensities(settings):
    """Decoders trained at one intensity, tested at others, on the units labelled at both."""
    s, done, found = settings["intensities"], _done("honest_intensities", ["network"]), []
    runs = [run for run in _runs(settings, "intensities") if (run.network,) not in done]
    if not runs:
        return
    rest = settings["seconds"], settings["seed"]
    simulations = {mvc: simulate(s["participant"], mvc, *rest) for mvc in s["tested_at"]}
    for mvc, run in tqdm(list(product(s["trained_at"], runs)), "trained"):
        trained = simulations[mvc]
        starts, folds = segment.cut(trained.recording, run)
        fitted = _fit(trained.recording, run, folds[-1])
        for other, simulation in simulations.items():
            test = folds[-1].test if other == mvc else np.arange(len(starts))
            counts = robustness.at_other_intensity(fitted, trained, simulation, starts, test)
            about = {"network": run.network, "trained_at": mvc, "tested_at": other}
            found.append(counts.assign(**about))
    _append("honest_intensities", pd.concat(found))


def compute_cohort(settings):
    """Both filters and MUF-Net under changed signals on many recordings; hours."""
    s, done = settings["cohort"], _done("robustness_cohort", ["subject", "mvc", "network"])
    for k, (participant, mvc) in enumerate(product(s["participants"], s["mvc"])):
        runs = _runs(settings, "cohort")
        runs = [run for run in runs if (f"S{participant:02d}", mvc, run.network) not in done]
        if not runs:
            continue
        one = simulate(participant, mvc, settings["seconds"], settings["seed"]).recording
        versions, found = robustness.signal_versions(one, (settings["seed"], k)), []
        for run in runs:
            starts, folds = segment.cut(one, run)
            fitted = train.fit(one, run, folds[-1])
            found.append(robustness.under_changes(fitted, one, starts, folds[-1].test, versions))
        counts = pd.concat(found).assign(subject=one.subject, mvc=one.mvc)
        by = ["subject", "mvc", "network", "kind", "level"]
        _append("robustness_cohort", metrics.score_table(counts, by))


OF_DECODERS = ("decoders", "units", "curves", "trains", "robustness")
PARTS = {  # name: function, its files
    "decoders": (compute_decoders, [f"honest_{stem}" for stem in OF_DECODERS]),
    "intensities": (compute_intensities, ["honest_intensities"]),
    "cohort": (compute_cohort, ["robustness_cohort"]),
}
