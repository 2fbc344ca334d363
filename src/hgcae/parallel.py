"""Threads: work in order on several of them, and work one step ahead; the surroundings of other processes."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from hgcae import stopping

T = TypeVar("T")


THREADS = "OMP_NUM_THREADS"
"""Environment variable that bounds the threads of a process; HTCondor sets it to the cores of a job, and so does the workflow."""


def usable_cores() -> int:
    """Returns how many cores this process may use: those it may run on, at most as many as `OMP_NUM_THREADS` says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    bound = os.environ.get(THREADS, "")
    return min(cores, int(bound)) if bound.isdecimal() and int(bound) else cores


@contextmanager
def environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Sets environment variables for a while, or removes those whose value is None: for processes that are started and what is imported."""
    before = {name: os.environ.get(name) for name in values}
    _set_environment(values)
    try:
        yield
    finally:
        _set_environment(before)


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def in_order(task: Callable[..., T], pieces: Iterable[tuple[Any, ...]], workers: int) -> Generator[T]:
    """Yields the results of `task(*piece)` in the order of the pieces, never more than twice as many in work as there are workers.

    Even one worker is a thread of its own: an interrupt (Ctrl-C) is raised in the main thread, and compiled code that it falls into may
    crash. 0 workers = the calling thread.
    """
    if workers == 0:
        for piece in pieces:
            stopping.check()
            yield task(*piece)
        return
    pool, waiting = ThreadPoolExecutor(workers), deque[Future[T]]()
    try:
        for piece in pieces:
            stopping.check()
            waiting.append(pool.submit(task, *piece))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        pool.shutdown()
    finally:
        # Nobody waits for what is not wanted any more: a generator that was given up may be closed by one of these very threads.
        pool.shutdown(wait=False, cancel_futures=True)


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T]:
    """Yields `items`, made by another thread up to `depth` of them ahead; an error there is raised here, in its place."""
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(entry: tuple[bool, Any]) -> bool:
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits for the item
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            stopping.check()
            good, item = ready.get()
            if good:
                yield item
            elif item is None:
                return
            else:
                raise item
    finally:
        stop.set()
        thread.join()
