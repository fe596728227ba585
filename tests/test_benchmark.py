import copy
import mmap
import os
import sys

import numpy as np
import pandas as pd
import pytest
import torch

import benchmarks
from benchmarks import inference, training
from benchmarks import live as live_loop
from benchmarks.inference import TORCH
from hdsemg_nb import latency
from hdsemg_nb.decoders import LINEAR, PAPER_NETWORKS, Run
from hdsemg_nb.decoders.linear_classifier import LinearClassifier
from hdsemg_nb.decoders.mt_dcnn import MTDCNN
from hdsemg_nb.results import device_name


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
    return tmp_path


def test_both_sides_take_the_same_step_on_the_same_windows():
    torch.manual_seed(0)
    naive = LinearClassifier(20, training.N_MOTOR_UNITS)
    ours, run = copy.deepcopy(naive), Run(LINEAR, 20, 10, epochs=1, bf16=False)
    before = naive.layers[1].weight.detach().clone()
    for epoch, model in ((training.naive_epoch, naive), (training.our_epoch, ours)):
        began, ended = epoch(model, run, run.batch_size)  # one batch: no order to differ in
        assert ended > began
    assert not torch.equal(naive.layers[1].weight, before)
    torch.testing.assert_close(naive.layers[1].weight, ours.layers[1].weight)


@pytest.mark.slow
def test_speed_measures_both_sides_in_processes():
    with training.sides() as workers:
        kept = workers[training.our_epoch][0].submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result()
        row = training.speed("ML-DCNN", 20, workers, rounds=1, seconds=0.05)
        asked = [workers[side][0].submit(os.getenv, "OMP_NUM_THREADS").result() for side in workers]
    assert asked == ["2", "1"]  # naive, ours; on few cores torch may take fewer
    assert kept == str(2**30) and "MALLOC_TRIM_THRESHOLD_" not in os.environ
    numbers = [row[name] for name in ("naive_windows_s", "our_windows_s", "our_tflops_s")]
    assert np.isfinite(numbers).all() and min(numbers) > 0
    assert row["ratio"] == pytest.approx(row["our_windows_s"] / row["naive_windows_s"])


@pytest.mark.slow
def test_windows_are_never_stored():
    row = training.memory(140, 10, seconds=20)
    assert row["windows_mb"] == pytest.approx(14 * row["signal_mb"], rel=0.01)
    assert row["naive_peak_mb"] > 0.9 * row["windows_mb"]
    assert row["our_peak_mb"] < 2 * row["signal_mb"]


def seconds_per_window(window):
    return (1 + (window - 20) / 10) * 1e-3


SPEEDS = pd.DataFrame({"network": "ML-DCNN", "window": [20, 140]})
SPEEDS["naive_windows_s"] = 1 / seconds_per_window(SPEEDS["window"])
SPEEDS["our_windows_s"] = 4 * SPEEDS["naive_windows_s"]


def test_sweep_days_by_hand():
    days = training.sweep_days(SPEEDS).set_index("network")
    # 60 s give about 122880 / S windows; 3/5 train, 1/5 validates for a third, 100 epochs, 5 folds
    windows = 48 * 122880 * sum(1 / step for step in (10, 20, 30, 40, 50)) * (3 + 1 / 3) * 100
    seconds = windows * sum(seconds_per_window(w) for w in (20, 60, 100, 140))
    assert days.loc["ML-DCNN", "naive_days"] == pytest.approx(seconds / 86400, rel=0.01)
    assert days.loc["all", "our_days"] == pytest.approx(days.loc["all", "naive_days"] / 4)
    assert days.loc["ML-DCNN", "trainings"] == 4800


def test_tables_say_where_and_how(folder):
    training.save_tables(SPEEDS, pd.DataFrame({"window": [20], "our_peak_mb": [1.0]}))
    assert len(list(folder.glob("*.csv"))) == 3
    for path in folder.iterdir():
        note = path.read_text().splitlines()[0]
        assert all(word in note for word in (device_name(), "torch", "naive float32"))


@pytest.mark.parametrize("window", [20, 141])
def test_the_loop_over_branches_gives_the_same_numbers(window):
    torch.manual_seed(0)
    ours = MTDCNN(window, 5, n_channels=7).eval()
    loop, x = inference.LoopedMTDCNN(ours).eval(), torch.randn(3, 7, window)
    with torch.no_grad():
        expected = ours(x)
        torch.testing.assert_close(loop(x), expected)
    assert expected.std(dim=0).min() > 0 and expected.std(dim=1).min() > 0
    assert sum(p.numel() for p in loop.parameters()) == sum(p.numel() for p in ours.parameters())


def test_every_network_is_timed_once_at_a_size_it_takes():
    sizes = [(run.network, run.window) for run in inference.runs()]
    assert len(set(sizes)) == len(sizes) and {network for network, _ in sizes} == set(
        PAPER_NETWORKS
    )


@pytest.mark.slow
def test_inference_in_small(two_units, folder, monkeypatch):
    monkeypatch.setattr(inference, "PRECISIONS", ["fp32"])
    before = torch.get_num_threads()
    run = Run("MT-DCNN", 20, 400, epochs=1)
    table = inference.summarise(inference.measure(two_units, run, threads=(1, 2), n_windows=30))
    names = [TORCH, inference.LOOP, "onnxruntime fp32"]
    assert table["decoder"].tolist() == 2 * names and torch.get_num_threads() == before
    assert table["threads"].tolist() == len(names) * [1] + len(names) * [2]
    loop_ms = table["median_ms"][1]
    np.testing.assert_allclose(
        table["loop_speed_up"][: len(names)], loop_ms / table["median_ms"][: len(names)]
    )
    assert (table["speed_up"][table["decoder"] == TORCH] == 1).all()
    ordered = table[["median_ms", "p95_ms", "p99_ms", "max_ms"]].to_numpy()
    assert (np.diff(ordered, axis=1) >= 0).all() and (table["n_windows"] == 30).all()
    assert (table["flipped_percent"][table["decoder"] != inference.LOOP] == 0).all()
    hour = pd.DataFrame([inference.versions()])
    inference.save_tables(table, hour)
    assert {path.stem.split("_")[-1] for path in folder.iterdir()} == {"inference", "endurance"}
    assert all("SYNTHETIC" in path.read_text() for path in folder.iterdir())


def test_endurance_counts_every_window_with_constant_memory(decoder, two_units):
    row = inference.endurance(decoder, two_units, hours=0.003)
    n_samples = round(0.003 * 3600 * 2048 / 20) * 20
    assert row["windows"] == (n_samples - 20) // 10 + 1 and row["missed_windows"] == 0
    assert row["times_real_time"] > 1 and row["with_problem"] == 0
    assert row["memory_growth_mb"] < 5


def test_endurance_finds_a_stream_that_leaves_windows_out_or_keeps_its_past(
    decoder, two_units, monkeypatch
):
    past, push = [], latency.Stream.push

    def leaky(stream, chunk, first_sample):
        past.append(mmap.mmap(-1, 200_000))  # fresh pages, whatever freed memory is kept
        past[-1].write(bytes(200_000))
        return push(stream, chunk, first_sample)[:1]

    monkeypatch.setattr(latency.Stream, "push", leaky)
    row = inference.endurance(decoder, two_units, hours=0.001)
    assert row["missed_windows"] > 0
    assert sys.platform != "linux" or row["memory_growth_mb"] > 50


def test_stages_of_the_live_loop_add_up_by_hand(decoder):
    fs, last = 2048, 5007  # W = 20, chunks of 32: the chunk ends with sample 5023
    row = dict(unit=0, sample=4980, last=last, time=100 + 4980 / fs)
    sent = 100 + 5023 / fs
    row |= dict(arrived=sent + 0.001, decided=sent + 0.003, heard=sent + 0.007)
    found = pd.DataFrame([row, row | dict(last=100)])  # the second: before anything is counted
    table = live_loop.stages(found, decoder, fs)
    ms, offset = 1000 / fs, decoder.offsets[0]
    expected = [10 * ms, offset * ms, (18 - offset) * ms, 16 * ms, 1, 2, 4, 7, 44 * ms + 7]
    np.testing.assert_allclose(table.to_numpy(), [expected], atol=1e-6)


def test_losses_of_the_live_loop_are_counted(decoder, two_units, tmp_path):
    one = two_units.crop(0, 1)
    minutes, offline = 1.5 / 60, decoder.stream(2048)
    sent = np.concatenate([one.emg, one.emg[:, :1024]], axis=1)
    found = [pair for d in offline.push(sent, 0) for pair in d.discharges] + offline.flush()
    emg = sent.T.copy()
    emg[7] = 0
    emg.tofile(tmp_path / "emg.f32")
    logged = pd.DataFrame([*found[:-1], (0, 5)], columns=["unit", "sample"])
    logged.to_csv(tmp_path / "discharges.csv", index=False)
    (tmp_path / "events.csv").write_text("kind,samples\nmissing,20\nrepeated,3\n")
    lost = live_loop.losses(one, decoder, logged[:-2], tmp_path, minutes)
    assert lost == {
        **dict(samples_sent=3072, samples_logged=3072, samples_unequal=1),
        **dict(samples_missing=20, samples_repeated=3),
        **dict(discharges_offline=len(found), discharges_live=len(found)),
        **dict(only_live=1, only_offline=1, markers_heard=len(found) - 2),
    }
