"""Results on whole showers: every sample, every way of decoding, in one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hgcae.errors import DataFormatError
from hgcae.evaluate.showers.pairs import beside, calibrate, evaluate_count, evaluate_noise, evaluate_pairs
from hgcae.evaluate.showers.separation import evaluate_separation
from hgcae.evaluate.showers.settings import PhysicsSettings
from hgcae.evaluate.showers.single import evaluate_showers
from hgcae.evaluate.showers.transport import transport
from hgcae.events import Events
from hgcae.geometry.detector import Detector

ELECTRON, PION = "electron", "pion"
"""Names of the samples that are separated; electrons calibrate the search for second showers."""


@dataclass(frozen=True)
class Sample:
    """True events, and the same events decoded in several ways.

    Args:
        true: Uncompressed events.
        decoded: By name: the level of a model, or any other codec; the same names in every sample.
    """

    true: Events
    decoded: Mapping[str, Events]


@dataclass(frozen=True)
class PhysicsSamples:
    """What the physics of showers is evaluated on.

    Args:
        singles: One particle in each event, by the name of the particle; `electron` among them.
        pairs: Two particles, by their distance, cm.
        multi_particle: Several particles, by name.
        no_particle: No particle, by name: noise, nothing at all.
    """

    singles: Mapping[str, Sample]
    pairs: Mapping[float, Sample] = field(default_factory=dict)
    multi_particle: Mapping[str, Sample] = field(default_factory=dict)
    no_particle: Mapping[str, Sample] = field(default_factory=dict)


def evaluate_physics(
    samples: PhysicsSamples, detector: Detector, settings: PhysicsSettings, progress: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Evaluates all samples in all ways of decoding.

    Args:
        samples: True and decoded events.
        detector: Gives energies and positions.
        settings: How to measure.
        progress: Called with what is evaluated next.

    Returns:
        `showers` (see `evaluate_showers`), `transport` (energy mover's distance, mm), `separation` of electrons and photons from pions
        (see `evaluate_separation`), `pairs` by distance in cm, `multi_particle` and `no_particle`, with the `cut` for second showers and
        the share of single showers that are `split`.

    Raises:
        DataFormatError: No electrons.
    """
    if ELECTRON not in samples.singles:
        raise DataFormatError(source="samples", where="singles", found=", ".join(samples.singles) or "none", expected=ELECTRON)
    tell = progress or (lambda _: None)
    result: dict[str, Any] = {
        "showers": {},
        "transport": {},
        "separation": {},
        "pairs": {},
        "split": {},
        "multi_particle": {},
        "no_particle": {},
    }
    cut = result["cut"] = calibrate(samples.singles[ELECTRON].true, detector, settings)
    for name, sample in samples.singles.items():
        tell(f"{name}: shapes")
        result["showers"][name] = evaluate_showers(sample.true, sample.decoded, detector, settings)
        result["split"][name] = evaluate_count(sample.true, sample.decoded, cut, detector, settings)
        tell(f"{name}: transport")
        result["transport"][name] = evaluate_transport(sample.true, sample.decoded, detector, settings)
    pions = samples.singles.get(PION)
    for name, sample in samples.singles.items():
        if pions is None or name == PION:
            continue
        tell(f"{name} against {PION}")
        both = {kind: (events, pions.decoded[kind]) for kind, events in sample.decoded.items()}
        result["separation"][name] = evaluate_separation(sample.true, pions.true, both, detector, settings)
    for distance, sample in samples.pairs.items():
        tell(f"pairs at {distance:g} cm")
        result["pairs"][f"{distance:g}"] = evaluate_pairs(sample.true, sample.decoded, cut, detector, settings)
    for name, sample in samples.multi_particle.items():
        tell(name)
        result["multi_particle"][name] = evaluate_count(sample.true, sample.decoded, cut, detector, settings)
    for name, sample in samples.no_particle.items():
        result["no_particle"][name] = evaluate_noise(sample.true, sample.decoded, detector)
    return result


def evaluate_transport(true: Events, decoded: Mapping[str, Events], detector: Detector, settings: PhysicsSettings) -> dict[str, Any]:
    """Describes the energy mover's distances of the first `transport_events` events, mm, by name: `total`, `depth`, `across`."""
    bootstrap, result, first = settings.bootstrap(), {}, slice(0, settings.transport_events)
    for name, events in list(beside(true, decoded).items())[1:]:
        found = transport(true[first], events[first], detector)
        parts = {"total": found.total, "depth": found.depth, "across": found.across}
        result[name] = {part: bootstrap.spread(values, ("mean", "median")) for part, values in parts.items()}
    return result
