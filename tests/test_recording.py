import json
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hdsemg_nb.datasets.files import Recordings
from hdsemg_nb.recording import Grid, Recording, discharge_times, rectangular_grid

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
        (dict(emg=np.ones(100)), r"emg has shape \(100,\).*expected \(channels, samples\)"),
        (dict(emg=np.ones((0, 100))), r"shape \(0, 100\).*at least one of each"),
        (dict(emg=EMG.astype(complex)), "emg has .* dtype complex128"),
        (dict(emg=np.ma.masked_less(EMG * 1, 2)), "emg is masked in places"),
        (dict(force=np.ones(99)), r"force has shape \(99,\).*each of the 100 samples"),
        (dict(force=np.full(100, np.nan)), r"force has shape \(100,\).*a finite number"),
        (dict(fs=0), "fs=0 must be a finite frequency above 0 Hz"),
        (dict(fs=-2048.0), "fs=-2048.0 must be"),
        (dict(fs=np.nan), "fs=nan must be"),
        (dict(fs=np.inf), "fs=inf must be"),
        (dict(fs="fast"), "fs='fast' must be"),
        (dict(fs=2048j), "fs=2048j must be"),
        (dict(fs=True), "fs=True must be"),
        (dict(fs=[2048, 2048]), r"fs=\[2048, 2048\] must be"),
        (dict(mvc=-1), "mvc=-1 must be an intensity in % MVC"),
        (dict(mvc="low"), "mvc='low' must be an intensity"),
        (dict(mvc=[20, 30]), r"mvc=\[20, 30\] must be an intensity"),
        (dict(subject=["S01"]), r"subject=\['S01'\] must be text or a number, not list"),
        (dict(muscle=b"GM"), "muscle=b'GM' must be text"),
        (dict(discharges=[[5, 100]]), r"discharges\[0\] holds 100, outside.*0 to 99"),
        (dict(discharges=[[1], [-1, 5]]), r"discharges\[1\] holds -1, outside"),
        (dict(discharges=[[9, 5]]), r"discharges\[0\] goes from 9 to 5.*strictly increasing"),
        (dict(discharges=[[5, 5]]), "goes from 5 to 5"),
        (dict(discharges=[[0.5]]), r"discharges\[0\] holds 0.5, expected whole"),
        (dict(discharges=[[np.nan, 5]]), r"discharges\[0\] holds nan, expected whole"),
        (dict(discharges=[[5, np.inf]]), r"discharges\[0\] holds inf, expected whole"),
        (dict(discharges=[["a"]]), r"discharges\[0\] has shape"),
        (dict(discharges=[5, 9]), r"discharges\[0\] has shape \(\).*times of a motor unit"),
        (dict(discharges=[np.array([True, False])]), r"discharges\[0\] has .*dtype bool"),
        (dict(discharges=[[1j]]), r"discharges\[0\] has .*dtype complex128"),
        (
            dict(discharges=[[1]], pnr=[30, 31]),
            r"pnr=\[30, 31\] must be a number in dB for each of the 1 motor units",
        ),
        (dict(discharges=[[1]], pnr=["good"]), r"pnr=\['good'\] must be a number in dB"),
        (dict(interpolated=[1]), r"interpolated=\[1\] must be pairs of a channel and those"),
        (dict(interpolated=[(1.5, (0,))]), r"interpolated=\[\(1.5, .* must be pairs"),
        (dict(interpolated=[(2, (0,))]), "must name some of the 2 channels"),
        (dict(grid=np.zeros((2, 2))), "grid is a ndarray, expected a Grid"),
        (dict(grid=rectangular_grid()), "grid has 64 electrodes.*2 channels"),
    ],
)
def test_refuses_what_cannot_be_right(field, match):
    with pytest.raises(ValueError, match=match):
        Recording(**{"emg": EMG, "fs": 2048, **field})


@pytest.mark.parametrize(
    ("given", "subject", "mvc"),
    [
        (dict(subject=np.int64(7), mvc=np.int64(20)), "7", 20.0),
        (dict(subject=3.0, mvc=np.float32(12.5)), "3", 12.5),
        (dict(subject=Path("S01"), mvc=np.array(30)), "S01", 30.0),
        (dict(subject=np.str_("NA"), mvc=Fraction(5, 2)), "NA", 2.5),
        (dict(subject=None, mvc=None), "", np.nan),
        (dict(subject=np.nan), "", np.nan),
        (dict(mvc=0), "", 0.0),
    ],
)
def test_labels_are_plain_text_and_numbers(given, subject, mvc):
    recording = Recording(EMG, np.float32(2048), muscle=Path("GM"), source=Path("a b.mat"), **given)
    labels = [recording.subject, recording.muscle, recording.source, recording.mvc, recording.fs]
    assert [type(label) for label in labels] == [str, str, str, float, float]
    assert labels[:3] == [subject, "GM", "a b.mat"]
    np.testing.assert_equal(recording.mvc, mvc)
    json.dumps(labels)


def test_more_channels_than_samples_is_said():
    with pytest.warns(UserWarning, match=r"emg has 100 channels and only 2 samples.*emg\.T"):
        Recording(EMG.T, 2048)


def test_a_recording_shows_itself_in_one_line():
    recording = Recording(
        np.ones((2, 1024)), 2048, [[5], [7]], subject=1, muscle="GM", mvc=30, source="synthetic"
    )
    assert repr(recording) == (
        "Recording(1, GM, 30 % MVC, 2 channels x 0.5 s at 2048 Hz, 2 motor units, synthetic)"
    )
    assert (
        str(Recording(EMG, 2048)) == "Recording(2 channels x 0.04883 s at 2048 Hz, 0 motor units)"
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint64, np.float32])
def test_discharges_of_any_number_type(dtype):
    times = np.array([3, 70, 99], dtype)
    (read,) = Recording(EMG, 2048, [times]).discharges
    assert read.dtype == np.int64 and read.tolist() == [3, 70, 99]


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64, ">f4"])
def test_emg_of_any_number_type(dtype):
    recording = Recording(np.arange(20).reshape(2, 10).astype(dtype), 2048)
    assert recording.emg.dtype == np.float32 and recording.emg[1, 9] == 19


def test_several_motor_units_together_need_no_order():
    assert discharge_times([9, 5, 5], ordered=False).tolist() == [9, 5, 5]
    assert discharge_times([-3, 500]).tolist() == [-3, 500]  # a shifted train may leave the signal
    with pytest.raises(ValueError, match=r"found holds 0\.5.*not seconds"):
        discharge_times([0.5], "found", ordered=False)


def test_crop_moves_discharges_with_the_signal():
    emg = np.arange(200.0)[None]
    recording = Recording(emg, 100, [[10, 60, 150]], pnr=[31]).crop(0.5, 1.6)
    assert recording.emg[0, 0] == 50 and recording.n_samples == 110
    assert recording.discharges[0].tolist() == [10, 100] and recording.pnr.tolist() == [31]
    assert recording.crop(0.1, np.inf).n_samples == 100
    with pytest.raises(ValueError, match=r"start_s=3, stop_s=4 must hold samples of the 1\.10 s"):
        recording.crop(3, 4)


def test_a_recording_is_not_the_memory_of_the_arrays_it_was_given():
    emg, force = np.ones((2, 100), np.float32), np.ones(100, np.float32)
    recording = Recording(emg, 100, force=force)
    emg[:], force[:] = 0, 0
    assert (recording.emg == 1).all() and (recording.force == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        recording.emg[0] = 0
    assert np.shares_memory(recording.emg, replace(recording, subject="S02").emg)


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


def test_what_is_empty_has_to_lie_on_the_grid():
    assert rectangular_grid(2, 2, 8, [[0, 0], np.array([1, 1])]).electrodes.tolist() == [
        [0, 1],
        [1, 0],
    ]
    for outside in ((0, 0), [(2, 0)], [(0, 0, 0)]):
        with pytest.raises(ValueError, match="empty=.* must hold .row, column. of a 2 x 2 grid"):
            rectangular_grid(2, 2, 8, outside)


def test_grid_refuses_double_positions():
    with pytest.raises(ValueError, match="used once"):
        Grid([[0, 0], [0, 0]], 8)
    for distance in (0, np.inf, np.nan, "8 mm"):
        with pytest.raises(ValueError, match=f"ied_mm={distance!r} must be a distance"):
            Grid([[0, 0]], distance)
    with pytest.raises(ValueError, match="non-negative whole numbers"):
        Grid([[0, 0.5]], 8)
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


def test_force_is_kept_cropped_and_named():
    recording = Recording(EMG, 100, force=np.arange(100), force_name="force (% MVC)")
    assert recording.force.dtype == np.float32 and "force (% MVC)" in repr(recording)
    assert recording.crop(0.2, 0.4).force.tolist() == list(range(20, 40))
    assert recording.digest == Recording(EMG, 100).digest  # of what decoders see
