import pytest

from hdsemg_nb.datasets import Setup, load_recordings, sources


def test_the_synthetic_source_is_the_cohort(monkeypatch):
    monkeypatch.setattr(sources, "synthetic_cohort", lambda **options: options)
    found = load_recordings("synthetic", mvc=[10], seed=3, setup={"band_hz": [20.0, 750.0]})
    assert found == dict(mvc=[10], seed=3, setup=Setup(band_hz=(20.0, 750.0)))
    with pytest.raises(ValueError, match="unknown .'band'., choose of"):
        load_recordings("synthetic", setup={"band": 3})


def test_unknown_source_and_missing_folder_are_named():
    with pytest.raises(ValueError, match="source='hug' must be 'synthetic', 'hug2021'"):
        load_recordings("hug")
    with pytest.raises(ValueError, match="folder='' must name the folder"):
        load_recordings("hug2021")


def test_what_belongs_to_another_source_is_refused():
    with pytest.raises(ValueError, match="folder='x' belongs to source='hug2021'"):
        load_recordings("synthetic", "x")
    with pytest.raises(ValueError, match="'mvc': 30.*'sample' is read whole, leave them out"):
        load_recordings("sample", mvc=30)
    with pytest.raises(ValueError, match="Unknown parameter 'subjects' in the synthetic cohort"):
        load_recordings("synthetic", subjects=3)


def test_hug_source_reads_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected S<number>"):
        load_recordings("hug2021", folder=str(tmp_path))
