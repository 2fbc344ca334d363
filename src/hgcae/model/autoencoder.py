"""An autoencoder of a hierarchy of levels: events to codes and codes to events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import Codes
from hgcae.coding.floatcode import DROPPED_BITS, FLOAT_4E3M
from hgcae.errors import GeometryError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.assembly import Assembly


class Autoencoder(Assembly):
    """Encoders and decoders of all levels of a hierarchy, see `Assembly`."""

    def digi(self, events: Events) -> Events:
        """Returns events as the lowest level sees them: charges, or their codes without those that are zero."""
        if self.settings.digi == "charges":
            return events
        code = FLOAT_4E3M.encode_charges(events.charge, DROPPED_BITS)
        kept = code > 0
        offsets = np.concatenate([[0], np.cumsum(kept)])[events.offsets].astype(np.int64)
        return replace(events, offsets=offsets, cell=events.cell[kept], charge=code[kept])

    def encode_events(self, events: Events, level: str, below: Codes | None = None) -> Codes:
        """Encodes the occupied units of a level, all lower levels included.

        Args:
            events: Events whose root is this hierarchy's, or one of its lower levels; of the model's detector, or of an unknown one.
            level: Level to stop at.
            below: Codes of the level below, if they are known already.

        Raises:
            GeometryError: Events of other levels or of another detector than the model's, or codes of others than these events.
            DataFormatError: The events are not valid, see `Events.validate`.
        """
        self._check_hierarchy(events.hierarchy)
        self._check_detector(events.detector)
        hierarchy, name = events.hierarchy, self.level(level).name
        lower = hierarchy.below(name)
        if below is not None and (below.level, below.n_events) != (lower, len(events)):
            msg = f"codes below {name}: found {below.n_events} events at {below.level}, expected {len(events)} at {lower}"
            raise GeometryError(msg)
        if lower is None:
            units, event, unit = self.digi(events.validate()).units(name)
            x: NDArray[Any] = units.to_dense().reshape(-1, hierarchy.n_cells(name)).astype(np.float32)
            zero = np.zeros((1, *x.shape[1:]), dtype=np.float32)
        else:
            below = below or self.encode_events(events, lower)
            x, event, unit = below.children_of(hierarchy, name)
            zero = np.broadcast_to(below.empty_words + below.format.lowest, (1, *x.shape[1:]))
        words = self._encoded(name, np.concatenate([zero, x])) - self.level(name).format.lowest
        return Codes(name, len(events), event, unit, words[1:], self.level(name).format, words[0])

    def encode_stream(self, chunks: Iterable[Events], level: str) -> Codes:
        """Encodes a stream of events chunk by chunk, as one sample; see `encode_events`."""
        nothing = Events.from_dense(np.zeros((0, *self.hierarchy.shape), dtype=np.int32), self.hierarchy)
        return Codes.concatenate([self.encode_events(chunk, level) for chunk in chain([nothing], chunks)])

    def _encoded(self, name: str, x: NDArray[Any]) -> NDArray[np.int32]:
        """Returns the integers of units (n, latent), given as charges or as the integers of their children's codes."""
        return self.level(name).integer_encoder().integers(x, workers=None)

    def decode_codes(self, codes: Codes, hierarchy: Hierarchy | None = None) -> Events:
        """Decodes codes of a level down to trigger cells.

        Where codes carry sums, decoded sums below 0.7 and charges below 0.6 of the smallest possible charge are dropped and their charge
        goes to the rest of the unit, so the cost follows the signal and energy is preserved.

        Returns:
            Events with float32 charges in ADC counts, without truth.

        Raises:
            GeometryError: Other levels than the model's, or codes of another length.
        """
        hierarchy = hierarchy or self.hierarchy
        self._check_hierarchy(hierarchy)
        found, expected = codes.format.widths.tolist(), self.level(codes.level).format.widths.tolist()
        if found != expected:
            msg = f"codes of {codes.level}: found numbers of {found} bits, expected {expected}"
            raise GeometryError(msg)
        if self.conserves_charge:
            event, unit, code = codes.event, codes.unit, codes.code
        else:
            # An empty unit may decode to charges here, so every unit is decoded.
            event, unit = _every_unit(codes.n_events, hierarchy, codes.level)
            code = codes.dense(hierarchy).reshape(len(unit), len(expected))
        return self._decoded(hierarchy, codes.level, codes.n_events, event, unit, code)

    def decode_numbers(self, z: NDArray[Any], level: str, root: str | None = None) -> Events:
        """Decodes a dense tensor of codes, whose numbers need not lie on their grid, down to trigger cells; see `decode_codes`.

        Args:
            z: Codes of a level (n, *units of the level in the root, latent).
            level: Their level.
            root: Level of which one row is a unit; default the model's root.

        Raises:
            GeometryError: Another shape, or integers in the place of codes.
        """
        hierarchy = self.hierarchy.rooted(root or self.hierarchy.root)
        return self._decoded(hierarchy, level, len(z), *_every_unit(len(z), hierarchy, level), self._rows(z, level, hierarchy))

    def _rows(self, z: NDArray[Any], name: str, hierarchy: Hierarchy) -> NDArray[np.float32]:
        """Returns a dense tensor of codes as rows (n, latent).

        Raises:
            GeometryError: Another shape, or not the numbers that integers stand for.
        """
        expected = (*hierarchy.unit_shape(name), self.level(name).latent)
        if z.shape[1:] != expected:
            msg = f"codes of {name}: found shape {z.shape}, expected (n, {', '.join(map(str, expected))}) for the root {hierarchy.root}"
            raise GeometryError(msg)
        if z.dtype.kind != "f":
            msg = f"codes of {name}: found {z.dtype}, expected real numbers; model.level({name!r}).format.from_integers makes these"
            raise GeometryError(msg)
        return z.astype(np.float32).reshape(-1, expected[-1])

    def _decoded(
        self, hierarchy: Hierarchy, name: str, n_events: int, event: NDArray[np.int64], unit: NDArray[np.int64], code: NDArray[np.float32]
    ) -> Events:
        if self.conserves_charge:
            occupied = code[:, 0] > 0
            event, unit = event[occupied], unit[occupied]
            state = self.run("state", name, code[occupied])
        else:
            state = code
        below: str | None = self.level(name).name
        while below is not None:
            state, event, unit = self._decode_level(hierarchy, below, state, event, unit)
            below = hierarchy.below(below)
        charged = state > 0
        charge = state[charged]
        if self.settings.digi == "codes":
            charge = FLOAT_4E3M.interpolate(charge, DROPPED_BITS).astype(np.float32)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(event[charged], minlength=n_events))]).astype(np.int64)
        return Events(hierarchy, offsets, unit[charged].astype(np.int32), charge, detector=self.detector)

    def _decode_level(
        self, hierarchy: Hierarchy, name: str, state: NDArray[np.float32], event: NDArray[np.int64], unit: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Decodes units to their children; returns states (or charges), events and flat indices of the children that are kept."""
        level, lowest = self.level(name), hierarchy.below(name) is None
        index = unit[:, None] * level.children + np.arange(level.children)
        given: list[NDArray[Any]] = [present_children(hierarchy, name)[unit]] if self.conserves_charge or hierarchy.missing else []
        if self.conserves_charge:
            smallest = (0.6 if lowest else 0.7) * self.calibration.smallest_charge
            given.append(np.full(len(state), smallest, dtype=np.float32))
        child = self.run("decode", name, state, *given)
        keep = (child if lowest else child[..., 0]) > 0 if self.conserves_charge else np.ones(index.shape, dtype=bool)
        return child[keep], np.repeat(event, keep.sum(axis=1)), index[keep]

    def reconstruct(self, events: Events, level: str, chunk: int = 512) -> Events:
        """Encodes events up to a level and decodes them again; columns and truth are kept."""
        chunks = events.validate().chunks(chunk) if len(events) else [events]
        parts = [self.decode_codes(self.encode_events(part, level), part.hierarchy) for part in chunks]
        decoded = Events.concatenate(parts)
        return replace(
            events, offsets=decoded.offsets, cell=decoded.cell, charge=decoded.charge, detector=events.detector or decoded.detector
        )

    def encode(self, x: NDArray[Any], level: str, root: str | None = None, recursive: bool = True) -> NDArray[np.float32]:
        """Encodes a dense tensor.

        Args:
            x: Charges (n, *shape of the root); or, if not `recursive` and above the lowest level, codes of the level below
                (n, *units of that level in the root, latent).
            level: Level of the result.
            root: Level of which one row of `x` is a unit; default the model's root.
            recursive: Whether all lower levels run too.

        Returns:
            Codes (n, *units of the level in the root, latent): numbers on their grid.

        Raises:
            GeometryError, DataFormatError: Another shape, charges that are none, or integers in the place of codes.
        """
        hierarchy = self.hierarchy.rooted(root or self.hierarchy.root)
        lower = hierarchy.below(level)
        if recursive or lower is None:
            return self.encode_events(Events.from_dense(np.asarray(x), hierarchy), level).dense(hierarchy)
        rows = self.level(lower).format.integers(self._rows(np.asarray(x), lower, hierarchy))
        name, count = self.level(level).name, hierarchy.level(level).children
        integers = self._encoded(name, rows.reshape(-1, count, rows.shape[-1]))
        return self.level(name).format.from_integers(integers).reshape(len(x), *hierarchy.unit_shape(level), integers.shape[-1])

    def decode(self, z: NDArray[Any], level: str, root: str | None = None, recursive: bool = True) -> NDArray[np.float32]:
        """Decodes a dense tensor of codes.

        Args:
            z: Codes of a level (n, *units of the level in the root, latent).
            level: Their level.
            root: Level of which one row is a unit; default the model's root.
            recursive: Whether to go down to charges, or only to the codes of the level below.

        Returns:
            Charges (n, *shape of the root), or codes (n, *units of the level below, latent) that are not rounded to the grid.

        Raises:
            GeometryError: Another shape, or integers in the place of codes.
        """
        hierarchy = self.hierarchy.rooted(root or self.hierarchy.root)
        name = self.level(level).name
        lower = hierarchy.below(name)
        if recursive or lower is None:
            return self.decode_numbers(z, name, root).to_dense().astype(np.float32)
        child = self.run("decode", name, self.run("state", name, self._rows(z, name, hierarchy)))
        code = self.run("code", lower, child.reshape(-1, child.shape[-1]))
        return code.reshape(len(z), *hierarchy.unit_shape(lower), code.shape[-1])

    def _check_hierarchy(self, hierarchy: Hierarchy) -> None:
        # A model of the lower levels takes events with more levels above, and one of more levels takes units of a lower one.
        common = min(len(hierarchy.levels), len(self.hierarchy.levels))
        found, own = hierarchy.levels[:common], self.hierarchy.levels[:common]
        if found != own:
            found, expected = (", ".join(f"{level.name} x {level.children}" for level in levels) for levels in (found, own))
            msg = f"the events have levels {found}; this model has {expected}"
            raise GeometryError(msg)

    def _check_detector(self, detector: tuple[str, str] | None) -> None:
        if detector is not None and self.detector is not None and detector != self.detector:
            found, own = (f"{name} ({digits})" for name, digits in (detector, self.detector))
            msg = f"the events are of the detector {found}, this model of {own}"
            raise GeometryError(msg)


def _every_unit(n_events: int, hierarchy: Hierarchy, level: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns event and flat index of all units of events."""
    event, unit = np.indices((n_events, hierarchy.n_units(level)))
    return event.ravel(), unit.ravel()


def present_children(hierarchy: Hierarchy, name: str) -> NDArray[np.bool_]:
    """Returns which children of each unit of a level exist: (n_units, children)."""
    return hierarchy.present(hierarchy.below(name) or "CELL").reshape(-1, hierarchy.level(name).children)
