"""The pickle of the original program: a dictionary of `digi`, dense charges, and `meta`, one row per event of whatever is known about it.

`digi` is (n, ...) with one unit of any level as row, e.g. (n, 4, 4) for ROCs or (n, 30, 19, 3, 3, 4, 4) for whole events; `meta` may be
absent, and otherwise is (n,), (n, k) or structured. Here it becomes the per-event column `meta`, and goes back as it came.

Events that were simulated have truth instead. It is written as `meta` of type float64 with one column for each of
`hgcae.events.PARTICLE_COLUMNS`, in that order: (n, 11); with k particles in every event (n, 11 k), particle by particle.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.events import PARTICLE_COLUMNS, Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.settings import atomic_path
from hgcae.sources import numpy_pickle
from hgcae.sources.base import Source

CHUNK_BYTES = 2**25
"""Dense charges that are converted at a time."""


class DigiPickle(Source):
    """Reads and writes the original program's pickle."""

    name = "digi pickle"
    suffixes = (".pickle", ".pkl")

    def sniff(self, path: Path) -> bool:
        """Returns whether a file begins like the pickle of a dictionary (protocol 0 or 1) or with a protocol number (2 to 5)."""
        with path.open("rb") as stream:
            first = stream.read(2)
        return first in {b"(d", b"}q"} or (first[:1] == b"\x80" and first[1:] in {b"\x02", b"\x03", b"\x04", b"\x05"})

    def read(self, path: str | Path, hierarchy: Hierarchy = PROTOTYPE) -> Iterator[Events]:
        """Yields the events of a pickle; see `Source.read`. Needs memory for the pickle, and `CHUNK_BYTES` for the conversion."""
        content = numpy_pickle.load(path)
        if not {"digi"} <= set(content) <= {"digi", "meta"}:
            found = ", ".join(map(repr, content)) or "nothing"
            raise DataFormatError(path, "pickle", f"a dictionary of {found}", "one of 'digi' and, perhaps, 'meta'")
        digi, meta = content["digi"], content.get("meta")
        root = _root(digi, hierarchy, path)
        if meta is not None and (not isinstance(meta, np.ndarray) or meta.shape[:1] != digi.shape[:1]):
            raise DataFormatError(path, "meta", _shape(meta), f"an array of {len(digi)} rows, one per event")
        size = max(1, CHUNK_BYTES // (digi.itemsize * root.n_cells()))
        for start in range(0, max(len(digi), 1), size):
            rows = slice(start, start + size)
            _check_charges(digi[rows], start, path)
            yield Events.from_dense(digi[rows], root, path, columns={} if meta is None else {"meta": meta[rows]})

    def write(self, path: str | Path, chunks: Iterable[Events]) -> None:
        """Writes events as one pickle; needs twice the memory of the dense charges.

        `meta` is the column of that name or, without one, the truth or, without any, a structure of all columns.

        Raises:
            DataFormatError: There is no chunk, or not every event has as many particles as the first.
        """
        parts = list(chunks)
        if not parts:
            raise DataFormatError(path, "events to write", "no chunk at all", "at least one chunk, which may hold no events")
        digi = np.zeros((sum(map(len, parts)), *parts[0].hierarchy.shape), dtype=parts[0].charge.dtype)
        start = 0
        for part in parts:
            np.copyto(digi[start : start + len(part)], part.to_dense(), casting="equiv")
            start += len(part)
        meta = _meta(parts, path)
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            # NumPy 1.26 reads protocol 4 of NumPy 2, but not protocol 5, which would do without a copy.
            pickle.dump({"digi": digi} if meta is None else {"digi": digi, "meta": meta}, stream, protocol=4)


def _root(digi: object, hierarchy: Hierarchy, path: str | Path) -> Hierarchy:
    """Returns the hierarchy whose root is a row of `digi`."""
    roots = [hierarchy.rooted(name) for name in hierarchy.names]
    if isinstance(digi, np.ndarray) and digi.dtype.kind in "biuf":
        for root in roots:
            if digi.shape[1:] == root.shape:
                return root
    expected = ", ".join(f"(n, {str(root.shape)[1:]} {root.root}" for root in roots)
    raise DataFormatError(path, "digi", _shape(digi), f"an array of real numbers: {expected}")


def _check_charges(charge: NDArray[Any], first: int, path: str | Path) -> None:
    bad = ~(np.isfinite(charge) & (charge >= 0))
    if bad.any():
        row, *cell = (int(i) for i in np.argwhere(bad)[0])
        where = f"digi[{', '.join(map(str, [first + row, *cell]))}]"
        raise DataFormatError(path, where, str(charge[row, *cell]), "a charge: a finite number of at least 0")


def _shape(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _meta(parts: Sequence[Events], path: str | Path) -> NDArray[Any] | None:
    """Returns what is known of the events as one array, or None."""
    columns = {name: _joined([part.columns[name] for part in parts]) for name in parts[0].columns}
    if "meta" in columns:
        return columns["meta"]
    if parts[0].particle_offsets is not None:
        return _truth(parts, path)
    if not columns:
        return None
    meta = np.zeros(sum(map(len, parts)), dtype=[(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    for name, values in columns.items():
        meta[name] = values
    return meta


def _truth(parts: Sequence[Events], path: str | Path) -> NDArray[np.float64] | None:
    """Returns the particles of each event as a row, NaN for what is not known of them: (n, 11 x particles per event)."""
    counts = np.concatenate([np.diff(part.particle_offsets) for part in parts if part.particle_offsets is not None])
    per_event = int(counts[0]) if len(counts) else 1
    if (counts != per_event).any():
        event = int(np.argmax(counts != per_event))
        raise DataFormatError(path, f"truth of event {event}", f"{counts[event]} particles", f"{per_event}, as in event 0, to write `meta`")
    unknown = np.full(per_event * len(counts), np.nan)
    particles = {name: _joined([part.particles[name] for part in parts]) for name in parts[0].particles}
    table = np.stack([particles.get(name, unknown) for name in PARTICLE_COLUMNS], axis=1, dtype=np.float64)
    return table.reshape(len(counts), per_event * len(PARTICLE_COLUMNS)) if per_event else None


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Joins arrays without a change of byte order or field offsets."""
    return np.concatenate(arrays, out=np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), dtype=arrays[0].dtype))
