import dataclasses

import pytest
import torch

from hdsemg_nb import train, unfinished
from hdsemg_nb.decoders import Run

RUN = Run("MT-DCNN", 20, 40, epochs=4, tested_folds=1)


class Stopped(Exception):
    pass


class Bar:
    """Stops what it shows before `last` epochs are over."""

    def __init__(self, last=None):
        self.last, self.done, self.told = last, 0, 0

    def __call__(self, **_):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, n=1):
        self.done, self.told = self.done + n, self.told + 1
        if self.done == self.last:
            raise Stopped


@pytest.fixture
def folder(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(unfinished, "FOLDER", tmp_path / "unfinished")
    monkeypatch.setattr(unfinished, "EVERY_S", 0)
    return tmp_path / "unfinished"


def result(recording, run, bar):
    return train.cross_validate_together([recording], run, bar_of=bar)[0]


def stopped(recording, run, after):
    with pytest.raises(Stopped):
        result(recording, run, Bar(after))


@pytest.mark.parametrize("network", ["ML-DRSNet", "ML-DCNN", "MT-DCNN", "MUF-Net"])
def test_a_training_that_was_stopped_goes_on_to_the_bit(planted, network, folder, monkeypatch):
    recording = planted.crop(0, 2)
    run = dataclasses.replace(RUN, network=network, width=0.125 if network == "ML-DRSNet" else 1)
    whole = result(recording, run, Bar())
    stopped(recording, run, after=3)
    assert len(list(folder.iterdir())) == 1
    rest = Bar()
    again = result(recording, run, rest)
    assert (rest.done, rest.told) == (4, 3)  # two epochs at once, then two more
    assert torch.equal(*(torch.tensor(x.predictions[x.labels.any(1)]) for x in (whole, again)))
    assert again.counts.equals(whole.counts)
    assert again.history.drop(columns="seconds").equals(whole.history.drop(columns="seconds"))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("change", [dict(seed=1), dict(learning_rate=1e-3), dict(step=30)])
def test_another_training_is_not_taken_up(planted, change, folder):
    stopped(planted.crop(0, 2), RUN, after=2)
    bar = Bar()
    result(planted.crop(0, 2), dataclasses.replace(RUN, **change), bar)
    assert bar.told == 4 and len(list(folder.iterdir())) == 1


def test_another_signal_is_not_taken_up(planted, folder):
    stopped(planted.crop(0, 2), RUN, after=2)
    bar = Bar()
    result(planted.crop(0.1, 2.1), RUN, bar)
    assert bar.told == 4


def test_patience_counts_the_epochs_before_the_stop(planted, folder):
    run = dataclasses.replace(RUN, learning_rate=0.1, epochs=30, patience=3)
    whole = result(planted.crop(0, 2), run, Bar())
    assert len(whole.history) < 30
    stopped(planted.crop(0, 2), run, after=len(whole.history) - 1)
    assert len(result(planted.crop(0, 2), run, Bar()).history) == len(whole.history)


def test_a_damaged_state_is_set_aside_and_said(planted, folder):
    stopped(planted.crop(0, 2), RUN, after=2)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    bar = Bar()
    with pytest.warns(UserWarning, match="damaged.*begins again"):
        result(planted.crop(0, 2), RUN, bar)
    assert bar.told == 4


def test_a_short_training_writes_nothing(planted, folder, monkeypatch):
    monkeypatch.setattr(unfinished, "EVERY_S", 60)
    stopped(planted.crop(0, 2), RUN, after=3)
    assert not folder.exists()


def test_a_full_disk_stops_no_training(planted, folder):
    folder.write_text("where the folder should be")
    with pytest.warns(UserWarning, match="cannot be made.*goes on"):
        assert len(result(planted.crop(0, 2), RUN, Bar()).history) == 4
