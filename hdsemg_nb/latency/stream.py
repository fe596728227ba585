"""A stream of samples, decoded as it comes in chunks of any size."""

from time import perf_counter
from typing import NamedTuple

import numpy as np

from hdsemg_nb.cbss.filter import TOO_SMALL
from hdsemg_nb.discharges import REFRACTORY_MS
from hdsemg_nb.signal_check import flat_samples, interpolate

MOST_BAD = 0.1  # share of the channels that can be replaced in a window
TOO_LARGE = 10  # times the largest training sample of the channel
LARGEST_JUMP_S = 1.0  # of the sample counter
CLOCK_SPAN_S = 10.0  # over which samples are counted against time stamps


class Decision(NamedTuple):
    """What was decoded from the samples of one window, or of one chunk."""

    start: int  # first sample of them, counted from the start of the stream
    end: int  # after the last
    discharges: list  # (motor unit, sample) that became certain; those of a unit in order
    certain: int  # no discharge before this sample comes any more
    problem: str  # "" or what was wrong with the signal
    time: float  # perf_counter at the decision, in s
    probabilities: np.ndarray | None = None  # of a window: (motor units,); NaN: withheld
    spikes: np.ndarray | None = None  # of a window: (motor units,) of bool; False: withheld


class CheckedStream:
    """Takes samples as they come, counts them, and checks them before they are decoded.

    What is wrong with the signal is named in `Decision.problem`:

    * A channel is bad in a window (or chunk) when a sample is not finite, when its distance from
      the training mean is more than ten times the largest in training, when it is dead or saturated
      (a sample is one of equal ones in a row, at least six and 3 ms of them), or when it is 200
      times smaller than a typical piece of the training, as a signal in mV or V is. Up to
      `most_bad` of the channels are replaced by their training mean; with more, the window is
      withheld: no spikes.
    * A window with missing samples is withheld. Samples that come again are dropped.
    * When there are more or fewer samples than `fs` and the time stamps allow, windows are withheld
      until they agree again, or (the clock jumped) have kept step with each other for 10 s.

    Nothing is known of a channel that has been flat for less than 3 ms, nor of a change of
    the sampling rate before the samples are off by `jitter`, nor of one that is smaller than
    `jitter` in 10 s.

    Parameters
    ----------
    decoder : decoder.Decoder or streamed.StreamedDecoder
    fs : float
        Sampling frequency of the stream in Hz.
    jitter : float
        Largest error of the time stamps in s. The default is for times of arrival; with those of
        an amplifier, 0.002 finds a change of the sampling rate within a chunk.
    longest : int
        Samples that are checked at once.

    Raises
    ------
    ValueError
        When the sampling frequency is not the one the decoder was trained with.
    """

    state = None  # what it has learnt from the signal, for another stream to go on from
    most_bad = MOST_BAD
    sized_over = 1  # samples, at least, over which it is told whether a channel is too small

    def __init__(self, decoder, fs, jitter, longest):
        if fs != decoder.fs:
            raise ValueError(
                f"fs={fs} Hz, but the decoder was trained at {decoder.fs} Hz: resample the stream "
                "or train a decoder for it"
            )
        self.decoder, self.jitter = decoder, jitter
        self.used = np.ones(len(decoder.channels), dtype=bool)  # channels that are checked
        self.n_samples = 0  # received so far
        self._flat = flat_samples(fs)
        # the last window and the samples before it with which its first can be flat
        shape = len(decoder.channels), longest + self._flat - 1
        self._last = np.full(shape, np.nan, dtype=np.float32)
        self._repeated = 0  # samples dropped since the last decision
        self._reference = None  # time stamp and number of samples, the clock is read from there
        self._off_rate = ""
        self._off_since = None  # time stamp and number of samples

    def push(self, chunk, first_sample, time=None):
        """Take the next samples and decode what they complete.

        Parameters
        ----------
        chunk : array_like, shape (channels, samples)
            In uV; any number of samples.
        first_sample : int
            Number of its first sample by the amplifier's counter, 0 at the start of the stream. A
            counter that starts again after 2^16 or 2^32 samples is given as `numpy.uint16` or
            `numpy.uint32`. For an amplifier that does not count: `n_samples` of the stream; lost
            and repeated samples are then noticed by the clock alone.
        time : float or array_like, optional
            Time stamp of its last sample, or of each, in s, by a steady clock: the amplifier's, or
            the time of arrival. Without it a change of the sampling rate goes unnoticed.

        Returns
        -------
        list of Decision
            One for each window or chunk, none left out.

        Raises
        ------
        ValueError
            When the number of channels is wrong, the counter is no whole number or jumps by more
            than 1 s, or a time stamp is not finite. The stream is left as it was.
        """
        chunk, ahead = self._checked(chunk), self._ahead(first_sample)
        time = _last_time(time, chunk.shape[1])
        if time is not None:
            self._check_rate(time, self.n_samples + max(0, ahead + chunk.shape[1]))
        again = min(max(-ahead, 0), chunk.shape[1])
        self._repeated += again
        missing = np.broadcast_to(np.float32(np.nan), (len(chunk), max(ahead, 0)))
        return self._take(missing) + self._take(chunk[:, again:])

    def _checked(self, chunk):
        chunk = np.asarray(chunk, dtype=np.float32)
        n_channels = len(self._last)
        if chunk.ndim != 2 or len(chunk) != n_channels:
            raise ValueError(
                f"chunk has shape {chunk.shape}, expected ({n_channels}, samples): the decoder "
                f"takes {n_channels} channels, from {self.decoder.channels[0]!r} to "
                f"{self.decoder.channels[-1]!r}"
            )
        return interpolate(chunk, self.decoder.interpolated)

    def _ahead(self, first_sample):
        """Samples between the one that is due and the first of a chunk, negative when it is late.

        A counter of NumPy's whole numbers starts again after its largest.
        """
        counter, largest = np.asarray(first_sample), LARGEST_JUMP_S * self.decoder.fs
        if counter.ndim or counter.dtype.kind not in "iuf" or counter % 1 != 0:
            expected = "expected one whole number, the amplifier's counter"
            raise ValueError(f"first_sample={first_sample!r}: {expected}")
        number, kind = int(counter), counter.dtype
        ahead = number - self.n_samples
        if kind.kind in "iu":
            period = 256**kind.itemsize
            if period <= 2 * largest:
                raise ValueError(
                    f"first_sample is of type {kind}: it starts again after {period} samples, too "
                    "soon to tell lost samples from repeated ones; count in 16 bits or more"
                )
            ahead = (ahead + period // 2) % period - period // 2
        if abs(ahead) > largest:
            raise ValueError(
                f"first_sample={number}, expected {self.n_samples}: the counter of the amplifier "
                f"jumps by more than {LARGEST_JUMP_S} s; start a new stream (or, when the counter "
                "starts again after 2^16 or 2^32 samples, give it as numpy.uint16 or numpy.uint32)"
            )
        return ahead

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

    def _keep(self, part):
        self.n_samples += part.shape[1]
        length = self._last.shape[1]
        self._last = np.concatenate([self._last, part], axis=1)[:, -length:]

    def _sound(self, n):
        """The last `n` samples without what is bad in them, or None; and what is wrong in words."""
        signal = self._last[:, -(n + self._flat - 1) :]
        window = signal[:, -n:]
        bad, problem = self._problem(window, _flat(signal, self._flat))
        n_bad, n_used, most = bad.sum(), self.used.sum(), int(self.most_bad * self.used.sum())
        if most < n_bad < n_used:
            problem += f"; withheld: {n_bad} of {n_used} channels are bad, at most {most} may be"
        if self._off_rate or n_bad > most:
            return None, problem
        filled = bad | ~np.isfinite(window).all(axis=1)  # of channels that are not used, too
        if filled.any():
            window = np.where(filled[:, None], self.decoder.mean_uv, window)
        return window, problem

    def _problem(self, window, flat):
        """Bad channels, and all that is wrong in words."""
        lowest, highest = window.min(axis=1), window.max(axis=1)  # NaN where a sample is
        mean = self.decoder.mean_uv[:, 0]
        size = np.maximum(highest - mean, mean - lowest)
        sizes = np.ptp(self._last[:, -max(window.shape[1], self.sized_over) :], axis=1)
        small = (sizes > 0) & (sizes < TOO_SMALL * self.decoder.typical_uv)
        kinds = {
            "missing or not finite": ~np.isfinite(size),
            "out of range": np.isfinite(size) & (size > TOO_LARGE * self.decoder.largest_uv),
            "dead or saturated": flat,
            "too small (mV or V in place of uV?)": small,
        }
        kinds = {kind: mask & self.used for kind, mask in kinds.items()}
        words = [f"{kind}: {self._names(mask)}" for kind, mask in kinds.items() if mask.any()]
        if self._repeated:
            words.append(f"{self._repeated} samples came again: dropped")
            self._repeated = 0
        words += [self._off_rate] if self._off_rate else []
        return np.any(list(kinds.values()), axis=0), "; ".join(words)

    def _names(self, mask):
        if mask[self.used].all():
            return "all channels"
        return ", ".join(self.decoder.channels[k] for k in np.flatnonzero(mask))


class Stream(CheckedStream):
    """Decodes windows as soon as their last sample has come.

    The decisions are those of the windows of the whole recording, whatever the chunks, and the
    discharges those of `discharges.decoded_discharges`, within half a step of their time.
    Parameters as `CheckedStream`.
    """

    def __init__(self, decoder, fs, jitter=0.1):
        super().__init__(decoder, fs, jitter, decoder.window)
        self._due = decoder.window  # when the next window is complete
        self._merger = Merger(len(decoder.motor_units), decoder.step, fs)

    def flush(self):
        """Discharges (motor unit, sample) that are not certain yet, at the end of a signal."""
        return self._placed(self._merger.flush())

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

    def _decide(self):
        decoder = self.decoder
        window, problem = self._sound(decoder.window)
        if window is None:
            found = np.full(len(decoder.motor_units), np.nan, dtype=np.float32)
        else:
            found = decoder.probabilities(window)
        spikes = found >= decoder.threshold  # NaN is not
        start = self.n_samples - decoder.window
        centre = start + decoder.window // 2
        discharges = self._placed(self._merger.push(spikes, centre))
        certain = centre - max(0, *decoder.offsets) - self._merger.refractory
        of = start, self.n_samples, discharges, certain
        return Decision(*of, problem, perf_counter(), found, spikes)

    def _placed(self, done):
        return [(unit, centre - self.decoder.offsets[unit]) for unit, centre in done]


class Merger:
    """Positive windows to discharges as they come, as `discharges.decoded_discharges` merges them.

    A discharge is given when no later window can belong to it: at once when the next one is
    `REFRACTORY_MS` after its first.
    """

    def __init__(self, n_units, step, fs):
        self.step, self.refractory = step, REFRACTORY_MS * fs / 1000
        self.groups = [[] for _ in range(n_units)]

    def push(self, spikes, centre):
        """Finished discharges (unit, sample) after one more window."""
        for unit in np.flatnonzero(spikes):
            self.groups[unit].append(centre)
        return self.flush(centre + self.step - self.refractory)

    def flush(self, last=np.inf):
        """Discharges whose first window is centred at `last` or before; default all."""
        done = []
        for unit, group in enumerate(self.groups):
            if group and group[0] <= last:
                done.append((unit, round(np.mean(group))))
                group.clear()
        return done


def _flat(signal, n):
    """Channels with `n` equal samples in a row."""
    same, length = signal[:, 1:] == signal[:, :-1], 1
    while length < n - 1:
        more = min(length, n - 1 - length)
        same, length = same[:, more:] & same[:, :-more], length + more
    return same.any(axis=1)


def _last_time(time, n_samples):
    """The time stamp of the last sample of a chunk."""
    times = np.asarray([] if time is None else time, dtype=float).ravel()
    if time is not None and times.size not in (1, n_samples) or not np.isfinite(times).all():
        raise ValueError(
            f"time={time!r}: expected the time stamp in s of the last sample, or one for each of "
            f"the {n_samples} samples"
        )
    return float(times[-1]) if times.size else None
