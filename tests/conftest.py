"""Small recordings that every test can use."""

import numpy as np
import pytest

from hdsemg_nb.recording import Recording, rectangular_grid


@pytest.fixture
def planted():
    """Eight seconds of 16 channels with three motor units planted in noise, easy to decode."""
    rng = np.random.default_rng(7)
    n_samples, fs, width = 16384, 2048, 24
    emg = rng.normal(0, 3, (16, n_samples))
    shape = np.diff(np.hanning(width + 1))
    discharges = []
    for unit in range(3):
        times = np.cumsum(rng.integers(150, 260, 70))
        times = times[times < n_samples - width] + unit
        gains = rng.normal(0, 60, 16)
        for t in times[times > width]:
            emg[:, t - width // 2 : t + width // 2] += np.outer(gains, np.roll(shape, 3 * unit))
        discharges.append(times[times > width])
    grid = rectangular_grid(4, 4, 8.0, empty=())
    return Recording(emg, fs, discharges, grid=grid, source="planted")
