"""The motor units of a recording: what each is like, and which of its discharges look wrong."""

from dataclasses import replace

import numpy as np
import pandas as pd

from hdsemg_nb.cbss import MotorUnitFilter, pulse_to_noise_ratio, silhouette
from hdsemg_nb.cbss.covariance import oversampling
from hdsemg_nb.cbss.filter import LARGEST_LAG, N_LAGS, peaks
from hdsemg_nb.discharges import discharge_rate, interval_cov

DOUBLET_S = 0.02  # two discharges closer than this are a doublet, or one of them is wrong
BOUT_PAUSE_S = 2.0  # a longer silence ends a contraction
FEWEST_IN_BOUT = 3  # discharges that make a contraction of a motor unit
LONG_GAP = 1.5  # times the median of the intervals around
N_AROUND = 10  # intervals that the median is of


def fittable(recording, mask=None):
    """Motor units with enough discharges for a filter: two, one of them away from the ends.

    Parameters
    ----------
    recording : recording.Recording
    mask : numpy.ndarray of bool, shape (samples,), optional
        Training samples, in which they have to lie; default all.

    Returns
    -------
    numpy.ndarray of bool, shape (motor units,)
    """
    border = oversampling(recording.fs) * (LARGEST_LAG + N_LAGS // 2)
    last = recording.n_samples - border
    mask = np.ones(recording.n_samples, bool) if mask is None else mask
    trains = [times[mask[times]] for times in recording.discharges]
    found = [len(t) > 1 and ((t >= border) & (t <= last)).any() for t in trains]
    return np.array(found, dtype=bool)


def with_units(recording, kept):
    """The recording with some of its motor units.

    Parameters
    ----------
    recording : recording.Recording
    kept : array_like of bool, shape (motor units,)
    """
    trains = [times for times, one in zip(recording.discharges, kept, strict=True) if one]
    return replace(recording, discharges=trains, pnr=recording.pnr[np.asarray(kept, bool)])


def _sources(recording):
    """Source and threshold of the filter of each motor unit; zeros where it cannot be fitted."""
    kept = fittable(recording)
    sources = np.zeros((len(kept), recording.n_samples), dtype=np.float32)
    thresholds = np.zeros(len(kept))
    if kept.any() or not len(kept):  # without a motor unit the filter says what to do
        fitted = MotorUnitFilter().fit(with_units(recording, kept))
        sources[kept], thresholds[kept] = fitted.source(recording.emg), fitted.thresholds_
    return sources, thresholds


def motor_unit_table(recording):
    """What each motor unit is like.

    Parameters
    ----------
    recording : recording.Recording

    Returns
    -------
    pandas.DataFrame
        Per motor unit: motor_unit, n_discharges, rate_pps and interval_cov (of the intervals below
        0.4 s), doublets (intervals below `DOUBLET_S`), pnr_db and silhouette, both of the source of
        the filter, whatever the file says, NaN for motor units that are not `fittable`. With a
        force: recruitment and derecruitment, the force at the first and last discharge, mean over
        the contractions (`BOUT_PAUSE_S`).
    """
    rows, fs, (sources, _) = [], recording.fs, _sources(recording)
    for unit, (times, source) in enumerate(zip(recording.discharges, sources, strict=True)):
        row = {
            "motor_unit": unit,
            "n_discharges": len(times),
            "rate_pps": discharge_rate(times, fs),
            "interval_cov": interval_cov(times, fs),
            "doublets": int((np.diff(times) < DOUBLET_S * fs).sum()),
            "pnr_db": pulse_to_noise_ratio(source, times, fs),
            "silhouette": silhouette(source, times, fs),
        }
        rows.append(row | _thresholds(times, recording))
    return pd.DataFrame(rows)


def _thresholds(times, recording):
    """Force at recruitment and derecruitment; nothing without a force."""
    if recording.force is None:
        return {}
    ends = np.flatnonzero(np.diff(times) > BOUT_PAUSE_S * recording.fs) + 1
    bouts = [bout for bout in np.split(times, ends) if len(bout) >= FEWEST_IN_BOUT]
    if not bouts:
        return {"recruitment": np.nan, "derecruitment": np.nan}
    first, last = (recording.force[[bout[end] for bout in bouts]].mean() for end in (0, -1))
    return {"recruitment": float(first), "derecruitment": float(last)}


def suspicious_discharges(recording):
    """Discharges that look wrong, by rule.

    *Too close*: of two discharges less than `DOUBLET_S` apart the one where the source of the
    filter is lower; it is to be removed when the source is below the filter's threshold there, and
    kept otherwise: a doublet. *Missed*: a peak of the source above the threshold in an interval of
    more than `LONG_GAP` times the median of the intervals around; it is to be added.

    Parameters
    ----------
    recording : recording.Recording
        Motor units that are not `fittable` have no source to judge by: of those the discharges that
        are too close are listed and kept.

    Returns
    -------
    pandas.DataFrame
        In the order of time for each unit: motor_unit, sample, time_s, rule ("too close" or
        "missed"), source (of the filter, about 1 at a discharge), action ("remove", "keep" or
        "add").
    """
    fs, rows = recording.fs, []
    units = zip(recording.discharges, *_sources(recording), strict=True)
    for unit, (times, source, threshold) in enumerate(units):
        close = [
            (sample, "too close", "remove" if source[sample] < threshold else "keep")
            for sample in _lower_of_close(times, source, fs)
        ]
        missed = [(sample, "missed", "add") for sample in _missed(times, source, threshold, fs)]
        rows += [
            (unit, sample, sample / fs, rule, source[sample], action)
            for sample, rule, action in sorted(close + missed)
        ]
    columns = ["motor_unit", "sample", "time_s", "rule", "source", "action"]
    return pd.DataFrame(rows, columns=columns)


def _lower_of_close(times, source, fs):
    """Of each two discharges that are too close, the one where the source is lower."""
    first = np.flatnonzero(np.diff(times) < DOUBLET_S * fs)
    later = source[times[first + 1]] < source[times[first]]
    return sorted(set(times[first + later].tolist()))


def _missed(times, source, threshold, fs):
    """Peaks of the source above the threshold in long intervals, away from their ends."""
    intervals = np.diff(times)
    if len(intervals) < 2:
        return []
    around = pd.Series(intervals).rolling(N_AROUND + 1, center=True, min_periods=2).median()
    found = peaks(source, fs, threshold)
    within = np.searchsorted(times, found) - 1  # number of the interval
    inside = (within >= 0) & (within < len(intervals))
    found, within = found[inside], within[inside]
    long = intervals[within] > LONG_GAP * around.to_numpy()[within]
    away = np.minimum(found - times[within], times[within + 1] - found) >= DOUBLET_S * fs
    return found[long & away].tolist()


def corrected(recording, suspicious):
    """The recording with suspicious discharges removed and added, as their `action` says.

    Parameters
    ----------
    recording : recording.Recording
        Stays as it is.
    suspicious : pandas.DataFrame
        From `suspicious_discharges`; change `action` to decide otherwise.

    Returns
    -------
    recording.Recording
        Its `pnr` is unknown where discharges changed.
    """
    if unknown := set(suspicious["action"]) - {"remove", "keep", "add"}:
        raise ValueError(f"action {sorted(unknown)} is unknown; choose remove, keep or add")
    trains, pnr = list(recording.discharges), recording.pnr.copy()
    for unit, rows in suspicious[suspicious["action"] != "keep"].groupby("motor_unit"):
        removed, added = (rows.loc[rows["action"] == do, "sample"] for do in ("remove", "add"))
        trains[unit] = np.union1d(np.setdiff1d(trains[unit], removed), added).astype(np.int64)
        pnr[unit] = np.nan
    return replace(recording, discharges=trains, pnr=pnr)
