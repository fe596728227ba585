import numpy as np
import pytest

from hdsemg_nb import metrics, robustness, segment, train
from hdsemg_nb.datasets import simulate
from hdsemg_nb.decoders import FILTER, Run

RUN = Run(FILTER, 20, 20, split="blocked")


@pytest.fixture
def emg():
    return np.random.default_rng(1).normal(0, [[1], [3]], (2, 20000)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [20, 0])
def test_noise_has_the_power_asked_for_on_every_channel(emg, snr_db):
    noise = robustness.add_noise(emg, snr_db, np.random.default_rng(0)) - emg
    expected = 5 / 10 ** (snr_db / 10)  # mean of 1 and 9
    np.testing.assert_allclose(noise.var(axis=1), expected, rtol=0.05)
    assert noise.dtype == np.float32 and abs(np.corrcoef(noise)[0, 1]) < 0.03


@pytest.mark.parametrize(("percent", "number"), [(1, 1), (10, 6), (15, 10)])
def test_dead_channels_are_zero_and_as_many_as_asked_for(percent, number):
    emg = np.ones((64, 50), np.float32)
    changed = robustness.kill_channels(emg, percent, np.random.default_rng(0))
    assert (changed == 0).all(axis=1).sum() == number and changed.sum() == (64 - number) * 50
    assert (emg == 1).all()


def test_drift_begins_here_and_ends_a_share_of_the_way(emg):
    changed = robustness.drift(emg, -emg, 0.25)
    np.testing.assert_allclose(changed[:, 0], emg[:, 0])
    np.testing.assert_allclose(changed[:, -1], 0.5 * emg[:, -1], rtol=1e-5)


def test_the_signal_as_recorded_gives_the_counts_of_the_fold(planted):
    starts, folds = segment.cut(planted, RUN)
    fitted = train.fit(planted, RUN, folds[2])
    versions = {robustness.AS_RECORDED: planted.emg, ("silence", ""): 0 * planted.emg}
    found = robustness.under_changes(fitted, planted, starts, folds[2].test, versions)
    whole = train.cross_validate(planted, RUN, False)
    expected = whole.counts.query("fold == 2")[["tp", "fp", "fn"]].to_numpy()
    kept = found[found["kind"] == "as recorded"]
    np.testing.assert_array_equal(kept[["tp", "fp", "fn"]], expected)
    assert found.loc[found["kind"] == "silence", "tp"].sum() == 0


def test_versions_are_drawn_from_the_seed(planted):
    one, same, other = (robustness.signal_versions(planted, seed) for seed in (0, 0, 1))
    assert len(one) == 9 and one[robustness.AS_RECORDED] is planted.emg
    for key in list(one)[1:]:
        assert np.array_equal(one[key], same[key]) and not np.array_equal(one[key], other[key])


@pytest.mark.slow
def test_a_moved_grid_sees_the_same_muscle(monkeypatch):
    monkeypatch.delitem(robustness.SHIFTS_MM, "one column")  # takes its time
    versions = robustness.grid_versions(1, 10, 5.0, 0)
    here = simulate(1, 10, 5.0, 0).recording
    row, half = versions["electrode shift", "one row"], versions["drift", "100 %"]
    image = {tuple(p): k for k, p in enumerate(here.grid.electrodes)}
    pairs = [(k, image.get((r + 1, c))) for (r, c), k in image.items()]
    r = [np.corrcoef(row[a], here.emg[b])[0, 1] for a, b in pairs if b is not None]
    assert np.mean(r) > 0.95  # channel of the row before
    np.testing.assert_allclose(half[:, 0], here.emg[:, 0], atol=1e-3)


def test_another_intensity_is_scored_on_the_motor_units_of_both():
    one, other = (simulate(1, mvc, 8.0, 0) for mvc in (10, 30))
    starts, folds = segment.cut(one.recording, RUN)
    fitted, every = train.fit(one.recording, RUN, folds[-1]), np.arange(len(starts))
    across = robustness.at_other_intensity(fitted, one, other, starts, every)
    assert len(across) == len(set(one.truth.units) & set(other.truth.units)) > 0
    kept = {
        unit: len(d) for unit, d in zip(other.truth.units, other.recording.discharges, strict=True)
    }
    positives = (across["tp"] + across["fn"]).tolist()
    expected = [kept[unit] for unit in sorted(set(one.truth.units) & set(other.truth.units))]
    assert positives == pytest.approx(expected, abs=2)  # the last discharges may lie in no window
    same = robustness.at_other_intensity(fitted, one, one, starts, every)
    assert metrics.scores(*same[["tp", "fp", "fn"]].to_numpy().T).f1.mean() > 0.9
