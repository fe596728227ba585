"""Notebook 09: from the reader's own file to a decoder that runs."""

import warnings
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd

from hdsemg_nb import cbss, datasets, discharges, metrics, paths, segment, train
from hdsemg_nb.chapters.honest_evaluation_results import compare_trains
from hdsemg_nb.decoders import (
    ADAPTIVE,
    DECODERS,
    FILTER,
    OURS,
    STREAMED,
    Run,
    adaptive_net,
    muf_net,
)
from hdsemg_nb.latency import export, load_decoder
from hdsemg_nb.motor_units import fittable, with_units

RUNS = {  # blocked folds: nothing of the training is in the test
    FILTER: Run(FILTER, 20, 20, split="blocked"),
    ADAPTIVE: Run(ADAPTIVE, 20, 20, split="blocked"),
    OURS: Run(OURS, 40, 20, split="blocked", **muf_net.TRAINING),
    STREAMED: Run(STREAMED, 40, 20, split="blocked", **adaptive_net.TRAINING),
}
WRITERS = {
    "discharges_events.tsv": datasets.save_events_tsv,
    "discharges_openhdemg.json": datasets.save_openhdemg,
    "discharges.mat": datasets.save_mat,
    "discharges.csv": datasets.save_csv,
}
FILES = {
    "discharges_events.tsv": "the new recording decoded, for BIDS",
    "discharges_openhdemg.json": "the same for openhdemg, with the EMG",
    "discharges.mat": "the same for MATLAB, with the EMG; samples from 1",
    "discharges.csv": "the same for any table; samples from 0",
    "discharges_as_read.csv": "of the first recording, numbered as in its table of motor units",
    "decoder.npz": "the decoder, for latency.load_decoder and hdsemg_nb.live",
    "decoder.onnx": "the decoder, for latency.load_decoder and hdsemg_nb.live",
    "decoder.md": "its card",
    "tables": "what is shown here, as CSV and LaTeX",
    "figures": "as PDF and PNG",
}
CLOSE = 0.02  # rates of agreement that differ by less are alike
LIMITS = (
    "This decoder belongs to these electrodes where they are now. It transfers to no other person, "
    "muscle or session. A slip by up to one electrode is followed by an adaptive decoder, as far "
    "as simulations show; after the grid was taken off, record and train again."
)


def runs(networks=(), decoder=STREAMED, tested_folds=None):
    """The runs to compare, checked before anything takes time.

    Parameters
    ----------
    networks : sequence of str
        Of the paper, trained under its protocol, beside the filters and our own.
    decoder : str
        That is to be trained on everything.
    tested_folds : int, optional
        Of five; default all.

    Returns
    -------
    dict of str to decoders.Run

    Raises
    ------
    ValueError
        When a name or a number cannot be right.
    """
    names = [*RUNS, *networks, decoder]
    known = {name: RUNS.get(name) or Run(name, 60, 20, split="blocked") for name in names}
    return {name: replace(run, tested_folds=tested_folds) for name, run in known.items()}


def with_motor_units(recording):
    """The recording with motor units: those of its file, else by blind source separation.

    Those with too few discharges to train on are left out, with a warning that names them.
    """
    found = recording if recording.n_motor_units else cbss.decompose(recording).recording
    few = np.flatnonzero(~fittable(found)).tolist()
    if few:
        why = "have fewer than two discharges: left out, the others are numbered anew"
        warnings.warn(f"motor units {few} {why}", stacklevel=2)
    return _trainable(found)


def without(recording, left_out):
    """The recording without the motor units of these numbers; the others are numbered anew."""
    numbers = range(recording.n_motor_units)
    if unknown := set(left_out) - set(numbers):
        raise ValueError(f"left_out={sorted(unknown)}: motor units are 0 to {numbers[-1]}")
    kept = [k not in left_out for k in numbers]
    if not any(kept):
        raise ValueError(f"left_out={sorted(left_out)}: these are all motor units; keep one")
    return with_units(recording, kept)


def numbering(left_out):
    """How motor units are numbered from here on."""
    if not left_out:
        return "Motor units keep their numbers in all that follows."
    units = ", ".join(map(str, sorted(left_out)))
    return f"Left out: motor units {units}. The others are numbered anew, from 0, in what follows."


def correction(before, after):
    """Discharges of each motor unit before and after a correction."""
    counts = [[*map(len, one.discharges)] for one in (before, after)]
    table = pd.DataFrame(dict(zip(["n_as_read", "n_corrected"], counts, strict=True)))
    return table.rename_axis("motor_unit")


def _trainable(recording, mask=None):
    """The recording with the motor units that have enough discharges in the training samples."""
    kept = fittable(recording, mask)
    if not kept.any():
        few = "no motor unit has two discharges in the time to train on"
        raise ValueError(f"{few}: take a longer recording")
    return with_units(recording, kept)


def compare(recording, runs):
    """Decoders on blocked folds of a recording, discharge by discharge.

    A motor unit with fewer than two discharges in the training time of a fold is left out of it.

    Parameters
    ----------
    recording : recording.Recording
    runs : dict of str to decoders.Run
        Of `runs`.

    Returns
    -------
    pandas.DataFrame
        Per decoder: f1 (of windows of 20 samples), rate_of_agreement (within 0.5 ms),
        interval_error_ms (root mean square), means over motor units and folds; motor_units (mean
        over folds); training_seconds (of a fold); delay_ms (from a discharge to the end of the
        signal that its decision needs); computing_percent (of one core, to decode in real time).
    """
    rows = []
    for name, run in runs.items():
        starts, folds = segment.cut(recording, run)
        scores = pd.DataFrame([_fold_scores(recording, run, starts, fold) for fold in folds])
        rows.append({"decoder": name, **scores.mean()})
    return pd.DataFrame(rows).set_index("decoder")


def _fold_scores(recording, run, starts, fold):
    mask = segment.covered_samples(starts[fold.train], run.window, recording.n_samples)
    recording, began = _trainable(recording, mask), process_time()
    fitted = train.fit(recording, run, fold)
    trained = process_time()
    found = fitted.decode(recording.emg)
    decoded = process_time()
    test = starts[fold.test]
    labels = segment.run_labels(recording, run, test, fitted.offsets)
    windows = metrics.count_table(labels, fitted.predict(recording.emg, test) >= run.threshold)
    trains = compare_trains(recording, {run.network: found}, run, test)
    trains = trains[trains[["n_reference", "n_found"]].any(axis=1)]  # motor units that discharge
    return {
        "f1": metrics.recording_scores(windows)["f1"],
        "rate_of_agreement": trains["roa_0.5_ms"].mean(),
        "interval_error_ms": trains["interval_error_ms"].mean(),
        "motor_units": recording.n_motor_units,
        "training_seconds": trained - began,
        "delay_ms": 1000 * fitted.look_ahead / recording.fs,
        "computing_percent": 100 * (decoded - trained) / recording.duration,
    }


def advice(scores, decoder):
    """Which decoder to take for what, from the table of `compare`, and which one is trained."""
    if scores["rate_of_agreement"].isna().all():
        return "No motor unit discharges in the folds tested: raise tested_folds to compare."
    rates = scores["rate_of_agreement"].round(2)
    best = " and ".join(rates.index[rates == rates.max()])
    alike = scores["rate_of_agreement"] >= scores["rate_of_agreement"].max() - CLOSE
    quick = scores.loc[alike, "training_seconds"].idxmin()
    soon = scores["delay_ms"].idxmin()
    return (
        f"On the folds tested the {best} agrees best with the discharge times ({rates.max():.2f}); "
        f"of those within {CLOSE} of it the {quick} takes least to train "
        f"({scores.loc[quick, 'training_seconds']:.1f} s of processor time). The {soon} decides "
        f"soonest after a discharge ({scores.loc[soon, 'delay_ms']:.1f} ms). How they bear noise, "
        "lost channels and a moved grid is measured in notebooks 07 and 08. Trained on all is the "
        f"{decoder} (parameter decoder)."
    )


def train_and_export(recording, run, scores, folder):
    """Train a decoder on the whole recording, export it, and write the card beside it.

    Returns
    -------
    decoder : latency.Decoder or latency.StreamedDecoder
        Read back from the file; the filter as trained, which is not exported, as it was fitted.
    card : pandas.DataFrame
    """
    began, form = perf_counter(), DECODERS[run.network].ending
    changed = "none: it is stored as it is"
    path, fitted = paths.made(folder) / f"decoder{form}", train.fit(recording, run, progress=True)
    if form is None:
        changed = "not exported: decodes in Python, and is fitted again in a second"
    elif deviation := export(fitted, path):
        changed = f"{100 * deviation.flipped_share:.2f} %"
    for other in {".onnx", ".npz"} - {form}:  # of an earlier call: the card is not its own
        (folder / f"decoder{other}").unlink(missing_ok=True)
    card = {
        "decoder": f"{run.network}, window {run.window}, step {run.step} samples",
        "trained on": repr(recording),
        "training signal": f"{recording.duration:.1f} s",
        "channels interpolated": ", ".join(str(k) for k, _ in recording.interpolated) or "none",
        "seconds to train and export": f"{perf_counter() - began:.1f}",
        **{f"{k}, blocked folds": f"{v:.3g}" for k, v in scores.loc[run.network].items()},
        "labels changed by the export": changed,
        "date": date.today().isoformat(),
        "versions": ", ".join(f"{p} {version(p)}" for p in ("hdsemg_nb", "torch", "onnxruntime")),
    }
    lines = [f"| {key} | {value} |" for key, value in card.items()]
    text = "\n".join(["# Decoder", "", "| | |", "|---|---|", *lines, "", LIMITS, ""])
    paths.write_whole(folder / "decoder.md", text)
    return load_decoder(path) if form else fitted, pd.DataFrame({"": card})


def decode(decoder, new):
    """The new recording decoded, and which of its motor units are not to be relied on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decoded = decoder.decode_recording(new)
    said = "; ".join(str(one.message) for one in caught if one.category is UserWarning)
    return decoded, f"Careful: {said}." if said else ""


def save_discharges(decoded, folder):
    """Save decoded discharge times in four formats."""
    for name, write in WRITERS.items():
        write(decoded, Path(folder) / name)


def files(folder):
    """What stands in the folder of the notebook."""
    there = {name: what for name, what in FILES.items() if (Path(folder) / name).exists()}
    return pd.DataFrame({"file": there.keys(), "what": there.values()})


def against_labels(decoded, labelled):
    """Agreement of decoded motor units with the discharge times that the new file holds.

    Units are matched by agreement, not by number: a file that was decomposed by itself numbers them
    in an order of its own.

    Returns
    -------
    pandas.DataFrame or str
        A row for each decoded motor unit; a sentence when the file holds no discharge times.
    """
    if not labelled.n_motor_units:
        return "The new recording holds no discharge times to compare with."
    table = discharges.match_motor_units(decoded.discharges, labelled.discharges, decoded.fs)
    labels = [labelled.discharges[k] if k >= 0 else [] for k in table["found"]]
    table = pd.DataFrame(
        {
            "labelled_as": table["found"],
            "n_labelled": [*map(len, labels)],
            "n_decoded": [*map(len, decoded.discharges)],
            "rate_of_agreement": table["rate_of_agreement"],
            "lag_ms": 0 - table["lag_ms"],  # of the decoded behind the labelled ones
            "cov_labelled": [discharges.interval_cov(x, decoded.fs) for x in labels],
            "cov_decoded": [discharges.interval_cov(x, decoded.fs) for x in decoded.discharges],
        }
    )
    table.loc[table["labelled_as"] < 0, "cov_labelled"] = float("nan")
    return table.rename_axis("motor_unit").round(3)
