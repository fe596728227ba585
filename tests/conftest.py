"""Small recordings that every test can use."""

import numpy as np
import pytest

from hdsemg_nb import latency, segment, sweep, train, unfinished
from hdsemg_nb.recording import Recording, rectangular_grid
from hdsemg_nb.studies import Block, plan
from hdsemg_nb.train import Run


@pytest.fixture(autouse=True)
def no_training_of_before(tmp_path, monkeypatch):
    """No test takes up a training that another one, or a sweep, has left."""
    monkeypatch.setattr(unfinished, "FOLDER", tmp_path / "unfinished")


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


@pytest.fixture(scope="session")
def two_units():
    """Four seconds of 16 channels in uV, far from mean 0, with two motor units."""
    rng = np.random.default_rng(7)
    emg = rng.normal(40, 5, (16, 8192))
    discharges = [np.arange(60, 8100, 97), np.arange(90, 8100, 131)]
    for times in discharges:
        shape = np.outer(rng.normal(0, 60, 16), np.diff(np.hanning(17)))
        for t in times:
            emg[:, t - 8 : t + 8] += shape
    return Recording(emg, 2048, discharges, grid=rectangular_grid(4, 4, 8.0, empty=()))


@pytest.fixture(scope="session")
def trained(two_units):
    """ML-DCNN, W = 20, S = 10, that decodes `two_units`."""
    run = Run("ML-DCNN", 20, 10, epochs=8, learning_rate=2e-3, split="blocked", bf16=False)
    return train.fit(two_units, run, segment.cut(two_units, run)[1][0])


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """File of `trained` in float32."""
    path = tmp_path_factory.mktemp("export") / "fp32.onnx"
    latency.export(trained, path)
    return path


@pytest.fixture(scope="session")
def decoder(exported):
    return latency.Decoder(exported)


@pytest.fixture
def sweep_of():
    """As `sweep.study`, of recordings and runs that are at hand."""

    def computed(recordings, runs, folder, known=None, **where):
        block = Block("", {}, runs)
        works = plan(recordings, [block], [range(len(recordings))], folder)
        sweep.carry_out(recordings, works, folder, known=known, **where)
        return sweep.gather(works, known)

    return computed
