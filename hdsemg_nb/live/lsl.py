"""Streams of the Lab Streaming Layer: found, checked against a decoder, opened, described."""

from typing import NamedTuple

import numpy as np

from hdsemg_nb.datasets.files import microvolts
from hdsemg_nb.recording import Grid

OTHERS_S = 1.0  # to wait for a second stream that fits as well
BUFFER_S = 60  # kept by the library for a receiver that is slow


class Lost(ConnectionError):
    """The sender of a stream is gone."""


def pylsl():
    """The library, imported when it is used: a log is read without it.

    Raises
    ------
    ImportError
        When it is not installed; names the extra.
    """
    try:
        import pylsl as library
    except (ImportError, RuntimeError, OSError) as error:
        raise ImportError(
            f"no Lab Streaming Layer ({error}): pip install 'hdsemg_nb[live]', or pip install pylsl"
        ) from error
    return library


class Source(NamedTuple):
    """How to find a stream; "" for whatever it is."""

    name: str = ""
    type: str = "EMG"
    source_id: str = ""
    hostname: str = ""

    def find(self, wait_s=10.0):
        """The one stream that fits.

        Returns
        -------
        pylsl.StreamInfo

        Raises
        ------
        TimeoutError
            When there is none after `wait_s` seconds.
        ValueError
            When several fit.
        """
        wanted = [f'{key}="{value}"' for key, value in self._asdict().items() if value]
        query = " and ".join(wanted) or "name!=''"
        first = pylsl().resolve_bypred(query, 1, wait_s)
        if not first:
            raise TimeoutError(f"no stream with {query} within {wait_s:g} s: is it sending?")
        found = pylsl().resolve_bypred(query, 2, OTHERS_S) or first
        if len(found) > 1:
            each = [f"{s.name()!r} from {s.hostname()!r}, id {s.source_id()!r}" for s in found]
            raise ValueError(
                f"{len(found)} streams have {query}: {each}; give name (--name), source id or host"
            )
        return found[0]


class Description(NamedTuple):
    """What a stream says of itself."""

    name: str
    fs: float  # Hz
    labels: list  # "" where a channel has none
    units: list
    ied_mm: float  # of the grid, NaN where unknown

    @property
    def grid(self):
        """The grid, when the labels are those of `latency.export` and the distance is known."""
        try:
            words = [label.replace(",", "").split() for label in self.labels]
            return Grid([(int(w[1]), int(w[3])) for w in words], self.ied_mm)
        except (ValueError, IndexError):
            return None


def described(info):
    """The `Description` in a full `pylsl.StreamInfo`."""
    channels, one = [], info.desc().child("channels").child("channel")
    while not one.empty():
        channels.append((one.child_value("label"), one.child_value("unit")))
        one = one.next_sibling("channel")
    channels += [("", "")] * (info.channel_count() - len(channels))
    labels, units = (list(x) for x in zip(*channels, strict=True))
    ied_mm = float(info.desc().child("grid").child_value("ied_mm") or "nan")
    return Description(info.name(), info.nominal_srate(), labels, units, ied_mm)


def fitted(stream, decoder):
    """Numbers of a stream's channels in the order of a decoder, and what was taken for granted.

    A ValueError names all that does not fit.
    """
    wrong, notes, wanted = [], [], list(decoder.channels)
    if stream.fs != decoder.fs:
        wrong.append(f"it has {stream.fs:g} Hz, the decoder was trained at {decoder.fs:g} Hz")
    order, lacking = list(range(len(stream.labels))), sorted(set(wanted) - set(stream.labels))
    if not lacking:
        order = [stream.labels.index(name) for name in wanted]
        if order != list(range(len(stream.labels))):
            notes.append("channels picked and put in the decoder's order by their names")
    elif len(lacking) < len(set(wanted)):
        wrong.append(f"it has no channel {', '.join(lacking)}")
    elif len(order) != len(wanted):
        wrong.append(f"it has {len(order)} channels, the decoder takes {len(wanted)}")
    else:
        notes.append("channel names are not the decoder's: taken in the order they come")
    try:
        factors([stream.units[k] for k in order])
    except ValueError as error:
        wrong.append(str(error))
    if wrong:
        raise ValueError(f"stream {stream.name!r} does not fit the decoder: {'; '.join(wrong)}")
    return order, notes


def factors(units):
    """Factors from units to uV, which "" counts as; ValueError for one unknown."""
    return np.array([microvolts(unit or "uV") for unit in units], dtype=np.float32)


class Input:
    """An opened stream of EMG.

    Parameters
    ----------
    info : pylsl.StreamInfo
        As found.
    decoder : latency.Decoder, optional
        That the stream has to fit (`fitted`); without one, its channels are taken as they are.

    Attributes
    ----------
    stream : Description
        Of the channels that are taken, in their order here.
    notes : list of str
        What was taken for granted.
    """

    def __init__(self, info, decoder=None):
        self.inlet = pylsl().StreamInlet(info, BUFFER_S, as_numpy=True)
        self.uid = info.uid()  # of this start of the sender
        sent = described(self._lost(self.inlet.info, 5.0))
        self._n_sent = len(sent.labels)
        self._order, self.notes = fitted(sent, decoder) if decoder else ([*range(self._n_sent)], [])
        labels, units = ([of[k] for k in self._order] for of in (sent.labels, sent.units))
        self.stream = sent._replace(labels=labels, units=units)
        self._factors = factors(units)
        if not all(units):
            self.notes.append("no unit in the description: taken as uV")
        self.correction = self._lost(self.inlet.time_correction, 5.0)  # to this machine's clock
        self._lost(self.inlet.open_stream, 5.0)

    def pull(self, wait_s=0.1):
        """What has come: as soon as there is something, after `wait_s` seconds at most.

        Returns
        -------
        emg : numpy.ndarray, shape (channels, samples)
            In uV.
        stamps : numpy.ndarray, shape (samples,)
            Time stamps in s, by the clock of this machine as it stood when the stream was opened.

        Raises
        ------
        Lost
            When the sender is gone.
        """
        samples, stamps = self._lost(self.inlet.pull_chunk, wait_s, 4096, min_samples=1)
        emg = np.reshape(samples, (len(stamps), self._n_sent)).T[self._order]
        return self._factors[:, None] * emg, np.asarray(stamps) + self.correction

    def _lost(self, call, *args, **options):
        try:
            return call(*args, **options)
        except (pylsl().util.LostError, pylsl().util.TimeoutError) as error:
            raise Lost(f"the sender is gone ({error})") from error


def outlet(name, kind, channels, fs=0, unit="", form="float32", ied_mm=None, source_id=None):
    """A stream to send, with the labels and the unit of its channels in its description.

    Parameters
    ----------
    name, kind : str
        Name and type of the stream.
    channels : sequence of str
    fs : float
        0: irregular.
    unit : str
    form : {"float32", "string"}
    ied_mm : float, optional
        Interelectrode distance.
    source_id : str, optional
        Default: the name.

    Returns
    -------
    pylsl.StreamOutlet
    """
    info = pylsl().StreamInfo(name, kind, len(channels), fs, form, source_id or name)
    described = info.desc().append_child("channels")
    for label in channels:
        one = described.append_child("channel").append_child_value("label", label)
        one.append_child_value("unit", unit).append_child_value("type", kind)
    if ied_mm is not None:
        info.desc().append_child("grid").append_child_value("ied_mm", f"{ied_mm:g}")
    return pylsl().StreamOutlet(info)
