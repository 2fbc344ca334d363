"""Files appear whole or not at all, through links, with their modes; one process at a time."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from hgcae.errors import BusyError, SettingsError
from hgcae.outputs import atomic_path, claimed


def test_the_file_appears_whole_with_its_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_text("{}")
        assert temporary.suffix == ".json"
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "{}"
    assert list(path.parent.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_is_that_of_any_other_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with atomic_path(tmp_path / "result.json") as temporary:
            temporary.write_text("{}")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "result.json").stat().st_mode & 0o777 == mode


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    script = (
        "import os, sys\n"
        "from hgcae.outputs import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    assert path.read_text() == "old"


@contextmanager
def largest_file(size: int):
    """No file may grow beyond so many bytes meanwhile, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def by_pyarrow(path: Path) -> None:
    parquet.write_table(pa.table({"a": np.random.default_rng(0).integers(0, 2**60, 10_000)}), path)


def by_an_image(path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 255, (100, 100), dtype=np.uint8)
    Image.fromarray(image).save(path)


WRITERS = {
    "text": (".json", lambda path: path.write_text("x" * 10_000)),
    "arrays": (".npz", lambda path: np.savez(path, a=np.zeros(10_000))),
    "parquet": (".parquet", by_pyarrow),
    "image": (".png", by_an_image),
}


@pytest.mark.parametrize(("suffix", "write"), WRITERS.values(), ids=WRITERS)
def test_a_full_disk_names_the_file_and_leaves_nothing(suffix, write, tmp_path):
    path = tmp_path / f"result{suffix}"
    with pytest.raises(OSError) as raised, largest_file(4096), atomic_path(path) as temporary:  # noqa: PT011 - what it says is checked
        write(temporary)
    assert (raised.value.filename, raised.value.errno) == (str(path), errno.EFBIG)
    assert list(tmp_path.iterdir()) == []


class TestWhatIsThere:
    @pytest.mark.parametrize("there", [True, False])
    @pytest.mark.parametrize("depth", [1, 2])
    def test_a_link_is_written_through(self, depth, there, tmp_path):
        real = tmp_path / "elsewhere" / "real.json"
        real.parent.mkdir()
        if there:
            real.write_text("old")
        path = real
        for i in range(depth):
            link = tmp_path / f"link{i}.json"
            link.symlink_to(path)
            path = link
        with atomic_path(path) as temporary:
            temporary.write_text("new")
            assert temporary.parent == real.parent
        assert path.is_symlink()
        assert real.read_text() == "new"
        assert list(real.parent.iterdir()) == [real]

    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755])
    def test_a_file_keeps_its_mode(self, mode, tmp_path):
        path = tmp_path / "result.json"
        path.write_text("old")
        path.chmod(mode)
        with atomic_path(path) as temporary:
            temporary.write_text("new")
        assert path.stat().st_mode & 0o7777 == mode

    def test_what_is_no_file_is_refused_before_the_work(self, tmp_path):
        folder, pipe, loop = tmp_path / "folder.json", tmp_path / "pipe.json", tmp_path / "loop.json"
        folder.mkdir()
        os.mkfifo(pipe)
        loop.symlink_to(loop)
        for path, kind in ((folder, IsADirectoryError), (pipe, SettingsError), (Path("/dev/null"), SettingsError), (loop, OSError)):
            with pytest.raises(kind, match=path.name), atomic_path(path):
                pytest.fail("began to write")
        assert {entry.name for entry in tmp_path.iterdir()} == {"folder.json", "pipe.json", "loop.json"}


WRITER = """
import os, sys, time
from hgcae.outputs import atomic_path, claimed
with {what}(__import__("pathlib").Path(sys.argv[1])) as temporary:
    print("there", flush=True)
    sys.stdin.read(1)
"""


@contextmanager
def another_process(what: str, path: Path):
    """A process that is in the midst of it."""
    command = [sys.executable, "-c", WRITER.format(what=what), str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_leftovers_of_the_killed_are_swept_and_files_of_the_living_stay(tmp_path):
    mine = [tmp_path / name for name in (".result.notebook.json", ".result.hgcae-notes.json", "result.hgcae-12345678.json")]
    for path in mine:
        path.write_text("not to be touched")
    with another_process("atomic_path", tmp_path / "living.json"):
        with another_process("atomic_path", tmp_path / "killed.json"):
            assert len(list(tmp_path.glob(".*.hgcae-????????.json"))) == 2
        with atomic_path(tmp_path / "other.json") as temporary:
            temporary.write_text("new")
        (left,) = tmp_path.glob(".*.hgcae-????????.json")
        assert left.name.startswith(".living.")
        assert all(path.read_text() == "not to be touched" for path in mine)


class TestClaimed:
    def test_the_second_is_told_who_is_at_work(self, tmp_path):
        path = tmp_path / "run" / "checkpoint.npz"
        with another_process("claimed", path) as process:
            with pytest.raises(BusyError, match=f"^{path.parent}: process {process.pid} on "), claimed(path):
                pytest.fail("two at a time")
            with claimed(path.with_name("other.npz")):
                pass
        with claimed(path), pytest.raises(BusyError, match=f"process {os.getpid()} on "), claimed(path):
            pytest.fail("the killed process still has it")

    def test_forked_processes_do_not_hold_it(self, tmp_path):
        """A killed command leaves processes behind that libraries have forked."""
        path = tmp_path / "checkpoint.npz"
        code = f"""if True:
            import os, pathlib, time
            from hgcae.outputs import claimed
            with claimed(pathlib.Path({str(path)!r})):
                reading, writing = os.pipe()
                if os.fork() == 0:
                    os.write(writing, b"awake")
                    time.sleep(30)
                os.read(reading, 1)
                os._exit(9)
        """
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
        with claimed(path):
            pass

    def test_nothing_stays(self, tmp_path):
        with pytest.raises(ZeroDivisionError), claimed(tmp_path / "run" / "checkpoint.npz"):
            raise ZeroDivisionError
        assert list(tmp_path.iterdir()) == []

    def test_one_at_a_time_of_those_who_wait(self, tmp_path):
        path, seen = tmp_path / "count", tmp_path / "seen"
        seen.write_text("0")

        def count(_: int) -> None:
            for _ in range(20):
                with claimed(path, wait=True):
                    seen.write_text(str(int(seen.read_text()) + 1))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(4)))
        assert seen.read_text() == "80"
        assert list(tmp_path.iterdir()) == [seen]
