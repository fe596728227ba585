"""The adaptive motor-unit filter as a decoder: it follows the signal it decodes, without labels."""

from hdsemg_nb.cbss import AdaptiveFilter
from hdsemg_nb.decoders.motor_unit_filter import FilterDecoder


class AdaptiveDecoder(FilterDecoder):
    """`cbss.AdaptiveFilter`, fitted to the samples of the training windows.

    Its `predict` and `decode` adapt to the whole signal they are given, what comes after the
    windows among it, and to no label.
    """

    kind = AdaptiveFilter
