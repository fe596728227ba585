"""What the networks consist of and what a window costs (notebook 02): Figure 3."""

from itertools import count, product

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.patches import Rectangle

from hdsemg_nb.decoders import PAPER_NETWORKS, build_model
from hdsemg_nb.decoders.architecture import n_macs, n_parameters
from hdsemg_nb.figures import MM, STYLE, TWO_COLUMNS, save

KIND_COLOURS = {  # light to dark, so that the kinds differ in grey
    "Window": "#FFFFFF",
    "Conv": "#9ECAE1",
    "Shrinkage": "#4A90C2",
    "pool": "#F2E5B0",
    "Flatten": "#E6E6E6",
    "FC": "#E8A87C",
}
BLOCK = {  # parts of a shrinkage block and what they give
    "body": "features",
    "attention": "thresholds / mean |features|",
    "shortcut": "shortcut",
}
RULE = "output = ReLU(\n  soft threshold(features, thresholds)\n  + shortcut)"


def cost_table(windows, n_motor_units, n_channels=64):
    """Parameters and multiply-accumulates of the paper's networks.

    Parameters
    ----------
    windows : list of int
        Windows W in samples.
    n_motor_units, n_channels : int

    Returns
    -------
    pandas.DataFrame
        Columns network, window (samples), parameters, mmac (million multiply-accumulates of one
        window).
    """
    rows = []
    for name, window in product(PAPER_NETWORKS, windows):
        model = build_model(name, window, n_motor_units, n_channels)
        rows.append((name, window, n_parameters(model), n_macs(model, n_channels, window) / 1e6))
    return pd.DataFrame(rows, columns=["network", "window", "parameters", "mmac"])


@plt.rc_context(STYLE)
def draw_networks(layers, block, window, n_channels, output, note):
    """Figure 3: the networks, drawn from the layers of the modules themselves.

    Parameters
    ----------
    layers : dict of str to pandas.DataFrame
        Title to `architecture.layer_table`, at most three.
    block : pandas.DataFrame
        `architecture.layer_table` of ML-DRSNet with its blocks expanded.
    window, n_channels : int
        Size of one window.
    output, note : str
        See `figures.save`; the stem is figure_03.

    Returns
    -------
    IPython.display.Image
    """
    n_rows = len(layers) + 1
    figure, axes = plt.subplots(n_rows, 1, figsize=(TWO_COLUMNS, 28 * MM * n_rows))
    for letter, ax, (title, table) in zip("abc", axes, layers.items(), strict=False):
        _draw_chain(ax, [("Window", f"{n_channels} x {window}", []), *_boxes(table)])
        ax.set_title(f"{letter}  {title}")
    _draw_block(axes[-1], block[block["path"].str.startswith("blocks.2.")])
    axes[-1].set_title("d  Inside a shrinkage block (the third of ML-DRSNet)")
    for ax in axes:
        ax.set(xlim=(-0.5, 12.6), ylim=(-0.45, 1.15))
        ax.axis("off")
    return save(figure, "figure_03", output, note)


def _boxes(table):
    """Layers to draw as boxes: (layer, output, what follows it: BN, ReLU, dropout)."""
    boxes = []
    for row in table.itertuples():
        if row.layer in ("BN", "ReLU", "Sigmoid") or row.layer.startswith("Dropout"):
            boxes[-1][2].append(row.layer)
        else:
            boxes.append((row.layer, " x ".join(map(str, row.output)), []))
    return boxes


def _draw_chain(ax, boxes, first=0):
    """Boxes from left to right with arrows between them; returns the place after the last."""
    arrow = dict(arrowstyle="->", lw=0.6)
    for i, (layer, output, added) in zip(count(first), boxes, strict=False):
        colour = next(colour for kind, colour in KIND_COLOURS.items() if kind in layer)
        ax.add_patch(Rectangle((i - 0.4, 0.42), 0.8, 0.6, fc=colour, ec="k", lw=0.6))
        words = layer.replace(", ", "\n").replace(" ", "\n", 1)
        size = 4.5 if "branches" in layer else 5
        ax.text(i, 0.72, words, ha="center", va="center", fontsize=size)
        ax.text(i, 0.36, "\n".join([output, *added]), ha="center", va="top", fontsize=5)
        if i > first:
            ax.annotate("", (i - 0.38, 0.72), (i - 0.62, 0.72), arrowprops=arrow)
    return first + len(boxes)


def _draw_block(ax, table):
    """The three chains of a shrinkage block and how they come together."""
    place = 0
    for part, name in BLOCK.items():
        chain = _boxes(table[table["path"].str.contains(f".{part}", regex=False)])
        ax.text(place - 0.4, 1.06, name, fontsize=5.5, style="italic")
        place = _draw_chain(ax, chain, place) + 0.7
    ax.text(place - 0.4, 0.72, RULE, va="center", fontsize=6)
