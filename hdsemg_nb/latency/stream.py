"""A stream of samples, decoded as it comes in chunks of any size."""

from time import perf_counter
from typing import NamedTuple

import numpy as np

MOST_BAD = 0.1  # share of the channels that can be replaced in a window
FLAT = 6  # equal samples in a row (3 ms): never seen in 12 min of sound 64-channel recordings
TOO_LARGE = 10  # times the largest training sample of the channel
LARGEST_JUMP_S = 1.0  # of the sample counter
CLOCK_SPAN_S = 10.0  # over which samples are counted against time stamps


class Decision(NamedTuple):
    """What was decoded from one window of a stream."""

    start: int  # first sample of the window, counted from the start of the stream
    probabilities: np.ndarray  # (motor units,); NaN where the window is withheld
    spikes: np.ndarray  # (motor units,) of bool; False where the window is withheld
    problem: str  # "" or what was wrong with the signal
    time: float  # perf_counter at the decision, in s


class Stream:
    """Decodes windows as soon as their last sample has come.

    The last W samples are kept in a ring: memory does not grow, and the decisions are those of the
    windows of the whole recording, whatever the chunks.

    What is wrong with the signal is named in `Decision.problem`:

    * A channel is bad in a window when a sample is not finite, when its distance from the training
      mean is more than ten times the largest in training, or when six samples in a row are equal
      (dead or saturated). Up to a tenth of the channels are replaced by their training mean; with
      more, the window is withheld: no spikes.
    * A window with missing samples is withheld. Samples that come again are dropped.
    * When there are more or fewer samples than `fs` and the time stamps allow, windows are withheld
      until they agree again, or (the clock jumped) have kept step with each other for 10 s.

    Nothing is known of a channel that has been flat for fewer than six samples, nor of a change of
    the sampling rate before the samples are off by `jitter`, nor of one that is smaller than
    `jitter` in 10 s.

    Parameters
    ----------
    decoder : decoder.Decoder
    fs : float
        Sampling frequency of the stream in Hz.
    jitter : float
        Largest error of the time stamps in s. The default is for times of arrival; with those of
        an amplifier, 0.002 finds a change of the sampling rate within a chunk.

    Raises
    ------
    ValueError
        When the sampling frequency is not the one the network was trained with.
    """

    def __init__(self, decoder, fs, jitter=0.1):
        if fs != decoder.fs:
            raise ValueError(
                f"fs={fs} Hz, but the network was trained at {decoder.fs} Hz: resample the stream "
                "or train a network for it"
            )
        self.decoder, self.jitter = decoder, jitter
        self.n_samples = 0  # received so far
        self._due = decoder.window  # when the next window is complete
        # each sample is written twice, W apart, so that every window is one slice of the ring
        self._ring = np.empty((len(decoder.channels), 2 * decoder.window), dtype=np.float32)
        self._repeated = 0  # samples dropped since the last decision
        self._reference = None  # time stamp and number of samples, the clock is read from there
        self._off_rate = ""
        self._off_since = None  # time stamp and number of samples

    def push(self, chunk, first_sample, time=None):
        """Take the next samples and decode every window that they complete.

        Parameters
        ----------
        chunk : array_like, shape (channels, samples)
            In uV; any number of samples.
        first_sample : int
            Number of its first sample by the amplifier's counter, 0 at the start of the stream. For
            an amplifier that does not count: `n_samples` of the stream; lost and repeated samples
            are then noticed by the clock alone.
        time : float, optional
            Time stamp of its last sample in s, by a steady clock: the amplifier's, or the time of
            arrival. Without it a change of the sampling rate goes unnoticed.

        Returns
        -------
        list of Decision
            One for each window, none left out.

        Raises
        ------
        ValueError
            When the number of channels is wrong, or the counter jumps by more than 1 s. The stream
            is left as it was.
        """
        chunk = self._checked(chunk, first_sample)
        ahead = first_sample - self.n_samples
        if time is not None:
            self._check_rate(time, max(self.n_samples, first_sample + chunk.shape[1]))
        again = min(max(-ahead, 0), chunk.shape[1])
        self._repeated += again
        missing = np.broadcast_to(np.float32(np.nan), (len(chunk), max(ahead, 0)))
        return self._take(missing) + self._take(chunk[:, again:])

    def _checked(self, chunk, first_sample):
        chunk = np.asarray(chunk, dtype=np.float32)
        n_channels = len(self._ring)
        if chunk.ndim != 2 or len(chunk) != n_channels:
            raise ValueError(
                f"chunk has shape {chunk.shape}, expected ({n_channels}, samples): the network "
                f"takes {n_channels} channels, from {self.decoder.channels[0]!r} to "
                f"{self.decoder.channels[-1]!r}"
            )
        if abs(first_sample - self.n_samples) > LARGEST_JUMP_S * self.decoder.fs:
            raise ValueError(
                f"first_sample={first_sample}, expected {self.n_samples}: the counter of the "
                f"amplifier jumps by more than {LARGEST_JUMP_S} s; start a new stream"
            )
        return chunk

    def _check_rate(self, time, n_samples):
        """Count the samples against the clock, from a reference of some seconds ago."""
        now = time, n_samples
        self._reference = self._reference or now
        elapsed, counted = time - self._reference[0], n_samples - self._reference[1]
        if self._in_step(self._reference, now):
            self._off_rate, self._off_since = "", None
            if elapsed > CLOCK_SPAN_S:  # two sound clocks drift apart as well
                self._reference = now
            return
        self._off_rate = (
            f"sampling rate: {counted} samples in {elapsed:.2f} s, "
            f"expected {self.decoder.fs:g} a second"
        )
        if self._off_since is None or not self._in_step(self._off_since, now):
            self._off_since = now
        elif time - self._off_since[0] > CLOCK_SPAN_S:
            self._reference, self._off_since = now, None

    def _in_step(self, before, now):
        """Whether the samples between two moments are as many as the clock says."""
        elapsed, counted = now[0] - before[0], now[1] - before[1]
        return abs(counted / self.decoder.fs - elapsed) <= self.jitter

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
        length = self.decoder.window
        self.n_samples += part.shape[1]
        last = part[:, -length:]
        at = np.arange(self.n_samples - last.shape[1], self.n_samples) % length
        self._ring[:, at] = self._ring[:, at + length] = last

    def _decide(self):
        length = self.decoder.window
        oldest = self.n_samples % length
        window = self._ring[:, oldest : oldest + length]
        bad, problem = self._problem(window)
        if self._off_rate or bad.mean() > MOST_BAD:
            found = np.full(len(self.decoder.motor_units), np.nan, dtype=np.float32)
        elif bad.any():
            found = self.decoder.probabilities(np.where(bad[:, None], self.decoder.mean_uv, window))
        else:
            found = self.decoder.probabilities(window)
        spikes = found >= self.decoder.threshold  # NaN is not
        return Decision(self.n_samples - length, found, spikes, problem, perf_counter())

    def _problem(self, window):
        """Bad channels, and all that is wrong in words."""
        size = np.abs(window - self.decoder.mean_uv).max(axis=1)  # NaN where a sample is
        kinds = {
            "missing or not finite": ~np.isfinite(size),
            "out of range": np.isfinite(size) & (size > TOO_LARGE * self.decoder.largest_uv),
            "dead or saturated": _flat(window),
        }
        words = [f"{kind}: {self._names(mask)}" for kind, mask in kinds.items() if mask.any()]
        if self._repeated:
            words.append(f"{self._repeated} samples came again: dropped")
            self._repeated = 0
        words += [self._off_rate] if self._off_rate else []
        return np.any(list(kinds.values()), axis=0), "; ".join(words)

    def _names(self, mask):
        if mask.all():
            return "all channels"
        return ", ".join(self.decoder.channels[k] for k in np.flatnonzero(mask))


def _flat(window):
    """Channels with `FLAT` equal samples in a row."""
    same = np.zeros(window.shape, dtype=bool)  # the last column stays False: rows do not join
    np.equal(window[:, 1:], window[:, :-1], out=same[:, :-1])
    same = same.ravel()
    n = FLAT - 1
    runs = np.logical_and.reduce([same[k : same.size - n + 1 + k] for k in range(n)])
    flat = np.zeros(len(window), dtype=bool)
    flat[np.flatnonzero(runs) // window.shape[1]] = True
    return flat
