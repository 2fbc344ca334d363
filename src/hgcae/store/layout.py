"""What the columns of a file are: NumPy types, their Arrow counterparts, and events as Arrow tables.

A column of shape (n, *shape) is described by the NumPy sub-array type (dtype, shape); the type of its rows. Arrow holds it as a fixed-size
list, and a structured type as a struct. Byte order and field offsets, which Arrow lacks, are kept in the file's metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hgcae.errors import DataFormatError
from hgcae.events import DigiFormat, Events
from hgcae.geometry.detector import detector_from_dict, detector_to_dict
from hgcae.geometry.hierarchy import Hierarchy

FORMAT = "hgcae-events"
SCHEMA_VERSION = 1

_PARTICLE = "particle_"
_CELL = np.dtype(np.int32)


@dataclass(frozen=True)
class Layout:
    """Types of all that a file holds.

    Args:
        hierarchy: Levels of the events.
        detector: Name and fingerprint of the detector, or None where unknown.
        charge: Type of a charge.
        columns: Type of a row of each per-event column.
        particles: Type of a row of each per-particle column; empty without truth.
        digi: How the pickle that the events came from holds their charges, or None.
    """

    hierarchy: Hierarchy
    detector: tuple[str, str] | None
    charge: np.dtype[Any]
    columns: Mapping[str, np.dtype[Any]]
    particles: Mapping[str, np.dtype[Any]]
    digi: DigiFormat | None = None

    @classmethod
    def of(cls, events: Events, source: object) -> Layout:
        """Returns the layout of events.

        Raises:
            DataFormatError: A column has a name that the format needs, or values that are not numbers of at most 64 bits.
        """
        for name, values in [("charge", events.charge), *events.columns.items(), *events.particles.items()]:
            if not _is_numeric(_row_type(values)):
                raise DataFormatError(source, f"column {name}", f"{values.dtype} of shape {values.shape}", "at least one number per row")
        for name in events.columns:
            if name in ("cell", "charge") or name.startswith(_PARTICLE):
                raise DataFormatError(source, f"column {name}", "a reserved name", f"a name other than cell, charge or {_PARTICLE}*")
        columns, particles = ({name: _row_type(values) for name, values in group.items()} for group in (events.columns, events.particles))
        return cls(events.hierarchy, events.detector, events.charge.dtype, columns, particles, events.digi)

    def to_dict(self) -> dict[str, object]:
        """Returns plain values from which `from_dict` builds an equal layout."""
        return {
            "hierarchy": self.hierarchy.to_dict(),
            "root": self.hierarchy.root,
            "detector": detector_to_dict(self.detector),
            "charge": _dtype_to_plain(self.charge),
            "columns": {name: _dtype_to_plain(dtype) for name, dtype in self.columns.items()},
            "particles": {name: _dtype_to_plain(dtype) for name, dtype in self.particles.items()},
            "digi": None if self.digi is None else asdict(self.digi),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Layout:
        """Builds a layout from what `to_dict` returned."""
        digi = values.get("digi")
        return cls(
            Hierarchy.from_dict(values["hierarchy"]),
            detector_from_dict(values["detector"]),
            _dtype_from_plain(values["charge"]),
            {name: _dtype_from_plain(dtype) for name, dtype in values["columns"].items()},
            {name: _dtype_from_plain(dtype) for name, dtype in values["particles"].items()},
            None if digi is None else DigiFormat(digi["kind"], digi["dtype"], tuple(digi["shape"])),
        )

    def __str__(self) -> str:
        types = {"charge": self.charge, **self.columns, **{_PARTICLE + name: dtype for name, dtype in self.particles.items()}}
        return f"root {self.hierarchy.root} {self.hierarchy.shape}, " + ", ".join(f"{name} {dtype}" for name, dtype in types.items())

    def schema(self) -> pa.Schema:
        """Returns the Arrow schema, without metadata."""
        types = {"cell": _list_type(_CELL), "charge": _list_type(self.charge)}
        types |= {name: _arrow_type(dtype) for name, dtype in self.columns.items()}
        types |= {_PARTICLE + name: _list_type(dtype) for name, dtype in self.particles.items()}
        return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])

    def to_table(self, events: Events) -> pa.Table:
        """Returns events of this layout as an Arrow table."""
        arrays = [_to_lists(events.offsets, events.cell.astype(_CELL, copy=False)), _to_lists(events.offsets, events.charge)]
        arrays += [_to_arrow(events.columns[name]) for name in self.columns]
        if events.particle_offsets is not None:
            arrays += [_to_lists(events.particle_offsets, events.particles[name]) for name in self.particles]
        return pa.Table.from_arrays(arrays, schema=self.schema())

    def to_events(self, table: pa.Table, source: object) -> Events:
        """Returns an Arrow table as events.

        Raises:
            DataFormatError: The table does not hold valid events.
        """
        offsets, cell = _from_lists(table["cell"], _CELL)
        charge_offsets, charge = _from_lists(table["charge"], self.charge)
        if not np.array_equal(offsets, charge_offsets):
            raise DataFormatError(source, "column charge", "another number of charges than of cells", "as many in every event")
        columns = {name: _from_arrow(table[name].combine_chunks(), dtype) for name, dtype in self.columns.items()}
        particles, particle_offsets = {}, None
        for name, dtype in self.particles.items():
            particle_offsets, particles[name] = _from_lists(table[_PARTICLE + name], dtype)
        return Events(self.hierarchy, offsets, cell, charge, columns, particles, particle_offsets, self.detector, self.digi).validate(
            source
        )


def _row_type(values: NDArray[Any]) -> np.dtype[Any]:
    return np.dtype((values.dtype, values.shape[1:]))


def _is_numeric(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return _is_numeric(dtype.base) and 0 not in dtype.shape
    if dtype.names is not None:
        return bool(dtype.names) and all(_is_numeric(kind) for _, kind, _ in _fields(dtype))
    return dtype.kind in "biuf" and dtype.itemsize <= 8


def _fields(dtype: np.dtype[Any]) -> list[tuple[str, np.dtype[Any], int]]:
    """Returns name, type and offset of the fields of a structured type, in order."""
    fields: Any = dtype.fields
    return [(name, *fields[name][:2]) for name in dtype.names or ()]


def _dtype_to_plain(dtype: np.dtype[Any]) -> object:
    """Returns a type as plain values: a type string, [type, shape], or the fields with their offsets and the total size."""
    if dtype.subdtype is not None:
        return [_dtype_to_plain(dtype.base), list(dtype.shape)]
    if dtype.names is not None:
        names, formats, offsets = zip(*_fields(dtype), strict=True)
        return {"names": names, "formats": [_dtype_to_plain(kind) for kind in formats], "offsets": offsets, "itemsize": dtype.itemsize}
    return dtype.str


def _dtype_from_plain(value: Any) -> np.dtype[Any]:
    if isinstance(value, list):
        return np.dtype((_dtype_from_plain(value[0]), tuple(value[1])))
    if isinstance(value, dict):
        value = {**value, "formats": [_dtype_from_plain(item) for item in value["formats"]]}
    return np.dtype(value)


def _arrow_type(dtype: np.dtype[Any]) -> pa.DataType:
    if dtype.subdtype is not None:
        return pa.list_(pa.field("element", _arrow_type(dtype.base), nullable=False), math.prod(dtype.shape))
    if dtype.names is not None:
        return pa.struct([pa.field(name, _arrow_type(kind), nullable=False) for name, kind, _ in _fields(dtype)])
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def _list_type(dtype: np.dtype[Any]) -> pa.DataType:
    return pa.list_(pa.field("element", _arrow_type(dtype), nullable=False))


def _to_arrow(values: NDArray[Any]) -> pa.Array:
    """Returns an array (n, ...) of numbers or structures as n Arrow values."""
    kind = _arrow_type(_row_type(values))
    if values.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(_to_arrow(values.reshape(-1)), type=kind)
    if values.dtype.names is not None:
        return pa.StructArray.from_arrays([_to_arrow(values[name]) for name in values.dtype.names], fields=list(kind))
    return pa.array(np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("=")))


def _from_arrow(array: pa.Array, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Undoes `_to_arrow`."""
    if dtype.subdtype is not None:
        return _from_arrow(array.flatten(), dtype.base).reshape(len(array), *dtype.shape)
    if dtype.names is not None:
        values = np.zeros(len(array), dtype=dtype)
        for name, kind, _ in _fields(dtype):
            values[name] = _from_arrow(array.field(name), kind)
        return values
    return array.to_numpy(zero_copy_only=False).astype(dtype, copy=False)


def _to_lists(offsets: NDArray[np.int64], values: NDArray[Any]) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), _to_arrow(values), type=_list_type(_row_type(values)))


def _from_lists(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Undoes `_to_lists`; the lists are not joined as such, because Arrow's 32-bit offsets would limit their total length."""
    counts = np.concatenate([np.diff(chunk.offsets.to_numpy()) for chunk in column.chunks], dtype=np.int64)
    values = pa.chunked_array([chunk.flatten() for chunk in column.chunks]).combine_chunks()
    return np.concatenate([[0], np.cumsum(counts)]), _from_arrow(values, dtype)
