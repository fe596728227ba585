"""Training and prediction times beside the paper's, the total latency, and faulty streams."""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch

from hdsemg_nb import latency, paths, segment, tables
from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import BEST_SETTINGS, SHORTEST, beside
from hdsemg_nb.chapters.scores import GRID
from hdsemg_nb.decoders import PAPER_NETWORKS, Run, build_model
from hdsemg_nb.decoders.network import FittedNetwork
from hdsemg_nb.figures import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save
from hdsemg_nb.normalisation import fit_normalisation
from hdsemg_nb.results import device_name

MVC = 10  # % MVC of the recording in the paper's Tables 4 and 11 (participant S10)
KEYS = ["network", "window", "decoder", "device", "threads"]
CELL = ["network", "window", "step", "metric", *KEYS[2:]]
CELLS_11 = [(name, *cell) for name, best in BEST_SETTINGS.items() for cell in (best, SHORTEST)]
EXPORTED = {cell[:2] for cell in CELLS_11}  # network and window W in samples
SIZES = sorted(
    EXPORTED | {("ML-DRSNet", window) for window in GRID["window"]},
    key=lambda size: (PAPER_NETWORKS.index(size[0]), size[1]),
)
DELAY_MS = 70  # shortest electromechanical delay (paper, Discussion)
CHUNK = 20  # samples of the faulty streams that come together
CHANNEL, FIRST, LAST = 7, 403, 597  # the bad channel and its bad samples
STAGES = {  # of the live loop, in the order of time
    "half window": "decoder: from the centre of the label to the end of its window",
    "look-ahead": "decoder: labels stand where the motor unit is seen best",
    "merging": "decoder: the next window may belong to the same discharge",
    "chunk": "amplifier: waits for the rest of the chunk",
    "transmission": "Lab Streaming Layer: to the receiver",
    "computation": "receiver: checks, network, threshold",
    "sending on": "Lab Streaming Layer: the marker to whoever listens",
    "loop": "the last three together: from sending to the marker",
    "total": "from the discharge to its marker",
}
USUAL, OURS = "torch, usual loop", "torch, our loop"  # of training
SECONDS, FS = 60, 2048  # of a recording whose epoch is counted
TRAINED, PREDICTED = 3 / 5, 2 / 5  # shares of its windows in an epoch of one of five folds
AMPLIFIER, ARRIVAL = 0.002, 0.1  # s, jitter of time stamps


def prediction_times(recording, n_motor_units, n_timed):
    """Time of one window by torch and, for Table 11, by an export in float32.

    A time does not depend on the weights, so nothing is trained; the windows are those of the
    recording. One row per network and window W (`SIZES`), decoder and timed window.
    """
    parts = []
    for network, window in SIZES:
        drawn = _untrained(recording, Run(network, window, step=50), n_motor_units)
        calls = {"torch": latency.eager(drawn)}
        if (network, window) in EXPORTED:
            with tempfile.TemporaryDirectory() as folder:
                latency.export(drawn, f"{folder}/fp32.onnx")
                exported = latency.Decoder(f"{folder}/fp32.onnx")
            calls["onnxruntime fp32"] = exported.probabilities
        times = latency.measure(calls, drawn.windows("val"), n_timed, warm_up=5)
        parts.append(times.assign(network=network, window=window))
    times = pd.concat(parts, ignore_index=True)
    on_cpu = times["decoder"].ne("torch") & torch.cuda.is_available()
    device = np.where(on_cpu, "CPU", device_name())
    return times.assign(device=device, threads=torch.get_num_threads())


def _untrained(recording, run, n_motor_units):
    model = build_model(run.network, run.window, n_motor_units, recording.n_channels).eval()
    everything = np.ones(recording.n_samples, dtype=bool)
    normalisation = fit_normalisation(recording.emg, everything)
    offsets = np.zeros(n_motor_units, dtype=np.int64)
    fold = segment.cut(recording, run)[1][0]
    return FittedNetwork(model, run, normalisation, offsets, None, None, recording, fold)


def training_times(speeds):
    """Seconds of an epoch of one fold of 60 s at each step: training, validation and test.

    Parameters
    ----------
    speeds : pandas.DataFrame
        `measured("training")`: windows a second in batches of the protocol at full width, by the
        loop most people would write and by ours. Ours takes several trainings side by side (two on
        two cores, five on a GPU): the time is shared among them.

    Returns
    -------
    pandas.DataFrame
        One row per device, decoder (the loop), network, window and step. A window that is only
        predicted is counted as a third of one that is trained on (forward without backward).
    """
    loops = {USUAL: speeds["naive_windows_s"], OURS: speeds["our_windows_s"]}
    table = pd.concat([speeds.assign(decoder=loop, rate=rate) for loop, rate in loops.items()])
    table = table.merge(pd.Series(GRID["step"], name="step"), how="cross")
    n_windows = [
        len(segment.window_starts(SECONDS * FS, cell.window, cell.step))
        for cell in table.itertuples()
    ]
    seconds = np.array(n_windows) * (TRAINED + PREDICTED / 3) / table["rate"]
    cores = 2 - table["device"].str.contains("GPU")
    return table[["network", "window", "step", "decoder", "device"]].assign(
        threads=cores, metric="training_s_per_epoch", mean=seconds, sd=np.nan
    )


def table_04(times, speeds):
    """Table 4: training and prediction time of ML-DRSNet over window and step, by torch.

    Parameters
    ----------
    times : pandas.DataFrame
        Of `prediction_times`.
    speeds : pandas.DataFrame
        As for `training_times`.

    Returns
    -------
    pandas.DataFrame
        `published.beside`: one row per cell, metric, decoder, device and threads, and the mean over
        all cells ("all") where none is missing.
    """
    cells = [("ML-DRSNet", window, step) for window in GRID["window"] for step in GRID["step"]]
    # a prediction does not depend on the step
    table = _cells(times[times["decoder"] == "torch"], speeds, cells)
    over_all = table.groupby(["network", *CELL[3:]], sort=False)["mean"].agg(["mean", "size"])
    over_all = over_all[over_all.pop("size") == len(cells)].reset_index()
    over_all = over_all.assign(window="all", step="all")
    return _beside(pd.concat([table, over_all], ignore_index=True))


def table_11(times, speeds, fs):
    """Table 11: the three networks at their best and at the shortest window and step.

    As `table_04`, with total_ms as a third metric: the whole window at `fs` Hz and the prediction.
    """
    table = _cells(times, speeds, CELLS_11)
    total = table[table["metric"] == "prediction_ms_per_window"].assign(metric="total_ms")
    total["mean"] += 1000 * total["window"] / fs
    order = pd.DataFrame(CELLS_11, columns=CELL[:3])
    return _beside(order.merge(pd.concat([table, total], ignore_index=True)))


def _cells(times, speeds, cells):
    """Training and prediction time of (network, window, step), one row each where there is one."""
    wanted = pd.DataFrame(cells, columns=CELL[:3])
    predicted = times.groupby(KEYS, sort=False)["ms"].agg(mean="mean", sd="std").reset_index()
    predicted = wanted.merge(predicted.assign(metric="prediction_ms_per_window"))
    both = [wanted.merge(training_times(speeds)), predicted]
    return pd.concat(both, ignore_index=True)[[*CELL, "mean", "sd"]]


def _beside(table):
    return beside(table.assign(mvc=MVC)).drop(columns="mvc")


def total_latency(window, step, fs, prediction_ms):
    """Time in ms from a discharge to its decoding, counted in three ways, with the prediction.

    whole_window, the paper's (W); half_window, from the centre of the window, where its label is
    (W / 2; paper, "Window size"); longest, from a discharge at the beginning of its label, which
    waits half a step more (W / 2 + S / 2). Window and step in samples at `fs` Hz.
    """
    ms = 1000 / fs
    return {
        "whole_window": window * ms + prediction_ms,
        "half_window": window / 2 * ms + prediction_ms,
        "longest": (window + step) / 2 * ms + prediction_ms,
    }


def latency_table(times, step, fs):
    """Median prediction_ms, `total_latency` and misses_percent of each decoder at step S.

    A miss is a prediction that takes longer than the step: the next window is complete by then.
    """
    groups = times.groupby(KEYS[:3], sort=False)["ms"]
    table = groups.median().rename("prediction_ms").reset_index()
    totals = total_latency(table["window"], step, fs, table["prediction_ms"])
    misses = groups.apply(lambda ms: 100 * (ms > 1000 * step / fs).mean())
    return table.assign(step=step, **totals, misses_percent=misses.to_numpy())


def measured(part):
    """A part of what `python -m benchmarks` has measured, on every device."""
    files = sorted((paths.RESULTS / "benchmarks").glob(f"*_{part}.csv"))
    return pd.concat([tables.load(file)[0] for file in files], ignore_index=True)


def chain(live):
    """Where the time from a discharge to its marker goes in the live loop, beside the paper.

    Parameters
    ----------
    live : pandas.DataFrame
        `measured("live")`.

    Returns
    -------
    pandas.DataFrame
        One row per device and stage of `STAGES`: whose time it is; median, 99th percentile and
        largest in ms for each decoder and number of channels; paper_ms, NaN where the paper counts
        nothing (its window is the whole one, W = 20).
    """
    kinds = {"median_ms": "median", "p99_ms": "99 %", "largest_ms": "largest"}
    table = live.rename(columns=kinds).pivot(
        index=["device", "stage"], columns=["network", "channels"], values=list(kinds.values())
    )
    table = table.sort_index(axis=1, level=[1, 2], sort_remaining=False)
    table.columns = [f"{network}, {n} ch., {kind}" for kind, network, n in table.columns]
    order = pd.Series(STAGES, name="whose").rename_axis("stage").reset_index()
    table = order.merge(table.reset_index())
    paper = published.values().query("network == 'ML-DRSNet'").set_index("metric")["mean"]
    total, prediction = paper["total_ms"], paper["prediction_ms_per_window"]
    counted = {"half window": total - prediction, "computation": prediction, "total": total}
    return table.assign(paper_ms=table["stage"].map(counted))


@plt.rc_context(STYLE)
def draw_latency(times, step, fs, output, note):
    """Distribution of the prediction time, and of the total latency against the body's own delay.

    `times` of one decoder of each network and window; the stem is latency, see `figures.save`.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 70 * MM))
    groups = list(times.groupby(["network", "window"], sort=False)["ms"])
    styles = dict(zip(sorted(times["window"].unique()), ("-", "--", "-.", ":"), strict=False))
    for row, ((network, window), ms) in enumerate(groups):
        colour, wait = NETWORK_COLOURS[network], 1000 * window / fs
        sns.ecdfplot(x=ms, complementary=True, color=colour, ls=styles[window], ax=left)
        right.barh(row, wait, color=colour, alpha=0.35, height=0.6)
        box = dict(widths=0.6, orientation="horizontal", manage_ticks=False, showfliers=False)
        box["medianprops"] = dict(color="k")
        right.boxplot(wait + ms, positions=[row], whis=(1, 99), **box)
    for window, style in styles.items():
        left.plot([], [], color="k", ls=style, label=f"W = {window}")
    for network in times["network"].unique():
        left.plot([], [], color=NETWORK_COLOURS[network], lw=2.5, label=network)
    handles = left.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=len(handles[0]))
    left.axvline(1000 * step / fs, color="k", lw=0.6, ls=":")
    left.text(1000 * step / fs, 1, f" step, S = {step}", va="bottom", fontsize=6)
    left.set(xscale="log", ylim=(0, 1.1), title="a  Prediction")
    left.set(xlabel="Prediction time t (ms)", ylabel="Share of windows that take t or longer")
    right.axvline(DELAY_MS, color="#D55E00")
    shortest = f"shortest electromechanical delay, {DELAY_MS} ms "
    how = dict(ha="right", va="bottom", fontsize=6, color="#D55E00")
    right.text(DELAY_MS, -0.6, shortest, **how)
    right.set(yticks=range(len(groups)), ylim=(len(groups) - 0.4, -1.2), xlim=(0, None))
    right.set_yticklabels([f"{network}, W = {window}" for (network, window), _ in groups])
    right.set(xlabel="Window (bar) + prediction (box) (ms)", title="b  Total latency")
    return save(figure, "latency", output, note)


def bad_streams(decoder, recording):
    """One second of a recording with one fault after the other, against the same without it.

    Parameters
    ----------
    decoder : latency.Decoder
    recording : recording.Recording
        At least 1 s.

    Returns
    -------
    pandas.DataFrame
        One row per fault: fault; named (windows with a problem); withheld (those of them without
        spikes because of it); silent (windows without a problem whose probabilities are not those
        without the fault: should be 0); message (of the first problem, or of the error that
        refuses the stream).
    """
    emg, fs = recording.emg[:, : round(recording.fs)], recording.fs
    clean = {d.start: d.probabilities for d in _play(decoder, _chunks(emg, fs), fs)[0]}
    rows = []
    for fault, stream in _faults(emg, fs, decoder).items():
        decisions, refusal = _play(decoder, *stream)
        problems = [d.problem for d in decisions if d.problem]
        withheld = sum(bool(np.isnan(d.probabilities).all()) for d in decisions)
        silent = sum(not d.problem and (d.probabilities != clean[d.start]).any() for d in decisions)
        rows.append((fault, len(problems), withheld, silent, refusal or problems[0]))
    return pd.DataFrame(rows, columns=["fault", "named", "withheld", "silent", "message"])


def _play(decoder, chunks, fs, jitter=AMPLIFIER):
    """Decisions of a stream, and the error that ended it, if any."""
    decisions = []
    try:
        stream = decoder.stream(fs, jitter)
        for chunk in chunks:
            decisions += stream.push(*chunk)
    except ValueError as error:
        return decisions, f"refused: {error}"
    return decisions, ""


def _chunks(emg, fs, first=0, began=0.0):
    """Arguments of `Stream.push`, one after the other: samples, number of the first, time stamp."""
    starts = range(0, emg.shape[1] - CHUNK + 1, CHUNK)
    return [(emg[:, k : k + CHUNK], first + k, began + (k + CHUNK) / fs) for k in starts]


def _faults(emg, fs, decoder):
    """Chunks, sampling rate and, where it matters, jitter of each faulty stream."""

    def faulty(values, channels=(CHANNEL,)):
        changed = emg.copy()
        changed[list(channels), FIRST:LAST] = values
        return _chunks(changed, fs), fs

    sound, n = _chunks(emg, fs), FIRST // CHUNK
    before, after, change = sound[:n], sound[n:], n * CHUNK
    hum = 2e4 * np.sin(2 * np.pi * 50 / fs * np.arange(LAST - FIRST))  # uV
    slower = before + _chunks(emg[:, change::2], fs / 2, change, change / fs)
    recounted = [(samples, first + 10**6, time) for samples, first, time in after]
    return {
        "dropped chunk": (before + after[1:], fs),
        "duplicated chunk": (before + after[:1] + after, fs),
        "samples that are no number": faulty(np.nan),
        "saturated channel": faulty(2 * decoder.largest_uv[CHANNEL]),
        "dead channel": faulty(0),
        "dead channels, an eighth of all": faulty(0, range(len(emg) // 8)),
        "unplugged channel, mains hum": faulty(hum),
        "signal in mV": (_chunks(emg / 1000, fs), fs),
        "a channel too few": (before + [(samples[1:], *rest) for samples, *rest in after], fs),
        "counter of the samples set anew": (before + recounted, fs),
        "other sampling rate": (sound, fs / 2),
        "rate changes, amplifier's time stamps": (slower, fs, AMPLIFIER),
        "rate changes, times of arrival": (slower, fs, ARRIVAL),
    }
