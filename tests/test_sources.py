import pytest

from hdsemg_nb.datasets import Setup, load_recordings, sources


def test_the_synthetic_source_is_the_cohort(monkeypatch):
    monkeypatch.setattr(sources, "synthetic_cohort", lambda *options, setup: (*options, setup))
    changes = {"band_hz": [20.0, 750.0]}
    found = load_recordings("synthetic", "", 1, [10], 5, seed=3, setup=changes)
    assert found == (1, [10], 5, 3, Setup(band_hz=(20.0, 750.0)))
    with pytest.raises(ValueError, match="unknown .'band'., choose of"):
        load_recordings("synthetic", setup={"band": 3})


def test_unknown_source_and_missing_folder_are_named():
    with pytest.raises(ValueError, match="source='hug' must be 'synthetic', 'hug2021'"):
        load_recordings("hug")
    with pytest.raises(ValueError, match="folder='' must name the folder"):
        load_recordings("hug2021")


def test_hug_source_reads_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected S<number>"):
        load_recordings("hug2021", folder=str(tmp_path))
