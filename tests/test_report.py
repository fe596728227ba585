import os
from dataclasses import replace

import pandas as pd
import pytest
from random_results import REDUCED, random_results

from hdsemg_nb import analysis, params, paths, report, tables
from hdsemg_nb.published import NOT_GIVEN

ROOT = paths.PROJECT
NOTE = "SYNTHETIC data, 9 recordings; unlike the paper: epochs 3; quick profile"


@pytest.fixture(scope="module")
def compared():
    scores = analysis.scores(random_results(**REDUCED))
    settings = analysis.best_settings(scores, scores)
    return analysis.compare(scores, settings), analysis.compare_pairs(scores, settings)


@pytest.fixture
def project(tmp_path, monkeypatch, compared):
    """All 22 items as stand-ins, Table 7 as the analysis writes it."""
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    (tmp_path / "results.csv").write_text("made first")
    os.utime(tmp_path / "results.csv", (1, 1))
    for stem in report.ITEMS:
        kind = stem.split("_")[0]
        for suffix in report.SUFFIXES[kind]:
            file = paths.output_folder("out", f"{kind}s") / f"{stem}.{suffix}"
            file.write_text(f"# {NOTE}\nmetric,mean\n")
    tables.save(compared[0], "table_07", "out", NOTE)
    tables.save(compared[1], "table_07_pairs", "out", NOTE)
    return tmp_path


def items():
    return report.reproduction("out", "results.csv").set_index("item")


def test_all_22_items_with_data_and_profile(project):
    found = items()
    assert len(found) == 22
    assert found.loc["Table 7", "file"] == "tables/table_07.csv"
    assert (
        found.loc["Figure 8", "data"] == "SYNTHETIC data, 9 recordings; unlike the paper: epochs 3"
    )
    assert found.loc["Figure 8", "profile"] == "quick"
    assert found.loc["Figure 8", "agrees"] == found.loc["Table 7", "agrees"] != "nothing to compare"
    assert found.loc["Figure 3", "agrees"] == "nothing to compare"
    assert found.loc["Table 8", "by_how_much"] == NOT_GIVEN
    assert found.loc["Table 2", "by_how_much"] == report.NOT_RUN


def test_missing_empty_and_old_files_are_named(project):
    (project / "out/figures/figure_04.png").unlink()
    (project / "out/tables/table_05.tex").write_text("")
    os.utime(project / "out/tables/table_09.csv", (0, 0))
    os.utime(project / "out/figures/figure_03.pdf", (0, 0))  # does not depend on the results
    found = items()["agrees"]
    assert found["Figure 4"] == "missing: figure_04.png"
    assert found["Table 5"] == "empty: table_05.tex"
    assert found["Table 9"] == "older than the results: table_09.csv"
    assert found["Figure 3"] == "nothing to compare"


def table(*rows):
    columns = ["setting", "network", "metric", "mean", "published_mean", "published_sd"]
    made = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:], float))
    return made.assign(difference=made["mean"] - made["published_mean"])


def test_means_are_judged_by_the_published_spread(tmp_path):
    nothing = tmp_path / "none.csv"
    within = ("optimal", "ML-DCNN", "f1", 0.80, 0.85, 0.23)
    rounded = ("optimal", "ML-DCNN", "precision", 0.996, 1.00, 0.00)  # prints as published
    tenth = ("optimal", "ML-DCNN", "identified_percent", 65.0, 70.87, None)
    off = ("optimal", "ML-DCNN", "n_identified", 0.5, 14.71, 8.23)
    validation = ("optimal on validation", "ML-DCNN", "f1", 0.0, 1.00, 0.00)
    never = ("optimal", "ML-DCNN", "f1", None, 0.85, 0.23)  # not run
    none = ("optimal", "ML-DCNN", "f1", 0.8, None, None)  # nothing published
    good = table(within, rounded, tenth, validation)
    assert report._verdict(good, nothing)[0] == "agrees"
    verdict, text = report._verdict(table(within, off), nothing)
    assert verdict == "in part"
    assert text == "1 of 2 means agree; furthest n_identified of ML-DCNN: 0.50, published 14.71"
    assert report._verdict(table(off), nothing)[0] == "does not"
    assert report._verdict(table(never, none), nothing) == ("nothing to compare", "")


def test_pairs_are_counted_for_each_kind_of_blocks(project, compared):
    pairs = compared[1].query("setting == 'optimal'")
    text = items().loc["Table 7", "by_how_much"]
    for over in ("recordings", "participants"):
        rows = pairs[pairs["blocks"] == over]["agrees"]
        assert (
            f"{(rows == 'agrees').sum()} of {(rows != NOT_GIVEN).sum()} pairs agree over {over}"
            in text
        )


def test_report_as_markdown_and_html(project):
    trends = {"trend": ["T1"], "ours": [None], "agrees": ["cannot be told: a < b | c"]}
    trends = pd.DataFrame(trends)
    tables.save(trends, "trends", "out", NOTE)
    report.write("out", "results.csv")
    markdown = (project / "out/tables/reproduction_report.md").read_text()
    assert "[figures/figure_04.pdf](../figures/figure_04.pdf)" in markdown
    assert "a < b \\| c" in markdown and "22 items: " in markdown
    assert f"## Trends\n\n{report.TREND_RULE} {NOTE}.\n" in markdown
    page = (project / "out/tables/reproduction_report.html").read_text()
    assert '<a href="../figures/figure_04.pdf">' in page and "a &lt; b | c" in page


@pytest.mark.parametrize("stem", report.ITEMS)
def test_the_repository_holds_every_item_of_the_paper(stem):
    kind = stem.split("_")[0]
    for suffix in report.SUFFIXES[kind]:
        assert (ROOT / f"{kind}s" / f"{stem}.{suffix}").stat().st_size > 500


def test_a_profile_ends_with_an_error_when_an_item_is_missing(project, monkeypatch):
    profile = replace(params.load(ROOT / "params/smoke.yaml"), output="out", results="results.csv")
    monkeypatch.setattr(params, "load", lambda path: profile)
    for missing, code in ((False, 0), (True, 1)):
        if missing:
            (project / "out/figures/figure_07.png").unlink()
        with pytest.raises(SystemExit) as end:
            report.main(["smoke.yaml"])
        assert end.value.code == code
