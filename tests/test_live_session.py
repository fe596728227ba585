"""Sessions without a network: numbering by time stamps, faults, discharges, rates."""

import numpy as np
import pytest

from hdsemg_nb import discharges, latency
from hdsemg_nb.latency.stream import Merger
from hdsemg_nb.live.log import Log, read_log
from hdsemg_nb.live.lsl import Description, fitted
from hdsemg_nb.live.session import (
    Discharge,
    Event,
    Rates,
    Samples,
    Session,
    stamp_jitter,
)

FS, CHUNK, BEGAN = 2048, 20, 1000.0


def chunks(emg, n=200):
    """Arguments of `Session.push` as an amplifier with exact time stamps gives them."""
    starts = CHUNK * np.arange(n)
    times = [BEGAN + (k + np.arange(CHUNK)) / FS for k in starts]
    return [(emg[:, k : k + CHUNK], t, t[-1] + 0.003) for k, t in zip(starts, times, strict=True)]


def later(chunk, seconds):
    """The same samples, sent and stamped later."""
    return chunk[0], chunk[1] + seconds, chunk[2] + seconds


def played(decoder, parts):
    session = Session(decoder, lambda: 0.0)
    session.listen(np.concatenate([stamps for _, stamps, _ in parts[:50]]))
    return session, [output for part in parts for output in session.push(*part)]


def of(kind, outputs):
    return [one for one in outputs if isinstance(one, kind)]


def kinds(outputs):
    return [(e.kind, e.samples) for e in of(Event, outputs) if e.kind not in ("signal", "sound")]


def trains(outputs, n_units=2):
    found = of(Discharge, outputs)
    return [[d.sample for d in found if d.unit == unit] for unit in range(n_units)]


def offline(decoder, emg):
    decided = decoder.stream(FS).push(emg, 0)
    spikes, starts = np.array([d.spikes for d in decided]), [d.start for d in decided]
    merged = discharges.decoded_discharges(spikes, starts, decoder.window, FS)
    return [(t - o).tolist() for t, o in zip(merged, decoder.offsets, strict=True)]


@pytest.fixture
def sent(two_units):
    return chunks(two_units.emg)


def test_same_samples_and_discharges_as_offline(decoder, sent, two_units):
    session, outputs = played(decoder, sent)
    session.restart()
    emg = np.concatenate([s.emg for s in of(Samples, outputs)], axis=1)
    np.testing.assert_array_equal(emg, two_units.emg[:, :4000])
    expected = offline(decoder, two_units.emg[:, :4000])
    assert sum(map(len, expected)) > 20 and trains(outputs) == expected
    assert of(Event, outputs) == []
    assert session.counts["received"] == 4000 and session.counts["discharges"] == len(
        of(Discharge, outputs)
    )


@pytest.mark.parametrize("step", [1, 3, 10, 20, 21, 50])
def test_discharges_are_merged_as_offline_and_given_once(step):
    rng = np.random.default_rng(step)
    spikes, starts = rng.random((3000, 3)) < 0.2, step * np.arange(3000)
    merger, found = Merger(3, step, FS), [[], [], []]
    for row, start in zip(spikes, starts, strict=True):
        for unit, time in merger.push(row, int(start) + 10):
            found[unit].append(time)
    for unit, time in merger.flush():
        found[unit].append(time)
    expected = discharges.decoded_discharges(spikes, starts, 20, FS)
    assert found == [times.tolist() for times in expected]


def test_rates_are_those_of_the_whole_spike_train(decoder, sent):
    _, outputs = played(decoder, sent)
    rates = of(Rates, outputs)
    assert [r.sample for r in rates] == [round(k * FS / 20) for k in range(len(rates))]
    assert len(rates) > 30
    for unit, times in enumerate(trains(outputs)):
        expected = discharges.smoothed_rate(times, 4000, FS)[[r.sample for r in rates]]
        np.testing.assert_allclose([r.values[unit] for r in rates], expected, atol=1e-3)


def test_lost_chunks_are_counted_and_what_follows_keeps_its_place(decoder, sent, two_units):
    session, outputs = played(decoder, sent[:50] + sent[53:])
    assert kinds(outputs) == [("missing", 60)] and session.counts["missing"] == 60
    assert [s.first for s in of(Samples, outputs)][49:51] == [980, 1060]
    expected = offline(decoder, two_units.emg[:, :4000])
    for found, all_of_them in zip(trains(outputs), expected, strict=True):
        assert set(all_of_them) - set(found) <= set(range(960, 1100))
        assert set(found) <= set(all_of_them)


@pytest.mark.parametrize("n", [1, 7])
def test_a_single_lost_sample_is_seen_with_exact_stamps(n, decoder, sent):
    emg, stamps, arrived = sent[80]
    sent[80] = emg[:, n:], stamps[n:], arrived
    assert kinds(played(decoder, sent)[1]) == [("missing", n)]


def test_repeated_samples_are_dropped_and_counted(decoder, sent, two_units):
    again = later(sent[50], 0.02)[2]
    session, outputs = played(decoder, [*sent[:51], (*sent[50][:2], again), *sent[51:]])
    assert [(e.kind, e.samples) for e in of(Event, outputs)] == [("repeated", 20)]
    assert session.counts["received"] == 4000
    assert trains(outputs) == offline(decoder, two_units.emg[:, :4000])


@pytest.mark.parametrize("seconds", [0.25, 3600.0, -0.25, -3600.0])
def test_a_jump_of_the_clock_is_no_loss(seconds, decoder, sent, two_units):
    jumped = [(emg, stamps + seconds, arrived) for emg, stamps, arrived in sent[100:]]
    session, outputs = played(decoder, sent[:100] + jumped)
    assert kinds(outputs) == [("clock", 0)] and session.counts["missing"] == 0
    assert trains(outputs) == offline(decoder, two_units.emg[:, :4000])
    assert of(Discharge, outputs)[-1].time > BEGAN + 1.5 + seconds  # by the clock as it is now


def test_a_jump_of_the_clock_amid_repeated_samples_is_no_loss(decoder, sent):
    half = tuple(x[..., :10] for x in sent[49][:2])
    jumped = [(emg, stamps + 7.0, arrived) for emg, stamps, arrived in sent[50:]]
    session, outputs = played(decoder, [*sent[:50], (*half, sent[49][2]), *jumped])
    assert kinds(outputs) == [("repeated", 10), ("clock", 0)]
    assert session.counts["received"] == session.next == 4000
    assert not any(e.kind == "signal" for e in of(Event, outputs))


def test_a_sender_that_was_away_leaves_a_gap_of_its_length(decoder, sent):
    back = [later(chunk, 5.0) for chunk in sent[100:]]
    session, outputs = played(decoder, sent[:100] + back)
    assert kinds(outputs) == [("missing", 10240)]
    assert session.counts["received"] == 4000 and session.next == 14240
    assert not any(2000 < d.sample < 12240 for d in of(Discharge, outputs))
    assert any(d.sample > 12240 for d in of(Discharge, outputs))


@pytest.mark.parametrize("rate", [1024, 1900, 2200])
def test_another_rate_is_named_and_withheld(rate, decoder, sent):
    other, began = [], sent[100][1][0]
    for k, (emg, *_) in enumerate(sent[100:]):
        stamps = began + k * CHUNK / rate + np.arange(CHUNK) / FS  # as the library spaces a chunk
        other.append((emg, stamps, stamps[-1] + 0.003))
    session, outputs = played(decoder, sent[:100] + other)
    found = [e for e in of(Event, outputs) if e.kind == "rate" or "sampling rate" in e.text]
    assert [e.kind for e in found] == ["rate", "signal"]
    assert found[1].sample < 2000 + 20 * 12  # within 12 chunks
    assert not any(d.sample > found[1].sample for d in of(Discharge, outputs))


def test_after_the_rate_is_right_again_it_decodes_again(decoder, two_units):
    emg = np.tile(two_units.emg, 5)
    sent = chunks(emg, 1400)
    slow = [
        (x, t[0] + k * 0.002 + t - t[0], a + k * 0.002) for k, (x, t, a) in enumerate(sent[:40])
    ]
    fast = [later(chunk, 0.08) for chunk in sent[40:]]
    del fast[-50]
    _, outputs = played(decoder, slow + fast)
    assert [e.kind for e in of(Event, outputs) if "sampling rate" in e.text] == ["signal", "sound"]
    assert [kind for kind, _ in kinds(outputs)[-2:]] == ["rate", "missing"]
    assert of(Discharge, outputs)[-1].sample > 27000


def test_two_clocks_that_drift_apart_are_no_fault(decoder, two_units):
    sent = chunks(np.tile(two_units.emg, 4), 1600)
    drifted = [(emg, BEGAN + (t - BEGAN) * 1.00005, a) for emg, t, a in sent]
    assert of(Event, played(decoder, drifted)[1]) == []


def test_times_of_arrival_are_no_fault_and_their_jitter_is_measured(decoder, sent):
    rng = np.random.default_rng(0)
    late = rng.gamma(2, 0.001, len(sent))
    jittered = [(x, t + late[k], a + late[k]) for k, (x, t, a) in enumerate(sent)]
    session, outputs = played(decoder, jittered)
    assert 5 < session.tolerance < 40 and of(Event, outputs) == []
    assert stamp_jitter(np.concatenate([t for _, t, _ in sent[:50] + sent[52:]]), FS) == 0.5


def test_a_receiver_that_is_late_says_so_once_and_when_it_is_over(decoder, sent):
    slow = [(x, t, a + (1.5 if 50 <= k < 60 else 0)) for k, (x, t, a) in enumerate(sent)]
    outputs = played(decoder, slow)[1]
    assert kinds(outputs) == [("late", 0), ("late", 0)]
    assert "1.51 s behind" in of(Event, outputs)[0].text


def test_a_bad_channel_is_named_once_and_when_it_is_over(decoder, two_units):
    emg = two_units.emg[:, :8000].copy()
    emg[3, 1000:1500] = np.nan
    session, outputs = played(decoder, chunks(emg, 400))
    name = f"missing or not finite: {decoder.channels[3]}"
    assert [(e.kind, e.text) for e in of(Event, outputs)] == [
        ("signal", name),
        ("sound", f"over: {name}"),
    ]
    assert session.problems == {}


def logged(decoder, outputs, folder):
    log = Log(folder, decoder, Description("x", FS, list(decoder.channels), [], 8.0))
    for output in outputs:
        log.write(output)
    return log  # not closed: as if killed


def test_a_log_reads_back_as_a_recording_even_when_its_writer_was_killed(
    decoder, sent, two_units, tmp_path
):
    _, outputs = played(decoder, sent[:50] + sent[53:])
    logged(decoder, outputs, tmp_path / "log")
    with (tmp_path / "log" / "discharges.csv").open("a") as file:
        file.write("1,39")  # cut short
    with (tmp_path / "log" / "emg.f32").open("ab") as file:
        file.write(b"12345")
    recording, events = read_log(tmp_path / "log")
    assert [t.tolist() for t in recording.discharges] == trains(outputs)
    expected = two_units.emg[:, :4000].copy()
    expected[:, 1000:1060] = 0
    np.testing.assert_array_equal(recording.emg, expected)
    np.testing.assert_array_equal(recording.grid.electrodes, two_units.grid.electrodes)
    missing = events[events["kind"] == "missing"].iloc[0]
    assert (missing["sample"], missing["samples"]) == (1000, 60)


def test_a_log_is_not_overwritten_and_no_log_is_refused(decoder, tmp_path):
    logged(decoder, [], tmp_path)
    with pytest.raises(ValueError, match="holds a log"):
        logged(decoder, [], tmp_path)
    with pytest.raises(ValueError, match="not one|no sample"):
        read_log(tmp_path)
    with pytest.raises(ValueError, match="no log"):
        read_log(tmp_path / "other")


def described(decoder, **changes):
    channels = list(decoder.channels)
    facts = dict(name="x", fs=2048, labels=channels, units=["mV"] * len(channels), ied_mm=8.0)
    return Description(**facts | changes)


def test_channels_are_put_in_the_order_of_the_decoder(decoder):
    labels = ["trigger", *reversed(decoder.channels)]
    order, notes = fitted(described(decoder, labels=labels, units=["mV"] * 17), decoder)
    assert [labels[k] for k in order] == list(decoder.channels) and "order" in notes[0]
    order, notes = fitted(described(decoder, labels=[""] * 16, units=[""] * 16), decoder)
    assert order == list(range(16)) and len(notes) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(fs=1000.0), "1000 Hz.*2048 Hz"),
        (dict(labels=["a"] * 15, units=["uV"] * 15), "15 channels.*16"),
        (dict(units=["bar"] * 16), "unit='bar' must be 'uV'"),
        (dict(labels=["row 0, column 0"] + ["x"] * 15), "no channel row 0, column 1"),
    ],
)
def test_what_does_not_fit_is_named(changes, words, decoder):
    with pytest.raises(ValueError, match=words):
        fitted(described(decoder, **changes), decoder)


def test_latency_stream_is_what_decodes(decoder):
    assert isinstance(Session(decoder, lambda: 0.0)._stream, latency.Stream)
