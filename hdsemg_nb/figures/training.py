"""How networks learned."""

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

from hdsemg_nb.figures.style import MM, NETWORK_COLOURS, STYLE, TWO_COLUMNS, save


@plt.rc_context(STYLE)
def draw_learning_curves(histories, output, note):
    """Training and validation loss by epoch, a panel for each network and step.

    Parameters
    ----------
    histories : pandas.DataFrame
        Of `sweep.histories`: network, window, step, epoch, train_loss, val_loss; averaged over
        recordings, folds and splits.
    output, note : str
        See `save`; the stem is learning_curves.

    Returns
    -------
    IPython.display.Image
    """
    networks, steps = histories["network"].unique(), sorted(histories["step"].unique())
    figure, axes = plt.subplots(
        len(networks),
        len(steps),
        figsize=(TWO_COLUMNS, 45 * MM * len(networks)),
        squeeze=False,
        sharey=True,
    )
    for network, row in zip(networks, axes, strict=True):
        for step, ax in zip(steps, row, strict=True):
            cell = histories[(histories["network"] == network) & (histories["step"] == step)]
            if len(cell):
                _draw_losses(ax, cell, NETWORK_COLOURS.get(network, "k"))
            ax.set_title(f"{network}, S = {step}")
        row[0].set_ylabel("Binary cross-entropy")
    for ax in axes[-1]:
        ax.set_xlabel("Epoch")
    for ax in axes.flat:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return save(figure, "learning_curves", output, note)


def _draw_losses(ax, cell, colour):
    """One pair of curves for each window, thicker for longer ones."""
    windows = sorted(cell["window"].unique())
    for width, window in enumerate(windows, 1):
        mean = cell[cell["window"] == window].groupby("epoch")[["train_loss", "val_loss"]].mean()
        style = dict(color=colour, lw=0.5 * width, marker="." if len(mean) == 1 else "")
        ax.plot(mean.index + 1, mean["train_loss"], ls=":", **style)
        ax.plot(mean.index + 1, mean["val_loss"], label=f"W = {window}", **style)
    ax.legend(title="validation; dotted: training", title_fontsize=5.5, fontsize=5.5)
