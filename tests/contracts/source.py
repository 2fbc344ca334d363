"""What every file format that hgcae reads must do."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from contracts.events import assert_same_arrays, assert_same_mappings
from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import Events
from hgcae.sources import SOURCES, Source, find_source
from hgcae.sources.base import Source as Base


class SourceContract:
    """Inherited by the test of each format, which says what the format is and what it can hold."""

    source: Source

    def events(self) -> Events:
        """Three or more events that the format keeps entirely, one of them without charge."""
        raise NotImplementedError

    def file(self, folder: Path) -> Path:
        """A file that holds `events()`."""
        raise NotImplementedError

    def assert_holds(self, path: Path, events: Events) -> None:
        chunks = list(self.source.read(path))
        assert all((chunk.charge.dtype, chunk.hierarchy) == (events.charge.dtype, events.hierarchy) for chunk in chunks)
        found = Events.concatenate(chunks)
        assert_same_arrays(found, events, ("offsets", "cell", "charge"))
        assert_same_mappings(found.columns, events.columns)

    def test_is_registered(self):
        assert isinstance(self.source, Base)
        assert [source for source in SOURCES if type(source) is type(self.source)]
        for suffix in self.source.suffixes:
            assert type(find_source(f"events{suffix}")) is type(self.source)
            assert type(find_source(f"EVENTS{suffix.upper()}")) is type(self.source)

    def test_is_recognised_without_its_suffix(self, tmp_path):
        path = self.file(tmp_path).rename(tmp_path / "events.unknown")
        assert type(find_source(path, look=True)) is type(self.source)
        with pytest.raises(DataFormatError, match="format: found the ending '.unknown'"):
            find_source(path)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"\x89HDF\r\n", b"a,b\n1,2\n"])
    def test_does_not_recognise_others(self, tmp_path, content):
        (tmp_path / "other").write_bytes(content)
        assert not self.source.sniff(tmp_path / "other")

    def test_reads_every_event(self, tmp_path):
        self.assert_holds(self.file(tmp_path), self.events())

    def test_reads_the_same_twice(self, tmp_path):
        path = self.file(tmp_path)
        for first, second in zip(self.source.read(path), self.source.read(path), strict=True):
            np.testing.assert_array_equal(first.to_dense(), second.to_dense())

    def test_a_missing_file_is_an_os_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            list(self.source.read(tmp_path / f"missing{self.source.suffixes[0]}"))

    @pytest.mark.parametrize("content", [b"", b"\n", b"PAR1PAR1", b"\x00" * 100, b"\x80", b"hello, world\n"])
    def test_other_content_is_named(self, tmp_path, content):
        path = tmp_path / f"events{self.source.suffixes[0]}"
        path.write_bytes(content)
        with pytest.raises(DataFormatError, match=r"events\.\w+: .*: found .*, expected "):
            list(self.source.read(path))

    def test_damage_never_surprises(self, tmp_path):
        """A flipped bit or a missing end gives events or an error about the data, nothing else."""
        path = self.file(tmp_path)
        content = path.read_bytes()
        rng = np.random.default_rng(5)
        for position in range(0, len(content), max(1, len(content) // 300)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << int(rng.integers(8))
            for variant in (bytes(damaged), content[:position]):
                path.write_bytes(variant)
                with suppress(DataFormatError), warnings.catch_warnings(action="ignore", category=HgcaeWarning):
                    for chunk in self.source.read(path):
                        chunk.validate()


class WrittenSourceContract(SourceContract):
    """Inherited by the test of each format that hgcae also writes."""

    def file(self, folder: Path) -> Path:
        path = folder / f"events{self.source.suffixes[0]}"
        self.source.write(path, [self.events()])
        return path

    def test_chunks_do_not_matter(self, tmp_path):
        events = self.events()
        path = tmp_path / f"pieces{self.source.suffixes[0]}"
        self.source.write(path, [events[:0], *events.chunks(1)])
        assert path.read_bytes() == self.file(tmp_path).read_bytes()

    def test_no_events(self, tmp_path):
        path = tmp_path / f"none{self.source.suffixes[0]}"
        self.source.write(path, [self.events()[:0]])
        chunks = list(self.source.read(path))
        assert [len(chunk) for chunk in chunks] == [0]

    def test_no_chunk_cannot_be_written(self, tmp_path):
        with pytest.raises(DataFormatError, match="at least one chunk"):
            self.source.write(tmp_path / f"none{self.source.suffixes[0]}", [])
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, DataFormatError("a", "b", "c", "d")])
    def test_an_interrupted_write_leaves_what_was_there(self, tmp_path, stop):
        path = self.file(tmp_path)
        content = path.read_bytes()

        def chunks():
            yield self.events()
            raise stop

        with pytest.raises(stop if isinstance(stop, type) else type(stop)):
            self.source.write(path, chunks())
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == content
