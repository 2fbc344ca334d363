"""Configurations, input words, and a second, slow way to do what the emulator does."""

from __future__ import annotations

import numpy as np

from hgcae.frontend.econt import EcontConfig
from hgcae.frontend.econt.super_cells import FORMATS

WEIGHTS = tuple(int(weight) for weight in np.random.default_rng(7).integers(-12, 13, 2144))


def input_words(n: int, seed: int = 1, scale: float = 12.0) -> np.ndarray:
    """Random input words (n, 12) with an orbit header at the start and once in between."""
    rng = np.random.default_rng(seed)
    codes = np.minimum(rng.exponential(scale, (n, 12, 4)), 127).astype(np.int64) * (rng.random((n, 12, 4)) < rng.random((n, 1, 1)))
    header = np.full(n, 0xA)
    header[[0, n // 2]] = 0x9
    return ((header[:, None] << 28) | (codes << np.array([21, 14, 7, 0])).sum(axis=2)).astype(np.uint32)


def config(algorithm: str, links: int, **values: object) -> EcontConfig:
    return EcontConfig.model_validate({"algorithm": algorithm, "links": links, "high_density": True, "drop_lsb": 3, **values})


def every_config() -> dict[str, EcontConfig]:
    """A configuration for every format and number of links, and some with other registers."""
    made = {f"BC_{links}": config("best_choice", links) for links in range(1, 14)}
    made |= {f"TS_{links}": config("threshold_sum", links, threshold=(47,) * 48, buffer_t1=24 * links) for links in range(1, 14)}
    made |= {
        f"{name}_{links}": config("super_cells", links, super_cells=name)
        for name, form in FORMATS.items()
        for links in range(1, len(form.sums_of_links) + 2)
    }
    made |= {f"RPT_{links}": config("repeater", links) for links in (1, 11, 13)}
    made |= {f"AE_{links}": config("autoencoder", links, encoder=WEIGHTS) for links in range(1, 7)}
    ramp = tuple(range(1500, 2460, 20))
    low = {"high_density": False, "drop_lsb": 1, "calibration": ramp, "mux": tuple(range(47, -1, -1)), "use_sum": True}
    made |= {"BC_low_density": config("best_choice", 4, **low), "RPT_low_density": config("repeater", 13, **low)}
    made |= {"TS_low_density": config("threshold_sum", 3, threshold=tuple(range(48)), buffer_t1=100, buffer_t2=40, buffer_t3=12, **low)}
    made |= {"TS_zero_threshold": config("threshold_sum", 12, calibration=(100,) * 48, drop_lsb=5)}
    made |= {"AE_masked": config("autoencoder", 3, encoder=WEIGHTS, keep_bits=(1 << 144) // 3)}
    return made


def slow_network_order(charges: list[int]) -> list[int]:
    """Addresses in the order in which Batcher's network leaves 48 charges: even and odd wires are sorted, recursively, then cleaned up.

    48 wires have the comparators of the next power of two, without those that reach beyond.
    """

    def sort(wires: list[int]) -> list[tuple[int, int]]:
        if len(wires) == 1:
            return []
        pairs = sort(wires[0::2]) + sort(wires[1::2])
        return pairs + [(wires[a], wires[b]) for a, b in clean(len(wires))]

    def clean(n: int) -> list[tuple[int, int]]:
        pairs = [(i, i + 1) for i in range(0, n, 2)]
        distance = n // 2 - 1 if n > 2 else 0
        step = n // 2
        while distance > 0:
            pairs += [(i, i + distance) for i in range(1, n - distance, 2)]
            step //= 2
            distance = step - 1
        return pairs

    order = list(range(48))
    values = list(charges)
    for i, j in sort(list(range(64))):
        if j < 48 and values[i] < values[j]:
            values[i], values[j] = values[j], values[i]
            order[i], order[j] = order[j], order[i]
    return order
