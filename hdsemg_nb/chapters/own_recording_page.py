"""The report of notebook 09: what it shows, in one file, each table with what its columns mean."""

import base64
import html

import pandas as pd
from IPython.display import HTML, Image

from hdsemg_nb import paths
from hdsemg_nb.discharges import PAUSE_S
from hdsemg_nb.motor_units import DOUBLET_S

COLUMNS = {  # in the tables of the notebook
    "channel": "numbered from 0, row by row over a known grid, else as in the file",
    "rms_uv": "root mean square of the EMG (µV)",
    "flat_percent": "time in which the channel stood still (%)",
    "clipped_percent": "samples at its largest or smallest value (%)",
    "noise": "power above a quarter of the sampling frequency, in that of the median channel",
    "mains_percent": "power of 50 or 60 Hz and harmonics (% of that of 10-500 Hz)",
    "bridged_with": "channel of nearly the same signal; -1: none",
    "rate_pps": f"mean discharge rate (1/s), without pauses from {PAUSE_S:g} s on",
    "interval_cov": "coefficient of variation of the inter-discharge intervals, without the pauses",
    "doublets": f"intervals below {1000 * DOUBLET_S:g} ms",
    "pnr_db": "pulse-to-noise ratio of the source of the motor-unit filter fitted here (dB)",
    "silhouette": "of the same source, at most 1",
    "recruitment": "force at the first discharge, in its unit; the recruitment threshold where the "
    "recording holds the beginning of the contraction",
    "derecruitment": "force at the last discharge, likewise",
    "rule": f"too close: less than {1000 * DOUBLET_S:g} ms from another; missed: a peak of the "
    "source in a long interval",
    "source": "height of the source there, about 1 at a discharge",
    "n_as_read": "discharges before the correction",
    "n_corrected": "and after it",
    "f1": "F1 of the windows of 20 samples, at most 1",
    "rate_of_agreement": "discharges in both spike trains, as a share of those in either, after a "
    "constant lag of each motor unit was removed",
    "interval_error_ms": "root mean square error of the inter-discharge intervals (ms)",
    "motor_units": "trained, mean over the folds",
    "training_seconds": "of one fold: processor time, all cores together (s)",
    "delay_ms": "signal after a discharge that its decision waits for (ms), without computation",
    "computing_percent": "of one processor core, to decode in real time",
    "labelled_as": "motor unit of the file that agrees best; -1: none",
    "lag_ms": "constant lag of the decoded discharges behind the labelled ones (ms), removed first",
    "cov_labelled": "coefficient of variation of the inter-discharge intervals",
    "cov_decoded": "the same of the decoded ones",
}


class Page:
    """What a notebook shows, collected for one HTML file that needs nothing beside it."""

    def __init__(self, title):
        self.title, self.parts = title, []

    def show(self, shown, heading=""):
        """Collect a table, a figure or a sentence, below a heading; returns it, to be shown."""
        self.parts.append(f"<h2>{html.escape(heading)}</h2>" if heading else "")
        self.parts += [_as_html(shown), _legend(shown)]
        return HTML(_as_html(shown)) if isinstance(shown, str) else shown

    def write(self, path):
        """Write the page; returns its path."""
        style = "body{font-family:sans-serif;max-width:60em;margin:2em auto}td,th{padding:0 .6em}"
        style += ".legend{font-size:smaller}"
        head = f"<meta charset='utf-8'><title>{html.escape(self.title)}</title>"
        body = "\n".join([f"<h1>{html.escape(self.title)}</h1>", *self.parts])
        paths.write_whole(path, f"<!doctype html>{head}<style>{style}</style>{body}")
        return path


def _as_html(shown):
    if isinstance(shown, Image):
        picture = base64.b64encode(shown.data).decode()
        return f"<img width='100%' src='data:image/png;base64,{picture}'>"
    if isinstance(shown, pd.DataFrame):
        return shown.to_html(border=0, float_format="%.3g", na_rep="")
    return f"<p>{html.escape(shown)}</p>"


def _legend(shown):
    """What the columns of a table mean."""
    columns = shown.reset_index() if isinstance(shown, pd.DataFrame) else ()
    known = [f"<i>{name}</i>: {COLUMNS[name]}" for name in columns if name in COLUMNS]
    return f"<p class='legend'>{'; '.join(known)}.</p>" if known else ""
