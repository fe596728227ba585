import numpy as np
import pytest
import scipy.io

from hdsemg_nb.datasets import load_otb

N = 400


def export(path, n_units=2, drop=(), grid="GR08MM1305", n_electrodes=64, **changes):
    """Write a file in the format of an OTBiolab+ export: electrode e carries the constant e."""
    name = f"Vastus Lateralis - AUX 3 (Channel 1->1) - {grid}"
    emg = np.tile(np.arange(1.0, n_electrodes + 1), (N, 1))
    marks, sources = np.zeros((N, n_units)), np.full((N, n_units), 0.01)
    for unit in range(n_units):
        marks[[5, 100 + unit, 250], unit] = 1
        sources[[92 + unit, 242], unit] = 1
    names = [f"{name} ({e})[uV]" for e in range(1, n_electrodes + 1)]
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
    content |= changes
    scipy.io.savemat(path, {key: content[key] for key in content if key not in drop})
    return path


def test_reads_an_export(tmp_path):
    recording = load_otb(export(tmp_path / "a.mat"), subject="S01", mvc=30)
    assert recording.emg.shape == (64, N) and recording.fs == 2048
    assert (recording.muscle, recording.subject, recording.mvc) == ("Vastus Lateralis", "S01", 30)
    # marks stand 8 samples late; the one at sample 5 falls before the start
    assert [d.tolist() for d in recording.discharges] == [[92, 242], [93, 242]]
    np.testing.assert_allclose(recording.pnr, 40, atol=1e-3)  # sources of 1 over 0.01
    assert load_otb(export(tmp_path / "a.mat"), lag=0).discharges[0].tolist() == [5, 100, 250]


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


def test_unknown_grid_keeps_the_order_of_the_file(tmp_path):
    recording = load_otb(export(tmp_path / "a.mat", grid="XY10MM0804", n_electrodes=32))
    assert recording.grid is None and recording.emg[:, 0].tolist() == list(range(1, 33))


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
    with pytest.raises(ValueError, match="Data has shape .* expected .samples, 69"):
        load_otb(export(tmp_path / "c.mat", Data=np.zeros((N, 3))))
    with pytest.raises(ValueError, match="has electrodes 1 to 64, the export 60"):
        load_otb(export(tmp_path / "d.mat", n_electrodes=60))
