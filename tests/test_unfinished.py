import dataclasses

import numpy as np
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
        self.last, self.done, self.told, self.initial = last, 0, 0, 0

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
def folder(monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(unfinished, "EVERY_S", 0)
    return unfinished.FOLDER


def result(recording, run, bar):
    return train.cross_validate_together([recording], run, bar_of=bar)[0]


def stopped(recording, run, after):
    with pytest.raises(Stopped):
        result(recording, run, Bar(after))


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("ML-DRSNet", dict(width=0.125)),
        ("ML-DCNN", {}),
        ("MT-DCNN", {}),
        ("MUF-Net", dict(decay=True, epochs=5)),
    ],
)
def test_a_training_that_was_stopped_goes_on_to_the_bit(planted, network, settings, folder):
    recording = planted.crop(0, 2)
    run = dataclasses.replace(RUN, network=network, **settings)
    whole = result(recording, run, Bar())
    for after in (2, 3):  # stopped twice
        stopped(recording, run, after)
    assert len(list(folder.iterdir())) == 1
    rest = Bar()
    again = result(recording, run, rest)
    assert rest.done == run.epochs and rest.told == run.epochs - 1  # two epochs at once
    assert rest.initial == 2  # they tell nothing of the speed
    assert torch.equal(*(torch.tensor(x.predictions[x.labels.any(1)]) for x in (whole, again)))
    assert again.counts.equals(whole.counts)
    assert again.history.drop(columns="seconds").equals(whole.history.drop(columns="seconds"))
    assert not list(folder.iterdir())


def test_folds_that_are_finished_are_not_trained_again(planted, folder):
    run = dataclasses.replace(RUN, epochs=2, tested_folds=3)
    whole = result(planted.crop(0, 2), run, Bar())
    stopped(planted.crop(0, 2), run, after=6)  # in the last epoch of the third
    assert len(list(folder.iterdir())) == 3
    rest = Bar()
    again = result(planted.crop(0, 2), run, rest)
    assert (rest.done, rest.told) == (6, 4)  # two, two, one of the third and its last
    assert again.counts.equals(whole.counts) and not list(folder.iterdir())


def test_a_name_tells_shapes_device_and_arithmetic_apart():
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    data = [np.arange(6), np.arange(6, 10)], [np.arange(8), np.arange(8, 10)]
    square = np.arange(4).reshape(2, 2)
    assert len({unfinished.digest(RUN, cpu, False, x) for x in (square, square.T)}) == 2
    names = [unfinished.digest(RUN, cpu, False, *arrays) for arrays in data]
    names += [unfinished.digest(RUN, *where, *data[0]) for where in ((cpu, True), (gpu, False))]
    assert len(set(names)) == 4
    assert names[0] == unfinished.digest(RUN, cpu, False, *data[0])


def test_what_a_network_knows_of_the_grid_is_part_of_its_name(planted, folder):
    run = dataclasses.replace(RUN, network="MUF-Net", epochs=3)
    stopped(dataclasses.replace(planted.crop(0, 2), grid=None), run, after=2)
    bar = Bar()
    result(planted.crop(0, 2), run, bar)
    assert bar.told == 3


def test_a_state_of_other_code_is_named(planted, folder):
    stopped(planted.crop(0, 2), RUN, after=2)
    (file,) = folder.iterdir()
    state = torch.load(file, weights_only=True)
    torch.save(state | {"model": {"other": torch.zeros(1)}}, file)
    with pytest.raises(ValueError, match=rf"(?s){file.name} is of a training by .*: delete it"):
        result(planted.crop(0, 2), RUN, Bar())


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
    for after in (-1, 0):  # in the last epoch, and when it was over but not told
        stopped(planted.crop(0, 2), run, after=len(whole.history) + after)
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
