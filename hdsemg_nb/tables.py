"""DataFrame -> table on disk, as CSV in full precision and as LaTeX."""

import re

import pandas as pd

from hdsemg_nb import paths


def save(table, stem, output, note, digits=2, printed=None):
    """Write a table as CSV and LaTeX.

    Parameters
    ----------
    table : pandas.DataFrame
    stem : str
        File name without suffix, for example "table_02".
    output : str
        Project-relative folder (`paths.output_folder`).
    note : str
        Which data and profile: a comment line at the top of the CSV, the caption in LaTeX.
    digits : int
        Decimals of the LaTeX table; the CSV keeps all.
    printed : pandas.DataFrame, optional
        The table as people read it, for LaTeX in place of `table`: for example
        `published.printed`, whose cells are mean ± SD.

    Returns
    -------
    pandas.DataFrame
        The table itself, to be shown.
    """
    folder = paths.output_folder(output, "tables")
    csv = f"# {note}\n" + table.to_csv(index=False, lineterminator="\n")
    caption = re.sub(r"([%&_#$])", r"\\\1", note)
    latex = (table if printed is None else printed).to_latex(
        index=False,
        escape=True,
        na_rep="--",
        caption=caption,
        position="ht",
        float_format=f"%.{digits}f",
    )
    latex = latex.replace("±", r"$\pm$")
    for suffix, text in {"csv": csv, "tex": latex}.items():
        paths.write_whole(folder / f"{stem}.{suffix}", text)
    return table


def load(path):
    """Read a table that `save` wrote.

    Parameters
    ----------
    path : pathlib.Path
        Of the CSV file.

    Returns
    -------
    table : pandas.DataFrame
    note : str

    Raises
    ------
    FileNotFoundError
        When it has not been written yet.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; run the notebook that writes it first")
    with path.open() as file:
        note = file.readline().removeprefix("# ").strip()
        return pd.read_csv(file, keep_default_na=False, na_values=[""]), note
