"""Where the runs of a sweep are computed: processes of this machine or workers of a scheduler.

Both are Dask distributed. A worker that dies is replaced where it can be, and what it was
computing is computed again by another one.
"""

import os
from collections import deque
from contextlib import ExitStack, contextmanager
from time import sleep
from unittest.mock import patch

import dask
import torch
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, get_worker, wait

THREADS = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], 1)
# Dask has its workers give freed memory back at once. Training frees and takes the same memory in
# every batch: kept, it is up to 1.7 times as fast.
MEMORY = dict.fromkeys(["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"], 2**30)
PAUSE_S = 1.0  # without a worker
TOLD = "progress"
ON_A_GPU = 2  # processes that share a GPU: it computes for one while the other prepares its data
SETTINGS = {
    # a recording travels inside its task, so that it is not lost with a worker
    "distributed.admin.large-graph-warning-threshold": "1 GiB",
    "distributed.nanny.pre-spawn-environ": {**THREADS, **MEMORY},
}


class Told:
    """Progress of a run that a worker tells its client, made and used like a `tqdm.tqdm`.

    Each event of the topic `TOLD` holds the key of the task, the share of it that is new, and
    whether that was done before, by a training that was stopped and is taken up.
    """

    def __init__(self, total, **_):
        self.total, self.initial = total, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, n=1):
        """So many epochs more."""
        worker = get_worker()
        worker.log_event(TOLD, (worker.get_current_task(), n / self.total, self.initial > 0))
        self.initial = 0


@contextmanager
def connect(workers=0, scheduler=""):
    """Client of a scheduler, or of worker processes started here and ended with the block.

    A worker process computes one run at a time with one torch thread (OMP_NUM_THREADS=1), so that
    processes do not fight for the cores.

    Parameters
    ----------
    workers : int
        Processes on this machine; 0 for one for each core, or with a GPU for `ON_A_GPU`.
    scheduler : str
        Address of a Dask scheduler, for example "tcp://10.0.0.7:8786"; "" for this machine.

    Yields
    ------
    distributed.Client

    Raises
    ------
    OSError
        When there is no scheduler at the address.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ))  # a nanny leaves there what its workers get
        stack.enter_context(dask.config.set(SETTINGS))
        if not scheduler:
            number = workers or (ON_A_GPU if torch.cuda.is_available() else CPU_COUNT)
            scheduler = LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address="127.0.0.1:0",
            )
            stack.enter_context(scheduler)
        yield stack.enter_context(Client(scheduler))


def capacity(client):
    """How many runs the workers compute at a time now, and the resources one run asks for.

    Parameters
    ----------
    client : distributed.Client

    Returns
    -------
    int
        GPUs, if any worker was started with ``--resources "GPU=1"``: only such workers are used
        then. Else the threads of all workers.
    dict or None
    """
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    gpus = sum(worker["resources"].get("GPU", 0) for worker in workers)
    if gpus:
        return int(gpus), {"GPU": 1}
    return sum(worker["nthreads"] for worker in workers), None


def compute(client, works, submit):
    """Compute works as workers get free, in their order; workers may come and go.

    Parameters
    ----------
    client : distributed.Client
    works : iterable
    submit : callable
        Called with a work and the resources it asks for, returns a distributed.Future, or None when
        the work is not to be done any more.

    Yields
    ------
    work, distributed.Future
        In the order in which they are done.
    """
    queue, flying = deque(works), {}
    while queue or flying:
        free, resources = capacity(client)
        while queue and len(flying) < free:
            work = queue.popleft()
            future = submit(work, resources)
            if future is not None:
                flying[future] = work
        if queue and not flying:
            sleep(PAUSE_S)
        for future in _finished(flying):
            yield flying.pop(future), future
            future.release()  # a worker that dies with a result still asked for has it recomputed


def _finished(flying):
    """Futures that are done, after waiting for one; not for long, a worker may have come."""
    if not flying:
        return set()
    try:
        return wait(list(flying), timeout=5 * PAUSE_S, return_when="FIRST_COMPLETED").done
    except TimeoutError:
        return set()
