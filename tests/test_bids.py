"""EMG-BIDS: folders with the oddities of those that others wrote, and our own back again."""

import json
import warnings
from dataclasses import replace

import edfio
import numpy as np
import pytest

from hdsemg_nb.datasets import load_bids, load_edf, save_bids
from hdsemg_nb.datasets.bids import read_spikes
from hdsemg_nb.recording import Recording, rectangular_grid
from hdsemg_nb.signal_check import repair

FS, N = 1000, 500


def tsv(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n", encoding="utf-8")


def edf(path, signals, kind="edf", fs=FS):
    """Signals as {label: (unit, samples)}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file, signal = {"edf": (edfio.Edf, edfio.EdfSignal), "bdf": (edfio.Bdf, edfio.BdfSignal)}[kind]
    made = [
        signal(x, fs * len(x) / N, label=label, physical_dimension=unit, physical_range=(-200, 200))
        for label, (unit, x) in signals.items()
    ]
    file(made, data_record_duration=N / fs).write(path)
    return path


def wave(k):
    """Channel k, of the amplitude k + 1."""
    return (k + 1) * np.where(np.arange(N) % 2, -1.0, 1.0)


def channels(n=4, units="uV", **more):
    """Rows of a channels.tsv for two grids of `n`, numbered E1 to En each, and a torque."""
    rows = [["name", "type", "units", "signal_electrode", "group", "target_muscle", "status"]]
    for g in (1, 2):
        for k in range(1, n + 1):
            name = f"EMG{(g - 1) * n + k}"
            rows.append([name, "EMG", units, f"E{k}", f"Grid{g}", f"muscle {g}", "good"])
    return [*rows, ["Torque", "MISC", "Nm", "n/a", "n/a", "n/a", "n/a"]]


def electrodes(place):
    rows = [["name", "x", "y", "coordinate_system", "group"]]
    for g in (1, 2):
        places = [place(k) for k in range(4)][:: 1 if g == 1 else -1]
        rows += [[f"E{k + 1}", *places[k], f"grid{g}", f"Grid{g}"] for k in range(4)]
    return [*rows, ["R1", 0, 100, "thigh", "Grid1"]]


def dataset(root, header="uV", place=lambda k: (8 * (k % 2), 8 * (k // 2)), **changes):
    """Two 2 x 2 grids in one file, tables at several levels, as emg_TwoHDsEMG."""
    root.mkdir(parents=True, exist_ok=True)
    emg = root / "sub-01" / "emg"
    signals = {f"EMG{k + 1}": (header, wave(k)) for k in range(8)}
    signals["Torque"] = (header, np.linspace(0, 50, N // 10))
    edf(emg / "sub-01_task-hold_emg.edf", signals)
    (root / "dataset_description.json").write_text('{"Name": "x"}')
    (root / "task-hold_emg.json").write_text('{"SamplingFrequency": 1000, "RecordingDuration": 9}')
    (emg / "sub-01_task-hold_emg.json").write_text('{"RecordingDuration": 0.5}')
    tsv(emg / "sub-01_task-hold_channels.tsv", *changes.get("channels", channels()))
    tsv(emg / "sub-01_electrodes.tsv", *electrodes(place))
    for space in ("grid1", "grid2", "thigh"):
        unit = "m" if space == "thigh" else changes.get("coordinates", "mm")
        about = json.dumps({"EMGCoordinateUnits": unit, "Description": "x: LM → MM"})
        path = emg / f"sub-01_space-{space}_coordsystem.json"
        path.write_text(about, encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path):
    return dataset(tmp_path / "my data")


def test_each_grid_by_its_group(root):
    one, other = load_bids(root, grid="Grid1"), load_bids(root / "sub-01", grid=1)
    np.testing.assert_allclose(one.emg[:, 0], [1, 2, 3, 4], atol=0.01)
    np.testing.assert_allclose(other.emg[:, 0], [8, 7, 6, 5], atol=0.01)
    assert (one.fs, one.subject, one.muscle, other.muscle) == (FS, "01", "muscle 1", "muscle 2")
    assert one.grid.electrodes.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert one.grid.ied_mm == 8
    assert one.force_name == "force (Nm)"
    np.testing.assert_allclose(one.force[::10], np.linspace(0, 50, N // 10), atol=0.01)
    with pytest.raises(ValueError, match="hold_emg.edf: grid=None .* 0 'Grid1', 1 'Grid2'"):
        load_bids(root)


@pytest.mark.parametrize(
    ("place", "order", "electrodes"),
    [
        (lambda k: (8 * (k // 2), 8 * (k % 2)), [1, 3, 2, 4], [[0, 0], [0, 1], [1, 0], [1, 1]]),
        (lambda k: (0, [30, 0, 20, 10][k]), [2, 4, 3, 1], [[0, 0], [1, 0], [2, 0], [3, 0]]),
        (lambda k: ([0, 4, 12, 16][k], 0), [1, 2, 3, 4], [[0, 0], [0, 1], [0, 3], [0, 4]]),
        (lambda k: ([0, 4, 13.5, 16][k], 0), [1, 2, 3, 4], None),
        (lambda k: (0, 8 * (k // 2)), [1, 2, 3, 4], None),
        (lambda k: ("n/a", 8 * k), [1, 2, 3, 4], None),
        (
            lambda k: (8 * (k % 2) + 1e-9 * k, 8 * (k // 2)),
            [1, 2, 3, 4],
            [[0, 0], [0, 1], [1, 0], [1, 1]],
        ),
        (lambda k: (8 * (k % 2) + 0.01 * k, 8 * (k // 2)), [1, 2, 3, 4], None),
    ],
)
def test_regular_positions_make_a_grid(tmp_path, place, order, electrodes):
    root = dataset(tmp_path, place=place)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording = load_bids(root, grid=0)
    np.testing.assert_allclose(recording.emg[:, 0], order, atol=0.01)
    if electrodes is None:
        assert recording.grid is None and "grid is None" in str(caught[0].message)
    else:
        assert recording.grid.electrodes.tolist() == electrodes and not caught


@pytest.mark.parametrize(("unit", "told", "ied"), [("cm", {}, 80), ("percent", 5, 5)])
def test_distance_in_the_unit_of_the_coordinates_or_as_told(tmp_path, unit, told, ied):
    root = dataset(tmp_path, coordinates=unit)
    if told:
        (root / "emg.json").write_text(json.dumps({"InterelectrodeDistance": told}))
    assert load_bids(root, grid=0).grid.ied_mm == ied


def test_the_unit_of_the_header_wins_and_it_is_said(tmp_path):
    root = dataset(tmp_path, header="mV")
    with pytest.warns(
        UserWarning, match="in mV by the EDF header, uV by channels.tsv; taken as mV"
    ):
        recording = load_bids(root, grid=0)
    np.testing.assert_allclose(recording.emg[:, 0], [1e3, 2e3, 3e3, 4e3], atol=10)
    assert recording.force_name == "force (Nm)" and recording.force.max() < 51
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(load_bids(root, 0, unit="uV").emg[0, 0], 1, atol=0.01)


def test_the_table_tells_the_unit_where_the_header_is_silent(tmp_path):
    root = dataset(tmp_path, header="", channels=channels(units="mV"))
    np.testing.assert_allclose(load_bids(root, grid=0).emg[0, 0], 1e3, atol=10)
    root = dataset(tmp_path / "none", header="", channels=channels(units="n/a"))
    with pytest.raises(ValueError, match=r"emg\.edf: unit of EMG1='' must be 'uV', 'mV' or 'V'"):
        load_bids(root, grid=0)


def test_bad_channels_are_interpolated_and_named(tmp_path):
    rows = channels()
    rows[2][-1] = "bad"
    with pytest.warns(UserWarning, match="bad channels interpolated: EMG2"):
        recording = load_bids(dataset(tmp_path, channels=rows), grid=0)
    np.testing.assert_allclose(recording.emg[:, 0], [1, 2.5, 3, 4], atol=0.01)  # of EMG1 and EMG4
    assert len(recording.grid.electrodes) == 4


def test_without_groups_a_grid_is_a_coordinate_system(tmp_path):
    head, *rows = channels()
    for k, row in enumerate(rows):
        row[3:5] = f"E{k + 1}", "n/a"
    root = dataset(tmp_path, channels=[head, *rows])
    places = [[f"E{k + 1}", 8 * (k % 4), 0, f"grid{k // 4 + 1}"] for k in range(8)]
    tsv(root / "sub-01/emg/sub-01_electrodes.tsv", ["name", "x", "y", "coordinate_system"], *places)
    recording = load_bids(root, grid="grid2")
    np.testing.assert_allclose(recording.emg[:, 0], [5, 6, 7, 8], atol=0.01)
    assert recording.grid.shape == (1, 4)


def test_a_broken_json_is_named(root):
    (root / "emg.json").write_text("{")
    with pytest.raises(ValueError, match=r"hold_emg\.edf: emg.json beside it is no JSON"):
        load_bids(root, grid=0)


def test_channels_in_another_order_are_found_by_name(tmp_path):
    head, *rows = channels()
    recording = load_bids(dataset(tmp_path, channels=[head, *rows[::-1]]), grid="Grid1")
    np.testing.assert_allclose(recording.emg[:, 0], [1, 2, 3, 4], atol=0.01)


def test_channels_in_another_order_with_another_name_are_refused(tmp_path):
    head, *rows = channels()
    rows[3][0] = "EMG 4"
    message = "channels.tsv lists 'Torque' where the file has 'EMG1', others in another order"
    with pytest.raises(ValueError, match=message):
        load_bids(dataset(tmp_path, channels=[head, *rows[::-1]]), grid="Grid1")
    renamed = load_bids(dataset(tmp_path, channels=[head, *rows]), grid="Grid1")
    np.testing.assert_allclose(renamed.emg[:, 0], [1, 2, 3, 4], atol=0.01)


@pytest.mark.parametrize("where", ["beside", "derivatives"])
@pytest.mark.parametrize("column", ["event_type", "trial_type", "description"])
def test_discharges(root, where, column):
    head = ["onset", "duration", "sample", "unit_id", column]
    folder = root / "sub-01" / "emg"
    if where == "derivatives":
        tsv(folder / "sub-01_task-hold_events.tsv", head[:2], [0.1, 0])
        folder = root / "derivatives" / "motor-unit-decomposition" / "sub-01" / "emg"
        other = folder / "sub-01_acq-other_task-hold_events.tsv"
        tsv(other, head, [0, 0, 1, 0, "motor-unit-spike"])
    spikes = [(80, 10), (30, 2), (20, 10), (20, 2)]
    rows = [[f"{s / FS:.4f}", 0, s, unit, "motor-unit-spike"] for s, unit in spikes]
    tsv(folder / "sub-01_task-hold_desc-x_events.tsv", head, [0, 5, 0, "n/a", "ramp"], *rows)
    discharges = load_bids(root, grid=0).discharges
    assert [times.tolist() for times in discharges] == [[20, 30], [20, 80]]


def test_onsets_are_taken_where_samples_are_not_told(tmp_path):
    path = tmp_path / "events.tsv"
    tsv(path, ["onset", "event_type", "unit_id"], [0.0305, "motor-unit-spike", "a"])
    assert [times.tolist() for times in read_spikes(path, 2048)] == [[62]]
    tsv(path, ["onset", "event_type", "unit_id"], ["soon", "motor-unit-spike", "a"])
    with pytest.raises(ValueError, match="events.tsv has a time that is no number"):
        read_spikes(path, 2048)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0.5, 1024, ""], "events.tsv has a discharge without unit_id"),
        ([0.5, 1024, "n/a"], "events.tsv has a discharge without unit_id"),
        ([0.5, 1024.5, 0], "events.tsv, unit 0 holds 1024.5, expected whole"),
        (["n/a", "n/a", 0], "events.tsv, unit 0 holds nan"),
    ],
)
def test_events_that_cannot_be_right_are_named(tmp_path, row, message):
    head = ["onset", "sample", "unit_id", "event_type"]
    tsv(tmp_path / "events.tsv", head, [*row, "motor-unit-spike"])
    with pytest.raises(ValueError, match=message):
        read_spikes(tmp_path / "events.tsv", 2048)


def test_samples_that_are_not_at_their_onsets_are_said(tmp_path):
    head = ["onset", "sample", "unit_id", "event_type"]
    rows = [[f"{s / 2048:.6f}", s + 1, f"{s}.0", "motor-unit-spike"] for s in (100, 30, 4)]
    tsv(tmp_path / "events.tsv", head, *rows)
    with pytest.warns(UserWarning, match="samples are 1 beyond the onsets at 2048 Hz"):
        found = read_spikes(tmp_path / "events.tsv", 2048)
    assert [times.tolist() for times in found] == [[5], [31], [101]]  # units by their number


def test_a_folder_with_several_recordings_lists_them(root):
    emg = root / "sub-01" / "emg"
    other = edf(emg / "sub-01_task-hold_recording-bipolar_emg.bdf", {"VL": ("V", wave(0))}, "bdf")
    tsv(
        emg / "sub-01_task-hold_recording-bipolar_channels.tsv",
        ["name", "type", "units"],
        ["VL", "EMG", "V"],
    )
    with pytest.raises(ValueError, match=r"(?s)holds 2 recordings; give one of.*hold_emg.*bipolar"):
        load_bids(root)
    bipolar = load_bids(other)
    assert bipolar.n_channels == 1 and bipolar.grid is None
    np.testing.assert_allclose(bipolar.emg[0, 0], 1e6, rtol=1e-3)
    assert load_bids(emg / "sub-01_task-hold_emg.edf", grid=0).n_channels == 4


def test_a_length_that_is_not_the_one_told_is_said(root):
    (root / "sub-01" / "emg" / "sub-01_task-hold_emg.json").write_text('{"RecordingDuration": 1}')
    with pytest.warns(UserWarning, match="says 1 s, the file holds 0.5 s; all of the file is read"):
        assert load_bids(root, grid=0).n_samples == N


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            channels()[:-1],
            "channels.tsv lists 8 channels, the file has 9; they have to be the same",
        ),
        ([[x if x != "EMG" else "ECG" for x in row] for row in channels()], "no channel of .* EMG"),
    ],
)
def test_tables_that_do_not_fit_are_named(tmp_path, rows, message):
    with pytest.raises(ValueError, match=rf"hold_emg\.edf: .*{message}"):
        load_bids(dataset(tmp_path, channels=rows), grid=0)


def test_without_tables_signals_in_volts_are_emg(tmp_path):
    path = edf(tmp_path / "a_emg.edf", {"1": ("mV", wave(0)), "Force": ("N", wave(1))})
    with pytest.warns(UserWarning, match="no channels.tsv"):
        recording = load_bids(path)
    assert recording.n_channels == 1 and recording.force_name == "force (N)"
    with pytest.raises(FileNotFoundError, match=r"no \*_emg.edf or"):
        (tmp_path / "empty").mkdir()
        load_bids(tmp_path / "empty")


@pytest.fixture
def recording():
    rng = np.random.default_rng(3)
    return Recording(
        rng.normal(0, 40, (64, 2100)) * 10.0 ** rng.integers(-2, 2, (64, 1)),
        fs=2048,
        discharges=[[5, 900, 2099], [17], []],
        grid=rectangular_grid(),
        subject="S1",
        muscle="tibialis anterior",
        mvc=30,
        force=np.linspace(0, 30.25, 2100),
        force_name="force (% MVC)",
    )


def test_interpolated_channels_come_back_interpolated(recording, tmp_path):
    repaired = repair(recording, [7, 20])
    save_bids(repaired, tmp_path / "set")
    with pytest.warns(UserWarning, match="bad channels interpolated: EMG008, EMG021"):
        back = load_bids(tmp_path / "set")
    assert back.interpolated == repaired.interpolated
    np.testing.assert_allclose(back.emg, repaired.emg, atol=0.01)


def test_round_trip(recording, tmp_path):
    path = save_bids(recording, tmp_path / "set", "from10percentMVC")  # what comes last counts
    assert path.name == "sub-S1_task-from10percentMVC30percentMVC_emg.bdf"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = load_bids(tmp_path / "set")
    span = 2 * np.maximum(np.ceil(np.abs(recording.emg).max(axis=1)), 1)
    precision = span / 2**24 / 2 * 1.001 + np.abs(recording.emg).max(axis=1) * 2.0**-23
    assert (np.abs(back.emg - recording.emg).max(axis=1) <= precision).all()
    np.testing.assert_allclose(back.force, recording.force, atol=62 / 2**24)
    np.testing.assert_array_equal(back.grid.electrodes, recording.grid.electrodes)
    told = ("fs", "n_samples", "subject", "muscle", "mvc", "force_name")
    assert [getattr(back, x) for x in told] == [getattr(recording, x) for x in told]
    found = [times.tolist() for times in back.discharges]
    assert found == [[5, 900, 2099], [17]]  # a unit without discharges leaves no event


@pytest.mark.parametrize("name", ["Kraft (N)", "MVC (%)", "", "target (N)", "torque (N·m)"])
def test_a_force_comes_back_whatever_it_is_called(recording, tmp_path, name):
    save_bids(replace(recording, force_name=name), tmp_path)
    back = load_bids(tmp_path)
    np.testing.assert_allclose(back.force, recording.force, atol=1e-4)
    assert back.force_name.startswith("target" if "target" in name else "force")
    assert ("(N" in back.force_name) == ("(N" in name)


def test_recordings_are_added_to_a_data_set(recording, tmp_path):
    save_bids(recording, tmp_path)
    save_bids(replace(recording, subject="sub-02", grid=None, force=None), tmp_path, "rest")
    save_bids(recording, tmp_path, "rest")
    table = (tmp_path / "participants.tsv").read_text().split()
    assert table == ["participant_id", "sub-S1", "sub-02"]
    with pytest.warns(UserWarning, match="no place for some: grid is None"):
        other = load_bids(tmp_path / "sub-02")
    assert other.grid is None and other.force is None and other.n_samples == 2100
    with pytest.raises(FileExistsError, match="is there already; choose another"):
        save_bids(recording, tmp_path)
    emg = tmp_path / "sub-S1" / "emg"
    (emg / "sub-S1_task-push30percentMVC_emg.edf").write_bytes(b"of others")
    with pytest.raises(FileExistsError, match="is there already; choose another"):
        save_bids(recording, tmp_path, "push")
    with pytest.raises(ValueError, match="tells of another grid; choose another subject"):
        grid = rectangular_grid(ied_mm=4.0)
        save_bids(replace(recording, grid=grid), tmp_path, "other")


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"task": "a_b"}, "task='a_b' must be letters and digits"),
        ({}, {"task": "trial2"}, "task='trial2' must end in a letter: 30percentMVC follows"),
        ({"fs": 2048.123456}, {}, "fs=2048.123456 Hz: no record"),
        ({"force": np.linspace(0, 2.5e9, 2100)}, {}, "force reaches 2.5e.09"),
    ],
)
def test_what_cannot_be_stored_is_said_and_leaves_nothing(
    recording, tmp_path, changes, options, message
):
    with pytest.raises(ValueError, match=message):
        save_bids(replace(recording, **changes), tmp_path / "set", **options)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("fs", [2000, 10240, 52000 / 27, 2048.5])
def test_any_rate_a_record_can_hold(recording, tmp_path, fs):
    save_bids(replace(recording, fs=fs), tmp_path)
    back = load_bids(tmp_path)
    assert back.fs == pytest.approx(fs, rel=1e-12) and back.n_samples == 2100


@pytest.mark.filterwarnings("ignore:.*data record")
@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_plain_edf(tmp_path, kind):
    signals = {f"EMG {k}": ("mV", wave(k)) for k in range(3)}
    signals |= {"ECG": ("mV", wave(5)), "Torque": ("Nm", np.linspace(0, 9, N))}
    path = edf(tmp_path / "a.dat", signals, kind)
    recording = load_edf(path)
    np.testing.assert_allclose(recording.emg[:, 0], [1e3, 2e3, 3e3], atol=10)
    assert (recording.fs, recording.force_name, recording.grid) == (FS, "force (Nm)", None)
    with pytest.warns(UserWarning, match="unit='uV' over the header's .'mV'"):
        np.testing.assert_allclose(load_edf(path, unit="uV").emg[:, 0], [1, 2, 3], atol=0.01)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"a\.dat: cannot be read as EDF or BDF"):
        load_edf(path)


def test_edf_without_emg_or_at_several_rates_is_refused(tmp_path):
    path = edf(tmp_path / "b.edf", {"A": ("", wave(0)), "B": ("N", wave(1))})
    with pytest.raises(ValueError, match=r"no signal is called EMG .* units \['', 'N'\]; .* unit"):
        load_edf(path)
    np.testing.assert_allclose(load_edf(path, unit="uV").emg[:, 0], [1, 2], atol=0.01)
    signals = {"EMG 1": ("uV", wave(0)), "EMG 2": ("uV", wave(1)[: N // 2])}
    with pytest.raises(ValueError, match=r"2 EMG signals, at \[500.0, 1000.0\] Hz"):
        load_edf(edf(tmp_path / "a.edf", signals))


@pytest.mark.parametrize("subject", ["Å", "S1_2", ""])  # S1_2 is not to become one with S12
def test_a_subject_that_is_no_label_is_refused(planted, tmp_path, subject):
    with pytest.raises(ValueError, match=f"subject='{subject}' must be letters and digits"):
        save_bids(replace(planted, subject=subject), tmp_path)
