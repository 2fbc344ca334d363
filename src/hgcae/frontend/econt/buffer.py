"""The formatter's buffer: packets of varying length into a fixed number of 16-bit words per bunch crossing.

A packet has `N` words of 16 bits; `B` words wait in the buffer. If B + N > T1 the packet is replaced by a single word of type 110, if
B > T2 and N <= T3 by one of type 111; else it is appended. Then two words per link leave. Where the buffer runs out, what leaves is what
stands behind the last packet: its idle words.

There is room for 400 words. What a T1 beyond that lets in does not fit: words behind the last place are lost, though B counts them, and
what stands in the last places stays there until it is overwritten. Both are seen in the reference vectors with T1 = 480 and 505.

The first of two words is the upper half of an output word.

Source: ASICBlocks/BufferBlock.py of github.com/cmantill/ECONT_Emulator; counterPatternInTC_fillBuf of econt_test-vectors.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.frontend.econt.cells import MAX_LINKS

FRAME_WORDS = 2 * MAX_LINKS
"""Words of 16 bits in a frame: a packet and the idle words behind it."""
CAPACITY = 400
"""Words in the buffer."""
TYPE_BIT = 1 << 8
"""Lowest bit of a packet's type in its first word, which tells the two truncations apart."""


def run_buffer(
    frames: NDArray[np.int64], lengths: NDArray[np.int64], replacements: NDArray[np.int64], links: int, thresholds: tuple[int, int, int]
) -> NDArray[np.uint32]:
    """Returns output words (n, 13), zero beyond the links, of frames in the order of their bunch crossings.

    Args:
        frames: Words of 16 bits; (n, 26).
        lengths: How many of them are the packet; (n,).
        replacements: The word that replaces a packet without room, and the idle word behind it; (n, 2).
        links: Output links.
        thresholds: T1, T2, T3.
    """
    words = np.zeros((len(frames), FRAME_WORDS), dtype=np.int64)
    _run(frames, lengths, replacements, 2 * links, thresholds, words)
    return ((words[:, 0::2] << 16) | words[:, 1::2]).astype(np.uint32)


@njit(cache=True, nogil=True)
def _run(
    frames: NDArray[np.int64],
    lengths: NDArray[np.int64],
    replacements: NDArray[np.int64],
    n_out: int,
    thresholds: tuple[int, int, int],
    words: NDArray[np.int64],
) -> None:
    t1, t2, t3 = thresholds
    buffer = np.zeros(CAPACITY, dtype=np.int64)
    waiting = 0
    for bx in range(frames.shape[0]):
        full = waiting + lengths[bx] > t1
        if full or (waiting > t2 and lengths[bx] <= t3):
            if waiting < CAPACITY:
                buffer[waiting] = replacements[bx, 0] & ~TYPE_BIT if full else replacements[bx, 0] | TYPE_BIT
            if waiting + 1 < CAPACITY:
                buffer[waiting + 1] = replacements[bx, 1]
            waiting += 1
        else:
            room = max(min(FRAME_WORDS, CAPACITY - waiting), 0)
            buffer[waiting : waiting + room] = frames[bx, :room]
            waiting += lengths[bx]
        words[bx, :n_out] = buffer[:n_out]
        buffer[: CAPACITY - n_out] = buffer[n_out:].copy()
        waiting = max(waiting - n_out, 0)
