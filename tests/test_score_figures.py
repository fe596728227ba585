import matplotlib.pyplot as plt
import pandas as pd
import pytest
from random_results import random_results
from test_scores import read

from hdsemg_nb import paths
from hdsemg_nb.chapters import comparison, score_figures, scores, window_and_step


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    return tmp_path / "out" / "figures"


@pytest.fixture
def runs(monkeypatch):
    return scores.scores(read(monkeypatch, random_results(2)))


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def compared(runs, stem, by_intensity=False):
    of = (runs, comparison.shortest_settings(), by_intensity)
    draw = comparison.draw_networks_by_intensity if by_intensity else None
    draw = draw or comparison.draw_networks_compared
    draw(comparison.compare(*of), comparison.compare_pairs(*of), runs, stem, "out", "note")


def grid(runs, stem, by_intensity=False):
    table = window_and_step.window_and_step(runs, "ML-DRSNet", by_intensity)
    draw = window_and_step.draw_intensities if by_intensity else None
    draw = draw or window_and_step.draw_window_and_step
    draw(table, runs, stem, "out", "note")


@pytest.mark.parametrize("draw", [grid, compared])
def test_figures_are_drawn_with_all_runs_and_with_some(runs, project, draw):
    some = runs.query("network == 'ML-DCNN' and mvc == 30")
    draw(runs, "all")
    draw(some, "some", by_intensity=True)
    assert all((project / f"{stem}.png").stat().st_size > 10_000 for stem in ("all", "some"))


def test_the_map_says_what_is_not_run_yet(runs, monkeypatch):
    drawn = []
    monkeypatch.setattr(window_and_step, "save", lambda figure, *about: drawn.append(figure))
    window_and_step.draw_map(runs.query("network != 'MT-DCNN' and window == 20"), "out", "note")
    texts = [[text.get_text() for text in ax.texts] for ax in drawn[0].axes]
    assert [some.count("not\nrun\nyet") for some in texts] == [18, 18, 20]
    assert sum("n = 6" in text for text in texts[0]) == 2


def test_figures_are_reproducible_byte_for_byte(runs, project):
    for stem in ("one", "other"):
        compared(runs, stem)
    for suffix in ("pdf", "png"):
        one, other = ((project / f"{stem}.{suffix}").read_bytes() for stem in ("one", "other"))
        assert one == other


def drawn(ax, runs, kept="window > 0"):
    """Bars of a table of the network's precision, by window and step."""
    runs = runs.query(kept)
    table = window_and_step.window_and_step(runs, "ML-DRSNet").query("metric == 'precision'")
    score_figures.draw_bars(ax, table, runs, "window", "step", ["0.5"] * 5)
    middle = [round(bar.get_x() + bar.get_width() / 2, 6) for bar in ax.patches]
    means = table.dropna(subset="mean").sort_values(["step", "window"])["mean"]
    return [(x, bar.get_height()) for x, bar in zip(middle, ax.patches, strict=True)], means


def test_bars_points_and_published_values_are_those_of_the_tables(ax, runs):
    bars, means = drawn(ax, runs)
    assert [height for _, height in bars] == pytest.approx(means.tolist())
    assert [x for x, _ in bars] == [-0.32, 2.68, 0.32, 3.32]  # W 20, 140 at S 10, then at S 50
    points = [y for dots in ax.collections for _, y in dots.get_offsets()]
    assert set(runs.query("network == 'ML-DRSNet'")["precision"]) <= set(points)
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert sorted(diamonds[0].get_ydata()) == [0.86, 0.93]  # 20/10 and 20/50


def test_a_bar_alone_stands_in_its_place_and_the_others_say_so(ax, runs):
    bars, _ = drawn(ax, runs, "network == 'ML-DRSNet' and window == 20 and step == 50")
    assert [x for x, _ in bars] == [0.32]
    assert [text.get_text().strip() for text in ax.texts] == ["not run yet"] * 19
    plt.clf()
    drawn(plt.gca(), runs, "network != 'ML-DRSNet'")
    assert [text.get_text() for text in plt.gca().texts] == ["not run yet"]


def test_narrow_stand_ins_are_hatched(ax, runs):
    drawn(ax, runs.assign(width=runs["step"].map({10: 0.125, 50: 1.0})))
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [True, True, False, False]


def test_brackets_bear_the_stars_of_both_kinds_of_blocks(ax):
    rows = [("A", "B", "***"), ("A", "B", "*"), ("A", "C", ""), ("A", "C", "")]
    rows += [("B", "C", "**"), ("B", "C", "")]
    pairs = pd.DataFrame(rows, columns=["a", "b", "stars"])
    comparison._draw_brackets(ax, pairs, ["A", "B", "C"].index, 1.0)
    assert [text.get_text() for text in ax.texts] == ["*** (*)", "** (n.s.)"]
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0, 0, 1, 1], [1, 1, 2, 2]]
