"""Notebook 09: from the reader's own file to a decoder that runs."""

import base64
import html
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Image

from hdsemg_nb import cbss, datasets, discharges, metrics, paths, segment, train
from hdsemg_nb.chapters.honest_evaluation_results import compare_trains
from hdsemg_nb.decoders import ADAPTIVE, FILTER, OURS, Run
from hdsemg_nb.figures import DISCHARGE, MM, STYLE, TWO_COLUMNS, draw_grid_image, grid_of, save
from hdsemg_nb.latency import Decoder, export
from hdsemg_nb.signal_check import check_signal, repair

RUNS = {  # blocked folds: nothing of the training is in the test
    FILTER: Run(FILTER, 20, 20, split="blocked"),
    ADAPTIVE: Run(ADAPTIVE, 20, 20, split="blocked"),
    OURS: Run(OURS, 40, 20, split="blocked", epochs=20, learning_rate=1e-2, decay=True),
}
CLOSE = 0.02  # rates of agreement that differ by less are alike
LIMITS = (
    "This decoder belongs to these electrodes where they are now. It transfers to no other person, "
    "muscle or session; after the grid was moved or lifted, record and train again."
)


class Page:
    """What a notebook shows, collected for one HTML file that needs nothing beside it."""

    def __init__(self, title):
        self.title, self.parts = title, []

    def show(self, shown, heading=""):
        """Collect a table, a figure or a sentence, below a heading; returns it, to be shown."""
        self.parts.append(f"<h2>{html.escape(heading)}</h2>" if heading else "")
        self.parts.append(_as_html(shown))
        return HTML(_as_html(shown)) if isinstance(shown, str) else shown

    def write(self, path):
        """Write the page; returns its path."""
        style = "body{font-family:sans-serif;max-width:60em;margin:2em auto}td,th{padding:0 .6em}"
        head = f"<meta charset='utf-8'><title>{html.escape(self.title)}</title>"
        body = "\n".join([f"<h1>{html.escape(self.title)}</h1>", *self.parts])
        paths.write_whole(path, f"<!doctype html>{head}<style>{style}</style>{body}")
        return path


def _as_html(shown):
    if isinstance(shown, Image):
        picture = base64.b64encode(shown.data).decode()
        return f"<img width='100%' src='data:image/png;base64,{picture}'>"
    if isinstance(shown, pd.DataFrame):
        return shown.to_html(border=0, float_format="%.3g", na_rep="")
    return f"<p>{html.escape(shown)}</p>"


def read(file, new_file, **about):
    """The recording to train on, and the new one to decode.

    Parameters
    ----------
    file : str
        See `datasets.load`; "" for the real sample.
    new_file : str
        Another recording of the same electrodes; "" to cut the last third off the first.
    **about
        For `datasets.load`; what is empty or 0 is left to the file.

    Returns
    -------
    tuple of recording.Recording
    """
    about = {name: value for name, value in about.items() if value}
    recording = datasets.load(file, **about) if file else datasets.fetch_sample()
    if new_file:
        return recording, datasets.load(new_file, **about)
    border = recording.duration * 2 / 3
    return recording.crop(0, border), recording.crop(border, recording.duration)


def name(file):
    """What the recording is called in titles and notes."""
    return Path(file).name if file else "real recording (openhdemg sample)"


def facts(**recordings):
    """What was read: a column for each recording."""
    return pd.DataFrame({name: _facts(one) for name, one in recordings.items()})


def _facts(one):
    rows = one.grid and f"{one.grid.shape[0]} x {one.grid.shape[1]}, {one.grid.ied_mm:g} mm"
    return {
        "source": one.source,
        "muscle": one.muscle or "not told",
        "channels": one.n_channels,
        "electrode grid": rows or "not told",
        "sampling frequency": f"{one.fs:g} Hz",
        "length": f"{one.duration:.1f} s",
        "motor units with discharge times": one.n_motor_units,
        "force": one.force_name or "none",
    }


def bad_channels(checked, also_bad=(), not_bad=()):
    """Channels to interpolate: those of the check, and what the reader decides otherwise."""
    found = checked.channels.query("action == 'interpolate'")["channel"]
    return sorted((set(found) | set(also_bad)) - set(not_bad))


def problems(checked):
    """The channels with a problem, alone; a sentence when there is none."""
    found = checked.channels.query("problem != ''").set_index("channel").round(3)
    return found if len(found) else "No channel has a problem."


def sentence(checked, bad):
    """What was done about the channels, and what else the check says."""
    done = (
        f"Interpolated: channels {', '.join(map(str, bad))}" if bad else "No channel interpolated"
    )
    return ". ".join([done, *checked.notes]) + "."


def repaired_alike(new, bad):
    """A new recording with the channels interpolated that are bad in it or were in training."""
    return repair(new, bad_channels(check_signal(new), also_bad=bad))


@plt.rc_context(STYLE)
def draw_check(recording, checked, output, note):
    """The signal of each electrode: amplitude, noise and mains over the grid, problems crossed."""
    figure, axes = plt.subplots(1, 3, figsize=(TWO_COLUMNS, 85 * MM))
    table, grid = checked.channels, grid_of(recording)
    shown = {
        "rms_uv": "EMG amplitude (µV RMS)",
        "noise": "Noise (of the median channel)",
        "mains_percent": "Mains (% of the power)",
    }
    for ax, (name, label) in zip(axes, shown.items(), strict=True):
        draw_grid_image(ax, grid, table[name], label)
        rows, columns = grid.electrodes[table["problem"] != ""].T
        ax.plot(columns, rows, "x", color=DISCHARGE, ms=5)
    return save(figure, "signal_check", output, f"{note}; crosses: channels with a problem")


def with_motor_units(recording):
    """The recording with motor units: those of its file, else by blind source separation."""
    return recording if recording.n_motor_units else cbss.decompose(recording).recording


def compare(recording, networks=(), tested_folds=None):
    """Decoders on blocked folds of a recording, discharge by discharge.

    Parameters
    ----------
    recording : recording.Recording
    networks : sequence of str
        Of the paper, trained under its protocol, beside the filters and MUF-Net.
    tested_folds : int, optional
        Of five; default all.

    Returns
    -------
    pandas.DataFrame
        Per decoder: f1 (of windows of 20 samples), rate_of_agreement (within 0.5 ms),
        interval_error_ms (root mean square), all means over motor units and folds;
        training_seconds (of one fold); delay_ms (from a discharge to the end of the signal that its
        decision needs); computing_percent (of one core, to decode in real time).
    """
    runs = RUNS | {name: Run(name, 60, 20, split="blocked") for name in networks}
    rows = []
    for name, run in runs.items():
        run = replace(run, tested_folds=tested_folds)
        starts, folds = segment.cut(recording, run)
        scores = pd.DataFrame([_fold_scores(recording, run, starts, fold) for fold in folds])
        rows.append({"decoder": name, **scores.mean()})
    return pd.DataFrame(rows).set_index("decoder")


def _fold_scores(recording, run, starts, fold):
    began = process_time()
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
        "training_seconds": trained - began,
        "delay_ms": 1000 * fitted.look_ahead / recording.fs,
        "computing_percent": 100 * (decoded - trained) / recording.duration,
    }


def advice(scores):
    """Which decoder to take for what, from the table of `compare`."""
    best = scores["rate_of_agreement"].idxmax()
    alike = scores["rate_of_agreement"] >= scores["rate_of_agreement"].max() - CLOSE
    quick = scores.loc[alike, "training_seconds"].idxmin()
    soon = scores["delay_ms"].idxmin()
    return (
        f"On the folds tested the {best} agrees best with the discharge times "
        f"({scores.loc[best, 'rate_of_agreement']:.2f}); of those within {CLOSE} of it the {quick} "
        f"is trained soonest ({scores.loc[quick, 'training_seconds']:.1f} s). The {soon} decides "
        f"soonest after a discharge ({scores.loc[soon, 'delay_ms']:.1f} ms). How they bear noise, "
        "lost channels and a moved grid is measured in notebooks 07 and 08."
    )


def train_and_export(recording, name, scores, folder):
    """Train a decoder on the whole recording, export it, and write its card beside it.

    Returns
    -------
    latency.Decoder
        Read back from the file.
    """
    began, path = perf_counter(), paths.made(folder) / "decoder.onnx"
    fitted = train.fit(
        recording, RUNS.get(name) or Run(name, 60, 20, split="blocked"), progress=True
    )
    deviation = export(fitted, path)["onnxruntime"]
    card = {
        "decoder": f"{name}, window {fitted.run.window}, step {fitted.run.step} samples",
        "trained on": repr(recording),
        "training signal": f"{recording.duration:.1f} s, all of the recording",
        "seconds used": f"{perf_counter() - began:.1f}",
        **{f"{k}, blocked folds": f"{v:.3g}" for k, v in scores.loc[name].items()},
        "labels changed by the export": f"{100 * deviation.flipped_share:.2f} %",
        "date": date.today().isoformat(),
        "versions": ", ".join(f"{p} {version(p)}" for p in ("hdsemg_nb", "torch", "onnxruntime")),
    }
    lines = [f"| {key} | {value} |" for key, value in card.items()]
    text = "\n".join(["# Decoder", "", "| | |", "|---|---|", *lines, "", LIMITS, ""])
    paths.write_whole(path.with_suffix(".md"), text)
    return Decoder(path)


def save_discharges(decoded, folder):
    """Save decoded discharge times in four formats; returns the names of the files."""
    writers = {
        "discharges_events.tsv": datasets.save_events_tsv,
        "discharges_openhdemg.json": datasets.save_openhdemg,
        "discharges.mat": datasets.save_mat,
        "discharges.csv": datasets.save_csv,
    }
    for name, write in writers.items():
        write(decoded, Path(folder) / name)
    return pd.DataFrame({"file": list(writers)})


def against_labels(decoded, labelled):
    """Agreement of decoded motor units with the labels of the same signal, if it has any."""
    rows = []
    for unit, pair in enumerate(zip(labelled.discharges, decoded.discharges, strict=False)):
        agreement = discharges.rate_of_agreement(*pair, decoded.fs)
        covs = [discharges.interval_cov(times, decoded.fs) for times in pair]
        rows.append((unit, *map(len, pair), agreement.rate, agreement.lag_ms, *covs))
    names = "motor_unit n_labelled n_decoded rate_of_agreement lag_ms cov_labelled cov_decoded"
    return pd.DataFrame(rows, columns=names.split())
