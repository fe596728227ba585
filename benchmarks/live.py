"""The live loop over the Lab Streaming Layer: sender, receiver and listener, a process each.

The listener stands for whatever acts on the discharges. What is sent is the real recording (the
openhdemg sample) again and again; 320 channels are five copies of its grid, a second apart.
"""

import json
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import save
from benchmarks.inference import versions
from hdsemg_nb import latency, live, train
from hdsemg_nb.datasets import fetch_sample
from hdsemg_nb.decoders import DECODERS, OURS, STREAMED, Run
from hdsemg_nb.live.lsl import pylsl
from hdsemg_nb.live.view import DISCHARGES
from hdsemg_nb.recording import Grid
from hdsemg_nb.results import device_name

MINUTES, CHUNK = 10.0, 32
GRIDS = {64: 1, 320: 5}
RUNS = {  # trained briefly; with 320 channels an adaptation takes longer than its period
    64: [
        Run(OURS, 40, 20, epochs=3, learning_rate=1e-2, decay=True),
        Run(STREAMED, 40, 20, epochs=3, learning_rate=1e-2, decay=True),
    ],
    320: [Run(OURS, 40, 20, epochs=3, learning_rate=1e-2, decay=True)],
}
LEFT_OUT_S = 2.0  # the receiver decodes the first second at once
BLOCK = 20480  # samples


def recording(n_grids):
    """The real recording, or copies of its grid side by side, each a second later."""
    one = fetch_sample()
    later = [np.roll(one.emg, k * round(one.fs), axis=1) for k in range(n_grids)]
    rows = np.array([one.grid.shape[0], 0])
    electrodes = np.concatenate([one.grid.electrodes + k * rows for k in range(n_grids)])
    return replace(one, emg=np.concatenate(later), grid=Grid(electrodes, one.grid.ied_mm))


def loop(one, decoder_file, minutes, folder):
    """Send a recording for some minutes to a receiver and listen to what it sends on.

    Parameters
    ----------
    one : recording.Recording
    decoder_file : pathlib.Path
    minutes : float
    folder : pathlib.Path
        For the log of the receiver.

    Returns
    -------
    pandas.DataFrame
        The log's discharges (`session.Discharge`) with the column heard, when the listener had it,
        in s. Those without a marker lack.
    """
    name, context = f"benchmark {one.n_channels}", multiprocessing.get_context("spawn")
    wait_s = 120.0
    arguments = one, name, CHUNK, minutes, wait_s, False
    sender = context.Process(target=live.send, args=arguments)
    receiver = context.Process(target=_receive, args=(decoder_file, name, folder, minutes))
    sender.start()
    receiver.start()
    markers = live.Source(name + DISCHARGES, "Markers").find(wait_s)
    inlet, heard = pylsl().StreamInlet(markers), []
    while receiver.is_alive():
        sample, _ = inlet.pull_sample(1.0)
        if sample and "unit" in (marker := json.loads(sample[0])):
            heard.append((marker["unit"], marker["sample"], pylsl().local_clock()))
    sender.join()
    heard = pd.DataFrame(heard, columns=["unit", "sample", "heard"])
    return pd.read_csv(folder / "discharges.csv").merge(heard)


def _receive(decoder_file, name, folder, minutes):
    decoder = latency.load_decoder(decoder_file, threads=1)
    one = live.Receiver(decoder, live.Source(name), folder, lambda line: None)
    one.run(minutes + 3 / 60)


def stages(found, decoder, fs):
    """Where the time of each discharge goes, in ms.

    Parameters
    ----------
    found : pandas.DataFrame
        Of `loop`.
    decoder : latency.Decoder or latency.StreamedDecoder
    fs : float

    Returns
    -------
    pandas.DataFrame
        One row for each discharge, one column for each stage: from the discharge to the last sample
        that its decision takes (half the window, the look-ahead of its motor unit, windows merged
        to one discharge; without windows the look-ahead alone), to the end of the chunk, to the
        receiver, to the decision, to the listener; loop: from the end of the chunk to the listener;
        total: all of it.
    """
    ms, began = 1000 / fs, (found["time"] - found["sample"] / fs).iloc[0]
    found = found[found["last"] > LEFT_OUT_S * fs]
    complete = -(-(found["last"] + 1) // CHUNK) * CHUNK  # samples, with the rest of the chunk
    if isinstance(decoder, latency.StreamedDecoder):
        half, last = 0, found["sample"] + decoder.fitted.look_ahead
        offset = last + 1 - found["sample"]
    else:
        half, last = decoder.window / 2, found["last"]
        offset = found["unit"].map(dict(enumerate(decoder.offsets)))
    wait, sent = last + 1 - found["sample"], began + (complete - 1) / fs
    table = pd.DataFrame(
        {
            "half window": half * ms,
            "look-ahead": offset * ms,
            "merging": (wait - half - offset) * ms,
            "chunk": (complete - last - 1) * ms,
            "transmission": 1000 * (found["arrived"] - sent),
            "computation": 1000 * (found["decided"] - found["arrived"]),
            "sending on": 1000 * (found["heard"] - found["decided"]),
            "loop": 1000 * (found["heard"] - sent),
        }
    )
    return table.assign(total=table.drop(columns="loop").sum(axis=1))


def losses(one, decoder, found, folder, minutes):
    """What was lost, came twice or is not as offline: counts as a dict."""
    n_sent = round(60 * minutes * one.fs)
    emg = np.memmap(folder / "emg.f32", np.float32).reshape(-1, one.n_channels)
    stream, offline, unequal = decoder.stream(one.fs), [], 0
    for first in range(0, n_sent, BLOCK):
        at = np.arange(first, min(first + BLOCK, n_sent)) % one.n_samples
        logged = emg[first : first + len(at)]
        unequal += int((logged != one.emg.T[at[: len(logged)]]).any(axis=1).sum())
        for decision in stream.push(one.emg[:, at], first):
            offline += decision.discharges
    offline = {(unit, int(sample)) for unit, sample in offline + stream.flush()}
    logged, events = pd.read_csv(folder / "discharges.csv"), pd.read_csv(folder / "events.csv")
    live_ones = set(zip(logged["unit"], logged["sample"], strict=True))
    return {
        "samples_sent": n_sent,
        "samples_logged": len(emg),
        "samples_unequal": unequal,
        "samples_missing": int(events.query("kind == 'missing'")["samples"].sum()),
        "samples_repeated": int(events.query("kind == 'repeated'")["samples"].sum()),
        "discharges_offline": len(offline),
        "discharges_live": len(logged),
        "only_live": len(live_ones - offline),
        "only_offline": len(offline - live_ones),
        "markers_heard": len(found),
    }


def measure(n_channels, run, minutes=MINUTES):
    """Both tables of a run with a number of channels: `stages` summarised, a row of `losses`."""
    one = recording(GRIDS[n_channels])
    cell = {"channels": n_channels, "fs": one.fs, "minutes": minutes, "chunk": CHUNK}
    cell |= {"network": run.network, "window": run.window, "step": run.step}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"decoder{DECODERS[run.network].ending}"
        latency.export(train.fit(one, run), file)
        log, decoder = Path(folder) / "log", latency.load_decoder(file, threads=1)
        found = loop(one, file, minutes, log)
        lost = losses(one, decoder, found, log, minutes)
    ms = stages(found, decoder, one.fs)
    table = pd.DataFrame(
        {"median_ms": ms.median(), "p99_ms": ms.quantile(0.99), "largest_ms": ms.max()}
    )
    facts = {"device": device_name(), **versions()}
    table = table.rename_axis("stage").reset_index().assign(**cell, discharges=len(ms), **facts)
    return table, pd.DataFrame([{**cell, **lost, **facts}])


def run(minutes=MINUTES):
    """Measure every run with its numbers of channels, write the tables, print them."""
    parts = [measure(n, run, minutes) for n, some in RUNS.items() for run in some]
    note = (
        f"{device_name()}; real recording (openhdemg sample) in a loop, 320 channels: five copies; "
        "sender, receiver and listener on one machine that other programs used meanwhile"
    )
    for name, tables in zip(("live", "live_losses"), zip(*parts, strict=True), strict=True):
        table = pd.concat(tables, ignore_index=True)
        save(table, name, f"Live loop over the Lab Streaming Layer. {note}")
        print(table, end="\n\n")
