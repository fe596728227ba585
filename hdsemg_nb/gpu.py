"""What keeps a GPU busy with small batches: trainings side by side, replayed as CUDA graphs."""

import warnings
from collections import Counter
from functools import cache

import torch

EAGER = 2  # times that steps run before their capture: libraries choose kernels, Adam makes state


def together(trainings):
    """Carry out several trainings, a step of each at a time.

    Parameters
    ----------
    trainings : sequence of generator
        Each yields pairs: a step, and the window numbers of a batch to call it with. On a GPU the
        same step with as many windows is captured when it comes for the third time, and replayed
        from then on: its Python does not run again (no counters, no change of mode), it must not
        wait for the GPU (`.item()`), and what it reads and writes, but for the batch, has to stay
        in its place in memory.

    Returns
    -------
    list
        What the generators return.
    """
    run = SideBySide() if torch.cuda.is_available() else _in_turns
    results, running = [None] * len(trainings), dict(enumerate(trainings))
    while running:
        steps = []
        for k, training in list(running.items()):
            try:
                steps.append(next(training))
            except StopIteration as end:
                results[k] = end.value
                del running[k]
        run(steps)
    return results


def _in_turns(steps):
    for step, batch in steps:
        step(batch)


class SideBySide:
    """Steps on a stream each, captured as one CUDA graph when they come again.

    A small network leaves most of a GPU idle, which the kernels of others can use; and a graph
    needs no time between its kernels, where Python would take longer than the GPU.
    """

    def __init__(self):
        self.seen, self.graphs, self.pool = Counter(), {}, torch.cuda.graph_pool_handle()
        self.main = _stream("main")  # the default stream cannot be captured

    def __call__(self, steps):
        """Take steps, pairs of a callable and its batch."""
        self.main.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.main):
            self._take(steps)
        torch.cuda.current_stream().wait_stream(self.main)

    def _take(self, steps):
        key = tuple((step, len(batch)) for step, batch in steps)
        self.seen[key] += 1
        if self.seen[key] <= EAGER:
            with warnings.catch_warnings():  # an optimiser that can be captured wants to be
                warnings.filterwarnings("ignore", ".*constructed with capturable=True")
                self._abreast(steps)
            return
        if key not in self.graphs:
            self.graphs[key] = self._capture(steps)
        graph, places = self.graphs[key]
        for place, (_, batch) in zip(places, steps, strict=True):
            place.copy_(batch)
        graph.replay()

    def _capture(self, steps):
        places, graph = [batch.clone() for _, batch in steps], torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self.pool, self.main):
            self._abreast([(step, place) for (step, _), place in zip(steps, places, strict=True)])
        return graph, places

    def _abreast(self, steps):
        streams = [_stream(number) for number in range(len(steps))]
        for stream, (step, batch) in zip(streams, steps, strict=True):
            stream.wait_stream(self.main)
            with torch.cuda.stream(stream):
                step(batch)
        for stream in streams:
            self.main.wait_stream(stream)


@cache
def _stream(name):
    """Always the same streams, since memory that one has freed serves no other."""
    return torch.cuda.Stream()
