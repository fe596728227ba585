import pandas as pd
import pytest

from hdsemg_nb import figures, paths, tables
from hdsemg_nb.train import FILTER, Run, cross_validate


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path


def draw_decoded(recording):
    result = cross_validate(recording, Run(FILTER, 20, 20, split="blocked"), False)
    figures.draw_decoded({"filter": result}, recording.fs, 20, "out", "note")


DRAW = {
    "sample_recording": lambda r: figures.draw_recording(r, "out", "note"),
    "sample_muaps": lambda r: figures.draw_muaps(r, "out", "note"),
    "sample_decoded": draw_decoded,
}


@pytest.mark.parametrize("stem", DRAW)
def test_figures_are_reproducible_byte_for_byte(planted, project, stem):
    saved = []
    for _ in range(2):
        DRAW[stem](planted)
        folder = project / "out" / "figures"
        saved.append([(folder / f"{stem}.{suffix}").read_bytes() for suffix in ("pdf", "png")])
    assert saved[0] == saved[1]
    pdf, png = saved[0]
    assert pdf.startswith(b"%PDF") and b"Type3" not in pdf and b"FontFile2" in pdf
    assert png.startswith(b"\x89PNG")


def test_table_as_csv_and_latex(project):
    table = pd.DataFrame({"network": ["ML-DCNN", "a_b"], "f1": [1 / 3, 0.5]})
    assert tables.save(table, "t", "out", "synthetic, 5 % noise") is table
    csv = project / "out" / "tables" / "t.csv"
    assert csv.read_text().startswith("# synthetic, 5 % noise\n")
    pd.testing.assert_frame_equal(pd.read_csv(csv, comment="#"), table)
    latex = (project / "out" / "tables" / "t.tex").read_text()
    assert r"\toprule" in latex and "0.33" in latex and r"a\_b" in latex
    assert r"5 \% noise" in latex
