"""Absolute paths of the project: the same from any working directory."""

import os
from pathlib import Path
from uuid import uuid4

PROJECT = Path(__file__).resolve().parents[1]
DATA = PROJECT / "data"  # downloaded recordings, not in git
NOTEBOOKS = PROJECT / "notebooks"
PARAMS = PROJECT / "params"
RESULTS = PROJECT / "results"  # committed results, one file for each study
OUTPUT = Path(os.environ.get("HDSEMG_NB_OUTPUT", PROJECT))  # tests write elsewhere


def output_folder(folder, kind):
    """Folder `kind` ("figures" or "tables") below the project-relative `folder`, made if missing.

    Parameters
    ----------
    folder : str
        `output` of the parameters: "." for the project's own figures/ and tables/.
    kind : str
        Name of the subfolder.

    Returns
    -------
    pathlib.Path
    """
    return made(OUTPUT / folder / kind)


def made(folder):
    """A folder, made if it is missing.

    Raises
    ------
    OSError
        When it cannot be made; says where.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            f"{folder} cannot be made ({error}): choose a place to write to"
        ) from error
    return folder


def write_whole(path, content):
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
    content : str or bytes

    Raises
    ------
    OSError
        When it cannot be written; names the file.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise type(error)(f"{path} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
