"""What the networks make of other readings of the paper's label: its span and its centre."""

from dataclasses import replace

import pandas as pd

from hdsemg_nb import metrics, segment, sweep
from hdsemg_nb.trends import KEYS, trends

READING = ["span", "offset"]


def shifted(recording, offset):
    """The recording with every discharge time moved by a constant.

    Parameters
    ----------
    recording : recording.Recording
    offset : int
        Samples to add; discharges that leave the signal are dropped.

    Returns
    -------
    recording.Recording
    """
    moved = [times + offset for times in recording.discharges]
    kept = [times[(times >= 0) & (times < recording.n_samples)] for times in moved]
    return replace(recording, discharges=kept)


def run_readings(recordings, entries, offsets, folder, seed=0, workers=0, progress=True):
    """Train and test networks on labels of both spans and of several centres.

    Parameters
    ----------
    recordings : sequence of recording.Recording
    entries : list of dict
        Runs, see `sweep.expand`; each is computed with span "step" and with span "window".
    offsets : list of int
        Samples by which the centre of the label stands after the discharge.
    folder : str or pathlib.Path
        Of results; what is there is not computed again.
    seed : int
        Of the entries that name none.
    workers, progress
        See `sweep.run`.

    Returns
    -------
    pandas.DataFrame
        `results.load` of all, with the column offset.
    """
    runs = [replace(r, span=span) for span in segment.SPANS for r in sweep.expand(entries, seed)]
    moved = [(offset, shifted(recording, offset)) for recording in recordings for offset in offsets]
    offset_of = {recording.digest: offset for offset, recording in moved}
    counts = sweep.run([one for _, one in moved], runs, folder, workers=workers, progress=progress)
    return counts.assign(offset=counts["recording_digest"].map(offset_of))


def reading_scores(counts):
    """Scores of every reading, recording, network, window and step.

    Parameters
    ----------
    counts : pandas.DataFrame
        From `run_readings`.

    Returns
    -------
    pandas.DataFrame
        span, offset, subject, mvc, network, window, step, the columns of
        `metrics.recording_scores`, training_s_per_epoch.
    """
    by = [*READING, *KEYS]
    seconds = (
        counts.groupby(by, dropna=False)["epoch_seconds"].mean().rename("training_s_per_epoch")
    )
    return metrics.score_table(counts, by).merge(seconds, on=by)


def reading_trends(scores):
    """Which of the paper's eight trends each reading shows.

    Parameters
    ----------
    scores : pandas.DataFrame
        From `reading_scores`.

    Returns
    -------
    pandas.DataFrame
        The columns of `trends.trends` after span and offset.
    """
    tables = []
    for (span, offset), of_reading in scores.groupby(READING, sort=False):
        table = trends(of_reading)
        table.insert(0, "offset", offset)
        table.insert(0, "span", span)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def verdicts(trends):
    """How many trends each reading shows, contradicts, and cannot tell.

    Parameters
    ----------
    trends : pandas.DataFrame
        From `reading_trends`.

    Returns
    -------
    pandas.DataFrame
        One row per reading: span, offset, agrees, does_not, cannot_be_told (numbers of trends),
        shown (names of those that agree).
    """
    verdict = trends["agrees"].str.split(":").str[0].str.replace(" ", "_")
    names = ["agrees", "does_not", "cannot_be_told"]
    table = pd.crosstab([trends[name] for name in READING], verdict).reindex(columns=names)
    shown = trends[trends["agrees"] == "agrees"].groupby(READING)["trend"].agg(", ".join)
    table = table.fillna(0).astype(int).assign(shown=shown).fillna({"shown": ""})
    table.columns.name = None
    return table.reset_index()
