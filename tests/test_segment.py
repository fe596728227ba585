import numpy as np
import pytest

from hdsemg_nb import segment
from hdsemg_nb.normalisation import fit_normalisation

SIZES = [(w, s) for w in (20, 60, 100, 140) for s in (10, 30, 50)]


def test_window_starts():
    assert segment.window_starts(100, 20, 30).tolist() == [0, 30, 60]
    assert segment.window_starts(20, 20, 10).tolist() == [0]
    with pytest.raises(ValueError, match="window=21 does not fit into a signal of 20"):
        segment.window_starts(20, 21, 10)
    for wrong in (0, 2.5, np.nan):
        with pytest.raises(ValueError, match=f"step={wrong} must be a whole number"):
            segment.window_starts(100, 20, wrong)


def test_windows_are_a_view():
    emg = np.random.default_rng(0).normal(size=(3, 500)).astype(np.float32)
    starts = segment.window_starts(500, 60, 10)
    view = segment.windows(emg, starts, 60)
    assert view.shape == (45, 3, 60) and np.shares_memory(view, emg)
    np.testing.assert_array_equal(view[7], emg[:, 70:130])


def test_windows_at_uneven_starts():
    emg = np.arange(200.0).reshape(2, 100)
    chosen = segment.windows(emg, [50, 3, 3], 10)
    np.testing.assert_array_equal(chosen, [emg[:, 50:60], emg[:, 3:13], emg[:, 3:13]])
    with pytest.raises(ValueError, match="leave the signal"):
        segment.windows(emg, [95], 10)
    with pytest.raises(ValueError, match="leave the signal"):
        segment.windows(emg, [-1], 10)
    with pytest.raises(ValueError, match="starts holds 0.7, expected whole"):
        segment.windows(emg, [0.7], 10)


def test_covered_samples():
    assert segment.covered_samples([1, 2, 8], 3, 12).tolist() == [
        0,
        1,
        1,
        1,
        1,
        0,
        0,
        0,
        1,
        1,
        1,
        0,
    ]
    for outside in (-1, 91):
        with pytest.raises(ValueError, match="leave the signal"):
            segment.covered_samples([outside], 10, 100)


def test_labels_by_hand():
    starts = np.array([0, 10, 20])  # W = 20, S = 10: centres 10, 20, 30
    discharges = [np.array([4, 5, 14]), np.array([15, 34]), np.array([35])]
    by_step = segment.labels(discharges, starts, 20, "step")  # spans 5-14, 15-24, 25-34
    assert by_step.dtype == np.uint8
    assert by_step.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]
    by_window = segment.labels(discharges, starts, 20, "window")  # spans 0-19, 10-29, 20-39
    assert by_window.tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 1]]


def test_label_wider_than_the_window():
    starts = np.array([100, 150])  # W = 20, S = 50: spans 85-134, 135-184
    assert segment.labels([[84, 185], [85, 184]], starts, 20).T.tolist() == [[0, 0], [1, 1]]
    assert segment.labels([[84], [85]], starts[:1], 20, step=50).tolist() == [[0, 1]]


@pytest.mark.parametrize(("window", "step"), SIZES)
def test_step_labels_count_each_discharge_once(window, step):
    starts = segment.window_starts(5000, window, step)
    first = (window - step) // 2
    times = np.arange(max(first, 0), starts[-1] + first + step, 1)
    hits = sum(segment.labels([[t]], starts, window).sum() for t in times[::7])
    assert hits == len(times[::7])


def test_discharges_in_seconds_are_refused():
    emg, starts = np.zeros((2, 300)), np.array([0, 10, 20])
    seconds, outside = [0.01, 0.02], [5, 300]
    mask = np.ones(300, bool)
    for use in (
        lambda times: segment.labels([[5], times], starts, 20),
        lambda times: segment.spike_triggered_average(emg, times, 20),
        lambda times: segment.label_offsets(emg, [times], mask, 20),
    ):
        with pytest.raises(ValueError, match=r"holds 0\.01, expected whole .* \(not seconds\)"):
            use(seconds)
        with pytest.raises(ValueError, match="goes from 9 to 5"):
            use([9, 5])
    with pytest.raises(ValueError, match=r"discharges\[0\] holds 300, outside the signal"):
        segment.label_offsets(emg, [outside], mask, 20)


def test_labels_of_no_motor_unit_and_bad_spans():
    starts = np.array([0, 10])
    assert segment.labels([], starts, 20).shape == (2, 0)
    with pytest.raises(ValueError, match="span='centre' is unknown"):
        segment.labels([[1]], starts, 20, "centre")
    with pytest.raises(ValueError, match="evenly spaced"):
        segment.labels([[1]], np.array([0]), 20)


@pytest.mark.parametrize("split", segment.SPLITS)
@pytest.mark.parametrize(("window", "step"), SIZES)
def test_folds_are_disjoint_and_test_every_part_once(split, window, step):
    folds = segment.split_folds(1000, window, step, split=split)
    assert len(folds) == 5
    for fold in folds:
        together = np.concatenate(fold)
        assert len(np.unique(together)) == len(together)
        assert len(fold.train) > 2 * len(fold.val) > 0
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)
    if split == "shuffled":
        assert len(tested) == 1000


@pytest.mark.parametrize(("window", "step"), SIZES)
def test_blocked_folds_share_no_sample_and_keep_the_gap(window, step):
    starts = segment.window_starts(40_000, window, step)
    for fold in segment.split_folds(len(starts), window, step, split="blocked"):
        train, val, test = (segment.covered_samples(starts[part], window, 40_000) for part in fold)
        assert not (train & (val | test)).any() and not (val & test).any()
        for held_out, other in ((test, train | val), (val, train | test)):
            distance = np.abs(np.flatnonzero(other)[:, None] - _ends(held_out)).min()
            assert distance - 1 >= window + step  # samples in between


def _ends(mask):
    return np.flatnonzero(mask)[[0, -1]]


def test_shuffled_windows_do_share_samples():
    starts = segment.window_starts(40_000, 140, 10)
    fold = segment.split_folds(len(starts), 140, 10, split="shuffled")[0]
    train = segment.covered_samples(starts[fold.train], 140, 40_000)
    test = segment.covered_samples(starts[fold.test], 140, 40_000)
    assert (train & test).sum() > 0.9 * test.sum()


def test_seed_of_the_shuffled_split():
    a, same, other = (segment.split_folds(100, 20, 10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a[0].test, same[0].test)
    assert (a[0].test != other[0].test).any()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (dict(split="random"), "split='random' is unknown"),
        (dict(n_folds=2), "n_folds=2"),
        (dict(n_windows=4), "4 windows.*too few"),
        (dict(n_windows=60, split="blocked", window=140), "a border drops 28"),
    ],
)
def test_bad_splits_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        segment.split_folds(**{"n_windows": 100, "window": 20, "step": 10, **options})


def test_normalisation_is_fitted_on_training_samples_only():
    rng = np.random.default_rng(0)
    emg = rng.normal(5, 3, (4, 1000)).astype(np.float32)
    mask = np.arange(1000) < 600
    emg[:, 600:] *= 100
    z = fit_normalisation(emg, mask).apply(emg)
    np.testing.assert_allclose(z[:, mask].mean(axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(z[:, mask].std(axis=1), 1, atol=1e-4)
    assert z.dtype == np.float32 and np.abs(z[:, ~mask]).mean() > 50


def test_whitening_decorrelates_the_training_samples():
    rng = np.random.default_rng(0)
    emg = (rng.normal(size=(4, 4)) @ rng.normal(size=(4, 2000))).astype(np.float32)
    z = fit_normalisation(emg, np.ones(2000, bool), whiten=True).apply(emg)
    np.testing.assert_allclose(np.cov(z), np.eye(4), atol=2e-3)


@pytest.mark.parametrize("whiten", [False, True])
def test_a_dead_channel_is_not_amplified(whiten):
    rng = np.random.default_rng(0)
    emg = np.vstack([np.full((1, 1000), 7.3), rng.normal(0, 50, (4, 1000))]).astype(np.float32)
    emg[0, 500:] += rng.normal(0, 50, 500)  # it comes back after the training samples
    with pytest.warns(UserWarning, match=r"channels \[0\] tell nothing of their own"):
        normalisation = fit_normalisation(emg, np.arange(1000) < 500, whiten)
    z = normalisation.apply(emg)
    assert np.allclose(z[0, :500], 0) and z[0, 500:].std() == pytest.approx(1, abs=0.1)
    assert np.linalg.matrix_rank(normalisation.matrix) == 5


@pytest.mark.parametrize("whiten", [False, True])
def test_a_signal_that_is_dead_everywhere_stays_finite(whiten):
    emg = np.full((3, 500), 7.3, np.float32)
    with pytest.warns(UserWarning, match=r"channels \[0, 1, 2\]"):
        z = fit_normalisation(emg, np.ones(500, bool), whiten).apply(emg)
    assert np.allclose(z, 0, atol=1e-5)


def test_equal_channels_are_not_amplified_by_whitening():
    rng = np.random.default_rng(0)
    emg = (rng.normal(size=(8, 8)) @ rng.normal(0, 30, (8, 4000))).astype(np.float32)
    emg[5, :2000] = emg[6, :2000]  # bridged electrodes
    mask = np.arange(4000) < 2000
    with pytest.warns(UserWarning, match=r"channels \[5, 6\] tell nothing of their own"):
        z = fit_normalisation(emg, mask, whiten=True).apply(emg)
    assert z[:, mask].std() < 1.01 and z[:, ~mask].std() < 2  # 500 before
    assert np.abs(fit_normalisation(emg, mask).apply(emg)).max() < 10


@pytest.mark.parametrize("whiten", [False, True])
def test_one_channel_is_normalised(whiten):
    emg = np.random.default_rng(0).normal(5, 3, (1, 1000))
    z = fit_normalisation(emg, np.ones(1000, bool), whiten).apply(emg)
    assert z.mean() == pytest.approx(0, abs=1e-4) and z.std() == pytest.approx(1, abs=1e-3)


def test_normalisation_needs_training_samples_and_its_channels():
    emg = np.random.default_rng(0).normal(size=(2, 500))
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"mask holds {n} training samples"):
            fit_normalisation(emg, np.arange(500) < n)
    for mask in (np.ones(500, int), np.ones(499, bool)):
        with pytest.raises(ValueError, match=r"mask must be bool of shape \(500,\), not"):
            fit_normalisation(emg, mask)
    with pytest.raises(ValueError, match="emg has 1 channels, expected 2 as trained"):
        fit_normalisation(emg, np.ones(500, bool)).apply(emg[:1])
    emg[0, 7] = np.nan
    with pytest.raises(ValueError, match="2 or more finite ones"):
        fit_normalisation(emg, np.ones(500, bool))


def test_spike_triggered_average():
    emg = np.zeros((2, 300))
    emg[1, [103, 203]] = [2, 4]
    average = segment.spike_triggered_average(emg, [2, 100, 200], 20)  # 2 is too near the start
    assert average.shape == (2, 20) and average[1, 13] == 3 and average.sum() == 3
    assert not segment.spike_triggered_average(emg, [], 20).any()


def test_label_offsets_find_the_planted_delay():
    emg = np.random.default_rng(0).normal(0, 0.1, (3, 5000))
    discharges = [np.arange(100, 4900, 97), np.arange(130, 4900, 131)]
    for times, delay, channel in zip(discharges, (12, -9), (0, 2), strict=True):
        for sample in range(-5, 5):
            emg[channel, times + delay + sample] += 10
    offsets = segment.label_offsets(emg, discharges, np.ones(5000, bool), window=10)
    np.testing.assert_allclose(offsets, [12, -9], atol=1)
    mask = np.arange(5000) < 2500
    emg[:, 2600:] = 1e6 * np.random.default_rng(1).normal(size=(3, 2400))
    np.testing.assert_allclose(segment.label_offsets(emg, discharges, mask, 10), [12, -9], atol=1)


def test_a_shortened_fold_trains_on_the_middle(planted):
    starts = segment.window_starts(planted.n_samples, 20, 10)
    fold = segment.split_folds(len(starts), 20, 10, split="blocked")[0]
    short = segment.shorten(fold, starts, planted, 10, 1.0)
    assert len(short.train) == 205 and set(short.train) <= set(fold.train)
    left = np.setdiff1d(fold.train, short.train)
    distance = np.abs(starts - planted.n_samples / 2)
    assert distance[short.train].max() <= distance[left].min()
    assert np.array_equal(short.test, fold.test) and np.array_equal(short.val, fold.val)
    assert np.array_equal(segment.shorten(fold, starts, planted, 10, 99).train, fold.train)
