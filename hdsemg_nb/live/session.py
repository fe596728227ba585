"""Samples with time stamps, decoded: numbered, counted, their discharges merged, faults named."""

from collections import deque
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hdsemg_nb.discharges import rate_of_one

RATES_HZ = 20  # of the smoothed discharge rates
LARGEST_GAP_S = 1.0  # after a longer one the decoder starts anew
LATE_S = 0.5  # behind the sender
MOST_JUMPS = 5  # of the time stamps in a second, from which the sampling rate has changed
DRIFT = 1e-4  # of two sound clocks, at most
LEAST_JITTER_S = 0.002  # as `latency.Stream` takes it for time stamps of an amplifier


class Samples(NamedTuple):
    """New samples; the first is number `first` of the session, those missing count as well."""

    first: int
    emg: np.ndarray  # (channels, samples), uV


class Discharge(NamedTuple):
    """One discharge of a motor unit, sent once; by a decoder of windows within half a step."""

    unit: int
    sample: int
    time: float  # of the sample, in s
    last: int  # sample whose coming let it be decided
    arrived: float  # when that came, by the clock of the stamps
    decided: float


class Rates(NamedTuple):
    """Smoothed discharge rate of each motor unit at a sample, in 1/s."""

    sample: int
    time: float
    values: np.ndarray


class Event(NamedTuple):
    """Something that was not as it should be, or is again."""

    sample: int
    time: float
    kind: str  # stream, silent, missing, repeated, clock, rate, late, signal, sound
    samples: int  # lost or repeated
    text: str


def stamp_jitter(stamps, fs):
    """Tolerance of time stamps in samples, from those of the first second: 0.5 for exact ones."""
    steps = np.abs(np.diff(stamps) * fs - 1)
    steps = steps[steps > 0.1]
    few = len(steps) < 10  # lost samples, not jitter
    return 0.5 if few else max(0.5, 3 * float(np.percentile(steps, 95)))


class Session:
    """Decodes samples as they come and says what is wrong with them.

    Samples are numbered by their time stamps, missing ones too. A stamp ahead of its place is one
    of lost samples, unless samples come earlier after it than any has come: then the sender's clock
    has jumped. A stamp that is late is one of a repeated sample when the sample is the one of that
    time, else the clock has jumped back. Five such jumps within a second are a changed sampling
    rate, which `latency.Stream` withholds until the stamps agree with `fs` for ten seconds.

    Losses smaller than the jitter of the stamps (measured when the stream starts) cannot be seen.

    Parameters
    ----------
    decoder : latency.Decoder or latency.StreamedDecoder
    clock : callable
        What the time is, by the clock of the stamps.
    """

    def __init__(self, decoder, clock):
        self.decoder, self.fs, self.clock = decoder, decoder.fs, clock
        self.tolerance = 0.5  # of the time stamps, in samples
        self.counts = dict(received=0, missing=0, repeated=0, discharges=0)
        self.problems = {}  # what is wrong now: text, last window
        self.next = 0  # number of the next sample by the time stamps
        self.end = 0  # after the last sample that has come
        self._zero = None  # time of sample 0
        self._clock_jumps = 0.0  # s
        self._jumps, self._recent = deque(), deque()
        self._off_rate = None  # since this sample
        self._least_lag, self._late = np.inf, False
        self._hann = rate_of_one(self.fs)
        self._n_rates = 0
        self._trains = [deque() for _ in decoder.motor_units]
        self._stream = None
        self._start(0)

    def _start(self, sample):
        """A new stream of the package, with `sample` as its first."""
        jitter, state = max(self.tolerance / self.fs, LEAST_JITTER_S), self.state
        self._stream, self._origin = self.decoder.stream(self.fs, jitter), sample
        if state is not None:
            self._stream.restore(state)
        self._n_rates = -(-sample * RATES_HZ // self.fs)

    @property
    def state(self):
        """What the stream has learnt from the signal, None where it learns nothing."""
        return self._stream.state if self._stream else None

    def time(self, sample):
        """Time of a sample in s, by the clock of the stamps."""
        return (self.clock() if self._zero is None else self._zero) + sample / self.fs

    def event(self, kind, text, samples=0):
        """An `Event` at the next sample."""
        return Event(self.next, self.time(self.next), kind, samples, text)

    def listen(self, stamps):
        """Set the tolerance by the first time stamps of a sender; a new stream begins with it."""
        self.tolerance = stamp_jitter(stamps, self.fs)
        return self.restart()

    def push(self, emg, stamps, arrived):
        """Take samples.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV.
        stamps : numpy.ndarray, shape (samples,)
            In s.
        arrived : float
            When they came, in s by the same clock.

        Returns
        -------
        list of Samples, Discharge, Rates and Event
        """
        if not len(stamps):
            return []
        self._zero = stamps[0] if self._zero is None else self._zero
        off = (stamps - self._zero) * self.fs - self.next - np.arange(len(stamps))
        steps = np.diff(off, prepend=0)
        jumps = np.flatnonzero(np.abs(steps) > self.tolerance)
        borders = np.unique([0, *jumps, len(stamps)])
        outputs, lag, listened = [], arrived - stamps[-1], self._least_lag == np.inf
        for first, stop in pairwise(borders.tolist()):
            part, ahead = slice(first, stop), round(steps[first]) if first in jumps else 0
            if ahead and self._off_rate is None:
                outputs += self._jump(ahead, emg[:, part], lag)
            outputs += self._push(emg[:, part], stamps[part], ahead, arrived)
        self._least_lag = min(self._least_lag + DRIFT * len(stamps) / self.fs, lag)
        return outputs if listened else outputs + self._check_late(arrived - stamps[0])

    def _push(self, emg, stamps, ahead, arrived):
        """Samples whose stamps run on, the first at its place."""
        new = emg[:, max(0, self.end - self.next) :]
        outputs = [Samples(max(self.next, self.end), new)]
        number, self.next = self.next - self._origin, self.next + emg.shape[1]
        self.end = max(self.end, self.next)
        self.counts["received"] += new.shape[1]
        self._remember(emg)
        self._follow(stamps, ahead)
        for decision in self._stream.push(emg, number, stamps[-1] - self._clock_jumps):
            outputs += self._decided(decision, arrived)
        return outputs

    def _jump(self, ahead, emg, lag):
        """Say what a jump of the time stamps is, and put the samples after it in their place."""
        self._jumps.append(self.next)
        while self._jumps[0] < self.next - self.fs:
            self._jumps.popleft()
        kind = self._kind(ahead, emg[:, 0], lag)
        if kind == "clock":
            seconds = (self.next + ahead - self.end) / self.fs
            self.next = self.end
            self._clock_jumps += seconds
            self._least_lag -= seconds
            return [self.event("clock", f"the sender's clock jumped by {seconds:+.4f} s")]
        if kind == "rate":
            self._off_rate = self.next = self.end
            n = len(self._jumps)
            return [self.event("rate", f"time stamps jumped {n} times in a second: other rate?")]
        n = min(-ahead, emg.shape[1]) if ahead < 0 else max(0, self.next + ahead - self.end)
        words = f"{n} samples ({1000 * n / self.fs:.1f} ms)"
        words += " missing" if kind == "missing" else " came again: dropped"
        events = [self.event(kind, words, n)] * (n > 0)
        self.counts[kind] += n
        self.next += ahead
        return events + (self.restart() if ahead > LARGEST_GAP_S * self.fs else [])

    def _kind(self, ahead, sample, lag):
        if len(self._jumps) >= MOST_JUMPS:
            return "rate"
        if ahead > 0:
            early = lag < self._least_lag - ahead / self.fs / 2
            return "clock" if early and self._least_lag < np.inf else "missing"
        at = self.next + ahead
        kept = [emg[:, at - first] for first, emg in self._recent if 0 <= at - first < len(emg.T)]
        same = any(np.array_equal(sample, one, equal_nan=True) for one in kept)
        return "repeated" if same and self.end - at <= LARGEST_GAP_S * self.fs else "clock"

    def _remember(self, emg):
        """Keep the samples of the last second, to know them when they come again."""
        self._recent.append((self.next - emg.shape[1], emg))
        while self._recent[0][0] < self.end - LARGEST_GAP_S * self.fs - emg.shape[1]:
            self._recent.popleft()

    def _follow(self, stamps, ahead):
        """Let the time of sample 0 follow the stamps: two sound clocks drift apart."""
        self._last_stamp = stamps[-1]
        error = stamps[-1] - self.time(self.next - 1)
        if self._off_rate is None:
            self._zero += error * (1 if ahead else min(1, len(stamps) / self.fs))

    def _check_late(self, lag):
        behind = lag - self._least_lag
        if (behind > LATE_S) == self._late or LATE_S / 2 < behind <= LATE_S:
            return []
        self._late = not self._late
        text = f"{behind:.2f} s behind the sender" if self._late else "in time again"
        return [self.event("late", text)]

    def restart(self):
        """Go on with a new stream of the package at the next sample; ends the discharges before."""
        done = self._discharges(self._stream.flush(), self.end - 1, self.clock())
        self._start(self.next)
        return done

    def _decided(self, decision, arrived):
        problems = self._named(decision)
        last = decision.end - 1 + self._origin
        found = self._discharges(decision.discharges, last, arrived)
        return problems + found + self._rates(decision.certain + self._origin)

    def _discharges(self, certain, last, arrived):
        found, decided = [], self.clock()
        for unit, sample in certain:
            sample += self._origin
            self._trains[unit].append(sample)
            found.append(Discharge(unit, sample, self.time(sample), last, arrived, decided))
        self.counts["discharges"] += len(found)
        return found

    def _rates(self, known):
        """Rates at the samples under whose window no discharge can come any more."""
        half, rates = len(self._hann) // 2, []
        while (at := round(self._n_rates * self.fs / RATES_HZ)) + half <= known:
            values = [self._rate(train, at - half) for train in self._trains]
            rates.append(Rates(at, self.time(at), np.array(values, dtype=np.float32)))
            self._n_rates += 1
        return rates

    def _rate(self, train, first):
        while train and train[0] < first:
            train.popleft()
        return sum(self._hann[t - first] for t in train if t - first < len(self._hann))

    def _named(self, decision):
        """Events for what begins or ends to be wrong; it ends when it was not there for 1 s."""
        events, start = [], decision.start + self._origin
        for text in decision.problem.split("; ") if decision.problem else []:
            key = "sampling rate" if text.startswith("sampling rate") else text
            if "came again" in text:
                continue  # `_jump` has said so
            if key not in self.problems:
                events.append(self.event("signal", text))
            self.problems[key] = start
        for key in [k for k, last in self.problems.items() if start - last > self.fs]:
            events.append(self.event("sound", f"over: {key}"))
            del self.problems[key]
        over = self._off_rate is not None and start - self._off_rate > self.fs
        if over and "sampling rate" not in self.problems:
            self._off_rate, self._zero = None, self._last_stamp - (self.next - 1) / self.fs
        return events
