import numpy as np
import pytest

from hdsemg_nb.chapters import planted as module
from hdsemg_nb.chapters.planted import ENERGY, FS, Change, planted, potentials, shapes


@pytest.mark.parametrize("width", [41, 123])
def test_action_potentials_have_their_width_and_their_middle(width):
    waves = potentials(shapes(6, np.random.default_rng(1)), width).astype(float)
    assert waves.shape == (6, 2 * width + 1, 64) and np.abs(waves).max() < 500
    for energy in np.cumsum(np.square(waves).sum(axis=2), axis=1):
        shares = (1 - ENERGY) / 2, 0.5, (1 + ENERGY) / 2
        first, middle, last = np.interp(shares, energy / energy[-1], np.arange(2 * width + 1))
        assert abs(middle - width) < 1 and last - first == pytest.approx(width, rel=0.05)


def alike(recording, times, lag, width):
    """Cosine between the mean around the labels and the one motor unit that was planted."""
    (wave,) = potentials(shapes(1, np.random.default_rng(0).spawn(4)[0]), width)
    half = len(wave) // 2
    pieces = [recording.emg[:, t + lag - half : t + lag + half + 1] for t in times]
    mean = np.mean(pieces, axis=0).T
    return (mean * wave).sum() / np.linalg.norm(mean) / np.linalg.norm(wave)


@pytest.mark.parametrize("lag", [-30, 10])
def test_labels_stand_a_lag_from_the_middle(lag):
    recording = planted(20, lag, n_units=1, seconds=10)
    (times,) = recording.discharges
    assert alike(recording, times, lag, 0.02 * FS) > 0.9
    assert alike(recording, times, lag + 10, 0.02 * FS) < 0.7


def test_action_potentials_change_with_time(monkeypatch):
    monkeypatch.setattr(module, "LEVELS", 4)
    recording = planted(20, n_units=1, seconds=16, change=Change(width=(1, 1, 1.5, 1.5)))
    (times,) = recording.discharges
    for part, width in ((times < 4 * FS, 1), (times > 12 * FS, 1.5)):
        right, wrong = (
            alike(recording, times[part], 0, w * 0.02 * FS) for w in (width, 2.5 - width)
        )
        assert right > 0.95 and right > wrong + 0.02


def test_recordings_are_drawn_from_the_seed():
    one, same, other = (planted(n_units=3, seconds=5, seed=seed) for seed in (0, 0, 1))
    assert one.n_motor_units == 3 and one.emg.shape == (64, round(5 * FS))
    assert np.array_equal(one.emg, same.emg) and not np.array_equal(one.emg, other.emg)
