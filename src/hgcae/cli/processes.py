"""Processes beside each other."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hgcae.parallel import THREADS, environment


def single_threads() -> AbstractContextManager[None]:
    """Lets processes that are started use one thread of linear algebra each."""
    return environment({"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", THREADS: "1"})


WORKER_DIED = "scan: a worker process died, possibly out of memory; what is finished is kept: rerun with fewer workers"
