"""Trainings that take long write where they are, and one that was stopped goes on from there."""

import hashlib
import io
import json
import pickle
import warnings
from time import monotonic

import numpy as np
import torch

from hdsemg_nb import paths
from hdsemg_nb.datasets.files import set_aside

FOLDER = paths.PROJECT / "runs" / "unfinished"
EVERY_S = 120  # at least between two times that a training is written


def digest(run, *arrays):
    """Name of a training: of its run, its data and the weights it begins with, but not its code."""
    found = hashlib.sha256(json.dumps(run.settings(), sort_keys=True).encode())
    for array in arrays:
        found.update(np.ascontiguousarray(torch.as_tensor(array).cpu()))
    return found.hexdigest()[:16]


class Unfinished:
    """The state of one training, in a file of `FOLDER` until it is finished.

    A CPU goes on to the bit; on a GPU dropout draws its random numbers anew.

    Parameters
    ----------
    name : str
        `digest` of all that the training depends on, so that no other one takes it up.
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
        """Set all parts to where the training was stopped; its history, [] where it was not."""
        if not self.path.exists():
            return []
        try:
            state = torch.load(self.path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            set_aside(self.path, error, "the training begins again")
            return []
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        self.shuffle.set_state(state["shuffle"].cpu())
        torch.set_rng_state(state["dropout"].cpu())
        return state["history"]

    def keep(self, history):
        """Write the state after an epoch, unless it was written a moment ago."""
        if monotonic() - self.written < EVERY_S:
            return
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= dict(shuffle=self.shuffle.get_state(), dropout=torch.get_rng_state())
        content = io.BytesIO()
        torch.save(state | {"history": history}, content)
        try:
            paths.write_whole(paths.made(FOLDER) / self.path.name, content.getvalue())
        except OSError as error:  # a full disk is no reason to stop
            warnings.warn(f"{error}; the training goes on, unkept", stacklevel=2)
        self.written = monotonic()

    def finish(self):
        """The training is finished: the file goes."""
        if self.path.exists():
            self.path.unlink()
