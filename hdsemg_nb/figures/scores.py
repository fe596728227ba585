"""Figures of decoded windows and of the scores of the decoders."""

import matplotlib.pyplot as plt
import numpy as np

from hdsemg_nb.figures.style import MM, STYLE, TWO_COLUMNS, save


@plt.rc_context(STYLE)
def draw_decoded(results, fs, window, output, note, shown_s=8.0):
    """Decoded against labelled windows of held-out time, one panel per decoder.

    Parameters
    ----------
    results : dict of str to train.Result
        Title to result.
    fs : float
        Sampling frequency in Hz.
    window : int
        Window W in samples.
    output, note : str
        See `save`; the stem is sample_decoded.
    shown_s : float
        Time shown, in s, from the middle of the recording.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplots(
        len(results), 1, figsize=(TWO_COLUMNS, 45 * MM * len(results)), sharex=True, squeeze=False
    )
    for letter, ax, (title, result) in zip("abcdef", axes[:, 0], results.items(), strict=False):
        time = (result.starts + window / 2) / fs
        decoded, tested = result.decoded, np.isfinite(result.predictions[:, 0])
        label = result.labels.astype(bool)
        kinds = {
            "labelled discharge": (label, -0.2, "|", "k"),
            "decoded, correct": (decoded & label, 0.2, "|", "#0072B2"),
            "decoded, false": (decoded & ~label, 0.2, "x", "#D55E00"),
        }
        for name, (hits, shift, marker, colour) in kinds.items():
            n, unit = np.nonzero(hits & tested[:, None])
            ax.plot(time[n], unit + shift, marker, color=colour, ms=4, mew=0.8, label=name)
        ax.set(yticks=range(label.shape[1]), ylim=(label.shape[1] - 0.4, -0.6))
        middle = time[len(time) // 2]
        xlim = (middle - shown_s / 2, middle + shown_s / 2)
        ax.set(ylabel="Motor unit", xlim=xlim, title=f"{letter}  {title}")
    axes[-1, 0].set_xlabel("Time (s)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
    return save(figure, "sample_decoded", output, note)


@plt.rc_context(STYLE)
def draw_scores(table, output, note):
    """F1 of each decoder under both splits, beside the always-positive baseline.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns setting, network, window, step, split, f1, always_positive_f1.
    output, note : str
        See `save`; the stem is sample_scores.

    Returns
    -------
    IPython.display.Image
    """
    names = ["setting", "network", "window", "step"]
    rows = table[names].drop_duplicates().reset_index(drop=True)
    figure, ax = plt.subplots(figsize=(TWO_COLUMNS, (22 + 5.5 * len(rows)) * MM))
    place = {tuple(row): -i for i, row in enumerate(rows.to_numpy())}
    y = np.array([place[tuple(row)] for row in table[names].to_numpy()])
    for split, fill in (("blocked", "k"), ("shuffled", "w")):
        chosen = (table["split"] == split).to_numpy()
        ax.plot(table["f1"][chosen], y[chosen], "o", mfc=fill, mec="k", ms=5, label=split)
    ax.plot(
        table["always_positive_f1"], y, "|", color="#D55E00", ms=9, mew=1.5, label="always positive"
    )
    labels = [f"{r.network}, W = {r.window}, S = {r.step}" for r in rows.itertuples()]
    ax.set(yticks=-np.arange(len(rows)), yticklabels=labels)
    ax.set(xlim=(-0.02, 1.02), xlabel="F1 (mean over motor units and folds)")
    ax.grid(axis="x", lw=0.3)
    for setting, group in rows.groupby("setting", sort=False):
        top = -group.index.min() + 0.45
        ax.text(1.03, top - 0.1, setting, va="top", fontsize=6, transform=ax.get_yaxis_transform())
        ax.axhline(top, color="0.6", lw=0.5)
    ax.set_ylim(-len(rows) + 0.5, 0.55)
    figure.legend(loc="outside upper right", ncols=3)
    return save(figure, "sample_scores", output, note)
