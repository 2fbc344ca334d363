"""How files are written: whole or not at all, and by one process at a time where two would spoil each other's work."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from hgcae import stopping
from hgcae.errors import BusyError, SettingsError

_MARK = ".hgcae-"
_TEMPORARY = re.compile(rf"\..*{re.escape(_MARK)}[a-z0-9_]{{8}}(\.[^.]*)?")
"""Names of temporary files: hidden, and nobody else's."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of a full or broken disk, which name no file where they are raised by writing."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""Errors of file systems that know no locks."""
_LONGEST = 1000
"""Bytes that a lock says about who has it."""
_held: set[int] = set()
"""Handles of locks. A forked process would keep them when its parent is gone, so it gives up its copies."""


def _forget() -> None:
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_forget)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path next to `path` that is renamed to it on success and removed on failure.

    The temporary name keeps the suffix, because writers choose the format by it. A link is written through, and a file that was there
    keeps its mode. Temporary files that killed processes have left in the folder are removed: those that nobody holds a lock on.

    Raises:
        SettingsError: The path is a pipe or a device.
        OSError: The file cannot be written; names `path`, not the temporary file.
    """
    stopping.check()
    named = Path(path)
    temporary: Path | None = None
    handle = -1
    try:
        target = _linked(named)
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent.absolute())
        handle, temporary = _new_file(target)
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        _give_mode(temporary, target)
        temporary.replace(target)
    except OSError as error:
        of_temporary = temporary is not None and error.filename == str(temporary)
        if of_temporary or (error.filename is None and error.errno in _DISK):
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO), str(named)) from error
        raise
    finally:
        if temporary is not None:
            # Removed before the lock is given up, so that nobody else sweeps it.
            temporary.unlink(missing_ok=True)
            _give_up(handle)


def _give_up(handle: int) -> None:
    _held.discard(handle)
    os.close(handle)


def _linked(path: Path) -> Path:
    """Returns the file that a path stands for.

    Raises:
        OSError: It is a folder, or a link that leads nowhere.
        SettingsError: It is a pipe or a device.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.exists() and not path.is_file():
        msg = f"{path}: found a pipe or a device, expected the name of a file"
        raise SettingsError(msg)
    return target


def _new_file(target: Path) -> tuple[int, Path]:
    """Makes a temporary file next to a file and locks it; returns the handle that holds the lock, and its path."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}{_MARK}", suffix=target.suffix, dir=target.parent)
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if Path(name).exists():
            _held.add(handle)
            return handle, Path(name)
        os.close(handle)  # another process took it for a leftover before it was locked


def _give_mode(temporary: Path, target: Path) -> None:
    """Gives a new file the group and mode of the one that it replaces, or of any new file."""
    try:
        before = target.stat()
    except FileNotFoundError:
        temporary.chmod(0o666 & ~_umask())
        return
    with suppress(PermissionError):
        os.chown(temporary, -1, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@cache
def _sweep(folder: Path) -> None:
    """Removes temporary files that no living process holds; once for each folder that a process writes into."""
    for path in folder.iterdir():
        if not _TEMPORARY.fullmatch(path.name):
            continue
        with suppress(OSError):
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(handle)


@contextmanager
def claimed(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Keeps a file (with what else its maker writes next to it) for this process; a second process waits, or is told.

    The lock is on a hidden file of its own, and goes when the process ends, however it ends. Where the file system knows no locks, nothing
    is kept.

    Raises:
        BusyError: Another process has it.
    """
    new_folder = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    handle = _lock(path, lock, wait=wait)
    try:
        yield
    finally:
        # Removed while it is locked: who waits for this very file looks whether it is still there.
        lock.unlink(missing_ok=True)
        _give_up(handle)
        if new_folder:
            with suppress(OSError):  # what failed before it wrote anything leaves nothing
                path.parent.rmdir()


def _lock(path: Path, lock: Path, *, wait: bool) -> int:
    """Opens and locks a file; returns the handle."""
    me = f"process {os.getpid()} on {socket.gethostname()} ({' '.join([Path(sys.argv[0]).name, *sys.argv[1:]])})"
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno in _NO_LOCKS:
                _held.add(handle)
                return handle
            who = os.read(handle, _LONGEST).decode(errors="replace") or "another process"
            os.close(handle)
            if not isinstance(error, BlockingIOError):
                raise
            msg = f"{path.parent}: {who} is at work there; wait for it, or choose another folder"
            raise BusyError(msg) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), lock.stat()):
                os.truncate(handle, 0)
                os.write(handle, me.encode(errors="replace")[:_LONGEST])
                _held.add(handle)
                return handle
        os.close(handle)  # its owner has just removed it


def finite(value: Any) -> Any:
    """Returns plain values in which numbers that are not finite are None."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
