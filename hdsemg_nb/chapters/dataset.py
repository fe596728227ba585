"""What the recordings are like, and how far their labels can be trusted (notebook 01).

``python -m hdsemg_nb.chapters.dataset`` computes results/cohort_features.csv,
results/blind_separation.csv and results/pipeline_example.csv again; with their names behind it,
only those.
"""

import sys

import numpy as np
import pandas as pd
from scipy.signal import welch

from hdsemg_nb import cbss, params, paths, tables
from hdsemg_nb.chapters.dataset_figures import busiest
from hdsemg_nb.datasets import fetch_sample, load_recordings, synthetic_cohort
from hdsemg_nb.decoders import Run
from hdsemg_nb.discharges import discharge_rate, interval_cov
from hdsemg_nb.segment import spike_triggered_average
from hdsemg_nb.train import cross_validate

EXAMPLE = Run("ML-DCNN", 60, 20)  # of Figure 1: under the paper's protocol
DATA = {  # kinds of data, and what their figures and tables are stamped with
    "synthetic": "SYNTHETIC data",
    "hug2021": "Hug et al. 2021",
    "sample": "real recording (openhdemg sample)",
}
ABOUT = ["data", "recording", "subject", "mvc", "seconds", "n_motor_units"]
SIGNAL = ["n_flat_channels", "rms_uv", "mean_frequency", "median_frequency", "channel_correlation"]
UNIT = ["discharge_rate", "interval_cov", "pnr_db", "common_share", "width_ms", "peak_to_peak_uv"]


def features(recordings, data):
    """Features of recordings and of their motor units.

    Parameters
    ----------
    recordings : iterable of recording.Recording
    data : {"synthetic", "hug2021", "sample"}

    Returns
    -------
    pandas.DataFrame
        One row per motor unit, one for a recording without any. Of the recording: data, recording
        (its number), subject, mvc in %, seconds, n_motor_units, n_flat_channels (constant, and
        left out of all that follows), rms_uv, mean_frequency and median_frequency in Hz,
        channel_correlation (magnitude, over pairs of channels). Of the motor unit: motor_unit,
        discharge_rate in 1/s, interval_cov, pnr_db, common_share (energy of the channels' mean in
        the action potential), width_ms (in which it has more than a tenth of its largest energy),
        peak_to_peak_uv (largest channel). NaN is what cannot be measured.
    """
    rows = []
    for number, recording in enumerate(recordings):
        live = recording.emg[np.ptp(recording.emg, axis=1) > 0]
        about = [data, number, recording.subject, recording.mvc, recording.duration]
        about += [recording.n_motor_units, recording.n_channels - len(live)]
        about += _signal(live, recording.fs)
        units = zip(recording.discharges, recording.pnr, strict=True)
        units = [[n, *_unit(live, recording.fs, *unit)] for n, unit in enumerate(units)]
        rows += [about + unit for unit in units or [[np.nan] * (1 + len(UNIT))]]
    return pd.DataFrame(rows, columns=[*ABOUT, *SIGNAL, "motor_unit", *UNIT])


def _signal(emg, fs):
    """The features of SIGNAL after the first."""
    if len(emg) == 0:
        return [np.nan] * 4
    frequency, power = welch(emg, fs, nperseg=min(round(fs), emg.shape[1]), axis=1)
    share = np.cumsum(power, axis=1) / power.sum(axis=1, keepdims=True)
    pairs = np.abs(np.corrcoef(emg))[np.triu_indices(len(emg), 1)] if len(emg) > 1 else [np.nan]
    mean = np.mean(power @ frequency / power.sum(axis=1))
    median = np.mean(frequency[(share >= 0.5).argmax(axis=1)])
    return [emg.std(axis=1, dtype=float).mean(), mean, median, np.mean(pairs)]


def _unit(emg, fs, times, pnr):
    """The features of UNIT."""
    average = spike_triggered_average(emg, times, round(0.1 * fs))
    energy = np.square(average).sum(axis=0)
    shape = [np.nan] * 3
    if energy.any():  # else no discharge has the signal around it
        share = len(average) * np.square(average.mean(axis=0)).sum() / energy.sum()
        width = 1000 * np.count_nonzero(energy > 0.1 * energy.max()) / fs
        shape = [share, width, np.ptp(average, axis=1).max()]
    cov = interval_cov(times, fs)
    return [discharge_rate(times, fs), cov if np.isfinite(cov) else np.nan, pnr, *shape]


def table_01(table):
    """Table 1: motor units per recording, pulse-to-noise ratio, discharge rate by intensity.

    The paper does not say over what it averages; here n_motor_units is over recordings, pnr_db and
    discharge_rate are over all motor units of the recordings together.

    Parameters
    ----------
    table : pandas.DataFrame
        From `features`.

    Returns
    -------
    pandas.DataFrame
        One row per kind of data, intensity and metric: data, mvc (in %, "unknown", then "all"),
        metric, n (recordings or motor units averaged), mean, sd (of the sample), least, most.
    """
    table = table.assign(mvc=[_percent(mvc) for mvc in table["mvc"]])
    recordings = table.drop_duplicates(["data", "recording"])
    metrics = [(recordings, "n_motor_units"), (table, "pnr_db"), (table, "discharge_rate")]
    long = [rows.melt(["data", "mvc"], [name], "metric") for rows, name in metrics]
    long = pd.concat([*long, *(rows.assign(mvc="all") for rows in long)])
    groups = long.groupby(["data", "metric", "mvc"], sort=False)["value"]
    means = groups.agg(n="count", mean="mean", sd="std", least="min", most="max").reset_index()
    return means.sort_values(["data", "metric"], kind="stable", ignore_index=True)


def _percent(mvc):
    return "unknown" if np.isnan(mvc) else int(mvc) if mvc == round(mvc) else mvc


def by_recording(table):
    """One row per recording: its features, and the means of its motor units'."""
    keys = [*ABOUT, *SIGNAL]
    return table.groupby(keys, sort=False, dropna=False)[UNIT].mean().reset_index()


def compare(table):
    """Means of the features over recordings, by kind of data and intensity."""
    means = by_recording(table).groupby(["data", "mvc"], sort=False, dropna=False)
    counted = means.agg(n_recordings=("recording", "size"))
    return counted.join(means[["n_motor_units", *SIGNAL, *UNIT]].mean()).reset_index()


def stamp(table):
    """Which data a figure or table of features is about, from its rows."""
    texts = []
    for data, rows in table.groupby("data", sort=False):
        n = rows["recording"].nunique()
        length = f"{rows['seconds'].min():.4g}", f"{rows['seconds'].max():.4g}"
        length = " to ".join(dict.fromkeys(length))
        texts.append(f"{DATA[data]}, {n} recording{'s' * (n > 1)} of {length} s")
    return "; ".join(texts)


def separation(recordings, data):
    """`cbss.recovery` of the first nine recordings: with a cohort, of three participants."""
    judged = cbss.recovery(recordings[:9], seed=0)
    return judged.assign(data=data)


def recovered(judged):
    """Motor units found again, by rate of agreement and by the field's score, per recording.

    found_again is the share of the labelled motor units with a rate of agreement of 0.9 or more,
    label_score_share `discharges.label_score` divided by their number.
    """
    judged = judged.assign(again=judged["rate_of_agreement"] >= 0.9)
    table = judged.groupby(["data", "subject", "mvc"], sort=False, dropna=False).agg(
        n_motor_units=("motor_unit", "size"),
        n_found=("n_found", "first"),
        found_again=("again", "mean"),
        median_agreement=("rate_of_agreement", "median"),
        label_score=("label_score", "first"),
    )
    return table.assign(label_score_share=table["label_score"] / table["n_motor_units"])


def example_probabilities(sample):
    """Probabilities of EXAMPLE in the 0.4 s around the windows of Figure 1, by its five folds."""
    result = cross_validate(sample, EXAMPLE)
    scene = busiest(sample, EXAMPLE.window, EXAMPLE.step, 4)
    first, last = scene.around(round(0.4 * sample.fs))
    shown = (result.starts >= first) & (result.starts + EXAMPLE.window <= last)
    starts = pd.Index(result.starts[shown], name="start")
    return pd.DataFrame(result.predictions[shown], starts).reset_index()


def examples(source, folder):
    """Two recordings to look at, of the synthetic cohort short ones."""
    short = dict(n_subjects=1, mvc=(10, 50), seconds=8.0) if source == "synthetic" else {}
    return load_recordings(source, folder, **short)[:2]


COMPUTED = {"cohort_features": features, "blind_separation": separation}  # files in results/
COMMITTED = ("synthetic", "sample")  # data in them
PARTICIPANTS = {"cohort_features": 16, "blind_separation": 3}  # synthetic ones


def read(name, source="synthetic", folder=""):
    """A table of results/; that of another source is computed now and stands below it."""
    table, _ = tables.load(paths.RESULTS / f"{name}.csv")
    if source in COMMITTED:
        return table
    return pd.concat([table, COMPUTED[name](load_recordings(source, folder), source)])


NOTES = {
    "cohort_features": "16 synthetic participants x 10, 30, 50 % MVC x 60 s, seed 0; the sample",
    "blind_separation": "the first three of these participants, and the sample",
    "pipeline_example": "probabilities of ML-DCNN, W = 60, S = 20, under the paper's protocol",
}


def main(names):
    """Compute committed results again, those of the names or all."""
    params.refuse_unknown(names, NOTES, "the results of notebook 01")
    sample = fetch_sample()
    for name in names or NOTES:
        if name in COMPUTED:
            cohort = synthetic_cohort(PARTICIPANTS[name], (10, 30, 50), 60.0, 0)
            given = zip([cohort, [sample]], COMMITTED, strict=True)
            table = pd.concat([COMPUTED[name](*some) for some in given])
        else:
            table = example_probabilities(sample)
        note = f"{NOTES[name]}; python -m hdsemg_nb.chapters.dataset {name}"
        tables.write(table, paths.RESULTS / f"{name}.csv", note, "%.6g")


if __name__ == "__main__":
    main(sys.argv[1:])
