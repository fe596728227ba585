"""The structure: floors, no circle, nothing that Windows lacks, one file for a new decoder."""

import ast
import subprocess
import sys

import numpy as np
import pytest
from distributed import LocalCluster
from torch import nn

from hdsemg_nb import latency, paths, train
from hdsemg_nb.decoders import DECODERS, Run
from hdsemg_nb.decoders.network import Network
from hdsemg_nb.train import cross_validate

PACKAGE = paths.PROJECT / "hdsemg_nb"
FIRST = (
    "recording datasets segment label_noise normalisation signal_check motor_units "
    "metrics discharges stats params paths tables"
)
SECOND = (
    "decoders engine unfinished gpu train latency robustness figures studies sweep results "
    "cluster live"
)
FLOORS = {
    **dict.fromkeys([*FIRST.split(), "cbss"], 1),
    **dict.fromkeys(SECOND.split(), 2),
    "chapters": 3,
}


def modules():
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imported(path):
    """Modules of the package that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hdsemg_nb"):
            inside = node.module.removeprefix("hdsemg_nb").strip(".")
            every = modules()
            for alias in node.names:
                whole = f"{inside}.{alias.name}".strip(".")
                names.add(whole if whole in every else inside)
    return names - {"", "__init__"}


def test_every_module_has_a_floor_and_imports_go_down_only():
    for name, path in modules().items():
        if name in ("", "__init__"):
            continue
        floor = FLOORS[name.split(".")[0]]
        for other in imported(path):
            assert FLOORS[other.split(".")[0]] <= floor, f"{name} imports {other} from above"


def test_no_circle():
    graph = {name: imported(path) - {name} for name, path in modules().items()}
    done = set()
    while left := set(graph) - done:
        free = {name for name in left if graph[name] <= done}
        assert free, f"in a circle: {sorted(left)}"
        done |= free


@pytest.mark.slow
@pytest.mark.parametrize("heavy", ["torch", "onnxruntime", "distributed"])
def test_a_figure_imports_no_engine(heavy):
    code = f"import sys, hdsemg_nb.figures; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_file_is_longer_than_350_lines():
    long = {p.name: n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text().split("\n"))) > 351}
    assert not long


WITHOUT_POSIX = """
import builtins, importlib, pkgutil
import hdsemg_nb
real, lacking = builtins.__import__, {"fcntl", "resource", "pwd", "grp", "termios", "posix"}

def fake(name, globals=None, *rest, **more):
    if (globals or {}).get("__name__", "").startswith("hdsemg_nb") and name in lacking:
        raise ModuleNotFoundError(f"Windows has no {name}")
    return real(name, globals, *rest, **more)

builtins.__import__ = fake
for module in pkgutil.walk_packages(hdsemg_nb.__path__, "hdsemg_nb."):
    importlib.import_module(module.name)
"""


@pytest.mark.slow
def test_everything_can_be_imported_on_windows():
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Recurrent(Network):
    """A small recurrent network: the file that a new decoder is."""

    def __init__(self, window, n_motor_units, n_channels=64):
        super().__init__()
        self.layers = nn.GRU(n_channels, 16, batch_first=True)
        self.head = nn.Linear(16, n_motor_units)

    def forward(self, x):
        return self.head(self.layers(x.transpose(1, 2))[0][:, -1])


def test_a_new_decoder_is_a_file_and_an_entry(planted, sweep_of, tmp_path, monkeypatch):
    monkeypatch.setitem(DECODERS, "recurrent", Recurrent)
    recording = planted.crop(0, 3)
    run = Run("recurrent", 20, 20, epochs=2, tested_folds=1, learning_rate=1e-2, split="blocked")
    counts = cross_validate(recording, run, False).counts
    with LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as here:
        table = sweep_of([recording], [run], tmp_path, scheduler=here.scheduler_address)
    np.testing.assert_array_equal(table[counts.columns], counts)
    trained = train.fit(recording, run)
    latency.export(trained, tmp_path / "recurrent.onnx")
    decoder = latency.Decoder(tmp_path / "recurrent.onnx")
    assert decoder.probabilities(recording.emg[:, :20]).shape == (3,)
