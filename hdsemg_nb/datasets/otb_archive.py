"""Readers for the archives of OTBioelettronica: .otb+ of OTBiolab+ and .otb4 of OTBiolab."""

import re
import tarfile
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from hdsemg_nb.datasets.files import chosen, force_fields, microvolts, naming, same_rate
from hdsemg_nb.datasets.otb import layout
from hdsemg_nb.recording import Recording

FULL_SCALE = {  # V over all steps of the converter, by device, as OTBioelettronica's MATLAB has it
    **dict.fromkeys(["QUATTROCENTO", "QUATTRO"], 5.0),
    **dict.fromkeys(["DUE+", "QUATTRO+"], 3.3),
    **dict.fromkeys(["SYNCSTATION", "SESSANTAQUATTRO", "SESSANTAQUATTRO+"], 4.8),
}
_GRID_TYPE = re.compile(r"(?:GR|HD)\d{2}MM\d{4}")
_NO_ELECTRODE = re.compile(r"aux|quaternion|buffer|ramp|control|load ?cell|force|direct", re.I)
_BESIDE = re.compile(r"\baux|load ?cell|force|performed|requested|original", re.I)
_STORED = {2: "<i2", 3: "<i4", 4: "<i4", 8: "<f8"}  # by the bytes of a sample


def load_otb_plus(path, grid=None):
    """Read an .otb+ recording of OTBiolab+.

    The file is a tar: one .sig with the samples of all channels of the device interleaved (int16),
    an .xml of the same name with the rate, the bits of the converter, and for each adapter its gain
    and first channel, for each channel the type of its grid and the muscle; and a pair of .sip
    (float64) and .pro (name, unit, rate) for each signal of the feedback. uV = counts x full scale
    / 2^bits / gain x 1e6; the full scale is in `FULL_SCALE`, the gain in the file.

    A grid is an adapter, or the adapters "IN 1" to "IN 4", or "IN 5" to "IN 8", of a Quattrocento
    when a splitter spreads it over them. No real file could be had: the reader follows MUedit
    (openOTBplus.m), muniverse (_otb_io.py), MNE-Python and the maker's OpenOTBfilesConvFact.m, and
    was checked on files built after them. Files of 24 bits are refused: those readers disagree.

    Parameters
    ----------
    path : str or pathlib.Path
    grid : str or int, optional
        Which of several grids: its number from 0, its name or a part of it.

    Returns
    -------
    recording.Recording
        EMG in uV, channels as `load_otb` puts them; no discharges. Force is the performed path or
        acquired force, else a load cell, the requested path, or a single auxiliary input.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken, of an unknown device or of 24 bits, or holds several grids and none
        is chosen; names the file.

    Warns
    -----
    UserWarning
        When the type of the grid is not known: `grid` is None.
    """
    with naming(path):
        members = _members(path)
        signal = _only(members, ".sig")
        device = _xml(members, PurePosixPath(signal).stem + ".xml")
        about = ("SampleFrequency", "ad_bits", "DeviceTotalChannels")
        fs, bits, n = (_number(device, name) for name in about)
        if bits != 16:
            raise ValueError(f"ad_bits={bits:g}: only 16 is read; export as .mat from OTBiolab+")
        counts = _samples(members[signal], 2, int(n), signal)
        volts = _full_scale(device) / 2**bits
        channels = _channels(device)
        grids = {}
        for index, adapter, channel in channels:
            if not _NO_ELECTRODE.search(f"{adapter.get('ID')} {channel.get('ID')}"):
                grids.setdefault(_input(adapter, channel), []).append((index, adapter, channel))
        name = list(grids)[chosen(list(grids), grid)]
        first = grids[name][0][2]
        scale = volts * 1e6 / np.array([_gain(*pair) for _, *pair in grids[name]])
        emg = counts[:, [index for index, *_ in grids[name]]].T * scale[:, None]
        beside = _feedback(members, len(counts), fs) + [
            (channel.get("ID", ""), "V", counts[:, index] * volts / _gain(adapter, channel))
            for index, adapter, channel in channels
            if _BESIDE.search(channel.get("ID", "")) and _number(adapter, "Gain", "0") > 0
        ]
        about = dict(muscle=_muscle(first), source=f"OTB+ file {Path(path).name}, {name}")
        return _recording(emg, fs, first.get("ID", ""), beside, about)


def load_otb4(path, grid=None):
    """Read an .otb4 recording of OTBiolab.

    The file is a tar: Tracks_000.xml describes each track (its .sig file, the bytes of a sample,
    its channels among those interleaved in the file, range and bits of the converter, gain, unit),
    and TrapezoidalTracks_000.xml the requested and the performed path (float64, in % MVC, at a rate
    of their own). Value = counts x range / 2^bits / gain x factor of the unit, as the maker's
    OpenOTB4_v2.m has it. A track's first channel is its AcquisitionChannel, or where that lies
    beyond the file, as in files of a Novecento+, its ChannelOffsetInSubPacket.

    No real file could be had: the reader follows that script, MUedit (openOTB4.m), hdsemg-shared
    and muniverse, and was checked on files built after them.

    Parameters
    ----------
    path : str or pathlib.Path
    grid : str or int, optional
        Which of several grids: its number from 0, its name or a part of it.

    Returns
    -------
    recording.Recording
        As of `load_otb_plus`.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is broken, or holds several grids and none is chosen; names the file.

    Warns
    -----
    UserWarning
        When the type of the grid is not known: `grid` is None.
    """
    with naming(path):
        members = _members(path)
        names = sorted(name for name in members if re.fullmatch(r"\w*Tracks_\d+\.xml", name))
        tracks = [track for name in names for track in _xml(members, name).iter("TrackInfo")]
        emg = [track for track in tracks if _is_emg(track)]
        titles = [_title(track) for track in emg]
        track = emg[chosen(titles, grid)]
        values, fs, unit = _track(members, track)
        beside = []
        for other in tracks:
            if other not in emg and _BESIDE.search(_title(other)):
                signal, rate, its_unit = _track(members, other)
                signal = same_rate(signal[:, 0], rate, len(values), fs)
                beside.append((_title(other), its_unit, signal))
        about = dict(muscle=track.findtext("Muscle") or "")
        about["source"] = f"OTB4 file {Path(path).name}, {_title(track)}"
        emg = values.T * microvolts(unit, f"UnitOfMeasurement of {_title(track)}")
        return _recording(emg, fs, _grid_type(track), beside, about)


def _recording(emg, fs, kind, beside, about):
    order, grid = layout(kind, range(len(emg)))
    return Recording(emg[order], fs, grid=grid, **about, **force_fields(beside, emg.shape[1]))


def _members(path):
    """Content of each file of the archive, by its name without folders."""
    try:
        with tarfile.open(path) as archive:
            files = [member for member in archive if member.isfile()]
            return {PurePosixPath(x.name).name: archive.extractfile(x).read() for x in files}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"cannot be read as a tar ({error}); is it cut short?") from error


def _only(members, suffix):
    found = [name for name in members if name.endswith(suffix)]
    if len(found) != 1:
        raise ValueError(f"holds {len(found)} {suffix} files, expected one; of {sorted(members)}")
    return found[0]


def _xml(members, name):
    if name not in members:
        raise ValueError(f"{name} is missing, found {sorted(members)}")
    try:
        return ElementTree.fromstring(members[name])
    except ElementTree.ParseError as error:
        raise ValueError(f"{name} is no XML ({error})") from error


def _number(element, name, missing=None):
    """Number in an attribute or a child of an XML element."""
    text = element.get(name, element.findtext(name)) or missing
    try:
        return float(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{element.tag} has {name}={text!r}, expected a number") from error


def _samples(content, size, n_channels, name):
    """Interleaved samples (samples, channels) as stored."""
    if size not in _STORED or n_channels < 1 or len(content) % (size * n_channels):
        is_of = f"{len(content)} bytes, not whole samples of {n_channels} channels of {size} bytes"
        raise ValueError(f"{name} has {is_of}; is the file cut short?")
    if size == 3:  # as the upper bytes of an int32
        padded = np.zeros((len(content) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        return padded.view("<i4").reshape(-1, n_channels) >> 8
    return np.frombuffer(content, _STORED[size]).reshape(-1, n_channels)


def _full_scale(device):
    name = device.get("Name", "").split(";")[0].strip().upper()
    if name not in FULL_SCALE:
        known = f"{sorted(FULL_SCALE)}; export as .mat from OTBiolab+, which tells uV"
        raise ValueError(f"the full scale of the device {name!r} is not known, only of {known}")
    return FULL_SCALE[name]


def _channels(device):
    """Place among the samples, adapter and description of each channel, in their order."""
    channels = [
        (int(_number(adapter, "ChannelStartIndex") + _number(channel, "Index")), adapter, channel)
        for adapter in device.iter("Adapter")
        for channel in adapter.iter("Channel")
    ]
    total = _number(device, "DeviceTotalChannels")
    last = max((place for place, *_ in channels), default=0)
    if last >= total:
        raise ValueError(f"the .xml places a channel at {last}, DeviceTotalChannels={total:g}")
    return sorted(channels, key=lambda channel: channel[0])


def _gain(adapter, channel):
    gain = _number(adapter, "Gain") * _number(channel, "Gain", "1")
    if not gain > 0:
        raise ValueError(f"adapter {adapter.get('ID')!r} has a gain of {gain:g}, expected above 0")
    return gain


def _input(adapter, channel):
    """Name of the grid a channel belongs to: muscle, input, type."""
    place = channel.get("Prefix", "").strip() or f"adapter {adapter.get('AdapterIndex', '?')}"
    single = re.fullmatch(r"IN ?(\d).*", place)
    if single and "splitter" in f"{channel.get('Description')} {adapter.get('ID')}".lower():
        place = "IN 1-4" if int(single[1]) < 5 else "IN 5-8"
    return " - ".join(x for x in (_muscle(channel), place, channel.get("ID", "")) if x)


def _muscle(channel):
    known = [channel.get(name, "").strip() for name in ("Side", "Muscle")]
    return " ".join(x for x in known if x and x.lower() != "not defined")


def _feedback(members, n_samples, fs):
    """Name, unit and samples of the .sip files, each with its .pro."""
    signals = []
    for name in sorted(name for name in members if name.endswith(".sip")):
        about = _xml(members, PurePosixPath(name).stem + ".pro")
        values = _samples(members[name], 8, 1, name)[:, 0]
        rate = _number(about, "fsample", str(fs))
        unit = (about.findtext("unity_of_measurement") or "").strip()
        label = about.findtext("description") or ""
        signals.append((label, unit, same_rate(values, rate, n_samples, fs)))
    return signals


def _title(track):
    parts = [track.findtext(name) or "" for name in ("Title", "SubTitle")]
    return " - ".join(x.strip() for x in dict.fromkeys([*parts, _grid_type(track)]) if x.strip())


def _grid_type(track):
    places = "Description/Name", "Description/SensorType", "StringsDescriptions/OriginalSensor"
    found = [_GRID_TYPE.search((track.findtext(place) or "").upper()) for place in places]
    return next((part[0] for part in found if part), track.findtext(places[0]) or "")


def _is_emg(track):
    names = " ".join(track.findtext(x) or "" for x in ("Title", "SubTitle", "Description/Name"))
    is_other = "true" in (track.findtext("IsControl"), track.findtext("IsProcessing"))
    return (
        not is_other and _number(track, "SampleSize", "2") < 8 and not _NO_ELECTRODE.search(names)
    )


def _track(members, track):
    """Values (samples, channels) of a track, its rate in Hz and its unit."""
    name = track.findtext("SignalStreamPath") or ""
    if name not in members:
        raise ValueError(f"{name!r} of track {_title(track)!r} is missing")
    size, total = int(_number(track, "SampleSize", "2")), int(_number(track, "TotalChannelsInFile"))
    values, n = _samples(members[name], size, total, name), int(_number(track, "NumberOfChannels"))
    starts = [_number(track, "AcquisitionChannel"), _number(track, "ChannelOffsetInSubPacket", "0")]
    first = int(next((start for start in starts if start + n <= total), total))
    if first + n > total:
        raise ValueError(f"track {_title(track)!r} has channels beyond the {total} of {name}")
    gain, bits = _number(track, "Gain", "1"), _number(track, "ADC_Nbits", "0")
    scale = _number(track, "UnitOfMeasurementFactor", "1")
    if size < 8 and bits > 0 and gain > 0:
        scale *= _number(track, "ADC_Range") / 2**bits / gain
    values = values[:, first : first + n] * (scale if size < 8 else 1.0)
    return values, _number(track, "SamplingFrequency"), track.findtext("UnitOfMeasurement") or ""
