"""`load` on every format under a name that says nothing, and what it says of all others."""

import re
import shutil
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matfiles import save_v5, save_v73
from test_bids import dataset, edf, wave
from test_hug2021 import demuse
from test_muedit import muedit
from test_otb import export
from test_otb_archive import otb4, otb_plus

from hdsemg_nb.datasets import load, load_array, save_bids, save_mat, save_openhdemg
from hdsemg_nb.datasets.files import chosen
from hdsemg_nb.recording import Recording, rectangular_grid

FS = 2048


@pytest.fixture
def recording():
    rng = np.random.default_rng(1)
    return Recording(
        rng.normal(0, 50, (16, 400)), FS, [[3, 200], [399]], grid=rectangular_grid(4, 4, 8, ())
    )


def make(kind, path, recording):
    """A file of the format at `path`."""
    if kind.startswith("mat of MUedit"):
        (save_v5 if kind.endswith("5") else save_v73)(path, muedit())
    elif kind == "mat of DEMUSE":
        save_v5(path, demuse())
    elif kind == "BIDS":
        named = replace(recording, subject="S01")
        shutil.move(save_bids(named, path.parent / "set").parents[2], path)
    elif kind == "array":
        np.save(path.with_suffix(".npy"), recording.emg)
        path.with_suffix(".npy").rename(path)
    elif kind == "arrays":
        np.savez(path.with_suffix(".npz"), emg=recording.emg, other=1)
        path.with_suffix(".npz").rename(path)
    elif kind == "table":
        np.savetxt(path, recording.emg.T, delimiter=",")
    elif kind.endswith("DF"):
        edf(path, {"EMG 1": ("uV", wave(0)), "EMG 2": ("uV", wave(1))}, kind.lower())
    else:
        writers = {"mat": save_mat, "json": save_openhdemg}
        others = {"OTB+": otb_plus, "OTB4": otb4, "mat of OTBiolab+": export}
        others[kind](path) if kind in others else writers[kind](recording, path)


@pytest.mark.parametrize(
    ("kind", "about", "source"),
    [
        ("mat of OTBiolab+", {}, "OTBiolab. export"),
        ("mat of DEMUSE", {}, "DEMUSE file"),
        ("mat of MUedit 5", dict(grid="GL"), "MUedit file"),
        ("mat of MUedit 7.3", dict(grid=0), "MUedit file"),
        ("json", {}, ""),
        ("mat", {}, ""),
        ("OTB+", dict(grid=1), "OTB. file"),
        ("OTB4", dict(grid="IN 1"), "OTB4 file"),
        ("BIDS", {}, "BIDS file"),
        ("EDF", {}, "EDF file"),
        ("BDF", dict(unit="mV"), "EDF file"),
        ("array", dict(fs=FS, unit="uV"), "array file"),
        ("arrays", dict(fs=FS, unit="uV"), "array file"),
        ("table", dict(fs=FS, unit="uV"), "array file"),
    ],
)
def test_the_format_is_found_by_content(tmp_path, recording, kind, about, source):
    path = tmp_path / "a file with.no name"
    make(kind, path, recording)
    read = load(str(path), subject="S7", mvc=20, muscle="VL", **about)
    assert read.source.startswith(source.split(".")[0])
    assert (read.subject, read.mvc, read.muscle) == ("S7", 20, "VL")
    if kind in ("json", "mat"):
        assert read.digest == recording.digest
        np.testing.assert_array_equal(read.grid.electrodes, recording.grid.electrodes)
    if kind in ("array", "arrays", "table"):
        np.testing.assert_allclose(read.emg, recording.emg, rtol=1e-6)


def test_of_several_grids_one_has_to_be_chosen(tmp_path):
    dataset(tmp_path / "set")
    for kind in ("OTB+", "OTB4", "mat of MUedit 5"):
        make(kind, tmp_path / kind, None)
    for name in ("OTB+", "OTB4", "mat of MUedit 5", "set"):
        with pytest.raises(ValueError, match=r"grid=None must choose one of the 2 grid\(s\): 0 '"):
            load(tmp_path / name)


def test_a_name_is_meant_before_a_part_of_another():
    assert chosen(["VL deep", "VL"], "VL") == 1 and chosen(["VL deep", "VL"], "deep") == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.rhd", b"\x02\x27\x91\xc6" + bytes(99), "Intan is not read; neo reads it .*IntanIO"),
        ("a.ns5", b"NEURALCD" + bytes(99), "Blackrock is not read; neo .*BlackrockIO"),
        ("a.c3d", b"\x02\x50" + bytes(99), "C3D is not read; ezc3d"),
        ("a.hpf", bytes(99), "Delsys .hpf is not read; export it as .csv, which delsys"),
        ("a.csv", b"X[s],Trigno 1: EMG 1\n0,0.1\n1,0.2\n", "a Delsys table is not read; delsys"),
        (
            "a.txt",
            b"to be or not to be\nthat is\n",
            "of no known format; known are EMG-BIDS, .*OTB",
        ),
        ("a.docx", b"PK\x03\x04" + bytes(99), "of no known format"),
        ("a.mat", b"MATLAB 5.0 MAT-file" + bytes(999), "cannot be read as a MATLAB file"),
        ("a.tar", b"", "of no known format"),
    ],
)
def test_what_is_not_read_is_named_with_what_reads_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{message}"):
        load(tmp_path / name)


def test_a_mat_file_of_something_else_is_named(tmp_path):
    save_v5(tmp_path / "a.mat", {"x": np.ones(3)})
    with pytest.raises(ValueError, match=r"a\.mat: of no known format; known are .*MUedit"):
        load(tmp_path / "a.mat")
    with pytest.raises(FileNotFoundError, match=r"b\.mat: no such file or folder"):
        load(tmp_path / "b.mat")


@pytest.mark.parametrize("about", [{"fs": 2000}, {"grid": 0}, {"emg": 1}, {"colour": "red"}])
def test_what_a_format_does_not_take_is_refused(tmp_path, recording, about):
    save_mat(recording, tmp_path / "a.mat")
    name = next(iter(about))
    with pytest.raises(ValueError, match=rf"a\.mat: {name}=.* is not for this file; .*'subject'"):
        load(tmp_path / "a.mat", **about)


def test_a_grid_can_be_given(tmp_path, recording):
    make("array", tmp_path / "a", recording)
    read = load(tmp_path / "a", fs=FS, unit="uV", grid=recording.grid)
    assert read.grid.shape == (4, 4)
    with pytest.raises(ValueError, match="grid has 3 electrodes, emg 16 channels"):
        load(tmp_path / "a", fs=FS, unit="uV", grid=rectangular_grid(1, 3, 8, ()))


def test_other_discharges_have_not_the_ratios_of_the_file(tmp_path, recording):
    save_mat(replace(recording, pnr=[31.0] * recording.n_motor_units), tmp_path / "a.mat")
    others = [times[::2] for times in recording.discharges]
    assert (load(tmp_path / "a.mat").pnr == 31).all()
    assert np.isnan(load(tmp_path / "a.mat", discharges=others).pnr).all()
    assert load(tmp_path / "a.mat", discharges=others[:1], pnr=[30.0]).pnr == 30


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1), ("mV", 1e3), ("V", 1e6), (0.5, 0.5)])
def test_the_longer_axis_is_time_and_the_unit_becomes_microvolts(tmp_path, unit, factor):
    counts = np.arange(600, dtype=np.int16).reshape(3, 200)
    for name, array in (("a.npy", counts), ("b.npy", counts.T)):
        np.save(tmp_path / name, array)
        read = load_array(tmp_path / name, FS, unit)
        np.testing.assert_allclose(read.emg, counts * factor, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "about", "message"),
    [
        (np.ones((3, 9)), {}, "tells neither rate nor unit, got fs=None, unit=None"),
        (np.ones((3, 9)), dict(fs=FS), "got fs=2048, unit=None"),
        (np.ones((3, 9)), dict(fs=FS, unit="N"), "unit='N' must be 'uV', 'mV' or 'V'"),
        (np.ones((3, 9)), dict(fs=FS, unit=-1), "unit=-1 must be"),
        (np.ones(9), dict(fs=FS, unit="uV"), r"shape \(9,\)"),
        (np.ones((9, 9)), dict(fs=FS, unit="uV"), r"shape \(9, 9\)"),
        (np.array([["a", "b", "c"]]), dict(fs=FS, unit="uV"), "dtype <U1, expected numbers"),
        (np.ones((3, 9)), dict(fs=0, unit="uV"), "fs=0 must be"),
    ],
)
def test_arrays_that_cannot_be_right_are_named(tmp_path, array, about, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{message}"):
        load_array(tmp_path / "a.npy", **about)


@pytest.mark.parametrize("text", ["", "1,2,3\n"])
def test_a_table_without_a_row_of_numbers_is_named(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=r"a\.csv: holds no row of numbers"):
        load_array(tmp_path / "a.csv", fs=FS, unit="uV")


def test_of_several_arrays_one_is_named_emg(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((2, 9)), y=np.ones((2, 9)))
    with pytest.raises(ValueError, match=r"a\.npz: holds the arrays \['x', 'y'\]; name one"):
        load_array(tmp_path / "a.npz", FS, "uV")
    (tmp_path / "b.npy").write_bytes((tmp_path / "a.npz").read_bytes()[:50])
    with pytest.raises(ValueError, match=r"b\.npy: cannot be read as a NumPy file"):
        load_array(tmp_path / "b.npy", FS, "uV")


EMG = np.random.default_rng(0).normal(0, 50, (2, 40)).round(3)
SECONDS, MS, NUMBERS = np.arange(40) / FS, np.arange(40) * 1e3 / FS, np.arange(40)


@pytest.mark.parametrize(
    ("head", "columns", "separator", "decimal"),
    [
        ("", EMG, ",", "."),
        ("ch1,ch2", EMG, ",", "."),
        ("Time (s),ch1,ch2", [SECONDS + 7, *EMG], ",", "."),
        ("t;ch1;ch2", [MS, *EMG], ";", ","),
        ("", [NUMBERS, *EMG], "\t", ","),
        ("x y z", [SECONDS, *EMG], " ", "."),
        ("", EMG.T, ",", "."),
        ("a,b,", [*EMG, [None] * 40], ",", "."),
        ("0,1", EMG, ",", "."),
        (",0,1", [NUMBERS, *EMG], ",", "."),
        (",time,a,b", [NUMBERS, SECONDS, *EMG], ",", "."),
        ("a,b,time", [*EMG, SECONDS], ",", "."),
        ("", np.transpose([SECONDS, *EMG]), ",", "."),
    ],
)
def test_tables_with_and_without_names_and_times(tmp_path, head, columns, separator, decimal):
    rows = [
        separator.join("" if x is None else f"{x:.9f}" for x in row)
        for row in np.transpose(columns)
    ]
    text = "\n".join([*([head] if head else []), *(row.replace(".", decimal) for row in rows)])
    (tmp_path / "a.csv").write_text(text, encoding="utf-8-sig")
    np.testing.assert_allclose(load(tmp_path / "a.csv", fs=FS, unit="uV").emg, EMG, rtol=1e-6)


def test_a_column_named_as_the_force_is_the_force_and_not_emg(tmp_path):
    rows = [",".join(f"{x:.9f}" for x in row) for row in np.transpose([*EMG, 1e4 * EMG[0]])]
    (tmp_path / "a.csv").write_text("\n".join(["a,b,Force (N)", *rows]))
    read = load(tmp_path / "a.csv", fs=FS, unit="uV")
    np.testing.assert_allclose(read.emg, EMG, rtol=1e-6)
    np.testing.assert_allclose(read.force, 1e4 * EMG[0])
    assert read.force_name == "force (unit not told)"


def test_what_is_not_called_emg_is_left_out_and_said(tmp_path):
    rows = [",".join(f"{x:.9f}" for x in row) for row in np.transpose([*EMG, EMG[0]])]
    (tmp_path / "a.csv").write_text("\n".join(["EMG 1,EMG reinforced,Trigger", *rows]))
    with pytest.warns(UserWarning, match="columns .'Trigger'. are not called EMG: left out"):
        read = load(tmp_path / "a.csv", fs=FS, unit="uV")
    np.testing.assert_allclose(read.emg, EMG, rtol=1e-6)


@pytest.mark.parametrize(
    "names, said",
    [
        (["CH1", "CH2", "CH4", "CH3"], "numbered out of order.*: CH1, CH2, CH4, CH3"),
        (["CH1", "CH2", "CH3", "AUX 1"], "columns .'AUX 1'. are named unlike the others"),
        (["R1C1", "R1C2", "R2C1", "R2C2"], ""),
        (["CH9", "CH10", "CH11", "CH12"], ""),
        (["A1", "A2", "B1", "B2"], ""),
    ],
)
def test_names_that_may_mislead_are_said(tmp_path, names, said):
    emg = np.vstack([EMG, EMG])
    np.savetxt(tmp_path / "a.csv", emg.T, delimiter=",", header=",".join(names), comments="")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read = load(tmp_path / "a.csv", fs=FS, unit="uV")
    assert re.search(said, str([one.message for one in caught])) and bool(caught) == bool(said)
    np.testing.assert_allclose(read.emg, emg, rtol=1e-6)


def test_times_may_be_rounded(tmp_path):
    emg = np.tile(EMG, 10)
    rows = [f"{k / FS:.4f},{a},{b}" for k, (a, b) in enumerate(emg.T)]
    (tmp_path / "a.csv").write_text("\n".join(["time,a,b", *rows]))
    np.testing.assert_allclose(load(tmp_path / "a.csv", fs=FS, unit="uV").emg, emg, rtol=1e-6)


def test_another_rate_and_another_grid_than_the_file_tells_are_said(tmp_path, recording):
    np.savez(tmp_path / "a.npz", emg=EMG, fs=2000)
    with pytest.raises(ValueError, match=r"a\.npz: holds fs = 2000 Hz, fs=.* was given"):
        load_array(tmp_path / "a.npz", 2001, "uV")
    save_mat(recording, tmp_path / "a.mat")
    with pytest.warns(UserWarning, match="grid= over the one that the file tells"):
        load(tmp_path / "a.mat", grid=recording.grid)


@pytest.mark.parametrize(
    ("first", "head", "message"),
    [
        (np.arange(40) / 1000, "time", "column 'time' counts by 0.001 for fs=2048 Hz; expected"),
        (np.arange(40) / 1000, "x", "column 'x' counts by 0.001 for fs=2048 Hz"),
        (SECONDS**2, "Time [s]", r"column 'Time \[s\]' counts by"),
        (SECONDS.round(3), "Zeit", "column 'Zeit' counts by"),
        (SECONDS.round(3), "x", "column 'x' counts by"),
        ([""] * 40, "x", "emg holds nan at channel 0"),
        (["a"] * 40, "x", "column 'x' holds 'a', expected numbers"),
        (["1,2"] * 40, "made by x", "line 1 has 3 names for 4 columns: take out comments"),
    ],
)
def test_times_that_do_not_fit_are_refused(tmp_path, first, head, message):
    rows = [f"{x},{a},{b}" for x, a, b in zip(first, *EMG, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join([f"{head},a,b", *rows]))
    with pytest.raises(ValueError, match=rf"a\.csv: {message}"):
        load_array(tmp_path / "a.csv", FS, "uV")


@pytest.mark.parametrize("scale", [1, 1e-3])
def test_a_comma_is_not_the_decimal_mark_and_the_separator_as_well(tmp_path, scale):
    rows = "\n".join(f"{a:.6f};{b:.6f}" for a, b in scale * EMG.T)
    (tmp_path / "a.csv").write_text(rows.replace(".", ",").replace(";", ","))
    with pytest.raises(ValueError, match="its comma is also the separator"):
        load_array(tmp_path / "a.csv", FS, "uV")


def test_a_row_for_each_channel_longer_than_the_first_look(tmp_path, recording):
    np.savetxt(tmp_path / "a.csv", replace(recording, emg=np.tile(recording.emg, 3)).emg)
    assert load(tmp_path / "a.csv", fs=FS, unit="uV").emg.shape == (16, 1200)
