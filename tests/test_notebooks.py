import json
import os
import subprocess
import sys
from dataclasses import replace

import matfiles
import numpy as np
import pandas as pd
import papermill
import pytest

from hdsemg_nb import paths
from hdsemg_nb.datasets import load, save_mat, simulate
from hdsemg_nb.discharges import label_score

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def code_cells(path):
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    return [("".join(c["source"]), c["metadata"].get("tags", []), c) for c in cells]


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 9


def test_opens_with_its_title_then_the_parameters_then_their_check(notebook):
    first = json.loads(notebook.read_text())["cells"][0]
    text = "".join(first["source"])
    assert first["cell_type"] == "markdown" and text.startswith("# ") and "**Question.**" in text
    for row in ("| data |", "| regenerates |", "| reads |", "| time |"):
        assert row in text
    (_, tags, _), (check, *_) = code_cells(notebook)[:2]
    assert "parameters" in tags and f'params.check(globals(), "{notebook.stem}")' in check


def test_declares_where_figures_and_tables_go(notebook):
    declared = papermill.inspect_notebook(str(notebook))
    own = '"runs/own_recording"'  # of the reader's file: nothing of it is committed
    assert declared["output"]["default"] in ('"."', own) and "profile" not in declared


def test_every_parameter_is_used(notebook):
    rest = "".join(source for source, *_ in code_cells(notebook)[1:])
    for name in papermill.inspect_notebook(str(notebook)):
        assert name in rest


def test_cells_are_thin_and_ran_in_order(notebook):
    cells = code_cells(notebook)
    assert [c["execution_count"] for *_, c in cells] == list(range(1, len(cells) + 1))
    for source, *_ in cells:
        assert len(source.splitlines()) <= 25 and "def " not in source


def test_checked_cells_have_outputs_to_compare(notebook):
    checked = [cell for _, tags, cell in code_cells(notebook) if "nbval-check-output" in tags]
    assert len(checked) >= 2 and all(cell["outputs"] for cell in checked)


def run_papermill(folder, *arguments, notebook="02_networks"):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "HDSEMG_NB_OUTPUT": str(folder)}
    path = paths.NOTEBOOKS / f"{notebook}.ipynb"
    command = [sys.executable, "-m", "papermill", path, "out.ipynb"]
    return subprocess.run(
        [*map(str, command), *arguments, "-k", "python3", "--no-progress-bar"],
        cwd=folder, capture_output=True, text=True, env=environment,
    )  # fmt: skip


@pytest.mark.slow
def test_papermill_refuses_an_unknown_parameter_from_any_folder(tmp_path):
    done = run_papermill(tmp_path, "-p", "n_motor_unit", "3")
    assert done.returncode != 0
    assert "Did you mean 'n_motor_units'" in done.stderr
    assert sum(bool(cell["outputs"]) for *_, cell in code_cells(tmp_path / "out.ipynb")) == 1
    assert not (tmp_path / "tables").exists()


def save_as_demuse(recording, path):
    """A file of the Hug et al. 2021 data set."""
    signals = np.full(recording.grid.shape, None)
    signals[0, 0] = np.empty((0, 0))
    for (row, column), signal in zip(recording.grid.electrodes, recording.emg, strict=True):
        signals[row, column] = signal[None]
    pulses = [np.int32(times + 1)[None] for times in recording.discharges]
    content = {"SIG": signals, "MUPulses": matfiles.cell(pulses, (1, len(pulses))), "fsamp": 2048.0}
    path.parent.mkdir(parents=True)
    matfiles.save_v5(path, {**content, "PNR": recording.pnr, "IED": 8.0})


@pytest.mark.slow
def test_the_dataset_notebook_reads_the_data_of_the_paper(tmp_path):
    save_as_demuse(simulate(1, 10, 8).recording, tmp_path / "archive/S3/abCD_10_GM.mat")
    save_as_demuse(simulate(2, 30, 8).recording, tmp_path / "archive/S4/efGH_30_GM.mat")
    given = {"source": "hug2021", "folder": str(tmp_path / "archive")}
    arguments = [word for item in given.items() for word in ("-p", *item)]
    done = run_papermill(tmp_path, *arguments, notebook="01_dataset")
    assert done.returncode == 0, done.stderr[-2000:]
    table = pd.read_csv(tmp_path / "tables/table_01.csv", comment="#")
    assert set(table.loc[table["data"] == "hug2021", "mvc"]) == {"10", "30", "all"}
    note = (tmp_path / "tables/table_01.csv").read_text().splitlines()[0]
    stamp = "SYNTHETIC data, 48 recordings of 60 s; Hug et al. 2021, 2 recordings of 8 s"
    assert note == f"# {stamp}"
    note = (tmp_path / "tables/blind_separation.csv").read_text().splitlines()[0]
    assert note.endswith("; Hug et al. 2021")
    judged = pd.read_csv(tmp_path / "tables/blind_separation.csv", comment="#")
    assert (judged["data"] == "hug2021").any()


@pytest.mark.slow
def test_one_call_leads_from_a_file_without_discharge_times_to_decoded_ones(planted, tmp_path):
    bare, home = replace(planted, discharges=(), pnr=None), tmp_path / "my recordings"
    home.mkdir()
    for name, recording in {"one.mat": bare, "another.mat": bare.crop(2, 8)}.items():
        save_mat(recording, home / name)
    given = {"file": home / "one.mat", "new_file": home / "another.mat", "output": home / "decoded"}
    arguments = [str(word) for item in given.items() for word in ("-p", *item)]
    done = run_papermill(
        tmp_path, *arguments, "-y", "{also_bad: [3], tested_folds: 1}", notebook="09_own_recording"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = (home / "decoded" / "report.html").read_text()
    assert "one.mat: motor units and decoder" in report
    assert report.count("Interpolated: channels 3, each") == 2  # and in the new recording
    decoded = load(home / "decoded" / "discharges.mat")
    assert decoded.duration == 6 and decoded.n_motor_units == 3
    within = [d[(d >= 4096)] - 4096 for d in planted.discharges]
    assert label_score(within, decoded.discharges, 2048) > 2.5
