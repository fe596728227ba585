"""Studies: a question, the recordings and the runs that answer it (params/sweeps/*.yaml).

Their pieces of work (`plan`) are one run on one recording with all its folds.
"""

from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise, product, zip_longest
from pathlib import Path
from typing import NamedTuple

from hdsemg_nb import params, paths, results, segment
from hdsemg_nb.datasets import load_recordings
from hdsemg_nb.datasets.files import Recordings
from hdsemg_nb.datasets.sources import SIMULATED
from hdsemg_nb.decoders import DECODERS, Run

KINDS = {  # of what stands in a study and in its settings
    "note": str, "recordings": dict, "results": str, "curves": str,
    "runs": list, "settings": dict, "change": dict,
}  # fmt: skip

UNREADABLE = "recording_"  # with its number, names the record of one that cannot be read


class Block(NamedTuple):
    """Runs that are computed together."""

    name: str  # of the setting, "" for none
    recordings: dict  # arguments of `datasets.load_recordings`
    runs: list  # of decoders.Run


@dataclass(frozen=True)
class Study:
    """A set of runs with one question, and the file in results/ that answers it.

    Parameters
    ----------
    note : str
        What it is: the first line of its file.
    recordings : dict
        Arguments of `datasets.load_recordings`, but for the blocks that have others.
    blocks : list of Block
        Computed in this order.
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
        """The recordings of all blocks, read or simulated, and which of them each block is run on.

        Returns
        -------
        datasets.files.Recordings
        list of range
            Their numbers, for each block.
        """
        kinds = [one.recordings for one in self.blocks]
        kinds = [kind for k, kind in enumerate(kinds) if kind not in kinds[:k]]
        sources = [load_recordings(**kind) for kind in kinds]
        ends = list(accumulate(map(len, sources), initial=0))
        spans = [range(*pair) for pair in pairwise(ends)]
        together = Recordings(loader for source in sources for loader in source.loaders)
        return together, [spans[kinds.index(block.recordings)] for block in self.blocks]


def load(path):
    """Read and check a study.

    Parameters
    ----------
    path : str or pathlib.Path
        YAML file with note, recordings, results, curves (if any) and runs, a list: a list as a
        value stands for one run per item, what is left out is the paper's protocol
        (`decoders.Run`). With settings, by name, all runs are computed in each, and their first
        entries first; a setting has what differs of its recordings, change (what differs in every
        run) and runs (its own, instead of those of the study).

    Returns
    -------
    Study

    Raises
    ------
    ValueError
        When something is unknown, missing, twice or impossible; names the file.
    """
    content = params.read_yaml(path)
    params.refuse_unknown(content, set(KINDS) - {"change"}, path)
    missing = {"note", "recordings", "results"} - set(content)
    if missing:
        raise ValueError(f"{path} lacks {sorted(missing)}")
    try:
        _refuse_other_kinds(content)
        blocks = _blocks(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    files = [Path(content[n]) if n in content else None for n in ("results", "curves")]
    for file in filter(None, files):
        if file.is_absolute() or ".." in file.parts or file.suffix != ".csv":
            raise ValueError(f"{path}: {str(file)!r} must be a .csv below the project")
    if files[0] == files[1]:
        raise ValueError(f"{path}: results and curves are the same file {str(files[0])!r}")
    return Study(content["note"], content["recordings"], blocks, *files)


def _refuse_other_kinds(content, where=""):
    for key, value in content.items():
        if not isinstance(value, KINDS[key]) or not value:
            name = KINDS[key].__name__
            raise ValueError(f"{key}{where} is {value!r}, expected a non-empty {name}")


def _blocks(content):
    """Blocks of a study: the first entry of every setting, then the second ones, and so on."""
    lists = []
    if not {"runs", "settings"} & set(content):
        raise ValueError("has neither runs nor settings")
    for name, setting in content.get("settings", {"": {}}).items():
        if not isinstance(setting, dict):
            raise ValueError(f"setting {name!r} is {setting!r}, expected such as change: {{...}}")
        params.refuse_unknown(setting, ["recordings", "change", "runs"], f"setting {name!r}")
        _refuse_other_kinds(setting, f" of setting {name!r}")
        recordings = content["recordings"] | setting.get("recordings", {})
        known = "source", "folder", *SIMULATED
        params.refuse_unknown(recordings, known, f"recordings of setting {name!r}")
        entries = enumerate(setting.get("runs", content.get("runs", [])))
        change = setting.get("change", {})
        runs = [expand(entry, change, f"entry {k} of the runs") for k, entry in entries]
        lists.append([Block(name, recordings, each) for each in runs])
    blocks = [block for row in zip_longest(*lists) for block in row if block]
    for one, other in combinations(blocks, 2):
        both = set(one.runs) & set(other.runs)
        if both and one.name != other.name and one.recordings == other.recordings:
            raise ValueError(f"settings {one.name!r} and {other.name!r} are the same for {both}")
    return blocks


def expand(entry, change, where):
    """Runs of an entry, each once: a list as a value stands for one run per item.

    Parameters
    ----------
    entry : dict
        For example {"network": "ML-DCNN", "window": [20, 140], "step": 50}.
    change : dict
        What every run has instead of what stands in the entry.
    where : str
        Which entry it is, for messages.

    Returns
    -------
    list of decoders.Run

    Raises
    ------
    ValueError
        When a setting is unknown or impossible.
    """
    if not isinstance(entry, dict):
        raise ValueError(f"{where} is {entry!r}, expected settings such as network: ML-DCNN")
    settings = {**entry, **change}
    params.refuse_unknown(settings, Run.__dataclass_fields__, where)
    missing = {"network", "window", "step"} - set(entry)
    if missing:
        raise ValueError(f"{where} lacks {sorted(missing)}")
    if [] in settings.values():
        raise ValueError(f"{where} has an empty list: {settings}")
    values = (v if isinstance(v, list) else [v] for v in settings.values())
    runs = (Run(**dict(zip(settings, each, strict=True))) for each in product(*values))
    return list(dict.fromkeys(runs))


class Work(NamedTuple):
    """One run on one recording, all its folds."""

    index: int  # number of the recording
    run: Run
    path: Path  # of the result file, <name of the run>.json
    about: dict  # which recording: `results.describe`
    training_windows: int  # over all folds and epochs
    setting: str  # name of its block


def training_windows(n_samples, fs, run):
    """Windows a run trains on, over all folds and epochs.

    0 for decoders without gradient descent, and for a recording of `n_samples` at `fs` Hz that is
    too short.
    """
    if not DECODERS[run.network].trained:
        return 0
    try:
        n_windows = len(segment.window_starts(n_samples, run.window, run.step))
        folds = segment.split_folds(n_windows, run.window, run.step, run.n_folds, run.split)
    except ValueError:
        return 0
    most = n_windows if run.train_seconds is None else round(run.train_seconds * fs / run.step)
    return run.epochs * sum(min(most, len(fold.train)) for fold in folds[: run.tested_folds])


def plan(recordings, blocks, numbers, folder):
    """Pieces of work of a sweep, done or not.

    Parameters
    ----------
    recordings : sequence of recording.Recording
        Read here, one at a time. One that cannot be read is recorded as failed and left out.
    blocks : sequence of Block
    numbers : sequence of sequence of int
        For each block the recordings that it is run on.
    folder : pathlib.Path
        Of the results of single runs.

    Returns
    -------
    list of Work
        Block by block, in each by intensity (in the order in which the recordings have them), then
        run by run.
    """
    paths.made(folder)
    looked = {k: _look_at(recordings, k, folder) for k in range(len(recordings))}
    works = []
    for block, own in zip(blocks, numbers, strict=True):
        known = [(k, *looked[k]) for k in own if looked[k] is not None]
        intensities = dict.fromkeys(str(about["mvc"]) for _, about, *_ in known)
        works += [
            Work(
                index,
                one,
                _path(folder, about, one),
                about,
                training_windows(*size, one),
                block.name,
            )
            for mvc, one in product(intensities, dict.fromkeys(block.runs))
            for index, about, *size in known
            if str(about["mvc"]) == mvc
        ]
    return works


def _look_at(recordings, index, folder):
    """Labels, samples and sampling frequency of a recording; None when it cannot be read."""
    path = folder / f"{UNREADABLE}{index}.json"
    try:
        recording = recordings[index]
    except Exception as error:  # whatever is wrong with one file, the others go on
        results.write_failure(path, error, {"recording": f"number {index}"})
        return None
    path.with_suffix(results.FAILED).unlink(missing_ok=True)
    return results.describe(recording), recording.n_samples, recording.fs


def _path(folder, about, run):
    return folder / f"{results.run_name(about['recording_digest'], run)}.json"
