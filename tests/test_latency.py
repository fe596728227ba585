import dataclasses

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from hdsemg_nb import figures, latency, segment
from hdsemg_nb.engine import predict
from hdsemg_nb.latency import decoder as decoder_module
from hdsemg_nb.latency.timing import TORCH
from hdsemg_nb.models import NETWORKS

ENGINES = latency.engines()


def offline(trained, two_units):
    starts = segment.window_starts(two_units.n_samples, trained.run.window, trained.run.step)
    emg = trained.normalisation.apply(two_units.emg)
    return predict(trained.model, emg, starts, trained.run.window, bf16=False)


def probabilities(decisions):
    return np.array([d.probabilities for d in decisions])


@pytest.mark.parametrize("engine", ENGINES)
def test_export_takes_microvolts_and_gives_torchs_probabilities(
    engine, exported, trained, two_units
):
    decoder = latency.Decoder(exported, engine)
    found = probabilities(decoder.stream(two_units.fs).push(two_units.emg, 0))
    expected = offline(trained, two_units)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.05 < (expected > 0.5).mean() < 0.5  # it has learnt something that can flip
    assert decoder.engine == engine


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "ML-DCNN"])
def test_other_networks_and_whitening(network, trained, two_units, tmp_path):
    run = dataclasses.replace(
        trained.run, network=network, step=300, fit_offsets=True, epochs=1, whiten=True
    )
    other = latency.train_decoder(two_units, run)
    for deviation in latency.export(other, tmp_path / "a.onnx").values():
        assert deviation.largest < 1e-4 and deviation.labels == 2 * len(other.val_windows)
    operators = {node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node}
    assert "BatchNormalization" not in operators and "Sigmoid" in operators


def test_metadata(decoder, trained):
    largest = np.abs(trained.train_windows - trained.normalisation.mean).max(axis=(0, 2))
    np.testing.assert_allclose(decoder.largest_uv, largest, rtol=1e-6)
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


def test_refuses_what_it_cannot_load(trained, exported, decoder, tmp_path):
    with pytest.raises(ValueError, match="precision='int4' is unknown"):
        latency.export(trained, tmp_path / "a.onnx", "int4")
    with pytest.raises(ValueError, match="engine='tensorrt' is not installed"):
        latency.Decoder(exported, "tensorrt")
    with pytest.raises(ValueError, match=r"window has shape \(16, 21\), expected \(16, 20\)"):
        decoder.probabilities(np.zeros((16, 21)))
    bare = onnx.load(exported)
    del bare.metadata_props[:]
    onnx.save(bare, tmp_path / "bare.onnx")
    with pytest.raises(ValueError, match="not written by"):
        latency.Decoder(tmp_path / "bare.onnx")


def test_branches_are_exported_as_convolutions_in_8_bits(trained, two_units, tmp_path):
    run = dataclasses.replace(trained.run, network="MT-DCNN", step=100, epochs=1)
    latency.export(latency.train_decoder(two_units, run), tmp_path / "a.onnx", "int8", force=True)
    graph = onnx.load(tmp_path / "a.onnx").graph
    weights = {i.name: i.data_type for i in graph.initializer if len(i.dims) == 4}
    kinds = list(weights.values())
    assert kinds.count(onnx.TensorProto.INT8) == 5
    assert kinds.count(onnx.TensorProto.FLOAT) == 1  # the output layer
    assert [node.op_type for node in graph.node].count("MatMul") == 1  # the normalisation


def test_an_engine_that_export_did_not_try_is_not_chosen(trained, tmp_path, monkeypatch):
    latency.export(trained, tmp_path / "a.onnx")
    run = decoder_module.ENGINES["onnxruntime"]
    monkeypatch.setitem(decoder_module.ENGINES, "json", run)  # installed: a module of that name
    assert latency.engines()[-1] == "json"
    decoder = latency.Decoder(tmp_path / "a.onnx")
    assert decoder.engine in decoder.deviation
    assert latency.Decoder(tmp_path / "a.onnx", "json").engine == "json"  # unless asked for


def test_the_faster_engine_is_taken():
    slow = {"a": lambda x: sum(range(20_000)), "b": lambda x: None}
    assert decoder_module._fastest(slow, np.zeros((1, 1))) == "b"


@pytest.fixture(scope="module")
def times(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")
    other = {"other": lambda window: None}
    return latency.benchmark(trained, folder, ["fp32"], n_windows=60, threads=(1, 2), others=other)


def test_benchmark_times_every_decoder_alike(times, trained):
    names = [TORCH, "other", *(f"{engine} fp32" for engine in ENGINES)]
    table = latency.summarise(times)
    assert table["decoder"].tolist() == 2 * names
    assert table["threads"].tolist() == len(names) * [1] + len(names) * [2]
    assert (table["speed_up"][table["decoder"] == TORCH] == 1).all()
    ordered = table[["median_ms", "p95_ms", "p99_ms", "max_ms"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all() and (table["n_windows"] == 60).all()
    assert 5 < table["positive_percent"][0] < 50
    assert (table["flipped_percent"][table["decoder"] != "other"] == 0).all()


def test_benchmark_sets_the_threads_of_torch_and_of_the_engines(trained, tmp_path, monkeypatch):
    seen, run = [], decoder_module.ENGINES["onnxruntime"]
    monkeypatch.setattr(
        decoder_module,
        "ENGINES",
        {
            "onnxruntime": lambda *given: (
                seen.append((torch.get_num_threads(), given[2])) or run(*given)
            )
        },
    )
    before = torch.get_num_threads()
    latency.benchmark(trained, tmp_path, ["fp32"], n_windows=1, threads=(1, 2))
    assert seen[-2:] == [(1, 1), (2, 2)] and torch.get_num_threads() == before


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
    rows = [(*c, 2, "torch", 1.0, "a CPU", ms) for c in cells for ms in (1.0, 2.0, 3.0, 6.0)]
    return pd.DataFrame(rows, columns=[*latency.KEYS, "width", "device", "ms"])


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
