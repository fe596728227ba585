import numpy as np
import pytest
import scipy.io
from matfiles import save_v73

from hdsemg_nb.datasets import load_otb
from hdsemg_nb.datasets.matfile import read_mat

N = 400


def export(path, n_units=2, drop=(), grid="GR08MM1305", n_electrodes=64, unit="uV", **changes):
    """Write a file in the format of an OTBiolab+ export: electrode e carries the constant e."""
    name = f"Vastus Lateralis - AUX 3 (Channel 1->1) - {grid}"
    emg = np.tile(np.arange(1.0, n_electrodes + 1), (N, 1))
    marks, sources = np.zeros((N, n_units)), np.full((N, n_units), 0.01)
    for k in range(n_units):
        marks[[5, 100 + k, 250], k] = 1
        sources[[92 + k, 242], k] = 1
    names = [f"{name} ({e})[{unit}]" for e in range(1, n_electrodes + 1)]
    names += [f"Decomposition of {name} (1)[a.u]"] * n_units
    names += [f"Source for decomposition of {name} (1)[a.u]"] * n_units
    names += ["acquired data[ %(MVC)]"]
    data = np.hstack([emg, marks, sources, np.zeros((N, 1))]).astype(np.float32)
    cell = np.empty((1, 1), dtype=object)
    cell[0, 0] = data
    content = dict(
        Data=cell,
        Description=np.array(names, dtype=object)[:, None],
        SamplingFrequency=np.array([[2048]], dtype=np.uint16),
    )
    content |= {key: make(content[key]) for key, make in changes.items()}
    scipy.io.savemat(path, {key: content[key] for key in content if key not in drop})
    return path


def test_reads_an_export(tmp_path):
    recording = load_otb(export(tmp_path / "a.mat"))
    assert recording.emg.shape == (64, N) and recording.fs == 2048
    assert recording.muscle == "Vastus Lateralis"
    # marks stand 8 samples late; the one at sample 5 falls before the start
    assert [d.tolist() for d in recording.discharges] == [[92, 242], [93, 242]]
    np.testing.assert_allclose(recording.pnr, 40, atol=1e-3)  # sources of 1 over 0.01


def test_channels_are_in_row_major_order_of_the_grid(tmp_path):
    recording = load_otb(export(tmp_path / "a.mat"))
    electrode = recording.grid.image(recording.emg[:, 0])
    assert np.isnan(electrode[0, 0])
    assert electrode[0, 1:].tolist() == [25, 26, 51, 52]  # columns are numbered up and down
    assert electrode[1].tolist() == [1, 24, 27, 50, 53]
    assert electrode[12].tolist() == [12, 13, 38, 39, 64]


@pytest.mark.parametrize("n_units", [0, 1])
def test_few_motor_units(tmp_path, n_units):
    assert load_otb(export(tmp_path / "a.mat", n_units=n_units)).n_motor_units == n_units


@pytest.mark.parametrize("grid", ["HD08MM1305", "HD04MM1305"])
def test_hd_grids_are_numbered_down_every_column_from_the_right(tmp_path, grid):
    recording = load_otb(export(tmp_path / "a.mat", grid=grid))
    electrode = recording.grid.image(recording.emg[:, 0])
    assert electrode[1:, 4].tolist() == list(range(1, 13)) and np.isnan(electrode[0, 4])
    for column, first in ((3, 13), (2, 26), (1, 39), (0, 52)):
        assert electrode[:, column].tolist() == list(range(first, first + 13))
    assert recording.grid.ied_mm == float(grid[2:4])


@pytest.mark.parametrize("grid", ["XY10MM0804", "GR10MM0804", "HD10MM0808"])
def test_unknown_grid_keeps_the_order_of_the_file_and_says_so(tmp_path, grid):
    with pytest.warns(UserWarning, match=f"electrodes of '{grid}' are is not known: grid is None"):
        recording = load_otb(export(tmp_path / "a.mat", grid=grid, n_electrodes=32))
    assert recording.grid is None and recording.emg[:, 0].tolist() == list(range(1, 33))


def test_columns_that_name_no_grid_are_read(tmp_path):
    def bipolar(names):
        return np.array([["VL - IN 1[uV]"], ["VM - IN 2[uV]"], *names[2:].tolist()], dtype=object)

    path = export(tmp_path / "a.mat", n_electrodes=2, n_units=1, Description=bipolar)
    with pytest.warns(UserWarning, match="grid is None"):
        recording = load_otb(path)
    assert recording.muscle == "VL, VM" and recording.emg[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(("grid", "n"), [("GR10MM0808", 64), ("HD10MM0804", 32)])
def test_other_known_grids(tmp_path, grid, n):
    recording = load_otb(export(tmp_path / "a.mat", grid=grid, n_electrodes=n))
    electrode = recording.grid.image(recording.emg[:, 0])
    upper, lower = (electrode[0].tolist(), electrode[-1].tolist())
    if grid == "GR10MM0808":
        assert (upper[:3], lower[-1]) == ([8, 16, 24], 57)
    else:
        assert (upper, lower) == ([1, 9, 17, 25], [8, 16, 24, 32])
    assert recording.grid.ied_mm == 10


def two_grids(tmp_path, second, first):
    """A second grid of 64 electrodes that carry their number times 10, with one unit at 50."""
    content = scipy.io.loadmat(export(tmp_path / "a.mat"))
    more = [[np.str_(f"{second} ({e})[uV]")] for e in range(first, first + 64)]
    more += [[np.str_(f"1 - 1 - Decomposition of {second} (1)[a.u]")]]
    marks = np.zeros((N, 1))
    marks[58] = 1
    signals = [content["Data"][0, 0], np.tile(np.arange(10.0, 650, 10), (N, 1)), marks]
    return export(
        tmp_path / "b.mat",
        Description=lambda names: np.array([*names.tolist(), *more], dtype=object),
        Data=lambda _: np.hstack(signals),
    )


FIRST = r"0 'Vastus Lateralis - AUX 3 \(Channel 1->1\) - GR08MM1305', 1 "


@pytest.mark.parametrize(
    ("second", "first"),
    [
        ("VM - IN 2 (Channel 65->128) - GR08MM1305", 1),
        ("Vastus Lateralis - IN 2 - GR08MM1305", 1),
        ("VM - IN 2 - GR08MM1305", 65),
        ("VM - IN 2 - HD08MM1305", 1),
    ],
)
def test_of_two_grids_one_has_to_be_chosen(tmp_path, second, first):
    path = two_grids(tmp_path, second, first)
    with pytest.raises(ValueError, match=rf"b\.mat: grid=None must .*2 grid.*{FIRST}"):
        load_otb(path)
    one, other = load_otb(path, grid=0), load_otb(path, grid="IN 2")
    assert one.digest == load_otb(tmp_path / "a.mat").digest
    assert [times.tolist() for times in other.discharges] == [[50]]
    assert other.emg[:, 0].max() == 640 and other.grid is not None
    assert other.muscle == second.split(" - ")[0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["acquired data[ %(MVC)]", "requested path[ %(MVC)]"], ("force (% MVC)", 0)),
        (["requested path[ %(MVC)]", "performed path[ %(MVC)]"], ("force (% MVC)", 1)),
        (["requested path[ %(MVC)]", "AUX 1[V]"], ("target (% MVC)", 0)),
        (["Ramp[a.u]", "AUX 1[V]"], ("AUX 1 (V)", 1)),
        (["Target force[N]", "Torque[Nm]"], ("force (Nm)", 1)),
        (["Target force[N]", "Ramp[a.u]"], ("target (N)", 0)),
        (["AUX 2[V]", "AUX 1[V]"], ("", None)),
    ],
)
def test_force_is_measured_or_else_the_target(tmp_path, names, expected):
    beside = np.stack([np.linspace(0, 1, N), np.linspace(1, 0, N)], axis=1)
    content = scipy.io.loadmat(export(tmp_path / "a.mat"))
    path = export(
        tmp_path / "b.mat",
        Description=lambda old: np.array([*old.tolist(), *[[x] for x in names]], dtype=object),
        Data=lambda _: np.hstack([content["Data"][0, 0], beside]),
    )
    recording = load_otb(path)
    name, column = expected
    assert recording.force_name == name
    if column is not None:
        np.testing.assert_allclose(recording.force, beside[:, column], rtol=1e-6)


def test_descriptions_as_a_matrix_of_characters(tmp_path):
    path = export(tmp_path / "a.mat", Description=lambda names: names.ravel().astype(str))
    assert scipy.io.loadmat(path)["Description"].dtype.kind == "U"
    read, usual = load_otb(path), load_otb(export(tmp_path / "b.mat"))
    assert read.digest == usual.digest and read.grid is not None


def test_reads_matlab_7_3(tmp_path):
    content = read_mat(export(tmp_path / "a.mat"))
    content["Data"][0, 0] = content["Data"][0, 0].astype(float)
    save_v73(tmp_path / "b.mat", content)
    assert load_otb(tmp_path / "b.mat").digest == load_otb(tmp_path / "a.mat").digest


def mark(value):
    """Replaces a sample of the first column of marks."""

    def change(cell):
        cell[0, 0][7, 64] = value
        return cell

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(unit="mV"), r"no column in \[uV\], only \['.*mV'.*\]; export EMG in uV"),
        (dict(SamplingFrequency=lambda _: [2048, 2048]), r"SamplingFrequency has shape \(1, 2\)"),
        (dict(SamplingFrequency=lambda _: "2048 Hz"), "SamplingFrequency holds '2048 Hz'"),
        (dict(Data=mark(np.nan)), r"column 'Decomposition of .*' holds nan, expected 0 or 1"),
        (dict(Data=mark(0.3)), r"column 'Decomposition of .*' holds 0\.3"),
        (dict(Data=lambda _: np.zeros((N, 3))), r"Data has shape .* \(samples, 69\)"),
        (dict(Data=lambda _: "signal"), "Data holds 'signal', expected numbers"),
        (dict(Description=lambda _: np.ones((3, 3))), "Description must hold text"),
        (dict(n_electrodes=60), "has electrodes 1 to 64, the file 60"),
    ],
)
def test_a_broken_field_is_named_with_its_file(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"b\.mat: .*{message}"):
        load_otb(export(tmp_path / "b.mat", **changes))


def test_microvolts_with_the_greek_letter(tmp_path):
    assert load_otb(export(tmp_path / "a.mat", unit="\u00b5V")).n_channels == 64


@pytest.mark.parametrize("field", ["Data", "Description", "SamplingFrequency"])
def test_missing_field_is_named(tmp_path, field):
    with pytest.raises(ValueError, match=rf"b\.mat: field {field} is missing"):
        load_otb(export(tmp_path / "b.mat", drop=[field]))


def test_broken_files_are_named(tmp_path):
    whole = export(tmp_path / "a.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cut.mat: cannot be read"):
        load_otb(tmp_path / "cut.mat")
    with pytest.raises(FileNotFoundError, match="none.mat: no such file"):
        load_otb(tmp_path / "none.mat")
