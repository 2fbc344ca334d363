"""Tries cases in forked workers, which may crash, hang or fill the memory without harm, and says which case did."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import re
import shutil
import signal
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fuzz.targets import TARGETS, Target, digest, make_seeds
from hgcae.errors import HgcaeError

SECONDS = 5.0
"""A case that takes longer hangs: processor time, because machines are shared; or twelve times as long by the clock."""
MEMORY = 2**30
"""Bytes that a case may take."""
_LONGEST_MESSAGE = 4000
_NO_MEMORY = re.compile("MemoryError|Unable to allocate")
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Args:
        case: Its number.
        kind: `read` or `refused`; or what went wrong: `traceback`, `hang`, `crash`, `memory`, `other value`, `long message`.
        what: The message, or what else is known.
    """

    case: int
    kind: str
    what: str = ""

    @property
    def is_good(self) -> bool:
        return self.kind in {"read", "refused"}


class Cases:
    """All cases of a seed.

    Args:
        seed: Of all changes.
        folder: Where the files to start from are.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self._starts = {target.name: sorted((folder / target.name).iterdir()) for target in TARGETS}
        self._digests: dict[Path, str] = {}

    def write(self, case: int, folder: Path) -> tuple[Target, str | None]:
        """Writes the files of a case into an empty folder; returns the target, and what may be read where there is a checksum."""
        rng = random.Random(f"{self.seed}/{case}")
        target = TARGETS[case % len(TARGETS)]
        starts = self._starts[target.name]
        start = rng.choice(starts)
        shutil.copytree(start, folder, dirs_exist_ok=True)
        path = rng.choice(sorted(folder.glob(target.pattern)))
        others = [other.read_bytes() for other in sorted(rng.choice(starts).glob(target.pattern))] or [b""]
        is_forged = bool(target.forged) and rng.random() < 0.5
        change = rng.choice(target.forged if is_forged else target.changes)
        path.write_bytes(change(path.read_bytes(), others, rng))
        return target, self._digest(target, start) if target.sealed and not is_forged else None

    def _digest(self, target: Target, start: Path) -> str:
        if start not in self._digests:
            self._digests[start] = digest(target.read(start))
        return self._digests[start]

    def run(self, case: int, folder: Path) -> Outcome:
        """Tries a case in this process."""
        target, expected = self.write(case, folder)
        kind = what = ""
        try:
            read = target.read(folder)
        except (HgcaeError, OSError) as error:
            what = str(error)
            kind = "memory" if _NO_MEMORY.search(what) else "long message" if len(what) > _LONGEST_MESSAGE else "refused"
        except Exception as error:  # noqa: BLE001 - what this is for
            kind, what = "memory" if isinstance(error, MemoryError) else "traceback", traceback.format_exc()
        else:
            same = expected is None or digest(read) == expected
            kind, what = ("read", "") if same else ("other value", "what was read is not what was written, and nothing was said")
        return Outcome(case, kind, what[:_LONGEST_MESSAGE])


def _work(cases: Cases, numbers: range, folder: Path, begun: Any, answers: Connection) -> None:
    """Tries cases one after the other; `begun` holds the number of the present one, its time and the processor time before it."""
    warnings.simplefilter("ignore")
    gc.freeze()
    (Path("/proc/self/clear_refs")).write_text("5")
    base = _memory("VmRSS")
    for case in numbers:
        begun[:] = case, time.monotonic(), time.process_time()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        outcome = cases.run(case, folder)
        grown = _memory("VmHWM") - base
        if grown > MEMORY:
            outcome = Outcome(case, "memory", f"{grown >> 20} MiB")
        if grown > MEMORY // 8:
            (Path("/proc/self/clear_refs")).write_text("5")
            base = _memory("VmRSS")
        answers.send(outcome)
    begun[0] = -1
    answers.close()


def _memory(name: str) -> int:
    """Returns a figure of this process in bytes. Source: proc(5)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


class _Worker:
    """A process that tries every so-many-th case, and is started again behind a case that ended it."""

    def __init__(self, cases: Cases, numbers: range, folder: Path) -> None:
        self._cases, self._numbers, self._folder = cases, numbers, folder
        self._begun = _FORK.RawArray("d", 3)
        self._start()

    def _start(self) -> None:
        self.answers, theirs = _FORK.Pipe(duplex=False)
        self._begun[:] = self._numbers[0] if self._numbers else -1, time.monotonic(), 0.0
        self._is_late = False
        self._process = _FORK.Process(target=_work, args=(self._cases, self._numbers, self._folder, self._begun, theirs), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_late(self) -> bool:
        case, start, used = self._begun
        return case >= 0 and (self._used() - used > SECONDS or time.monotonic() - start > 12 * SECONDS)

    def _used(self) -> float:
        """Returns the processor time of the process so far, s. Source: proc(5)."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def is_large(self) -> bool:
        try:
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return False
        return pages * os.sysconf("SC_PAGE_SIZE") > 4 * MEMORY

    def kill(self) -> None:
        self._is_late = self.is_late
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()

    def answer(self) -> Outcome | None:
        """Returns how the next case ended, once the pipe says that there is something; None at the end of all."""
        try:
            return self.answers.recv()
        except EOFError:
            return self._ended()

    def _ended(self) -> Outcome | None:
        self._process.join()
        case = int(self._begun[0])
        if case < 0:
            return None
        kind = "hang" if self._is_late else "memory" if self._process.exitcode == -signal.SIGKILL else "crash"
        self._numbers = self._numbers[self._numbers.index(case) + 1 :]
        what = f"ended by signal {-(self._process.exitcode or 0)} after {time.monotonic() - self._begun[1]:.1f} s"
        self._start()
        return Outcome(case, kind, what)


def outcomes(seed: int, numbers: range, workers: int) -> Iterator[Outcome]:
    """Yields how each case ended, in any order."""
    with seeds() as folder, TemporaryDirectory() as scratch:
        cases = Cases(seed, folder)
        running = [_Worker(cases, numbers[i::workers], Path(scratch) / str(i)) for i in range(workers)]
        try:
            while running:
                for connection in wait([worker.answers for worker in running], 0.1):
                    worker = next(worker for worker in running if worker.answers is connection)
                    outcome = worker.answer()
                    if outcome is None:
                        running.remove(worker)
                    else:
                        yield outcome
                for worker in running:
                    if worker.is_late or worker.is_large:
                        worker.kill()
        finally:
            for worker in running:
                worker.kill()


@contextmanager
def seeds() -> Iterator[Path]:
    """Gives a folder of files to start from."""
    with TemporaryDirectory() as folder:
        maker = _FORK.Process(target=make_seeds, args=(Path(folder),))
        maker.start()
        maker.join()
        if maker.exitcode:
            msg = "the files to start from could not be made"
            raise RuntimeError(msg)
        yield Path(folder)


def try_one(seed: int, case: int, keep: Path) -> Outcome:
    """Tries one case in this process and keeps its files."""
    with seeds() as folder:
        keep.mkdir(parents=True, exist_ok=True)
        return Cases(seed, folder).run(case, keep)
