import copy
import dataclasses
import json
import sys

import numpy as np
import onnx
import pytest

from hdsemg_nb import latency, segment, train
from hdsemg_nb.decoders import DECODERS, FILTER, NETWORKS, PAPER_NETWORKS, Run
from hdsemg_nb.decoders.fitted import to_the_sample
from hdsemg_nb.discharges import rate_of_agreement
from hdsemg_nb.engine import predict
from hdsemg_nb.latency.decoder import KEY
from hdsemg_nb.recording import Grid

EXPORT = sys.modules[latency.export.__module__]


def offline(trained, two_units):
    starts = segment.window_starts(two_units.n_samples, trained.run.window, trained.run.step)
    emg = trained.normalisation.apply(two_units.emg)
    return predict(trained.model, emg, starts, trained.run.window, bf16=False)


def scaled(trained, part, factor):
    """The same network beside another signal in one part of its fold."""
    one, run = trained.recording, trained.run
    starts = segment.window_starts(one.n_samples, run.window, run.step)[getattr(trained.fold, part)]
    mask = segment.covered_samples(starts, run.window, one.n_samples)
    other = dataclasses.replace(one, emg=np.where(mask, factor * one.emg, one.emg))
    return dataclasses.replace(trained, recording=other)


def probabilities(decisions):
    return np.array([d.probabilities for d in decisions])


def test_export_takes_microvolts_and_gives_torchs_probabilities(decoder, trained, two_units):
    found = probabilities(decoder.stream(two_units.fs).push(two_units.emg, 0))
    expected = offline(trained, two_units)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert 0.05 < (expected > 0.5).mean() < 0.5  # it has learnt something that can flip


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [name for name in NETWORKS if name not in ("ML-DCNN", "MT-DCNN")],
)
def test_every_network_is_exported(network, trained, two_units, tmp_path):
    own = {"width": 0.125} if "width" in DECODERS[network].own else {}
    run = dataclasses.replace(trained.run, network=network, step=300, epochs=1, whiten=True, **own)
    other = train.fit(two_units, run)
    deviation = latency.export(other, tmp_path / "a.onnx")
    assert deviation.largest < 1e-4 and deviation.labels == 2 * len(other.fold.val)
    operators = {node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node}
    assert "Sigmoid" in operators
    assert "BatchNormalization" not in operators or network not in PAPER_NETWORKS


def test_metadata(decoder, trained):
    windows = trained.windows("train")
    largest = np.abs(windows - trained.normalisation.mean).max(axis=(0, 2))
    np.testing.assert_allclose(decoder.largest_uv, largest, rtol=1e-6)
    sizes = np.ptp(windows, axis=2)
    np.testing.assert_allclose(decoder.typical_uv, np.median(sizes, axis=0), rtol=1e-6)
    assert (decoder.network, decoder.window, decoder.step) == ("ML-DCNN", 20, 10)
    assert (decoder.fs, decoder.threshold) == (2048, 0.5)
    assert decoder.channels[5] == "row 1, column 1" and len(decoder.channels) == 16
    assert decoder.motor_units == ["motor unit 0", "motor unit 1"]


@pytest.fixture(scope="module")
def graph(trained):
    return EXPORT._graph(trained)


@pytest.fixture
def one_graph(graph, monkeypatch):
    """Every export of `trained` begins with the same graph: the exporter takes seconds."""
    monkeypatch.setattr(EXPORT, "_graph", lambda trained: copy.deepcopy(graph))


@pytest.mark.usefixtures("one_graph")
def test_8_bits_flip_few_labels(trained, tmp_path):
    deviation = latency.export(trained, tmp_path / "a.onnx", "int8")
    assert deviation.flipped_share <= 0.005 and deviation.positive > 10
    operators = {n.op_type for n in onnx.load(tmp_path / "a.onnx").graph.node}
    assert "DequantizeLinear" in operators


@pytest.mark.usefixtures("one_graph")
def test_int8_is_calibrated_on_training_windows_alone(trained, tmp_path):
    wild = scaled(trained, "val", 1000)
    latency.export(trained, tmp_path / "a.onnx", "int8")
    latency.export(wild, tmp_path / "b.onnx", "int8", force=True)
    a, b = (onnx.load(tmp_path / name).graph for name in ("a.onnx", "b.onnx"))
    assert a == b


@pytest.mark.usefixtures("one_graph")
def test_an_export_that_flips_labels_is_refused(trained, tmp_path):
    bad = scaled(trained, "train", 0)  # wrong ranges
    with pytest.raises(ValueError, match="More than 0.5% flipped: not written"):
        latency.export(bad, tmp_path / "a.onnx", "int8")
    assert not list(tmp_path.iterdir())
    found = latency.export(bad, tmp_path / "a.onnx", "int8", force=True)
    assert found.flipped > 0 and latency.Decoder(tmp_path / "a.onnx").window == 20


def test_refuses_what_it_cannot_load(trained, decoder, tmp_path):
    with pytest.raises(ValueError, match="precision='int4' is unknown"):
        latency.export(trained, tmp_path / "a.onnx", "int4")
    with pytest.raises(ValueError, match=r"window has shape \(16, 21\), expected \(16, 20\)"):
        decoder.probabilities(np.zeros((16, 21)))
    with pytest.raises(
        FileNotFoundError, match=r"nowhere is not there: make the folder for a\.onnx"
    ):
        latency.export(trained, tmp_path / "nowhere" / "a.onnx")


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_named(share, exported, tmp_path):
    content, path = exported.read_bytes(), tmp_path / "cut.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut\.onnx .*is cut short.*: .*export the network again"):
        latency.Decoder(path)


@pytest.mark.parametrize("name", [b'"network": ', b"emg_uv"])
def test_a_damaged_file_is_named(name, exported, tmp_path):
    content, path = exported.read_bytes(), tmp_path / "damaged.onnx"
    path.write_bytes(content.replace(name, b"\xff" * len(name), 1))
    with pytest.raises(ValueError, match=r"damaged\.onnx.* is damaged.*export the network again"):
        latency.Decoder(path)


def test_metadata_of_another_version_are_named(exported, tmp_path):
    model, path = onnx.load(exported), tmp_path / "older.onnx"
    facts = json.loads(model.metadata_props[0].value)
    del facts["typical_uv"], facts["offsets"]
    onnx.helper.set_model_props(model, {KEY: json.dumps(facts)})
    onnx.save(model, path)
    match = r"older\.onnx was not written by this version .* lack offsets, typical_uv; export"
    with pytest.raises(ValueError, match=match):
        latency.Decoder(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"older\.onnx was not written by"):
        latency.Decoder(path)


def test_what_is_no_network_is_refused(trained, two_units, tmp_path):
    fitted = train.fit(two_units, Run(FILTER, 20, 10))
    with pytest.raises(ValueError, match=f"{FILTER} cannot be exported: .*; choose one of"):
        latency.export(fitted, tmp_path / "a.onnx")


@pytest.mark.parametrize("network", ["ML-DCNN", FILTER])
def test_a_recording_is_decoded_to_the_sample(network, two_units, trained):
    run = trained.run if network == "ML-DCNN" else Run(FILTER, 20, 10)
    fitted = train.fit(two_units, run)
    found = fitted.decode_recording(dataclasses.replace(two_units, discharges=(), pnr=None))
    assert found.emg is two_units.emg
    for times, reference in zip(found.discharges, two_units.discharges, strict=True):
        agreement = rate_of_agreement(reference, times, two_units.fs, 0.5, largest_lag_ms=0)
        assert agreement.rate > 0.8  # in steps of S: 0.2
    with pytest.raises(ValueError, match="fs=1000 Hz, but the decoder was trained at 2048 Hz"):
        fitted.decode_recording(dataclasses.replace(two_units, fs=1000))
    turned = Grid(two_units.grid.electrodes[::-1], 8.0)
    with pytest.raises(ValueError, match="differ in their order: it needs the electrodes"):
        fitted.decode_recording(dataclasses.replace(two_units, grid=turned))
    fewer = dataclasses.replace(two_units, emg=two_units.emg[1:], grid=None)
    with pytest.raises(ValueError, match="has 15 channels, the decoder 16"):
        fitted.decode_recording(fewer)
    with pytest.warns(UserWarning, match="the recording has no grid: that its channels"):
        fitted.decode_recording(dataclasses.replace(two_units, grid=None))
    fitted.decode_recording(dataclasses.replace(two_units, fs=two_units.fs * (1 + 1e-7)))
    emg = two_units.emg.copy()
    emg[3, 4000] = np.nan
    with pytest.raises(ValueError, match="not finite|every sample finite"):
        fitted.decode(emg)
    with pytest.raises(ValueError, match="mV or V in place of uV"):
        fitted.decode(two_units.emg / 1000)


@pytest.mark.parametrize("length", [1, 10, 50])
def test_no_discharge_is_misplaced_at_the_ends_of_a_signal(length):
    n_labels, first = 300, -5
    for time in range(-5, n_labels + length):
        probabilities = np.full((n_labels, 1), 1e-6)
        probabilities[max(0, time - first - length + 1) : max(0, time - first + 1)] = 1
        (found,) = to_the_sample(probabilities, first, length, 0.5, 2048)
        inside = first + length <= time < first + n_labels - 1
        assert found.tolist() == ([time] if inside else [])
    assert to_the_sample(np.ones((3, 2)), 0, 20, 0.5, 2048)[1].tolist() == []


def test_an_exported_decoder_finds_the_same_discharges(decoder, two_units, trained):
    found, expected = decoder.decode_recording(two_units), trained.decode_recording(two_units)
    assert [d.tolist() for d in found.discharges] == [d.tolist() for d in expected.discharges]
    assert len(found.discharges[0]) > 50
    for one in (decoder, trained):
        with pytest.raises(ValueError, match="mV or V in place of uV"):
            one.decode(two_units.emg / 1000)
        with pytest.raises(ValueError, match="every channel is dead"):
            one.decode(0 * two_units.emg)
        with pytest.raises(ValueError, match="times larger than in the training: which unit"):
            one.decode(two_units.emg * 1000)
        with pytest.warns(UserWarning, match="mean of the channels is not that of the training"):
            one.decode(two_units.emg + np.linspace(0, np.ptp(two_units.emg), 16)[:, None])
        dead = two_units.emg.copy()
        dead[5] = 0
        with pytest.warns(UserWarning, match="never change: row 1, column 1; `signal_check"):
            one.decode_recording(dataclasses.replace(two_units, emg=dead))


def test_offsets_of_labels_do_not_move_decoded_discharges(two_units, trained):
    late = dataclasses.replace(two_units, discharges=[d + 9 for d in two_units.discharges])
    fitted = train.fit(late, dataclasses.replace(trained.run, fit_offsets=True))
    assert (fitted.offsets < -4).all()
    for times, marks in zip(fitted.decode(late.emg), late.discharges, strict=True):
        assert rate_of_agreement(marks, times, late.fs, 1.0, largest_lag_ms=0).rate > 0.8


def test_branches_are_exported_as_convolutions_in_8_bits(trained, two_units, tmp_path, monkeypatch):
    run = dataclasses.replace(trained.run, network="MT-DCNN", step=300, epochs=1)
    other = train.fit(two_units, run)
    graph = EXPORT._graph(other)
    monkeypatch.setattr(EXPORT, "_graph", lambda trained: copy.deepcopy(graph))
    assert latency.export(other, tmp_path / "a.onnx").largest < 1e-4
    latency.export(other, tmp_path / "a.onnx", "int8", force=True)
    graph = onnx.load(tmp_path / "a.onnx").graph
    weights = {i.name: i.data_type for i in graph.initializer if len(i.dims) == 4}
    kinds = list(weights.values())
    assert kinds.count(onnx.TensorProto.INT8) == 5
    assert kinds.count(onnx.TensorProto.FLOAT) == 1  # the output layer
    assert [node.op_type for node in graph.node].count("MatMul") == 1  # the normalisation


def test_measure_takes_turns_and_leaves_the_warm_up_out(monkeypatch):
    monkeypatch.setattr(latency.timing, "BLOCK", 5)
    calls = []
    windows = np.zeros((3, 1, 1))
    slow, quick = (lambda w, name=name: calls.append(name) for name in ("slow", "quick"))
    table = latency.measure({"slow": slow, "quick": quick}, windows, 7, warm_up=2)
    assert "".join(name[0] for name in calls) == "s" * 7 + "q" * 7 + "s" * 4 + "q" * 4
    assert table["decoder"].value_counts().to_dict() == {"slow": 7, "quick": 7}


def test_a_window_that_leaves_the_signal_is_refused(trained, two_units):
    with pytest.raises(ValueError, match="windows from -20 to 0 leave the signal"):
        trained.predict(two_units.emg, [-20])
