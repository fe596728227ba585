import shutil

import pandas as pd
import pytest
from random_results import random_results

from hdsemg_nb import paths, results, tables
from hdsemg_nb.chapters import comparison, published, report, scores
from hdsemg_nb.chapters.published import NOT_GIVEN

ROOT = paths.PROJECT
STEMS = list(published.items()["item"])
NOTE = "SYNTHETIC data, 9 recordings at 10, 30, 50 % MVC; results/protocol.csv, 5 folds"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All 22 items as stand-ins, Table 7 as the comparison writes it."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "OUTPUT", folder)
        patch.setattr(results, "read", lambda name: random_results())
        patch.setattr(comparison, "N_CELLS", 4)  # of these
        for stem in STEMS:
            kind = stem.split("_")[0]
            for suffix in report.SUFFIXES[kind]:
                file = paths.output_folder("out", f"{kind}s") / f"{stem}.{suffix}"
                file.write_text(f"# {NOTE}\nmetric,mean\n")
        runs = scores.scores(scores.read())
        best = comparison.best_settings(runs, runs)
        tables.save(comparison.compare(runs, best), "table_07", "out", NOTE)
        tables.save(comparison.compare_pairs(runs, best), "table_07_pairs", "out", NOTE)
    return folder


@pytest.fixture
def project(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    return shutil.copytree(whole / "out", tmp_path / "out")


def items():
    return report.reproduction("out").set_index("item")


def test_all_22_items_with_their_data(project):
    found = items()
    assert len(found) == 22 and set(found["problem"]) == {""}
    assert found.loc["Table 7", "file"] == "tables/table_07.csv"
    assert found.loc["Figure 8", "data"] == NOTE
    assert found.loc["Figure 8", "agrees"] == found.loc["Table 7", "agrees"] != "nothing to compare"
    assert found.loc["Figure 3", ["agrees", "data"]].tolist() == [
        "nothing to compare", "on the figure",
    ]  # fmt: skip
    assert found.loc["Table 2", "agrees"] == "nothing to compare yet"
    assert found.loc["Table 2", "by_how_much"] == "the published cells are not there"


def test_missing_and_empty_files_are_named_and_end_with_an_error(project):
    with pytest.raises(SystemExit) as end:
        report.main(["out"])
    assert end.value.code == 0
    (project / "figures/figure_04.png").unlink()
    (project / "tables/table_05.csv").write_text("")
    found = items()["problem"]
    assert found["Figure 4"] == "missing or empty: figure_04.png"
    assert found["Table 5"] == "missing or empty: table_05.csv"
    with pytest.raises(SystemExit) as end:
        report.main(["out"])
    assert end.value.code == 1


def verdict(*rows):
    columns = ["setting", "network", "metric", "mean", "published_mean", "published_sd"]
    made = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:], float))
    made = made.assign(difference=made["mean"] - made["published_mean"])
    tables.save(made, "table_05", "out", NOTE)
    return items().loc["Table 5", ["agrees", "by_how_much"]].tolist()


def test_means_are_judged_by_the_published_spread(project):
    within = ("optimal", "ML-DCNN", "f1", 0.80, 0.85, 0.23)
    rounded = ("optimal", "ML-DCNN", "precision", 0.996, 1.00, 0.00)  # prints as published
    tenth = ("optimal", "ML-DCNN", "identified_percent", 65.0, 70.87, None)
    off = ("optimal", "ML-DCNN", "n_identified", 0.5, 14.71, 8.23)
    validation = ("optimal on validation", "ML-DCNN", "f1", 0.0, 1.00, 0.00)
    never = ("optimal", "ML-DCNN", "f1", None, 0.85, 0.23)  # not run
    none = ("optimal", "ML-DCNN", "f1", 0.8, None, None)  # nothing published
    assert verdict(within, rounded, tenth, validation)[0] == "agrees"
    assert verdict(within, off) == [
        "in part",
        "1 of 2 means agree; furthest n_identified of ML-DCNN: 0.50, published 14.71",
    ]
    assert verdict(off)[0] == "does not"
    assert verdict(within, never) == [
        "agrees so far",
        "1 of 1 means agree, 1 published are not there yet; furthest f1 of ML-DCNN: 0.80, "
        "published 0.85",
    ]
    assert verdict(never, none)[0] == "nothing to compare yet"
    assert verdict(none)[0] == "nothing to compare yet"  # Table 5 is given in the text


def test_times_of_another_device_are_not_judged(project):
    times = {"network": ["ML-DCNN"], "metric": ["total_ms"], "mean": [69.2]}
    about = {"published_mean": [69.36], "published_sd": [None], "difference": [-0.16]}
    tables.save(
        pd.DataFrame(times | about).astype({"published_sd": float}), "table_11", "out", NOTE
    )
    assert items().loc["Table 11", ["agrees", "by_how_much"]].tolist() == [
        "not judged",
        "measured on another device; furthest total_ms of ML-DCNN: 69.20, published 69.36",
    ]


def test_pairs_are_counted_for_each_kind_of_blocks(project):
    pairs = tables.load(project / "tables/table_07_pairs.csv")[0].query("setting == 'optimal'")
    text = items().loc["Table 7", "by_how_much"]
    for over in ("recordings", "participants"):
        rows = pairs[(pairs["blocks"] == over) & (pairs["agrees"] != NOT_GIVEN)]["agrees"]
        assert f"{(rows == 'agrees').sum()} of {len(rows)} pairs agree over {over}" in text


def test_pairs_that_are_not_there_yet_leave_the_verdict_open(project):
    file = project / "tables/table_07_pairs.csv"
    pairs = tables.load(file)[0].assign(agrees="agrees")
    table = tables.load(project / "tables/table_07.csv")[0]
    table = table.assign(published_mean=table["mean"], difference=0.0)
    tables.save(table, "table_07", "out", NOTE)
    for missing, verdict in (([], "agrees"), ([0], "agrees so far")):
        pairs.loc[missing, "agrees"] = scores.NOT_RUN
        tables.save(pairs, "table_07_pairs", "out", NOTE)
        assert items().loc["Table 7", "agrees"] == verdict


def test_report_as_markdown(project):
    trends = {"trend": ["T1"], "ours": [None], "missing": ["a < b | c"]}
    tables.save(pd.DataFrame(trends), "trends", "out", NOTE)
    report.write("out")
    markdown = (project / "tables/reproduction_report.md").read_text()
    assert "[figures/figure_04.pdf](../figures/figure_04.pdf)" in markdown
    assert "T1||a < b \\| c\n" in markdown and "22 items: " in markdown
    assert f"# Trends\n\n{report.TREND_RULE} {NOTE}.\n" in markdown


@pytest.mark.parametrize("stem", STEMS)
def test_the_repository_holds_every_item_of_the_paper(stem):
    kind = stem.split("_")[0]
    for suffix in report.SUFFIXES[kind]:
        assert (ROOT / f"{kind}s" / f"{stem}.{suffix}").stat().st_size > 500
