import re
import tomllib

import yaml

from hdsemg_nb import __version__, paths

PROJECT = tomllib.loads((paths.PROJECT / "pyproject.toml").read_text())["project"]


def name_of(requirement):
    return re.match(r"[A-Za-z0-9_.-]+", requirement).group().lower().replace("_", "-")


def test_environment_yml_lists_nothing_twice():
    environment = yaml.safe_load((paths.PROJECT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert [name_of(entry) for entry in conda] == ["python", "pip"]
    assert pip == {"pip": ["-c requirements.lock", "-e .[dev]"]}


def test_the_lock_pins_every_dependency():
    lines = (paths.PROJECT / "requirements.lock").read_text().splitlines()
    pinned = {name_of(line) for line in lines if re.match(r"[A-Za-z0-9_.-]+==", line)}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert {name_of(requirement) for requirement in wanted} <= pinned
    assert "torch==2.13.0" in lines  # without a local version, so that any index can serve it


def test_one_version():
    citation = yaml.safe_load((paths.PROJECT / "CITATION.cff").read_text())
    assert PROJECT["version"] == __version__ == citation["version"]
    assert citation["references"][0]["doi"] == "10.1186/s12984-025-01639-3"


def test_help_lists_every_target():
    makefile = (paths.PROJECT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.M).group(1).split()
    described = re.findall(r"^([a-z]+):.*##", makefile, re.M)
    assert sorted(targets) == sorted(described)


def test_ci_calls_the_test_command_of_the_readme():
    assert "make test" in (paths.PROJECT / ".ci" / "run").read_text()
    readme = (paths.PROJECT / "README.md").read_text()
    assert "make test" in readme and "make reproduce" in readme
