"""The sweep on a real Dask scheduler with worker processes of its own, and as SLURM jobs."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from dask_jobqueue import SLURMCluster
from distributed import Client, Scheduler, SpecCluster, Worker

from hdsemg_nb import cluster, paths, results
from hdsemg_nb.decoders import FILTER, Run
from hdsemg_nb.recording import Recording


@pytest.fixture
def recording():
    emg = np.random.default_rng(0).normal(size=(16, 4096))
    return Recording(emg, 2048, [np.arange(50, 4000, 170), np.arange(90, 4000, 200)])


@contextmanager
def process(*arguments):
    """A process of Dask, without a nanny that would bring it back."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen([sys.executable, "-m", *arguments], env=environment)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler and two workers: a client, and the worker processes by their name."""
    file = str(tmp_path / "scheduler.json")
    ask = ["--scheduler-file", file]
    one = [
        *ask,
        "--no-nanny",
        "--nthreads",
        "1",
        "--no-dashboard",
        "--local-directory",
        str(tmp_path),
    ]
    with ExitStack() as stack:
        boss = process("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", *ask)
        stack.enter_context(boss)
        workers = {
            name: stack.enter_context(process("distributed.cli.dask_worker", *one, "--name", name))
            for name in ("first", "second")
        }
        client = stack.enter_context(Client(scheduler_file=file, timeout=60))
        client.wait_for_workers(2, timeout=60)
        yield client, workers


def log(client):
    """What happened to the runs on the scheduler: run, state it came into."""

    def transitions(dask_scheduler):
        return [(key, finish) for key, _, finish, *_ in dask_scheduler.transition_log]

    return client.run_on_scheduler(transitions)


def computing(client):
    """Names of the workers that compute a run now."""

    def names(dask_scheduler):
        return [w.name for w in dask_scheduler.workers.values() if w.processing]

    return client.run_on_scheduler(names)


@pytest.mark.slow
def test_a_worker_killed_half_way_loses_nothing_and_doubles_nothing(
    scheduler, sweep_of, recording, tmp_path
):
    client, workers = scheduler
    runs = [Run("ML-DCNN", 20, 20, epochs=20, tested_folds=1, seed=seed) for seed in range(6)]
    folder, tables = tmp_path / "runs", []
    address = client.scheduler.address

    def work():
        tables.append(sweep_of([recording], runs, folder, scheduler=address))

    thread = threading.Thread(target=work)
    thread.start()
    while len(list(folder.glob("*.json"))) < 2 or "first" not in computing(client):
        assert thread.is_alive()
        time.sleep(0.02)
    workers["first"].kill()
    killed_after = len(list(folder.glob("*.json")))
    thread.join()
    assert 2 <= killed_after < 6
    assert sorted(tables[0]["seed"].unique()) == list(range(6)) and len(tables[0]) == 6 * 2
    assert len(list(folder.glob("*.json"))) == 6 and results.failures(folder).empty
    started = Counter(key for key, state in log(client) if state == "processing")
    assert sorted(started.values()) == [1, 1, 1, 1, 1, 2]  # what was lost, and nothing else


def test_the_environment_of_the_workers_stays_theirs():
    before = dict(os.environ)
    with cluster.connect(workers=1) as client:
        assert client.submit(os.getenv, "MALLOC_TRIM_THRESHOLD_").result() == str(2**30)
        assert client.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert dict(os.environ) == before


def test_without_workers_it_waits_in_peace(monkeypatch):
    pauses, workers = [], {}
    asked = iter([{"workers": workers}] * 3)  # and not again and again
    client = SimpleNamespace(scheduler_info=lambda n_workers: next(asked))

    def come(seconds):
        pauses.append(seconds)
        workers["a"] = {"resources": {}, "nthreads": 1}

    monkeypatch.setattr(cluster, "sleep", come)
    assert list(cluster.compute(client, [1, 2], lambda work, resources: None)) == []
    assert pauses == [cluster.PAUSE_S]


def test_runs_go_to_the_workers_with_a_gpu(recording, sweep_of, tmp_path):
    runs = [Run(FILTER, 20, 20, tested_folds=1, seed=seed) for seed in range(2)]
    scheduler = {"cls": Scheduler, "options": {"dashboard": False}}
    gpu = {"cls": Worker, "options": {"nthreads": 2, "resources": {"GPU": 1}}}
    cpu = {"cls": Worker, "options": {"nthreads": 2}}
    with SpecCluster(scheduler=scheduler, workers={"gpu": gpu, "cpu": cpu}) as workers:
        address = workers.scheduler_address
        with Client(address) as client:
            assert cluster.capacity(client) == (1, {"GPU": 1})
        assert len(sweep_of([recording], runs, tmp_path, scheduler=address)) == 4
        executed = {name: worker.state.executed_count for name, worker in workers.workers.items()}
    assert executed == {"gpu": 2, "cpu": 0}


def test_workers_as_slurm_jobs():
    settings = yaml.safe_load((paths.PARAMS / "slurm_jobqueue.yaml").read_text())
    with SLURMCluster(**settings) as jobs:
        script = jobs.job_script()
    for line in ("-p <partition>", "-A <account>", "--cpus-per-task=2", "--mem=32G", "-t 24:00:00"):
        assert f"#SBATCH {line}\n" in script
    assert "#SBATCH --gres=gpu:1\n" in script
    assert "--nthreads 1 " in script and "--nworkers 2 " in script and "--resources GPU=1" in script
