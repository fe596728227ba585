"""Is the signal of a recording fit to be decoded: bad channels found, named and interpolated."""

from collections import namedtuple
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.signal import welch

# equal samples in a row: never in 12 min of sound 64-channel recordings at 2048 Hz
FLAT_MS, FLAT_SAMPLES = 3.0, 6  # so long and so many
LARGEST_FLAT = 0.01  # share of the time that a channel may be flat
LARGEST_CLIPPED = 1e-3  # share of the samples at the largest or smallest value of the channel
LEAST_RMS, LARGEST_RMS = 0.05, 5.0  # of the channels' median
LEAST_DIFFERENCE = 0.02  # of two channels, in their RMS; the sample recording has 0.05 and more
LARGEST_NOISE = 5.0  # power above a quarter of the sampling frequency, in the channels' median
LARGEST_MAINS = 0.1  # share of the power of 10-500 Hz; the sample recording has 0.02
LOOSE_MAINS = 0.5  # from here on a few channels are loose electrodes
PLAUSIBLE_UV = (2.0, 5000.0)  # RMS of a channel during a contraction
MOST_BAD = (
    0.15  # share of the channels; more can hardly be made good (doi:10.1101/2025.09.10.675422)
)
INTERPOLATED = ("dead", "flat", "saturated", "noisy")


class SignalCheck(namedtuple("SignalCheck", "channels notes")):
    """What `check_signal` found.

    A table with a row for each channel: channel, row and column (with a grid), rms_uv,
    flat_percent, clipped_percent, noise (power above a quarter of the sampling frequency, in the
    median of the channels), mains_percent (of the power of 10-500 Hz), bridged_with (a channel, -1
    for none), problem ("" for none), action ("keep" or "interpolate"). And a list of sentences
    about the recording as a whole.
    """


def check_signal(recording):
    """Look for dead, flat, saturated, noisy, mains-contaminated and bridged channels.

    The limits are the constants of this module, relative to the median channel where they can be.
    A channel is *dead* when it is constant or far smaller than the others, *flat* when it stands
    still for `FLAT_MS` again and again, *saturated* when samples pile up at its largest or smallest
    value, *noisy* when it is far larger than the others or has far more power above a quarter of
    the sampling frequency, *mains* when 50 or 60 Hz and their harmonics stand out, *bridged* when
    it hardly differs from another one.

    Parameters
    ----------
    recording : recording.Recording

    Returns
    -------
    SignalCheck
        Dead, flat, saturated and noisy channels are to be interpolated, and those of little but
        mains where they are few; the others are kept. Change the column `action` to overrule it,
        then `repair`.
    """
    rms = np.array([channel.std(dtype=float) for channel in recording.emg])
    typical = np.median(rms[rms > 0]) if rms.any() else np.inf
    noise, mains = _noise_and_mains(recording, rms)
    flat, clipped = _flat_share(recording), _clipped_share(recording.emg)
    bridged = _bridged(recording.emg, rms, rms < LEAST_RMS * typical)
    problems = {
        "dead": rms < LEAST_RMS * typical,
        "saturated": (clipped > LARGEST_CLIPPED) & (flat < 0.5),
        "flat": flat > LARGEST_FLAT,
        "noisy": (rms > LARGEST_RMS * typical) | (noise > LARGEST_NOISE),
        "mains": mains > LARGEST_MAINS,
        "bridged": bridged >= 0,
    }
    problem = np.select(list(problems.values()), list(problems), "")  # the first that holds
    table = pd.DataFrame({"channel": range(len(rms))})
    if recording.grid is not None:
        table[["row", "column"]] = recording.grid.electrodes
    table = table.assign(
        rms_uv=rms,
        flat_percent=100 * flat,
        clipped_percent=100 * clipped,
        noise=noise,
        mains_percent=100 * mains,
        bridged_with=bridged,
        problem=problem,
        action=np.where(np.isin(problem, INTERPOLATED) | _loose(mains), "interpolate", "keep"),
    )
    return SignalCheck(table, _notes(table, typical))


def _loose(mains):
    """Channels of mains alone, where most others have none: an electrode without contact."""
    few = (mains > LARGEST_MAINS).mean() <= MOST_BAD
    return few & (mains > LOOSE_MAINS)


def _noise_and_mains(recording, rms):
    """Of each channel: power above fs / 4 in the median of all, and the share of mains."""
    fs, length = recording.fs, min(round(recording.fs), recording.n_samples)
    spectra = [welch(channel, fs, nperseg=length) for channel in recording.emg]
    f, power = spectra[0][0], np.array([power for _, power in spectra])
    high = power[:, f > fs / 4].mean(axis=1)
    noise = high / (np.median(high[rms > 0]) if rms.any() else 1)
    every = np.maximum(power[:, (f >= 10) & (f <= 500)].sum(axis=1), np.finfo(float).tiny)
    mains = [
        sum(_line(f, power, harmonic * line) for harmonic in (1, 2, 3, 5)) / every
        for line in (50, 60)
    ]
    return noise, np.max(mains, axis=0)


def _line(f, power, frequency):
    """Power within 1.5 Hz of a frequency beyond that of its surroundings."""
    distance = np.abs(f - frequency)
    within, around = distance <= 1.5, (distance > 2.5) & (distance <= 8)
    if not within.any() or not around.any():
        return 0.0
    rest = power[:, around].mean(axis=1) * within.sum()
    return np.maximum(power[:, within].sum(axis=1) - rest, 0)


def flat_samples(fs):
    """Equal samples in a row from which a channel stands still, at a sampling frequency in Hz."""
    return max(FLAT_SAMPLES, round(FLAT_MS * fs / 1000))


def _flat_share(recording):
    """Share of the time in which a channel keeps its value for `FLAT_MS` or longer."""
    n, shares = flat_samples(recording.fs), []
    for channel in recording.emg:
        changes = np.flatnonzero(np.diff(channel, prepend=np.nan, append=np.nan) != 0)
        lengths = np.diff(changes)
        shares.append(lengths[lengths >= n].sum() / len(channel))
    return np.array(shares)


def _clipped_share(emg):
    """Share of the samples beyond the first at the largest or the smallest value of the channel."""
    ends = emg.min(axis=1, keepdims=True), emg.max(axis=1, keepdims=True)
    return np.max([(emg == end).mean(axis=1) for end in ends], axis=0) - 1 / emg.shape[1]


def _bridged(emg, rms, dead):
    """The channel that each one hardly differs from, -1 for none."""
    power, mean = rms**2, emg.mean(axis=1, keepdims=True, dtype=float)
    centred = emg - mean.astype(np.float32)
    products = centred @ centred.T / emg.shape[1]
    differences = power[:, None] + power - 2 * products
    alike = differences < LEAST_DIFFERENCE**2 * np.sqrt(np.outer(power, power))
    alike &= ~(dead[:, None] | dead) & ~np.eye(len(emg), dtype=bool)
    return np.where(alike.any(axis=1), alike.argmax(axis=1), -1)


def _notes(table, typical):
    notes = []
    if not PLAUSIBLE_UV[0] <= typical <= PLAUSIBLE_UV[1]:
        notes.append(
            f"The typical channel has {typical:.3g} uV RMS, expected {PLAUSIBLE_UV[0]:g} to "
            f"{PLAUSIBLE_UV[1]:g} in a contraction: is the signal in uV?"
        )
    bad = (table["action"] == "interpolate").mean()
    if bad > MOST_BAD:
        notes.append(
            f"{100 * bad:.0f} % of the channels are bad, more than {100 * MOST_BAD:.0f} %: motor "
            "units will be lost; look at the electrodes and record again"
        )
    if ((table["problem"] == "mains") & (table["action"] == "keep")).any():
        notes.append("Mains are kept, they cannot be interpolated: look at the ground electrode")
    return notes


def repair(recording, channels):
    """A recording whose bad channels are interpolated.

    Their number stays, so that a decoder takes other recordings of the same grid: each is the mean
    of its adjacent sound electrodes (of the nearest ones where it has none), or between the nearest
    sound channels by number where there is no grid.

    Parameters
    ----------
    recording : recording.Recording
    channels : array_like of int
        Numbers of the channels to interpolate, from 0; those interpolated before are so again, from
        what is sound now.

    Returns
    -------
    recording.Recording
        Its `interpolated` says from which channels.

    Raises
    ------
    ValueError
        When there is no such channel, no sound one is left, or these are no whole numbers.
    """
    channels, every = np.asarray(channels), np.arange(recording.n_channels)
    if channels.size == 0:
        return recording
    numbers = np.union1d(channels, [one for one, _ in recording.interpolated])
    sound = np.setdiff1d(every, numbers)
    if channels.dtype == bool or len(sound) == 0 or not np.isin(numbers, every).all():
        has = f"give numbers from 0 to {recording.n_channels - 1}, one has to be left"
        raise ValueError(f"channels={channels.tolist()} cannot be interpolated: {has}")
    places = every[:, None] if recording.grid is None else recording.grid.electrodes
    pairs = []
    for channel in numbers.astype(int):
        distance = np.linalg.norm(places[sound] - places[channel], axis=1)
        pairs.append((int(channel), tuple(sound[distance == distance.min()].tolist())))
    emg = interpolate(recording.emg, pairs)
    return replace(recording, emg=emg, interpolated=pairs)


def interpolate(emg, interpolated):
    """EMG in which channels are the mean of others, as `Recording.interpolated` says.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
    interpolated : sequence of (int, sequence of int)
    """
    if len(interpolated):
        emg = np.array(emg, dtype=np.result_type(emg, np.float32))
    for channel, others in interpolated:
        emg[channel] = emg[list(others)].mean(axis=0)
    return emg
