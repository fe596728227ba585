"""Reproduction report: the paper's 22 tables and figures, what they show and whether it agrees.

`python -m hdsemg_nb.report PROFILE.yaml` writes it for the output folder of a profile and fails
when an item is missing, empty or older than the profile's results; `... OUTPUT RESULTS` writes it
for any folder of figures and tables and any results.
"""

import html
import sys

import pandas as pd

from hdsemg_nb import params, paths, published, tables
from hdsemg_nb.published import NOT_GIVEN

TITLE = "Reproduction of Ma et al. 2025 (DOI 10.1186/s12984-025-01639-3)"
RULE = (
    "A mean agrees when it is within one published standard deviation of the published mean, or, "
    "where the text gives none, within a tenth of it; a pair of networks, when the same one is "
    "significantly better at 0.05, or none is, in both. Figures are judged by the table with "
    "their numbers. Every figure bears its data and profile in its lower right corner."
)
TREND_RULE = (
    "Decided by the order of the means alone. Where the cells of a network were not trained alike, "
    "a trend over windows or steps may be one of the training."
)
ITEMS = {
    "table_01": "motor units, pulse-to-noise ratio and discharge rate by intensity",
    "table_02": "ML-DRSNet over windows and steps",
    "table_03": "ML-DRSNet over windows and steps, by intensity",
    "table_04": "training and prediction time of ML-DRSNet",
    "table_05": "ML-DCNN over windows and steps",
    "table_06": "MT-DCNN over windows and steps",
    "table_07": "the networks at their best window and step",
    "table_08": "the networks at their best window and step, by intensity",
    "table_09": "the networks at the shortest window and step",
    "table_10": "the networks at the shortest window and step, by intensity",
    "table_11": "training and prediction time of the networks",
    "figure_01": "pipeline",
    "figure_02": "sliding windows and labels",
    "figure_03": "the networks",
    "figure_04": "ML-DRSNet over windows and steps",
    "figure_05": "ML-DRSNet over windows and steps, by intensity",
    "figure_06": "ML-DCNN over windows and steps",
    "figure_07": "MT-DCNN over windows and steps",
    "figure_08": "the networks at their best window and step",
    "figure_09": "the networks at their best window and step, by intensity",
    "figure_10": "the networks at the shortest window and step",
    "figure_11": "the networks at the shortest window and step, by intensity",
}
NUMBERS = {  # the table with the numbers of a figure
    "figure_04": "table_02",
    "figure_05": "table_03",
    "figure_06": "table_05",
    "figure_07": "table_06",
    "figure_08": "table_07",
    "figure_09": "table_08",
    "figure_10": "table_09",
    "figure_11": "table_10",
}
GIVEN = set(published.values()["item"])  # tables that the paper's text gives values of
NOT_RUN = "the published cells are not in these results"
SUFFIXES = {"table": ("csv", "tex"), "figure": ("pdf", "png")}
WITHOUT_RESULTS = ("table_01", "figure_01", "figure_02", "figure_03")  # of data and networks alone


def reproduction(output, results):
    """The 22 items as a table.

    Parameters
    ----------
    output : str
        Project-relative folder with figures/ and tables/.
    results : str
        Results table that they were made from, project-relative.

    Returns
    -------
    pandas.DataFrame
        item, shows, file, data, profile, agrees ("agrees", "in part", "does not", "nothing to
        compare", or what is wrong with the file), by_how_much.
    """
    folder = paths.PROJECT / output
    written = (paths.PROJECT / results).stat().st_mtime
    return pd.DataFrame([_row(folder, stem, written) for stem in ITEMS])


def write(output, results):
    """Write the report as tables/reproduction_report.md and .html, with the trends if tested.

    Parameters
    ----------
    output, results : str
        As for `reproduction`.

    Returns
    -------
    pandas.DataFrame
        Of `reproduction`.
    """
    items = reproduction(output, results)
    folder = paths.output_folder(output, "tables")
    sections = [("", RULE, items)]
    if (folder / "trends.csv").exists():
        trends, note = tables.load(folder / "trends.csv")
        sections.append(("Trends", f"{TREND_RULE} {note}.", trends))
    counts = items["agrees"].str.split(":").str[0].value_counts()
    summary = f"{len(items)} items: " + ", ".join(f"{n} {what}" for what, n in counts.items())
    for suffix, render in {"md": _markdown, "html": _html}.items():
        paths.write_whole(folder / f"reproduction_report.{suffix}", render(summary, sections))
    return items


def _row(folder, stem, written):
    kind, number = stem.split("_")
    files = [folder / f"{kind}s" / f"{stem}.{suffix}" for suffix in SUFFIXES[kind]]
    problem = _problem(files, 0 if stem in WITHOUT_RESULTS else written)
    values = folder / "tables" / f"{NUMBERS.get(stem, stem)}.csv"
    has_values = kind == "table" or stem in NUMBERS
    data = profile = "on the figure" if kind == "figure" else ""
    agrees, how = "nothing to compare", ""
    if has_values and values.exists():
        table, note = tables.load(values)
        data, _, profile = note.rpartition("; ")
        agrees, how = _verdict(table, values.with_name(f"{values.stem}_pairs.csv"))
        if not how:
            how = NOT_RUN if values.stem in GIVEN else NOT_GIVEN
    return {
        "item": f"{kind.title()} {int(number)}",
        "shows": ITEMS[stem],
        "file": f"{kind}s/{files[0].name}",
        "data": data,
        "profile": profile.removesuffix(" profile"),
        "agrees": problem or agrees,
        "by_how_much": how,
    }


def _problem(files, written):
    for file in files:
        if not file.exists():
            return f"missing: {file.name}"
        if not file.stat().st_size:
            return f"empty: {file.name}"
        if file.stat().st_mtime < written:
            return f"older than the results: {file.name}"
    return ""


def _verdict(table, pairs):
    """Whether a table's means and pairs agree with the published ones, and by how much."""
    agree, texts = [], []
    if "difference" in table and table["difference"].notna().any():
        within, text = _judge_means(table)
        agree, texts = [*within], [text]
    if pairs.exists():
        for over, rows in _as_published(tables.load(pairs)[0]).groupby("blocks", sort=False):
            same = rows.loc[rows["agrees"] != NOT_GIVEN, "agrees"] == "agrees"
            agree += [*same]
            texts += [f"{same.sum()} of {len(same)} pairs agree over {over}"] if len(same) else []
    if not agree:
        return "nothing to compare", ""
    verdict = "agrees" if all(agree) else "in part" if any(agree) else "does not"
    return verdict, "; ".join(texts)


def _judge_means(table):
    given = _as_published(table[table["difference"].notna()])
    limit = given["published_sd"].fillna(0.1 * given["published_mean"].abs()).clip(lower=0.005)
    off = given["difference"].abs() / limit
    far = given.loc[off.idxmax()]
    cell = [str(far[name]) for name in ("network", "window", "step", "mvc") if name in given]
    text = (
        f"{(off <= 1).sum()} of {len(off)} means agree; furthest {far['metric']} of "
        f"{' '.join(cell)}: {far['mean']:.2f}, published {far['published_mean']:.2f}"
    )
    return off <= 1, text


def _as_published(table):
    """Without the settings chosen on validation: the paper chose on the test windows."""
    if "setting" not in table:
        return table
    return table[table["setting"] != "optimal on validation"]


def _as_text(table):
    """Cells as text, empty where there is none."""
    return table.astype(object).where(table.notna(), "").astype(str)


def _markdown(summary, sections):
    lines = [f"# {TITLE}", "", summary]
    for title, text, table in sections:
        lines += ["", f"## {title}"] if title else []
        lines += ["", text]
        cells = _as_text(table).map(lambda text: text.replace("|", "\\|"))
        if "file" in cells:
            cells["file"] = [f"[{file}](../{file})" for file in cells["file"]]
        rows = [list(cells), ["---"] * len(cells.columns), *cells.to_numpy().tolist()]
        lines += ["", *("| " + " | ".join(row) + " |" for row in rows)]
    return "\n".join(lines) + "\n"


def _html(summary, sections):
    parts = [f"<h1>{TITLE}</h1>", f"<p>{html.escape(summary)}</p>"]
    for title, text, table in sections:
        parts += [f"<h2>{title}</h2>"] if title else []
        parts.append(f"<p>{html.escape(text)}</p>")
        cells = _as_text(table).map(html.escape)
        if "file" in cells:
            cells["file"] = [f'<a href="../{file}">{file}</a>' for file in cells["file"]]
        parts.append(cells.to_html(index=False, escape=False, border=0))
    style = "body{font:14px sans-serif;margin:2em}td,th{text-align:left;padding:.3em .8em}"
    head = f'<meta charset="utf-8"><title>{TITLE}</title><style>{style}</style>'
    return (
        f"<!doctype html><html><head>{head}</head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def main(arguments):
    """Write and print the report: of a profile, or of an output folder and its results.

    Of a profile, it ends with an error when an item is missing, empty or older than the results.
    """
    strict = len(arguments) == 1
    if strict:
        profile = params.load(arguments[0])
        arguments = [profile.output, profile.results]
    items = write(*arguments)
    print(items[["item", "agrees", "by_how_much"]].to_string(index=False))
    sys.exit(int(strict and items["agrees"].str.contains(": ").any()))


if __name__ == "__main__":
    main(sys.argv[1:])
