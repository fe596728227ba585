"""The DEMUSE reader on files written in the format of the Hug data, whole and broken."""

import numpy as np
import pytest
from matfiles import cell, save_v5, save_v73

from hdsemg_nb.datasets.hug2021 import load_demuse, load_hug2021

N = 700


def demuse(units=2, shape=(13, 5), empty=((0, 0),), seed=0):
    """Content of a DEMUSE file: even motor units hold uint16 pulses, odd ones int32."""
    rng = np.random.default_rng([seed, units])
    places = list(np.ndindex(shape))
    nothing = np.empty((0, 0), dtype=np.uint8)
    signals = [nothing if p in empty else rng.normal(size=(1, N)) for p in places]
    pulses = [np.sort(rng.choice(N, 20 + k // 2, replace=False)) + 1 for k in range(units)]
    pulses = [x[None].astype((np.uint16, np.int32)[k % 2]) for k, x in enumerate(pulses)]
    return {
        "SIG": cell(signals, shape),
        "MUPulses": cell(pulses, (1, units)),
        "IPTs": rng.normal(size=(units, N)),
        "PNR": rng.uniform(25, 45, size=(1, units)),
        "MUIDs": cell([f"A{k}" for k in range(units)], (1, units)),
        "fsamp": np.array([[2048]], dtype=np.uint16),
        "IED": np.array([[8]], dtype=np.uint8),
        "discardChannelsVec": np.zeros(shape, dtype=np.uint8),
        "SIGFileName": "vaMiKT_10.otb+",
    }


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vaMiKT_10_GM.mat"


@pytest.mark.parametrize("save", [save_v5, save_v73])
@pytest.mark.parametrize("units", [1, 2, 31])
def test_reads_what_was_written(path, save, units):
    content = demuse(units)
    save(path, content)
    recording = load_demuse(path, subject="S10", muscle="GM", mvc=10.0)
    places = list(np.ndindex(13, 5))[1:]  # row-major without the corner
    expected = np.vstack([content["SIG"][place] for place in places]).astype(np.float32)
    np.testing.assert_array_equal(recording.emg, expected)
    np.testing.assert_array_equal(recording.grid.electrodes, places)
    np.testing.assert_array_equal(recording.pnr, content["PNR"].ravel())
    assert (recording.fs, recording.grid.ied_mm, recording.n_motor_units) == (2048, 8, units)
    assert (recording.subject, recording.muscle, recording.mvc) == ("S10", "GM", 10)
    for times, pulses in zip(recording.discharges, content["MUPulses"].ravel(), strict=True):
        assert times.dtype == np.int64
        np.testing.assert_array_equal(times, pulses.ravel().astype(int) - 1)


def test_late_uint16_pulses_keep_their_place(path):
    content = demuse(1)
    content["SIG"] = cell([np.zeros((1, 70_000))] * 4, (2, 2))
    content["MUPulses"] = cell([np.array([[1, 40_000, 65_535]], np.uint16)], (1, 1))
    del content["discardChannelsVec"]
    save_v5(path, content)
    assert load_demuse(path).discharges[0].tolist() == [0, 39_999, 65_534]


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_empty_places_and_missing_ied_follow_the_grid(path, save):
    content = demuse(shape=(8, 4), empty=((7, 3), (2, 1)))
    del content["IED"]
    save(path, content)
    with pytest.warns(UserWarning, match=r"IED is missing: .*\(8, 4\) grid taken as 10 mm"):
        grid = load_demuse(path).grid
    assert len(grid.electrodes) == 30
    assert grid.ied_mm == 10
    assert np.isnan(grid.image(np.zeros(30))[[7, 2], [3, 1]]).all()


def test_grid_without_known_distance_is_none(path):
    content = demuse(shape=(4, 4), empty=())
    del content["IED"]
    save_v5(path, content)
    with pytest.warns(UserWarning, match=r"\(4, 4\) grid not known, grid is None"):
        assert load_demuse(path).grid is None


def test_discarded_channels_are_splined_along_the_channel_number(path):
    content = demuse(empty=((0, 4),))
    places = [place for place in np.ndindex(13, 5) if place != (0, 4)]
    rng = np.random.default_rng(3)
    coefficients = rng.normal(size=(4, N))
    channel = np.linspace(-1, 1, 64)
    cubic = np.stack([np.polyval(coefficients[:, t], channel) for t in range(N)], axis=1)
    for k, place in enumerate(places):
        content["SIG"][place] = cubic[k][None]
    for place in ((0, 0), (1, 1), (6, 2), (6, 3)):
        content["SIG"][place] = rng.normal(size=(1, N)) * 1e3
        content["discardChannelsVec"][place] = 1
    save_v5(path, content)
    np.testing.assert_allclose(load_demuse(path).emg, cubic, atol=1e-4)  # the spline of a cubic


def test_optional_fields_may_be_missing(path):
    content = demuse()
    save_v5(path, {name: content[name] for name in ("SIG", "MUPulses", "fsamp")})
    with pytest.warns(UserWarning, match="IED is missing"):
        recording = load_demuse(path)
    assert np.isnan(recording.pnr).all()
    assert recording.grid.ied_mm == 8


@pytest.mark.parametrize("collapsed", [lambda pulses: pulses, np.transpose])
def test_a_single_motor_unit_outside_its_cell_is_read(path, collapsed):
    content = demuse(1)
    pulses = content["MUPulses"][0, 0]
    save_v5(path, content | {"MUPulses": collapsed(pulses)})
    (times,) = load_demuse(path).discharges
    np.testing.assert_array_equal(times, pulses[0].astype(int) - 1)


def test_no_motor_unit(path):
    content = demuse(1)
    content |= {"MUPulses": np.empty((0, 0)), "PNR": np.empty((0, 0))}
    save_v5(path, content)
    assert load_demuse(path).n_motor_units == 0


def changed(field, place, value):
    content = demuse()
    if place is None:
        content[field] = value
    else:
        content[field][place] = value
    return content


@pytest.mark.parametrize("save", [save_v5, save_v73])
@pytest.mark.parametrize(
    ("field", "place", "value", "message"),
    [
        ("SIG", (3, 2), np.zeros((1, N - 1)), r"SIG\{4,3\} has 699 samples, the first one 700"),
        ("SIG", (3, 2), "noise", r"SIG\{4,3\} holds 'noise', expected numbers"),
        ("SIG", None, np.zeros((64, N)), "SIG must be a cell"),
        ("SIG", None, cell([np.empty((0, 0))] * 4, (2, 2)), "SIG holds no signal"),
        ("SIG", (3, 2), np.full((1, N), np.nan), "emg holds nan at channel 16"),
        ("MUPulses", (0, 1), np.array([[5, N + 1]], np.int32), r"MUPulses\{2\} holds 701"),
        ("MUPulses", (0, 1), np.array([[0, 5]], np.int32), r"MUPulses\{2\} holds 0"),
        ("MUPulses", (0, 1), np.array([[1.5, 5]]), r"MUPulses\{2\} holds 1.5"),
        ("MUPulses", (0, 1), "A1", r"MUPulses\{2\} holds 'A1', expected numbers"),
        ("MUPulses", (0, 1), np.array([[9.0, 5]]), r"discharges\[1\] goes from 8 to 4"),
        ("fsamp", None, "2048 Hz", "fsamp holds '2048 Hz', expected numbers"),
        ("fsamp", None, np.ones((1, 2)), "fsamp has shape"),
        ("PNR", None, "good", "PNR holds 'good'"),
        ("PNR", None, np.ones((1, 3)), r"pnr=.* must be a number in dB for each of the 2"),
        ("IED", None, "8 mm", "IED holds '8 mm'"),
        ("discardChannelsVec", None, np.zeros((5, 13)), "discardChannelsVec has shape"),
        ("discardChannelsVec", None, np.ones((13, 5)), "discardChannelsVec leaves 0 channel"),
    ],
)
def test_a_broken_field_is_named_with_its_file(path, save, field, place, value, message):
    save(path, changed(field, place, value))
    with pytest.raises(ValueError, match=rf"vaMiKT_10_GM\.mat: .*{message}"):
        load_demuse(path)


@pytest.mark.parametrize("field", ["SIG", "MUPulses", "fsamp"])
def test_a_missing_field_is_named(path, field):
    content = demuse()
    del content[field]
    save_v5(path, content)
    with pytest.raises(ValueError, match=rf"vaMiKT_10_GM\.mat: field {field} is missing"):
        load_demuse(path)


@pytest.mark.parametrize("save", [save_v5, save_v73])
def test_a_truncated_file_is_named(path, save):
    save(path, demuse())
    whole = path.read_bytes()
    for kept in (0.9, 0.5, 0.1, 0):
        path.write_bytes(whole[: int(kept * len(whole))])
        with pytest.raises(ValueError, match=r"vaMiKT_10_GM\.mat: cannot be read as a MATLAB file"):
            load_demuse(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"vaMiKT_10_GM\.mat: no such file"):
        load_demuse(path)


def archive(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()  # empty: finding must not read


def test_files_are_found_by_folder_and_name_without_reading(tmp_path):
    names = ["raw/S10/aB_1x_50_GM.mat", "raw/S10/aBx_10_GM.mat", "raw/S2/cD_30_GM.mat"]
    others = ["raw/S2/cD_30_GL.mat", "raw/S14/eF_10_GM.mat", "raw/S2/standing.mat"]
    archive(tmp_path, names + others + ["other/gH_10_GM.mat", "raw/S2/cD_10_GM_edited.mat"])
    found = _arguments(load_hug2021(tmp_path))
    assert [args[1:] for args in found] == [
        ("S2", "GM", 30),
        ("S10", "GM", 10),
        ("S10", "GM", 50),
    ]
    assert [args[1] for args in _arguments(load_hug2021(tmp_path, muscle="GL"))] == ["S2"]
    assert {args[1] for args in _arguments(load_hug2021(tmp_path, exclude="S2"))} == {"S10", "S14"}


def _arguments(recordings):
    """What `load_demuse` is to be called with."""
    return [loader.args for loader in recordings.loaders]


def test_a_found_file_loads_as_its_participant(tmp_path):
    archive(tmp_path, ["S3/iJ_30_GL.mat"])
    save_v5(tmp_path / "S3/iJ_30_GL.mat", demuse(4))
    (recording,) = load_hug2021(tmp_path, muscle="GL")
    assert (recording.subject, recording.muscle, recording.mvc) == ("S3", "GL", 30)
    assert recording.n_motor_units == 4


@pytest.mark.parametrize("names", [[], ["S14/eF_10_GM.mat"], ["S1/aB_10_SOL.mat"]])
def test_nothing_found_tells_the_layout(tmp_path, names):
    archive(tmp_path, names)
    with pytest.raises(FileNotFoundError, match=r"expected S<number>/<code>_<MVC>_<muscle>\.mat"):
        load_hug2021(tmp_path)


def test_two_files_of_one_participant_and_intensity_are_refused(tmp_path):
    archive(tmp_path, ["raw/S1/aB_10_GM.mat", "edited/S1/aB_10_GM.mat"])
    with pytest.raises(ValueError, match="both S1 at 10 % MVC"):
        load_hug2021(tmp_path)


def test_reference_signal_is_the_force(path):
    content = demuse() | {"ref_signal": np.linspace(0, 2.5e9, N)[None]}
    save_v5(path, content)
    recording = load_demuse(path)
    assert recording.force_name == "force (arbitrary units)" and recording.force[-1] == 2.5e9
    save_v5(path, content | {"ref_signal": np.linspace(0, 1, N // 2)[None]})
    with pytest.warns(UserWarning, match="force has 350 samples, .* EMG has 700: left out"):
        assert load_demuse(path).force is None
