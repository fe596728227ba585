"""What every trained network shares: checked sizes, and its training on one fold."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import nn

from hdsemg_nb import engine, segment
from hdsemg_nb.cbss.filter import piece_size
from hdsemg_nb.decoders.fitted import FittedDecoder, channel_names, decode_every_sample
from hdsemg_nb.discharges import refractory
from hdsemg_nb.normalisation import Normalisation, fit_normalisation
from hdsemg_nb.recording import Recording


@dataclass(frozen=True, eq=False)
class FittedNetwork(FittedDecoder):
    """A trained network with what it needs to decode a signal in uV."""

    model: nn.Module
    run: object  # decoders.Run
    normalisation: Normalisation  # fitted to the training windows
    offsets: np.ndarray  # samples by which the label of each motor unit is moved
    history: pd.DataFrame  # of `engine.training`
    f1_weights: dict  # those of the highest validation F1; the model has those of the lowest loss
    recording: Recording  # of the training
    fold: segment.Fold  # its windows for training and validation

    @property
    def fs(self):
        """Sampling frequency in Hz."""
        return self.recording.fs

    @property
    def channels(self):
        """Names of the channels."""
        return channel_names(self.recording)

    @property
    def interpolated(self):
        """Channels that were interpolated, and from which ones."""
        return self.recording.interpolated

    @property
    def look_ahead(self):
        """Samples after a discharge that `decode` takes: the last label with it, a higher peak."""
        run = self.run
        (low,), _ = segment.label_borders(np.zeros(1, int), run.window, run.span, run.step)
        return run.window - 1 - int(low) + int(self.offsets.max()) + refractory(self.fs)

    def of_highest_f1(self):
        """The same network with the weights of the highest validation F1."""
        model = deepcopy(self.model)
        model.load_state_dict(self.f1_weights)
        return replace(self, model=model)

    def predict(self, emg, starts):
        """Probability of a discharge in each window, shape (windows, motor units).

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, of any recording with the channels of the training.
        starts : array_like of int, shape (windows,)
        """
        starts = segment.checked_starts(starts, self.run.window, emg.shape[1])
        emg = self.normalisation.apply(emg)
        return engine.predict(self.model, emg, starts, self.run.window, self.run.bf16)

    def decode(self, emg):
        """Discharge times of each motor unit as samples of `emg`, (channels, samples) in uV."""
        of_training = self.normalisation.mean[:, 0], piece_size(self.recording.emg)
        about = self.run, self.offsets, self.fs, *of_training
        return decode_every_sample(self.predict, emg, *about)

    def windows(self, part):
        """Windows of the training in uV, (windows, channels, window); `part`: "train" or "val"."""
        starts = segment.window_starts(self.recording.n_samples, self.run.window, self.run.step)
        numbers = getattr(self.fold, part)
        return segment.windows(self.recording.emg, starts[numbers], self.run.window)


class Network(nn.Module):
    """A network that takes windows (batch, channels, window) and returns logits (batch, units).

    A new one is a file with a subclass, made from (window, n_motor_units, n_channels) and the
    settings of `own`, and an entry in `decoders.registry`.
    """

    min_window = 1
    own = ()  # settings of Run that this decoder alone has
    unused = ()  # settings of Run that it has no use for
    ending = ".onnx"  # of the file it is exported to
    trained = True  # by gradient descent, so that epochs, learning rate ... mean something
    compiled_on_gpu = False  # its `features` are compiled there, see `engine`

    @classmethod
    def check(cls, run):
        """Refuse a run that this decoder cannot carry out."""
        if run.window < cls.min_window:
            raise ValueError(f"window={run.window}: {run.network} needs at least {cls.min_window}")

    @classmethod
    def build(cls, run, n_motor_units, n_channels):
        """The untrained network of a run."""
        for name, size in dict(n_motor_units=n_motor_units, n_channels=n_channels).items():
            if size < 1:
                raise ValueError(f"{name}={size}: {run.network} needs at least 1")
        own = {name: getattr(run, name) for name in cls.own}
        return cls(run.window, n_motor_units, n_channels, **own)

    @classmethod
    def fit(cls, recording, run, starts, fold, progress=None):
        """Train on one fold, step by step for `engine.finish`; returns a `FittedNetwork`."""
        mask = segment.covered_samples(starts[fold.train], run.window, recording.n_samples)
        normalisation = fit_normalisation(recording.emg, mask, run.whiten)
        with torch.random.fork_rng():
            torch.manual_seed(run.seed)
            model = cls.build(run, recording.n_motor_units, recording.n_channels)
        offsets = model.prepare(recording, run, starts, fold, mask, normalisation)
        labels = segment.run_labels(recording, run, starts, offsets)
        emg = normalisation.apply(recording.emg)
        history, weights = yield from engine.training(
            model, emg, starts, labels, fold, run, progress
        )
        found = model, run, normalisation, offsets, history, weights
        return FittedNetwork(*found, recording, fold)

    def prepare(self, recording, run, starts, fold, mask, normalisation):
        """Set up the network before its training; returns the offsets of the labels."""
        if run.fit_offsets:
            emg = normalisation.apply(recording.emg)
            return segment.label_offsets(emg, recording.discharges, mask, run.window)
        return np.zeros(recording.n_motor_units, dtype=np.int64)

    def parameter_groups(self, learning_rate):
        """Parameters with their learning rates, for the optimiser."""
        return [{"params": self.parameters(), "lr": learning_rate}]
