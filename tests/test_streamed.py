"""Adaptive decoders in a file, behind the checks of a stream, and in a live session."""

import dataclasses
import warnings

import numpy as np
import pytest
from test_live_session import chunks, played, trains

from hdsemg_nb import latency, train
from hdsemg_nb.decoders import ADAPTIVE, DECODERS, FILTER, STREAMED, Run
from hdsemg_nb.live.session import Event, Rates
from hdsemg_nb.signal_check import repair

NET = Run(STREAMED, 40, 20, split="blocked", epochs=3, learning_rate=1e-2, decay=True)


@pytest.fixture(scope="module")
def fitted(two_units):
    return {run.network: train.fit(two_units, run) for run in (NET, Run(ADAPTIVE, 40, 20))}


@pytest.fixture
def loaded(fitted, tmp_path):
    latency.export(fitted[STREAMED], tmp_path / "decoder.npz")
    return latency.load_decoder(tmp_path / "decoder.npz")


def pushed(stream, emg, size=100, fs=2048):
    return [d for k in range(0, emg.shape[1], size) for d in stream.push(emg[:, k : k + size], k)]


def of_units(decisions, n_units=2):
    pairs = [pair for d in decisions for pair in d.discharges]
    return [[t for unit, t in pairs if unit == k] for k in range(n_units)]


@pytest.mark.parametrize("name", [STREAMED, ADAPTIVE])
def test_a_file_holds_the_decoder_bit_by_bit(name, fitted, two_units, tmp_path):
    one, path = fitted[name], tmp_path / "decoder.npz"
    assert latency.export(one, path) is None
    again = latency.load_decoder(path)
    assert again.network == name and again.channels == one.channels and again.fs == 2048
    assert again.fitted.run == one.run and again.state is None
    for a, b in zip(one.decode(two_units.emg), again.decode(two_units.emg), strict=True):
        np.testing.assert_array_equal(a, b)
    grid, kept = two_units.grid, again.fitted.filter.grid_
    assert (kept.electrodes == grid.electrodes).all() and kept.ied_mm == grid.ied_mm
    assert again.decode_recording(two_units).n_motor_units == 2
    gridless = train.fit(dataclasses.replace(two_units, grid=None), one.run)
    latency.export(gridless, path)
    assert latency.load_decoder(path).fitted.filter.grid_ is None


def test_a_file_goes_on_from_what_was_learnt_and_from_the_training(loaded, two_units, tmp_path):
    first = loaded.stream(2048)
    louder = np.tile(two_units.emg * np.float32(1.1), 4)
    pushed(first, louder)
    learnt = first.following.now
    assert not np.array_equal(learnt.filter.weights_, loaded.fitted.filter.weights_)
    loaded.save(tmp_path / "later.npz", first.state)
    later = latency.load_decoder(tmp_path / "later.npz").stream(2048)
    now = later.following.now
    for name in ("weights_", "thresholds_"):
        np.testing.assert_array_equal(getattr(now.filter, name), getattr(learnt.filter, name))
    for name in ("averages", "lost", "live", "classes"):
        np.testing.assert_array_equal(getattr(now, name), getattr(learnt, name))
    assert later.following._counted == first.following._counted > 0
    assert later.n_samples == 0
    fresh = loaded.stream(2048).following.now  # the training is not forgotten
    np.testing.assert_array_equal(fresh.averages, loaded.fitted.filter.averages_)
    again = latency.load_decoder(tmp_path / "later.npz")
    again.save(tmp_path / "copy.npz")
    assert (tmp_path / "copy.npz").read_bytes() == (tmp_path / "later.npz").read_bytes()


def test_a_damaged_file_and_a_wrong_name_are_refused(fitted, loaded, two_units, tmp_path):
    whole = (tmp_path / "decoder.npz").read_bytes()
    middle = whole.index(b"filter.products_.npy") + 100
    spoilt = whole[:middle] + bytes(50) + whole[middle + 50 :]
    for content in (whole[: len(whole) // 2], spoilt, b"", b"PK\x03\x04", b"nothing"):
        (tmp_path / "cut.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"cut\.npz was not written by this .*export the dec"):
            latency.load_decoder(tmp_path / "cut.npz")
    np.savez(tmp_path / "cut.npz", **{"filter.weights_": np.ones(3)})
    with pytest.raises(ValueError, match=r"cut\.npz was not written by this version"):
        latency.load_decoder(tmp_path / "cut.npz")
    (tmp_path / "named.onnx").write_bytes(whole)
    assert latency.load_decoder(tmp_path / "named.onnx").network == STREAMED
    with pytest.raises(FileNotFoundError):
        latency.load_decoder(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"adaptive MUF-Net is exported to a file \*\.npz"):
        latency.export(fitted[STREAMED], tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"precision='int8': leave it out"):
        latency.export(fitted[STREAMED], tmp_path / "a.npz", "int8")
    with pytest.raises(ValueError, match=r"motor-unit filter cannot be exported"):
        latency.export(train.fit(two_units, Run(FILTER, 40, 20)), tmp_path / "a.npz")


@pytest.mark.parametrize("size", [1, 2, 37, 500])
def test_the_stream_is_the_adaptive_one_whatever_the_chunks(size, loaded, two_units):
    emg = two_units.emg[:, : 1000 if size < 3 else None]
    decisions = pushed(loaded.stream(2048), emg, size)
    expected = loaded.fitted.stream().push(emg)
    assert of_units(decisions) == [times.tolist() for times in expected]
    assert not any(d.problem for d in decisions) and decisions[-1].end == emg.shape[1]
    for d in decisions:
        assert all(t < d.certain for _, t in d.discharges)


def test_bad_channels_are_left_out_and_named_up_to_a_third(loaded, two_units):
    emg = np.tile(two_units.emg, 3)
    clean = pushed(loaded.stream(2048), emg)
    emg[2, 13000:], emg[7, 13500:] = np.nan, 32768
    stream = loaded.stream(2048)
    decisions = pushed(stream, emg)
    assert not stream.following.now.live[[2, 7]].any() and stream.following.now.live.sum() == 14
    problems = [d.problem for d in decisions if d.start > 14000]
    assert all("missing or not finite: row 0, column 2" in one for one in problems)
    assert all("out of range: row 1, column 3" in one for one in problems)
    for found, times in zip(of_units(decisions), of_units(clean), strict=True):
        assert len(set(found) ^ set(times)) < 0.1 * len(times)


def test_channels_that_were_dead_in_the_training_are_not_checked(two_units):
    emg = two_units.emg.copy()
    emg[[3, 4]] = 0
    with pytest.warns(UserWarning, match="left out of the filters"):
        one = train.fit(dataclasses.replace(two_units, emg=emg), Run(ADAPTIVE, 40, 20))
    stream = latency.StreamedDecoder(one).stream(2048)
    clean = pushed(stream, two_units.emg)
    assert not any(d.problem for d in clean)
    emg = two_units.emg.copy()
    emg[3, 1000:1200] = np.nan
    assert of_units(pushed(latency.StreamedDecoder(one).stream(2048), emg)) == of_units(clean)
    with pytest.raises(ValueError, match="8192 samples have come: restore a new stream"):
        stream.restore(stream.state)


def test_more_dead_channels_than_can_be_left_out_are_withheld_and_said_so(loaded, two_units):
    emg = two_units.emg.copy()
    emg[:5, 2000:] = 0
    decisions = pushed(loaded.stream(2048), emg)
    assert decisions[-1].problem.endswith("withheld: 5 of 16 channels are bad, at most 4 may be")
    assert not any(d.discharges for d in decisions if d.start > 2200)


def test_a_gap_costs_its_own_discharges_alone(loaded, two_units):
    stream, clean = loaded.stream(2048), of_units(pushed(loaded.stream(2048), two_units.emg))
    decisions = stream.push(two_units.emg[:, :3000], 0)
    decisions += stream.push(two_units.emg[:, 3600:], 3600)
    withheld = [d for d in decisions if d.problem]
    assert {d.problem for d in withheld} == {"missing or not finite: all channels"}
    assert withheld[0].start == 3000 and withheld[-1].end == 3600
    for found, times in zip(of_units(decisions), clean, strict=True):
        assert {t for t in times if not 2950 < t < 3650} <= set(found) <= set(times)


def test_silent_motor_units_are_named(loaded, two_units):
    rest = np.random.default_rng(0).normal(40, 5, (16, 6 * 2048)).astype(np.float32)
    decisions = pushed(loaded.stream(2048), rest)
    assert decisions[-1].problem == "motor unit 0 lost; motor unit 1 lost"
    assert not any(d.problem for d in decisions if d.end < 5 * 2048)


def test_a_session_sends_discharges_to_the_sample_and_goes_on_after_a_break(loaded, two_units):
    emg = np.tile(two_units.emg, 3)
    parts = chunks(emg, emg.shape[1] // 20)
    session, outputs = played(loaded, parts)
    expected = of_units(pushed(loaded.stream(2048), emg[:, : 20 * len(parts)], 20))
    assert trains(outputs) == expected and sum(map(len, expected)) > 300
    assert not [one for one in outputs if isinstance(one, Event)]
    rates = [one for one in outputs if isinstance(one, Rates)]
    assert rates[-1].sample > emg.shape[1] - 2048 and (rates[-1].values > 5).all()
    learnt = session.state
    session.restart()
    np.testing.assert_array_equal(session.state["averages"], learnt["averages"])
    assert session.state["counted"] == learnt["counted"] > 0


@pytest.mark.parametrize("network", [FILTER, "ML-DCNN", ADAPTIVE, STREAMED])
def test_what_was_interpolated_in_training_is_interpolated_for_the_decoder(
    network, two_units, tmp_path
):
    emg, runs = two_units.emg.copy(), {STREAMED: NET}
    emg[5] = 3000 * np.random.default_rng(1).standard_normal(emg.shape[1])
    raw = dataclasses.replace(two_units, emg=emg)
    repaired = repair(raw, [5])
    runs |= {"ML-DCNN": Run("ML-DCNN", 20, 20, epochs=2, bf16=False)}
    run = runs.get(network, Run(network, 20, 20))
    decoder = train.fit(repaired, run)
    expected = [times.tolist() for times in decoder.decode(repaired.emg)]
    assert [t.tolist() for t in decoder.decode_recording(raw).discharges] == expected
    if network == FILTER:
        return
    path = tmp_path / f"decoder{DECODERS[network].ending}"
    latency.export(decoder, path)
    decoder = latency.load_decoder(path)
    expected = [times.tolist() for times in decoder.decode(repaired.emg)]
    assert [t.tolist() for t in decoder.decode_recording(raw).discharges] == expected
    streamed = [pushed(decoder.stream(2048), one) for one in (raw.emg, repaired.emg)]
    first, second = ([(d.discharges, d.problem) for d in ones] for ones in streamed)
    assert first == second and not any("channel 5" in problem for _, problem in first)


@pytest.mark.parametrize("name", [STREAMED, ADAPTIVE])
def test_units_that_are_not_found_in_a_recording_are_said(name, fitted, two_units):
    noise = np.random.default_rng(0).normal(40, 5, two_units.emg.shape)
    with pytest.warns(UserWarning, match="to be checked, silent or not found .* motor units 0, 1"):
        fitted[name].decode_recording(dataclasses.replace(two_units, emg=noise))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted[name].decode_recording(two_units)
