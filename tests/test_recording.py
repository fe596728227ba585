from functools import partial

import numpy as np
import pytest

from hdsemg_nb.recording import Grid, Recording, Recordings, rectangular_grid

EMG = np.ones((2, 100))


def test_dtypes_and_sizes():
    recording = Recording(EMG, 2048, [np.array([3, 70], np.uint16), []])
    assert recording.emg.dtype == np.float32 and recording.emg.shape == (2, 100)
    assert [d.dtype for d in recording.discharges] == [np.int64, np.int64]
    assert (recording.n_channels, recording.n_samples, recording.n_motor_units) == (2, 100, 2)
    assert np.isnan(recording.pnr).all() and recording.duration == pytest.approx(100 / 2048)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_non_finite_emg(bad):
    emg = EMG.copy()
    emg[1, 7] = bad
    with pytest.raises(ValueError, match=r"emg holds (nan|inf) at channel 1, sample 7.*finite"):
        Recording(emg, 2048)


@pytest.mark.parametrize(
    ("field", "match"),
    [
        (dict(emg=np.ones(100)), r"emg has 1 dimension.*expected 2"),
        (dict(emg=np.ones((0, 100))), r"emg has shape \(0, 100\).*at least one channel"),
        (dict(emg=EMG.astype(complex)), "emg has dtype complex128"),
        (dict(fs=0), "fs=0 must be a finite sampling frequency above 0"),
        (dict(fs=-2048.0), "fs=-2048.0 must be"),
        (dict(fs=np.nan), "fs=nan must be"),
        (dict(discharges=[[5, 100]]), r"discharges\[0\] holds 100, outside.*0 to 99"),
        (dict(discharges=[[1], [-1, 5]]), r"discharges\[1\] holds -1, outside"),
        (dict(discharges=[[9, 5]]), r"discharges\[0\] goes from 9 to 5.*strictly increasing"),
        (dict(discharges=[[5, 5]]), "goes from 5 to 5"),
        (dict(discharges=[[0.5]]), r"discharges\[0\] holds 0.5, expected whole"),
        (dict(discharges=[["a"]]), r"discharges\[0\] has shape"),
        (dict(discharges=[[1]], pnr=[30, 31]), r"pnr has shape \(2,\).*1 motor units"),
        (dict(grid=rectangular_grid()), "grid has 64 electrodes.*2 channels"),
    ],
)
def test_refuses_what_cannot_be_right(field, match):
    with pytest.raises(ValueError, match=match):
        Recording(**{"emg": EMG, "fs": 2048, **field})


def test_crop_moves_discharges_with_the_signal():
    emg = np.arange(200.0)[None]
    recording = Recording(emg, 100, [[10, 60, 150]], pnr=[31]).crop(0.5, 1.6)
    assert recording.emg[0, 0] == 50 and recording.n_samples == 110
    assert recording.discharges[0].tolist() == [10, 100] and recording.pnr.tolist() == [31]
    with pytest.raises(ValueError, match=r"start_s=3, stop_s=4 must hold"):
        recording.crop(3, 4)


def test_digest_tells_contents_apart():
    a, same = Recording(EMG, 2048, [[1, 2]]), Recording(EMG, 2048, [[1, 2]])
    others = [
        Recording(EMG, 2048, [[1], [2]]),
        Recording(EMG, 1024, [[1, 2]]),
        Recording(EMG, 2048),
    ]
    assert a.digest == same.digest
    assert len({a.digest, *(other.digest for other in others)}) == 4


def test_grid_of_the_paper():
    grid = rectangular_grid()
    assert len(grid.electrodes) == 64 and grid.shape == (13, 5) and grid.ied_mm == 8
    image = grid.image(np.arange(64))
    assert np.isnan(image[0, 0]) and image[0, 1] == 0 and image[1, 0] == 4 and image[12, 4] == 63


def test_grid_refuses_double_positions():
    with pytest.raises(ValueError, match="used once"):
        Grid([[0, 0], [0, 0]], 8)
    with pytest.raises(ValueError, match="ied_mm=0"):
        Grid([[0, 0]], 0)
    with pytest.raises(ValueError, match="expected \\(channels, 2\\)"):
        Grid([0, 1, 2], 8)


def test_recordings_are_read_when_asked_for():
    read = []

    def load(mvc):
        read.append(mvc)
        return Recording(np.zeros((1, 9)), 2048, mvc=mvc)

    recordings = Recordings(partial(load, mvc) for mvc in (10, 30, 50))
    last = recordings[1:]
    assert (len(recordings), len(last), read) == (3, 2, [])
    assert (last[-1].mvc, recordings[0].mvc, read) == (50, 10, [50, 10])
    assert [recording.mvc for recording in recordings] == [10, 30, 50]
