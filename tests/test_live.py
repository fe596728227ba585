"""Sender, receiver, log and view over the real Lab Streaming Layer, on this machine alone."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from threading import Thread
from time import sleep
from uuid import uuid4

import numpy as np
import pytest
from test_live_session import offline

from hdsemg_nb import latency, live, paths, train
from hdsemg_nb.decoders import ADAPTIVE, Run
from hdsemg_nb.latency import Decoder, load_decoder
from hdsemg_nb.live import calibration, lsl, receiver
from hdsemg_nb.live.view import Screen, Streams

pylsl = pytest.importorskip("pylsl")
FS, CHUNK = 2048, 20
CLOCK = pylsl.local_clock


@pytest.fixture
def name():
    return f"test {uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(receiver, "LISTEN_S", 0.3)
    monkeypatch.setattr(lsl, "OTHERS_S", 0.3)


class Amplifier(Thread):
    """Sends chunks (samples, stamp of the last, when), times in s from the first."""

    def __init__(self, name, decoder, parts, fs=FS, source_id=""):
        super().__init__(daemon=True)
        self.out = lsl.outlet(name, "EMG", decoder.channels, fs, "uV", source_id=source_id)
        self.parts = parts
        self.start()

    def run(self):
        if self.out.wait_for_consumers(10):
            began = CLOCK()
            for emg, stamp, due in self.parts:
                sleep(max(0, began + due - CLOCK()))
                self.out.push_chunk(np.ascontiguousarray(emg.T, dtype=np.float32), began + stamp)
            sleep(0.3)
        self.out = None


def chunks(emg, seconds, fs=FS):
    starts = range(0, round(seconds * fs) - CHUNK + 1, CHUNK)
    return [(emg[:, k : k + CHUNK], (k + CHUNK) / fs, (k + CHUNK) / fs) for k in starts]


def received(name, decoder, seconds, folder):
    """What a receiver logs in some seconds: recording, events, counts."""
    one = live.Receiver(decoder, live.Source(name), folder, lambda line: None)
    counts = one.run(seconds / 60)
    return *live.read_log(folder), counts


def faults(events):
    return [e for e in events.itertuples() if e.kind not in ("signal", "sound")][1:]


@pytest.mark.slow
def test_no_sample_is_lost_none_comes_twice_and_the_discharges_are_those_offline(
    name, decoder, two_units, tmp_path
):
    sent = two_units.crop(0, 1.5)
    sender = Thread(target=live.send, args=(sent, name), kwargs=dict(progress=False))
    sender.start()
    one = live.Receiver(decoder, live.Source(name), tmp_path / "log", lambda line: None)
    streams = Streams(name)
    counts = one.run(2.0 / 60)
    sender.join()
    recording, events = live.read_log(tmp_path / "log")
    np.testing.assert_array_equal(recording.emg, sent.emg)
    assert [t.tolist() for t in recording.discharges] == offline(decoder, sent.emg)
    np.testing.assert_array_equal(recording.grid.electrodes, sent.grid.electrodes)
    assert not {"missing", "repeated", "clock", "rate"} & set(events["kind"])
    assert (counts["received"], counts["missing"], counts["repeated"]) == (3072, 0, 0)
    sleep(0.1)
    markers, rates = streams.pull()
    marked = [json.loads(one) for one in markers]
    found = {(one["unit"], one["sample"]) for one in marked if "unit" in one}
    assert found == {(unit, t) for unit, times in enumerate(recording.discharges) for t in times}
    assert len(found) == counts["discharges"] and len(rates) > 10
    times = np.array([time for time, _ in rates])
    np.testing.assert_allclose(np.diff(times), 0.05, atol=0.002)
    screen = Screen(streams.motor_units)
    screen.take(markers, rates)
    figure = screen.draw(times[-1] + 0.5)
    assert [line.get_xydata().shape for line in figure.axes[1].lines] == [(len(rates), 2)] * 2


def test_two_senders_of_one_name_are_refused_unless_one_is_chosen(name, decoder, monkeypatch):
    monkeypatch.setattr(lsl, "OTHERS_S", 1.0)
    kept = [lsl.outlet(name, "EMG", decoder.channels, FS, source_id=id_) for id_ in ("a", "b")]
    with pytest.raises(ValueError, match="2 streams have name=.*give name"):
        live.Source(name).find()
    assert live.Source(name, source_id="b").find().source_id() == "b"
    with pytest.raises(TimeoutError, match="no stream with.*nobody"):
        live.Source("nobody").find(0.1)
    del kept


def test_a_stream_that_does_not_fit_is_refused(name, decoder):
    kept = lsl.outlet(name, "EMG", decoder.channels[:-1], 1000, "volts")
    with pytest.raises(ValueError, match="1000 Hz.*no channel row 3, column 3"):
        live.Receiver(decoder, live.Source(name))
    del kept


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["counter"]])
def test_millivolts_become_microvolts_and_channels_find_their_place(name, decoder, two_units, more):
    mixed = list(reversed(decoder.channels))
    out = lsl.outlet(name, "EMG", [*more, *mixed], FS, "mV", ied_mm=8.0)
    one = lsl.Input(live.Source(name).find(), decoder)
    np.testing.assert_array_equal(one.stream.grid.electrodes, two_units.grid.electrodes)
    emg = two_units.emg[:, :CHUNK]
    out.push_chunk(np.ascontiguousarray(np.vstack([emg[: len(more)], emg[::-1] / 1000]).T), CLOCK())
    sleep(0.2)
    np.testing.assert_allclose(one.pull(2.0)[0], emg, rtol=1e-5)


@pytest.mark.slow
def test_lost_and_repeated_samples_and_a_jump_of_the_clock(name, decoder, two_units, tmp_path):
    parts = chunks(two_units.emg, 2.0)
    parts = [*parts[:60], *parts[63:100], parts[99], *parts[100:]]
    jumped = [(emg, stamp - 7.0, due) for emg, stamp, due in parts[150:]]
    Amplifier(name, decoder, parts[:150] + jumped)
    recording, events, counts = received(name, decoder, 2.2, tmp_path)
    assert [(e.kind, e.sample, e.samples) for e in faults(events)][:3] == [
        ("missing", 1200, 60),
        ("repeated", 2000, 20),
        ("clock", 3040, 0),
    ]
    expected = two_units.emg[:, : recording.n_samples].copy()
    expected[:, 1200:1260] = 0
    np.testing.assert_array_equal(recording.emg, expected)
    assert (counts["missing"], counts["repeated"]) == (60, 20)


def test_a_run_that_ends_while_it_listens_keeps_what_came(
    name, decoder, two_units, tmp_path, monkeypatch
):
    monkeypatch.setattr(receiver, "LISTEN_S", 9.0)
    Amplifier(name, decoder, chunks(two_units.emg, 0.5))
    recording, _, counts = received(name, decoder, 0.8, tmp_path)
    assert counts["received"] == recording.n_samples > 0.2 * FS


@pytest.mark.slow
def test_a_sender_that_changes_its_rate(name, decoder, two_units, tmp_path):
    parts = chunks(two_units.emg, 1.0)
    began = parts[-1][1]
    slow = [(emg, began + t, began + t) for emg, t, _ in chunks(two_units.emg, 1.0, FS / 2)]
    Amplifier(name, decoder, parts + slow)
    recording, events, _ = received(name, decoder, 2.2, tmp_path)
    named = events[events["text"].str.contains("sampling rate")].iloc[0]
    assert "rate" in set(events["kind"]) and named["sample"] < 2040 + 240
    assert max(map(max, filter(len, recording.discharges))) < named["sample"]


@pytest.mark.slow
def test_a_sender_that_stops_and_comes_back(name, decoder, two_units, tmp_path):
    first = Amplifier(name, decoder, chunks(two_units.emg, 1.0), source_id="amplifier")
    began = CLOCK()

    def come_back():
        first.join()
        other = lsl.outlet(name, "EMG", decoder.channels, 1000, "uV", source_id="amplifier")
        sleep(3.0)
        del other
        Amplifier(name, decoder, chunks(two_units.emg, 1.0), source_id="amplifier")

    Thread(target=come_back, daemon=True).start()
    recording, events, counts = received(name, decoder, 7.5, tmp_path)
    texts = [e.text for e in faults(events)]
    assert texts[0] == "no sample for 1 s" and "the sender is gone" in texts[1]
    assert "it has 1000 Hz" in texts[2]
    gap = next(e for e in faults(events) if e.kind == "missing")
    assert (
        gap.sample == 2040 and 1.5 * FS < gap.samples == counts["missing"] < (CLOCK() - began) * FS
    )
    assert counts["received"] == recording.n_samples - gap.samples
    after = recording.emg[:, 2040 + gap.samples :]
    np.testing.assert_array_equal(after, two_units.emg[:, 2040 - len(after.T) : 2040])
    assert any(t > 2040 + gap.samples for times in recording.discharges for t in times)


@pytest.mark.slow
def test_a_receiver_that_is_too_slow_says_what_it_lost(
    name, decoder, two_units, tmp_path, monkeypatch
):
    emg = np.tile(two_units.emg, 2)
    Amplifier(name, decoder, chunks(emg, 4.0))
    monkeypatch.setattr(lsl, "BUFFER_S", 1)
    one = live.Receiver(decoder, live.Source(name), tmp_path, lambda line: None)
    push, calls = one.session.push, []

    def slow(*args):
        calls.append(0)
        sleep(2.5 if len(calls) == 30 else 0)
        return push(*args)

    one.session.push = slow
    counts = one.run(4.3 / 60)
    recording, events = live.read_log(tmp_path)
    kinds = [e.kind for e in faults(events)]
    assert "late" in kinds and "missing" in kinds
    assert counts["missing"] == events["samples"].sum() > FS
    assert counts["received"] + counts["missing"] == recording.n_samples == 8180
    kept = recording.emg.any(axis=0)
    np.testing.assert_array_equal(recording.emg[:, kept], emg[:, :8180][:, kept])


COMMAND = [sys.executable, "-m", "hdsemg_nb.live"]


def started(*arguments, **options):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_two_terminals_and_a_receiver_that_is_killed(name, exported, two_units, tmp_path):
    from hdsemg_nb.datasets import save_openhdemg

    save_openhdemg(two_units.crop(0, 1), tmp_path / "recording.json")
    environment = {**os.environ, "PYTHONPATH": str(paths.PROJECT)}
    sender = started("--replay", tmp_path / "recording.json", "--name", name, env=environment)
    log = tmp_path / "log"
    one = started(exported, "--name", name, "--log", log, env=environment)
    sender.wait(60)
    one.kill()
    recording, events = live.read_log(log)
    np.testing.assert_allclose(recording.emg, two_units.emg[:, : recording.n_samples], rtol=1e-4)
    assert recording.n_samples == FS
    assert events.iloc[0]["text"].startswith(name)
    assert "16 channels at 2048 Hz" in one.stdout.read()


@pytest.mark.slow
def test_an_array_is_sent_until_it_is_terminated(name, tmp_path):
    emg = np.random.default_rng(0).normal(0, 0.05, (4, 40000)).astype(np.float32)
    np.save(tmp_path / "a.npy", emg)
    about = "--fs", "2000", "--unit", "mV", "--minutes", "5", "--name", name
    sender = started("--replay", tmp_path / "a.npy", *about)
    recording = live.record(0.2, live.Source(name), progress=False)
    assert recording.fs == 2000 and recording.emg.std() == pytest.approx(50, rel=0.1)
    sender.terminate()
    assert "stopped" in sender.communicate(timeout=20)[0] and sender.returncode == 0


@pytest.mark.slow
def test_in_place_a_dead_channel_is_repaired_and_a_terminated_receiver_saves(
    name, planted, tmp_path
):
    sent = replace(
        planted, emg=np.where(np.arange(planted.n_channels)[:, None] == 3, 0, planted.emg)
    )
    options = dict(minutes=5, progress=False)
    Thread(target=live.send, args=(sent, name), kwargs=options, daemon=True).start()
    to, log = tmp_path / "decoder.npz", tmp_path / "log"
    one = started("--calibrate", "8", "--to", to, "--name", name, "--log", log)
    said = ""
    for line in one.stdout:
        said += line
        if "losses seen from" in line:
            one.terminate()
    assert "stopped" in said and one.wait(20) == 0
    assert re.search(r"^3 +dead$", said, re.MULTILINE)
    assert [channel for channel, _ in load_decoder(to).interpolated] == [3]
    assert [channel for channel, _ in load_decoder(log / "decoder.npz").interpolated] == [3]


@pytest.mark.slow
def test_an_error_is_one_line(tmp_path):
    done = subprocess.run([*COMMAND, "--replay", "x.txt"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: x.txt: no such file")
    done = subprocess.run([*COMMAND, "--calibrate", "0"], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: 0 s to record: above 0")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(ImportError, match=r"hdsemg_nb\[live\]"):
        live.Source("x").find()


@pytest.mark.slow
def test_a_stream_is_recorded(name, planted):
    kwargs = dict(minutes=0.02, progress=False)
    Thread(target=live.send, args=(planted, name), kwargs=kwargs, daemon=True).start()
    recording = live.record(1.0, live.Source(name), progress=False)
    np.testing.assert_array_equal(recording.emg, planted.emg[:, :FS])
    np.testing.assert_array_equal(recording.grid.electrodes, planted.grid.electrodes)


@pytest.mark.slow
def test_calibration_in_place(planted, tmp_path, monkeypatch):
    run = Run("ML-DCNN", 20, 10, epochs=2, split="blocked", learning_rate=2e-3)
    monkeypatch.setitem(calibration.RUNS, ".onnx", run)
    path = tmp_path / "not" / "there" / "decoder.onnx"
    quality = live.calibrate(planted.crop(0, 4), path, progress=False)
    decoder = Decoder(path)
    assert len(quality) == len(decoder.motor_units) >= 2 and quality["silhouette"].min() > 0.87
    live.calibrate(planted, path.with_suffix(".npz"), progress=False)
    following = load_decoder(path.with_suffix(".npz"))
    assert following.network == "adaptive MUF-Net" and following.state is None
    assert min(map(len, following.decode(planted.emg))) > 30


@pytest.mark.slow
def test_a_decoder_that_follows_is_kept_with_what_it_has_learnt(name, two_units, tmp_path):
    latency.export(train.fit(two_units, Run(ADAPTIVE, 40, 20)), tmp_path / "decoder.npz")
    decoder = load_decoder(tmp_path / "decoder.npz")
    Amplifier(name, decoder, chunks(np.tile(two_units.emg, 2), 6.2))
    recording, events, counts = received(name, decoder, 6.6, tmp_path / "log")
    assert faults(events) == [] and counts["received"] == recording.n_samples > 6 * FS
    decided = decoder.stream(FS).push(recording.emg, 0)
    expected = [pair for one in decided for pair in one.discharges]
    for unit, times in enumerate(recording.discharges):
        assert times.tolist() == [t for k, t in expected if k == unit] and len(times) > 90
    kept = load_decoder(tmp_path / "log" / "decoder.npz")
    assert decoder.state is None and kept.state["counted"] > 0
    np.testing.assert_array_equal(kept.decode(two_units.emg)[0], decoder.decode(two_units.emg)[0])


def test_calibration_says_beforehand_what_cannot_be(planted, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"decoder\.bin: name it \*\.npz or \*\.onnx"):
        live.calibrate(planted, tmp_path / "decoder.bin")
    wide = replace(planted, emg=np.tile(planted.emg, (9, 1)), grid=None)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="choose a place to write to"):
        live.calibrate(wide, tmp_path / "file" / "decoder.npz")
    monkeypatch.setattr(calibration.cbss, "decompose", lambda *_, **__: [][0])
    with pytest.warns(UserWarning, match="144 channels: new filters"), pytest.raises(IndexError):
        live.calibrate(wide, tmp_path / "decoder.npz")


def test_the_view_names_bad_channels_and_silent_units():
    screen = Screen(["motor unit 0", "motor unit 1"])
    screen.take(
        [
            json.dumps(dict(unit=0, sample=1, time=99.0)),
            json.dumps(dict(unit=1, sample=1, time=85.0)),
            json.dumps(dict(status=dict(problems=["dead or saturated: row 1, column 1"]))),
        ]
    )
    figure = screen.draw(100.0)
    caption = figure.get_suptitle()
    assert "silent for 10 s: motor unit 1\n" in caption and "row 1, column 1" in caption
    assert len(screen.discharges) == 1 and figure.axes[0].get_xlim() == (-10, 0)


@pytest.mark.slow
def test_the_view_follows_the_two_streams(name, monkeypatch):
    rates = lsl.outlet(f"{name} rates", "DischargeRates", ["a", "b"], 20, "1/s")
    markers = lsl.outlet(f"{name} discharges", "Markers", ["marker"], form="string")
    pictures, draw = [], Screen.draw
    monkeypatch.setattr(Screen, "draw", lambda self, now: pictures.append(self) or draw(self, now))

    def send():
        markers.wait_for_consumers(10)  # opened last
        rates.push_sample([3.0, 4.0], CLOCK())
        markers.push_sample([json.dumps(dict(unit=1, sample=7, time=CLOCK()))])

    Thread(target=send, daemon=True).start()
    live.view(name, minutes=0.04)
    (_, unit), (_, seen) = pictures[-1].discharges[0], pictures[-1].rates[0]
    assert len(pictures) > 1 and unit == 1 and seen == [3.0, 4.0]
    assert pictures[-1].silent(CLOCK()) == ["a"]


@pytest.mark.slow
def test_a_recording_with_lost_samples_is_refused(name, decoder, two_units):
    parts = chunks(two_units.emg, 1.0)
    Amplifier(name, decoder, parts[:10] + parts[12:])
    with pytest.raises(ValueError, match="record once more"):
        live.record(0.5, live.Source(name), progress=False)


def test_a_stream_without_units_is_recorded_as_microvolts_and_said_so(name, decoder, two_units):
    out = lsl.outlet(name, "EMG", decoder.channels, FS)
    opened = Thread(target=lambda: out.wait_for_consumers(10) and out.push_chunk(sent, CLOCK()))
    sent = np.ascontiguousarray(two_units.emg[:, :400].T)
    opened.start()
    with pytest.warns(UserWarning, match="no unit in the description: taken as uV"):
        recording = live.record(0.1, live.Source(name), progress=False)
    np.testing.assert_array_equal(recording.emg, sent.T[:, : recording.n_samples])


def test_chunks_of_no_sample_are_not_sent(planted):
    for chunk in (0, -20):
        with pytest.raises(ValueError, match=f"chunk={chunk}: at least 1 sample"):
            live.send(planted, chunk=chunk, wait_s=0.1)
