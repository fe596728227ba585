"""Reproduction report: the paper's 22 tables and figures, what they show and whether it agrees.

`python -m hdsemg_nb.chapters.report [OUTPUT]` writes it for a folder of figures and tables, the
project's own by default, and ends with an error when an item is missing or empty.
"""

import csv
import sys

import pandas as pd

from hdsemg_nb import paths, tables
from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import NOT_GIVEN
from hdsemg_nb.chapters.scores import NOT_RUN

TITLE = "Reproduction of Ma et al. 2025 (DOI 10.1186/s12984-025-01639-3)"
RULE = (
    "A mean agrees when it is within one published standard deviation of the published mean, or, "
    "where the text gives none, within a tenth of it; a pair of networks, when the same one is "
    "significantly better at 0.05, or none is, in both. Narrow stand-ins of ML-DRSNet are not "
    "judged, nor are times on another device than the paper's. How many motor units the synthetic "
    "recordings have is drawn around the paper's numbers: there Table 1 agrees by design. Figures "
    "are judged by the table with their numbers. Every figure bears its data in its lower right "
    "corner."
)
TREND_RULE = (
    "Decided by the order of the means alone, where all cells of the claim were trained by the "
    "paper's protocol at full width; T8 by times that were measured, on a GPU."
)
GIVEN = {*published.values()["item"], *published.p_values()["item"]}
NOTHING = ("nothing to compare", NOT_GIVEN)
NOT_YET = ("nothing to compare yet", "the published cells are not there")
PARTLY = {True: "in part", False: "does not"}  # by whether any agrees
TIMES = ("table_04", "table_11")  # the paper's are of an RTX 3090
SUFFIXES = {"table": ("csv", "tex"), "figure": ("pdf", "png")}


def reproduction(output):
    """The 22 items as a table.

    Parameters
    ----------
    output : str
        Project-relative folder with figures/ and tables/.

    Returns
    -------
    pandas.DataFrame
        item, shows, file, data, agrees ("agrees", "agrees so far" where published means or pairs
        are not in the results yet, "nothing to compare yet" where none is, "in part", "does not",
        "nothing to compare", "not judged" for times), by_how_much, problem (what is wrong with the
        files; mostly empty).
    """
    rows = []
    for stem, shows, numbers in published.items().itertuples(index=False):
        kind, number = stem.split("_")
        folder = paths.output_folder(output, f"{kind}s")
        files = [folder / f"{stem}.{suffix}" for suffix in SUFFIXES[kind]]
        bad = ", ".join(file.name for file in files if not _there(file))
        item, file = f"{kind.title()} {int(number)}", f"{kind}s/{files[0].name}"
        problem = f"missing or empty: {bad}" if bad else ""
        rows.append((item, shows, file, *_compared(output, numbers), problem))
    columns = ["item", "shows", "file", "data", "agrees", "by_how_much", "problem"]
    return pd.DataFrame(rows, columns=columns)


def _there(file):
    return file.exists() and file.stat().st_size > 0


def _compared(output, numbers):
    """Note of a table, whether its means and pairs agree with the published, and by how much."""
    file = paths.output_folder(output, "tables") / f"{numbers}.csv"
    if not _there(file):
        return "on the figure", *NOTHING
    table, note = tables.load(file)
    agree, lacking, texts = _judge_means(table) if "difference" in table else ([], 0, [])
    if agree and numbers in TIMES:
        return note, "not judged", f"measured on another device; {texts[1]}"
    pairs = file.with_name(f"{numbers}_pairs.csv")
    if pairs.exists():
        every = _as_published(tables.load(pairs)[0])
        judged = every[every["agrees"].isin(["agrees", "does not"])]
        lacking += (every["agrees"] == NOT_RUN).sum()
        for over, rows in judged.groupby("blocks", sort=False):
            same = rows["agrees"] == "agrees"
            agree += [*same]
            texts.append(f"{same.sum()} of {len(same)} pairs agree over {over}")
    if not agree:
        return note, *(NOT_YET if numbers in GIVEN or lacking else NOTHING)
    whole = "agrees so far" if lacking else "agrees"
    return note, whole if all(agree) else PARTLY[any(agree)], "; ".join(texts)


def _judge_means(table):
    """Which means agree with the published, how many published are not there, and two texts."""
    published_ones = _as_published(table[table["published_mean"].notna()])
    given = published_ones[published_ones["difference"].notna()]
    lacking = len(published_ones) - len(given)
    if given.empty:
        return [], lacking, []
    limit = given["published_sd"].fillna(0.1 * given["published_mean"].abs()).clip(lower=0.005)
    off = given["difference"].abs() / limit
    far = given.loc[off.idxmax()]
    cell = [str(far[name]) for name in ("network", "window", "step", "mvc") if name in given]
    furthest = f"{far['metric']} of {' '.join(cell)}: {far['mean']:.2f}"
    count = f"{(off <= 1).sum()} of {len(off)} means agree"
    count += f", {lacking} published are not there yet" if lacking else ""
    texts = [count, f"furthest {furthest}, published {far['published_mean']:.2f}"]
    return [*(off <= 1)], lacking, texts


def _as_published(table):
    """Without the settings chosen on validation: the paper chose on the test windows."""
    if "setting" not in table:
        return table
    return table[table["setting"] != "optimal on validation"]


def write(output):
    """Write the report as tables/reproduction_report.md, with the trends if tested.

    Parameters
    ----------
    output : str

    Returns
    -------
    pandas.DataFrame
        Of `reproduction`.
    """
    items, folder = reproduction(output), paths.output_folder(output, "tables")
    counts = ", ".join(f"{n} {what}" for what, n in items["agrees"].value_counts().items())
    sections = [(TITLE, f"{len(items)} items: {counts}. {RULE}", items)]
    if (folder / "trends.csv").exists():
        trends, note = tables.load(folder / "trends.csv")
        sections.append(("Trends", f"{TREND_RULE} {note}.", trends.astype(object).fillna("")))
    text = "\n".join(_markdown(*section) for section in sections)
    paths.write_whole(folder / "reproduction_report.md", text)
    return items


def _markdown(title, text, table):
    if "file" in table:
        table = table.assign(file="[" + table["file"] + "](../" + table["file"] + ")")
    rule = pd.DataFrame([["---"] * len(table.columns)], columns=table.columns)
    rows = pd.concat([rule, table])
    rows = rows.to_csv(sep="|", index=False, quoting=csv.QUOTE_NONE, escapechar="\\")
    return f"# {title}\n\n{text}\n\n{rows}"


def main(arguments):
    """Write and print the report; exit 1 when an item is missing or empty."""
    items = write(*arguments or ["."])
    print(items[["item", "agrees", "by_how_much", "problem"]].to_string(index=False))
    sys.exit(int(items["problem"].any()))


if __name__ == "__main__":
    main(sys.argv[1:])
