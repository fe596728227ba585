"""The MUedit reader on files written in MUedit's format, whole and broken."""

from contextlib import nullcontext

import numpy as np
import pytest
from matfiles import cell, save_v5, save_v73

from hdsemg_nb.cbss import pulse_to_noise_ratio
from hdsemg_nb.datasets import otb
from hdsemg_nb.datasets.muedit import load_muedit

N = 300
NOTHING = np.empty((0, 0))
# electrodes numbered down the columns: 2 x 3 and 2 x 2 grids, row and column counted from 1
COORDINATES = [
    np.array([(r, c) for c in range(1, columns + 1) for r in (1, 2)], dtype=float)
    for columns in (3, 2)
]
PULSES = [[10, 100, 200], [55, 155]]


def muedit():
    """Grid 0 has two motor units, grid 1 one; the second half of the signal is not decomposed."""
    rng = np.random.default_rng(11)
    trains = rng.uniform(-0.01, 0.01, size=(2, N))
    for train, times in zip(trains, PULSES, strict=True):
        train[np.array(times) - 1] = 1
    trains[:, 210:] = 0
    row = [np.array([times], dtype=float) for times in PULSES]
    mask = np.zeros((6, 1))
    mask[3] = 1
    signal = {
        "data": rng.normal(size=(12, N)),  # two channels belong to no grid
        "fsamp": np.array([[2048.0]]),
        "nChan": np.array([[12.0]]),
        "ngrid": np.array([[2.0]]),
        "gridname": cell(["GR08MM1305", "GR10MM0808"], (1, 2)),
        "muscle": cell(["GM", "GL"], (1, 2)),
        "coordinates": cell(COORDINATES, (1, 2)),
        "IED": np.array([[8.0, 10.0]]),
        "EMGmask": cell([mask, np.zeros((4, 1))], (1, 2)),
        "Pulsetrain": cell([trains, trains[:1]], (1, 2)),
        "Dischargetimes": cell([row[0], row[1], row[0], NOTHING], (2, 2)),
    }
    return {"signal": signal, "parameters": {"NITER": np.array([[50.0]])}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trial_decomp.mat"


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_reads_the_good_channels_of_one_grid_in_row_major_order(path, save):
    content = muedit()
    save(path, content)
    recording = load_muedit(path, grid=0)
    order = [0, 2, 4, 1, 5]  # channel 3, row 1 column 1, is masked
    np.testing.assert_array_equal(
        recording.emg, content["signal"]["data"][order].astype(np.float32)
    )
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    np.testing.assert_array_equal(recording.grid.electrodes, places)
    assert (recording.fs, recording.grid.ied_mm, recording.muscle) == (2048, 8, "GM")
    assert [times.tolist() for times in recording.discharges] == [[9, 99, 199], [54, 154]]


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_second_grid_has_its_own_channels_and_motor_units(path, save):
    content = muedit()
    save(path, content)
    recording = load_muedit(path, grid="GL")
    expected = content["signal"]["data"][[6, 8, 7, 9]].astype(np.float32)
    np.testing.assert_array_equal(recording.emg, expected)
    assert (recording.grid.ied_mm, recording.muscle) == (10, "GL")
    assert [times.tolist() for times in recording.discharges] == [[9, 99, 199]]


@pytest.mark.parametrize(("kind", "known"), [("GR08MM1305", True), ("HD08MM1305", False)])
def test_hd_grids_with_the_numbers_of_gr_grids_have_no_known_place(path, kind, known):
    content = muedit()
    numbers = otb.GRIDS["GR08MM1305"][0]
    places = np.array([np.argwhere(numbers == k)[0] + 1 for k in range(64)], dtype=float)
    data = np.arange(64.0)[:, None] + np.ones((64, N))
    content["signal"] |= {
        "data": data,
        "gridname": cell([kind], (1, 1)),
        "coordinates": cell([places], (1, 1)),
        "EMGmask": NOTHING,
    }
    save_v5(path, content)
    with nullcontext() if known else pytest.warns(UserWarning, match="HD08MM1305, has the elec"):
        recording = load_muedit(path, grid=0)
    assert (recording.grid is not None) == known
    assert (recording.emg[0, 0] == 1) != known  # in the order of the file


def test_pnr_counts_only_the_samples_decomposed(path):
    content = muedit()
    save_v5(path, content)
    decomposed = content["signal"]["Pulsetrain"][0, 0][:, :210]
    expected = [
        pulse_to_noise_ratio(train, np.array(times) - 1, 2048)
        for train, times in zip(decomposed, PULSES, strict=True)
    ]
    np.testing.assert_allclose(load_muedit(path, grid=0).pnr, expected)


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_edited_discharge_times_win(path, save):
    content = muedit()
    edited = content["signal"]["Pulsetrain"][0, 0][1:]
    content["edition"] = {
        "Pulsetrain": cell([edited, NOTHING], (1, 2)),
        "Dischargetimes": cell([np.array([[55.0, 155, 205]])], (1, 1)),
    }
    save(path, content)
    recording = load_muedit(path, grid=0)
    assert [times.tolist() for times in recording.discharges] == [[54, 154, 204]]
    expected = pulse_to_noise_ratio(edited[0, :210], recording.discharges[0], 2048)
    np.testing.assert_allclose(recording.pnr, [expected])
    assert load_muedit(path, grid=1).n_motor_units == 0


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_one_grid_and_one_motor_unit(path, save):
    content = muedit()
    signal = content["signal"]
    signal["coordinates"], signal["EMGmask"] = cell(COORDINATES[:1], (1, 1)), NOTHING
    signal["Dischargetimes"] = cell([np.array([[7.0]])], (1, 1))
    del signal["Pulsetrain"], signal["muscle"]
    save(path, content)
    recording = load_muedit(path, grid=0)
    assert recording.n_channels == 6
    assert [times.tolist() for times in recording.discharges] == [[6]]
    assert np.isnan(recording.pnr).all()


@pytest.mark.parametrize("save", [save_v5, save_v73])
@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("data", "noise", "signal.data holds 'noise'"),
        ("data", np.zeros((4, N)), "signal.data has 4 channels for grid 0, signal.coordinates 6"),
        ("EMGmask", cell([np.zeros((5, 1))], (1, 1)), "signal.EMGmask 5"),
        ("fsamp", "2048", "signal.fsamp holds '2048'"),
        ("IED", np.empty((0, 0)), r"signal.IED\(1\) has shape \(0,\)"),
        ("coordinates", cell([np.zeros((6, 2))], (1, 1)), "non-negative whole numbers"),
        ("coordinates", cell([np.full((6, 2), 1.5)], (1, 1)), "non-negative whole numbers"),
        ("coordinates", cell([np.ones((6, 1))], (1, 1)), r"electrodes has shape \(5, 1\)"),
        ("muscle", cell([np.ones((2, 2))], (1, 1)), "muscle=.* must be text"),
        ("fsamp", np.array([[2048.0, 2048]]), r"signal.fsamp has shape \(1, 2\)"),
        (
            "Dischargetimes",
            cell([np.array([[5, np.nan]])], (1, 1)),
            r"signal.Dischargetimes\{1,1\} holds nan",
        ),
        ("coordinates", NOTHING, r"grid=0 must choose one of the 0 grid"),
        ("Dischargetimes", np.array([[1.0, 2]]), "signal.Dischargetimes must be a cell"),
        ("Dischargetimes", "A1", "signal.Dischargetimes must be a cell"),
        (
            "Dischargetimes",
            cell([np.array([[5.0, N + 1]])], (1, 1)),
            r"signal.Dischargetimes\{1,1\} holds 301",
        ),
        (
            "Dischargetimes",
            cell([np.array([[5.0]]), "A1"], (1, 2)),
            r"signal.Dischargetimes\{1,2\} holds 'A1'",
        ),
        ("Pulsetrain", cell(["x"], (1, 1)), "signal.Pulsetrain holds 'x'"),
        ("Pulsetrain", cell([np.zeros((2, 7))], (1, 1)), "signal.Pulsetrain has 7 samples"),
    ],
)
def test_a_broken_field_is_named_with_its_file(path, save, field, value, message):
    content = muedit()
    content["signal"][field] = value
    save(path, content)
    with pytest.raises(ValueError, match=rf"(?s)trial_decomp\.mat: .*{message}"):
        load_muedit(path, grid=0)


@pytest.mark.parametrize("save", [save_v5, save_v73])
@pytest.mark.parametrize("edition", [NOTHING, "", {"time": np.ones((1, 3))}])
def test_an_edition_without_edits_is_passed_over(path, save, edition):
    save(path, muedit() | {"edition": edition})
    assert [times.tolist() for times in load_muedit(path, grid=0).discharges] == [
        [9, 99, 199],
        [54, 154],
    ]


@pytest.mark.parametrize("save", [save_v5, save_v73])
@pytest.mark.parametrize("field", ["signal", "edition"])
@pytest.mark.parametrize(
    ("value", "message"),
    [(np.ones((4, 4)), r"an array of shape \(4, 4\)"), ("text", "'text'")],
)
def test_what_is_no_struct_is_named(path, save, field, value, message):
    save(path, muedit() | {field: value})
    with pytest.raises(ValueError, match=rf"trial_decomp\.mat: field {field} holds {message}"):
        load_muedit(path, grid=0)


def test_an_array_of_structs_is_named(path):
    save_v5(path, {"signal": np.zeros((1, 2), dtype=[("data", object), ("fsamp", object)])})
    with pytest.raises(ValueError, match=r"mat: field signal holds .* expected one struct"):
        load_muedit(path, grid=0)


@pytest.mark.parametrize("field", ["data", "fsamp", "coordinates", "IED"])
def test_a_missing_field_is_named(path, field):
    content = muedit()
    del content["signal"][field]
    save_v73(path, content)
    with pytest.raises(ValueError, match=rf"trial_decomp\.mat: field {field} is missing"):
        load_muedit(path, grid=0)


def test_what_is_no_muedit_file_is_named(path):
    save_v5(path, {"parameters": np.ones(3)})
    with pytest.raises(ValueError, match=r"trial_decomp\.mat: field signal is missing"):
        load_muedit(path, grid=0)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"trial_decomp\.mat: cannot be read as a MATLAB file"):
        load_muedit(path, grid=0)


@pytest.mark.parametrize("grid", [2, -1, None, "G", "SOL"])
def test_a_grid_that_is_not_there_is_named(path, grid):
    save_v5(path, muedit())
    with pytest.raises(
        ValueError, match=rf"grid={grid!r} must choose .* 2 grid.*0 .GM GR08MM1305., 1 .GL"
    ):
        load_muedit(path, grid=grid)


@pytest.mark.parametrize(
    ("beside", "name"),
    [
        ({"path": np.linspace(0, 9, N)[None], "target": np.ones((1, N))}, "force (unit not told)"),
        ({"path": np.zeros((1, N)), "target": np.linspace(0, 9, N)}, "target (unit not told)"),
        (
            {
                "auxiliary": np.stack([np.zeros(N), np.linspace(0, 9, N)]),
                "auxiliaryname": cell(["AUX 1", "Torque"], (1, 2)),
            },
            "force (unit not told)",
        ),
        ({}, ""),
    ],
)
def test_force_is_the_performed_path_then_an_auxiliary_force_then_the_target(path, beside, name):
    content = muedit()
    content["signal"] |= beside
    save_v5(path, content)
    recording = load_muedit(path, grid=0)
    assert recording.force_name == name
    if name:
        np.testing.assert_allclose(recording.force, np.linspace(0, 9, N), rtol=1e-6)
