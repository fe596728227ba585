"""The adaptive motor-unit filter as a decoder: it follows the signal it decodes, without labels."""

import numpy as np

from hdsemg_nb.cbss import AdaptiveFilter, AdaptiveStream
from hdsemg_nb.decoders.motor_unit_filter import FilterDecoder, FittedFilter


class FittedAdaptiveFilter(FittedFilter):
    """The adaptive motor-unit filter fitted to a recording."""

    follows = True

    def found(self, emg):
        """Discharge times as from `decode`, and the motor units that are lost."""
        now = self.filter.adapt(emg)
        return now.filter.decode(emg), np.flatnonzero(now.lost).tolist()

    @property
    def look_ahead(self):
        """Samples after a discharge that its decision needs: none beside a higher one."""
        return self.filter.seen_ahead + self.filter.rest

    def stream(self, adapting=True):
        """A `cbss.AdaptiveStream`."""
        return AdaptiveStream(self.filter, adapting)


class AdaptiveDecoder(FilterDecoder):
    """`cbss.AdaptiveFilter`, fitted to the samples of the training windows.

    Its `predict` and `decode` adapt to the whole signal they are given, what comes after the
    windows among it, and to no label.
    """

    ending = ".npz"
    kind, fitted = AdaptiveFilter, FittedAdaptiveFilter
