"""The adaptive motor-unit filter on a stream: it follows the signal while it decodes it."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from os import getpid

import numpy as np
from scipy.linalg import cho_factor
from scipy.ndimage import maximum_filter1d

from hdsemg_nb.cbss.adapted import Adapted
from hdsemg_nb.cbss.covariance import lag_products
from hdsemg_nb.cbss.filter import PIECE, check_size
from hdsemg_nb.cbss.strayed import strayed

MEMORY_S = 10.0  # of recent signal: for thresholds and action potentials, and of the forgetting
PERIOD_S = 5.0  # between two adaptations
DELAY_S = 0.5  # of the signal, from the end of a period to the filters that were made of it
FLAT_S = 0.05  # a channel that does not change for so long is dead
SOUND_S = 1.0  # and one that was dead is used again after so long, for a contact may flicker


@cache
def _beside(process):
    """Makes filters while streams decode, in each process: a thread does not survive a fork."""
    return ThreadPoolExecutor(1, "adaptation")


class AdaptiveStream:
    """Decodes a signal chunk by chunk with an `AdaptiveFilter` that follows it.

    Every `PERIOD_S`, and at once when a channel dies or comes back, the filters are made anew: the
    covariance forgets with a time constant of `MEMORY_S`, thresholds and action potentials come
    from the last `MEMORY_S`. They are made in a thread of their own while the stream goes on
    decoding, and used from `DELAY_S` of the signal later. What was sent out is not taken back. The
    discharges are the same whatever the chunks, but that a channel is known to be dead at the end
    of a chunk.

    A unit that was lost is looked for with the action potential that was followed last, and with
    that of the training; one that came to follow another unit goes back to the latter
    (`cbss.strayed`).

    `state` is what it has learnt, for a stream that goes on from there (`restore`); `reset` takes
    it back to the training.

    Parameters
    ----------
    adaptive : AdaptiveFilter
        Fitted; not changed.
    adapting : bool
        False: keep the filters of the training.
    detector : callable, optional
        Takes sources, `Adapted` filters and the first sample to decide on, says which samples are
        discharges; its `before` and `ahead` are the samples of the sources that it needs. Default:
        the threshold of the moment.

    Attributes
    ----------
    n_samples : int
        Received so far.
    decided : int
        Discharges before this sample are out.
    now : Adapted
        The filters of the moment; `now.lost` says which units they do not find.
    """

    def __init__(self, adaptive, adapting=True, detector=None):
        self.adaptive, self.adapting, fs = adaptive, adapting, adaptive.fs_
        self.detector = TwoClasses(adaptive.rest) if detector is None else detector
        self._memory, self._period = round(MEMORY_S * fs), round(PERIOD_S * fs)
        self._flat, self._sound = round(FLAT_S * fs), round(SOUND_S * fs)
        self._delay = round(DELAY_S * fs)
        self._filtered = max(0, adaptive.seen_ahead)
        self._ahead = self._filtered + self.detector.ahead
        self._before = adaptive.largest_lag + adaptive.n_lags + self.detector.before
        self.reset()

    def reset(self):
        """Forget all but the training; the next sample is number 0."""
        units, channels = self.adaptive.averages_.shape[:2]
        self.n_samples = self.decided = 0
        # written up to `_end`; what is older than the memory is dropped when it is full
        self._signal = np.zeros((channels, 2 * self._memory + self._period), dtype=np.float32)
        self._end, self._sized = 0, False
        self._products, self._counted = 0.0, 0.0
        self._equal = np.zeros(channels, dtype=int)  # samples in a row that are equal
        self._usable = np.zeros(channels, dtype=int)  # from this sample on
        self._latest = [None] * units
        self.now = self.adaptive.unadapted()
        self._kept = None, 0, None  # filters, first sample, sources
        self._coming = None  # future of what `_learnt` returns

    @property
    def state(self):
        """What it has learnt, dict of str to numpy.ndarray, without the signal it is about."""
        now = self.now
        learnt = {name: getattr(now, name) for name in ("averages", "lost", "live", "classes")}
        learnt |= dict(weights=now.filter.weights_, thresholds=now.filter.thresholds_)
        learnt["training"] = np.array(self.adaptive.fingerprint)
        return {**learnt, "products": np.asarray(self._products), "counted": self._counted}

    def restore(self, state):
        """Begin with what another stream of the same filter has learnt; sample 0 is next.

        Raises
        ------
        ValueError
            When the state is of another training.
        """
        if str(state.get("training")) != self.adaptive.fingerprint:
            raise ValueError("state is of another training: give a stream the state of its decoder")
        self.reset()
        self._products, self._counted = np.asarray(state["products"]), float(state["counted"])
        linear = self.now.filter
        linear.weights_, linear.thresholds_ = state["weights"].copy(), state["thresholds"].copy()
        kept = {name: state[name].copy() for name in ("averages", "lost", "live", "classes")}
        self.now = Adapted(linear, **kept)

    def push(self, chunk):
        """Take the next samples.

        Parameters
        ----------
        chunk : array_like, shape (channels, samples)
            In uV; any number of samples.

        Returns
        -------
        list of numpy.ndarray of int64
            Discharges of each motor unit that are now certain, as samples since the start: those
            up to the refractory time, half a filter and its lag ago.

        Raises
        ------
        ValueError
            For other channels than those of the training, a sample that is not finite, or a
            signal that begins in another unit; the stream is left as it was.
        """
        chunk, found = np.asarray(chunk, dtype=np.float32), []
        self.adaptive.check(chunk)
        self._check_unit(chunk)
        while chunk.shape[1]:
            at = self.n_samples % self._period
            part = chunk[:, : (self._delay if at < self._delay else self._period) - at]
            chunk = chunk[:, part.shape[1] :]
            died = self._keep(part)
            found.append(self._decode())
            if self.adapting:
                self._follow(died)
        units = range(len(self._latest))
        return [np.concatenate([[], *(f[k] for f in found)]).astype(np.int64) for k in units]

    def _check_unit(self, chunk):
        """Refuse a signal that is small from its beginning: one that was not may rest later."""
        if self._sized:
            return
        recent = np.concatenate([self._recent(PIECE), chunk], axis=1)
        if recent.shape[1] >= PIECE:
            check_size(recent, self.adaptive.typical_)
            self._sized = bool(np.ptp(recent, axis=1).any())

    def _keep(self, part):
        """Store samples; whether a channel died or came back."""
        n, was = part.shape[1], self._live()
        if self._end + n > self._signal.shape[1]:
            kept = self._recent(self._memory).copy()
            self._end = kept.shape[1]
            self._signal[:, : self._end] = kept
        before = self._signal[:, max(self._end - 1, 0), None]
        self._signal[:, self._end : self._end + n] = part
        self._end, self.n_samples = self._end + n, self.n_samples + n
        differs = np.diff(part, axis=1, prepend=before) != 0
        equal = differs[:, ::-1].argmax(axis=1)
        self._equal = np.where(differs.any(axis=1), equal, n + self._equal)
        self._usable[self._equal >= self._flat] = self.n_samples + self._sound
        return (was != self._live()).any()

    def _recent(self, n):
        return self._signal[:, max(0, self._end - n) : self._end]

    def _decode(self):
        """Discharges between the last that were decided and those that can be now."""
        until = self.n_samples - self._ahead
        if until <= self.decided:
            return [np.empty(0)] * len(self._latest)
        first = max(0, self.decided - self._before)
        sources = self._sources(first)
        chosen, found = self.detector(sources, self.now, self.decided - first), []
        for unit, row in enumerate(chosen[:, self.decided - first : until - first]):
            times = np.flatnonzero(row) + self.decided
            times = first_come(times, self.adaptive.rest, self._latest[unit])
            self._latest[unit] = times[-1] if len(times) else self._latest[unit]
            found.append(times)
        self.decided = until
        return found

    def _sources(self, first):
        """Sources from a sample on, each filtered once by the filters of the moment."""
        made, known, sources = self._kept
        if made is not self.now or first < known:
            known, sources = first, np.zeros((len(self._latest), 0), dtype=np.float32)
        kept = sources[:, first - known :]
        margin = self.adaptive.largest_lag + self.adaptive.n_lags
        begin = max(0, first + kept.shape[1] - margin)
        new = self.now.filter.source(self._recent(self.n_samples - begin))
        sources = np.concatenate([kept, new[:, first + kept.shape[1] - begin :]], axis=1)
        final = sources.shape[1] - self._filtered  # what comes later is not complete yet
        self._kept = self.now, first, sources[:, : max(final, 0)]
        return sources

    def _follow(self, died):
        """Begin new filters at the end of a period, take them `DELAY_S` later."""
        at, live, recent = self.n_samples % self._period, self._live(), self._recent(self._memory)
        if at == self._delay or died:
            self._take()
        if at == 0:
            self._coming = _beside(getpid()).submit(
                self._learnt, recent.copy(), live, *self._known()
            )
        if died and self.n_samples >= self._period:
            self._take()
            recent, _ = self.adaptive.without_artefacts(recent, live)
            self.now = self._adapted(recent, live, *self._known()) or self.now
        elif died and live.any():  # too little signal to adapt to
            covariance = self.adaptive.covariance(self._products, self._counted, live)
            self.now = self.adaptive.without_dead(self.now, covariance, live)

    def _known(self):
        """What new filters are made from, besides the recent signal."""
        return self._products, self._counted, self.now.averages

    def _take(self):
        """Use the filters that were begun, waiting for them."""
        if self._coming is not None:
            self._products, self._counted, now = self._coming.result()
            self._coming, self.now = None, now or self.now

    def _live(self):
        return self.adaptive.sound & (self._usable <= self.n_samples)

    def _learnt(self, recent, live, products, counted, averages):
        """Covariance with the last period of the recent signal, and filters made with it."""
        kept, adaptive = np.exp(-PERIOD_S / MEMORY_S), self.adaptive
        recent, sound = adaptive.without_artefacts(recent, live)
        period = recent[:, -self._period :] - adaptive.mean_
        products = kept * products + lag_products(period, adaptive.n_lags)
        counted = kept * counted + sound[-self._period :].sum()
        return products, counted, self._adapted(recent, live, products, counted, averages)

    def _adapted(self, recent, live, products, counted, averages):
        """Filters for the recent signal; None without a channel to use."""
        adaptive = self.adaptive
        if not live.any():
            return None
        covariance = adaptive.covariance(products, counted, live, adaptive.n_lags // 2)
        factor = cho_factor(covariance)
        now = adaptive.follow(recent, live, factor, averages)
        away = strayed(adaptive, now, recent.shape[1])
        missed = now.lost | away
        if missed.any():
            now = now.or_else(adaptive.follow(recent, live, factor, None, missed), away)
        return now


def first_come(times, rest, latest=None):
    """Times without those within `rest` samples of one before, or of `latest`."""
    kept, latest = [], -rest - 1 if latest is None else latest
    for time in times:
        if time > latest + rest:
            kept.append(time)
            latest = time
    return np.array(kept, dtype=np.int64)


class TwoClasses:
    """Peaks above the threshold of the moment are discharges, none beside a higher one."""

    def __init__(self, rest):
        self.before = self.ahead = self.rest = rest

    def __call__(self, sources, now, first=0):
        """Which samples are discharges, shape (motor units, samples)."""
        highest = maximum_filter1d(sources, 2 * self.rest + 1, axis=1, mode="constant")
        least = np.maximum(now.filter.thresholds_, 1e-9)[:, None]
        return (sources == highest) & (sources >= least)
