import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import paths
from hdsemg_nb.chapters import time_efficiency


@pytest.fixture
def planted_times():
    """Four windows of every cell the tables need: 1, 2, 3 and 6 ms."""
    rows = [(*size, "torch", "a CPU", 2, ms) for size in time_efficiency.SIZES for ms in MS]
    return pd.DataFrame(rows, columns=[*time_efficiency.KEYS, "ms"])


MS = (1.0, 2.0, 3.0, 6.0)


@pytest.fixture
def speeds():
    """ML-DRSNet trains on a thousand windows a second by our loop, fifty by the usual."""
    about = dict(network="ML-DRSNet", our_windows_s=1000.0, naive_windows_s=50.0)
    return pd.DataFrame({"window": [20, 60, 100, 140]}).assign(**about, device="a GPU, one GPU")


def test_an_epoch_trains_on_three_fifths_and_predicts_the_rest_by_hand(speeds):
    times = time_efficiency.training_times(speeds)
    seconds = times.set_index(["decoder", "window", "step"])["mean"]
    n_windows = (60 * 2048 - 20) // 50 + 1
    ours = seconds[time_efficiency.OURS]
    assert ours[20, 50] == pytest.approx(n_windows * (0.6 + 0.4 / 3) / 1000)
    assert ours[20, 10] / ours[20, 50] == pytest.approx(5, rel=1e-3) and len(ours) == 20
    np.testing.assert_allclose(seconds[time_efficiency.USUAL], 20 * ours)
    on_cpu = time_efficiency.training_times(speeds.assign(device="a CPU, 2 cores"))
    assert set(times["threads"]) == {1} and set(on_cpu["threads"]) == {2}


def test_table_04_stands_beside_the_paper(planted_times, speeds):
    four = time_efficiency.table_04(planted_times, speeds)
    whole = four[four["window"] == "all"].set_index(["metric", "decoder"])
    assert whole["mean"]["prediction_ms_per_window"].tolist() == [3.0]
    assert whole["published_mean"]["prediction_ms_per_window"].tolist() == [5.39]
    assert whole["published_mean"]["training_s_per_epoch"].tolist() == [198.43, 198.43]
    trained = four[(four["metric"] == "training_s_per_epoch") & (four["window"] != "all")]
    assert len(trained) == 40 and set(trained["device"]) == {"a GPU, one GPU"}
    means = trained.groupby("decoder")["mean"].mean()
    for loop in (time_efficiency.USUAL, time_efficiency.OURS):
        assert whole["mean"]["training_s_per_epoch", loop] == pytest.approx(means[loop])


def test_the_mean_over_all_cells_needs_all_of_them(planted_times, speeds):
    four = time_efficiency.table_04(planted_times, speeds.query("window != 60"))
    trained = four[four["metric"] == "training_s_per_epoch"]
    assert set(trained["window"]) == {20, 100, 140} and len(trained) == 30


def test_table_11_adds_the_whole_window(planted_times, speeds):
    eleven = time_efficiency.table_11(planted_times, speeds, 2048)
    total = eleven[eleven["metric"] == "total_ms"].dropna(subset="published_mean")
    assert total["published_mean"].tolist() == [15.15, 69.36, 76.96]
    np.testing.assert_allclose(total["mean"], [12.766, 71.359, 71.359], atol=1e-3)


def test_total_latency_by_hand():
    total = time_efficiency.total_latency(20, 50, 2000, 1.5)
    assert total == {"whole_window": 11.5, "half_window": 6.5, "longest": 19.0}


def test_deadline_misses_by_hand(planted_times):
    table = time_efficiency.latency_table(planted_times, 10, 2048)  # a step of 4.9 ms
    assert (table["misses_percent"] == 25).all() and (table["prediction_ms"] == 2.5).all()


def test_networks_are_timed_as_they_are_drawn(two_units, monkeypatch):
    monkeypatch.setattr(time_efficiency, "SIZES", [("ML-DCNN", 20)])
    times = time_efficiency.prediction_times(two_units, n_motor_units=7, n_timed=6)
    assert times["decoder"].value_counts().to_dict() == {"torch": 6, "onnxruntime fp32": 6}
    assert (times["ms"] > 0).all() and set(time_efficiency.KEYS) < set(times)


def test_figure_is_drawn(planted_times, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    time_efficiency.draw_latency(planted_times, 10, 2048, "out", "note")
    assert (tmp_path / "out" / "figures" / "latency.pdf").exists()


def test_what_was_measured_on_several_devices(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    for device in ("a_cpu", "b_gpu"):
        text = f"# note, #1\ndevice,median_ms\n{device},1.5\n"
        (tmp_path / "benchmarks" / f"{device}_inference.csv").write_text(text)
    assert time_efficiency.measured("inference")["device"].tolist() == ["a_cpu", "b_gpu"]


def test_the_chain_of_the_live_loop_stands_beside_the_paper():
    rows = [
        (stage, 1.0 + k, 2.0 + k, 3.0 + k, "MUF-Net", channels, "a CPU")
        for channels in (320, 64)
        for k, stage in enumerate(reversed(time_efficiency.STAGES))
    ]
    columns = ["stage", "median_ms", "p99_ms", "largest_ms", "network", "channels", "device"]
    chain = time_efficiency.chain(pd.DataFrame(rows, columns=columns)).set_index("stage")
    assert list(chain.index) == list(time_efficiency.STAGES)
    kinds = ("median", "99 %", "largest")
    assert list(chain.columns[2:5]) == [f"MUF-Net, 64 ch., {kind}" for kind in kinds]
    assert chain.loc["total"].tolist()[2:] == [1, 2, 3, 1, 2, 3, 15.15]
    assert chain["paper_ms"].dropna().round(2).to_dict() == {
        "half window": 9.76,
        "computation": 5.39,
        "total": 15.15,
    }


def test_the_table_of_bad_streams(decoder, two_units):
    table = time_efficiency.bad_streams(decoder, two_units).set_index("fault")
    refused = table["message"].str.startswith("refused: ")
    assert refused.sum() == 3 and (table["named"] > 0).ne(refused).all()
    arrival = "rate changes, times of arrival"
    assert (table["silent"].drop(arrival) == 0).all() and table["silent"][arrival] == 20
    assert table["withheld"].to_dict() == {
        "dropped chunk": 3,
        "dead channels, an eighth of all": 21,
        "signal in mV": 203,
        "rate changes, amplifier's time stamps": 82,
        arrival: 62,
    } | dict.fromkeys(table.index[(table["withheld"] == 0)], 0)
