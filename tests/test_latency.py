import dataclasses
import tracemalloc

import numpy as np
import onnx
import pandas as pd
import pytest

from hdsemg_nb import figures, latency, segment
from hdsemg_nb.latency import decoder as decoder_module
from hdsemg_nb.latency.timing import TORCH
from hdsemg_nb.train import Run, predict

ENGINES = latency.engines()
RUN = Run("ML-DCNN", 20, 10, epochs=8, learning_rate=2e-3, split="blocked", bf16=False)


@pytest.fixture(scope="module")
def recording():
    """Four seconds of 16 channels in uV, far from mean 0, with two motor units."""
    from hdsemg_nb.recording import Recording, rectangular_grid

    rng = np.random.default_rng(7)
    emg = rng.normal(40, 5, (16, 8192))
    discharges = [np.arange(60, 8100, 97), np.arange(90, 8100, 131)]
    for times in discharges:
        shape = np.outer(rng.normal(0, 60, 16), np.diff(np.hanning(17)))
        for t in times:
            emg[:, t - 8 : t + 8] += shape
    return Recording(emg, 2048, discharges, grid=rectangular_grid(4, 4, 8.0, empty=()))


@pytest.fixture(scope="module")
def trained(recording):
    return latency.train_decoder(recording, RUN)


@pytest.fixture(scope="module")
def path(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "fp32.onnx"
    latency.export(trained, path)
    return path


@pytest.fixture(scope="module")
def decoder(path):
    return latency.Decoder(path, "onnxruntime")


def offline(trained, recording):
    starts = segment.window_starts(recording.n_samples, RUN.window, RUN.step)
    emg = trained.normalisation.apply(recording.emg)
    return predict(trained.model, emg, starts, RUN.window, bf16=False)


def probabilities(decisions):
    return np.array([d.probabilities for d in decisions])


@pytest.mark.parametrize("engine", ENGINES)
def test_export_takes_microvolts_and_gives_torchs_probabilities(engine, path, trained, recording):
    decoder = latency.Decoder(path, engine)
    found = probabilities(decoder.stream(recording.fs).push(recording.emg))
    expected = offline(trained, recording)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.05 < (expected > 0.5).mean() < 0.5  # it has learnt something that can flip
    assert decoder.engine == engine


@pytest.mark.parametrize("network", ["ML-DRSNet", "MT-DCNN"])
def test_other_networks_and_whitening(network, recording, tmp_path):
    run = dataclasses.replace(
        RUN, network=network, step=300, fit_offsets=True, epochs=1, whiten=True
    )
    trained = latency.train_decoder(recording, run)
    for deviation in latency.export(trained, tmp_path / "a.onnx").values():
        assert deviation.largest < 1e-4 and deviation.labels == 2 * len(trained.val_windows)
    operators = {node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node}
    assert "BatchNormalization" not in operators and "Sigmoid" in operators


def test_metadata(path, decoder, trained, recording):
    assert (decoder.network, decoder.window, decoder.step) == ("ML-DCNN", 20, 10)
    assert (decoder.fs, decoder.threshold, decoder.precision) == (2048, 0.5, "fp32")
    assert decoder.channels[5] == "row 1, column 1" and len(decoder.channels) == 16
    assert decoder.motor_units == ["motor unit 0", "motor unit 1"]
    assert decoder.deviation["onnxruntime"]["flipped"] == 0
    assert decoder.deviation["onnxruntime"]["labels"] == 2 * len(trained.val_windows)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_low_precision_flips_few_labels(precision, trained, tmp_path, capsys):
    deviations = latency.export(trained, tmp_path / "a.onnx", precision, calibration=50)
    for deviation in deviations.values():
        assert deviation.flipped_share <= 0.005 and deviation.positive > 10
    assert "labels flipped" in capsys.readouterr().out
    convolutions = {n.op_type for n in onnx.load(tmp_path / "a.onnx").graph.node}
    assert ("DequantizeLinear" in convolutions) == (precision == "int8")


def test_int8_is_calibrated_on_training_windows_alone(trained, tmp_path):
    wild = dataclasses.replace(trained, val_windows=trained.val_windows * 1000)
    latency.export(trained, tmp_path / "a.onnx", "int8", calibration=20)
    latency.export(wild, tmp_path / "b.onnx", "int8", calibration=20, force=True)
    a, b = (onnx.load(tmp_path / name).graph for name in ("a.onnx", "b.onnx"))
    assert a == b


def test_an_export_that_flips_labels_is_refused(trained, tmp_path):
    bad = dataclasses.replace(trained, train_windows=trained.train_windows * 0)  # wrong ranges
    with pytest.raises(ValueError, match="More than 0.5% flipped: not written"):
        latency.export(bad, tmp_path / "a.onnx", "int8")
    assert not list(tmp_path.iterdir())
    latency.export(bad, tmp_path / "a.onnx", "int8", force=True)
    assert latency.Decoder(tmp_path / "a.onnx").deviation["onnxruntime"]["flipped"] > 0


def test_refuses_what_it_cannot_load(trained, path, decoder, tmp_path):
    with pytest.raises(ValueError, match="precision='int4' is unknown"):
        latency.export(trained, tmp_path / "a.onnx", "int4")
    with pytest.raises(ValueError, match="engine='tensorrt' is not installed"):
        latency.Decoder(path, "tensorrt")
    with pytest.raises(ValueError, match=r"window has shape \(16, 21\), expected \(16, 20\)"):
        decoder.probabilities(np.zeros((16, 21)))
    bare = onnx.load(path)
    del bare.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    with pytest.raises(ValueError, match="not written by"):
        latency.Decoder(tmp_path / "bare.onnx")


def test_the_faster_engine_is_taken():
    slow = {"a": lambda x: sum(range(20_000)), "b": lambda x: None}
    assert decoder_module._fastest(slow, np.zeros((1, 1))) == "b"


@pytest.mark.parametrize("step", [3, 10, 50])  # below and above the window of 20
@pytest.mark.parametrize("seed", range(5))
def test_chunks_of_any_size_give_the_offline_result(seed, step, decoder, recording, monkeypatch):
    monkeypatch.setattr(decoder, "step", step)
    emg, rng = recording.emg[:, :1500], np.random.default_rng(seed)
    sizes = rng.integers(0, 8 ** rng.integers(1, 4), 1500)
    borders = np.minimum(np.cumsum(sizes), 1500)
    stream, decisions = decoder.stream(2048), []
    for chunk in np.split(emg, borders, axis=1):
        decisions += stream.push(chunk)
    starts = segment.window_starts(1500, 20, step)
    whole = [decoder.probabilities(w) for w in segment.windows(emg, starts, 20)]
    assert [d.start for d in decisions] == starts.tolist()
    np.testing.assert_array_equal(probabilities(decisions), whole)  # bit by bit
    assert not any(d.problem for d in decisions)


def test_memory_of_a_stream_does_not_grow(decoder, recording):
    stream = decoder.stream(2048)
    stream.push(recording.emg)
    tracemalloc.start()
    for _ in range(5):
        stream.push(recording.emg[:, :400])
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        stream.push(recording.emg[:, :400])
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 2000  # bytes; the 20 chunks hold half a million


def stream_with(decoder, recording, change):
    """Decisions on 600 samples without and with a change of the signal."""
    emg = recording.emg[:, :600].copy()
    clean = decoder.stream(2048).push(emg)
    change(emg)
    return clean, decoder.stream(2048).push(emg)


def test_dropped_chunks_withhold_the_windows_they_touch(decoder, recording):
    stream = decoder.stream(2048)
    decisions = stream.push(recording.emg[:, :100], 0) + stream.push(recording.emg[:, 130:600], 130)
    clean = decoder.stream(2048).push(recording.emg[:, :600])
    assert [d.start for d in decisions] == [d.start for d in clean]  # none left out
    for d, expected in zip(decisions, clean, strict=True):
        touched = d.start < 130 and d.start + 20 > 100
        assert bool(d.problem) == touched and not (touched and d.spikes.any())
        if not touched:
            np.testing.assert_array_equal(d.probabilities, expected.probabilities)
    assert "missing or not finite: row 0, column 0" in decisions[9].problem


def test_duplicated_chunks_are_dropped(decoder, recording):
    stream, decisions = decoder.stream(2048), []
    for first in (0, 100, 50, 100, 200):  # again, and in part again
        decisions += stream.push(recording.emg[:, first : first + 100], first)
    np.testing.assert_array_equal(
        probabilities(decisions),
        probabilities(decoder.stream(2048).push(recording.emg[:, :300])),
    )


@pytest.mark.parametrize(("value", "word"), [(np.nan, "not finite"), (5000, "saturated")])
def test_a_bad_channel_is_named_and_replaced(value, word, decoder, recording):
    def change(emg):
        emg[3, 200:300] = value

    clean, decisions = stream_with(decoder, recording, change)
    for d, expected in zip(decisions, clean, strict=True):
        if 200 <= d.start <= 280:
            assert word in d.problem and d.problem.endswith(": row 0, column 3")
            assert np.isfinite(d.probabilities).all()
        elif d.start >= 300 or d.start <= 180:
            assert not d.problem
            np.testing.assert_array_equal(d.probabilities, expected.probabilities)
    flips = [(d.spikes != e.spikes).any() for d, e in zip(decisions, clean, strict=True)]
    assert np.mean(flips) < 0.1


def test_too_many_bad_channels_withhold_the_window(decoder, recording):
    def change(emg):
        emg[2:5, 200:300] = 0

    _, decisions = stream_with(decoder, recording, change)
    withheld = [d for d in decisions if 200 <= d.start <= 280]
    assert len(withheld) == 9
    assert all(np.isnan(d.probabilities).all() and not d.spikes.any() for d in withheld)


def test_wrong_channels_and_sampling_rate_are_refused(decoder):
    with pytest.raises(ValueError, match=r"chunk has shape \(15, 40\), expected \(16, samples\)"):
        decoder.stream(2048).push(np.zeros((15, 40)))
    with pytest.raises(ValueError, match="fs=2000 Hz, but the network was trained at 2048"):
        decoder.stream(2000)


def test_replay_in_real_time(decoder, recording):
    short = recording.crop(0, 0.5)
    played = latency.replay(decoder, short, chunk=40, real_time=True)
    assert played["start"].tolist() == segment.window_starts(1024, 20, 10).tolist()
    assert 0 < played["decided_ms"].median() < 100 and (played["problem"] == "").all()


@pytest.fixture(scope="module")
def times(trained, tmp_path_factory):
    return latency.benchmark(trained, tmp_path_factory.mktemp("b"), ["fp32"], n_windows=60)


def test_benchmark_times_every_decoder_alike(times):
    names = [TORCH, *(f"{engine} fp32" for engine in ENGINES)]
    assert times["decoder"].value_counts().to_dict() == dict.fromkeys(names, 60)
    table = latency.summarise(times)
    assert table["decoder"].tolist() == names and table["speed_up"][0] == 1
    ordered = table[["median_ms", "p95_ms", "p99_ms", "max_ms"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all() and (table["n_windows"] == 60).all()


def test_measure_takes_turns_and_leaves_the_warm_up_out():
    calls = []
    windows = np.zeros((3, 1, 1))
    slow, quick = (lambda w, name=name: calls.append(name) for name in ("slow", "quick"))
    table = latency.measure({"slow": slow, "quick": quick}, windows, 7, warm_up=2, block=5)
    assert "".join(name[0] for name in calls) == "s" * 7 + "q" * 7 + "s" * 4 + "q" * 4
    assert table["decoder"].value_counts().to_dict() == {"slow": 7, "quick": 7}


def test_total_latency_by_hand():
    total = latency.total_latency(20, 50, 2000, 1.5)
    assert total == {"whole_window": 11.5, "half_window": 6.5, "longest": 19.0}


@pytest.fixture
def planted_times():
    """Four windows of every cell the tables need: 1, 2, 3 and 6 ms."""
    cells = [("ML-DRSNet", 20), ("ML-DCNN", 20), ("ML-DCNN", 140), ("MT-DCNN", 140)]
    rows = [(*c, "torch", 1.0, "a CPU", ms) for c in cells for ms in (1.0, 2.0, 3.0, 6.0)]
    return pd.DataFrame(rows, columns=["network", "window", "decoder", "width", "device", "ms"])


def test_deadline_misses_by_hand(planted_times):
    table = latency.latency_table(planted_times, 10, 2048)  # a step of 4.9 ms
    assert (table["misses_percent"] == 25).all() and (table["prediction_ms"] == 2.5).all()


def test_tables_stand_beside_the_paper(planted_times):
    about = dict(run="a", fold=0, device="a GPU", width=1.0, mvc=10.0)
    run = dict(network="ML-DRSNet", window=20, step=50, epoch_seconds=2.0, **about)
    later = dict(motor_unit=0, fold=1, epoch_seconds=5.0)
    runs = pd.DataFrame([{**run, "motor_unit": 0}, {**run, "motor_unit": 1}, {**run, **later}])
    four = latency.table_04(planted_times.query("network == 'ML-DRSNet'"), runs, [10, 50])
    whole = four[four["window"] == "all"].set_index("metric")
    assert whole.loc["prediction_ms_per_window", ["mean", "published_mean"]].tolist() == [2.5, 5.39]
    assert whole.loc["training_s_per_epoch", ["mean", "published_mean"]].tolist() == [3.5, 198.43]
    slim = latency.table_04(planted_times, runs.assign(width=0.125), [50])
    narrow = slim[slim["width"] < 1]
    assert len(narrow) == 2 and narrow["published_mean"].isna().all()
    eleven = latency.table_11(planted_times, pd.DataFrame(), 2048)
    total = eleven[eleven["metric"] == "total_ms"].dropna(subset="published_mean")
    assert total["published_mean"].tolist() == [15.15, 69.36, 76.96]
    np.testing.assert_allclose(total["mean"], [12.266, 70.859, 70.859], atol=1e-3)


def test_figure_is_drawn(planted_times, tmp_path, monkeypatch):
    from hdsemg_nb import paths

    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    figures.draw_latency(planted_times, 10, 2048, "out", "note")
    assert (tmp_path / "out" / "figures" / "latency.pdf").exists()
