"""What every figure shares: sizes, fonts, colours, and how it is saved."""

import io
import textwrap

import matplotlib.pyplot as plt
from IPython.display import Image

from hdsemg_nb import paths

MM = 1 / 25.4  # inch
ONE_COLUMN = 85 * MM
TWO_COLUMNS = 170 * MM
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 0.8,
    "pdf.fonttype": 42,  # embedded TrueType: text stays text
    "figure.constrained_layout.use": True,
}
NETWORK_COLOURS = {  # the same in every figure; from light to dark, so that they differ in grey
    "ML-DRSNet": "#F0A830",
    "ML-DCNN": "#3E8FC4",
    "MT-DCNN": "#5B2A56",
}


def save(figure, stem, output, note):
    """Save a figure as vector PDF and 300 dpi PNG, close it, and return a preview to show.

    The files hold no date, so the same results give the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    stem : str
        File name without suffix, for example "figure_03".
    output : str
        Project-relative folder (`paths.output_folder`).
    note : str
        Which data and profile: printed in the lower right corner.

    Returns
    -------
    IPython.display.Image
    """
    width, height = 72 * figure.get_size_inches()  # points
    lines = textwrap.wrap(
        note, int(width / 3.2)
    )  # letters of 5 points, 3.2 wide with room to spare
    bottom = 0.03 + 6 * (len(lines) - 1) / height
    figure.get_layout_engine().set(rect=(0, bottom, 1, 1 - bottom))
    text = "\n".join(lines)
    figure.text(0.995, 0.005, text, ha="right", va="bottom", fontsize=5, color="0.35")
    folder, preview = paths.output_folder(output, "figures"), io.BytesIO()
    figure.savefig(folder / f"{stem}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{stem}.png", dpi=300)
    figure.savefig(preview, dpi=110)
    plt.close(figure)
    return Image(preview.getvalue())


def scale_bar(ax, x, y, height):
    """Vertical bar with its length in mV.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With EMG in uV on its y axis.
    x, y : float
        Upper end of the bar, in data units.
    height : float
        In uV.
    """
    ax.plot([x, x], [y - height, y], color="k", lw=1.5, clip_on=False, solid_capstyle="butt")
    ax.text(x, y - height / 2, f"  {height / 1000:g} mV", ha="left", va="center")
