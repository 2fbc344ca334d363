"""How a command is stopped: Ctrl-C and SIGTERM end it at once where that is safe, and otherwise at the next safe point.

An exception that a signal raises inside a callback of JAX is printed and forgotten, and the command would continue. So a signal is noted,
too, and `check`, which is called wherever work is divided (steps, batches, pieces, files), raises what was lost. A command that has not
ended half a minute later, because a library waits for what never comes, ends as if it had been killed: files are whole all the same.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType

_REPEATED_S = 1.0
"""A signal may come twice, to the process and to its group; after so many seconds it is another one."""
_LOOK_S = 0.2
"""Time between two looks whether the parent is still there."""
GRACE_S = 30.0
"""Time from a signal to the end of the process, whatever it waits for."""
_CALLS_BACK = ("jax", "jaxlib", "keras", "gc", "weakref", "_weakrefset")
"""Packages in whose code nothing is raised."""
_asked: list[tuple[int, float]] = []


class Stopped(SystemExit, KeyboardInterrupt):
    """The command was asked to stop. Those who run tasks know it as an interrupt, and processes end by it without a traceback."""


def asked() -> int | None:
    """Returns the number of the signal that asked this process to stop, if one did."""
    return _asked[0][0] if _asked else None


def check() -> None:
    """Marks a safe point.

    Raises:
        Stopped: The process was asked to stop.
    """
    if _asked:
        raise Stopped(128 + _asked[0][0])


@contextmanager
def stoppable(say: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Lets signals stop what runs inside; a second Ctrl-C ends the process at once. Signals that are ignored stay so.

    Args:
        say: Tells the user that the process was stopped; called where it ends by itself, see `GRACE_S`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _on_signal) for number in signals}
    done = threading.Event()
    threading.Thread(target=_end_in_time, args=(done, say), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        _asked.clear()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred() -> Iterator[None]:
    """Puts signals off until the end. Processes that are forked inside and run on are deaf to them; they end when their parent does."""
    process = os.getpid()

    def note(number: int, _: FrameType | None) -> None:
        if os.getpid() == process and not _asked:
            _asked.append((number, time.monotonic()))

    heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is _on_signal]
    for number in heard:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, _on_signal)
    check()


def attend() -> None:
    """Makes this process one that works for its parent: Ctrl-C is the parent's to hear, and whoever kills the parent ends it, too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


@cache
def forks_end_with_this() -> None:
    """Lets all processes that are forked from here on end when this one does, those of libraries, too: nobody else would end them."""
    os.register_at_fork(after_in_child=end_with_parent)


def end_with_parent() -> None:
    """Lets this process end when its parent does: it would hold locks and do unwanted work."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _end_in_time(done: threading.Event, say: Callable[[], None]) -> None:
    while not done.wait(_LOOK_S):
        for number, when in _asked[:1]:
            if time.monotonic() - when > GRACE_S:
                say()
                os._exit(128 + number)


def _on_signal(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _asked and now - _asked[0][1] < _REPEATED_S:
        return
    if _asked:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    _asked.append((number, now))
    if not _called_back(frame):
        check()


def _called_back(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _CALLS_BACK:
            return True
        frame = frame.f_back
    return False
