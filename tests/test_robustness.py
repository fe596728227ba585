from dataclasses import replace

import numpy as np
import pytest

from hdsemg_nb import params, paths, robustness, sweep
from hdsemg_nb.datasets import simulate
from hdsemg_nb.metrics import count_table
from hdsemg_nb.train import FILTER, Run, cross_validate

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
    versions = {robustness.AS_RECORDED: planted.emg, ("silence", ""): 0 * planted.emg}
    found = robustness.robustness(planted, [RUN], versions, fold=2, progress=False)
    whole = cross_validate(planted, RUN, False)
    expected = whole.counts.query("fold == 2")[["tp", "fp", "fn"]].to_numpy()
    kept = found[found["kind"] == "as recorded"]
    np.testing.assert_array_equal(kept[["tp", "fp", "fn"]], expected)
    assert found.loc[found["kind"] == "silence", "tp"].sum() == 0


def test_versions_are_drawn_from_the_seed(planted):
    one, same, other = (robustness.signal_versions(planted, seed) for seed in (0, 0, 1))
    assert len(one) == 9 and one[robustness.AS_RECORDED] is planted.emg
    for key in list(one)[1:]:
        assert np.array_equal(one[key], same[key]) and not np.array_equal(one[key], other[key])


def test_a_moved_grid_sees_the_same_muscle():
    versions = robustness.grid_versions(1, 10, 5.0, 0)
    here = simulate(1, 10, 5.0, 0).recording
    row, half = versions["electrode shift", "one row"], versions["drift", "100 %"]
    image = {tuple(p): k for k, p in enumerate(here.grid.electrodes)}
    pairs = [(k, image.get((r + 1, c))) for (r, c), k in image.items()]
    r = [np.corrcoef(row[a], here.emg[b])[0, 1] for a, b in pairs if b is not None]
    assert np.mean(r) > 0.95  # channel of the row before
    np.testing.assert_allclose(half[:, 0], here.emg[:, 0], atol=1e-3)


def test_other_intensities_score_the_motor_units_of_both():
    runs = [RUN]
    table = robustness.other_intensities(1, (10, 30), 8.0, 0, runs)
    units = {m: set(simulate(1, m, 8.0, 0).truth.units) for m in (10, 30)}
    across = table[(table["kind"] == "trained at 10 %") & (table["level"] == "30 %")]
    assert len(across) == len(units[10] & units[30]) > 0
    same = robustness.summarise(table).set_index(["kind", "level"])["f1"]
    assert same["trained at 10 %", "10 %"] > 0.9


def test_summary_by_hand():
    def counts(kind, tp, fn, subject):
        table = count_table([[1]] * tp + [[1]] * fn, [[1]] * tp + [[0]] * fn)
        return table.assign(network="A", kind=kind, level="", subject=subject, mvc=10)

    parts = [counts("as recorded", 2, 0, "1"), counts("noise", 1, 1, "1"),
             counts("as recorded", 2, 0, "2"), counts("noise", 2, 0, "2")]  # fmt: skip
    table = robustness.summarise(robustness.pd.concat(parts)).set_index("kind")
    assert table.loc["noise", "f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert table.loc["noise", "lost"] == pytest.approx(1 / 6) and table.loc["noise", "n"] == 2


def test_the_recordings_of_a_profile():
    smoke = params.load(paths.PARAMS / "smoke.yaml")
    runs = [{"network": FILTER, "window": 20, "step": 20, "split": "blocked"}]
    table = robustness.cohort_robustness(replace(smoke, honest_runs=runs, our_runs=[], workers=2))
    assert table["mvc"].unique().tolist() == [10, 50] and len(table) == 2 * 9
    again = robustness.robustness(
        simulate(1, 50.0, 8.0, 0).recording,
        sweep.expand(runs),
        robustness.signal_versions(simulate(1, 50.0, 8.0, 0).recording, (smoke.seed, 1)),
    )
    expected = robustness.summarise(again)["f1"]
    np.testing.assert_allclose(table[table["mvc"] == 50]["f1"], expected)
