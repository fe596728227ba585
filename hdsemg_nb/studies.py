"""Studies: a question, the recordings and the runs that answer it (params/sweeps/*.yaml)."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from hdsemg_nb import params, paths
from hdsemg_nb.datasets import load_recordings
from hdsemg_nb.decoders import Run


@dataclass(frozen=True)
class Study:
    """A set of runs with one question, and the file in results/ that answers it.

    Parameters
    ----------
    note : str
        What it is: the first line of its file.
    recordings : dict
        Arguments of `datasets.load_recordings`.
    blocks : list of (str, list of decoders.Run)
        Settings by name ("" for none), computed in this order.
    results : pathlib.Path
        Table of counts, from the project root.
    curves : pathlib.Path or None
        Table of learning curves.
    """

    note: str
    recordings: dict
    blocks: list
    results: Path
    curves: Path | None = None

    @property
    def folder(self):
        """Where the results of single runs are kept while it is computed."""
        return paths.PROJECT / "runs" / self.results.stem

    def load_recordings(self):
        """The recordings, read or simulated."""
        return load_recordings(**self.recordings)


def load(path):
    """Read and check a study.

    Parameters
    ----------
    path : str or pathlib.Path
        YAML file with note, recordings, results, curves (if any) and runs: a list of settings, or
        such lists by name. A list as a value stands for one run per item; what is left out is
        the paper's protocol (`decoders.Run`).

    Returns
    -------
    Study

    Raises
    ------
    ValueError
        When something is unknown, missing, twice or impossible; names the file.
    """
    content = params.read_yaml(path)
    params.refuse_unknown(content, ["note", "recordings", "results", "curves", "runs"], path)
    missing = {"note", "recordings", "results", "runs"} - set(content)
    if missing:
        raise ValueError(f"{path} lacks {sorted(missing)}")
    runs = content["runs"]
    named = runs.items() if isinstance(runs, dict) else [("", [entry]) for entry in runs]
    try:
        blocks = [(name, expand(entries)) for name, entries in named]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    files = [Path(content[n]) if content.get(n) else None for n in ("results", "curves")]
    for file in filter(None, files):
        if file.is_absolute() or ".." in file.parts:
            raise ValueError(f"{path}: results={str(file)!r} must lie below the project")
    return Study(content["note"], content["recordings"], blocks, *files)


def expand(entries, seed=0):
    """Runs from a list of settings; a list as a value stands for one run per item.

    Parameters
    ----------
    entries : list of dict
        For example [{"network": "ML-DCNN", "window": [20, 140], "step": 50}].
    seed : int
        Of the entries that name none.

    Returns
    -------
    list of decoders.Run
        Each once.

    Raises
    ------
    ValueError
        When a setting is unknown or impossible.
    """
    names, found = Run.__dataclass_fields__, []
    for number, entry in enumerate(entries):
        where = f"entry {number} of the runs"
        if not isinstance(entry, dict):
            raise ValueError(f"{where} is {entry!r}, expected settings such as network: ML-DCNN")
        params.refuse_unknown(entry, names, where)
        missing = {"network", "window", "step"} - set(entry)
        if missing:
            raise ValueError(f"{where} lacks {sorted(missing)}")
        entry = {"seed": seed, **entry}
        values = (v if isinstance(v, list) else [v] for v in entry.values())
        found += [Run(**dict(zip(entry, each, strict=True))) for each in product(*values)]
    return list(dict.fromkeys(found))
