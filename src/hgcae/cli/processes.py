"""Processes beside each other."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from hgcae import stopping
from hgcae.parallel import THREADS, environment

WORKER_DIED = "scan: a worker process died, possibly out of memory; what is finished is kept: rerun with fewer workers"


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Gives a pool of processes with one thread of linear algebra each, which ends at once when this command is stopped or fails.

    They are not forked: JAX would not survive that.
    """
    single = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", THREADS: "1"}
    spawn = multiprocessing.get_context("spawn")
    with environment(single), ProcessPoolExecutor(workers, spawn, initializer=stopping.attend) as pool:
        try:
            yield pool
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
