import numpy as np
import pytest

from hdsemg_nb import metrics
from hdsemg_nb.cbss import MotorUnitFilter, pulse_to_noise_ratio
from hdsemg_nb.cbss.filter import extended_covariance
from hdsemg_nb.discharges import match_discharges


def test_finds_the_discharges_of_unseen_time(planted):
    train, rest = planted.crop(0, 5), planted.crop(5, 8)
    found = MotorUnitFilter().fit(train).decode(rest.emg)
    for reference, times in zip(rest.discharges, found, strict=True):
        assert times.dtype == np.int64
        c = match_discharges(reference, times, rest.fs, tolerance_ms=1)
        assert metrics.scores(*c).f1 > 0.95


def test_mask_limits_what_is_fitted(planted):
    mask = np.arange(planted.n_samples) < planted.n_samples // 2
    masked = MotorUnitFilter().fit(planted, mask)
    corrupt = planted.emg.copy()
    corrupt[:, ~mask] = 1e4
    other = MotorUnitFilter().fit(type(planted)(corrupt, planted.fs, planted.discharges), mask)
    np.testing.assert_allclose(masked.weights_, other.weights_, rtol=1e-6)
    np.testing.assert_allclose(masked.thresholds_, other.thresholds_, rtol=0.02)  # border samples


def test_source_does_not_depend_on_what_lies_elsewhere(planted):
    fitted = MotorUnitFilter().fit(planted)
    whole, part = fitted.source(planted.emg), fitted.source(planted.emg[:, 4000:6000])
    np.testing.assert_allclose(part[:, 100:-100], whole[:, 4100:5900], rtol=1e-3, atol=1)


def test_covariance_is_that_of_the_extended_signal(planted):
    emg = planted.emg[:3, :500] - planted.emg[:3, :500].mean(axis=1, keepdims=True)
    padded = np.pad(emg, ((0, 0), (3, 3))).astype(float)
    extended = np.array([padded[c, k : k + 503] for c in range(3) for k in range(4)])
    expected = extended @ extended.T / 500
    lower = np.linalg.eigvalsh(expected)[:6].mean()
    regularised = expected + lower * np.eye(12)
    np.testing.assert_allclose(extended_covariance(emg, n_lags=4), regularised, rtol=1e-4)


def test_a_motor_unit_without_discharges_is_refused(planted):
    mask = np.arange(planted.n_samples) < 300
    with pytest.raises(ValueError, match=r"motor unit \d has [01] discharges"):
        MotorUnitFilter().fit(planted, mask)


def test_pulse_to_noise_ratio_by_hand():
    source = np.full(1000, 0.1)
    source[[100, 500]] = 10
    source[[99, 501]] = 5  # within 3 samples of a discharge: neither pulse nor noise
    source[700] = -50  # negative: not noise
    assert pulse_to_noise_ratio(source, [100, 500]) == pytest.approx(40)
    assert np.isnan(pulse_to_noise_ratio(source, []))
