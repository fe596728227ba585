from dataclasses import replace

import numpy as np
import pytest

from hdsemg_nb.signal_check import check_signal, interpolate, repair

RNG = np.random.default_rng(3)


def with_faults(recording):
    emg, time = recording.emg.copy(), np.arange(recording.n_samples) / recording.fs
    emg[2] = 7.0
    emg[3, 1000:3000] = emg[3, 1000]
    emg[5] = np.clip(emg[5], -3, 3)
    emg[6] += RNG.normal(0, 60, len(time))
    emg[9] += 2 * np.sin(2 * np.pi * 50 * time)
    emg[12] = emg[13] + RNG.normal(0, 0.01, len(time))
    return replace(recording, emg=emg)


def test_sound_channels_have_no_problem(planted):
    channels, notes = check_signal(planted)
    assert (channels["problem"] == "").all() and (channels["action"] == "keep").all()
    assert notes == []
    assert channels[["row", "column"]].to_numpy().tolist() == planted.grid.electrodes.tolist()


def test_each_fault_is_named(planted):
    channels, notes = check_signal(with_faults(planted))
    problems = channels.set_index("channel")["problem"]
    expected = {2: "dead", 3: "flat", 5: "saturated", 6: "noisy", 9: "mains"}
    expected |= {12: "bridged", 13: "bridged"}
    assert problems[problems != ""].to_dict() == expected
    assert channels.loc[12, "bridged_with"] == 13
    assert np.flatnonzero(channels["action"] == "interpolate").tolist() == [2, 3, 5, 6]
    assert ["25 % of the channels are bad" in notes[0], "Mains are kept" in notes[1]] == [True] * 2


def test_a_loose_electrode_is_interpolated_and_hum_on_many_is_kept(planted):
    hum = np.sin(2 * np.pi * 50 * np.arange(planted.n_samples) / planted.fs)
    size, emg = planted.emg.std(), planted.emg.copy()
    emg[4] += 3 * size * hum  # most of its power
    emg[8] += 50 * size * hum  # and far larger than the others
    channels, notes = check_signal(replace(planted, emg=emg))
    assert channels["problem"][[4, 8]].tolist() == ["mains", "noisy"] and notes == []
    assert np.flatnonzero(channels["action"] == "interpolate").tolist() == [4, 8]
    channels, notes = check_signal(replace(planted, emg=planted.emg + 3 * size * hum))
    assert (channels["action"] == "keep").all() and "Mains are kept" in notes[0]


def test_a_large_offset_bridges_nothing_and_hides_nothing(planted):
    offset = 1e5 * (1 + RNG.random((16, 1)))
    emg = planted.emg.astype(float)
    assert (check_signal(replace(planted, emg=emg + offset))[0]["problem"] == "").all()
    emg[12] = emg[13] + RNG.normal(0, 0.01, planted.n_samples)
    problems = check_signal(replace(planted, emg=emg + offset))[0]["problem"]
    assert np.flatnonzero(problems == "bridged").tolist() == [12, 13]


def test_coarse_steps_at_a_low_rate_are_not_flat(planted):
    coarse = replace(planted, emg=RNG.normal(0, 20, planted.emg.shape).round(-1), fs=500)
    assert not (check_signal(coarse)[0]["problem"] == "flat").any()


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_an_implausible_unit_is_said(planted, factor):
    (note,) = check_signal(replace(planted, emg=factor * planted.emg)).notes
    assert "is the signal in uV?" in note


def test_a_silent_recording_is_dead(planted):
    channels, notes = check_signal(replace(planted, emg=0 * planted.emg))
    assert (channels["problem"] == "dead").all() and len(notes) == 2


def test_repair_takes_adjacent_sound_electrodes(planted):
    repaired = repair(planted, [5, 6])
    np.testing.assert_allclose(repaired.emg[5], planted.emg[[1, 4, 9]].mean(axis=0), rtol=1e-5)
    rest = np.setdiff1d(np.arange(16), [5, 6])
    np.testing.assert_array_equal(repaired.emg[rest], planted.emg[rest])
    assert repaired.interpolated == ((5, (1, 4, 9)), (6, (2, 7, 10)))
    np.testing.assert_array_equal(interpolate(planted.emg, repaired.interpolated), repaired.emg)
    whole = interpolate(np.array([[0], [2], [3]], np.int16), [(0, (1, 2))])
    assert whole.tolist() == [[2.5], [2], [3]]
    at_once, twice = repair(planted, [5, 6]), repair(repair(planted, [5]), [6])
    np.testing.assert_array_equal(at_once.emg, twice.emg)  # 5 is not left with what 6 held
    assert at_once.interpolated == twice.interpolated and repair(twice, []) is twice
    numbered = repair(replace(planted, grid=None), [5, 6])
    np.testing.assert_array_equal(numbered.emg[5], planted.emg[4])
    for wrong in ([16], [-1], [1.5], np.arange(16) == 5):
        with pytest.raises(ValueError, match=r"channels=\[.*\] cannot be interpolated: give"):
            repair(planted, wrong)
