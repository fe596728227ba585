"""Discharge times and whole recordings, written and read back."""

import numpy as np
import pandas as pd
import pytest
import scipy.io

from hdsemg_nb.datasets import load_mat, save_csv, save_events_tsv, save_mat
from hdsemg_nb.datasets.bids import read_spikes
from hdsemg_nb.recording import Recording, rectangular_grid


def recording(**changes):
    rng = np.random.default_rng(2)
    fields = dict(
        emg=rng.normal(0, 50, (64, 3000)),
        fs=2048.0,
        discharges=[[0, 17, 2999], [5, 17], [], [1000]],
        pnr=[31.5, np.nan, 20, 33],
        grid=rectangular_grid(),
        subject="S01",
        muscle="Soléaire",
        mvc=30.0,
        source="test",
        force=rng.normal(size=3000),
        force_name="force (N)",
    )
    return Recording(**fields | changes)


def test_events_are_those_of_bids(tmp_path):
    save_events_tsv(recording(), tmp_path / "a_events.tsv")
    lines = (tmp_path / "a_events.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["onset", "duration", "sample", "unit_id", "event_type"]
    assert lines[1].split("\t") == ["0.000000", "0", "0", "0", "motor-unit-spike"]
    assert lines[3:5] == [f"0.008301\t0\t17\t{unit}\tmotor-unit-spike" for unit in (0, 1)]
    assert lines[-1].startswith("1.464355\t0\t2999\t0")
    trains = [times.tolist() for times in read_spikes(tmp_path / "a_events.tsv", 2048)]
    assert trains == [[0, 17, 2999], [5, 17], [1000]]


def test_csv_in_samples_and_seconds(tmp_path):
    save_csv(recording(), tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    assert table.columns.tolist() == ["unit", "sample", "time_s"]
    assert table.unit.tolist() == [0, 0, 0, 1, 1, 3]
    assert table["sample"].tolist() == [0, 17, 2999, 5, 17, 1000]
    np.testing.assert_allclose(table.time_s, table["sample"] / 2048, atol=5e-7)


@pytest.mark.parametrize("save", [save_csv, save_events_tsv])
def test_no_motor_units_leave_the_names_of_the_columns(tmp_path, save):
    save(recording(discharges=[], pnr=None), tmp_path / "a")
    assert len((tmp_path / "a").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grid": None, "pnr": None, "mvc": float("nan"), "force": None, "force_name": ""},
        {"discharges": [], "pnr": [], "subject": "", "muscle": ""},
        {"discharges": [[7]], "pnr": [30]},
        {"interpolated": [(3, (2, 4, 7)), (9, (8,))]},
    ],
)
def test_mat_round_trip_is_unchanged(tmp_path, changes):
    saved = recording(**changes)
    save_mat(saved, tmp_path / "a.mat")
    loaded = load_mat(tmp_path / "a.mat")
    assert loaded.digest == saved.digest
    for name in (
        "pnr",
        "mvc",
        "force",
        "force_name",
        "subject",
        "muscle",
        "source",
        "interpolated",
    ):
        np.testing.assert_equal(getattr(loaded, name), getattr(saved, name))
    assert (loaded.grid is None) == (saved.grid is None)
    if saved.grid:
        np.testing.assert_array_equal(loaded.grid.electrodes, saved.grid.electrodes)
        assert loaded.grid.ied_mm == saved.grid.ied_mm


def test_mat_is_what_matlab_counts(tmp_path):
    save_mat(recording(), tmp_path / "a.mat")
    content = scipy.io.loadmat(tmp_path / "a.mat", simplify_cells=True)
    assert content["discharges"][0].tolist() == [1, 18, 3000]
    assert content["emg"].shape == (64, 3000) and content["emg"].dtype == np.float32
    assert content["grid"]["electrodes"][0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "discharges",
            np.array([[0.0, 5]]),
            r"field discharges\{1\} holds 0.0, expected whole numbers",
        ),
        (
            "grid",
            {"electrodes": np.indices((8, 8), np.uint8).reshape(2, -1).T, "ied_mm": 8.0},
            "electrodes has shape .* non-negative whole numbers",
        ),
        ("emg", "x", "field emg holds 'x', expected numbers"),
        ("fs", None, "field fs is missing"),
    ],
)
def test_a_broken_field_is_named_with_its_file(tmp_path, name, value, message):
    save_mat(recording(), tmp_path / "a.mat")
    content = scipy.io.loadmat(tmp_path / "a.mat") | {name: value}
    content = {key: x for key, x in content.items() if x is not None and key[0] != "_"}
    scipy.io.savemat(tmp_path / "a.mat", content)
    with pytest.raises(ValueError, match=rf"a\.mat: {message}"):
        load_mat(tmp_path / "a.mat")
