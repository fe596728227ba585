"""DataFrame -> table on disk, as CSV in full precision and as LaTeX, and back."""

import io
import re

import pandas as pd

from hdsemg_nb import paths

# columns of text, whatever stands in them: a participant may be called 1, NA or nan
NAMES = {
    "subject", "recording", "recording_digest", "run", "muscle", "setting", "without",
    "label_noise", "level",
}  # fmt: skip


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
        Which data: a comment line at the top of the CSV, the caption in LaTeX.
    digits : int
        Decimals of the LaTeX table; the CSV keeps all.
    printed : pandas.DataFrame, optional
        The table as people read it, for LaTeX in place of `table`.

    Returns
    -------
    pandas.DataFrame
        The table itself, to be shown.
    """
    folder = paths.output_folder(output, "tables")
    write(table, folder / f"{stem}.csv", note)
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
    paths.write_whole(folder / f"{stem}.tex", latex)
    return table


def write(table, path, note, float_format=None):
    """Write a table as CSV, with a note as its first line, as `load` reads it."""
    text = table.to_csv(index=False, lineterminator="\n", float_format=float_format)
    paths.write_whole(path, f"# {' '.join(note.split())}\n{text}")


def load(path):
    """Read a table with a comment as its first line.

    A text is never a missing value and may hold a #; an empty cell of a column of numbers is NaN.

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
    ValueError
        When it is no whole table; names the file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; run what writes it first")
    text = path.read_text(encoding="utf-8")
    if not text.endswith("\n"):
        raise ValueError(f"{path} was cut short: its last row has no end; restore the file")
    first, _, rest = text.partition("\n")
    commented = first.startswith("#")
    try:
        rows = io.StringIO(rest if commented else text)
        table = pd.read_csv(rows, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as a table: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"{path} has more cells in a row than names of columns: restore the file")
    return table.apply(_typed), first.removeprefix("#").strip() if commented else ""


def _typed(column):
    """A column of numbers or of booleans as such; names stay text, whatever they look like."""
    if column.name in NAMES:
        return column
    filled = column[column != ""]
    if len(filled) and filled.isin(("True", "False")).all():
        return column.map({"True": True, "False": False}).astype(
            bool if len(filled) == len(column) else object
        )
    numbers = pd.to_numeric(column.where(column != ""), errors="coerce")
    return numbers if numbers.notna().sum() == len(filled) else column
