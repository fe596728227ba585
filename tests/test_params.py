import subprocess
import sys

import pytest
import yaml

from hdsemg_nb import params, paths, sweep
from hdsemg_nb.train import Run

RUN = {"network": "ML-DCNN", "window": 20, "step": 50}
SMOKE = yaml.safe_load((paths.PARAMS / "smoke.yaml").read_text())


@pytest.mark.parametrize("profile", ["smoke", "quick", "reference", "full_width", "paper"])
def test_profiles_are_complete_and_valid(profile):
    loaded = params.load(paths.PARAMS / f"{profile}.yaml")
    assert loaded.profile == profile
    assert Run(**loaded.tour).split == "shuffled"


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"sede": 1}, "Unknown parameter 'sede' in .* Did you mean 'seed'"),
        ({"seed": "1"}, "seed='1' in .* is str, expected int"),
        ({"seed": True}, "seed=True in .* is bool, expected int"),
        ({"tour": {"network": "ML-DCNN", "windw": 20}}, "'windw' in tour. Did you mean 'window'"),
        (
            {"tour": {**SMOKE["tour"], "learning_rate": "1e-3"}},
            "learning_rate='1e-3' in tour is str, expected float .in YAML write 1.0e-3",
        ),
        ({"tour": {**SMOKE["tour"], "network": "ML-CNN"}}, "Unknown network 'ML-CNN'"),
        ({"tour": {**SMOKE["tour"], "network": "motor-unit filter"}}, "Unknown network"),
        ({"tour": {**SMOKE["tour"], "split": "blocked"}}, "split in tour: the notebook sets it"),
        ({"grid": [{**RUN, "windw": 20}]}, "'windw' in entry 0 of grid. Did you mean 'window'"),
        ({"grid": [RUN, {**RUN, "epochs": [1, "2"]}]}, "epochs='2' in entry 1 of grid is str"),
        ({"grid": [{**RUN, "step": [10, 0]}]}, "step=0: at least 1 sample"),
        ({"grid": [{"network": "ML-DCNN"}]}, r"entry 0 of grid lacks \['step', 'window'\]"),
        ({"grid": ["ML-DCNN"]}, "entry 0 of grid is 'ML-DCNN', expected settings"),
        ({"tour": {"network": "ML-DCNN"}}, r"tour lacks \['step', 'window'\]"),
    ],
)
def test_bad_parameters_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        params.check({**SMOKE, **changes})


def test_missing_parameters_are_named(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("profile: x\n")
    with pytest.raises(ValueError, match=r"p.yaml lacks the parameters \['folder', 'grid"):
        params.load(path)


def test_a_whole_number_is_fine_where_a_float_is_expected():
    params.check({"tour": {**SMOKE["tour"], "learning_rate": 1}})


def test_an_optional_switch_may_be_set():
    params.check({"tour": {**SMOKE["tour"], "bf16": True}})
    params.check({"grid": [{**RUN, "bf16": [True, False]}]})


def test_notebook_names_are_checked_and_a_second_call_is_not_confused():
    namespace = {"In": [], "seed": 0, "params": params, "_private": 1}
    params.check_notebook(namespace)
    namespace["recording"] = "made later"
    params.check_notebook(namespace)
    with pytest.raises(ValueError, match="Did you mean 'seed'"):
        params.check_notebook({"seed": 0, "sede": 1})


def test_command_line_checks_a_file(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("sede: 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "hdsemg_nb.params", bad], capture_output=True, text=True
    )
    assert done.returncode != 0 and "Did you mean 'seed'" in done.stderr


def test_the_paper_profile_is_the_grid_of_the_paper():
    paper = params.load(paths.PARAMS / "paper.yaml")
    runs = sweep.expand(paper.grid, paper.seed)
    assert len(runs) * 5 * 48 == 14_400
    plain = [Run(run.network, run.window, run.step) for run in runs]
    assert runs == plain  # the defaults of a run are the paper's settings
