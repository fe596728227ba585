from itertools import product

import pandas as pd
import pytest

from hdsemg_nb.chapters.trends import trends

WINDOWS = (20, 60, 100, 140)
STEPS = (10, 20, 30, 40, 50)
SECONDS = {"ML-DCNN": 10, "ML-DRSNet": 30, "MT-DCNN": 50}
DRSNET = {  # F1 at the five steps
    20: (0.70, 0.72, 0.84, 0.86, 0.88),
    60: (0.80, 0.79, 0.78, 0.77, 0.76),
    100: (0.75, 0.74, 0.73, 0.72, 0.71),
    140: (0.70, 0.69, 0.68, 0.67, 0.66),
}


def f1(network, window, step):
    """Scores with all the paper's trends."""
    if network == "ML-DRSNet":
        return DRSNET[window][STEPS.index(step)]
    return 0.4 + window / 1000 + step / (1000 if network == "ML-DCNN" else -1000)


@pytest.fixture
def published():
    cells = product(range(3), (10, 30, 50), SECONDS, WINDOWS, STEPS)
    rows = [
        {
            "subject": f"S{subject:02}",
            "mvc": mvc,
            "network": network,
            "window": window,
            "step": step,
            "f1": f1(network, window, step) - mvc / 1000 + subject / 100,
            "precision": 0.9 - 0.1 * ["ML-DRSNet", "ML-DCNN", "MT-DCNN"].index(network),
        }
        for subject, mvc, network, window, step in cells
    ]
    return pd.DataFrame(rows).assign(width=1.0)


@pytest.fixture
def times():
    """On two devices; a processor that contradicts decides nothing."""
    cells = product(["a GPU, one GPU", "a CPU, 2 cores"], SECONDS, WINDOWS, STEPS)
    rows = pd.DataFrame(cells, columns=["device", "network", "window", "step"])
    rows = rows.assign(decoder="a loop")
    seconds = rows["network"].map(SECONDS) * rows["device"].map(lambda name: 1 - 2 * ("C" in name))
    return rows.assign(mean=seconds)


def agrees(results, times):
    return trends(results, times).set_index("trend")["agrees"]


def test_all_eight_agree_with_scores_made_to_agree(published, times):
    assert agrees(published, times).to_dict() == {f"T{i}": "agrees" for i in range(1, 9)}


@pytest.mark.parametrize(
    ("trend", "where", "metric", "value"),
    [
        ("T1", "network == 'ML-DRSNet' and window == 20 and step == 50", "f1", 0),
        ("T2", "network == 'ML-DRSNet' and window == 100 and step == 10", "f1", 0),
        ("T3", "network == 'ML-DRSNet' and window == 140 and step == 40", "f1", 1),
        ("T3", "network == 'ML-DRSNet' and window == 20 and step == 20", "f1", 1),
        ("T3", "network == 'ML-DRSNet' and window == 140 and step == 20", "f1", 0.75),
        ("T4", "network == 'ML-DCNN' and window == 60 and step == 50", "f1", 1),
        ("T5", "network == 'MT-DCNN' and window == 60 and step == 50", "f1", 1),
        ("T6", "network == 'MT-DCNN' and window == 20 and step == 10", "precision", 0.85),
        ("T7", "network == 'ML-DRSNet' and mvc == 50", "f1", 1),
    ],
)
def test_one_contradiction_is_enough(published, trend, where, metric, value, times):
    published.loc[published.query(where).index, metric] = float(value)
    assert agrees(published, times)[trend] == "does not"


@pytest.mark.parametrize(
    ("kept", "untold"),
    [
        ("window in (20, 140) and step in (10, 50)", {"T1", "T2", "T3", "T4", "T5", "T7"}),
        ("window == 20", {"T2", "T3", "T4", "T5", "T7"}),
        ("step == 50", {"T1", "T2", "T3", "T4", "T5", "T6", "T7"}),
        ("network == 'ML-DRSNet'", {"T4", "T5", "T6"}),
        ("mvc == 10", {"T7"}),
    ],
)
def test_a_trend_is_told_from_all_of_its_cells_alone(published, kept, untold, times):
    found = trends(published.query(kept), times).set_index("trend")
    assert set(found.index[found["agrees"] == "cannot be told"]) == untold
    assert (found["agrees"].drop(list(untold)) == "agrees").all()
    assert set(found.index[found["missing"] != ""]) == untold


def test_what_is_missing_is_named_and_a_contradiction_does_not_count(published, times):
    published["f1"] = published["f1"].where(published["window"] != 60, published["step"] % 20)
    reduced = published.query("window in (20, 60) and step > 10")
    found = trends(reduced, times).set_index("trend")
    assert found.loc["T3", "agrees"] == found.loc["T2", "agrees"] == "cannot be told"
    assert "ML-DRSNet, step 30: 2 of 4 cells not run at full width" in found.loc["T3", "missing"]
    assert found.loc["T3", "missing"].count("(ML-DRSNet/100/") == 4


def test_recordings_that_lack_a_cell_are_left_out(published, times):
    gap = published.query("subject == 'S01' and mvc == 30 and window == 20 and step == 10")
    found = trends(published.drop(index=gap.index), times).set_index("trend")
    assert (found["agrees"].drop("T7") == "agrees").all()
    for trend, n in {"T1": "8 recordings", "T2": "9 recordings"}.items():
        assert f"({n};" in found.loc[trend, "ours"]
    assert found.loc["T7", "agrees"] == "cannot be told"
    assert found.loc["T7", "missing"] == "ML-DRSNet: 2 of 3 participants have all cells"


def test_a_narrow_stand_in_tells_nothing(published, times):
    narrow = published.assign(width=published["network"].map({"ML-DRSNet": 0.125}).fillna(1.0))
    assert set(agrees(narrow, times)[["T1", "T2", "T3", "T6", "T7"]]) == {"cannot be told"}
    assert set(agrees(narrow, times)[["T4", "T5"]]) == {"agrees"}


def test_tests_are_over_participants(published, times):
    row = trends(published, times).set_index("trend").loc["T1"]
    means = "10: 0.680, 20: 0.700, 30: 0.820, 40: 0.840, 50: 0.860"
    assert row["ours"].startswith(f"ML-DRSNet, window 20: mean f1 by step {means}")
    assert row["ours"].endswith("Kendall's W = 1.00, n = 3)")
    assert row["significant"] == "1 of 1"
    alone = trends(published.query("subject == 'S00'"), times)
    assert alone["ours"].iloc[:7].str.contains("one participant, no test").all()
    assert alone["significant"].iloc[:7].str.startswith("0 of").all()


def test_other_networks_change_nothing(published, times):
    ours = published.query("network == 'ML-DCNN'").assign(network="motor-unit filter", f1=1.0)
    more = pd.concat([published, ours], ignore_index=True)
    pd.testing.assert_frame_equal(trends(more, times), trends(published, times))


def test_times_of_a_gpu_decide(published, times):
    row = trends(published, times).set_index("trend").loc["T8"]
    told = "a GPU, one GPU, a loop: ML-DCNN: 10.000, ML-DRSNet: 30.000, MT-DCNN: 50.000"
    assert told in row["ours"] and "a CPU" in row["ours"] and row["significant"] == ""
    mt = (times["network"] == "MT-DCNN") & times["device"].str.contains("GPU")
    assert agrees(published, times.assign(mean=times["mean"].mask(mt, 1.0)))["T8"] == "does not"
    for kept in ("device.str.contains('CPU')", "window == 20"):
        row = trends(published, times.query(kept)).set_index("trend").loc["T8"]
        assert row[["agrees", "missing"]].tolist() == [
            "cannot be told",
            "best settings: measured on no GPU",
        ]
