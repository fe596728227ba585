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
    "Input": "#FFFFFF",
    "Conv": "#9ECAE1",
    "Shrinkage": "#4A90C2",
    "pool": "#F2E5B0",
    "Flatten": "#E6E6E6",
    "FC": "#E8A87C",
    "Soft": "#4A90C2",
    "Times": "#E6E6E6",
    "Sum": "#E6E6E6",
}
ORDER = ["ML-DCNN", "ML-DRSNet", "MT-DCNN"]  # paper, Fig. 3; it does not draw the third


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
        Of the paper's networks: `architecture.layer_table`.
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
    size, heights = (TWO_COLUMNS, 135 * MM), [1, 1, 1, 1.9]
    figure, axes = plt.subplots(4, 1, figsize=size, height_ratios=heights)
    for letter, ax, name in zip("abc", axes, ORDER, strict=False):
        boxes = [("Window", f"{n_channels} x {window}", []), *_boxes(layers[name])]
        boxes[-1][2].append("Sigmoid")  # in training a part of the loss
        _draw_chain(ax, boxes)
        ax.set(title=f"{letter}  {name}", ylim=(-0.45, 1.15))
    _draw_block(axes[3], block[block["path"].str.startswith("blocks.2.")])
    axes[3].set(title="d  A shrinkage block (the third of ML-DRSNet)", ylim=(-1.1, 2.1))
    for ax in axes:
        ax.set_xlim(-0.5, 12.6)
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


def _draw_chain(ax, boxes, first=0, y=0.72):
    """Boxes from left to right with arrows between them."""
    for x, (layer, output, added) in zip(count(first), boxes, strict=False):
        colour = next(colour for kind, colour in KIND_COLOURS.items() if kind in layer)
        ax.add_patch(Rectangle((x - 0.4, y - 0.3), 0.8, 0.6, fc=colour, ec="k", lw=0.6))
        words = layer.replace(", ", "\n").replace(" ", "\n", 1)
        size = 4.5 if "branches" in layer else 5
        ax.text(x, y, words, ha="center", va="center", fontsize=size)
        below = "\n".join(filter(None, [output, *added]))
        ax.text(x, y - 0.36, below, ha="center", va="top", fontsize=5)
        if x > first:
            _draw_path(ax, [(x - 0.6, y), (x - 0.4, y)])


def _draw_path(ax, points):
    """A line through points that ends in an arrow."""
    *before, last = points
    ax.plot(*zip(*before, strict=True), color="k", lw=0.6)
    ax.annotate(
        "", last, before[-1], arrowprops=dict(arrowstyle="->", lw=0.6, shrinkA=0, shrinkB=0)
    )


def _draw_block(ax, table):
    """Features, the thresholds that they give themselves (above), and the shortcut (below)."""
    parts = ("body", "attention", "shortcut")
    body, attention, shortcut = (_boxes(table[table["path"].str.contains(f".{p}")]) for p in parts)
    features, channels = body[-1][1], attention[-1][1]
    pool, product = ("Average pool of |x|", channels, []), ("Times average", channels, [])
    _draw_chain(ax, [("Input", "", []), *body])
    _draw_chain(ax, [pool, *attention, product], first=3, y=1.75)
    _draw_chain(ax, shortcut, first=4, y=-0.55)
    _draw_chain(ax, [("Soft threshold", "", [])], first=7)
    _draw_chain(ax, [("Sum", features, ["ReLU"])], first=8)
    _draw_path(ax, [(2.4, 0.72), (6.6, 0.72)])
    _draw_path(ax, [(2.5, 0.72), (2.5, 1.75), (2.6, 1.75)])
    _draw_path(ax, [(6.4, 1.75), (7, 1.75), (7, 1.02)])
    _draw_path(ax, [(0.5, 0.72), (0.5, -0.55), (3.6, -0.55)])
    _draw_path(ax, [(4.4, -0.55), (7.5, -0.55), (7.5, 0.55), (7.6, 0.55)])
    _draw_path(ax, [(7.4, 0.8), (7.6, 0.8)])
    for x, y, name in [(2.7, 0.77, "features x"), (7.1, 1.8, "thresholds, one for each channel")]:
        ax.text(x, y, name, fontsize=5.5, style="italic")
    ax.text(5, -0.5, "shortcut", fontsize=5.5, style="italic")
