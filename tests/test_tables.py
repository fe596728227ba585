import pandas as pd
import pytest

from hdsemg_nb import paths, published, tables


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path / "out" / "tables"


def test_csv_stays_tidy_and_latex_is_as_printed(folder):
    row = ("ML-DRSNet", 20, 50, "all", "f1", 2 / 3, 1 / 3)
    columns = ["network", "window", "step", "mvc", "metric", "mean", "sd"]
    table = published.beside(pd.DataFrame([row], columns=columns))
    tables.save(table, "t", "out", "note", printed=published.printed(table))
    csv = pd.read_csv(folder / "t.csv", comment="#")
    assert csv["mean"].item() == 2 / 3 and csv["published_sd"].item() == 0.23
    latex = (folder / "t.tex").read_text()
    assert r"0.67 $\pm$ 0.33 & 0.85 $\pm$ 0.23 & -0.18 \\" in latex


def test_without_printed_nothing_changes(folder):
    tables.save(pd.DataFrame({"f_1": [1 / 3], "n": [2]}), "t", "out", "5 % noise")
    assert (folder / "t.csv").read_text() == "# 5 % noise\nf_1,n\n0.3333333333333333,2\n"
    assert (folder / "t.tex").read_text() == (
        "\\begin{table}[ht]\n\\caption{5 \\% noise}\n\\begin{tabular}{rr}\n\\toprule\n"
        "f\\_1 & n \\\\\n\\midrule\n0.33 & 2 \\\\\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )
