"""How far decoded charges move when a number of a code moves: what an error of that number costs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.events import Events
from hgcae.model.autoencoder import Autoencoder

_UNITS = 300
_STEP = 0.03
"""How far a number is moved either way: about the error of a decoded one. Barycentres move cells so far that smaller steps cost more than
in proportion."""


def sensitivity(model: Autoencoder, events: Events, level: str, seed: int = 0) -> NDArray[np.float32]:
    """Measures the numbers of a level's code, the sum left out.

    Args:
        model: The model; the level and all below it are trained.
        events: Events to draw units from, in proportion to their charge.
        level: The level.
        seed: Seed of the draw.

    Returns:
        Squared distance of the square roots of the trigger cells' shares (Hellinger) per squared change of each number, averaged over
        units: (latent - 1,).
    """
    codes = model.encode_events(events, level).code
    charge = model.run("state", level, codes)[:, 0].astype(np.float64)
    n = min(_UNITS, int(np.count_nonzero(charge)))
    chosen = codes[np.random.default_rng(seed).choice(len(charge), n, replace=False, p=charge / charge.sum())]
    found = []
    for number in range(1, chosen.shape[1]):
        moved = [chosen.copy() for _ in range(2)]
        for sign, code in zip((-1, 1), moved, strict=True):
            code[:, number] += sign * _STEP
        low, high = (_root_shares(model, level, code) for code in moved)
        found.append(np.square(high - low).sum(axis=1).mean() / (2 * _STEP) ** 2)
    return np.array(found, dtype=np.float32)


def _root_shares(model: Autoencoder, level: str, code: NDArray[np.float32]) -> NDArray[np.float64]:
    charge = model.decode(code, level, root=level).reshape(len(code), -1).astype(np.float64)
    return np.sqrt(charge / charge.sum(axis=1, keepdims=True))
