"""Decoders that follow the signal: in a file with what they have learnt, and on a stream."""

import json
import zlib
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from time import perf_counter
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from hdsemg_nb import paths
from hdsemg_nb.cbss import AdaptiveFilter
from hdsemg_nb.cbss.filter import PIECE
from hdsemg_nb.decoders import Run
from hdsemg_nb.decoders.adaptive_filter import FittedAdaptiveFilter
from hdsemg_nb.decoders.adaptive_net import FittedAdaptiveNet
from hdsemg_nb.decoders.detector import PeakDetector
from hdsemg_nb.decoders.fitted import FittedDecoder
from hdsemg_nb.latency.stream import CheckedStream, Decision
from hdsemg_nb.recording import Grid

LONGEST = 128  # samples that are checked and decoded at once
MOST_DEAD = 0.3  # share of the channels that can be left out
FITTED = {  # of `cbss.AdaptiveFilter`, without the grid
    *("n_lags", "largest_lag", "weights_", "lags_", "thresholds_", "mean_", "fs_"),
    *("products_", "averages_", "classes_", "together_", "largest_", "typical_"),
}
DAMAGED = BadZipFile, zlib.error, KeyError, TypeError, EOFError, OSError, ValueError
PARTS = ("filter", "detector", "state")  # of a file: arrays named "<part>.<name>"


class StreamedDecoder(FittedDecoder):
    """An adaptive decoder as it is exported: every sample, discharges to the sample, following.

    Parameters
    ----------
    fitted : decoders.adaptive_net.FittedAdaptiveNet or adaptive_filter.FittedAdaptiveFilter
    state : dict, optional
        What a stream of it has learnt (`cbss.AdaptiveStream.state`): its streams begin there.
        Default: with the training.

    Attributes
    ----------
    network : str
    fs : float
        Sampling frequency in Hz.
    channels, motor_units : list of str
    interpolated : sequence of (int, sequence of int)
        As for `Decoder`.
    mean_uv : numpy.ndarray, shape (channels, 1)
        Mean of each channel in training.
    largest_uv, typical_uv : numpy.ndarray, shape (channels,)
        As for `Decoder`.
    """

    follows = True

    def __init__(self, fitted, state=None):
        self.fitted, self.state = fitted, state
        self.network, self.fs = fitted.run.network, fitted.fs
        self.channels, self.interpolated = fitted.channels, fitted.interpolated
        self.motor_units = [f"motor unit {k}" for k in range(len(fitted.offsets))]
        adaptive = fitted.filter
        self.mean_uv = adaptive.mean_.astype(np.float32)
        self.largest_uv, self.typical_uv = adaptive.largest_, adaptive.typical_

    @classmethod
    def read(cls, path):
        """The decoder in a file of `save`.

        Raises
        ------
        ValueError
            When the file is damaged or was not written by this version of `save`.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            facts, run = json.loads(arrays["facts"].item()), json.loads(arrays["run"].item())
            filters, weights, state = (_part(arrays, name) for name in PARTS)
            adaptive = _filter(filters, facts)
            run = Run(**run)
        except FileNotFoundError:
            raise
        except DAMAGED as error:
            raise ValueError(
                f"{path} was not written by this version of hdsemg_nb.latency.export, or is cut "
                f"short ({error}): export the decoder again"
            ) from error
        offsets = np.zeros(len(adaptive.weights_), dtype=np.int64)
        about = run, offsets, pd.DataFrame(), facts["channels"], facts["interpolated"]
        if weights:
            detector = PeakDetector(weights, run.threshold)
            return cls(FittedAdaptiveNet(adaptive, *about, detector), state or None)
        return cls(FittedAdaptiveFilter(adaptive, *about), state or None)

    def save(self, path, state=None):
        """Write a file, without pickle.

        Parameters
        ----------
        path : str or pathlib.Path
        state : dict, optional
            As for the class; default the one this decoder began with.
        """
        adaptive, detector = self.fitted.filter, getattr(self.fitted, "detector", None)
        filters = {name: value for name, value in vars(adaptive).items() if value is not None}
        grid = filters.pop("grid_", None)
        facts = {"channels": list(self.channels), "interpolated": self.interpolated}
        if grid is not None:
            facts |= dict(electrodes=grid.electrodes.tolist(), ied_mm=grid.ied_mm)
        weights, state = detector.weights if detector else {}, state or self.state or {}
        arrays = {"facts": json.dumps(facts), "run": json.dumps(asdict(self.fitted.run))}
        for part, values in zip(PARTS, (filters, weights, state), strict=True):
            arrays |= {f"{part}.{name}": value for name, value in values.items()}
        content = BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        paths.write_whole(Path(path), content.getvalue())

    def decode(self, emg):
        """Discharge times of each motor unit as samples of `emg`, adapted to the whole of it."""
        return self.fitted.decode(emg)

    def found(self, emg):
        """Discharge times as from `decode`, and the motor units that are lost."""
        return self.fitted.found(emg)

    def stream(self, fs, jitter=0.1):
        """A `SampleStream` at `fs` Hz that begins with `state`; parameters as there."""
        stream = SampleStream(self, fs, jitter)
        if self.state is not None:
            stream.restore(self.state)
        return stream


def _part(arrays, part):
    names = [name for name in arrays if name.startswith(f"{part}.")]
    return {name.removeprefix(f"{part}."): arrays[name] for name in names}


def _filter(values, facts):
    """The filter in a file."""
    adaptive = AdaptiveFilter()
    for name in FITTED | values.keys():
        value = values[name]
        setattr(adaptive, name, value if value.ndim else value.item())
    adaptive.grid_ = Grid(facts["electrodes"], facts["ied_mm"]) if "electrodes" in facts else None
    return adaptive


class SampleStream(CheckedStream):
    """Decodes chunks as they come, to the sample, by filters that follow the signal.

    A `cbss.AdaptiveStream` behind the checks of `CheckedStream`: bad channels are left out of the
    filters, up to `MOST_DEAD` of them; withheld samples count as the mean of the training. Motor
    units that the filters do not find are named in `Decision.problem`.

    Parameters as `CheckedStream`.

    Attributes
    ----------
    following : cbss.AdaptiveStream
    """

    most_bad = MOST_DEAD
    sized_over = PIECE

    def __init__(self, decoder, fs, jitter=0.1):
        super().__init__(decoder, fs, jitter, LONGEST)
        self.following, self.used = decoder.fitted.stream(), decoder.fitted.filter.sound

    @property
    def state(self):
        """What it has learnt: see `cbss.AdaptiveStream.state`."""
        return self.following.state

    def restore(self, state):
        """Begin with what another stream of the decoder has learnt, before the first sample.

        Raises
        ------
        ValueError
            When a sample has come, or the state is of another training.
        """
        if self.n_samples:
            raise ValueError(f"{self.n_samples} samples have come: restore a new stream")
        self.following.restore(state)

    def flush(self):
        """Nothing: what is not certain at the end of a signal has not been seen whole."""
        return []

    def _take(self, chunk):
        n = chunk.shape[1]
        return [self._decide(chunk[:, k : k + LONGEST]) for k in range(0, n, LONGEST)]

    def _decide(self, chunk):
        self._keep(chunk)
        sound, problem = self._sound(chunk.shape[1])
        if sound is None:
            sound = np.broadcast_to(self.decoder.mean_uv, chunk.shape)
        found = self.following.push(sound)
        discharges = [(unit, int(t)) for unit, times in enumerate(found) for t in times]
        lost = np.flatnonzero(self.following.now.lost)
        words = [problem] * bool(problem) + [f"{self.decoder.motor_units[k]} lost" for k in lost]
        of = self.n_samples - chunk.shape[1], self.n_samples, discharges, self.following.decided
        return Decision(*of, "; ".join(words), perf_counter())
