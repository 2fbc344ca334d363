"""Images that a network learns in a second: a bright spot whose place tells the digit."""

from __future__ import annotations

import numpy as np

from hgcae.examples.mnist.data import Digits


def digits(n_train: int = 96, n_test: int = 30, seed: int = 1) -> Digits:
    """A sample of spots; digit k stands at an angle of 36 degrees times k."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n_train + n_test).astype(np.uint8)
    labels[n_train : n_train + 20] = np.repeat(np.arange(10, dtype=np.uint8), 2)
    angle = labels * np.pi / 5 + rng.normal(0, 0.1, len(labels))
    y, x = np.mgrid[:28, :28]
    centre = 13.5 + 8 * np.stack([np.cos(angle), np.sin(angle)])
    square = (x - centre[0, :, None, None]) ** 2 + (y - centre[1, :, None, None]) ** 2
    images = np.rint(255 * np.exp(-square / 18)).astype(np.uint8)
    return Digits("spots", images[:n_train], labels[:n_train], images[n_train:], labels[n_train:])
