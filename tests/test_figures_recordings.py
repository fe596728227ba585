import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from hdsemg_nb import figures, paths
from hdsemg_nb.chapters.dataset_figures import draw_windows


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    return tmp_path / "out" / "figures"


@pytest.fixture
def kept(monkeypatch):
    """The figures that are drawn, left open."""
    monkeypatch.setattr(plt, "close", lambda figure: None)
    yield lambda: plt.figure(plt.get_fignums()[-1])
    monkeypatch.undo()
    plt.close("all")


DRAW = {
    "recording": lambda r: figures.draw_recording(r, "recording", "out", "note"),
    "muaps": lambda r: figures.draw_muaps({"one": r, "two": r}, "muaps", "out", "note"),
    "trains": lambda r: figures.draw_spike_trains(r, "trains", "out", "note"),
}


@pytest.mark.parametrize("stem", DRAW)
@pytest.mark.slow
def test_the_same_bytes_each_time_in_the_size_of_a_page(planted, folder, stem):
    saved = []
    for _ in range(2):
        DRAW[stem](planted)
        saved.append([(folder / f"{stem}.{suffix}").read_bytes() for suffix in ("pdf", "png")])
    assert saved[0] == saved[1]
    pdf, png = saved[0]
    assert pdf.startswith(b"%PDF") and b"Type3" not in pdf and b"FontFile2" in pdf
    assert png.startswith(b"\x89PNG")
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)
    assert float(box[1]) == pytest.approx(170 / 25.4 * 72, abs=0.1)  # two columns, in points


def test_a_recording_without_grid_or_discharges(planted, kept):
    bare = replace(planted, grid=None, discharges=(), pnr=None)
    figures.draw_recording(bare, "bare", "out", "note")
    grid, emg, spikes = kept().axes[:3]
    assert grid.images[0].get_array().shape == (16, 1)
    assert len(emg.lines) == 6 + 1 and not any(len(c.get_positions()) for c in spikes.collections)
    figures.draw_muaps({"bare": bare}, "bare", "out", "note")
    assert not any(ax.axison for ax in kept().axes)


def test_no_channel_or_motor_unit_is_drawn_twice(planted, kept):
    few = replace(planted, emg=planted.emg[:2], grid=None)
    draw_windows(few, 20, 10, "out", "note")
    emg = kept().axes[0]
    assert emg.get_title(loc="left") == "a  EMG of 2 of C = 2 channels"
    assert [label.get_text() for label in emg.get_yticklabels()] == ["0", "1"]
    figures.draw_muaps({"one": few}, "one", "out", "note", n_shown=1)
    assert [ax.get_title(loc="left") for ax in kept().axes] == ["Motor unit 0"]


def test_a_motor_unit_without_a_discharge_is_flat(planted, kept):
    silent = replace(planted, discharges=((), planted.discharges[0]), pnr=None, grid=None)
    figures.draw_muaps({"silent": silent}, "silent", "out", "note")
    flat, wave = kept().axes[:2]
    assert all(np.ptp(line.get_ydata()) == 0 for line in flat.lines[:16])
    heights = [np.ptp(line.get_ydata()) for line in wave.lines[:16]]
    assert max(heights) == pytest.approx(16 / 13)  # of a row, as on a grid of 13 rows


def test_a_constant_offset_does_not_move_the_traces(planted, kept):
    moved = replace(planted, emg=planted.emg + 5000)
    figures.draw_recording(moved, "moved", "out", "note")
    assert abs(kept().axes[1].lines[0].get_ydata().mean()) < 1


def test_a_long_note_is_broken_into_lines_that_fit(kept):
    figure, _ = plt.subplots(figsize=(figures.TWO_COLUMNS, 2), layout="constrained")
    figures.save(figure, "long", "out", "SYNTHETIC data, unlike the paper in many ways; " * 9)
    box = figure.texts[0].get_window_extent()
    assert box.x0 > 0 and box.height > 2 * 5


def test_spike_trains_stand_over_the_force(planted, kept):
    force = np.linspace(0, 20, planted.n_samples)
    one = replace(planted, force=force, force_name="force (% MVC)", grid=None)
    figures.draw_spike_trains(one, "trains", "out", "note", title="one")
    spikes, rates, *behind = kept().axes
    assert len(spikes.collections) == len(rates.lines) == 3
    assert [ax.get_ylabel() for ax in behind] == ["Force (% MVC)"] * 2
    assert all(8 < np.nanmax(line.get_ydata()) < 15 for line in rates.lines)


def test_spike_trains_without_motor_units(planted, kept):
    figures.draw_spike_trains(replace(planted, discharges=(), pnr=None), "none", "out", "note")
    assert not kept().axes[1].lines
