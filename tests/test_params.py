import pytest
import yaml
from papermill import inspect_notebook

from hdsemg_nb import params, paths

NOTEBOOK = "02_networks"


def declared():
    found = inspect_notebook(str(paths.NOTEBOOKS / f"{NOTEBOOK}.ipynb"))
    return {name: yaml.safe_load(entry["default"]) for name, entry in found.items()}


def test_names_are_checked_and_a_second_call_is_not_confused():
    namespace = {**declared(), "In": [], "params": params, "_private": 1}
    params.check(namespace, NOTEBOOK)
    namespace["recording"] = "made later"
    params.check(namespace, NOTEBOOK)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"outptu": "."}, "Unknown parameter 'outptu' in .*02_networks. Did you mean 'output'"),
        ({"output": 1}, "output=1 in .* is int, expected str as in output = '.'"),
        ({"n_motor_units": True}, "n_motor_units=True in .* is bool, expected int"),
    ],
)
def test_bad_parameters_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        params.check({**declared(), **changes}, NOTEBOOK)


def test_a_whole_number_is_fine_where_a_float_is_expected():
    assert params._alike(1, 1.0) and not params._alike(1.0, 1) and not params._alike(True, 1.0)


@pytest.mark.parametrize("profile", sorted(paths.PARAMS.glob("*/[0-9]*.yaml")), ids=str)
def test_profiles_say_only_what_their_notebook_declares(profile):
    known = inspect_notebook(str(paths.NOTEBOOKS / f"{profile.stem}.ipynb"))
    params.refuse_unknown(params.read_yaml(profile), known, profile)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "holds None, expected lines"),
        ("- 1", "expected lines such as name: value"),
        ("a: 1\na: 2", "'a' stands twice"),
        ("a: {b: 1, b: 2}", "'b' stands twice"),
        ("a: [", "p.yaml: "),
    ],
)
def test_a_faulty_file_is_named(tmp_path, text, match):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=match) as refused:
        params.read_yaml(path)
    assert "p.yaml" in str(refused.value)
