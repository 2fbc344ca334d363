"""The pickle of the original program: a dictionary of dense charges and of what is known about the events.

    digi           (n, ...)              4E3M codes (0 to 127) of the trigger cells, or charges
    meta           (n, ...), optional    what is known of the particles, see `hgcae.sources.meta`, or anything else
    layer_energy   (n, ...), optional    true deposits in the silicon of each layer, MeV
    module_energy  (n, ...), optional    the same of each module

The original program reads `digi` and `meta`; its successor the other two as well. A row of `digi` holds the trigger cells of one unit of
any level in C order, in any shape, e.g. (n, 4, 4) for ROCs or (n, 30, 19, 3, 3, 4, 4, 1) for whole events. Codes become charges: a code is
the 4E3M of half the ADC counts. `meta` stays as the per-event column of that name and becomes the truth of the particles as well; deposits
become the columns of `hgcae.events.DEPOSIT_COLUMNS`. All four go back as they came.

Source of the keys, shapes and meanings: github.com/PradyunHebbar/L1Encoder and github.com/dpwinter/TPG-autoencoder-workflows@02467e3
(`tasks/data_plots.py`).
"""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.floatcode import DROPPED_BITS, FLOAT_4E3M
from hgcae.errors import DataFormatError, HgcaeWarning
from hgcae.events import DEPOSIT_COLUMNS, DigiFormat, DigiKind, Events
from hgcae.geometry.hierarchy import PROTOTYPE, Hierarchy
from hgcae.outputs import atomic_path
from hgcae.sources import meta, numpy_pickle
from hgcae.sources.base import Source

CHUNK_BYTES = 2**25
"""Dense charges that are converted at a time."""

DEPOSITS: Mapping[str, str] = dict(zip(("layer_energy", "module_energy"), DEPOSIT_COLUMNS, strict=True))
"""Columns of events by the keys of a pickle."""

_TOP_CODE = (1 << FLOAT_4E3M.bits) - 1
_WRITTEN_CODES = "<f4"
"""Networks of other programs take `digi` as it is, so codes are written as the type that those compute in."""


class DigiPickle(Source):
    """Reads and writes the original program's pickle.

    Args:
        kind: Whether `digi` holds codes or charges; None: whole numbers up to 127 are codes.
    """

    name = "digi pickle"
    suffixes = (".pickle", ".pkl")

    def __init__(self, kind: DigiKind | None = None) -> None:
        self.kind: DigiKind | None = kind

    def sniff(self, path: Path) -> bool:
        """Returns whether a file begins like the pickle of a dictionary (protocol 0 or 1) or with a protocol number (2 to 5)."""
        with path.open("rb") as stream:
            first = stream.read(2)
        return first in {b"(d", b"}q"} or (first[:1] == b"\x80" and first[1:] in {b"\x02", b"\x03", b"\x04", b"\x05"})

    def read(self, path: str | Path, hierarchy: Hierarchy = PROTOTYPE) -> Iterator[Events]:
        """Yields the events of a pickle; see `Source.read`. Needs memory for the pickle, and `CHUNK_BYTES` for the conversion.

        Warns:
            HgcaeWarning: `digi` is taken for codes by its values, or its shape could be that of a single unit without the axis of events.
        """
        content = numpy_pickle.load(path)
        if not {"digi"} <= set(content) <= {"digi", "meta", *DEPOSITS}:
            found = ", ".join(map(repr, content)) or "nothing"
            raise DataFormatError(path, "pickle", f"a dictionary of {found}", "'digi', perhaps 'meta', 'layer_energy', 'module_energy'")
        table = _table(content, hierarchy, path)
        kind: DigiKind = self.kind or _recognised(table.digi, path)
        form = DigiFormat(kind, table.digi.dtype.str, content["digi"].shape[1:])
        size = _rows_at_a_time(table.digi)
        for start in range(0, max(len(table.digi), 1), size):
            rows = slice(start, start + size)
            charge = _charges(table.digi[rows], kind, start, content["digi"].shape, path).reshape(-1, *table.root.shape)
            columns = {name: values[rows] for name, values in table.columns.items()}
            yield Events.from_dense(charge, table.root, path, columns=columns, digi=form, **table.truth(rows))

    def write(self, path: str | Path, chunks: Iterable[Events]) -> None:
        """Writes events as one pickle; needs twice the memory of the dense charges.

        `digi` has the form that `Events.digi` says; without one it holds charges. `meta` is the column of that name or, without one, the
        truth or, without any, a structure of all columns.

        Raises:
            DataFormatError: There is no chunk, or not every event has as many particles as the first.
        """
        parts = list(chunks)
        if not parts:
            raise DataFormatError(path, "events to write", "no chunk at all", "at least one chunk, which may hold no events")
        content = {"digi": _digi(parts, path)}
        known = _meta(parts, path)
        if known is not None:
            content["meta"] = known
        for key, name in DEPOSITS.items():
            if name in parts[0].columns:
                content[key] = _joined([part.columns[name] for part in parts])
        with atomic_path(path) as temporary, temporary.open("wb") as stream:
            # NumPy 1.26 reads protocol 4 of NumPy 2, but not protocol 5, which would do without a copy.
            pickle.dump(content, stream, protocol=4)


def with_digi(chunks: Iterable[Events], kind: DigiKind) -> Iterator[Events]:
    """Yields events that a pickle holds as codes or as charges; events that came from such a pickle keep its type and shape."""
    for chunk in chunks:
        if chunk.digi is not None and chunk.digi.kind == kind:
            yield chunk
        else:
            dtype = _WRITTEN_CODES if kind == "codes" else chunk.charge.dtype.str
            yield replace(chunk, digi=DigiFormat(kind, dtype, chunk.hierarchy.shape))


class _Table(NamedTuple):
    """The content of a pickle, one row per event."""

    root: Hierarchy
    digi: NDArray[Any]
    columns: Mapping[str, NDArray[Any]]
    particles: Mapping[str, NDArray[Any]]

    def truth(self, rows: slice) -> dict[str, Any]:
        """Returns the truth of some events as fields of `Events`; (n, particles per event) becomes one row per particle."""
        if not self.particles:
            return {}
        chosen = {name: values[rows] for name, values in self.particles.items()}
        n, per_event = chosen["pdg"].shape
        return {
            "particles": {name: values.reshape(-1) for name, values in chosen.items()},
            "particle_offsets": np.arange(n + 1, dtype=np.int64) * per_event,
        }


def _table(content: Mapping[str, Any], hierarchy: Hierarchy, path: str | Path) -> _Table:
    """Returns the content as rows of events, after checking all shapes.

    Raises:
        DataFormatError: Names the key.
    """
    digi = content["digi"]
    n, root = _rows(digi, content.get("meta"), hierarchy, path)
    columns = {}
    for key, name in (("meta", "meta"), *DEPOSITS.items()):
        values = content.get(key)
        if values is None:
            continue
        if not isinstance(values, np.ndarray) or values.shape[:1] != (n,):
            raise DataFormatError(path, key, _shape(values), f"an array of {n} rows, one per event")
        columns[name] = values
    units: dict[str, int | None] = {"layer_energy": root.levels[-1].children if root == hierarchy else None}
    units["module_energy"] = root.n_units("MODULE") if "MODULE" in root.names else None
    for key, count in units.items():
        values = columns.get(DEPOSITS[key])
        if values is not None and (values.dtype.kind not in "biuf" or count not in (None, math.prod(values.shape[1:]))):
            raise DataFormatError(path, key, _shape(values), f"an array of real numbers, {count or 'any number'} in each row")
    return _Table(root, digi.reshape(n, root.n_cells()), columns, meta.particles(columns.get("meta"), path))


def _rows(digi: object, about: object, hierarchy: Hierarchy, path: str | Path) -> tuple[int, Hierarchy]:
    """Returns the number of events in `digi` and the hierarchy of which each is a unit.

    `meta` says how many events there are; without it, the first axis does. What fits neither is whole events, as the original program reads
    it: `reshape(-1, ...)`.

    Raises:
        DataFormatError: Not numbers, or no whole number of units of any level.
    """
    roots = [hierarchy.rooted(name) for name in hierarchy.names]
    if isinstance(digi, np.ndarray) and digi.dtype.kind in "biuf" and digi.ndim:
        known = len(about) if isinstance(about, np.ndarray) and about.ndim else None
        for n in (known, len(digi)) if known is not None else (len(digi),):
            for root in roots:
                if digi.size == n * root.n_cells() and (n or math.prod(digi.shape[1:]) == root.n_cells()):
                    if known is None and digi.shape in {other.shape for other in roots}:
                        _warn_of_axis(digi.shape, n, root, roots, path)
                    return n, root
        if digi.size and digi.size % hierarchy.n_cells() == 0:
            return digi.size // hierarchy.n_cells(), hierarchy
    expected = ", ".join(f"(n, {str(root.shape)[1:]} {root.root}" for root in roots)
    raise DataFormatError(path, "digi", _shape(digi), f"an array of real numbers that reshapes to one of {expected}")


def _warn_of_axis(shape: tuple[int, ...], n: int, root: Hierarchy, roots: Sequence[Hierarchy], path: str | Path) -> None:
    other = next(one.root for one in roots if one.shape == shape)
    msg = f"{path}: digi {shape} is read as {n} units of {root.root}; a single {other} needs an axis of events: (1, {str(shape)[1:]}"
    warnings.warn(msg, HgcaeWarning, stacklevel=2)


def _rows_at_a_time(digi: NDArray[Any]) -> int:
    return max(1, CHUNK_BYTES // (digi.itemsize * digi.shape[1]))


def _recognised(digi: NDArray[Any], path: str | Path) -> DigiKind:
    """Returns what `digi` (n, trigger cells) holds by its values: codes are whole numbers up to 127, and some are not zero."""
    top, size = 0.0, _rows_at_a_time(digi)
    for start in range(0, len(digi), size):
        values = digi[start : start + size]
        if not ((values >= 0) & (values <= _TOP_CODE)).all() or (values.dtype.kind == "f" and (values % 1).any()):
            return "charges"
        top = max(top, float(values.max(initial=0)))
    if top == 0:
        return "charges"  # where all is zero, both are the same
    msg = f"{path}: digi is taken for 4E3M codes, being whole numbers up to {top:.0f}; if it holds charges, say so (--digi charges)"
    warnings.warn(msg, HgcaeWarning, stacklevel=2)
    return "codes"


def _charges(digi: NDArray[Any], kind: DigiKind, first: int, shape: tuple[int, ...], path: str | Path) -> NDArray[Any]:
    """Returns the charges of some rows of `digi` (n, trigger cells).

    Raises:
        DataFormatError: Names the first number that is no code, or no charge.
    """
    with np.errstate(invalid="ignore"):
        whole = (digi <= _TOP_CODE) & (digi % 1 == 0) if kind == "codes" and digi.dtype.kind == "f" else digi <= _TOP_CODE
    bad = ~((digi >= 0) & (whole if kind == "codes" else np.isfinite(digi)))
    if bad.any():
        row, cell = (int(i) for i in np.argwhere(bad)[0])
        index = np.unravel_index((first + row) * digi.shape[1] + cell, shape)
        expected = "a 4E3M code: a whole number from 0 to 127" if kind == "codes" else "a charge: a finite number of at least 0"
        raise DataFormatError(path, f"digi[{', '.join(map(str, index))}]", str(digi[row, cell]), expected)
    if kind == "charges":
        return digi
    return FLOAT_4E3M.decode(digi.astype(np.int64), DROPPED_BITS).astype(np.int32)


def _digi(parts: Sequence[Events], path: str | Path) -> NDArray[Any]:
    """Returns the charges as a dense array of the form that the events name.

    Raises:
        DataFormatError: Codes that the type of the form does not hold.
    """
    n, hierarchy, form = sum(map(len, parts)), parts[0].hierarchy, parts[0].digi
    codes = form is not None and form.kind == "codes"
    digi = np.zeros((n, hierarchy.n_cells()), dtype=form.dtype if form is not None and codes else parts[0].charge.dtype)
    start = 0
    for part in parts:
        rows = digi[start : start + len(part)]
        if codes:
            # Codes count whole charges, and saturate far below 2^53.
            values = FLOAT_4E3M.encode(np.minimum(part.charge, 2.0**52).astype(np.int64), DROPPED_BITS)
            rows[part.event, part.cell] = values
            if not np.array_equal(rows[part.event, part.cell], values):
                raise DataFormatError(path, "digi", f"codes up to {values.max()}", f"codes that {digi.dtype} holds")
        else:
            rows[part.event, part.cell] = part.charge
        start += len(part)
    shape = hierarchy.shape if form is None else form.shape
    return digi.reshape(-1, *shape) if n else np.zeros((0, *shape), digi.dtype)


def _shape(value: object) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__


def _meta(parts: Sequence[Events], path: str | Path) -> NDArray[Any] | None:
    """Returns what is known of the events as one array, or None."""
    columns = {name: _joined([part.columns[name] for part in parts]) for name in parts[0].columns if name not in DEPOSIT_COLUMNS}
    if "meta" in columns:
        return columns["meta"]
    if parts[0].particle_offsets is not None:
        return meta.of_particles(Events.concatenate([replace(part, columns={}) for part in parts]), path)
    if not columns:
        return None
    table = np.zeros(sum(map(len, parts)), dtype=[(name, values.dtype, values.shape[1:]) for name, values in columns.items()])
    for name, values in columns.items():
        table[name] = values
    return table


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Joins arrays without a change of byte order or field offsets."""
    return np.concatenate(arrays, out=np.empty((sum(map(len, arrays)), *arrays[0].shape[1:]), dtype=arrays[0].dtype))
