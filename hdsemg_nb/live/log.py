"""The log of a session: written as it goes, readable whatever ended it."""

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from hdsemg_nb import paths
from hdsemg_nb.live.session import Discharge, Event, Samples
from hdsemg_nb.recording import Grid, Recording

EMG = "emg.f32"  # (samples, channels), uV
LEARNT = "decoder.npz"  # one that follows the signal, with what it has learnt
TABLES = {Discharge: "discharges.csv", Event: "events.csv"}


class Log:
    """A folder that takes what a session gives, without a buffer of its own.

    Parameters
    ----------
    folder : str or pathlib.Path
        Made; must not hold a log.
    decoder : latency.Decoder or latency.StreamedDecoder
    stream : lsl.Description
        Of the channels in the order of the decoder.

    Raises
    ------
    ValueError
        When the folder holds a log.
    """

    def __init__(self, folder, decoder, stream):
        folder = paths.made(Path(folder))
        self._decoder, self._learnt = decoder, folder / LEARNT
        check_empty(folder)
        facts = {
            name: getattr(decoder, name) for name in ("network", "fs", "channels", "motor_units")
        }
        facts |= dict(stream=stream.name)
        if stream.grid:
            facts |= dict(electrodes=stream.grid.electrodes.tolist(), ied_mm=stream.ied_mm)
        paths.write_whole(folder / "about.json", json.dumps(facts))
        self._emg, self._tables = (folder / EMG).open("xb", buffering=0), {}
        for kind, name in TABLES.items():
            self._tables[kind] = (folder / name).open("x", 1, encoding="utf-8", newline="")
            self._line(kind, kind._fields)

    def write(self, output):
        """Write one output of the session; rates are not kept."""
        if isinstance(output, Samples):
            self._emg.seek(4 * output.first * len(output.emg))  # samples left out read as 0
            self._emg.write(np.ascontiguousarray(output.emg.T, dtype=np.float32))
        elif type(output) in TABLES:
            self._line(type(output), output)

    def _line(self, kind, values):
        csv.writer(self._tables[kind], lineterminator="\n").writerow(values)

    def close(self, state=None):
        """Close the files; with what a decoder has learnt, it is written beside them."""
        for file in (self._emg, *self._tables.values()):
            file.close()
        if state is not None:
            self._decoder.save(self._learnt, state)


def check_empty(folder):
    """Refuse a folder that holds a log."""
    if (Path(folder) / EMG).exists():
        raise ValueError(f"{folder} holds a log: choose another folder")


def read_log(folder):
    """Read a log, one that is still written or whose writer was killed as well.

    Parameters
    ----------
    folder : str or pathlib.Path

    Returns
    -------
    recording : recording.Recording
        Samples that were missing or not finite are 0; the events name them. Discharges as they were
        sent: by a decoder of windows within half a step (`decode_recording` finds them to the
        sample), by one that follows the signal to the sample.
    events : pandas.DataFrame
        The fields of `session.Event`.

    Raises
    ------
    ValueError
        When the folder holds no log, or not one sample.
    """
    folder = Path(folder)
    if not (folder / "about.json").exists():
        raise ValueError(f"{folder} holds no log of hdsemg_nb.live")
    about = json.loads((folder / "about.json").read_text())
    emg = np.fromfile(folder / EMG, dtype=np.float32)
    n_channels = len(about["channels"])
    emg = emg[: len(emg) // n_channels * n_channels].reshape(-1, n_channels).T
    if emg.size == 0:
        raise ValueError(f"{folder}: no sample was written before it ended")
    found = _table(folder / TABLES[Discharge])
    found = found[found["sample"].between(0, emg.shape[1] - 1)]
    trains = [
        np.unique(found.loc[found["unit"] == unit, "sample"])
        for unit in range(len(about["motor_units"]))
    ]
    grid = Grid(about["electrodes"], about["ied_mm"]) if "electrodes" in about else None
    emg, source = np.nan_to_num(emg, posinf=0, neginf=0), f"live, {about['stream']}"
    recording = Recording(emg, about["fs"], trains, grid=grid, source=source)
    return recording, _table(folder / TABLES[Event])


def _table(path):
    """The whole lines of a table."""
    text = path.read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text[: text.rfind("\n") + 1]))
