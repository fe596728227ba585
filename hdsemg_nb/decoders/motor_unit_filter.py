"""The motor-unit filter as a decoder: the linear baseline beside the networks."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hdsemg_nb import segment
from hdsemg_nb.cbss import MotorUnitFilter
from hdsemg_nb.decoders.fitted import FittedDecoder, channel_names
from hdsemg_nb.discharges import refractory


@dataclass(frozen=True, eq=False)
class FittedFilter(FittedDecoder):
    """The motor-unit filter fitted to a recording."""

    filter: MotorUnitFilter  # or cbss.AdaptiveFilter
    run: object  # decoders.Run
    offsets: np.ndarray  # zeros: its discharges stand where the marks do
    history: pd.DataFrame  # empty
    channels: list  # names
    interpolated: tuple  # of `Recording`

    @property
    def fs(self):
        """Sampling frequency in Hz."""
        return self.filter.fs_

    def predict(self, emg, starts):
        """1 where the filter finds a discharge, else 0, shape (windows, motor units).

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV, of any recording with the channels of the training.
        starts : numpy.ndarray of int64, shape (windows,)
            Evenly spaced, or a part of such.
        """
        run = self.run
        found = segment.labels(self.decode(emg), starts, run.window, run.span, run.step)
        return found.astype(np.float32)

    @property
    def n_macs(self):
        """Multiply-accumulates for each sample."""
        return self.filter.n_macs

    @property
    def look_ahead(self):
        """Samples after a discharge that its decision needs: one that shows a higher peak."""
        return self.filter.seen_ahead + refractory(self.fs)

    def decode(self, emg):
        """Discharge times of each motor unit as samples of `emg`, (channels, samples) in uV."""
        return self.filter.decode(emg)


class FilterDecoder:
    """`cbss.MotorUnitFilter`, fitted to the samples of the training windows."""

    own = ()
    unused = (
        *("epochs", "learning_rate", "weight_decay", "batch_size", "bf16", "whiten", "fit_offsets"),
        *("patience", "decay"),
    )
    ending = None  # of the file it is exported to
    trained = False
    kind, fitted = MotorUnitFilter, FittedFilter

    @staticmethod
    def check(run):
        """Every run can be carried out."""

    @classmethod
    def fit(cls, recording, run, starts, fold, progress=None):
        """Fit on one fold, for `engine.finish`; returns a `FittedFilter`."""
        yield from ()
        mask = segment.covered_samples(starts[fold.train], run.window, recording.n_samples)
        linear = cls.kind().fit(recording, mask)
        if progress is not None:
            progress.update(run.epochs)
        offsets = np.zeros(recording.n_motor_units, dtype=np.int64)
        about = channel_names(recording), recording.interpolated
        return cls.fitted(linear, run, offsets, pd.DataFrame(), *about)
