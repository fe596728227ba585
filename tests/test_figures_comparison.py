import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from random_results import REDUCED, random_results

from hdsemg_nb import analysis, figures, paths
from hdsemg_nb.figures import comparison


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def scores():
    return analysis.scores(random_results(**REDUCED))


def draw_grid(scores, stem):
    table = analysis.window_and_step(scores, "ML-DRSNet")
    figures.draw_window_and_step(table, scores, stem, "out", "note")


def draw_intensities(scores, stem):
    table = analysis.window_and_step(scores, "ML-DRSNet", by_intensity=True)
    figures.draw_intensities(table, scores, stem, "out", "note")


def draw_compared(scores, stem, by_intensity=False):
    of = (scores, analysis.shortest_settings(scores), by_intensity)
    draw = figures.draw_networks_by_intensity if by_intensity else figures.draw_networks_compared
    draw(analysis.compare(*of), analysis.compare_pairs(*of), scores, stem, "out", "note")


DRAW = {
    "figure_04": draw_grid,
    "figure_05": draw_intensities,
    "figure_10": draw_compared,
    "figure_11": lambda scores, stem: draw_compared(scores, stem, by_intensity=True),
}


@pytest.mark.parametrize("stem", DRAW)
def test_figures_have_the_width_of_two_columns_and_embedded_fonts(scores, project, stem):
    DRAW[stem](scores, stem)
    pdf = (project / "out" / "figures" / f"{stem}.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)
    assert float(box[1]) == pytest.approx(170 / 25.4 * 72, abs=0.1)  # points
    assert b"Type3" not in pdf and b"FontFile2" in pdf


def test_figures_are_reproducible_byte_for_byte(scores, project):
    for stem in ("one", "other"):
        draw_compared(scores, stem)
    folder = project / "out" / "figures"
    for suffix in ("pdf", "png"):
        one, other = (folder / f"{stem}.{suffix}" for stem in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("stem", ["figure_04", "figure_05"])
def test_a_network_without_runs_is_said_to_have_none(scores, monkeypatch, stem):
    saved = []
    monkeypatch.setattr(comparison, "save", lambda figure, *about: saved.append((figure, about)))
    DRAW[stem](scores[scores["network"] != "ML-DRSNet"], stem)
    ((figure, about),) = saved
    plt.close(figure)
    assert [text.get_text() for text in figure.texts] == ["no runs of this network"]
    assert about == (stem, "out", "note")


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def test_bars_points_and_published_values_are_those_of_the_tables(ax, scores):
    table = analysis.window_and_step(scores, "ML-DRSNet").query("metric == 'precision'")
    comparison._draw_grid(ax, table, scores)
    assert [bar.get_height() for bar in ax.patches] == table["mean"].tolist()
    points, *_ = ax.lines
    expected = scores.query("network == 'ML-DRSNet'")["precision"]
    assert sorted(points.get_ydata()) == sorted(expected)
    middle = [round(bar.get_x() + bar.get_width() / 2, 6) for bar in ax.patches]
    assert middle == [-0.21, 0.21, 0.79, 1.21]  # two steps at each of two windows
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert sorted(diamonds[0].get_ydata()) == [0.86, 0.93]  # 20/10 and 20/50


def test_a_cell_without_runs_is_left_empty_and_says_so(ax, scores):
    kept = scores.query("network != 'ML-DRSNet' or window != 140 or step != 10")
    table = analysis.window_and_step(kept, "ML-DRSNet").query("metric == 'f1'")
    comparison._draw_grid(ax, table, kept)
    assert [text.get_text().strip() for text in ax.texts] == ["no runs"]
    assert ax.texts[0].get_position()[0] == pytest.approx(0.79)


def test_brackets_bear_the_stars_of_both_kinds_of_blocks(ax):
    rows = [("A", "B", "***"), ("A", "B", "*"), ("A", "C", ""), ("A", "C", "")]
    rows += [("B", "C", "**"), ("B", "C", "")]
    pairs = pd.DataFrame(rows, columns=["a", "b", "stars"])
    comparison._draw_brackets(ax, pairs, {"A": 0, "B": 1, "C": 2}, 1.0)
    assert [text.get_text() for text in ax.texts] == ["*** (*)", "** (n.s.)"]
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0, 0, 1, 1], [1, 1, 2, 2]]
