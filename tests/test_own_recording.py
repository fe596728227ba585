import dataclasses
import re
import warnings

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import datasets, figures, paths
from hdsemg_nb.chapters import own_recording as own
from hdsemg_nb.chapters import own_recording_signal as signal
from hdsemg_nb.chapters.own_recording_page import COLUMNS, Page
from hdsemg_nb.decoders import ADAPTIVE, FILTER, OURS, STREAMED, Run
from hdsemg_nb.motor_units import motor_unit_table, suspicious_discharges
from hdsemg_nb.signal_check import check_signal


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    ours = dataclasses.replace(own.RUNS[OURS], epochs=2)
    monkeypatch.setitem(own.RUNS, OURS, ours)


@pytest.fixture
def saved(planted, tmp_path):
    """The planted recording in a file, in a folder with a space."""
    path = tmp_path / "my recordings" / "Versuch 1.mat"
    path.parent.mkdir()
    datasets.save_mat(planted, path)
    return path


def test_the_last_third_is_the_new_recording(saved, planted):
    recording, new = signal.read(str(saved), "", fs=0.0, unit="", grid="")
    assert recording.duration == pytest.approx(16 / 3, abs=1e-3)
    assert recording.n_samples + new.n_samples == planted.n_samples
    facts = signal.facts(recording=recording, new=new)
    assert facts.loc["electrode grid", "new"] == "4 x 4, 8 mm"
    assert facts.loc["force"].tolist() == ["none", "none"]
    assert new.source.endswith(f", from sample {recording.n_samples} on (5.33 s)")
    assert signal.new_name(str(saved), "") == "Versuch 1.mat, last third"
    assert signal.new_name(str(saved), "a b/c.mat") == "c.mat"
    for electrodes, shape, first in (([2, 8, 4.0], (2, 8), (0, 0)), ([1, 17, 4], (1, 17), (0, 1))):
        grid = signal.read(str(saved), "", electrodes)[1].grid
        assert grid.shape == shape and tuple(grid.electrodes[0]) == first and grid.ied_mm == 4
    with pytest.raises(ValueError, match=r"electrodes=\[4, 4\]: give rows, columns, mm"):
        signal.read(str(saved), "", [4, 4])
    same, other = signal.read(str(saved), str(saved))
    np.testing.assert_array_equal(same.emg, other.emg)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: dict(fs=1000), "fs=1000 Hz, but the decoder was trained at 2048 Hz"),
        (lambda one: dict(emg=one.emg[:9], grid=None), "has 9 channels, the decoder 16"),
    ],
)
def test_another_kind_of_recording_is_refused_when_it_is_read(saved, planted, change, message):
    other = saved.with_name("other.mat")
    datasets.save_mat(dataclasses.replace(planted, **change(planted)), other)
    with pytest.raises(ValueError, match=rf"other\.mat does not fit .*Versuch 1\.mat: .*{message}"):
        signal.read(str(saved), str(other))


def test_bad_channels_are_those_of_the_check_and_the_reader(planted):
    emg = planted.emg.copy()
    emg[3] = emg[7] = 0
    one = dataclasses.replace(planted, emg=emg)
    checked = check_signal(one)
    assert signal.bad_channels(checked, also_bad=[5], not_bad=[7]) == [3, 5]
    assert signal.problems(checked).index.tolist() == [3, 7]
    assert signal.problems(check_signal(planted)) == "No channel has a problem."
    assert "channels 3, 5, each the mean of the sound" in signal.sentence(one, checked, [3, 5])
    gridless = dataclasses.replace(one, grid=None)
    assert "the grid is not told" in signal.sentence(gridless, checked, [3, 5])
    repaired, again, said = signal.checked_and_repaired(one, [5], [7])
    assert [k for k, _ in repaired.interpolated] == [3, 5] and (repaired.emg[7] == 0).all()
    assert again.channels.equals(checked.channels) and "channels 3, 5" in said
    signal.draw_check(dataclasses.replace(one, grid=None), checked, "out", "note")


def test_from_decoders_to_files(planted, tmp_path, monkeypatch):
    scores = own.compare(planted, own.runs(tested_folds=1))
    assert scores.index.tolist() == [FILTER, ADAPTIVE, OURS, STREAMED]
    assert scores.loc[FILTER, "rate_of_agreement"] > 0.9
    assert (scores[["training_seconds", "delay_ms", "computing_percent"]] > 0).all().all()
    decoder, shown = own.train_and_export(planted, own.RUNS[OURS], scores, tmp_path / "out")
    assert shown.loc["training signal"].item() == "8.0 s"
    card = (tmp_path / "out" / "decoder.md").read_text()
    assert "| training signal | 8.0 s |" in card
    assert "transfers to no other person" in card and re.search(r"\| date \| 20\d\d-", card)
    assert f"| f1, blocked folds | {scores.loc[OURS, 'f1']:.3g} |" in card
    decoded = decoder.decode_recording(planted)
    own.save_discharges(decoded, tmp_path / "out")
    assert set(own.files(tmp_path / "out")["file"]) == {*own.WRITERS, "decoder.onnx", "decoder.md"}
    again = datasets.load(tmp_path / "out" / "discharges.mat")
    assert [t.tolist() for t in again.discharges] == [t.tolist() for t in decoded.discharges]
    with monkeypatch.context() as patch:
        patch.setattr(own, "export", lambda *_: [][0])  # refused
        with pytest.raises(IndexError):
            own.train_and_export(planted, own.RUNS[OURS], scores, tmp_path / "out")
    assert (tmp_path / "out" / "decoder.onnx").exists()  # still that of the card
    following, card = own.train_and_export(planted, own.RUNS[STREAMED], scores, tmp_path / "out")
    assert not (tmp_path / "out" / "decoder.onnx").exists()  # of the network before
    assert card.loc["labels changed by the export"].item() == "none: it is stored as it is"
    assert following.decode_recording(planted).n_motor_units == planted.n_motor_units
    fitted, card = own.train_and_export(planted, own.RUNS[FILTER], scores, tmp_path / "out")
    assert not (tmp_path / "out" / "decoder.npz").exists()
    assert "not exported" in card.loc["labels changed by the export"].item()
    assert fitted.decode_recording(planted).n_motor_units == planted.n_motor_units


def test_decoded_motor_units_are_compared_with_the_labels_that_agree(planted):
    first, _, third = planted.discharges
    later = dataclasses.replace(planted, discharges=[third + 3, [9], first], pnr=None)
    labelled = dataclasses.replace(planted, discharges=[first, third], pnr=None)
    table = own.against_labels(later, labelled)
    assert table["labelled_as"].tolist() == [1, -1, 0]
    assert table["n_labelled"].tolist() == [len(third), 0, len(first)]
    assert table["rate_of_agreement"].tolist() == [1, 0, 1]
    assert table["cov_labelled"].isna().tolist() == [False, True, False]
    assert table["lag_ms"].tolist()[::2] == [round(3000 / planted.fs, 3), 0]
    bare = dataclasses.replace(planted, discharges=[], pnr=None)
    assert own.against_labels(planted, bare).startswith("The new recording holds no discharge")


def test_runs_are_refused_before_anything_takes_time():
    assert [*own.runs(["ML-DCNN"], "MT-DCNN")] == [*own.RUNS, "ML-DCNN", "MT-DCNN"]
    assert own.runs(["ML-DCNN"])["ML-DCNN"] == Run("ML-DCNN", 60, 20, split="blocked")
    with pytest.raises(ValueError, match="'ML_DCNN'. Did you mean 'ML-DCNN'"):
        own.runs(["ML_DCNN"])
    with pytest.raises(ValueError, match="Unknown decoder 'nonsense'"):
        own.runs(decoder="nonsense")
    with pytest.raises(ValueError, match="tested_folds=9"):
        own.runs(tested_folds=9)


def test_motor_units_left_out_and_a_correction_shown(planted):
    assert "Left out: motor units 0, 2. The others are numbered anew" in own.numbering([2, 0])
    assert own.numbering([]).startswith("Motor units keep their numbers")
    fewer = own.without(planted, [1])
    assert [len(t) for t in fewer.discharges] == [len(planted.discharges[k]) for k in (0, 2)]
    with pytest.raises(ValueError, match=r"left_out=\[3\]: motor units are 0 to 2"):
        own.without(planted, [0, 3])
    with pytest.raises(ValueError, match=r"left_out=\[0, 1, 2\]: these are all motor units"):
        own.without(planted, [2, 0, 1])
    table = own.correction(fewer, dataclasses.replace(fewer, discharges=[[5], [6, 9]]))
    assert table["n_corrected"].tolist() == [1, 2]


def test_a_motor_unit_that_rests_in_a_fold_is_left_out_of_it(planted):
    test_and_validation = planted.discharges[2] < 0.38 * planted.n_samples
    trains = [*planted.discharges[:2], planted.discharges[2][test_and_validation], [5000]]
    rests = dataclasses.replace(planted, discharges=trains, pnr=None)
    with pytest.warns(UserWarning, match=r"motor units \[3\] have fewer than two discharges"):
        rests = own.with_motor_units(rests)
    assert rests.n_motor_units == 3
    runs = {FILTER: own.runs(tested_folds=2)[FILTER]}
    scores = own.compare(rests, runs)
    assert scores.loc[FILTER, "motor_units"] == 2.5  # two in the first fold, three in the second
    assert scores.loc[FILTER, "rate_of_agreement"] > 0.9
    with pytest.raises(ValueError, match="no motor unit has two discharges in the time to train"):
        own.compare(own.with_units(rests, [False, False, True]), runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert own.with_motor_units(planted).n_motor_units == 3


def test_advice_names_the_best_the_quickest_and_the_soonest():
    scores = pd.DataFrame(
        {
            "rate_of_agreement": [0.95, 0.961, 0.5, 0.958],
            "training_seconds": [1.0, 30.0, 0.1, 40.0],
            "delay_ms": [25.0, 15.0, 20.0, 30.0],
        },
        index=["a", "b", "c", "d"],
    )
    text = own.advice(scores, "c")
    assert "the b and d agrees best" in text and "the a takes least to train" in text
    assert "The b decides soonest" in text and "Trained on all is the c (" in text
    assert "raise tested_folds" in own.advice(scores.assign(rate_of_agreement=np.nan), "c")


def test_the_page_stands_alone_and_holds_no_code(planted, tmp_path):
    page = Page("Versuch <1>")
    table = pd.DataFrame({"channel": ["a<b"], "rms_uv": [1.23456]})
    assert page.show(table, "The signal") is table
    page.show(figures.draw_spike_trains(planted, "trains", "out", "note"))
    assert page.show("No <problem>.").data == "<p>No &lt;problem&gt;.</p>"
    text = page.write(tmp_path / "report.html").read_text()
    assert "<h1>Versuch &lt;1&gt;</h1>" in text and "<h2>The signal</h2>" in text
    assert "a&lt;b" in text and "1.23" in text and "data:image/png;base64," in text
    assert set(re.findall(r"(?:src|href)=(.{6})", text)) == {"'data:"}
    assert "<i>rms_uv</i>: root mean square of the EMG" in text


def test_the_columns_of_every_table_are_explained(planted):
    obvious = {"motor_unit", "n_discharges", "n_labelled", "n_decoded", "sample", "time_s"}
    obvious |= {"row", "column", "problem", "action"}
    tables = [
        check_signal(planted).channels,
        motor_unit_table(dataclasses.replace(planted, force=np.zeros(planted.n_samples))),
        suspicious_discharges(planted),
        own.against_labels(planted, planted).reset_index(),
        own.compare(planted, own.runs(tested_folds=1)),
        own.correction(planted, planted).reset_index(),
    ]
    assert {name for table in tables for name in table} - obvious == set(COLUMNS)


@pytest.mark.slow
def test_the_lines_of_the_readme_run(planted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("today.otb+", "later.otb+"):  # the format is found by content
        datasets.save_mat(planted, name)
    code = (paths.PROJECT / "README.md").read_text().split("## Your own recording")[1]
    exec(re.search(r"```python\n(.*?)```", code, re.DOTALL)[1], {})
    events = pd.read_csv("later_events.tsv", sep="\t")
    assert len(events) > 150 and events["unit_id"].nunique() == 3
