"""A decoder from a stream: recorded, decomposed, trained and exported in place."""

import warnings
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hdsemg_nb import cbss, latency, paths, train
from hdsemg_nb.decoders import DECODERS, OURS, STREAMED, Run, adaptive_net, muf_net
from hdsemg_nb.live.lsl import Input, Source
from hdsemg_nb.live.session import stamp_jitter
from hdsemg_nb.recording import Recording

RUNS = {  # by the ending of the file
    ".npz": Run(STREAMED, 40, 20, **adaptive_net.TRAINING),
    ".onnx": Run(OURS, 40, 20, **muf_net.TRAINING),
}
MOST_FOLLOWED = 128  # channels: the time that new filters take grows with their cube


def record(seconds, source=Source(), progress=True):  # noqa: B008
    """Record a stream.

    Parameters
    ----------
    seconds : float
    source : lsl.Source
    progress : bool
        Show a progress bar.

    Returns
    -------
    recording.Recording
        Without discharges.

    Raises
    ------
    TimeoutError
        When there is no stream, or it falls silent.
    ValueError
        When there are several, samples were lost or came again meanwhile, or `seconds` is not
        above 0.

    Warns
    -----
    UserWarning
        When a channel has no unit: it is taken as uV.
    """
    if not seconds > 0:
        raise ValueError(f"{seconds:g} s to record: above 0, half a minute to calibrate")
    stream = Input(source.find())
    fs, chunks, times = stream.stream.fs, [], []
    if not fs > 0:
        raise ValueError(f"stream {stream.stream.name!r} has no sampling rate: give it one")
    for note in stream.notes:
        warnings.warn(f"stream {stream.stream.name!r}: {note}", stacklevel=2)
    n_wanted, n = round(seconds * fs), 0
    with tqdm(total=round(seconds), unit="s", desc="record", disable=not progress) as bar:
        while n < n_wanted:
            emg, stamps = stream.pull(5.0)
            if not len(stamps):
                raise TimeoutError(f"stream {stream.stream.name!r} is silent after {n / fs:.1f} s")
            chunks.append(emg)
            times.append(stamps)
            n += len(stamps)
            bar.update(min(int(n / fs), round(seconds)) - bar.n)
    times = np.concatenate(times)
    off = (times - times[0]) * fs - np.arange(n)
    if np.ptp(off) > max(2, 2 * stamp_jitter(times, fs)):
        raise ValueError(
            f"{n} samples in {np.ptp(times):.3f} s, expected {fs:g} a second: samples were lost or "
            "came again; record once more"
        )
    emg = np.concatenate(chunks, axis=1)[:, :n_wanted]
    return Recording(emg, fs, grid=stream.stream.grid, source=f"live, {stream.stream.name}")


def prepared(to):
    """The run that `calibrate` carries out for a file, whose folder is made."""
    if Path(to).suffix not in RUNS:
        raise ValueError(f"{to}: name it *{' or *'.join(RUNS)}")
    paths.made(Path(to).parent)
    return RUNS[Path(to).suffix]


def calibrate(recording, to, progress=True):
    """Find motor units in a recording, train a decoder for them and export it.

    Parameters
    ----------
    recording : recording.Recording
        Its discharges, if any, are not looked at.
    to : str or pathlib.Path
        The exported decoder: adaptive MUF-Net for a file `*.npz`, MUF-Net for `*.onnx`; its folder
        is made.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pandas.DataFrame
        Quality of each motor unit, see `cbss.Decomposition`.

    Raises
    ------
    cbss.NoMotorUnit
        When none is good enough.
    ValueError
        When `to` has another ending.

    Warns
    -----
    UserWarning
        When there are more than `MOST_FOLLOWED` channels for a decoder that follows the signal.
    """
    run = prepared(to)  # before minutes of work
    if DECODERS[run.network].ending == ".npz" and recording.n_channels > MOST_FOLLOWED:
        late = f"{recording.n_channels} channels: new filters may not be ready in time"
        warnings.warn(f"{late}; *.onnx trains MUF-Net, which keeps its filters", stacklevel=2)
    found = cbss.decompose(recording, progress=progress)
    latency.export(train.fit(found.recording, run, progress=progress), to)
    return found.quality
