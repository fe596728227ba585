"""Adaptive MUF-Net, our decoder of the stream: adaptive filters and one small detector for all."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from hdsemg_nb import engine, metrics, segment
from hdsemg_nb.cbss import AdaptiveFilter, AdaptiveStream
from hdsemg_nb.cbss.adaptive_stream import first_come
from hdsemg_nb.cbss.covariance import oversampling
from hdsemg_nb.decoders.adaptive_filter import AdaptiveDecoder, FittedAdaptiveFilter
from hdsemg_nb.decoders.detector import (
    SEEN_AHEAD,
    SEEN_BACK,
    Candidates,
    Detector,
    PeakDetector,
    candidates,
)
from hdsemg_nb.decoders.fitted import channel_names, warn_of_rate

LARGEST_AHEAD = 10  # samples of lag ahead at most, at 2048 Hz; back as far as the filter's
NEAR = 5  # samples from a mark to the peak that is its discharge
NOISE = (0, 0, 0, 0, 0.1, 0.2, 0.3, 0.5, 0.8)  # added in training, in SD of the EMG
BATCH = 512  # candidates
TRAINING = dict(epochs=12, learning_rate=3e-3, weight_decay=1e-3, decay=True)  # settings of `Run`


@dataclass(frozen=True, eq=False)
class FittedAdaptiveNet(FittedAdaptiveFilter):
    """Adaptive filters and their detector, fitted on one fold."""

    detector: PeakDetector

    def predict(self, emg, starts):
        """Probability of a discharge in each window, shape (windows, motor units).

        That of the discharge within the label; without one, of the likeliest peak below the
        threshold. The filters are adapted to the whole of `emg`, without labels.

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, of any recording with the channels of the training.
        starts : numpy.ndarray of int64, shape (windows,)
            Evenly spaced, or a part of such.
        """
        probabilities, found, _ = self._found(emg)
        for row, times in zip(probabilities, found, strict=True):
            kept = row[times]
            row[row >= self.run.threshold] = 0  # within the refractory time of a discharge
            row[times] = kept
        low, high = segment.label_borders(starts, self.run.window, self.run.span, self.run.step)
        length = int(high[0] - low[0])
        padded = np.pad(probabilities, ((0, 0), (length, length)))
        return np.stack([padded[:, a : a + length].max(axis=1) for a in low + length])

    def decode(self, emg):
        """Discharge times of each motor unit, to the sample; `emg` as for `predict`."""
        return self.found(emg)[0]

    def found(self, emg):
        """Discharge times as from `decode`, and the motor units that are lost."""
        _, found, now = self._found(emg)
        return found, np.flatnonzero(now.lost).tolist()

    def _found(self, emg):
        now = self.filter.adapt(emg)
        probabilities = self.detector.probabilities(now.filter.source(emg), now)
        rest = self.filter.rest
        found = [
            first_come(np.flatnonzero(row >= self.run.threshold), rest) for row in probabilities
        ]
        return probabilities, found, now

    def stream(self, adapting=True):
        """A `cbss.AdaptiveStream` that decides by the detector."""
        return AdaptiveStream(self.filter, adapting, self.detector)

    @property
    def n_macs(self):
        """Multiply-accumulates for each sample, with a candidate of each unit every 10 samples."""
        weights = self.detector.weights
        layers = sum(value.size for name, value in weights.items() if name.startswith("layers"))
        return super().n_macs + layers * len(self.offsets) // 10

    @property
    def look_ahead(self):
        """Samples after a discharge that its decision needs."""
        return self.filter.seen_ahead + SEEN_AHEAD


class AdaptiveNet(AdaptiveDecoder):
    """Adaptive MUF-Net: `cbss.AdaptiveFilter` and `Detector`, fitted to the training windows.

    The filters, their thresholds and the noise they expect are made anew from the signal of the
    moment (`AdaptiveFilter`); the detector stays as trained. It is trained on the sources of the
    training signal with noise of several levels, filtered as the adaptive filter would for that
    noise. The weights of the lowest validation loss are kept, and the outputs moved so that the
    threshold is that of the highest F1 on the validation candidates, if discharges are among them.
    """

    unused = ("batch_size", "bf16", "whiten", "fit_offsets", "patience")
    trained = True

    @classmethod
    def fit(cls, recording, run, starts, fold, progress=None):
        """Fit on one fold, for `engine.finish`; returns a `FittedAdaptiveNet`."""
        yield from ()
        warn_of_rate(recording.fs, "adaptive MUF-Net")
        train, val = (
            segment.covered_samples(starts[part], run.window, recording.n_samples)
            for part in (fold.train, fold.val)
        )
        ahead = LARGEST_AHEAD * oversampling(recording.fs)
        filters = AdaptiveFilter(largest_ahead=ahead).fit(recording, train)
        rng = np.random.default_rng(run.seed)
        parts = [examples(filters, recording, mask, rng) for mask in (train, val)]
        with torch.random.fork_rng():
            torch.manual_seed(run.seed)
            model = Detector(recording.n_motor_units)
            history = _train(model, *parts, run, progress)
        offsets = np.zeros(recording.n_motor_units, dtype=np.int64)
        weights = {name: value.numpy() for name, value in model.state_dict().items()}
        detector = PeakDetector(weights, run.threshold)
        about = channel_names(recording), recording.interpolated
        return FittedAdaptiveNet(filters, run, offsets, history, *about, detector)


def examples(filters, recording, mask, rng):
    """Candidates of the signal with each `NOISE`, and whether they are discharges.

    Parameters
    ----------
    filters : cbss.AdaptiveFilter
        Fitted.
    recording : recording.Recording
    mask : numpy.ndarray of bool, shape (samples,)
        Candidates and the classes of peaks are taken from there alone.
    rng : numpy.random.Generator

    Returns
    -------
    Candidates, torch.Tensor of shape (candidates,)
    """
    power = recording.emg[:, mask].var(axis=1).mean()
    parts, labels = [], []
    for level in sorted(NOISE):
        sd = np.float32(level * np.sqrt(power))
        emg = recording.emg + sd * rng.standard_normal(recording.emg.shape, dtype=np.float32)
        now, sources = filters.expecting(emg, mask, sd)
        found, at = candidates(sources, now)
        unit, inside = found.unit, mask[at]
        label = np.zeros(len(at), dtype=np.float32)
        for k, times in enumerate(recording.discharges):
            own = np.flatnonzero((unit == k) & inside)
            label[own[_nearest(at[own], found.seen[own, SEEN_BACK], times)]] = 1
        parts.append([part[inside] for part in found])
        labels.append(label[inside])
    joined = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True))
    return Candidates(*joined), torch.from_numpy(np.concatenate(labels))


def _nearest(at, heights, times):
    """Numbers of the highest candidates within `NEAR` samples of the discharges."""
    first, last = np.searchsorted(at, times - NEAR), np.searchsorted(at, times + NEAR, "right")
    return [a + heights[a:b].argmax() for a, b in zip(first, last, strict=True) if b > a]


def _train(model, train, val, run, progress):
    """Train a detector in place; returns the history."""
    adam = torch.optim.AdamW(model.parameters(), run.learning_rate, weight_decay=run.weight_decay)
    half = torch.optim.lr_scheduler.CosineAnnealingLR(adam, run.epochs)
    lowest, history = engine.Best(model), []
    for epoch in range(run.epochs):
        began, total = perf_counter(), 0.0
        model.train()
        for batch in torch.randperm(len(train[1])).split(BATCH):
            loss = cross_entropy(model(*(x[batch] for x in train[0])), train[1][batch])
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(batch)
        if run.decay:
            half.step()
        losses = (total / max(1, len(train[1])), *_validated(model, val, run.threshold))
        history.append((epoch, *losses, perf_counter() - began))
        lowest.offer(epoch, -losses[1])
        if progress is not None:
            progress.update()
    lowest.restore(run)
    if val[1].any():  # else nothing tells where the threshold should be
        _centre(model, val, run.threshold)
    return pd.DataFrame(history, columns=["epoch", "train_loss", "val_loss", "val_f1", "seconds"])


@torch.inference_mode()
def _centre(model, val, threshold):
    """Move the outputs so that the threshold is that of the highest F1 on the validation."""
    logits, order = model(*val[0]).sort(descending=True)
    tp, found = val[1][order].cumsum(0), torch.arange(1, len(logits) + 1)
    best = logits[(2 * tp / (found + val[1].sum())).argmax()]
    model.bias += np.log(threshold / (1 - threshold)) - best


@torch.inference_mode()
def _validated(model, val, threshold):
    """Loss and F1 over all candidates; F1 is 0 where there is no discharge, nor one found."""
    model.eval()
    logits, truth = model(*val[0]), val[1]
    found = torch.sigmoid(logits) >= threshold
    tp, fp, fn = (found * truth).sum(), (found * (1 - truth)).sum(), (~found * truth).sum()
    f1 = np.nan_to_num(metrics.scores(tp, fp, fn).f1)
    return cross_entropy(logits, truth).item(), float(f1)
