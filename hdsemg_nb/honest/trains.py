"""Discharge level: the spike trains that decoded windows amount to, against labels and truth."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from hdsemg_nb import discharges, segment
from hdsemg_nb.cbss import NoMotorUnit, decompose
from hdsemg_nb.train import FILTER, filter_discharges

TOLERANCES_MS = (0.5, 1.0, 2.0)
LARGEST_LAG_MS = 60.0  # an action potential's centre comes up to so long after its discharge
LABELS, WINDOWED = "labels", "labels through windows"
FILTER_TRAINS = f"{FILTER}, to the sample"
SEPARATION = "blind source separation"


class Decoded(NamedTuple):
    """Spike trains of one decoder and where it was tested."""

    trains: list  # of int64 arrays, discharge times of each motor unit as samples
    mask: np.ndarray  # (samples,) bool: within the labels of the tested windows
    half_step_ms: float  # as exact as a window can tell


def decoded_trains(recording, results):
    """Spike trains of every decoder, and of the labels as the ceiling.

    Parameters
    ----------
    recording : recording.Recording
    results : dict of train.Run to train.Result
        Of `train.cross_validate` on this recording; blocked folds, so that time stays whole.

    Returns
    -------
    dict of str to Decoded
        "labels": the reference discharges as they are. "labels through windows": what a decoder
        would give that decodes every window rightly: about as well as windows of this step can
        time discharges. Then each network by its name, and the motor-unit filter twice: through
        windows like the networks, and to the sample, as it finds them.

    Raises
    ------
    ValueError
        When a network occurs twice.
    """
    decoded = {}
    for run, result in results.items():
        if run.network in decoded:
            raise ValueError(f"results hold {run.network} twice; compare one run of each network")
        mask = tested_samples(recording.n_samples, run, result)
        labels = result.labels.astype(bool)
        trains = {
            LABELS: list(recording.discharges),
            WINDOWED: _through_windows(labels, run, result, recording.fs),
            run.network: _through_windows(result.decoded, run, result, recording.fs),
        }
        if run.network == FILTER:
            folds = [found for _, found in filter_discharges(recording, run)]
            folds = zip(*folds, strict=True)
            trains[FILTER_TRAINS] = [np.unique(np.concatenate(times)) for times in folds]
        for name, found in trains.items():
            decoded.setdefault(name, Decoded(found, mask, 500 * run.step / recording.fs))
    return decoded


def _through_windows(decoded, run, result, fs):
    return discharges.decoded_discharges(decoded, result.starts, run.window, fs)


def tested_samples(n_samples, run, result):
    """Mask of the samples that the labels of the tested windows look at.

    Parameters
    ----------
    n_samples : int
        Length of the recording.
    run : runs.Run
    result : train.Result
        Of that run.

    Returns
    -------
    numpy.ndarray of bool, shape (samples,)
    """
    starts = result.starts[np.isfinite(result.predictions[:, 0])]
    low, high = segment.label_borders(starts, run.window, run.span, run.step)
    mask = np.zeros(n_samples, dtype=bool)
    for first, last in zip(low, high, strict=True):
        mask[max(first, 0) : last] = True  # a label longer than its window can leave the signal
    return mask


def separated_trains(recording, like, **options):
    """Spike trains of a blind source separation of the whole recording, matched to its labels.

    Parameters
    ----------
    recording : recording.Recording
    like : Decoded
        A decoder that it is compared with: on the same samples, at the same half step.
    **options
        For `cbss.decompose`.

    Returns
    -------
    dict of str to Decoded
        "blind source separation"; a motor unit that it does not find has no discharge. Unlike the
        decoders it saw the time that it is compared on, and no label.
    """
    try:
        found = decompose(recording, **options).recording.discharges
    except NoMotorUnit:
        found = ()
    table = discharges.match_motor_units(recording.discharges, found, recording.fs)
    trains = [found[k] if k >= 0 else np.empty(0, np.int64) for k in table["found"]]
    return {SEPARATION: like._replace(trains=trains)}


def compare_trains(recording, decoded, truth=None):
    """Agreement of each decoder's spike trains with a reference, motor unit by motor unit.

    Parameters
    ----------
    recording : recording.Recording
    decoded : dict of str to Decoded
    truth : sequence of array_like of int, optional
        True times of the very discharges that are labelled (`synthetic.Truth.discharges`), as
        reference; default the labels.

    Returns
    -------
    pandas.DataFrame
        One row per decoder and motor unit, on the tested samples: decoder, motor_unit,
        n_reference, n_found (discharges), rate of agreement one to one after removing the constant
        lag of each tolerance (roa_0.5_ms, roa_1_ms, roa_2_ms, roa_half_step), lag_ms (of the last),
        rate_correlation (of the smoothed discharge rates), interval_error_ms (root mean square,
        between discharges within half a step; NaN without any).
    """
    rows = []
    for name, one in decoded.items():
        for unit, (reference, found) in enumerate(_tested(recording, one, truth)):
            row = {"decoder": name, "motor_unit": unit}
            rows.append({**row, **_compare(reference, found, one, recording.fs)})
    return pd.DataFrame(rows)


def _compare(reference, found, one, fs):
    tolerances = {f"roa_{tolerance:g}_ms": tolerance for tolerance in TOLERANCES_MS}
    rates = {
        name: discharges.rate_of_agreement(reference, found, fs, tolerance, LARGEST_LAG_MS).rate
        for name, tolerance in tolerances.items()
    }
    half_step, aligned = _aligned(reference, found, one, fs)
    errors = discharges.interval_errors(reference, aligned, fs, one.half_step_ms)
    return {
        "n_reference": len(reference),
        "n_found": len(found),
        **rates,
        "roa_half_step": half_step.rate,
        "lag_ms": half_step.lag_ms,
        "rate_correlation": discharges.rate_correlation(reference, aligned, one.mask, fs),
        "interval_error_ms": np.sqrt(np.mean(errors**2)) if len(errors) else float("nan"),
    }


def _aligned(reference, found, one, fs):
    """Agreement within half a step, and the found train without its constant lag."""
    tolerance = one.half_step_ms, LARGEST_LAG_MS
    agreement = discharges.rate_of_agreement(reference, found, fs, *tolerance)
    return agreement, found - round(agreement.lag_ms * fs / 1000)


def _tested(recording, one, truth):
    """Reference and found discharges of each motor unit on the tested samples.

    A true discharge counts when its label lies there: with its lag it may not itself.
    """
    reference = recording.discharges if truth is None else truth
    for label, times, found in zip(recording.discharges, reference, one.trains, strict=True):
        found = np.asarray(found, dtype=np.int64)
        yield np.asarray(times)[one.mask[label]], found[one.mask[found]]


def drive_table(recording, decoded, truth=None):
    """Correlation of the cumulative spike trains: the estimate of the neural drive.

    Parameters
    ----------
    recording, decoded, truth
        As for `compare_trains`.

    Returns
    -------
    pandas.DataFrame
        One row per decoder: decoder, cst_correlation (`discharges.rate_correlation` of all motor
        units together, each train moved by its constant lag within half a step).
    """
    rows = []
    for name, one in decoded.items():
        both = [
            (reference, _aligned(reference, found, one, recording.fs)[1])
            for reference, found in _tested(recording, one, truth)
        ]
        pooled = [np.sort(np.concatenate(trains)) for trains in zip(*both, strict=True)]
        r = discharges.rate_correlation(*pooled, one.mask, recording.fs)
        rows.append({"decoder": name, "cst_correlation": r})
    return pd.DataFrame(rows)
