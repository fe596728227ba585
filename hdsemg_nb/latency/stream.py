"""A stream of samples, decoded as it comes in chunks of any size."""

from time import perf_counter, sleep
from typing import NamedTuple

import numpy as np
import pandas as pd

MOST_BAD = 0.1  # share of the channels that can be replaced in a window
STUCK = 0.5  # share of the samples that repeat the one before: the channel is dead or saturated


class Decision(NamedTuple):
    """What was decoded from one window of a stream."""

    start: int  # first sample of the window, counted from the start of the stream
    probabilities: np.ndarray  # (motor units,); NaN where the window could not be decoded
    spikes: np.ndarray  # (motor units,) of bool; False where it could not be decoded
    problem: str  # "" or what was wrong with the signal
    time: float  # perf_counter at the decision, in s


class Stream:
    """Decodes windows as soon as their last sample has come.

    The last W samples are kept in a ring: memory does not grow, and the decisions are those of the
    windows of the whole recording, whatever the chunks.

    A window with bad channels is never decoded in silence. A channel is bad in a window when a
    sample is not finite, or when at least half of its samples repeat the one before (dead, or
    saturated). Up to a tenth of the channels are replaced by their mean in training and named in
    `Decision.problem`; with more, or with missing samples, the window is withheld: no spikes.

    Parameters
    ----------
    decoder : decoder.Decoder
    fs : float
        Sampling frequency of the stream in Hz.

    Raises
    ------
    ValueError
        When the sampling frequency is not the one the network was trained with.
    """

    def __init__(self, decoder, fs):
        if fs != decoder.fs:
            raise ValueError(
                f"fs={fs} Hz, but the network was trained at {decoder.fs} Hz: resample the stream "
                "or train a network for it"
            )
        self.decoder = decoder
        self.n_samples = 0  # received so far
        self._due = decoder.window  # when the next window is complete
        self._ring = np.empty((len(decoder.channels), decoder.window), dtype=np.float32)

    def push(self, chunk, first_sample=None):
        """Take the next samples and decode every window that they complete.

        Parameters
        ----------
        chunk : array_like, shape (channels, samples)
            In uV; any number of samples.
        first_sample : int, optional
            Number of its first sample by the amplifier's counter, 0 at the start of the stream.
            With it, samples that come again are dropped and missing samples are noticed: every
            window that would hold one is withheld.

        Returns
        -------
        list of Decision
            One for each window, none left out.

        Raises
        ------
        ValueError
            When the number of channels is wrong.
        """
        chunk = np.asarray(chunk, dtype=np.float32)
        n_channels = len(self._ring)
        if chunk.ndim != 2 or len(chunk) != n_channels:
            raise ValueError(
                f"chunk has shape {chunk.shape}, expected ({n_channels}, samples): the network "
                f"takes {n_channels} channels, from {self.decoder.channels[0]!r} to "
                f"{self.decoder.channels[-1]!r}"
            )
        ahead = 0 if first_sample is None else first_sample - self.n_samples
        missing = np.broadcast_to(np.float32(np.nan), (n_channels, max(ahead, 0)))
        return self._take(missing) + self._take(chunk[:, max(-ahead, 0) :])

    def _take(self, chunk):
        decisions, taken = [], 0
        while taken < chunk.shape[1]:
            part = chunk[:, taken : taken + self._due - self.n_samples]
            taken += part.shape[1]
            self._keep(part)
            if self.n_samples == self._due:
                decisions.append(self._decide())
                self._due += self.decoder.step
        return decisions

    def _keep(self, part):
        window = self._ring.shape[1]
        self.n_samples += part.shape[1]
        last = part[:, -window:]
        self._ring[:, np.arange(self.n_samples - last.shape[1], self.n_samples) % window] = last

    def _decide(self):
        oldest = self.n_samples % self._ring.shape[1]
        window = np.concatenate((self._ring[:, oldest:], self._ring[:, :oldest]), axis=1)
        start = self.n_samples - self._ring.shape[1]
        bad, problem = self._problem(window)
        if bad.mean() > MOST_BAD:
            nothing = np.full(len(self.decoder.motor_units), np.nan, dtype=np.float32)
            return Decision(start, nothing, nothing > 0, problem, perf_counter())
        window = np.where(bad[:, None], self.decoder.mean_uv, window) if bad.any() else window
        found = self.decoder.probabilities(window)
        return Decision(start, found, found >= self.decoder.threshold, problem, perf_counter())

    def _problem(self, window):
        """Bad channels, and what is wrong with them in words."""
        broken = ~np.isfinite(window).all(axis=1)
        stuck = (window[:, 1:] == window[:, :-1]).mean(axis=1) >= STUCK
        words = [
            f"{kind}: {', '.join(self.decoder.channels[k] for k in np.flatnonzero(mask))}"
            for kind, mask in {"missing or not finite": broken, "dead or saturated": stuck}.items()
            if mask.any()
        ]
        return broken | stuck, "; ".join(words)


def replay(decoder, recording, chunk, real_time=False):
    """Play a recording to a stream in chunks, as an amplifier sends it.

    Parameters
    ----------
    decoder : decoder.Decoder
    recording : recording.Recording
    chunk : int
        Samples that come together: 20 to 40 are 10 to 20 ms at 2048 Hz.
    real_time : bool
        Wait for each chunk as long as an amplifier would take; else as fast as possible.

    Returns
    -------
    pandas.DataFrame
        One row per window: start (sample), decided_ms (from the arrival of its last sample to the
        decision, with the wait for decisions before it), spikes (number of motor units), problem.
    """
    stream, rows = decoder.stream(recording.fs), []
    began = perf_counter()
    for first in range(0, recording.n_samples, chunk):
        arrival = perf_counter()
        if real_time:
            arrival = began + (first + chunk) / recording.fs
            sleep(max(0, arrival - perf_counter()))
        for d in stream.push(recording.emg[:, first : first + chunk], first):
            rows.append((d.start, 1000 * (d.time - arrival), int(d.spikes.sum()), d.problem))
    return pd.DataFrame(rows, columns=["start", "decided_ms", "spikes", "problem"])
