from itertools import combinations

import numpy as np
import pytest

from hdsemg_nb import discharges, segment
from hdsemg_nb.discharges import rate_of_agreement

FS = 2048


def regular(n=40, seed=0):
    """A spike train with intervals of 70 to 100 ms."""
    return 200 + np.cumsum(np.random.default_rng(seed).integers(150, 210, n))


@pytest.mark.parametrize(
    ("reference", "found", "expected"),
    [
        ([], [], (0, 0, 0)),
        ([10], [], (0, 0, 1)),
        ([], [10], (0, 1, 0)),
        ([100, 200], [102, 198], (2, 0, 0)),  # exactly the tolerance, both sides
        ([100], [103], (0, 1, 1)),
        ([100, 101, 102], [101], (1, 0, 2)),  # a burst is matched once
        ([100], [99, 101], (1, 1, 0)),
        ([100, 102], [98, 100], (2, 0, 0)),  # the nearest pair alone would leave one over
    ],
)
def test_match_discharges(reference, found, expected):
    counts = discharges.match_discharges(reference, found, fs=2000, tolerance_ms=1)
    assert tuple(counts) == expected


def most_pairs(reference, found, tolerance):
    """Largest one-to-one matching, by trying all."""
    for n in range(min(len(reference), len(found)), 0, -1):
        for a in combinations(reference, n):
            if any(np.all(np.abs(np.subtract(a, b)) <= tolerance) for b in combinations(found, n)):
                return n
    return 0


@pytest.mark.parametrize("seed", range(30))
def test_no_other_matching_has_more_pairs(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.unique(rng.integers(0, 25, 6)) for _ in range(2))
    pairs = discharges._pairs(a, b, fs=1000, tolerance_ms=2)
    assert len(pairs) == most_pairs(a, b, 2)
    assert (np.diff(pairs, axis=0) > 0).all()  # one to one, in the order of time
    assert (np.abs(a[pairs[:, 0]] - b[pairs[:, 1]]) <= 2).all()


def test_agreement_of_empty_trains_is_0():
    for pair in ([], []), ([], [5]), ([5], []):
        agreement = rate_of_agreement(*pair, FS)
        assert (agreement.rate, agreement.lag_ms, agreement.matched) == (0, 0, 0)


@pytest.mark.parametrize("tolerance", [1, 4, 10])
def test_agreement_at_a_shift_of_exactly_the_tolerance(tolerance):
    a = regular()
    b = a + np.where(np.arange(len(a)) % 2, tolerance, -tolerance)
    ms = 1000 * tolerance / FS
    assert rate_of_agreement(a, b, FS, ms, largest_lag_ms=0).rate == 1
    one_less = rate_of_agreement(a, b, FS, ms - 1000 / FS, largest_lag_ms=0)
    assert (one_less.rate, one_less.matched) == (0, 0)


def test_agreement_removes_the_largest_lag_and_no_larger():
    a = regular()
    for lag in (-61, 61):
        shifted = rate_of_agreement(a, a + lag, FS, 0.5, largest_lag_ms=30)
        assert shifted.rate == 1 and shifted.lag_ms == pytest.approx(1000 * lag / FS)
    beyond = rate_of_agreement(a, a + 64, FS, 0.5, largest_lag_ms=30)
    assert beyond.rate < 0.2


def test_agreement_does_not_depend_on_the_origin():
    a = regular()
    for origin in (-50_000, 10**9):
        assert rate_of_agreement(a + origin, a + origin + 7, FS) == rate_of_agreement(a, a + 7, FS)


def test_the_lag_is_where_most_agree_not_where_most_coincide():
    a = regular()
    jittered = a + 5 + np.where(np.arange(len(a)) % 2, 1, -1)  # half coincide at lags 4 and 6
    agreement = rate_of_agreement(a, jittered, FS)
    assert (agreement.rate, agreement.lag_ms) == (1, 5000 / FS)


def test_a_burst_counts_once_and_does_not_draw_the_lag():
    a = regular(6)
    burst = np.arange(a[2] + 30, a[2] + 50)  # 20 discharges near one
    found = np.sort(np.concatenate([a[:4] + 5, burst]))
    agreement = rate_of_agreement(a, found, FS, 5)
    assert agreement.lag_ms == pytest.approx(5000 / FS)
    assert (agreement.matched, agreement.only_found, agreement.only_reference) == (4, 20, 2)
    swapped = rate_of_agreement(found, a, FS, 5)
    assert swapped.rate == agreement.rate and swapped.lag_ms == -agreement.lag_ms


def test_a_decoder_that_always_fires_agrees_little():
    a = regular()
    assert rate_of_agreement(a, np.arange(a[-1]), FS).rate == len(a) / a[-1]


def test_agreement_removes_the_lag_and_matches_one_to_one():
    a = np.cumsum(np.random.default_rng(0).integers(150, 210, 118))
    b = a[::2] + 85
    found = [b + 11, a[:-10] - 20, a[:60] - 20]
    table = discharges.match_motor_units([a, b, a + 5000], found, FS)
    assert list(table.found[:2]) == [1, 0]
    np.testing.assert_allclose(table.lag_ms[:2], [-20_000 / FS, 11_000 / FS])
    np.testing.assert_allclose(table.rate_of_agreement[:2], [1 - 10 / len(a), 1])
    assert list(table.only_reference[:2]) == [10, 0] and list(table.only_found[:2]) == [0, 0]


def test_agreement_tolerance_is_inclusive_and_without_units_is_0():
    a = np.array([100, 400, 900])
    match = discharges.match_motor_units
    assert match([a], [a + [0, 1, -1]], FS).rate_of_agreement[0] == 1  # 0.49 ms
    assert match([a], [a + [0, 3, -3]], FS).rate_of_agreement[0] == 0.2
    nothing = match([a], [], FS)
    assert (nothing.found[0], nothing.rate_of_agreement[0], nothing.only_reference[0]) == (-1, 0, 3)
    assert match([a], [[]], FS).found[0] == -1


def test_interval_cov_leaves_out_pauses():
    times = np.cumsum([0, 100, 120, 100, 120, 3 * FS, 100, 120]).astype(int)
    assert discharges.interval_cov(times, FS) == pytest.approx(10 / 110)
    assert discharges.interval_cov([5, 105], FS) == np.inf
    assert discharges.discharge_rate(times, FS) == pytest.approx(FS / 110)
    assert np.isnan(discharges.discharge_rate([7], FS))


def test_labels_become_the_spike_trains_they_came_from():
    trains = [regular(), regular(seed=1)]
    starts = segment.window_starts(9000, 20, 10)
    decoded = segment.labels(trains, starts, 20)
    again = discharges.decoded_discharges(decoded, starts, 20, FS)
    for true, found in zip(trains, again, strict=True):
        assert found.dtype == np.int64 and len(found) == len(true)
        assert np.abs(found - true).max() <= 5  # half a step


def test_adjacent_windows_are_one_discharge_within_the_refractory_time():
    decoded = np.zeros((100, 3), bool)
    decoded[[10, 11, 12, 20], 0] = True  # 0, 4.9 and 9.8 ms after the first: one discharge
    decoded[[10, 13], 1] = True  # 14.6 ms
    trains = discharges.decoded_discharges(decoded, 10 * np.arange(100), 20, FS)
    assert [train.tolist() for train in trains] == [[120, 210], [110, 140], []]


@pytest.mark.parametrize(
    "use",
    [
        discharges.match_discharges,
        discharges.rate_of_agreement,
        discharges.interval_errors,
        lambda a, b, fs: discharges.match_motor_units([a], [b], fs),
        lambda a, b, fs: discharges.discharge_rate(b, fs),
        lambda a, b, fs: discharges.interval_cov(b, fs),
        lambda a, b, fs: discharges.smoothed_rate(b, 9000, fs),
        lambda a, b, fs: discharges.rate_correlation(a, b, np.ones(9000, bool), fs),
    ],
)
def test_seconds_given_for_samples_are_refused(use):
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.uniform(0, 30, 300))
    for wrong in (seconds, [5, np.nan], [[5, 9]], ["5"]):
        with pytest.raises(ValueError, match="expected (whole|times of a motor unit)"):
            use(regular(), wrong, FS)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, float])
def test_trains_of_any_number_type_agree_as_int64_does(dtype):
    a, b = np.array([20, 90, 150], dtype), np.array([30, 100, 160], dtype)
    agreement = rate_of_agreement(b, a, FS)
    assert (agreement.rate, agreement.lag_ms) == (1, -10_000 / FS)
    assert discharges.discharge_rate(a, FS) == pytest.approx(FS / 65)
    np.testing.assert_allclose(discharges.interval_errors(b, a - 0, FS, 10), [0, 0])


def test_smoothed_rate_refuses_what_lies_outside():
    for wrong in (-1, 9000):
        with pytest.raises(ValueError, match=f"holds {wrong}, outside the signal"):
            discharges.smoothed_rate([wrong], 9000, FS)


@pytest.mark.parametrize("wrong", [0.3, np.nan, 2])
def test_probabilities_are_not_taken_for_discharges(wrong):
    decoded = np.zeros((25, 1))
    decoded[7] = wrong
    with pytest.raises(ValueError, match="decoded must hold only 0 and 1; threshold probab"):
        discharges.decoded_discharges(decoded, 10 * np.arange(25), 20, FS)
    with pytest.raises(ValueError, match="decoded has 25 windows, starts 24"):
        discharges.decoded_discharges(decoded > 5, 10 * np.arange(24), 20, FS)


def test_interval_errors_by_hand():
    a = np.array([0, 200, 400, 600, 3000, 3200])
    b = a + [1, -1, 0, 0, 0, 2]
    ms = 1000 / FS
    np.testing.assert_allclose(discharges.interval_errors(a, b, FS), [-2 * ms, ms, 0, 2 * ms])
    missed = discharges.interval_errors(a, np.delete(b, 1), FS)  # no interval across the gap
    np.testing.assert_allclose(missed, [0, 2 * ms])
    extra = discharges.interval_errors(a, np.sort([*b, 100]), FS)
    np.testing.assert_allclose(extra, [ms, 0, 2 * ms])
    assert len(discharges.interval_errors([], b, FS)) == 0
    assert len(discharges.interval_errors([5], [5], FS)) == 0


def test_smoothed_rate_of_a_regular_train_is_its_rate():
    times = np.arange(0, 20 * FS, 128)  # 16 per second
    rate = discharges.smoothed_rate(times, 20 * FS, FS)
    np.testing.assert_allclose(rate[FS:-FS], 16, atol=0.2)
    assert rate.sum() / FS == pytest.approx(len(times), rel=0.02)  # less what is beyond the ends
    both = discharges.smoothed_rate(np.sort([*times, *times]), 20 * FS, FS)
    np.testing.assert_allclose(both, 2 * rate, atol=1e-9)  # cumulative spike train


def test_rate_correlation():
    times = np.cumsum(np.random.default_rng(0).integers(100, 300, 100))
    mask = np.ones(times[-1] + 1, bool)
    assert discharges.rate_correlation(times, times, mask, FS) == pytest.approx(1)
    assert discharges.rate_correlation(times, times[::2], mask, FS) > 0.5
    assert np.isnan(discharges.rate_correlation(times, [], mask, FS))
    first = mask.copy()
    first[times[50] :] = False  # what is not compared does not count
    half = discharges.rate_correlation(times, times[:60], first, FS)
    assert half == pytest.approx(1)
    assert discharges.rate_correlation(times, times[:60], mask, FS) < 0.9
    assert discharges.rate_correlation(times, [*times, times[-1] + 1], mask, FS) == pytest.approx(1)


def test_label_score_sums_the_f1_of_units_found_again():
    a, b, c = regular(seed=0), regular(seed=1), regular(seed=2)
    score = discharges.label_score
    assert score([a, b], [b + 15, a - 20], FS) == 2  # in any order, lags up to 10 ms
    assert score([a, b], [a], FS) == 1
    assert score([a], [a + 30], FS) == 0  # a lag beyond 10 ms
    assert score([a], [a[::2]], FS) == pytest.approx(2 * 20 / 60)
    assert score([a], [a[::4]], FS) == 0  # below 0.5
    jitter = np.where(np.arange(40) % 2, 2, -2)  # 1 ms at most
    assert score([a], [a + jitter], FS) == 1
    assert score([], [c], FS) == score([c], [], FS) == 0


def test_label_score_drops_a_later_duplicate():
    a, b = regular(seed=0), regular(seed=1)
    half = np.sort(np.concatenate([a[:20], b[20:]]))
    assert discharges.label_score([a, b], [half, b], FS) == pytest.approx(0.5, abs=0.1)
    assert discharges.label_score([a, b], [b, half], FS) == 1
