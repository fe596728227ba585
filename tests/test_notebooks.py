import json
import os
import subprocess
import sys

import matfiles
import numpy as np
import pandas as pd
import papermill
import pytest
import yaml

from hdsemg_nb import paths
from hdsemg_nb.datasets import simulate
from hdsemg_nb.params import Params

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))
SMOKE = yaml.safe_load((paths.PARAMS / "smoke.yaml").read_text())


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return request.param


def code_cells(path):
    return [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]


def tags(cell):
    return cell["metadata"].get("tags", [])


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_declares_known_parameters_with_the_values_of_the_smoke_profile(notebook):
    declared = papermill.inspect_notebook(str(notebook))
    assert declared and set(declared) <= set(Params.__annotations__)
    namespace = {}
    exec(
        "".join(next(c for c in code_cells(notebook) if "parameters" in tags(c))["source"]),
        namespace,
    )
    assert {name: namespace[name] for name in declared} == {name: SMOKE[name] for name in declared}


def test_checks_its_parameters_before_anything_else(notebook):
    first, second = code_cells(notebook)[:2]
    assert "parameters" in tags(first)
    assert "params.check_notebook(globals())" in "".join(second["source"])


def test_checked_cells_have_outputs_to_compare(notebook):
    checked = [c for c in code_cells(notebook) if "nbval-check-output" in tags(c)]
    assert len(checked) >= 3
    for cell in checked:
        assert cell["execution_count"] and cell["outputs"], "".join(cell["source"])


def test_cells_are_thin_and_ran_in_order(notebook):
    cells = code_cells(notebook)
    assert [c["execution_count"] for c in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        source = "".join(cell["source"])
        assert "parameters" in tags(cell) or len(source.splitlines()) <= 15
        assert "def " not in source


def run_papermill(folder, *arguments, notebook="02_networks"):
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    path = paths.NOTEBOOKS / f"{notebook}.ipynb"
    command = [sys.executable, "-m", "papermill", path, "out.ipynb"]
    return subprocess.run(
        [*map(str, command), *arguments, "-k", "python3", "--no-progress-bar"],
        cwd=folder, capture_output=True, text=True, env=environment,
    )  # fmt: skip


def test_papermill_works_from_any_folder(tmp_path):
    done = run_papermill(tmp_path, "-f", str(paths.PARAMS / "smoke.yaml"))
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "out.ipynb").exists()


def test_papermill_refuses_an_unknown_parameter(tmp_path):
    done = run_papermill(tmp_path, "-p", "n_motor_unit", "3")
    assert done.returncode != 0
    assert "Did you mean 'n_motor_units'" in done.stderr
    executed = code_cells(tmp_path / "out.ipynb")
    assert sum(bool(c["outputs"]) for c in executed) == 1  # the refusal, and nothing ran after it


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


def test_the_dataset_notebook_reads_the_data_of_the_paper(tmp_path):
    save_as_demuse(simulate(1, 10, 8).recording, tmp_path / "archive/S3/abCD_10_GM.mat")
    save_as_demuse(simulate(2, 30, 8).recording, tmp_path / "archive/S4/efGH_30_GM.mat")
    given = {"source": "hug2021", "folder": str(tmp_path / "archive"), "output": str(tmp_path)}
    arguments = [word for item in given.items() for word in ("-p", *item)]
    done = run_papermill(tmp_path, *arguments, notebook="01_dataset")
    assert done.returncode == 0, done.stderr[-2000:]
    table = pd.read_csv(tmp_path / "tables/table_01.csv", comment="#")
    real = table[table["data"] == "hug2021"]
    assert set(real["mvc"]) == {"10", "30", "all"} and "synthetic" in set(table["data"])
    note = (tmp_path / "tables/table_01.csv").read_text().splitlines()[0]
    assert note == "# Hug et al. 2021, 2 recordings of 8 s; smoke profile"
