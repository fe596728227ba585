import numpy as np
import pytest
from scipy.signal import resample_poly

from hdsemg_nb.cbss import decompose, decomposition, recovery
from hdsemg_nb.cbss.decomposition import NoMotorUnit
from hdsemg_nb.cbss.filter import two_classes
from hdsemg_nb.cbss.quality import two_class_silhouette
from hdsemg_nb.discharges import match_motor_units
from hdsemg_nb.recording import Recording

FS = 2048.0


def _recording(seed=0, seconds=10, n_units=4):
    """Motor units with travelling potentials on a 6 x 4 grid, 12 discharges per second each."""
    rng = np.random.default_rng([seed])
    n = int(seconds * FS)
    emg = rng.normal(0, 5, (24, n))
    row, column = np.divmod(np.arange(24), 4)
    discharges = []
    for _ in range(n_units):
        times = np.cumsum(rng.normal(FS / 12, FS / 80, 12 * seconds)).astype(int)
        discharges.append(times[times < n - 50])
        place, scale = rng.uniform((0, 0), (5, 3)), rng.uniform(60, 120)
        amplitude = scale * np.exp(-((row - place[0]) ** 2 + (column - place[1]) ** 2) / 4)
        t = np.arange(40) - 12 - rng.uniform(0.5, 2) * np.abs(row - place[0])[:, None]
        width = rng.uniform(2, 5)
        potential = -amplitude[:, None] * (t / width) * np.exp(-((t / width) ** 2))
        for time in discharges[-1]:
            emg[:, time : time + 40] += potential
    return Recording(emg, FS, discharges)


@pytest.fixture(scope="module")
def recording():
    return _recording()


@pytest.fixture(scope="module")
def found(recording):
    return decompose(recording, n_lags=8, n_seeds=40, progress=False)


def test_decompose_finds_the_motor_units(recording, found):
    table = match_motor_units(recording.discharges, found.recording.discharges, FS)
    assert (table.rate_of_agreement > 0.95).all()
    assert sorted(table.found) == list(range(4))  # one to one, and no motor unit beyond the four
    assert found.recording.n_motor_units == 4


def test_decompose_finds_them_in_a_faster_recording(recording):
    """Band-limited as by an amplifier: then most eigenvalues of the covariance are next to 0."""
    emg, trains = resample_poly(recording.emg, 2, 1, axis=1), [2 * t for t in recording.discharges]
    fast = Recording(emg, 2 * FS, trains)
    found = decompose(fast, n_lags=8, n_seeds=40, progress=False)
    table = match_motor_units(trains, found.recording.discharges, fast.fs)
    assert (table.rate_of_agreement > 0.95).all() and found.filter.n_lags == 16
    decoded = found.filter.decode(emg)
    assert (match_motor_units(trains, decoded, fast.fs).rate_of_agreement > 0.95).all()


def test_decompose_reports_quality(found):
    quality = found.quality
    assert list(quality.n_discharges) == [len(d) for d in found.recording.discharges]
    np.testing.assert_array_equal(quality.pnr, found.recording.pnr)
    assert (quality.pnr > 25).all() and quality.silhouette.between(0.87, 1).all()
    assert quality.silhouette.is_monotonic_decreasing
    assert quality.interval_cov.between(0.1, 0.3).all()  # simulated with 0.15


def test_filter_decodes_samples_it_was_not_fitted_to(recording, monkeypatch):
    monkeypatch.setattr(decomposition, "_N_ROUNDS", 1)
    found = decompose(recording.crop(0, 6), n_lags=8, n_seeds=40, progress=False)
    new = recording.crop(6, 10)
    table = match_motor_units(new.discharges, found.filter.decode(new.emg), FS)
    assert (table.rate_of_agreement > 0.9).all()


def test_decompose_looks_at_the_emg_alone_and_is_deterministic(recording, found):
    unlabelled = Recording(recording.emg, FS)
    again = decompose(unlabelled, n_lags=8, n_seeds=40, progress=False)
    assert again.recording.digest == found.recording.digest


def test_seed_draws_other_starting_samples():
    activity = np.random.default_rng(0).random(10_000)
    a, b = (
        decomposition._seeds(activity, 20, FS, np.random.default_rng([seed])) for seed in (0, 1)
    )
    assert len(a) == len(b) == 20 and set(a) != set(b)


def test_blocks_are_the_extended_signal(monkeypatch):
    monkeypatch.setattr(decomposition, "_BLOCK", 7)  # several blocks and a short last one
    emg = np.random.default_rng(0).normal(size=(2, 40)).astype(np.float32)
    extended = decomposition._Extended(emg, n_lags=3)
    whole = np.concatenate(list(extended.blocks()), axis=1)
    np.testing.assert_array_equal(whole[:, 10], emg[:, 9:12].ravel())
    np.testing.assert_array_equal(whole[:, [0, 39]], extended.at(np.array([0, 39])))
    np.testing.assert_allclose(extended.average([10, 20]), whole[:, [10, 20]].mean(axis=1))


def test_whitening_and_deflation(recording):
    extended = decomposition._Extended(decomposition._band_passed(recording), n_lags=4)
    filters = extended.unit_power(extended.solve(extended.at(np.array([100, 900, 5000]))))
    left = decomposition._deflate(extended, filters[:, 1:], [filters[:, 0]])
    np.testing.assert_allclose(filters[:, 0] @ extended.covariance @ left, 0, atol=1e-9)
    np.testing.assert_allclose(np.diag(left.T @ extended.covariance @ left), 1)


def test_activity_is_the_power_of_the_whitened_signal(recording):
    extended = decomposition._Extended(decomposition._band_passed(recording), n_lags=4)
    x = extended.at(np.array([700, 9000])).astype(float)
    power = (x * extended.solve(x)).sum(axis=0)
    np.testing.assert_allclose(extended.activity()[[700, 9000]], power, rtol=1e-3)


def test_fixed_point_is_the_newton_step_in_the_whitened_space(recording, monkeypatch):
    monkeypatch.setattr(decomposition, "_N_ITERATIONS", 1)
    extended = decomposition._Extended(decomposition._band_passed(recording), n_lags=4)
    filters = extended.unit_power(extended.solve(extended.at(np.array([700, 9000]))))
    z = np.linalg.solve(extended.cholesky, np.concatenate(list(extended.blocks()), axis=1))
    w = extended.cholesky.T @ filters
    pulses = np.maximum(w.T @ z, 0)
    step = z @ pulses.T**2 / z.shape[1] - 2 * pulses.mean(axis=1) * w
    moved = extended.cholesky.T @ decomposition._fixed_point(extended, filters, [])
    np.testing.assert_allclose(moved, step / np.linalg.norm(step, axis=0), atol=1e-4)


def test_units_of_low_quality_are_left_out(recording, found, monkeypatch):
    options = dict(n_lags=8, n_seeds=40, progress=False)
    monkeypatch.setattr(decomposition, "_N_ROUNDS", 1)
    best = found.quality.silhouette.iloc[0]
    monkeypatch.setattr(decomposition, "LEAST_SILHOUETTE", best - 1e-4)
    strict = decompose(recording, **options)
    assert strict.recording.n_motor_units < found.recording.n_motor_units
    monkeypatch.setattr(decomposition, "LARGEST_COV", 0.05)  # simulated with 0.15
    with pytest.raises(ValueError, match="interval CoV <= 0.05 in Recording.*24 channels"):
        decompose(recording, **options)


def test_duplicates_are_removed_at_any_lag():
    times = np.cumsum(np.random.default_rng(0).integers(150, 200, 100))
    other = np.cumsum(np.random.default_rng(1).integers(150, 200, 100))
    units = [
        decomposition._Unit(np.zeros(1), t, silhouette, 0.1, 30.0)
        for t, silhouette in ((times, 0.9), (times[5:] + 30, 0.95), (other, 0.88))
    ]
    assert [unit.silhouette for unit in decomposition._distinct(units, FS)] == [0.95, 0.88]


def test_silhouette_of_two_classes():
    high, low = np.array([9.0, 11.0]), np.array([1.0, 1.2, 0.8, 1.0])
    np.testing.assert_allclose(two_classes(np.append(low, high)), [1, 10])
    assert two_class_silhouette(high, low) == pytest.approx(1 - 2 / (8**2 + 10**2))


def test_decompose_says_what_is_wrong(recording):
    with pytest.raises(ValueError, match="fs=1000.0 Hz is too slow"):
        decompose(Recording(recording.emg, 1000.0))
    for sizes in (dict(n_lags=0), dict(n_seeds=0)):
        with pytest.raises(ValueError, match="must be at least 1"):
            decompose(recording, **sizes)
    with pytest.raises(ValueError, match="24 channels and 100 samples, expected at least 384"):
        decompose(Recording(recording.emg[:, :100], FS))
    noise = np.random.default_rng(0).normal(size=(4, 8000))
    with pytest.raises(NoMotorUnit, match="no motor unit with silhouette"):
        decompose(Recording(noise, FS), n_lags=4, n_seeds=10, progress=False)


def test_half_the_channels_dead_or_doubled(recording, monkeypatch):
    monkeypatch.setattr(decomposition, "_N_ROUNDS", 1)
    options = dict(n_lags=4, n_seeds=40, progress=False)
    part = recording.crop(0, 6)
    expected = decompose(part, **options).recording.digest
    for more, named in ((0 * part.emg, r"\[24, .*47\] \(dead\)"), (part.emg, r"47\] \(equal to")):
        spoilt = Recording(np.vstack([part.emg, more]), FS)
        with pytest.warns(UserWarning, match=named):
            found = decompose(spoilt, **options).recording
        assert Recording(found.emg[:24], FS, found.discharges).digest == expected


def test_a_transposed_signal_is_told(recording):
    with pytest.warns(UserWarning, match=r"pass emg\.T"):
        transposed = Recording(recording.emg.T, FS)
    with pytest.raises(ValueError, match="emg has 20480 channels and 24 samples"):
        decompose(transposed)


def test_recovery_counts_every_reference_unit_also_when_none_is_found(recording):
    silent = Recording(np.random.default_rng(0).normal(size=(4, 8000)), FS, [[100, 900]], mvc=10)
    options = dict(n_lags=4, n_seeds=10, progress=False)
    table = recovery([recording, silent], **options)
    assert list(table.rate_of_agreement > 0.9) == [True] * 4 + [False]
    assert list(table.motor_unit) == [0, 1, 2, 3, 0] and list(table.n_found) == [4] * 4 + [0]
    assert table.label_score.tolist() == pytest.approx([4] * 4 + [0], abs=0.1)
