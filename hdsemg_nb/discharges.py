"""Discharge times: from decoded windows to spike trains, their agreement, rates and intervals.

A spike train is a sorted array of discharge times in samples. Two trains are compared one to one in
the order of time: a discharge agrees with at most one other, however many lie near it.
"""

from collections import namedtuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.signal import fftconvolve
from scipy.signal.windows import hann

from hdsemg_nb.metrics import Counts, binary
from hdsemg_nb.recording import discharge_times

PAUSE_S = 0.4  # longer inter-discharge intervals are pauses, left out of rate and variability
REFRACTORY_MS = 10.0  # least time between two discharges of a motor unit
SMOOTHING_S = 0.4  # of discharge rates (De Luca & Erim 1994, doi:10.1016/0166-2236(94)90064-7)


def refractory(fs):
    """`REFRACTORY_MS` in samples, at least 1."""
    return max(1, round(REFRACTORY_MS * fs / 1000))


def decoded_discharges(decoded, starts, window, fs):
    """Spike trains from decoded windows.

    Each window that decodes a discharge stands for one at the window's centre, which is the centre
    of its label. Positive windows whose centres lie less than `REFRACTORY_MS` after the
    first of them are one discharge, at their mean.

    Parameters
    ----------
    decoded : array_like of bool, shape (windows, motor units)
    starts : array_like of int, shape (windows,)
        First sample of each window, in the order of time.
    window : int
        Window W in samples.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    list of numpy.ndarray of int64
        Discharge times of each motor unit as samples. A time cannot be finer than the step.

    Raises
    ------
    ValueError
        When `decoded` holds anything but 0 and 1 (probabilities, NaN), or not a row for each start.
    """
    decoded, centres = binary(decoded, "decoded"), discharge_times(starts, "starts") + window // 2
    if len(decoded) != len(centres):
        raise ValueError(f"decoded has {len(decoded)} windows, starts {len(centres)}")
    return [_merged(centres[column], REFRACTORY_MS * fs / 1000) for column in decoded.T]


def _merged(times, least):
    """Mean of each group of times that lie less than `least` after the first of the group."""
    merged = []
    while len(times):
        group = times[times - times[0] < least]
        merged.append(round(group.mean()))
        times = times[len(group) :]
    return np.array(merged, dtype=np.int64)


def _checked(reference, found):
    return discharge_times(reference, "reference"), discharge_times(found, "found")


def _pairs(reference, found, fs, tolerance_ms):
    """Positions in both trains of the discharges that agree; no other matching has more pairs."""
    reference, found = reference.tolist(), found.tolist()
    tolerance = tolerance_ms * fs / 1000 + 1e-9
    pairs, i, j = [], 0, 0
    while i < len(reference) and j < len(found):
        distance = found[j] - reference[i]
        if abs(distance) <= tolerance:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif distance > 0:
            i += 1
        else:
            j += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def match_discharges(reference, found, fs, tolerance_ms=1.0):
    """Count discharges that agree, one to one, in the order of time.

    Parameters
    ----------
    reference, found : array_like of int, sorted
        Discharge times as samples.
    fs : float
        Sampling frequency in Hz.
    tolerance_ms : float
        Two discharges agree when at most this far apart, in ms.

    Returns
    -------
    metrics.Counts
        Three ints: matched, only in `found`, only in `reference`.

    Raises
    ------
    ValueError
        As everywhere in this module, when a train is not one of whole, strictly increasing samples
        (`recording.discharge_times`).
    """
    matched = len(_pairs(*_checked(reference, found), fs, tolerance_ms))
    return Counts(matched, len(found) - matched, len(reference) - matched)


class Agreement(namedtuple("Agreement", "rate lag_ms matched only_found only_reference")):
    """Agreement of two spike trains, see `rate_of_agreement`."""


def rate_of_agreement(reference, found, fs, tolerance_ms=0.5, largest_lag_ms=30.0):
    """Rate of agreement of two spike trains after removing the constant lag between them.

    matched / (matched + only in found + only in reference) discharges, matched one to one in the
    order of time, at the lag where most of them agree (of several such, the one where most of the
    reference have a found one near, then with most exact coincidences, then the smallest).

    Parameters
    ----------
    reference, found : array_like of int, sorted
        Discharge times as samples.
    fs : float
        Sampling frequency in Hz.
    tolerance_ms : float
        Two discharges agree when at most this far apart, in ms.
    largest_lag_ms : float
        Largest constant lag tried to both sides, in ms; 0 to remove none.

    Returns
    -------
    Agreement
        rate (0 when neither has a discharge), lag_ms (found after reference), matched,
        only_found, only_reference.
    """
    reference, found = _checked(reference, found)
    lag = _common_lag(reference, found, fs, tolerance_ms, largest_lag_ms)
    c = match_discharges(reference, found - lag, fs, tolerance_ms)
    return Agreement(c.tp / max(sum(c), 1), 1000 * lag / fs, *c)


def _common_lag(reference, found, fs, tolerance_ms, largest_lag_ms):
    """Samples by which `found` comes after `reference`, 0 when one of them is empty.

    A lag cannot match more discharges than have one near, so only lags whose number of those is
    above what others have matched are tried: mostly one.
    """
    if len(reference) == 0 or len(found) == 0:
        return 0
    largest, tolerance = round(largest_lag_ms * fs / 1000), int(tolerance_ms * fs / 1000 + 1e-9)
    first = min(reference[0], found[0]) - largest
    train = np.zeros(max(reference[-1], found[-1]) - first + largest + 1)
    train[found - first] = 1
    near = np.convolve(train, np.ones(2 * tolerance + 1), "same") > 0
    lags = np.arange(-largest, largest + 1)
    at = reference[:, None] - first + lags
    with_near, exact = near[at].sum(axis=0), train[at].sum(axis=0)
    best, most = 0, -1
    for k in np.lexsort((np.abs(lags), -exact, -with_near)):
        if with_near[k] <= most:
            break
        matched = len(_pairs(reference, found - lags[k], fs, tolerance_ms))
        if matched > most:
            best, most = int(lags[k]), matched
    return best


def match_motor_units(reference, found, fs):
    """Best match of each reference motor unit among the found ones, one to one.

    Parameters
    ----------
    reference, found : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    pandas.DataFrame
        One row for each reference motor unit: motor_unit, found (number of its match, -1 without),
        rate_of_agreement (0 without), lag_ms (NaN without), matched, only_found, only_reference.
    """
    pairs = [[rate_of_agreement(one, other, fs) for other in found] for one in reference]
    rates = [pair.rate for row in pairs for pair in row]
    rates = np.reshape(rates, (len(reference), len(found)))
    rows = [(unit, -1, 0.0, np.nan, 0, 0, len(times)) for unit, times in enumerate(reference)]
    for unit, match in zip(*linear_sum_assignment(-rates), strict=True):
        if rates[unit, match] > 0:
            rows[unit] = (unit, match, *pairs[unit][match])
    names = "motor_unit found rate_of_agreement lag_ms matched only_found only_reference".split()
    return pd.DataFrame(rows, columns=names)


def label_score(reference, found, fs):
    """Sum of the F1 of the motor units that were found again: the score of MUnitQuest (2026).

    The rule of the competition (https://munitquest.github.io), where labels are complete: of motor
    units found twice the later is dropped; each pair of a reference and a found unit has an F1,
    after removing a common lag of at most 10 ms, of discharges that agree one to one within 1 ms;
    pairs are assigned so that the sum of F1 is largest; those of at least 0.5 count.

    Choices where its text is open: the lag is the one with most discharges in agreement; two found
    units are one when 30 % of the discharges of the smaller agree so; a dropped unit drops none.

    Parameters
    ----------
    reference, found : sequence of array_like of int
        Discharge times of each motor unit as sorted samples.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    float
        From 0 to the number of reference motor units.
    """

    def agreed(one, other):
        return rate_of_agreement(one, other, fs, 1.0, largest_lag_ms=10.0).matched

    kept = []
    for train in found:
        if all(agreed(one, train) < 0.3 * max(min(len(one), len(train)), 1) for one in kept):
            kept.append(train)
    f1 = [[2 * agreed(a, b) / max(len(a) + len(b), 1) for b in kept] for a in reference]
    f1 = np.reshape(f1, (len(reference), len(kept)))
    best = f1[linear_sum_assignment(-f1)]
    return float(best[best >= 0.5].sum())


def discharge_intervals(discharges, fs):
    """Inter-discharge intervals in s, without the pauses of `PAUSE_S` and longer.

    Parameters
    ----------
    discharges : array_like of int
        Discharge times of one motor unit as sorted samples.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    numpy.ndarray of float
    """
    intervals = np.diff(discharge_times(discharges)) / fs
    return intervals[intervals < PAUSE_S]


def discharge_rate(discharges, fs):
    """Mean discharge rate in 1/s, over `discharge_intervals`; NaN without one."""
    intervals = discharge_intervals(discharges, fs)
    return float(1 / intervals.mean()) if len(intervals) else float("nan")


def interval_cov(discharges, fs):
    """Coefficient of variation of the `discharge_intervals`; infinite with fewer than two."""
    intervals = discharge_intervals(discharges, fs)
    return float(intervals.std() / intervals.mean()) if len(intervals) > 1 else float("inf")


def interval_errors(reference, found, fs, tolerance_ms=1.0):
    """Errors of the inter-discharge intervals between discharges that both trains have.

    Parameters
    ----------
    reference, found, fs, tolerance_ms
        As for `match_discharges`; a constant lag does not matter within the tolerance.

    Returns
    -------
    numpy.ndarray of float
        Found interval minus reference interval in ms, for each two consecutive discharges of the
        reference (no pause between them) whose matches are consecutive as well.
    """
    reference, found = _checked(reference, found)
    pairs = _pairs(reference, found, fs, tolerance_ms)
    consecutive = (np.diff(pairs, axis=0) == 1).all(axis=1)
    a, b = np.diff(reference[pairs[:, 0]]), np.diff(found[pairs[:, 1]])
    kept = consecutive & (a < PAUSE_S * fs)
    return 1000 * (b - a)[kept] / fs


def smoothed_rate(discharges, n_samples, fs):
    """Discharge rate over time: the spike train under a Hann window of `SMOOTHING_S`, of unit area.

    Parameters
    ----------
    discharges : array_like of int
        Discharge times as samples; of several motor units together for the cumulative spike train.
    n_samples : int
        Length of the signal.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    numpy.ndarray of float, shape (samples,)
        In 1/s. As if there were no discharge beyond the ends of the signal.
    """
    discharges = discharge_times(discharges, n_samples=n_samples, ordered=False)
    train = np.bincount(discharges, minlength=n_samples)
    return fftconvolve(train, rate_of_one(fs), "same")


def rate_of_one(fs):
    """What one discharge adds to the rate, in 1/s: the Hann window, the discharge in its middle."""
    window = hann(round(SMOOTHING_S * fs) // 2 * 2 + 1)
    return fs * window / window.sum()


def rate_correlation(reference, found, mask, fs):
    """Correlation of two smoothed discharge rates over time.

    Parameters
    ----------
    reference, found : array_like of int
        Discharge times of a motor unit, or of all together: then it is the correlation of the
        cumulative spike trains, the estimates of the neural drive.
    mask : numpy.ndarray of bool, shape (samples,)
        Samples to compare (`segment.covered_samples`); no discharge outside counts.
    fs : float
        Sampling frequency in Hz.

    Returns
    -------
    float
        Pearson's r; NaN when one of the trains has no discharge there.
    """
    trains = []
    for name, times in dict(reference=reference, found=found).items():
        times = discharge_times(times, name, ordered=False)
        times = times[(times >= 0) & (times < len(mask))]  # a lag can lead out
        trains.append(times[mask[times]])
    if min(map(len, trains)) == 0:
        return float("nan")
    return float(np.corrcoef([smoothed_rate(t, len(mask), fs)[mask] for t in trains])[0, 1])
