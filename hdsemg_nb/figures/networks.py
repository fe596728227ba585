"""Figure 3: the networks."""

import itertools

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

from hdsemg_nb.figures.style import MM, STYLE, TWO_COLUMNS, save

KIND_COLOURS = {  # light to dark, so that the kinds differ in grey
    "Window": "#FFFFFF",
    "Conv": "#9ECAE1",
    "Shrinkage": "#4A90C2",
    "pool": "#F2E5B0",
    "Flatten": "#E6E6E6",
    "FC": "#E8A87C",
    "Average": "#F2E5B0",
}


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
        See `save`; the stem is figure_03.

    Returns
    -------
    IPython.display.Image
    """
    figure, axes = plt.subplots(
        len(layers) + 1, 1, figsize=(TWO_COLUMNS, 28 * MM * (len(layers) + 1))
    )
    for letter, ax, (title, table) in zip("abc", axes, layers.items(), strict=False):
        _draw_chain(ax, [("Window", f"{n_channels} x {window}", []), *_boxes(table)])
        ax.set_title(f"{letter}  {title}")
    inside = block[block["path"].str.startswith("blocks.2.")]
    _draw_block(axes[-1], inside)
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
    for i, (layer, output, added) in zip(itertools.count(first), boxes, strict=False):
        colour = next(c for kind, c in KIND_COLOURS.items() if kind in layer)
        ax.add_patch(Rectangle((i - 0.4, 0.42), 0.8, 0.6, fc=colour, ec="k", lw=0.6))
        words = layer.replace(", ", "\n").replace(" ", "\n", 1)
        size = 4.5 if "branches" in layer else 5
        ax.text(i, 0.72, words, ha="center", va="center", fontsize=size)
        ax.text(i, 0.36, "\n".join([output, *added]), ha="center", va="top", fontsize=5)
        if i > first:
            ax.annotate(
                "", (i - 0.38, 0.72), (i - 0.62, 0.72), arrowprops=dict(arrowstyle="->", lw=0.6)
            )
    return first + len(boxes)


def _draw_block(ax, table):
    """The three chains of a shrinkage block and how they come together."""
    chains = {
        "body": "features",
        "attention": "thresholds / mean |features|",
        "shortcut": "shortcut",
    }
    place = 0
    for part, name in chains.items():
        chain = _boxes(table[table["path"].str.contains(f".{part}", regex=False)])
        ax.text(place - 0.4, 1.06, name, fontsize=5.5, style="italic")
        place = _draw_chain(ax, chain, place) + 0.7
    rule = "output = ReLU(\n  soft threshold(features, thresholds)\n  + shortcut)"
    ax.text(place - 0.4, 0.72, rule, va="center", fontsize=6)
