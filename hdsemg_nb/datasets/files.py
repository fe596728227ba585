"""What every reader of files does with a fault: name the file, or set it aside."""

import os
import warnings
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path):
    """Put the file's path in front of the message of a ValueError; FileNotFoundError without it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def set_aside(path, error, then):
    """Warn that a file is damaged and rename it to end in .damaged."""
    aside = path.with_suffix(".damaged")
    warnings.warn(f"{path} is damaged ({error}): set aside as {aside.name}, {then}", stacklevel=3)
    os.replace(path, aside)
