"""How well the discharges of a motor unit stand out in its source."""

import numpy as np

from hdsemg_nb.cbss.covariance import oversampling
from hdsemg_nb.cbss.filter import peaks
from hdsemg_nb.recording import discharge_times

REACH = 3  # samples at 2048 Hz to both sides of a discharge that are its own


def pulse_to_noise_ratio(source, discharges, fs):
    """Pulse-to-noise ratio of one motor unit.

    10 log10 of the mean squared source at the discharges over the mean square of its positive
    samples elsewhere (Holobar et al. 2014, doi:10.1088/1741-2560/11/1/016008); where it is 0 it was
    not decomposed. The source is the squared filter output with its sign, as
    `MotorUnitFilter.source` gives it and as OTBiolab+ and DEMUSE store it; on the unsquared output
    the same recordings come out about 10 dB lower.

    Parameters
    ----------
    source : numpy.ndarray, shape (samples,)
    discharges : array_like of int
        Discharge times as samples of the source; `REACH` samples to both sides of each count
        neither as pulse nor as noise.
    fs : float
        Sampling frequency in Hz: from 3 kHz on `REACH` is more samples.

    Returns
    -------
    float
        In dB; NaN without discharges or without noise.
    """
    source = np.asarray(source)
    discharges = discharge_times(discharges, n_samples=len(source))
    noise = source > 0
    noise[np.clip(_around(discharges, fs), 0, len(source) - 1)] = False
    if len(discharges) == 0 or not noise.any():
        return float("nan")
    power = np.square(source, dtype=np.float64)
    return float(10 * np.log10(power[discharges].mean() / power[noise].mean()))


def silhouette(source, discharges, fs):
    """Silhouette of the discharges of one motor unit among the peaks of its source.

    Squared distances of the peaks at the discharges to the centre of the other peaks less those to
    their own, over the larger of the two (Negro et al. 2016, doi:10.1088/1741-2560/13/2/026027).

    Parameters
    ----------
    source : numpy.ndarray, shape (samples,)
        As for `pulse_to_noise_ratio`.
    discharges : array_like of int
        Discharge times as samples of the source.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    float
        -1 to 1; NaN without discharges or without other peaks.
    """
    source = np.asarray(source)
    discharges = discharge_times(discharges, n_samples=len(source))
    found = peaks(source, fs, 0)
    others = found[~np.isin(found, _around(discharges, fs))]  # a mark may be off its peak
    if len(discharges) == 0 or len(others) == 0:
        return float("nan")
    return two_class_silhouette(source[discharges], source[others])


def _around(discharges, fs):
    """Samples of the discharges and those beside them."""
    reach = REACH * oversampling(fs)
    return discharges[:, None] + np.arange(-reach, reach + 1)


def two_class_silhouette(high, low):
    """Silhouette of the higher of two classes of heights."""
    within = ((high - high.mean()) ** 2).sum()
    between = ((high - low.mean()) ** 2).sum()
    return float((between - within) / max(within, between))
