"""Readers of .otb+ and .otb4 on files built after what public readers say of the formats."""

import io
import tarfile

import numpy as np
import pytest

from hdsemg_nb.datasets.otb_archive import load_otb4, load_otb_plus

N, FS = 150, 2048


def archive(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            content = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def members(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def counts(n_channels, dtype="<i2"):
    """Channel k carries k + 1 and minus that, sample by sample."""
    sign = np.where(np.arange(N) % 2, -1, 1)
    return (sign[:, None] * np.arange(1, n_channels + 1)).astype(dtype)


def adapter(
    start, channels, prefix, grid="GR08MM1305", gain=150, muscle="Tibialis anterior", **more
):
    about = {"ID": "AD64F", "Gain": gain, "ChannelStartIndex": start, "AdapterIndex": 1} | more
    attributes = " ".join(f'{key}="{value}"' for key, value in about.items())
    inside = "".join(
        f'<Channel Index="{k}" ID="{grid}" Prefix="{prefix}" Gain="1" Muscle="{muscle}" '
        f'Side="Not defined" Description="{channels}-channel array, Splitter"/>'
        for k in range(channels)
    )
    return f"<Adapter {attributes}>{inside}</Adapter>"


CONTROL = adapter(132, 2, "", "RampChannel", 1, ID="AdapterControl")
AUX = adapter(128, 4, "", "AUX 1", 0.5, ID="Direct connection")
GRIDS = [
    adapter(0, 64, "MULTIPLE IN 1"),
    adapter(64, 64, "MULTIPLE IN 2", "HD08MM1305", 500, "Soleus"),
]


def otb_plus(path, adapters=(*GRIDS, AUX, CONTROL), bits=16, name="QUATTROCENTO;1", **more):
    total = 134 if len(adapters) == 4 else 64
    head = f'Name="{name}" SampleFrequency="{FS}" ad_bits="{bits}" DeviceTotalChannels="{total}"'
    xml = f"<Device {head}><Channels>{''.join(adapters)}</Channels></Device>"
    members = {"20260101.sig": counts(total).tobytes(), "20260101.xml": xml, "patient.xml": "<a/>"}
    return archive(path, members | more)


def feedback(name, unit="% MVC", fsample=FS):
    tags = dict(description=name, unity_of_measurement=unit, fsample=fsample)
    return "<a>" + "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags.items()) + "</a>"


def test_otb_plus_in_microvolts_over_the_grid(tmp_path):
    path = otb_plus(tmp_path / "a b.otb+")
    one, other = (load_otb_plus(path, grid=grid) for grid in ("Tibialis", 1))
    step = 5 / 2**16 / 150 * 1e6
    assert step == pytest.approx(0.50863, abs=1e-5)  # of the sample recording, a Quattrocento's
    electrode = one.grid.image(one.emg[:, 0]) / step
    np.testing.assert_allclose(electrode[1], [1, 24, 27, 50, 53], rtol=1e-6)
    np.testing.assert_allclose(one.emg[:, 1], -one.emg[:, 0])
    step = 5 / 2**16 / 500 * 1e6
    electrode = other.grid.image(other.emg[:, 0]) / step
    np.testing.assert_allclose(electrode[1], [64 + x for x in (53, 40, 27, 14, 1)], rtol=1e-6)
    assert (one.fs, one.muscle, other.muscle) == (FS, "Tibialis anterior", "Soleus")


def test_otb_plus_with_several_grids_names_them(tmp_path):
    names = "0 'Tibialis anterior - MULTIPLE IN 1 - GR08MM1305', 1 'Soleus - MULTIPLE IN 2 - HD"
    with pytest.raises(ValueError, match=rf"a\.otb\+: grid=None must .* 2 grid.*{names}"):
        load_otb_plus(otb_plus(tmp_path / "a.otb+"))


def test_a_grid_spread_over_four_inputs_is_one(tmp_path):
    adapters = [adapter(16 * k, 16, f"IN {k + 1}") for k in range(4)]
    recording = load_otb_plus(otb_plus(tmp_path / "a.otb+", adapters))
    electrode = recording.grid.image(recording.emg[:, 0]) / recording.emg[:, 0].min()
    np.testing.assert_allclose(electrode[12], [12, 13, 38, 39, 64], rtol=1e-5)


def test_otb_plus_force(tmp_path):
    path = otb_plus(tmp_path / "a.otb+")
    aux = load_otb_plus(path, grid=0)
    assert aux.force is None  # four auxiliary inputs, none of which says what it is
    wanted, done = np.linspace(0, 20, N // 2), np.linspace(0, 19, N + 3)
    more = {
        "1.sip": wanted.tobytes(),
        "1.pro": feedback("requested path", fsample=FS / 2),
        "2.sip": done.tobytes(),
        "2.pro": feedback("performed path"),
    }
    both = load_otb_plus(otb_plus(tmp_path / "b.otb+", **more), grid=0)
    assert both.force_name == "force (% MVC)"
    np.testing.assert_allclose(both.force, done[:N], rtol=1e-6)
    more["2.sip"] = done[: N // 2].tobytes()  # not held for the other half
    with pytest.warns(UserWarning, match=f"the force has {N // 2} samples, .* left out"):
        assert load_otb_plus(otb_plus(tmp_path / "d.otb+", **more), grid=0).force is None
    more["2.sip"] = b""
    target = load_otb_plus(otb_plus(tmp_path / "c.otb+", **more), grid=0)
    assert target.force_name == "target (% MVC)"
    np.testing.assert_allclose(target.force[::2], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(name="EMG-USB2"), "full scale of the device 'EMG-USB2' is not known.*QUATTROCENTO"),
        (dict(bits=24), "ad_bits=24: only 16 is read; export as .mat"),
        (dict(adapters=[adapter(0, 64, "IN 1", gain=0)]), "gain of 0, expected above 0"),
        (dict(adapters=[adapter(0, 60, "IN 1")]), "has electrodes 1 to 64, the file 60"),
        (dict(adapters=[adapter(90, 64, "IN 1")]), "places a channel at 153, DeviceTotal.*=64"),
        ({"20260101.sig": b"abc"}, r"20260101\.sig has 3 bytes, not whole samples of 134"),
        ({"20260101.xml": "<Device"}, "20260101.xml is no XML"),
        ({"20260101.xml": "<Device/>"}, "Device has SampleFrequency=None, expected a number"),
        ({"2.sig": b""}, "holds 2 .sig files, expected one"),
    ],
)
def test_broken_otb_plus_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"a\.otb\+: .*{message}"):
        load_otb_plus(otb_plus(tmp_path / "a.otb+", **changes), grid=0)


def track(title, stream, n=64, total=64, first=0, offset=0, size=4, bits=24, **more):
    tags = {
        "Title": title,
        "Device": "Novecento+",
        "IsControl": "false",
        "NumberOfChannels": n,
        "TotalChannelsInFile": total,
        "AcquisitionChannel": first,
        "ChannelOffsetInSubPacket": offset,
        "SamplingFrequency": FS,
        "SampleSize": size,
        "ADC_Nbits": bits,
        "ADC_Range": 4.8,
        "Gain": 2,
        "UnitOfMeasurement": "mV",
        "UnitOfMeasurementFactor": 1000,
        "SignalStreamPath": stream,
    } | more
    inside = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags.items())
    return f"<TrackInfo>{inside}</TrackInfo>"


def sensor(name):
    return {"Description": f"<Name>{name}</Name>"}


TRACKS = [
    track("IN 1", "1.sig", **sensor("HD08MM1305"), Muscle="Soleus"),
    track("IN 2", "2.sig", 32, 34, first=100, offset=2, **sensor("HD10MM0804")),
    track("Novecento+", "2.sig", 1, 34, offset=1, SubTitle="AUX 1", UnitOfMeasurement="V"),
    track("Control Signals", "2.sig", 1, 34, IsControl="true"),
]
STREAMS = {"1.sig": counts(64, "<i4").tobytes(), "2.sig": counts(34, "<i4").tobytes()}


def otb4(path, tracks=tuple(TRACKS), **members):
    xml = f"<ArrayOfTrackInfo>{''.join(tracks)}</ArrayOfTrackInfo>"
    return archive(path, {"Tracks_000.xml": xml, **STREAMS, **members})


def test_otb4_in_microvolts_over_the_grid(tmp_path):
    path = otb4(tmp_path / "a.otb4")
    one, other = (load_otb4(path, grid=grid) for grid in ("HD08MM1305", "IN 2"))
    step = 4.8 / 2**24 / 2 * 1e6
    electrode = one.grid.image(one.emg[:, 0]) / step
    np.testing.assert_allclose(electrode[1], [53, 40, 27, 14, 1], rtol=1e-6)
    electrode = other.grid.image(other.emg[:, 0]) / step
    np.testing.assert_allclose(electrode[0], [3, 11, 19, 27], rtol=1e-6)  # two channels before it
    assert (one.muscle, one.fs, other.grid.ied_mm) == ("Soleus", FS, 10)
    assert one.force_name == "Novecento+ - AUX 1 (V)"
    inside = archive(
        tmp_path / "b.otb4", {f"a/{name}": content for name, content in members(path).items()}
    )
    assert load_otb4(inside, grid=0).digest == one.digest
    with pytest.raises(ValueError, match="2 grid.*0 'IN 1 - HD08MM1305', 1 'IN 2 - HD10MM0804'"):
        load_otb4(path)


@pytest.mark.parametrize("size", [2, 3])
def test_otb4_samples_of_two_and_three_bytes(tmp_path, size):
    stream = counts(64, "<i4").view(np.uint8).reshape(-1, 4)[:, :size].tobytes()
    tracks = [track("IN 1", "1.sig", size=size, bits=8 * size, **sensor("HD08MM1305"))]
    recording = load_otb4(otb4(tmp_path / "a.otb4", tracks, **{"1.sig": stream}))
    step = 4.8 / 2 ** (8 * size) / 2 * 1e6
    np.testing.assert_allclose(recording.emg[:, 1].min() / step, -64, rtol=1e-6)


def test_otb4_paths(tmp_path):
    values = np.stack([np.linspace(0, 9, N // 10), np.linspace(0, 8, N // 10)], axis=1)
    feedback = dict(n=1, total=2, size=8, bits=0, SamplingFrequency=FS / 10)
    more = dict(feedback, UnitOfMeasurement="% MVC")
    paths = [
        track("Trapezoidal", "3.sig", SubTitle="Original Path", **more),
        track("Trapezoidal", "3.sig", first=1, SubTitle="Performed Path", **more),
    ]
    members = {
        "TrapezoidalTracks_000.xml": f"<ArrayOfTrackInfo>{''.join(paths)}</ArrayOfTrackInfo>",
        "3.sig": values.astype("<f8").tobytes(),
    }
    recording = load_otb4(otb4(tmp_path / "a.otb4", **members), grid=0)
    assert recording.force_name == "force (% MVC)"
    np.testing.assert_allclose(recording.force[::10], values[:, 1], rtol=1e-6)
    np.testing.assert_allclose(recording.force[5], values[:2, 1].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([track("IN 1", "9.sig")], "'9.sig' of track 'IN 1' is missing"),
        ([track("IN 1", "1.sig", 65, first=1)], "'IN 1' has channels beyond the 64 of 1.sig"),
        ([track("IN 1", "1.sig", total=63)], "1.sig has .* not whole samples of 63"),
        ([track("IN 1", "1.sig", UnitOfMeasurement="N")], "UnitOfMeasurement of IN 1='N' must be"),
        ([], "0 grid"),
    ],
)
def test_broken_otb4_is_named(tmp_path, tracks, message):
    with pytest.raises(ValueError, match=rf"a\.otb4: .*{message}"):
        load_otb4(otb4(tmp_path / "a.otb4", tracks))


def test_an_unknown_grid_keeps_the_order_of_the_file(tmp_path):
    path = otb4(tmp_path / "a.otb4", [track("IN 1", "1.sig", **sensor("XY"))])
    with pytest.warns(UserWarning, match="electrodes of 'XY' are is not known: grid is None"):
        recording = load_otb4(path)
    assert recording.grid is None and recording.emg[0, 0] < recording.emg[63, 0]
