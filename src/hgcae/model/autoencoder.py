"""The hierarchy of levels: events to codes and codes to events."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.coding.floatcode import DROPPED_BITS, FLOAT_4E3M
from hgcae.errors import GeometryError
from hgcae.events import Events
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.calibration import Calibration
from hgcae.model.compiled import CompiledLevel
from hgcae.model.conserving import ConservingLevel
from hgcae.model.frames import Frame
from hgcae.model.heads import Heads
from hgcae.model.initial import initialise
from hgcae.model.level import LevelModel
from hgcae.model.plain import PlainLevel
from hgcae.model.presets import ConservingSettings, ModelSettings, PlainSettings, check_levels
from hgcae.model.runtime import neutral
from hgcae.model.sparse import Codes, check_numbers
from hgcae.model.training_data import TrainingData
from hgcae.parallel import in_order, usable_cores

_PIECE = 16384
"""Units that a thread encodes at a time."""


class Autoencoder:
    """Encoders and decoders of all levels of a hierarchy.

    Args:
        hierarchy: Levels; the root is what the model was trained on.
        settings: Widths, formats and latent dimensions.
        calibration: Ranges of the sums.
        frames: Positions of the children of each level, see `hgcae.model.frames`; empty where they are unknown.
        seed: Seed of the initial weights.
        detector: Name and fingerprint of the detector, None where unknown.

    Raises:
        SettingsError: The settings describe other levels than the hierarchy.
    """

    @neutral()
    def __init__(
        self,
        hierarchy: Hierarchy,
        settings: ModelSettings,
        calibration: Calibration,
        frames: Mapping[str, Frame],
        seed: int = 0,
        detector: tuple[str, str] | None = None,
    ) -> None:
        check_levels(settings, hierarchy)
        self.hierarchy, self.settings, self.calibration, self.detector = hierarchy, settings, calibration, detector
        self.frames = dict(frames)
        self.heads = Heads()
        self.trained_on: TrainingData | None = None
        self.levels: dict[str, LevelModel] = {}
        below: Any = None
        for level in hierarchy.levels:
            chosen = settings.levels[level.name]
            if isinstance(chosen, PlainSettings):
                below = PlainLevel(level.name, level.shape, chosen, below)
            else:
                below = self._conserving_level(level.name, level.children, chosen, below)
            self.levels[level.name] = below
        initialise(self.levels.values(), seed)
        self._compiled = {name: CompiledLevel(level) for name, level in self.levels.items()}

    def __repr__(self) -> str:
        """Levels with the bits of their codes, in one line."""
        levels = ", ".join(f"{name} {self.bits_per_unit(name)} bits" for name in self.hierarchy.names)
        return f"Autoencoder({levels}{f', detector {self.detector[0]}' if self.detector else ''})"

    def _conserving_level(self, name: str, children: int, settings: ConservingSettings, below: ConservingLevel | None) -> ConservingLevel:
        weight = self.calibration.root_weight if name == self.hierarchy.root else None
        child_weight = None if weight is None else np.asarray(weight)
        maximum, lsb = self.calibration.maximum[name], self.calibration.lsb
        return ConservingLevel(name, children, settings, below, self.frames.get(name), maximum, lsb, child_weight)

    @neutral()
    def with_level(self, name: str, settings: ConservingSettings, seed: int, maximum: float | None = None) -> Autoencoder:
        """Returns a model with a new, untrained level above the lower levels of this one, which both models share.

        Upper levels are left out, because they were made for other children; so such a model lives in memory only. Heads are not fitted.

        Args:
            name: The level; it and all below it keep their sums.
            settings: Its settings.
            seed: Seed of its initial weights.
            maximum: Range of its sums, ADC counts (weighted at the root); None = as in this model.
        """
        name, model = self.level(name).name, copy.copy(self)
        if maximum is not None:
            model.calibration = replace(self.calibration, maximum={**self.calibration.maximum, name: maximum})
        lower = self.hierarchy.names[: self.hierarchy.index(name)]
        model.settings = self.settings.model_copy(update={"levels": {**self.settings.levels, name: settings}})
        model.levels = {n: self.levels[n] for n in lower}
        # What lower levels have compiled serves all models that stand on them.
        model._compiled = {n: self._compiled[n] for n in lower}  # noqa: SLF001 - a copy of this model
        below: Any = model.levels[lower[-1]] if lower else None
        model.levels[name] = model._conserving_level(name, self.hierarchy.level(name).children, settings, below)  # noqa: SLF001
        model._compiled[name] = CompiledLevel(model.levels[name])  # noqa: SLF001
        model.heads = Heads()
        initialise([model.levels[name]], seed)
        return model

    @property
    def conserves_charge(self) -> bool:
        """Whether codes carry charge sums (`l1`), so that empty units decode to nothing."""
        return all(isinstance(level, ConservingLevel) for level in self.levels.values())

    def bits_per_unit(self, level: str) -> int:
        """Returns the exact number of bits of the code of one unit of a level."""
        return self.level(level).bits_per_unit

    def level(self, name: str) -> LevelModel:
        """Returns the encoder and decoder of a level."""
        return self.levels[self.hierarchy.level(name).name]

    def run(self, action: str, name: str, x: NDArray[Any], *more: NDArray[Any]) -> NDArray[np.float32]:
        """Applies `encode`, `state`, `code` or `decode` of a level to any number of rows, see `CompiledLevel.run`."""
        return self._compiled[self.level(name).name].run(action, x, *more)

    def encode_units(self, name: str, x: NDArray[Any], workers: int | None = None) -> NDArray[np.float32]:
        """Encodes units in integers, on all cores; equal to the float encoder of the level, bit for bit.

        Args:
            name: Level of the units.
            x: Their charges, or codes of them, as `digi` has them (n, trigger cells); or their children's codes (n, children, latent).
            workers: Threads; default one for each core.

        Returns:
            Codes (n, latent): numbers on their grid.
        """
        level, lower = self.level(name), self.hierarchy.below(name)
        encoder = level.integer_encoder()
        code = np.empty((len(x), level.latent), dtype=np.float32)

        def piece(start: int, stop: int) -> None:
            given = x[start:stop] if lower is None else self.level(lower).integers(x[start:stop])
            encoder.encode(given, code[start:stop])

        pieces = [(start, min(start + _PIECE, len(x))) for start in range(0, len(x), _PIECE)]
        workers = 0 if len(pieces) < 2 else workers or usable_cores()
        for _ in in_order(piece, pieces, workers):
            pass
        return code

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
            x = units.to_dense().reshape(-1, hierarchy.n_cells(name)).astype(np.float32)
            zero = np.zeros((1, *x.shape[1:]), dtype=np.float32)
        else:
            below = below or self.encode_events(events, lower)
            x, event, unit = below.children_of(hierarchy, name)
            zero = np.broadcast_to(below.empty, (1, *x.shape[1:]))
        code = self.encode_units(name, np.concatenate([zero, x]))
        return Codes(name, len(events), event, unit, code[1:], code[0])

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
        expected = self.level(codes.level).latent
        if codes.code.shape[-1] != expected:
            msg = f"codes of {codes.level}: found {codes.code.shape[-1]} numbers, expected {expected}"
            raise GeometryError(msg)
        if self.conserves_charge:
            occupied = codes.code[:, 0] > 0
            event, unit = codes.event[occupied], codes.unit[occupied]
            state = self.run("state", codes.level, codes.code[occupied])
        else:
            # An empty unit may decode to charges here, so every unit is decoded.
            event, unit = (index.ravel() for index in np.indices((codes.n_events, hierarchy.n_units(codes.level))))
            state = codes.dense(hierarchy).reshape(-1, len(codes.empty))
        name: str | None = codes.level
        while name is not None:
            state, event, unit = self._decode_level(hierarchy, name, state, event, unit)
            name = hierarchy.below(name)
        charged = state > 0
        charge = state[charged]
        if self.settings.digi == "codes":
            charge = FLOAT_4E3M.interpolate(charge, DROPPED_BITS).astype(np.float32)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(event[charged], minlength=codes.n_events))]).astype(np.int64)
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
        expected = (*hierarchy.unit_shape(lower), self.level(lower).latent)
        if x.shape[1:] != expected:
            msg = f"codes of {lower}: found shape {x.shape}, expected (n, {', '.join(map(str, expected))}) for the root {hierarchy.root}"
            raise GeometryError(msg)
        check_numbers(x, lower)
        code = x.astype(np.float32).reshape(-1, expected[-1])
        event, unit = (i.ravel() for i in np.indices((len(x), hierarchy.n_units(lower))))
        below = Codes(lower, len(x), event, unit, code, np.zeros(expected[-1], dtype=np.float32))
        rows, _, _ = below.children_of(hierarchy, level)
        return self.encode_units(level, rows).reshape(len(x), *hierarchy.unit_shape(level), self.level(level).latent)

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
        expected = (*hierarchy.unit_shape(name), self.level(name).latent)
        if z.shape[1:] != expected:
            msg = f"codes of {name}: found shape {z.shape}, expected (n, {', '.join(map(str, expected))}) for the root {hierarchy.root}"
            raise GeometryError(msg)
        check_numbers(z, name)
        rows = z.astype(np.float32).reshape(-1, expected[-1])
        lower = hierarchy.below(name)
        if recursive or lower is None:
            event, unit = (i.ravel() for i in np.indices((len(z), hierarchy.n_units(name))))
            codes = Codes(name, len(z), event, unit, rows, np.zeros(expected[-1], dtype=np.float32))
            return self.decode_codes(codes, hierarchy).to_dense().astype(np.float32)
        child = self.run("decode", name, self.run("state", name, rows))
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


def present_children(hierarchy: Hierarchy, name: str) -> NDArray[np.bool_]:
    """Returns which children of each unit of a level exist: (n_units, children)."""
    return hierarchy.present(hierarchy.below(name) or "CELL").reshape(-1, hierarchy.level(name).children)
