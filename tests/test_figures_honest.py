from itertools import product

import numpy as np
import pandas as pd
import pytest
from random_results import random_results

from hdsemg_nb import figures, honest, paths
from hdsemg_nb.figures import honest as drawn_by
from hdsemg_nb.figures import robustness as robustness_figures
from hdsemg_nb.train import FILTER, Run, cross_validate

RUN = Run(FILTER, 20, 20, "blocked", tested_folds=1)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    return tmp_path


@pytest.fixture
def results(planted):
    return {RUN: cross_validate(planted, RUN, False)}


@pytest.fixture
def drawn(monkeypatch):
    kept = []
    monkeypatch.setattr(drawn_by, "save", lambda figure, *rest: kept.append(figure))
    return kept


def reading_scores():
    rows = [
        (span, offset, network, 20, step, 0.5, 0.1)
        for span, offset, network, step in product(
            ("step", "window"), (0, 10), ("ML-DRSNet", "ML-DCNN"), (20, 50)
        )
    ]
    names = ["span", "offset", "network", "window", "step", "f1", "always_positive_f1"]
    return pd.DataFrame(rows, columns=names)


def draw_all(planted, results):
    leakage = honest.summarise(honest.leakage(random_results(2, windows=(20,))))
    compared = honest.compare_trains(planted, honest.decoded_trains(planted, results))
    counts = honest.with_always_positive(honest.gather_counts(results))
    peers = honest.compare_peers(planted, results, n_timed=5)
    peers[["median_ms", "p95_ms"]] = 1.0  # the clock
    figures.draw_leakage({"one": leakage, "two": leakage[:2]}, "out", "note")
    figures.draw_trains({"one": compared, "two": compared}, "out", "note")
    figures.draw_peers({"one": peers}, "out", "note")
    figures.draw_readings(reading_scores(), "out", "note")
    identified = honest.identified(counts, ["network"])
    figures.draw_thresholds(honest.curves(results), identified, "out", "note")


def test_figures_are_reproducible_byte_for_byte(planted, results, project):
    saved = []
    for _ in range(2):
        draw_all(planted, results)
        files = sorted((project / "out" / "figures").iterdir())
        saved.append({file.name: file.read_bytes() for file in files})
    assert saved[0] == saved[1]
    stems = ["leakage", "peers", "readings", "spike_trains", "thresholds"]
    assert list(saved[0]) == [f"honest_{s}.{suffix}" for s in stems for suffix in ("pdf", "png")]


def test_leakage_is_drawn_from_shuffled_to_blocked(drawn):
    table = honest.summarise(honest.leakage(random_results(2, windows=(20,))))
    figures.draw_leakage({"one": table}, "out", "note")
    lines = [x for x in drawn[0].axes[0].lines if len(x.get_xdata()) == 2]
    expected = table[["f1_shuffled", "f1_blocked"]].to_numpy()
    np.testing.assert_array_equal([line.get_xdata() for line in lines[: len(table)]], expected)


def test_readings_have_a_panel_for_each_run_and_a_line_for_each_span(drawn):
    figures.draw_readings(reading_scores(), "out", "note")
    panels = [ax for ax in drawn[0].axes if ax.lines]
    assert [ax.get_title(loc="left") for ax in panels] == [
        f"{network}, W 20, S {step}" for network in ("ML-DRSNet", "ML-DCNN") for step in (20, 50)
    ]
    assert all(len(ax.lines) == 4 for ax in panels)


def test_precision_is_that_of_the_sensitivity_below_it(drawn, results):
    curves = honest.curves(results)
    identified = honest.identified(honest.gather_counts(results), ["network"])
    figures.draw_thresholds(curves, identified, "out", "note")
    line = drawn[0].axes[0].lines[0]
    first = curves[curves["motor_unit"] == 0]
    assert line.get_drawstyle() == "steps-pre"
    assert line.get_ydata()[1:].tolist() == first["precision"].tolist()
    assert line.get_xdata().tolist() == [0, *first["sensitivity"]]


def changed(networks=(FILTER, "MUF-Net")):
    levels = [("as recorded", ""), ("noise", "20 dB"), ("noise", "10 dB"), ("dead channels", "5 %")]
    rows = [
        {"network": name, "kind": kind, "level": level, "f1": 1 - 0.1 * i - 0.05 * k, "f1_sd": 0.1}
        for k, name in enumerate(networks)
        for i, (kind, level) in enumerate(levels)
    ]
    return pd.DataFrame(rows)


def test_lines_of_robustness_begin_with_the_signal_as_recorded(monkeypatch):
    kept = []
    monkeypatch.setattr(robustness_figures, "save", lambda figure, *rest: kept.append(figure))
    figures.draw_robustness({"synthetic": changed()}, "out", "note")
    noise, dead, *absent = kept[0].axes
    line, other = (container.lines[0] for container in noise.containers)
    np.testing.assert_allclose(line.get_ydata(orig=False), [1, 0.9, 0.8])
    np.testing.assert_allclose(other.get_ydata(orig=False), [0.95, 0.85, 0.75])
    assert len(dead.containers) == 2 and not any(ax.axison for ax in absent)


def test_ablation_has_a_bar_for_each_part_and_a_line_for_each_decoder(monkeypatch):
    kept = []
    monkeypatch.setattr(robustness_figures, "save", lambda figure, *rest: kept.append(figure))
    rows = {"network": ["A", "B", "A"], "train_seconds": [5, 2, 2], "f1": [3, 2, 1]}
    seconds = {"real": pd.DataFrame(rows), "synthetic": pd.DataFrame(rows).iloc[:1]}
    ablation = pd.DataFrame({"without": ["", "lag"], "f1": [0.9, 0.4]})
    figures.draw_ablation(seconds, ablation, "o", "n")
    real, synthetic, right = kept[0].axes
    assert [line.get_xdata().tolist() for line in real.lines] == [[2, 5], [2]]
    assert [line.get_ydata().tolist() for line in synthetic.lines] == [[3]]
    assert [text.get_text() for text in kept[0].legends[0].texts] == ["A", "B"]
    assert [bar.get_width() for bar in right.patches] == [0.9, 0.4]
