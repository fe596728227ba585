from dataclasses import replace

import numpy as np
import pytest

from hdsemg_nb.datasets import Setup, electrode_positions, simulate, synthetic_cohort
from hdsemg_nb.datasets.synthetic import cohort, muscle, potentials
from hdsemg_nb.datasets.synthetic import simulation as model
from hdsemg_nb.segment import spike_triggered_average


@pytest.fixture(scope="module")
def simulation():
    return simulate(subject=1, mvc=10, seconds=5)


def test_recording_says_what_it_is(simulation):
    recording = simulation.recording
    assert "synthetic" in recording.source and "synthetic" in recording.muscle
    assert (recording.subject, recording.mvc, recording.duration) == ("S01", 10, 5)
    assert recording.emg.shape == (64, 5 * 2048)
    assert 0 < recording.n_motor_units <= 30
    assert recording.pnr.min() >= 30


def test_truth_recovers_the_labels(simulation):
    recording, truth = simulation
    assert len(set(truth.delays)) > 1 and len(truth.units) == recording.n_motor_units
    for labels, *parts in zip(recording.discharges, truth.discharges, truth.delays, strict=True):
        np.testing.assert_array_equal(labels, sum(parts))


def test_labels_stand_at_the_action_potential(simulation):
    centres = []
    for labels in simulation.recording.discharges:
        average = spike_triggered_average(simulation.recording.emg, labels, 81)
        energy = np.square(average).sum(axis=0)
        centres.append((energy - np.median(energy)).argmax() - 40)  # less the other motor units'
    assert np.abs(np.median(centres)) <= 6


def test_same_seed_same_recording_and_other_seed_another(simulation):
    again = simulate(1, np.int64(10), 5, 0).recording
    assert again.digest == simulation.recording.digest
    np.testing.assert_array_equal(again.pnr, simulation.recording.pnr)
    one, other = (muscle.participant((seed, 1)).pool.centre for seed in (0, 1))
    assert not np.isclose(one, other).any()


def test_grid_moved_by_a_row_sees_the_next_row(simulation, monkeypatch):
    none = np.arange(0), np.arange(0), np.empty(0)
    monkeypatch.setattr(model, "_separable", lambda *_: none)  # the labels take the most time
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
    table = potentials._skin_potentials(0.01, pennation)
    pool = muscle.participant((0, 1)).pool._replace(
        centre=np.zeros((1, 2)), spread=np.zeros((1, 2))
    )
    places, rng = np.array([(0, 0), (0, 10), (0, -10), (14, 4), (0, -24)]), np.random.default_rng(0)
    seen = potentials._seen(table, pennation, pool, 0, places, np.zeros(1), rng)[:, 0]
    along = np.array([0, np.sin(pennation), np.cos(pennation)])  # x, depth, z
    tensor = 0.1 * np.eye(3) + 0.4 * np.outer(along, along)
    way = np.column_stack([places[:, 0], np.full(5, -15.0), places[:, 1]])
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
    currents = potentials._currents(pool, 7, potentials._nodes(55.0), np.random.default_rng(0))
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
    for mvc, (mean, sd, least, most) in model._LABELLED.items():
        drawn = [model._n_labelled(rng.normal(), mvc, rng) for _ in range(2000)]
        assert min(drawn) == least and max(drawn) == most
        assert np.mean(drawn) == pytest.approx(mean, abs=0.1 * sd)
        alike = [model._n_labelled(0, mvc, rng) for _ in range(2000)]
        assert np.std(alike) == pytest.approx(0.6 * sd, rel=0.1)


def test_cohort_is_simulated_once_and_read_back_unchanged(tmp_path, monkeypatch, simulation):
    settings = dict(mvc=(10,), seconds=5, seed=3, folder=tmp_path)
    monkeypatch.setattr(cohort, "simulate", lambda *_, setup: simulation)
    recordings, written = synthetic_cohort(1, **settings), simulation.recording
    monkeypatch.setattr(cohort, "simulate", None)  # a second simulation would fail
    (read,) = synthetic_cohort(1, **settings)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"] and len(recordings) == 1
    assert read.digest == written.digest
    np.testing.assert_array_equal(read.pnr, written.pnr)
    np.testing.assert_array_equal(read.grid.electrodes, written.grid.electrodes)
    for name in ("subject", "muscle", "mvc", "source", "fs"):
        assert getattr(read, name) == getattr(written, name)
    with pytest.raises(TypeError):
        synthetic_cohort(1, **{**settings, "seed": 4})  # not in the cache


@pytest.mark.parametrize("left", [0, 100_000])
def test_a_damaged_file_is_named_set_aside_and_simulated_again(
    tmp_path, monkeypatch, simulation, left
):
    monkeypatch.setattr(cohort, "simulate", lambda *_, setup: simulation)
    settings = dict(mvc=[10], seconds=5, seed=np.int64(0))
    recordings = synthetic_cohort(1, **settings, folder=tmp_path)
    with pytest.raises(ValueError, match="n_subjects=0, .*: no recording; give at least one"):
        synthetic_cohort(0, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:left])
    with pytest.warns(UserWarning, match=rf"{path.stem}\.npz is damaged .*set aside"):
        assert recordings[0].digest == simulation.recording.digest
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".damaged", ".npz"]
    assert recordings[0].digest == simulation.recording.digest


def test_where_nothing_can_be_written_the_recording_is_not_lost(tmp_path, monkeypatch, simulation):
    monkeypatch.setattr(cohort, "simulate", lambda *_, setup: simulation)
    (tmp_path / "file").write_text("in the place of the folder")
    with pytest.warns(UserWarning, match="file.* simulated again whenever"):
        (recording,) = synthetic_cohort(1, [10], 1.0, folder=tmp_path / "file" / "data")
    assert recording.digest == simulation.recording.digest


def test_recording_without_labels_is_read_back(tmp_path, simulation):
    unlabelled = replace(simulation.recording, discharges=(), pnr=None)
    cohort._save(unlabelled, tmp_path / "a.npz")
    assert cohort._read(tmp_path / "a.npz").digest == unlabelled.digest


@pytest.mark.parametrize(
    "wrong",
    [
        dict(subject=0),
        dict(mvc=5),
        dict(mvc=float("nan")),
        dict(seconds=1),
        dict(electrodes=np.zeros((63, 2))),
    ],
)
def test_impossible_parameters_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        simulate(**{**dict(subject=1, mvc=10, seconds=5), **wrong})


def test_several_contractions_share_the_time():
    pool, near = muscle.participant((0, 1)).pool, []
    for contractions in (1, 2):
        _, trains = muscle.recruited(pool, 0.3, 20, np.random.default_rng(0), contractions)
        near.append((np.abs(np.concatenate(trains) / 2048 - 10) < 0.2).mean())
    assert near[1] < 0.2 * near[0]  # a rest between the two


def test_longer_fibres_have_wider_potentials():
    person = muscle.participant((0, 1))
    widths = []
    for fibre_mm in (55.0, 100.0):
        energy = np.square(
            potentials.action_potentials(person, 0.3, np.arange(5), electrode_positions(), fibre_mm)
        ).sum(axis=1)
        widths.append((energy > 0.1 * energy.max(axis=1, keepdims=True)).sum(axis=1).mean())
    assert widths[1] > 1.1 * widths[0]


def test_the_band_is_that_of_the_filter():
    narrow = simulate(1, 10, 5, setup=Setup(band_hz=(100.0, 400.0))).recording
    power = np.abs(np.fft.rfft(narrow.emg[0])) ** 2
    frequency = np.fft.rfftfreq(narrow.n_samples, 1 / 2048)
    assert power[(frequency > 60) & (frequency < 600)].sum() > 0.95 * power.sum()
    assert "band_hz (100.0, 400.0)" in narrow.source


@pytest.mark.parametrize(
    ("setup", "match"),
    [
        (Setup(contractions=0), "contractions=0"),
        (Setup(contractions=2), "seconds=5 must be at least 10"),
        (Setup(fibre_mm=10.0), "fibre_mm=10.0"),
        (Setup(band_hz=(20.0, 1024.0)), "band_hz=.20.0, 1024.0"),
    ],
)
def test_a_setup_that_cannot_be_is_refused(setup, match):
    with pytest.raises(ValueError, match=match):
        simulate(1, 10, 5, setup=setup)


def test_a_setup_has_a_file_of_its_own(tmp_path):
    plain = synthetic_cohort(1, 10, 5, folder=tmp_path)[0]
    other = synthetic_cohort(1, 10, 5, folder=tmp_path, setup=Setup(band_hz=(20.0, 750.0)))[0]
    assert plain.digest != other.digest and len(list(tmp_path.iterdir())) == 2
