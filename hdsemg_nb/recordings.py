"""Several recordings, one at a time."""

from collections.abc import Sequence


class Recordings(Sequence):
    """Recordings that are read when they are asked for, one at a time, and not kept.

    Parameters
    ----------
    loaders : iterable of callable
        Each returns a `Recording` when called without arguments; picklable where the recordings
        are sent to other processes.
    """

    def __init__(self, loaders):
        self.loaders = list(loaders)

    def __len__(self):
        return len(self.loaders)

    def __getitem__(self, index):
        chosen = self.loaders[index]
        return Recordings(chosen) if isinstance(index, slice) else chosen()
