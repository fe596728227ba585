"""Trainings that take long write where they are, and one that was stopped goes on from there."""

import hashlib
import io
import json
import pickle
import warnings
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from time import monotonic

import numpy as np
import torch

from hdsemg_nb import paths
from hdsemg_nb.datasets.files import set_aside

FOLDER = paths.PROJECT / "runs" / "unfinished"
EVERY_S = 120  # at least between two times that a training is written

_finished = ContextVar("files of trainings that are finished", default=None)


@contextmanager
def together():
    """What is trained in this block is finished when all of it is: until then no file goes."""
    files = []
    token = _finished.set(files)
    try:
        yield
    finally:
        _finished.reset(token)
    for file in files:
        with suppress(OSError):
            file.unlink()


def digest(run, device, bf16, *arrays):
    """Name of a training by all that it depends on but its code: run, machine, data and weights."""
    settings = [run.settings(), device.type, bf16]
    found = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        array = torch.as_tensor(array).detach().cpu().numpy()
        columns_first = array.flags.f_contiguous  # hashed as it lies: a copy would take its memory
        found.update(f"{array.dtype} {array.shape} {columns_first}".encode())
        found.update(np.ascontiguousarray(array.T if columns_first else array))
    return found.hexdigest()[:16]


class Unfinished:
    """The state of one training, in a file of `FOLDER` until all that is trained with it is done.

    A CPU goes on to the bit; on a GPU dropout draws its random numbers anew.

    Parameters
    ----------
    name : str
        `digest`, so that no other training takes it up.
    parts : dict of str to object
        What changes in training, each with the methods state_dict and load_state_dict.
    shuffle : torch.Generator
        Of the order of the windows.
    device : torch.device
    """

    def __init__(self, name, parts, shuffle, device):
        self.path, self.parts = FOLDER / f"{name}.pt", parts
        self.shuffle, self.device, self.written = shuffle, device, monotonic()

    def take_up(self):
        """Set all parts to where the training was stopped; its history, [] where it was not.

        Raises
        ------
        ValueError
            When the state is of other code; names the file.
        """
        try:
            state = torch.load(self.path, map_location=self.device, weights_only=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            set_aside(self.path, error, "the training begins again")
            return []
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.shuffle.set_state(state["shuffle"].cpu())
            torch.set_rng_state(state["dropout"].cpu())
            return state["history"]
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(
                f"{self.path} is of a training by other code ({error}): delete it"
            ) from error

    def keep(self, history):
        """Write the state after an epoch, unless it was written a moment ago."""
        if monotonic() - self.written < EVERY_S:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= dict(shuffle=self.shuffle.get_state(), dropout=torch.get_rng_state())
        content = io.BytesIO()
        torch.save(state | {"history": history}, content)
        try:
            paths.write_whole(paths.made(FOLDER) / self.path.name, content.getbuffer())
        except OSError as error:  # a full disk is no reason to stop
            warnings.warn(f"{error}; the training goes on, unkept", stacklevel=2)
        self.written = monotonic()

    def finish(self):
        """The training is finished: its file goes with those of what is trained `together`."""
        files = _finished.get()
        if files is not None:
            files.append(self.path)
