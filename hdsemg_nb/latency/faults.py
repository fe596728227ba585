"""What a stream makes of everything that can go wrong with it."""

import numpy as np
import pandas as pd

CHUNK = 20  # samples
CHANNEL = 7  # the bad one
FIRST, LAST = 403, 597  # bad samples
AMPLIFIER, ARRIVAL = 0.002, 0.1  # s, jitter of time stamps


def bad_streams(decoder, recording):
    """One second of a recording with one fault after the other, against the same without it.

    Parameters
    ----------
    decoder : decoder.Decoder
    recording : recording.Recording
        At least 1 s.

    Returns
    -------
    pandas.DataFrame
        One row per fault: fault; named (windows with a problem); withheld (those of them without
        spikes because of it); silent (windows without a problem whose probabilities are not those
        without the fault: should be 0); message (of the first problem, or of the error that
        refuses the stream).
    """
    emg, fs = recording.emg[:, : round(recording.fs)], recording.fs
    clean, _ = _play(decoder, _chunks(emg, fs), fs)
    clean = {d.start: d.probabilities for d in clean}
    rows = []
    for fault, stream in _faults(emg, fs, decoder).items():
        decisions, refusal = _play(decoder, *stream)
        problems = [d.problem for d in decisions if d.problem]
        withheld = sum(bool(np.isnan(d.probabilities).all()) for d in decisions)
        silent = sum(not d.problem and (d.probabilities != clean[d.start]).any() for d in decisions)
        rows.append((fault, len(problems), withheld, silent, refusal or problems[0]))
    return pd.DataFrame(rows, columns=["fault", "named", "withheld", "silent", "message"])


def _play(decoder, chunks, fs, jitter=AMPLIFIER):
    """Decisions of a stream, and the error that ended it, if any."""
    decisions = []
    try:
        stream = decoder.stream(fs, jitter)
        for chunk in chunks:
            decisions += stream.push(*chunk)
    except ValueError as error:
        return decisions, f"refused: {error}"
    return decisions, ""


def _chunks(emg, fs, first=0, began=0.0):
    """Arguments of `Stream.push`, one after the other: samples, number of the first, time stamp."""
    return [
        (emg[:, k : k + CHUNK], first + k, began + (k + CHUNK) / fs)
        for k in range(0, emg.shape[1] - CHUNK + 1, CHUNK)
    ]


def _faults(emg, fs, decoder):
    """Chunks, sampling rate and, where it matters, jitter of each faulty stream."""

    def faulty(values, channels=(CHANNEL,)):
        changed = emg.copy()
        changed[list(channels), FIRST:LAST] = values
        return _chunks(changed, fs), fs

    sound, n = _chunks(emg, fs), FIRST // CHUNK
    before, after, change = sound[:n], sound[n:], n * CHUNK
    hum = 2e4 * np.sin(2 * np.pi * 50 / fs * np.arange(LAST - FIRST))  # uV
    slower = before + _chunks(emg[:, change::2], fs / 2, change, change / fs)
    recounted = [(samples, first + 10**6, time) for samples, first, time in after]
    return {
        "dropped chunk": (before + after[1:], fs),
        "duplicated chunk": (before + after[:1] + after, fs),
        "NaN": faulty(np.nan),
        "saturated channel": faulty(2 * decoder.largest_uv[CHANNEL]),
        "dead channel": faulty(0),
        "dead channels, an eighth of all": faulty(0, range(len(emg) // 8)),
        "unplugged channel, mains hum": faulty(hum),
        "a channel too few": (before + [(samples[1:], *rest) for samples, *rest in after], fs),
        "counter of the samples set anew": (before + recounted, fs),
        "other sampling rate": (sound, fs / 2),
        "rate changes, amplifier's time stamps": (slower, fs, AMPLIFIER),
        "rate changes, times of arrival": (slower, fs, ARRIVAL),
    }
