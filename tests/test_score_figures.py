import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from random_results import random_results
from test_scores import read

from hdsemg_nb.chapters import comparison, score_figures, scores, window_and_step


@pytest.fixture
def drawn_figures(monkeypatch):
    figures = []
    monkeypatch.setattr(score_figures, "save", lambda figure, *about: figures.append(figure))
    monkeypatch.setattr(scores, "GRID", {"window": (20, 140), "step": (10, 50)})
    yield figures
    for figure in figures:
        plt.close(figure)


@pytest.fixture
def runs(monkeypatch):
    return scores.scores(read(monkeypatch, random_results(2)))


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes]


def test_window_and_step_over_all_intensities_and_by_intensity(runs, drawn_figures):
    for by_intensity, draw in enumerate(
        [window_and_step.draw_window_and_step, window_and_step.draw_intensities]
    ):
        table = window_and_step.window_and_step(runs, "ML-DRSNet", bool(by_intensity))
        draw(table, runs, "stem", "out", "note")
    together, apart = drawn_figures
    assert titles(together) == ["a", "b", "c", "d"] and len(apart.axes) == 4 * 3
    mean = table.query("metric == 'f1' and mvc == 30")["mean"].mean()
    assert titles(apart)[1] == f"b  30 % MVC: mean {mean:.2f}"
    assert [ax.get_ylabel() for ax in apart.axes[:4]] == ["F1-score (0 to 1)", "", "", (
        "Sensitivity (0 to 1)"
    )]  # fmt: skip
    legend = [text.get_text() for text in apart.legends[0].get_texts()]
    assert legend == ["S = 10", "S = 50", "mean of all bars", "one recording (n = 2)",
                      "published mean ± SD"]  # fmt: skip


def test_networks_over_all_intensities_and_by_intensity(runs, drawn_figures):
    for by_intensity, draw in enumerate(
        [comparison.draw_networks_compared, comparison.draw_networks_by_intensity]
    ):
        of = (runs, comparison.shortest_settings(), bool(by_intensity))
        pairs = comparison.compare_pairs(*of)
        draw(comparison.compare(*of), pairs.assign(stars="*"), runs, "stem", "out", "note")
    together, apart = drawn_figures
    assert titles(together) == ["a", "b", "c", "d"]
    assert titles(apart) == [f"{x} % MVC" for x in (
        "a  10", "c  30", "e  50", "b  10", "d  30", "f  50",
    )]  # fmt: skip
    marks = [[text.get_text() for text in ax.texts] for ax in (together.axes[0], apart.axes[0])]
    assert marks == [["* (*)"] * 3, ["*"] * 3]
    names = [tick.get_text() for tick in apart.axes[0].get_xticklabels()]
    assert names == [f"{name}\n20 / 10" for name in ("ML-DRSNet", "ML-DCNN", "MT-DCNN")]


def test_without_runs_and_without_pairs_the_figure_says_so(runs, drawn_figures):
    some = runs.query("network == 'ML-DCNN' and mvc == 30")
    of = (some, comparison.shortest_settings())
    pairs = comparison.compare_pairs(*of)
    comparison.draw_networks_compared(comparison.compare(*of), pairs, some, "stem", "out", "note")
    assert [text.get_text() for text in drawn_figures[0].axes[0].texts] == [" not run yet"] * 2
    legend = [text.get_text() for text in drawn_figures[0].legends[0].get_texts()]
    assert legend[0] == "no test: the networks lack cells"


def test_no_mean_of_some_bars(runs, drawn_figures):
    some = runs.query("not (window == 20 and mvc == 30)")
    table = window_and_step.window_and_step(some, "ML-DRSNet", by_intensity=True)
    window_and_step.draw_intensities(table, some, "stem", "out", "note")
    assert [": mean" in title for title in titles(drawn_figures[0])[:3]] == [True, False, True]


def test_bars_of_different_recordings_bear_their_numbers(ax, runs):
    drawn(ax, runs.query("not (window == 20 and step == 10 and mvc == 30)"))
    assert [text.get_text() for text in ax.texts][:4] == ["4", "6", "6", "6"]


def drawn(ax, runs, kept="window > 0"):
    """Bars of a table of the network's precision, by window and step."""
    runs = runs.query(kept)
    table = window_and_step.window_and_step(runs, "ML-DRSNet").query("metric == 'precision'")
    score_figures.draw_bars(ax, table, runs, "window", "step", ["0.5"] * 20)
    middle = [round(bar.get_x() + bar.get_width() / 2, 6) for bar in ax.patches]
    means = table.dropna(subset="mean")["mean"]
    return [(x, bar.get_height()) for x, bar in zip(middle, ax.patches, strict=True)], means


def test_bars_points_and_published_values_are_those_of_the_tables(ax, runs):
    bars, means = drawn(ax, runs)
    assert [height for _, height in bars] == pytest.approx(means.tolist())
    assert [x for x, _ in bars] == [-0.32, 0.32, 2.68, 3.32]  # S 10 and 50 at W 20, then 140
    lines = {line.get_marker(): line.get_ydata() for line in ax.lines}
    assert sorted(lines["o"]) == sorted(runs.query("network == 'ML-DRSNet'")["precision"])
    given = [y for y in lines["D"] if not np.isnan(y)]
    assert sorted(given) == [0.86, 0.93]  # 20/10 and 20/50


def test_a_bar_alone_stands_in_its_place_and_the_others_say_so(ax, runs):
    bars, _ = drawn(ax, runs, "network == 'ML-DRSNet' and window == 20 and step == 50")
    assert [x for x, _ in bars] == [0.32]
    once_or_each = [text.get_rotation() for text in ax.texts if "not run yet" in text.get_text()]
    assert once_or_each == [90] * 4 + [0] * 3  # the rest of W = 20, then W = 60, 100, 140
    plt.clf()
    drawn(plt.gca(), runs, "network != 'ML-DRSNet'")
    assert [text.get_text() for text in plt.gca().texts] == ["not run yet"]


def test_narrow_stand_ins_are_hatched(ax, runs):
    drawn(ax, runs.assign(width=runs["step"].map({10: 0.125, 50: 1.0})))
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [True, False, True, False]


def test_brackets_bear_the_stars_of_both_kinds_of_blocks(ax):
    rows = [("A", "B", "***"), ("A", "B", "*"), ("A", "C", ""), ("A", "C", "")]
    rows += [("B", "C", "**"), ("B", "C", "")]
    pairs = pd.DataFrame(rows, columns=["a", "b", "stars"])
    comparison._draw_brackets(ax, pairs, ["A", "B", "C"].index, 1.0)
    assert [text.get_text() for text in ax.texts] == ["*** (*)", "** (n.s.)"]
    assert [line.get_xdata().tolist() for line in ax.lines] == [[0, 0, 1, 1], [1, 1, 2, 2]]
