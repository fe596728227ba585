"""Round trip through openhdemg's .json, and files as openhdemg itself saves them."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets.openhdemg import load_openhdemg, save_openhdemg
from hdsemg_nb.recording import Recording, rectangular_grid


def recording(**changes):
    rng = np.random.default_rng(5)
    fields = {
        "emg": rng.normal(size=(64, 300)) * 10.0 ** rng.integers(-3, 6, size=(64, 300)),
        "fs": 2048.0,
        "discharges": [np.array([0, 17, 299]), np.array([5]), np.array([], dtype=int)],
        "pnr": [31.123456789012345, 28.0, np.nan],
        "grid": rectangular_grid(),
        "subject": "S01",
        "muscle": "Gastrocnemius médial",
        "mvc": 30.0,
        "source": "test",
    }
    return Recording(**fields | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"grid": None, "pnr": None, "mvc": float("nan")},
        {"discharges": [], "pnr": []},
        {"force": np.linspace(0, 0.3, 300), "force_name": "force (N)"},
        {"discharges": [[3, 9]], "pnr": [33.0], "subject": "12", "source": ""},
        {"interpolated": [(3, (2, 4, 7)), (9, (8,))]},
    ],
)
def test_round_trip_is_unchanged(tmp_path, changes):
    saved = recording(**changes)
    save_openhdemg(saved, tmp_path / "a.json")
    loaded = load_openhdemg(tmp_path / "a.json")
    assert loaded.digest == saved.digest
    np.testing.assert_array_equal(loaded.pnr, saved.pnr)
    if saved.grid is None:
        assert loaded.grid is None
    else:
        np.testing.assert_array_equal(loaded.grid.electrodes, saved.grid.electrodes)
        assert loaded.grid.ied_mm == saved.grid.ied_mm
    np.testing.assert_equal(loaded.force, saved.force)
    for name in ("subject", "muscle", "source", "force_name", "interpolated"):
        assert getattr(loaded, name) == getattr(saved, name)
    np.testing.assert_equal(loaded.mvc, saved.mvc)


def test_saved_tables_are_what_pandas_reads(tmp_path):
    """openhdemg reads each table with `pandas.read_json(..., orient="split")`."""
    saved = recording()
    save_openhdemg(saved, tmp_path / "a.json")
    content = json.loads(gzip.decompress((tmp_path / "a.json").read_bytes()))
    (tmp_path / "t.json").write_text(content["BINARY_MUS_FIRING"])
    firing = pd.read_json(tmp_path / "t.json", orient="split")
    assert [np.flatnonzero(firing[k]).tolist() for k in range(3)] == [[0, 17, 299], [5], []]
    (tmp_path / "t.json").write_text(content["RAW_SIGNAL"])
    assert pd.read_json(tmp_path / "t.json", orient="split").shape == (300, 64)
    (tmp_path / "t.json").write_text(content["EXTRAS"])
    extras = pd.read_json(tmp_path / "t.json", orient="split")
    assert extras.loc["muscle", "hdsemg_nb"] == "Gastrocnemius médial"
    assert [json.loads(content[x]) for x in ("EMG_LENGTH", "NUMBER_OF_MUS", "IED")] == [300, 3, 8.0]


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    save_openhdemg(recording(), tmp_path / "a.json")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        save_openhdemg(recording(subject="new"), tmp_path / "a.json")
    assert load_openhdemg(tmp_path / "a.json").subject == "S01"


def own(source="OTB", **changes):
    """Fields as openhdemg writes them: two motor units, three channels, one of them empty."""
    rng = np.random.default_rng(7)
    source_signal = rng.uniform(-0.01, 0.01, size=(200, 2))
    pulses = [[20, 90, 150], [40, 120]]
    for unit, times in enumerate(pulses):
        source_signal[times, unit] = 1
    emg = pd.DataFrame(rng.normal(size=(200, 3)))
    emg[0] = np.nan
    fields = {
        "SOURCE": json.dumps(source),
        "FILENAME": json.dumps("b.mat"),
        "RAW_SIGNAL": emg.to_json(orient="split", double_precision=15),
        "REF_SIGNAL": pd.DataFrame(columns=[0]).to_json(orient="split"),
        "ACCURACY": pd.DataFrame([0.9, 0.95]).to_json(orient="split"),
        "IPTS": pd.DataFrame(source_signal).to_json(orient="split", double_precision=15),
        "MUPULSES": json.dumps(pulses),
        "FSAMP": json.dumps(2048.0),
        "IED": json.dumps(8.0),
        "EMG_LENGTH": json.dumps(200),
        "NUMBER_OF_MUS": json.dumps(2),
        "BINARY_MUS_FIRING": pd.DataFrame(np.zeros((200, 2))).to_json(orient="split"),
        "EXTRAS": pd.DataFrame(columns=[0]).to_json(orient="split"),
    }
    return emg, source_signal, fields | changes


def write(path, fields):
    path.write_bytes(gzip.compress(json.dumps(fields).encode()))
    return path


def test_reads_a_file_of_openhdemg(tmp_path):
    emg, source, fields = own()
    loaded = load_openhdemg(write(tmp_path / "b.json", fields))
    np.testing.assert_array_equal(loaded.emg, emg[[1, 2]].to_numpy(np.float32).T)
    assert [times.tolist() for times in loaded.discharges] == [[20, 90, 150], [40, 120]]
    expected = [pulse_to_noise_ratio(source[:, k], loaded.discharges[k], 2048) for k in range(2)]
    np.testing.assert_allclose(loaded.pnr, expected)
    assert loaded.grid is None and loaded.subject == "" and np.isnan(loaded.mvc)
    assert loaded.source == "openhdemg file b.json"


def test_rows_follow_their_index(tmp_path):
    emg, _, fields = own()
    fields["RAW_SIGNAL"] = emg[::-1].to_json(orient="split", double_precision=15)
    loaded = load_openhdemg(write(tmp_path / "b.json", fields))
    np.testing.assert_array_equal(loaded.emg, emg[[1, 2]].to_numpy(np.float32).T)


def test_silhouettes_are_not_taken_for_pulse_to_noise_ratios(tmp_path):
    _, _, fields = own(source="DEMUSE")
    assert np.isnan(load_openhdemg(write(tmp_path / "b.json", fields)).pnr).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MUPULSES": "[[20, 200], [40]]"}, r"discharges\[0\] holds 200, outside the signal"),
        ({"MUPULSES": '[["20"], [40]]', "SOURCE": '"DELSYS"'}, r"discharges\[0\] has shape"),
        ({"MUPULSES": "NaN"}, "MUPULSES is not as .*float.* not iterable"),
        ({"MUPULSES": "null"}, "MUPULSES is not as .*NoneType"),
        ({"MUPULSES": "[20, 40]"}, r"discharges\[0\] has shape \(\)"),
        ({"MUPULSES": "[[20, NaN], [40]]"}, r"discharges\[0\] holds nan, expected whole"),
        ({"MUPULSES": "[[20, null], [40]]"}, r"discharges\[0\] has .*dtype object"),
        ({"FSAMP": "true"}, "fs=True must be a finite frequency"),
        ({"FSAMP": "NaN"}, "fs=nan must be a finite frequency"),
        (
            {"EXTRAS": '{"columns": ["hdsemg_nb"], "index": ["mvc"]}'},
            "EXTRAS is not as openhdemg writes it",
        ),
        (
            {"EXTRAS": '{"columns": ["hdsemg_nb"], "index": ["mvc"], "data": [["low"]]}'},
            "mvc='low' must be an intensity",
        ),
        ({"FSAMP": '"fast"'}, "fs='fast' must be a finite frequency"),
        ({"FSAMP": "2048 Hz"}, "FSAMP is not as openhdemg writes it .*JSONDecodeError"),
        ({"RAW_SIGNAL": "[1, 2]"}, "RAW_SIGNAL is not as openhdemg writes it"),
        (
            {"RAW_SIGNAL": '{"columns": [0], "index": [0], "data": [["noise"]]}'},
            "RAW_SIGNAL is not as openhdemg writes it",
        ),
        (
            {"RAW_SIGNAL": '{"columns": [0, 1], "index": [0, 1], "data": [[1, 2], [3]]}'},
            "RAW_SIGNAL is not as openhdemg writes it",
        ),
    ],
)
def test_a_broken_field_is_named_with_its_file(tmp_path, changes, message):
    _, _, fields = own(**changes)
    with pytest.raises(ValueError, match=rf"b\.json: .*{message}"):
        load_openhdemg(write(tmp_path / "b.json", fields))


@pytest.mark.parametrize("field", ["RAW_SIGNAL", "MUPULSES", "FSAMP"])
def test_a_missing_field_is_named(tmp_path, field):
    _, _, fields = own()
    del fields[field]
    with pytest.raises(ValueError, match=rf"b\.json: field {field} is missing"):
        load_openhdemg(write(tmp_path / "b.json", fields))


def test_broken_and_missing_files_are_named(tmp_path):
    path = tmp_path / "b.json"
    with pytest.raises(FileNotFoundError, match=r"b\.json: no such file"):
        load_openhdemg(path)
    save_openhdemg(recording(), path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b'{"SOURCE": 1}', gzip.compress(b"{")):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"b\.json: cannot be read as gzip-compressed JSON"):
            load_openhdemg(path)
    path.write_bytes(gzip.compress(b"[1, 2]"))
    with pytest.raises(ValueError, match=r"b\.json: holds no fields"):
        load_openhdemg(path)


def test_reference_signal_is_the_force(tmp_path):
    force = np.linspace(0, 25, 200)
    reference = pd.DataFrame(force).to_json(orient="split", double_precision=15)
    _, _, fields = own(REF_SIGNAL=reference)
    loaded = load_openhdemg(write(tmp_path / "b.json", fields))
    assert loaded.force_name == "force (unit not told)"
    np.testing.assert_allclose(loaded.force, force, rtol=1e-6)
