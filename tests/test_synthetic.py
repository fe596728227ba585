from dataclasses import replace

import numpy as np
import pytest

from hdsemg_nb.datasets import (
    compare,
    electrode_positions,
    simulate,
    summarise,
    synthetic_cohort,
)
from hdsemg_nb.datasets.synthetic import cohort, muscle, potentials
from hdsemg_nb.recording import Recording, rectangular_grid
from hdsemg_nb.segment import spike_triggered_average


@pytest.fixture(scope="module")
def simulation():
    return simulate(subject=1, mvc=10, seconds=5, label_lag=(-9, 19))


def test_recording_says_what_it_is(simulation):
    recording = simulation.recording
    assert "synthetic" in recording.source and "synthetic" in recording.muscle
    assert (recording.subject, recording.mvc, recording.duration) == ("S01", 10, 5)
    assert recording.emg.shape == (64, 5 * 2048)
    assert 0 < recording.n_motor_units <= 30 < simulation.truth.n_active
    assert recording.pnr.min() >= 30


def test_truth_recovers_the_labels(simulation):
    recording, truth = simulation
    assert truth.lags.min() >= -9 and truth.lags.max() <= 19 and len(set(truth.lags)) > 1
    for labels, *parts in zip(
        recording.discharges, truth.discharges, truth.delays, truth.lags, strict=True
    ):
        np.testing.assert_array_equal(labels, sum(parts))


def test_labels_without_lag_stand_at_the_action_potential(simulation):
    recording, truth = simulation
    centres = []
    for labels, lag in zip(recording.discharges, truth.lags, strict=True):
        energy = np.square(spike_triggered_average(recording.emg, labels - lag, 81)).sum(axis=0)
        energy -= np.median(energy)  # of the other motor units
        centres.append(energy.argmax() - 40)
    assert np.abs(np.median(centres)) <= 6


def test_same_seed_same_recording_and_other_seed_another(simulation):
    again, other = (simulate(1, 10, 5, seed, (-9, 19)).recording for seed in (0, 1))
    assert again.digest == simulation.recording.digest
    np.testing.assert_array_equal(again.pnr, simulation.recording.pnr)
    assert other.digest != again.digest


def test_grid_moved_by_a_row_sees_the_next_row(simulation):
    moved = simulate(1, 10, 5, electrodes=electrode_positions() + [0, 8]).recording.emg
    still = simulation.recording.emg
    row = range(54, 59)  # channels of row 11; the next five are row 12
    same_place = [np.corrcoef(moved[k], still[k + 5])[0, 1] for k in row]
    same_channel = [np.corrcoef(moved[k], still[k])[0, 1] for k in row]
    assert min(same_place) > 0.95 > max(same_channel)


@pytest.mark.parametrize("pennation", [0.0, 0.4])
def test_conductor_without_layers_is_a_half_space(monkeypatch, pennation):
    """Closed form on the insulated face of an anisotropic half space: twice the free potential."""
    for name, value in dict(
        _MUSCLE_MM=90.0, _GIRTH_MM=400.0, _PERIOD_MM=500.0, _FAT=1e-9, _SKIN=1e-9, _N_PLACES=1
    ).items():
        monkeypatch.setattr(potentials, name, value)
    monkeypatch.setattr(potentials, "_SUPERFICIAL_END", (15.0, 15.0))
    monkeypatch.setattr(potentials, "_NODES", np.zeros(1))
    table = potentials._skin_potentials(0.01, pennation)
    pool = muscle.participant((0, 1)).pool._replace(
        centre=np.zeros((1, 2)), spread=np.zeros((1, 2))
    )
    z0 = -potentials._FIBRE_LENGTH / 2 * np.cos(pennation)  # of the superficial end
    places = np.array([(0, z0), (0, z0 + 10), (0, z0 - 10), (14, z0 + 4), (0, z0 - 24)])
    seen = potentials._seen(table, pennation, pool, 0, places, np.random.default_rng(0))[:, 0]
    along = np.array([0, np.sin(pennation), np.cos(pennation)])  # x, depth, z
    tensor = 0.1 * np.eye(3) + 0.4 * np.outer(along, along)
    way = np.column_stack([places[:, 0], np.full(5, -15.0), places[:, 1] - z0])
    length = np.sqrt(np.einsum("ij,jk,ik->i", way, np.linalg.inv(tensor), way))
    free = 1e9 / (4 * np.pi * np.sqrt(np.linalg.det(tensor)) * length)
    difference = np.diff(2 * free)
    np.testing.assert_allclose(np.diff(seen), difference, atol=0.02 * np.abs(difference).max())


def test_layers_of_one_tissue_are_a_thicker_half_space(monkeypatch):
    for name in ("_ALONG", "_ACROSS", "_FAT", "_SKIN"):
        monkeypatch.setattr(potentials, name, 0.3)
    for name, value in dict(_MUSCLE_MM=90.0, _GIRTH_MM=400.0, _PERIOD_MM=500.0).items():
        monkeypatch.setattr(potentials, name, value)
    seen = potentials._skin_potentials(5.0, 0.3)[8, 0, :40]  # source 12 mm deep in the muscle
    distance = np.hypot(12 + 5 + 1, np.arange(40))
    expected = 2e9 / (4 * np.pi * 0.3 * distance)
    error = (seen - seen[0]) - (expected - expected[0])
    assert np.abs(error).max() < 0.02 * np.ptp(expected)


def test_membrane_currents_sum_to_zero_and_end():
    pool = muscle.participant((0, 1)).pool
    currents = potentials._currents(pool, 7, np.random.default_rng(0))
    largest = np.abs(currents).max()
    assert np.abs(currents.sum(axis=0)).max() < 1e-9 * largest
    assert np.abs(currents[:, -10:]).max() < 1e-3 * largest
    assert np.abs(currents[:, 0]).max() < 1e-2 * largest
    assert np.abs(currents[[0, -1]]).max() < 1e-2 * largest  # no fibre is that long


def test_renewal_has_the_rate_and_the_variability_asked_for():
    time = np.arange(400 * 256) / 256
    rate = np.where(time < 200, 10.0, 20.0)
    times = muscle._renewal(time, rate, 0.15, np.random.default_rng(0))
    for part, wanted in ((times[times < 200], 10), (times[times > 200], 20)):
        intervals = np.diff(part)
        assert 1 / intervals.mean() == pytest.approx(wanted, rel=0.02)
        assert intervals.std() / intervals.mean() == pytest.approx(0.15, abs=0.015)


def test_number_of_labelled_units_follows_the_paper():
    rng = np.random.default_rng(0)
    for mvc, (mean, sd, least, most) in cohort._LABELLED.items():
        drawn = [cohort._n_labelled(rng.normal(), mvc, rng) for _ in range(2000)]
        assert min(drawn) == least and max(drawn) == most
        assert np.mean(drawn) == pytest.approx(mean, abs=0.1 * sd)
        alike = [cohort._n_labelled(0, mvc, rng) for _ in range(2000)]
        assert np.std(alike) == pytest.approx(0.6 * sd, rel=0.1)


def test_cohort_is_simulated_once_and_read_back_unchanged(tmp_path, monkeypatch):
    settings = dict(mvc=(10,), seconds=5, seed=3, folder=tmp_path, workers=1, progress=False)
    recordings = synthetic_cohort(1, **settings)
    written = simulate(1, 10, 5.0, 3).recording
    monkeypatch.setattr(cohort, "simulate", None)  # a second simulation would fail
    (read,) = synthetic_cohort(1, **settings)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"] and len(recordings) == 1
    assert read.digest == written.digest
    np.testing.assert_array_equal(read.pnr, written.pnr)
    np.testing.assert_array_equal(read.grid.electrodes, written.grid.electrodes)
    for name in ("subject", "muscle", "mvc", "source", "fs"):
        assert getattr(read, name) == getattr(written, name)
    with pytest.raises(TypeError):
        synthetic_cohort(1, **{**settings, "label_lag": (-9, 19)})  # not in the cache


def test_recording_without_labels_is_read_back(tmp_path, simulation):
    unlabelled = replace(simulation.recording, discharges=(), pnr=None)
    cohort._save(unlabelled, tmp_path / "a.npz")
    assert cohort._load(tmp_path / "a.npz").digest == unlabelled.digest


@pytest.mark.parametrize(
    "wrong",
    [
        dict(subject=0),
        dict(mvc=5),
        dict(mvc=float("nan")),
        dict(seconds=1),
        dict(label_lag=(3, -3)),
        dict(electrodes=np.zeros((63, 2))),
    ],
)
def test_impossible_parameters_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        simulate(**{**dict(subject=1, mvc=10, seconds=5), **wrong})


def test_compare_measures_a_known_signal():
    time = np.arange(20 * 2048) / 2048
    sine = 100 * np.sqrt(2) * np.sin(2 * np.pi * 128 * time)
    emg = np.outer(np.where(np.arange(64) % 2, 1, -1), sine)
    times = np.arange(256, 20 * 2048 - 256, 256)
    recording = Recording(emg, 2048, [times], pnr=[31], grid=rectangular_grid(), subject="A")
    features = compare([recording]).iloc[0]
    assert features["mean_frequency"] == pytest.approx(128, abs=1)
    assert features["median_frequency"] == pytest.approx(128, abs=1)
    assert features["rms_uv"] == pytest.approx(100, rel=0.01)
    assert features["channel_correlation"] == pytest.approx(1)
    assert features["common_share"] == pytest.approx(0, abs=1e-6)
    assert features["width"] == 175  # 7 of 8 samples of sin^2 are above 0.1
    assert features["peak_to_peak_uv"] == pytest.approx(200 * np.sqrt(2), rel=0.01)
    assert (features["rate"], features["interval_cov"]) == pytest.approx((8, 0))
    assert (features["n_motor_units"], features["pnr"]) == (1, 31)


def test_table_of_motor_units_by_hand():
    emg, fs = np.zeros((1, 5000)), 1000
    recordings = [
        Recording(emg, fs, [[0, 100, 200, 1200, 1300], [7, 57]], pnr=[30, 40], mvc=10),
        Recording(emg, fs, [[0, 200]], pnr=[35], mvc=10),
        Recording(emg, fs, mvc=50),
    ]
    table = summarise(recordings).set_index(["metric", "mvc"])
    assert table.loc[("n_motor_units", "all")].tolist() == [3, 1, 1, 0, 2]  # n, mean, sd, ends
    assert table.loc[("n_motor_units", 10), "mean"] == 1.5
    assert table.loc[("pnr_db", 10)].tolist() == [3, 35, 5, 30, 40]
    rates = table.loc[("discharge_rate", 10)]
    assert (rates["n"], rates["least"], rates["most"]) == (3, 5, 20)
    assert rates["mean"] == pytest.approx(35 / 3)  # 10, 20 and 5 per second; a pause left out
