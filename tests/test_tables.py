import pandas as pd
import pytest

from hdsemg_nb import paths, results, tables


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path / "out" / "tables"


def test_csv_stays_tidy_and_latex_is_as_printed(folder):
    table = pd.DataFrame({"mean": [2 / 3]})
    tables.save(table, "t", "out", "note", printed=pd.DataFrame({"mean": ["0.67 ± 0.33"]}))
    assert tables.load(folder / "t.csv")[0]["mean"].item() == 2 / 3
    assert r"0.67 $\pm$ 0.33 \\" in (folder / "t.tex").read_text()


def test_without_printed_nothing_changes(folder):
    tables.save(pd.DataFrame({"f_1": [1 / 3], "n": [2]}), "t", "out", "5 % noise")
    assert (folder / "t.csv").read_text() == "# 5 % noise\nf_1,n\n0.3333333333333333,2\n"
    assert (folder / "t.tex").read_text() == (
        "\\begin{table}[ht]\n\\caption{5 \\% noise}\n\\begin{tabular}{rr}\n\\toprule\n"
        "f\\_1 & n \\\\\n\\midrule\n0.33 & 2 \\\\\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )


def test_text_is_never_a_missing_value_and_may_hold_anything(folder):
    names = ["NA", "None", "nan", "", "007", "trial #2.mat", 'a "b", c']
    table = pd.DataFrame({"subject": names, "f1": [0.5, None, *range(5)], "ok": [True] * 7})
    tables.save(table, "t", "out", "note # 1")
    read, note = tables.load(folder / "t.csv")
    assert read["subject"].tolist() == names and note == "note # 1"
    assert read["f1"].isna().tolist() == [False, True] + [False] * 5
    assert read["ok"].dtype == bool


def test_a_table_cut_short_is_named(folder):
    tables.save(pd.DataFrame({"n": [1, 2]}), "t", "out", "note")
    path = folder / "t.csv"
    path.write_text(path.read_text()[:-1])
    with pytest.raises(ValueError, match="t.csv was cut short"):
        tables.load(path)


def test_settings_that_are_the_defaults_are_left_out_and_come_back(folder):
    about = dict(run="a", recording_digest="b", subject="S01", mvc=30, network="ML-DCNN", window=20)
    counts = dict(motor_unit=0, n_windows=9, tp=1, fp=0, fn=0)
    table = pd.DataFrame([dict(**about, step=10, epochs=100, fold=k, **counts) for k in range(5)])
    results.save(table.assign(seed=1, split="shuffled", patience=None), "results/t.csv", "note")
    assert "epochs" not in (paths.PROJECT / "results/t.csv").read_text()
    read = results.read("results/t.csv")
    assert read[["epochs", "seed", "split"]].values.tolist() == 5 * [[100, 1, "shuffled"]]
    assert read["patience"].isna().all() and read["tested_folds"].tolist() == 5 * [5]


def test_a_study_read_and_saved_again_is_the_same_file(folder):
    table = pd.DataFrame({"patience": [None, 20], "tested_folds": [1, 1], "tp": [1, 2]})
    results.save(table, "results/t.csv", "note")
    results.save(results.read("results/t.csv"), "results/again.csv", "note")
    once, again = ((paths.PROJECT / f"results/{n}.csv").read_text() for n in ("t", "again"))
    assert again == once and once.splitlines()[2:] == [",1,1", "20,1,2"]


def test_a_place_that_cannot_be_written_to_is_named(folder):
    (paths.OUTPUT / "out").write_text("a file in the place of the folder")
    with pytest.raises(OSError, match="out.tables cannot be made .*: choose a place"):
        tables.save(pd.DataFrame({"n": [1]}), "t", "out", "note")
    with pytest.raises(OSError, match="none.t.csv cannot be written"):
        paths.write_whole(paths.OUTPUT / "none" / "t.csv", "n")
