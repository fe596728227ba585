import warnings

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt

from hdsemg_nb import metrics
from hdsemg_nb.cbss import (
    MotorUnitFilter,
    decompose,
    filter_bank,
    pulse_to_noise_ratio,
    silhouette,
)
from hdsemg_nb.cbss.covariance import extended_covariance, lag_products
from hdsemg_nb.cbss.filter import sound_channels
from hdsemg_nb.discharges import match_discharges
from hdsemg_nb.recording import Recording


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
    np.testing.assert_allclose(part[:, 100:-100], whole[:, 4100:5900], rtol=1e-3, atol=1e-4)


def test_covariance_is_that_of_the_extended_signal(planted):
    emg = planted.emg[:3, :500] - planted.emg[:3, :500].mean(axis=1, keepdims=True)
    padded = np.pad(emg, ((0, 0), (3, 3))).astype(float)
    extended = np.array([padded[c, k : k + 503] for c in range(3) for k in range(4)])
    expected = extended @ extended.T / 500
    lower = np.linalg.eigvalsh(expected)[:6].mean()
    regularised = expected + lower * np.eye(12)
    found = extended_covariance(lag_products(emg, 4) / 500)
    np.testing.assert_allclose(found, regularised, rtol=1e-4)


def test_a_motor_unit_without_discharges_is_refused(planted):
    mask = np.arange(planted.n_samples) < 300
    with pytest.raises(ValueError, match=r"motor unit \d has [01] discharges"):
        MotorUnitFilter().fit(planted, mask)
    border = Recording(planted.emg, planted.fs, [[3, 16380]])
    with pytest.raises(ValueError, match="needs at least 2, 40 samples or more from the ends"):
        MotorUnitFilter().fit(border)


def test_no_motor_unit_is_refused(planted):
    unlabelled = Recording(planted.emg, planted.fs)
    for fit in (MotorUnitFilter().fit, filter_bank):
        with pytest.raises(ValueError, match="recording has no motor units.*`decompose` it first"):
            fit(unlabelled, np.ones(planted.n_samples, bool))


def with_channels(recording, emg):
    return Recording(emg, recording.fs, recording.discharges)


def f1(recording, found):
    counts = [
        match_discharges(reference, times, recording.fs, tolerance_ms=1)
        for reference, times in zip(recording.discharges, found, strict=True)
    ]
    return min(metrics.scores(*c).f1 for c in counts)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (
            lambda e: np.vstack([e, 0 * e]),
            r"filters: \[16, 17, .*31\] \(dead\)$",
        ),  # a connector out
        (lambda e: np.vstack([e, e, 7 + 0 * e[:1]]), r"\[32\] \(dead\), \[16, .*31\] \(equal"),
        (lambda e: np.vstack([e, -2 * e[3:4] + 5]), r"filters: \[16\] \(equal to another one\)"),
    ],
)
def test_dead_and_doubled_channels_are_left_out_and_named(planted, spoil, named):
    spoilt = with_channels(planted, spoil(planted.emg))
    with pytest.warns(UserWarning, match=named):
        fitted = MotorUnitFilter().fit(spoilt)
    clean = MotorUnitFilter().fit(planted)
    np.testing.assert_allclose(fitted.weights_[:, :16], clean.weights_, rtol=1e-6)
    assert not fitted.weights_[:, 16:].any()
    assert f1(spoilt, fitted.decode(spoilt.emg)) > 0.95
    mask = np.ones(planted.n_samples, bool)
    with pytest.warns(UserWarning, match=named):
        bank, lags = filter_bank(spoilt, mask, noise=(0, 0.2))
    expected, same = filter_bank(planted, mask, noise=(0, 0.2))
    np.testing.assert_allclose(bank[:, :, :16], expected, rtol=1e-6)
    assert not bank[:, :, 16:].any() and lags.tolist() == same.tolist()


def test_sums_of_channels_and_an_average_reference_are_fitted(planted):
    emg = planted.emg - planted.emg.mean(axis=0)
    emg = np.vstack([emg, (emg[:1] + emg[1:2]) / 2])
    fitted = MotorUnitFilter().fit(with_channels(planted, emg))
    assert f1(planted, fitted.decode(emg)) > 0.95


def test_one_channel_and_one_motor_unit(planted):
    one = Recording(planted.emg[:1], planted.fs, planted.discharges[:1])
    fitted = MotorUnitFilter(n_lags=1).fit(one)
    assert fitted.weights_.shape == (1, 1, 1) and len(fitted.decode(one.emg)) == 1


def test_a_recording_without_signal_is_refused(planted):
    silent = with_channels(planted, 0 * planted.emg + 7.3)
    for separate in (MotorUnitFilter().fit, decompose):
        with pytest.raises(ValueError, match="emg is constant in every channel"):
            separate(silent)
    with pytest.raises(ValueError, match="mask holds 0 training samples"):
        MotorUnitFilter().fit(planted, np.zeros(planted.n_samples, bool))


def test_sound_signal_at_10240_hz(planted):
    fast = planted.crop(0, 4)
    fast = Recording(
        resample_poly(fast.emg, 5, 1, axis=1), 10240, [5 * times for times in fast.discharges]
    )
    fitted = MotorUnitFilter().fit(fast, np.arange(fast.n_samples) < 30000)
    assert (fitted.n_lags, fitted.largest_lag) == (80, 160)  # 8 and 16 ms, as at 2048 Hz
    rest = fast.crop(3, 4)
    assert f1(rest, fitted.decode(rest.emg)) > 0.95


def test_covariance_of_a_narrow_band_is_positive():
    rng, time = np.random.default_rng(0), np.arange(40960) / 10240
    band = butter(2, (20, 200), "bandpass", fs=10240, output="sos")
    filtered = sosfilt(band, rng.normal(size=(8, len(time))), axis=1)
    hum = np.sin(2 * np.pi * (30 + 7 * np.arange(4))[:, None] * time)
    for emg in (filtered + 0.05 * rng.normal(size=filtered.shape), filtered, hum):
        emg = (50 * emg / emg.std()).astype(np.float32)
        values = np.linalg.eigvalsh(extended_covariance(lag_products(emg, 16) / emg.shape[1]))
        assert values[0] > 5e-11 * values[-1]


def test_neighbours_that_are_alike_are_kept():
    rng = np.random.default_rng(0)
    emg = np.repeat(rng.normal(0, 100, (1, 5000)), 3, axis=0) + rng.normal(0, 0.1, (3, 5000))
    assert sound_channels(emg, emg - emg.mean(axis=1, keepdims=True)).all()


@pytest.mark.parametrize("change", [lambda e: e[:1], lambda e: np.where(e == e.max(), np.nan, e)])
def test_new_samples_have_to_be_those_of_the_training(planted, change):
    fitted = MotorUnitFilter().fit(planted)
    with pytest.raises(ValueError, match=r"expected \(16, samples\) .* every sample finite"):
        fitted.decode(change(planted.emg))


def test_pulse_to_noise_ratio_by_hand():
    source = np.full(1000, 0.1)
    source[[100, 500]] = 10
    source[[99, 501]] = 5  # within 3 samples of a discharge: neither pulse nor noise
    source[700] = -50  # negative: not noise
    source[800:] = 0  # not decomposed
    assert pulse_to_noise_ratio(source, [100, 500], 2048) == pytest.approx(40)
    assert np.isnan(pulse_to_noise_ratio(source, [], 2048))
    wide = np.repeat(source, 5)  # at five times the rate pulses are five times as many samples
    assert pulse_to_noise_ratio(wide, [502, 2502], 10240) == pytest.approx(40, abs=0.1)
    assert pulse_to_noise_ratio(wide, [502, 2502], 2048) < 35
    for wrong in ([100, 1000], [-900, 100]):
        for quality in (pulse_to_noise_ratio, silhouette):
            with pytest.raises(ValueError, match=r"discharges holds -?\d+00, outside the signal"):
                quality(source, wrong, 2048)


def test_a_unit_that_would_need_more_look_ahead_is_named(planted):
    late = Recording(planted.emg, planted.fs, [times - 20 for times in planted.discharges])
    free = MotorUnitFilter().fit(late)
    assert free.lags_[0] < 10 < free.lags_[2]
    with pytest.warns(UserWarning, match=r"motor unit 2 is separated best \d+ samples ahead, 10"):
        held = MotorUnitFilter(largest_ahead=10).fit(late)
    assert (held.lags_ <= 10).all() and held.lags_[0] == free.lags_[0]
    np.testing.assert_array_equal(MotorUnitFilter(largest_ahead=32).fit(late).lags_, free.lags_)


def test_a_signal_in_another_unit_or_with_another_mean_is_told(planted):
    fitted = MotorUnitFilter().fit(planted)
    with pytest.raises(ValueError, match="mV or V in place of uV"):
        fitted.decode(planted.emg / 1000)
    fitted.decode(0 * planted.emg)  # dead, not small
    rested = planted.emg.copy()
    rested[3, :10000] = 0  # a channel that is at rest for most of the training tells nothing
    with pytest.raises(ValueError, match="mV or V in place of uV"):
        MotorUnitFilter().fit(with_channels(planted, rested)).decode(planted.emg / 1000)
    offset = 300 * np.random.default_rng(0).standard_normal((16, 1))
    with pytest.warns(UserWarning, match="high-pass both signals"):
        fitted.decode(planted.emg + offset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.decode(planted.emg[:, 4000:6000] + 0.01 * offset)
