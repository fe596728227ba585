"""Figure of the time from a discharge to its decoding."""

import matplotlib.pyplot as plt
import numpy as np

from hdsemg_nb.figures.style import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save

DELAY_MS = 70  # shortest electromechanical delay (paper, Discussion)


@plt.rc_context(STYLE)
def draw_latency(times, step, fs, output, note):
    """Distribution of the prediction time, and of the total latency against the body's own delay.

    Parameters
    ----------
    times : pandas.DataFrame
        `latency.benchmark` of one decoder of each network and window.
    step : int
        Step S in samples, the deadline of a prediction.
    fs : float
        Sampling frequency in Hz.
    output, note : str
        See `save`; the stem is latency.

    Returns
    -------
    IPython.display.Image
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(TWO_COLUMNS, 70 * MM))
    groups = list(times.groupby(["network", "window"], sort=False)["ms"])
    styles = dict(zip(sorted(times["window"].unique()), ("-", "--", "-.", ":"), strict=False))
    for row, ((network, window), ms) in enumerate(groups):
        colour, wait = NETWORK_COLOURS[network], 1000 * window / fs
        slower = 1 - np.arange(len(ms)) / len(ms)
        left.step(np.sort(ms), slower, color=colour, ls=styles[window])
        right.barh(row, wait, color=colour, alpha=0.35, height=0.6)
        right.boxplot(wait + ms, positions=[row], **_box(colour))
    for window, style in styles.items():
        left.plot([], [], color="k", ls=style, label=f"W = {window}")
    left.legend(loc="lower left")
    left.axvline(1000 * step / fs, color="k", lw=0.6, ls=":")
    left.text(1000 * step / fs, 1, f" step, S = {step}", va="bottom", fontsize=6)
    left.set(xscale="log", yscale="log", ylim=(None, 1.6), title="a  Prediction")
    left.set(xlabel="Prediction time t (ms)", ylabel="Share of windows that take t or longer")
    right.axvline(DELAY_MS, color="#D55E00")
    right.text(DELAY_MS, -0.6, "electromechanical delay from 70 ms ", ha="right", va="bottom",
               fontsize=6, color="#D55E00")  # fmt: skip
    names = [f"{network}, W = {window}" for (network, window), _ in groups]
    right.set(yticks=range(len(groups)), ylim=(len(groups) - 0.4, -1.2), xlim=(0, None))
    right.set_yticklabels(names)
    right.set(xlabel="Whole window + prediction (ms)", title="b  Total latency")
    return save(figure, "latency", output, note)


def _box(colour):
    """Box of the quartiles with whiskers over all windows but the slowest and fastest 1 %."""
    return dict(
        whis=(1, 99),
        orientation="horizontal",
        widths=0.6,
        flierprops=dict(marker=".", ms=2, mec=colour),
        medianprops=dict(color="k"),
        manage_ticks=False,
    )
