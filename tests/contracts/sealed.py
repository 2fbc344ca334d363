"""Damage that every sealed file has to notice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def damaged(content: bytes, every: int = 1, seed: int = 1) -> Iterator[bytes]:
    """Yields the content with one bit flipped, in every part of it, then cut off, lengthened and with a piece taken out.

    Args:
        content: Bytes of a whole file.
        every: Flip a bit in one of so many bytes; in the last 300, where a zip has its directory and its seal, in all.
        seed: Draws which bit.
    """
    rng = np.random.default_rng(seed)
    for at in sorted({*range(0, len(content), every), *range(max(len(content) - 300, 0), len(content))}):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield bytes(flipped)
    half = len(content) // 2
    yield from (content[:end] for end in (0, 1, 10, half, len(content) - 22, len(content) - 1))
    yield from (content + b"\0", content + content, content[: half - 5] + content[half:])
