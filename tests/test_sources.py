import pytest

from hdsemg_nb.datasets import describe, load_recordings
from hdsemg_nb.recording import Recordings


def test_synthetic_source_is_called_synthetic(tmp_path, monkeypatch):
    monkeypatch.setattr("hdsemg_nb.paths.DATA", tmp_path)
    recordings = load_recordings("synthetic", n_subjects=1, mvc=[10], seconds=5)
    assert isinstance(recordings, Recordings) and len(recordings) == 1
    stamp = describe("synthetic", recordings, "smoke")
    assert stamp == "SYNTHETIC data, 1 recordings of 5 s; smoke profile"


def test_unknown_source_and_missing_folder_are_named():
    with pytest.raises(ValueError, match="source='hug' must be one of"):
        load_recordings("hug")
    with pytest.raises(ValueError, match="folder='' must name the folder"):
        load_recordings("hug2021")


def test_hug_source_reads_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected S<number>"):
        load_recordings("hug2021", folder=str(tmp_path))
