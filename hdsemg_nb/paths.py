"""Absolute paths of the project: the same from any working directory."""

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DATA = PROJECT / "data"  # downloaded recordings, not in git
NOTEBOOKS = PROJECT / "notebooks"
PARAMS = PROJECT / "params"
SAMPLE_COUNTS = PROJECT / "tables" / "sample_recording_counts.csv"  # written by `make sample`


def output_folder(folder, kind):
    """Folder `kind` ("figures" or "tables") below the project-relative `folder`, made if missing.

    Parameters
    ----------
    folder : str
        `output` of the parameters: "." for the project's own figures/ and tables/, or for
        example "runs/smoke".
    kind : str
        Name of the subfolder.

    Returns
    -------
    pathlib.Path
    """
    path = PROJECT / folder / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_whole(path, text):
    """Write a text file so that it is there whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    text : str
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
