import dataclasses
import warnings

import numpy as np
import pytest
import torch

from hdsemg_nb import engine, metrics, segment
from hdsemg_nb.cbss import MotorUnitFilter, filter_bank
from hdsemg_nb.decoders import (
    FILTER,
    NETWORKS,
    OURS,
    STREAMED,
    Run,
    architecture,
    build_model,
    muf_net,
)
from hdsemg_nb.decoders.muf_net import ABLATIONS, MUFNet
from hdsemg_nb.normalisation import Normalisation
from hdsemg_nb.recording import rectangular_grid
from hdsemg_nb.train import cross_validate, fit

RUN = Run(OURS, 40, 10, split="blocked", epochs=4, learning_rate=1e-2, decay=True, tested_folds=1)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def everything(recording):
    return np.ones(recording.n_samples, bool)


def first_fold(recording, run):
    starts, (fold, *_) = segment.cut(recording, run)
    return fit(recording, run, fold), starts, fold


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_of_every_decoder(name):
    model = build_model(name, 40, 3, 5).eval()
    assert model(torch.zeros(2, 5, 40)).shape == (2, 3)


def test_the_bank_without_noise_is_the_motor_unit_filter(planted):
    linear = MotorUnitFilter(largest_lag=10).fit(planted)
    weights, lags = filter_bank(planted, everything(planted), largest_lag=10)
    np.testing.assert_array_equal(lags, linear.lags_)
    ratio = linear.weights_ / weights[0]
    for unit in ratio:
        np.testing.assert_allclose(unit, unit.flat[0], rtol=1e-6)


def test_the_mean_discharge_has_the_output_one_at_every_noise_level(planted):
    mask, noise = everything(planted), (0.0, 0.2, 0.5)
    weights, lags = filter_bank(planted, mask, noise)
    for unit, (times, lag) in enumerate(zip(planted.discharges, lags, strict=True)):
        centred = planted.emg - planted.emg.mean(axis=1, keepdims=True)
        shape = segment.spike_triggered_average(centred, times + lag, 16)
        response = (weights[:, unit] * shape).sum(axis=(1, 2))
        np.testing.assert_allclose(response, 1, atol=0.02)  # marks at the ends are left out


def test_filters_that_expect_noise_let_less_of_it_through(planted):
    weights, _ = filter_bank(planted, everything(planted), (0.0, 0.2, 0.5))
    power = np.square(weights).sum(axis=(2, 3))  # of unit white noise behind the filter
    assert (np.diff(power, axis=0) < 0).all()


def test_without_whitening_the_filters_are_the_averages(planted):
    (weights,), lags = filter_bank(planted, everything(planted), largest_lag=5, whiten=False)
    centred = planted.emg - planted.emg.mean(axis=1, keepdims=True)
    average = segment.spike_triggered_average(centred, planted.discharges[0] + lags[0], 16)
    r = np.corrcoef(weights[0].ravel(), average.ravel())[0, 1]
    assert r > 0.999


def test_marks_that_come_late_are_found_by_looking_back(planted):
    late = dataclasses.replace(planted, discharges=[t + 15 for t in planted.discharges])
    offsets, shifted = (first_fold(one, RUN)[0].offsets for one in (planted, late))
    assert (shifted[[0, 2]] == offsets[[0, 2]] - 15).all()  # of unit 1 two lags are as good
    early = dataclasses.replace(planted, discharges=[t - 25 for t in planted.discharges])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert first_fold(early, RUN)[0].offsets.max() == muf_net.LARGEST_AHEAD


@pytest.mark.filterwarnings("ignore:motor unit 1 is separated best")
def test_the_filters_stand_in_the_network_as_fitted(planted):
    run = dataclasses.replace(RUN, without="filter training")
    fitted, starts, fold = first_fold(planted, run)
    mask = segment.covered_samples(starts[fold.train], run.window, planted.n_samples)
    bank, lags = filter_bank(planted, mask, muf_net.NOISE, 16, largest_ahead=muf_net.LARGEST_AHEAD)
    np.testing.assert_array_equal(fitted.offsets, lags)
    window = planted.emg[:, 1000:1040]
    found = fitted.model.filters(torch.from_numpy(fitted.normalisation.apply(window))[None])[0]
    pieces = np.lib.stride_tricks.sliding_window_view(window - fitted.normalisation.mean, 16, 1)
    expected = np.einsum("kmcl,ctl->mkt", bank, pieces)
    np.testing.assert_allclose(found.detach().numpy(), expected.reshape(6, -1), atol=1e-4)


def test_decodes_planted_motor_units_in_four_epochs(planted):
    scores = metrics.recording_scores(cross_validate(planted, RUN, False).counts)
    assert scores["f1"] > 0.95


def test_withstands_dead_channels_better_than_the_filter(planted):
    dead = planted.emg.copy()
    dead[:3] = 0
    f1 = {}
    for run in (RUN, Run(FILTER, RUN.window, RUN.step, split=RUN.split)):
        fitted, starts, fold = first_fold(planted, run)
        labels = segment.run_labels(planted, run, starts, fitted.offsets)[fold.test]
        found = fitted.predict(dead, starts[fold.test]) >= 0.5
        f1[run.network] = metrics.scores(*metrics.counts(labels, found)).f1.mean()
    assert f1[OURS] > f1[FILTER] + 0.3, f1


def test_windows_are_changed_in_training_alone():
    torch.manual_seed(0)
    model, x = MUFNet(40, 2, 4), torch.randn(64, 4, 40)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_augmentation_loses_some_channels_and_adds_noise():
    torch.manual_seed(0)
    x = torch.ones(4000, 64, 3)
    changed = muf_net._augmented(x, None)
    lost = (changed == 0).all(2).float().mean(1)  # share of each window
    assert 0.03 < lost.mean() < 0.07 and (lost == 0).float().mean() > 0.5  # 0.2 / 2 / 2
    noise = changed.std(2).median(1).values
    assert (noise < 1e-6).float().mean() == pytest.approx(0.5, abs=0.05) and noise.max() < 0.45


def test_a_fifth_of_the_windows_come_from_moved_electrodes():
    torch.manual_seed(0)
    x, mirrored = torch.ones(4000, 1, 3), -torch.eye(1)[None]
    changed = muf_net._augmented(x, mirrored).median(2).values
    assert (changed < 0).float().mean() == pytest.approx(0.2, abs=0.02)
    assert (x == 1).all()  # the windows themselves stay


@pytest.mark.parametrize("network", [OURS, STREAMED])
def test_a_rate_it_was_not_made_for_is_said(planted, network):
    fast = dataclasses.replace(planted.crop(0, 4), fs=4096.0)
    with pytest.warns(UserWarning, match=f"{network} sees a fixed number .* at 4096 Hz too short"):
        fit(fast, Run(network, 40, 20, epochs=1))


def test_moved_electrodes_are_interpolated_on_the_grid():
    grid, rng = rectangular_grid(), np.random.default_rng(0)
    normalisation = Normalisation(np.zeros((64, 1)), rng.standard_normal((64, 64)))
    row, column = grid.electrodes.T
    moved = [
        np.linalg.solve(normalisation.matrix, shifts @ normalisation.matrix @ (row + 100 * column))
        for shifts in muf_net.shift_matrices(grid, normalisation).astype(float)
    ]
    inside = (row > 1) & (row < 12) & (column > 1) & (column < 4)
    by = [np.median((x - row - 100 * column)[inside]) for x in moved]
    expected = {r + 100 * c for r in muf_net.SHIFTS for c in muf_net.SHIFTS}
    np.testing.assert_allclose(sorted(by), sorted(expected), atol=0.01)
    for x, shift in zip(moved, by, strict=True):
        np.testing.assert_allclose((x - row - 100 * column)[inside], shift, atol=0.01)


def test_nothing_is_moved_where_the_grid_is_not_known():
    normalisation = Normalisation(np.zeros((3, 1)), np.diag([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(muf_net.shift_matrices(None, normalisation), np.eye(3)[None])


def test_the_network_gets_the_moved_electrodes_of_its_recording(planted):
    fitted, *_ = first_fold(planted.crop(0, 4), dataclasses.replace(RUN, epochs=1))
    expected = muf_net.shift_matrices(planted.grid, fitted.normalisation)
    assert expected.shape == (len(muf_net.SHIFTS) ** 2, 16, 16)
    np.testing.assert_array_equal(fitted.model.shifts, expected)
    changes = np.abs(expected - np.eye(16)).max(axis=(1, 2))
    assert (changes > 0.1).sum() == len(expected) - 1  # all but the one that moves nothing


def test_no_unit_supports_itself():
    torch.manual_seed(0)
    model, x = MUFNet(40, 2, 4).eval(), torch.randn(3, 4, 40)
    before = model(x)
    model.interaction.data = torch.diag(torch.tensor([5.0, -5.0]))
    assert torch.equal(model(x), before)
    model.interaction.data[0, 1] = 1
    after = model(x)
    assert not torch.equal(after[:, 0], before[:, 0]) and torch.equal(after[:, 1], before[:, 1])


@pytest.mark.parametrize("without", ABLATIONS)
def test_every_ablation_changes_what_is_trained(planted, without):
    recording = planted.crop(0, 4)
    run = dataclasses.replace(RUN, epochs=1)
    whole, ablated = (
        cross_validate(recording, r, False)
        for r in (run, dataclasses.replace(run, without=without))
    )
    tested = np.isfinite(whole.predictions)
    assert not np.array_equal(whole.predictions[tested], ablated.predictions[tested])


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="without='magic': choose one of"):
        Run(OURS, 40, 10, without="magic")
    with pytest.raises(ValueError, match="without='squaring'"):
        Run("ML-DCNN", 40, 10, without="squaring")


def test_a_window_of_five_motor_units_is_under_a_million_operations():
    macs = architecture.n_macs(build_model(OURS, 40, 5), 64, 40)
    assert 2 * macs < 0.7e6


def test_the_learning_rate_decays_along_half_a_cosine():
    run = dataclasses.replace(RUN, epochs=4)
    shares = [engine._share(epoch, run) for epoch in range(5)]
    np.testing.assert_allclose(shares, [1, 0.854, 0.5, 0.146, 0], atol=1e-3)
    assert engine._share(3, dataclasses.replace(run, decay=False)) == 1
