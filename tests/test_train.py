import dataclasses

import numpy as np
import pytest
import torch

from hdsemg_nb import engine, metrics, segment, train
from hdsemg_nb.decoders import FILTER, STREAMED, Run, build_model
from hdsemg_nb.discharges import refractory
from hdsemg_nb.normalisation import Normalisation, fit_normalisation
from hdsemg_nb.train import cross_validate

RUN = Run("ML-DCNN", 20, 20, epochs=4, learning_rate=1e-3, batch_size=16)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def fitted(recording, run):
    starts = segment.window_starts(recording.n_samples, run.window, run.step)
    labels = segment.labels(recording.discharges, starts, run.window)
    fold = segment.split_folds(len(starts), run.window, run.step, split="blocked")[0]
    mask = segment.covered_samples(starts[fold.train], run.window, recording.n_samples)
    emg = fit_normalisation(recording.emg, mask).apply(recording.emg)
    torch.manual_seed(run.seed)
    model = build_model(run.network, run.window, labels.shape[1], recording.n_channels)
    data = emg, starts, labels, fold
    return model, *learn(model, *data, run), data


def learn(model, *data):
    """History and the weights of the highest validation F1."""
    return engine.finish([engine.training(model, *data)], data[-1].seed)[0]


@pytest.mark.slow
@pytest.mark.parametrize("network", ["ML-DRSNet", "ML-DCNN", "MT-DCNN"])
def test_every_network_learns_planted_motor_units(planted, network):
    recording = dataclasses.replace(planted, emg=planted.emg[:4], grid=None).crop(0, 3)
    run = dataclasses.replace(RUN, network=network, epochs=4 if network == "ML-DRSNet" else 15)
    model, history, f1_weights, (emg, starts, labels, fold) = fitted(recording, run)
    predicted = engine.predict(model, emg, starts[fold.test], run.window) >= 0.5
    c = metrics.counts(labels[fold.test], predicted)
    baseline = metrics.scores(*metrics.always_positive(*c, len(predicted))).f1
    assert metrics.scores(*c).f1.mean() > 2 * baseline.mean()


def test_decodes_unseen_time_far_above_always_positive(planted):
    run = dataclasses.replace(RUN, split="blocked", epochs=20, tested_folds=1)
    result = cross_validate(planted, run, False)
    scores = metrics.recording_scores(result.counts)
    assert scores["f1"] > 0.8 > 3 * scores["always_positive_f1"]


def test_seed(planted):
    recording = planted.crop(0, 2)
    models = [fitted(recording, dataclasses.replace(RUN, epochs=2, seed=s))[0] for s in (0, 0, 1)]
    first, same, other = (model.head[-1].weight for model in models)
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_a_gather_is_the_windows(planted):
    starts = segment.window_starts(planted.n_samples, 20, 10)[[5, 2, 9]]
    emg = Normalisation(0.0, np.eye(planted.n_channels)).apply(planted.emg)
    view, starts_there = engine._resident(emg, starts, 20)
    gathered = engine._gather(view, starts_there).cpu().numpy()
    np.testing.assert_array_equal(gathered, segment.windows(planted.emg, starts, 20))
    assert view.data_ptr() == emg.ctypes.data or view.is_cuda  # no copy


def test_training_leaves_the_global_random_numbers_alone(planted):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    cross_validate(planted.crop(0, 2), dataclasses.replace(RUN, epochs=1, tested_folds=1), False)
    assert torch.equal(torch.rand(3), expected)


def test_keeps_the_weights_of_the_lowest_validation_loss(planted):
    run = dataclasses.replace(RUN, epochs=12, learning_rate=2e-2, seed=2)
    model, history, f1_weights, (emg, starts, labels, fold) = fitted(planted.crop(0, 3), run)
    assert history["val_loss"].idxmin() < len(history) - 1, "the last epoch is the best: no test"
    p = engine.predict(model, emg, starts[fold.val], run.window)
    y = labels[fold.val]
    bce = -(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12)).mean()
    assert bce == pytest.approx(history["val_loss"].min(), rel=1e-3)
    assert not model.training
    assert history["val_f1"].idxmax() != history["val_loss"].idxmin(), "the same epoch: no test"
    model.load_state_dict(f1_weights)
    found = engine.predict(model, emg, starts[fold.val], run.window) >= run.threshold
    f1 = metrics.scores(*metrics.counts(y, found)).f1
    assert np.nanmean(f1) == pytest.approx(history["val_f1"].max(), abs=1e-6)


def test_patience_ends_a_training_and_keeps_its_best_epoch(planted):
    run = dataclasses.replace(RUN, epochs=12, learning_rate=2e-2, tested_folds=1)
    whole = cross_validate(planted.crop(0, 3), run, False)
    ended = cross_validate(planted.crop(0, 3), dataclasses.replace(run, patience=2), False)
    for fold, curve in ended.history.groupby("fold"):
        best = curve["val_loss"].reset_index(drop=True).idxmin()
        assert len(curve) == min(12, best + 3)
        same = whole.history[whole.history["fold"] == fold]["val_loss"][: len(curve)]
        assert same.tolist() == curve["val_loss"].tolist()
    assert len(ended.history) < len(whole.history)


def test_recordings_are_cross_validated_together_as_alone(planted):
    some = [planted.crop(0, 2), planted.crop(2, 4)]
    run = dataclasses.replace(RUN, epochs=1, tested_folds=2)
    together = train.cross_validate_together(some, run, False)
    for recording, result in zip(some, together, strict=True):
        alone = cross_validate(recording, run, False)
        np.testing.assert_array_equal(result.predictions, alone.predictions)
        assert result.counts.equals(alone.counts)


def test_numbers_of_numpy_are_numbers():
    run = Run("ML-DCNN", np.int64(20), np.int32(10), learning_rate=np.float32(0.5))
    assert run == Run("ML-DCNN", 20, 10, learning_rate=0.5)
    assert type(run.window) is int and type(run.learning_rate) is float


def test_a_last_batch_of_one_window_joins_the_one_before():
    sizes = [len(batch) for batch in engine.batches(torch.arange(129), 64)]
    assert sizes == [64, 65]
    assert torch.equal(torch.cat(engine.batches(torch.arange(129), 64)), torch.arange(129))
    assert [len(b) for b in engine.batches(torch.arange(130), 64)] == [64, 64, 2]


def test_batch_normalisation_survives_a_last_batch_of_one(planted):
    starts = segment.window_starts(planted.n_samples, 20, 20)
    labels = segment.labels(planted.discharges, starts, 20)
    fold = segment.Fold(np.arange(5), np.arange(10, 13), np.arange(20, 23))
    run = Run("ML-DRSNet", 20, 20, epochs=1, batch_size=4)
    data = planted.emg, starts, labels
    history, _ = learn(build_model("ML-DRSNet", 20, 3, 16), *data, fold, run)
    assert np.isfinite(history["train_loss"]).all()
    one = segment.Fold(np.arange(1), np.arange(10, 13), np.arange(20, 23))
    with pytest.raises(ValueError, match="1 training and 3 validation windows"):
        learn(build_model("ML-DRSNet", 20, 3, 16), *data, one, run)


def test_a_loss_that_is_not_finite_is_an_error(planted):
    run = dataclasses.replace(RUN, epochs=1, learning_rate=1e30)
    starts = segment.window_starts(planted.n_samples, 20, 20)
    labels = segment.labels(planted.discharges, starts, 20)
    fold = segment.split_folds(len(starts), 20, 20)[0]
    with pytest.raises(FloatingPointError, match=r"never finite.*learning_rate=1e\+30"):
        learn(build_model("ML-DCNN", 20, 3, 16), planted.emg, starts, labels, fold, run)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["ML-DCNN", "MT-DCNN"])
def test_bf16_scores_as_fp32(planted, network):
    run = dataclasses.replace(RUN, network=network, epochs=20, tested_folds=1)
    fp32, bf16 = (
        cross_validate(planted, dataclasses.replace(run, bf16=on), False) for on in (False, True)
    )
    assert (fp32.predictions != bf16.predictions)[np.isfinite(fp32.predictions)].any()
    f1 = [metrics.recording_scores(result.counts)["f1"] for result in (fp32, bf16)]
    assert min(f1) > 0.85 and abs(f1[0] - f1[1]) < 0.06  # seeds differ by as much


def test_bf16_is_chosen_by_the_device(planted):
    runs = [dataclasses.replace(RUN, epochs=1, bf16=on) for on in (None, engine.bf16_supported())]
    automatic, chosen = (fitted(planted.crop(0, 2), run)[0].head[-1].weight for run in runs)
    assert torch.equal(automatic, chosen)


def test_predictions_cover_exactly_the_tested_windows(planted):
    run = dataclasses.replace(RUN, epochs=1, tested_folds=2, split="blocked")
    result = cross_validate(planted.crop(0, 3), run, False)
    folds = segment.split_folds(len(result.starts), 20, 20, split="blocked")
    tested = np.sort(np.concatenate([fold.test for fold in folds[:2]]))
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(result.predictions[:, 0])), tested)
    assert result.counts["fold"].unique().tolist() == [0, 1] and len(result.counts) == 6
    assert result.counts[["tp", "fn"]].sum(axis=1).sum() == result.labels[tested].sum()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there folds share their random numbers")
def test_a_fold_learns_the_same_whatever_is_trained_beside_it(planted):
    run = dataclasses.replace(RUN, epochs=1, tested_folds=1)
    alone, first = (
        cross_validate(planted.crop(0, 2), dataclasses.replace(run, tested_folds=n), False)
        for n in (1, 2)
    )
    tested = np.isfinite(alone.predictions)
    np.testing.assert_array_equal(alone.predictions[tested], first.predictions[tested])


@pytest.mark.slow
def test_offsets_are_fitted_for_each_fold_and_scored_on_shifted_labels(planted):
    late = [d + 25 for d in planted.discharges]  # marks far behind the action potentials
    moved = dataclasses.replace(planted, discharges=late)
    run = dataclasses.replace(RUN, split="blocked", epochs=20, tested_folds=1)
    plain, fitted_offsets = (
        metrics.recording_scores(cross_validate(moved, r, False).counts)["f1"]
        for r in (run, dataclasses.replace(run, fit_offsets=True))
    )
    assert fitted_offsets > 0.8 > plain + 0.2


def test_filter_is_scored_on_the_same_windows(planted):
    network = cross_validate(planted, dataclasses.replace(RUN, epochs=1, split="blocked"), False)
    linear = cross_validate(planted, Run(FILTER, 20, 20, split="blocked"), False)
    np.testing.assert_array_equal(network.labels, linear.labels)
    columns = ["fold", "motor_unit", "n_windows"]
    assert network.counts[columns].equals(linear.counts[columns])
    assert metrics.recording_scores(linear.counts)["f1"] > 0.9


def test_filter_is_scored_discharge_by_discharge_on_held_out_time(planted):
    run = Run(FILTER, 20, 20, split="blocked")
    table = train.discharge_scores(planted, run)
    starts = segment.window_starts(planted.n_samples, 20, 20)
    folds = segment.split_folds(len(starts), 20, 20, split="blocked")
    tested = [segment.covered_samples(starts[f.test], 20, planted.n_samples) for f in folds]
    held_out = sum(mask[times].sum() for mask in tested for times in planted.discharges)
    assert len(table) == 15 and table[["tp", "fn"]].sum(axis=None) == held_out
    assert table["f1"].mean() > 0.9
    moved = train.discharge_scores(planted, dataclasses.replace(run, label_noise="lags"))
    assert moved["f1"].mean() > 0.9


def test_without_a_fold_all_of_the_signal_is_trained_on_or_so_much_of_it(planted):
    run = Run("linear classifier", 20, 20, epochs=1)
    assert len(train.fit(planted, run).windows("train")) == planted.n_samples // 20
    short = train.fit(planted, dataclasses.replace(run, train_seconds=1)).fold
    middle = planted.n_samples / 40
    assert len(short.train) == round(2048 / 20) and abs(short.train.mean() - middle) < 1


def test_no_motor_unit_is_refused(planted):
    with pytest.raises(ValueError, match="no discharge times"):
        cross_validate(dataclasses.replace(planted, discharges=(), pnr=None), RUN, False)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (dict(network="CNN"), "Unknown decoder 'CNN'"),
        (dict(window="20"), "window='20': expected int"),
        (dict(window=20.5), "window=20.5: expected int"),
        (dict(epochs=True), "epochs=True: expected int"),
        (dict(learning_rate="1e-3"), "expected float .in YAML write 1.0e-3"),
        (dict(patience=0), "patience=0: at least 1 epoch"),
        (dict(width=0.5), "width=0.5: a setting of another decoder"),
        (dict(network="ML-DRSNet", width=0.0), "width=0.0: above 0"),
        (dict(window=10), "window=10: ML-DCNN needs"),
        (dict(step=0), "step=0: at least 1 sample"),
        (dict(split="random"), "split='random': one of"),
        (dict(tested_folds=6), "tested_folds=6: from 1 to n_folds"),
        (dict(learning_rate=0.0), "learning_rate=0.0: above 0"),
        (dict(batch_size=1), "batch_size=1: at least 2"),
        (dict(threshold=1.0), "threshold=1.0: a probability"),
        (dict(train_seconds=float("inf")), "train_seconds=inf: above 0 s, or none for all"),
        (dict(seed=-1), "seed=-1: 0 or more"),
        (dict(network="MUF-Net", window=40, fit_offsets=True), "fit_offsets=True: leave it out"),
        (dict(network=STREAMED, batch_size=32), f"batch_size=32: {STREAMED} has no use for it"),
        (dict(network=FILTER), f"epochs=.*: {FILTER} has no use for it: leave it out"),
    ],
)
def test_impossible_runs_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        dataclasses.replace(RUN, **changes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_trains_on_a_gpu(planted):
    model, history, *_ = fitted(planted.crop(0, 3), RUN)
    assert next(model.parameters()).is_cuda and np.isfinite(history["val_loss"]).all()


def test_the_filter_waits_for_no_more_than_its_look_ahead(two_units):
    fitted, changed = train.fit(two_units, Run(FILTER, 40, 20)), [False, False]
    whole = fitted.decode(two_units.emg)
    for known in range(2000, 2400, 3):
        emg = two_units.emg[:, :known]
        loud = np.concatenate([emg, 40 * two_units.emg[:, : fitted.filter.n_lags]], axis=1)
        for k, less in enumerate((0, refractory(fitted.fs))):  # as much less is too little
            early = known - 1 - fitted.look_ahead + less
            for ours, theirs in zip(whole, fitted.decode(loud), strict=True):
                same = ours[ours <= early].tolist() == theirs[theirs <= early].tolist()
                changed[k] |= not same
    assert changed == [False, True]


def test_decoding_to_the_sample_waits_for_no_more_than_its_look_ahead(trained, two_units):
    emg, ahead = two_units.emg[:, :900], trained.look_ahead
    whole, changed = trained.decode(emg), False
    for known in range(300, 500, 7):
        cut = np.concatenate([emg[:, :known], 40 - 20 * emg[:, 450:900]], axis=1)
        for ours, theirs in zip(whole, trained.decode(cut), strict=True):
            early = known - 1 - ahead
            np.testing.assert_array_equal(ours[ours <= early], theirs[theirs <= early])
            early += trained.run.step // 2 + refractory(trained.fs)  # as much less is too little
            changed |= ours[ours <= early].tolist() != theirs[theirs <= early].tolist()
    assert changed
