"""What every fitted decoder does, whatever it is made of."""

import math
import warnings
from dataclasses import replace

import numpy as np

from hdsemg_nb import segment
from hdsemg_nb.cbss.covariance import oversampling
from hdsemg_nb.cbss.filter import check_size, peaks
from hdsemg_nb.signal_check import interpolate

LARGEST_OFFSET = 0.1  # of a channel's mean, in its size; the sample recording has 0.001


class FittedDecoder:
    """A decoder fitted to a recording, or read from a file.

    A subclass has `fs`, the sampling frequency in Hz of its training, `channels`, their names
    (`channel_names`), `interpolated`, which of them were in training (`Recording.interpolated`),
    ``decode(emg)``, for EMG that is repaired alike, and when it was fitted here `run` and
    `look_ahead`. One that `follows` the signal leaves dead channels out by itself.
    """

    follows = False

    def decode_recording(self, recording):
        """Decode a recording of the same electrodes.

        Parameters
        ----------
        recording : recording.Recording
            Its discharge times, if any, are not looked at. The channels that were interpolated in
            training are interpolated for the decoder; others that are bad: `signal_check.repair`.

        Returns
        -------
        recording.Recording
            The same with the discharge times that were decoded, to the sample; they stand where
            the marks of the training stand in their action potentials. `pnr` is unknown.

        Raises
        ------
        ValueError
            When the sampling frequency or the electrodes are others than in training.

        Warns
        -----
        UserWarning
            When filters that follow the signal do not find a motor unit in it, and for others when
            a channel never changes, or has another mean than in training; when only one of
            recording and training has a grid: the order of the channels cannot be checked.
        """
        check_kind(recording, self.fs, self.channels)
        emg = interpolate(recording.emg, self.interpolated)
        dead = [] if self.follows else np.flatnonzero(np.ptp(emg, axis=1) == 0)
        if len(dead):
            names = ", ".join(self.channels[k] for k in dead)
            said = (
                f"channels that never change: {names}; `signal_check.repair` them before decoding"
            )
            warnings.warn(said, stacklevel=2)
        found, lost = self.found(emg)
        if lost:
            units = f"motor unit{'s' * (len(lost) > 1)} {', '.join(map(str, lost))}"
            said = f"to be checked, silent or not found in this signal for sure: {units}"
            warnings.warn(said, stacklevel=2)
        return replace(recording, discharges=found, pnr=None)

    def of_highest_f1(self):
        """Itself, where there are no other weights than those it has."""
        return self

    def found(self, emg):
        """Discharge times as from `decode`, and the motor units known to be lost."""
        return self.decode(emg), []


def check_kind(recording, fs, channels):
    """Refuse a recording that a decoder cannot take.

    Parameters
    ----------
    recording : recording.Recording
    fs : float
        Sampling frequency in Hz of the training.
    channels : sequence of str
        Names of its channels.

    Raises
    ------
    ValueError
        When the recording has another sampling frequency or number of channels, or channels that
        sit elsewhere on the grid.

    Warns
    -----
    UserWarning
        When only one of both has a grid, so that the order of the channels cannot be checked.
    """
    if not math.isclose(recording.fs, fs, rel_tol=1e-6):
        raise ValueError(
            f"fs={recording.fs:.9g} Hz, but the decoder was trained at {fs:.9g} Hz: resample "
            "the recording, or train on one of its kind"
        )
    names = channel_names(recording)
    numbered = {names[0], channels[0]} & set(_numbered(1))
    if len(names) != len(channels) or (not numbered and names != [*channels]):
        other = set(names) ^ set(channels)
        raise ValueError(
            f"the recording has {len(names)} channels, the decoder {len(channels)}, and "
            f"they differ in {', '.join(sorted(other)[:5]) or 'their order'}: it needs the "
            "electrodes of its training, in their order (`signal_check.repair` bad ones)"
        )
    if names != [*channels]:
        which = "recording" if recording.grid is None else "decoder's training"
        said = f"the {which} has no grid: that its channels stand in the same order is not checked"
        warnings.warn(said, stacklevel=3)


def channel_names(recording):
    """Name of each channel, by row and column of the grid, or by number without one."""
    if recording.grid is None:
        return _numbered(recording.n_channels)
    return [f"row {row}, column {column}" for row, column in recording.grid.electrodes]


def _numbered(n_channels):
    return [f"channel {k}" for k in range(n_channels)]


def warn_of_rate(fs, of):
    """Warn that a decoder with sizes in samples, made for about 2048 Hz, is given much more."""
    if oversampling(fs) > 1:
        few = f"{of} sees a fixed number of samples, made for about 2048 Hz: at {fs:g} Hz too short"
        warnings.warn(f"{few} a time, motor units are missed; resample the recording", stacklevel=3)


def decode_every_sample(predict, emg, run, offsets, fs, mean, typical):
    """Discharge times from windows that start at every sample.

    Parameters
    ----------
    predict : callable
        (emg, starts) to probabilities, shape (windows, motor units).
    emg : numpy.ndarray, shape (channels, samples)
        In uV.
    run : decoders.Run
        Or whatever has its window, step, span and threshold.
    offsets : array_like of int, shape (motor units,)
        Samples by which the labels of the training were moved.
    fs : float
        Sampling frequency in Hz.
    mean, typical : numpy.ndarray, shape (channels,)
        Of the training signal: mean in uV, size (`cbss.filter.piece_size`).

    Returns
    -------
    list of numpy.ndarray of int64
        Discharge times of each motor unit as 0-based samples of `emg`.

    Raises
    ------
    ValueError
        When `emg` holds a sample that is not finite, none that differs from another, or is in
        another unit than the training.
    """
    if not np.isfinite(emg).all():
        raise ValueError("emg holds a sample that is not finite: interpolate it before decoding")
    check_size(emg, typical)
    if not np.ptp(emg, axis=1).any():
        raise ValueError("emg never changes: every channel is dead")
    offset = np.abs(emg.mean(axis=1, dtype=float) - mean)
    if (offset > LARGEST_OFFSET * typical)[typical > 0].any():
        why = "the mean of the channels is not that of the training: high-pass both signals"
        warnings.warn(f"{why} (off by up to {offset.max():.3g} uV)", stacklevel=3)
    n_samples = emg.shape[1]
    starts = segment.window_starts(n_samples, run.window, 1)
    (low,), (high,) = segment.label_borders(starts[:1], run.window, run.span, run.step)
    found = to_the_sample(predict(emg, starts), low, high - low, run.threshold, fs)
    moved = [times - offset for times, offset in zip(found, offsets, strict=True)]
    return [times[(times >= 0) & (times < n_samples)].astype(np.int64) for times in moved]


def to_the_sample(probabilities, first, length, threshold, fs):
    """Discharge times to the sample, from labels that begin at every sample.

    At each sample stands the mean probability of the labels that hold it: of a discharge all of
    them do, so it rises to the discharge and falls behind it. Its peaks are the discharges. Where
    not all of these labels lie in the signal, before sample `first` + `length` - 1 and as long at
    its end, the peak would be elsewhere: nothing is found there.

    Parameters
    ----------
    probabilities : numpy.ndarray, shape (labels, motor units)
        Of a discharge in each label; each begins a sample after the one before.
    first, length : int
        First sample of the first label, and the samples of each.
    threshold : float
        Least mean probability of a discharge.
    fs : float
        Sampling frequency in Hz; no peak stands within the refractory time of a higher one.

    Returns
    -------
    list of numpy.ndarray of int64
        Discharge times of each motor unit as samples.
    """
    none = np.zeros((1, probabilities.shape[1]))
    total = np.cumsum(np.concatenate([none, probabilities]), axis=0, dtype=float)
    mean = (total[length:] - total[:-length]) / length  # from sample first + length - 1 on
    return [peaks(one, fs, threshold) + first + length - 1 for one in mean.T]
