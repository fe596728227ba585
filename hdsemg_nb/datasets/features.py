"""Features that tell synthetic from real recordings."""

import numpy as np
import pandas as pd
from scipy.signal import welch

from hdsemg_nb.discharges import discharge_rate, interval_cov
from hdsemg_nb.segment import spike_triggered_average

_UNIT_FEATURES = ("common_share", "width", "peak_to_peak_uv", "rate", "interval_cov")


def compare(recordings):
    """Features of recordings side by side, synthetic or real.

    Parameters
    ----------
    recordings : iterable of recording.Recording

    Returns
    -------
    pandas.DataFrame
        One row per recording: subject, mvc, source; n_motor_units; and, averaged over channels
        or motor units, mean_frequency and median_frequency in Hz, rms_uv, channel_correlation
        (magnitude, over pairs of channels), common_share (energy of the channels' mean in the
        action potentials), width (samples in which an action potential, over all channels, has
        more than a tenth of its largest energy), peak_to_peak_uv (largest channel), rate in 1/s
        and interval_cov, pnr in dB.
    """
    return pd.DataFrame([_features(recording) for recording in recordings])


def _features(recording):
    frequency, power = welch(recording.emg, recording.fs, nperseg=2048, axis=1)
    share = np.cumsum(power, axis=1) / power.sum(axis=1, keepdims=True)
    upper = np.triu_indices(recording.n_channels, 1)
    units = [_unit_features(recording, times) for times in recording.discharges]
    return {
        "subject": recording.subject,
        "mvc": recording.mvc,
        "source": recording.source,
        "n_motor_units": recording.n_motor_units,
        "mean_frequency": float(np.mean(power @ frequency / power.sum(axis=1))),
        "median_frequency": float(np.mean(frequency[(share >= 0.5).argmax(axis=1)])),
        "rms_uv": float(recording.emg.std(axis=1).mean()),
        "channel_correlation": float(np.abs(np.corrcoef(recording.emg)[upper]).mean()),
        **pd.DataFrame(units, columns=_UNIT_FEATURES).mean().to_dict(),
        "pnr": float(recording.pnr.mean()) if len(recording.pnr) else float("nan"),
    }


def _unit_features(recording, times):
    average = spike_triggered_average(recording.emg, times, 200)
    energy = np.square(average).sum(axis=0)
    common = np.square(average.mean(axis=0)).sum() * len(average)
    return (
        common / energy.sum(),
        np.count_nonzero(energy > 0.1 * energy.max()),
        np.ptp(average, axis=1).max(),
        discharge_rate(times, recording.fs),
        interval_cov(times, recording.fs),
    )


def summarise(recordings):
    """Table 1: motor units per recording, pulse-to-noise ratio and discharge rate by intensity.

    The paper does not say over what it averages; here n_motor_units is over recordings, pnr_db and
    discharge_rate are over all motor units of the recordings together.

    Parameters
    ----------
    recordings : iterable of recording.Recording

    Returns
    -------
    pandas.DataFrame
        One row per intensity and metric: mvc (in %, then "all"), metric
        (n_motor_units, pnr_db, discharge_rate in 1/s), n (recordings or motor units
        averaged), mean, sd (of the sample), least, most.
    """
    counts, units = [], []
    for recording in recordings:
        counts.append((recording.mvc, recording.n_motor_units))
        for times, pnr in zip(recording.discharges, recording.pnr, strict=True):
            units.append((recording.mvc, pnr, discharge_rate(times, recording.fs)))
    counts = pd.DataFrame(counts, columns=["mvc", "n_motor_units"])
    units = pd.DataFrame(units, columns=["mvc", "pnr_db", "discharge_rate"])
    values = pd.concat([x.melt("mvc", var_name="metric").dropna() for x in (counts, units)])
    whole = values["mvc"].map(lambda mvc: int(mvc) if mvc == round(mvc) else mvc)
    both = pd.concat([values.assign(mvc=whole.astype(object)), values.assign(mvc="all")])
    grouped = both.groupby(["mvc", "metric"], sort=False)["value"]
    table = grouped.agg(n="count", mean="mean", sd="std", least="min", most="max").reset_index()
    return table.sort_values("metric", kind="stable", ignore_index=True)
