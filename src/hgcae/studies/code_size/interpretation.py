"""The codes of the base run itself: how many dimensions they fill, and what their numbers mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.codes import Codes
from hgcae.errors import DataFormatError
from hgcae.evaluate.dimension import code_points, shower_points, with_control
from hgcae.evaluate.interpret import correlations, near_energy, quantities, traversal
from hgcae.events import Events
from hgcae.geometry.detector import detector_to_dict
from hgcae.simulate import simulate
from hgcae.store import Reader
from hgcae.studies.code_size.frozen import FrozenModel, known_codes
from hgcae.studies.code_size.plan import ScanSettings, sample_fingerprint, sample_path, simulation
from hgcae.studies.code_size.points import ScanContext
from hgcae.studies.points import known_point, write_point
from hgcae.studies.runner import Console

SHOWER_NUMBERS = 7
"""Numbers of one shower: energy, depth and shape of its profile, impact x and y, two angles. It is the dimension of the control samples."""
AT_GEV = 100.0
"""Energy of the showers whose numbers are moved."""
NARROW_CM = 1.0
"""Radius of the impacts of showers that overlap."""


def interpretation(settings: ScanSettings, base: FrozenModel, context: ScanContext) -> dict[str, Any]:
    """Returns what the numbers of the root's code mean, by sample: `names`, `correlations`, and, of the first sample, a `traversal`."""
    model, root = base.model, base.model.hierarchy.root

    def decode(code: NDArray[np.float32]) -> Events:
        return model.decode_numbers(code, root)

    result: dict[str, Any] = {}
    for number, sample in enumerate(settings.samples):
        test, codes = _test_codes(base, context, sample, root)
        values = quantities(test, base.detector)
        entry: dict[str, Any] = {
            "names": list(model.settings.levels[root].names),
            "correlations": correlations(codes.code, {k: v[codes.event] for k, v in values.items()}),
        }
        energy = test.true_energy_gev
        if number == 0 and energy is not None:
            chosen = near_energy(energy[codes.event], AT_GEV)
            entry["traversal"] = traversal(codes.code[chosen], decode, base.detector) | {
                "detector": detector_to_dict(base.detector.identity),
                "energies_gev": [float(energy[codes.event][chosen].min()), float(energy[codes.event][chosen].max())],
            }
        result[sample] = entry
    return result


def _test_codes(base: FrozenModel, context: ScanContext, sample: str, level: str) -> tuple[Events, Codes]:
    """Returns the test events of a sample, and their codes of a level of the base run."""
    test = Reader(sample_path(context.folder, sample, "test")).read()
    return test, known_codes(base, test, level, context.folder / "codes" / f"{sample}-test-{level}.npz")


def intrinsic_dimensions(settings: ScanSettings, base: FrozenModel, context: ScanContext, console: Console) -> dict[str, Any]:
    """Returns the intrinsic dimension of the cells of events and of the codes of units of each level, by sample, with control samples."""
    result: dict[str, Any] = {}
    with console.progress(len(settings.samples) * (2 + len(base.model.hierarchy.names)), "estimates") as progress:
        done = 0
        for sample in settings.samples:
            made = sample_fingerprint(settings, sample, base.detector)
            for what in ("CELLS", "CELLS_NARROW", *base.model.hierarchy.names):
                key = {"intrinsic": made, "base": base.checksum, "what": what, "n": settings.intrinsic_points, "seed": settings.seed}
                content, _ = known_point(context.points, key)
                if content is None:
                    content = dict(_estimate(settings, base, context, sample, what))
                    write_point(context.points, key, content)
                result.setdefault(sample, {})[what] = content
                done += 1
                progress(done, f"{sample} {what}")
    return result


def _estimate(settings: ScanSettings, base: FrozenModel, context: ScanContext, sample: str, what: str) -> dict[str, Any]:
    n = settings.intrinsic_points
    if what.startswith("CELLS"):
        events = _events(settings, base, context, sample, n, narrow=what == "CELLS_NARROW")
        weight = np.repeat(base.detector.layer_mev_per_mip, base.detector.cells_per_layer)
        points, ambient = shower_points(events, weight), base.model.hierarchy.n_cells()
    else:
        _, codes = _test_codes(base, context, sample, what)
        # Units in proportion to their charge: most of all units hold a single cell.
        total = base.model.run("state", what, codes.code)[:, 0].astype(np.float64)
        rng = np.random.default_rng(settings.seed)
        chosen = rng.choice(len(total), min(n, int((total > 0).sum())), replace=False, p=total / total.sum())
        points = code_points(codes.code[chosen], base.model.level(what).format.steps, settings.seed)
        ambient = points.shape[1]
    try:
        return dict(with_control(points, ambient, SHOWER_NUMBERS, seed=settings.seed))
    except DataFormatError as error:
        return {"n": len(points), "ambient": ambient, "problem": str(error)}


def _events(settings: ScanSettings, base: FrozenModel, context: ScanContext, sample: str, n: int, *, narrow: bool) -> Events:
    """Returns test events, or others whose impacts lie so near to each other that the showers overlap."""
    if not narrow:
        reader = Reader(sample_path(context.folder, sample, "test"))
        return reader.take(0, min(n, len(reader)))
    how = simulation(settings, sample, base.detector, "test")
    gun = how.gun.model_copy(update={"radius_cm": NARROW_CM})
    return Events.concatenate(list(simulate(how.model_copy(update={"gun": gun}), n, detector=base.detector)))
