import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import architecture, figures, models, paths, segment, tables
from hdsemg_nb.figures import pipeline
from hdsemg_nb.train import FILTER, Run, cross_validate


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path


def draw_decoded(recording):
    result = cross_validate(recording, Run(FILTER, 20, 20, split="blocked"), False)
    figures.draw_decoded({"filter": result}, recording.fs, 20, "out", "note")


def layers(network, recording, window):
    model = models.build_model(network, window, recording.n_motor_units, recording.n_channels)
    return architecture.layer_table(model, recording.n_channels, window)


def draw_pipeline(recording):
    run = Run("ML-DCNN", 20, 20, split="blocked")
    result = cross_validate(recording, replace(run, network=FILTER), False)  # fast, same windows
    figures.draw_pipeline(recording, run, result, layers(run.network, recording, 20), "out", "note")


DRAW = {
    "figure_01": draw_pipeline,
    "figure_02": lambda r: figures.draw_windows(r, 20, 10, "out", "note"),
    "muap_maps": lambda r: figures.draw_muap_page({"one": r, "two": r}, "out", "note"),
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
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)
    assert float(box[1]) == pytest.approx(170 / 25.4 * 72, abs=0.1)  # two columns, in points


@pytest.mark.parametrize(("window", "step"), [(20, 10), (20, 50), (140, 50)])
def test_windows_drawn_are_those_whose_labels_hold_most_motor_units(planted, window, step):
    chosen = pipeline._busiest_windows(planted, window, step, 3)
    starts = segment.window_starts(planted.n_samples, window, step)
    label = segment.labels(planted.discharges, starts, window)
    firing = [label[k : k + 3].any(axis=0).sum() for k in range(len(starts) - 2)]
    assert chosen[0] == starts[np.argmax(firing)] and set(np.diff(chosen)) == {step}
    units = pipeline._firing(planted, chosen, window)
    assert len(units) == max(firing) > 0


def test_windows_without_a_discharge_are_refused(planted):
    silent = replace(planted, discharges=(), pnr=None)
    with pytest.raises(ValueError, match="no discharge of 0 motor units"):
        figures.draw_windows(silent, 20, 10, "out", "note")
    with pytest.raises(ValueError, match="n_windows=6 must be from 2 to the 3 windows"):
        figures.draw_windows(planted.crop(0, 40 / planted.fs), 20, 10, "out", "note")


def test_extended_signal_is_white_and_in_place(planted):
    n, lags = planted.n_samples, pipeline.N_LAGS
    whitened = pipeline._whitened(planted, (0, n))
    assert whitened.shape == (planted.n_channels * lags, n)
    np.testing.assert_allclose(np.cov(whitened), np.eye(len(whitened)), atol=0.02)
    delayed = np.pad(planted.emg[2], (5, 0))[:n]  # row channel * lags + lag
    likeness = [abs(np.corrcoef(delayed, row)[0, 1]) for row in whitened]
    assert np.argmax(likeness) == 2 * lags + 5


def test_equal_layers_in_a_row_are_one_box(planted):
    assert pipeline._stacked(layers("ML-DRSNet", planted, 20)) == [
        "Conv 3 x 3",
        "8 x Shrinkage block",
        "Average pool",
        "FC",
    ]


def test_table_as_csv_and_latex(project):
    table = pd.DataFrame({"network": ["ML-DCNN", "a_b"], "f1": [1 / 3, 0.5]})
    assert tables.save(table, "t", "out", "synthetic, 5 % noise") is table
    csv = project / "out" / "tables" / "t.csv"
    assert csv.read_text().startswith("# synthetic, 5 % noise\n")
    pd.testing.assert_frame_equal(pd.read_csv(csv, comment="#"), table)
    latex = (project / "out" / "tables" / "t.tex").read_text()
    assert r"\toprule" in latex and "0.33" in latex and r"a\_b" in latex
    assert r"5 \% noise" in latex


def test_learning_curves_have_a_panel_for_each_network_and_step(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "hdsemg_nb.figures.training.save", lambda figure, *rest: drawn.append(figure)
    )
    cells = pd.DataFrame(
        [("ML-DCNN", 20, 50), ("ML-DCNN", 140, 50), ("MT-DCNN", 20, 10)],
        columns=["network", "window", "step"],
    )
    epochs = pd.DataFrame({"epoch": range(3), "train_loss": [3, 2, 1], "val_loss": [4, 3, 5]})
    figures.draw_learning_curves(cells.merge(epochs, how="cross"), "out", "note")
    curves = {ax.get_title(loc="left"): len(ax.lines) for ax in drawn[0].axes}
    assert curves == {
        "ML-DCNN, S = 10": 0,
        "ML-DCNN, S = 50": 4,
        "MT-DCNN, S = 10": 2,
        "MT-DCNN, S = 50": 0,
    }
    assert drawn[0].axes[1].lines[1].get_xydata().tolist() == [[1, 4], [2, 3], [3, 5]]


def test_a_long_note_is_broken_into_lines_that_fit(monkeypatch):
    figure, _ = plt.subplots(figsize=(figures.TWO_COLUMNS, 2), layout="constrained")
    monkeypatch.setattr(plt, "close", lambda figure: None)
    figures.save(figure, "long", "out", "SYNTHETIC data, unlike the paper in many ways; " * 9)
    box = figure.texts[0].get_window_extent()
    assert box.x0 > 0 and box.height > 2 * 5
