"""The ECON-T from input words to output words, and back to charges."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend.econt import autoencoder, best_choice, cells, repeater, super_cells, threshold_sum
from hgcae.frontend.econt.buffer import FRAME_WORDS, run_buffer
from hgcae.frontend.econt.cells import MAX_LINKS, N_INPUTS, Encoded
from hgcae.frontend.econt.config import EcontConfig

_COUNTER_BITS = {"threshold_sum": 5, "repeater": 5, "autoencoder": 5, "best_choice": 4, "super_cells": 4}
"""Width of the bunch-crossing counter in front of a packet. Of 4 bits, the first says start of an orbit and three count."""


class Emulator:
    """Does what an ECON-T with the given settings does, bit for bit.

    Args:
        config: Settings.
    """

    def __init__(self, config: EcontConfig) -> None:
        self.config = config

    def run(self, words: NDArray[np.integer], source: object = "input words") -> NDArray[np.uint32]:
        """Returns output words (n, 13) for input words (n, 12) of consecutive bunch crossings.

        Args:
            words: 32-bit words: header 9 at the start of an orbit, else 10, and four 4E3M codes; (n, 12).
            source: File of the words, for messages.

        Raises:
            DataFormatError: Other shapes or types, or a word without header; row i is line i + 2 of a file.
        """
        checked = cells.checked_words(words, source, N_INPUTS, "RX_DATA")
        header = checked >> 28
        wrong = ((header != cells.HEADER) & (header != cells.ORBIT_HEADER)) | (header != header[:, :1])
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            expected = "a word with header 9 or a, the same in all words of the line"
            raise DataFormatError(source, f"line {row + 2}, column RX_DATA_{column}", f"{checked[row, column]:08x}", expected)
        return self.format(self.charges(checked), cells.bunch_counter(checked))

    def charges(self, words: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Returns the calibrated charges (n, 48), counts, after the multiplexer, of input words (n, 12)."""
        codes = cells.input_codes(words)[:, list(self.config.mux)]
        return cells.calibrate(cells.expand(codes, high_density=self.config.high_density), np.array(self.config.calibration))

    def select(self, charges: NDArray[np.integer]) -> Encoded:
        """Returns the packets of modules, without bunch counter and buffer.

        Args:
            charges: Calibrated charges, counts, in the order after the multiplexer (`CALQ_0..47` of the ECON-T); (n, 48).
        """
        config, checked = self.config, cells.checked_charges(charges)
        form = {"use_sum": config.use_sum, "in_place": config.keep_zeros, "reversed_map": config.reversed_map}
        match config.algorithm:
            case "threshold_sum":
                return threshold_sum.encode_threshold_sum(checked, np.array(config.threshold), config.drop_lsb, **form)
            case "best_choice":
                return best_choice.encode_best_choice(checked, config.links, config.drop_lsb, **form)
            case "super_cells":
                if not super_cells.FORMATS[config.super_cells].n_sums(config.links):
                    return Encoded(np.zeros((len(checked), 0), np.uint8), np.zeros(len(checked), np.int64))
                return super_cells.encode_super_cells(checked, config.super_cells, config.links, config.drop_lsb)
            case "repeater":
                return repeater.encode_repeater(checked, config.drop_lsb)
            case "autoencoder":
                return autoencoder.encode_autoencoder(checked, np.array(config.encoder), config.links, config.keep_bits)

    def format(self, charges: NDArray[np.integer], counter: NDArray[np.integer]) -> NDArray[np.uint32]:
        """Returns output words (n, 13) of consecutive bunch crossings.

        Args:
            charges: Calibrated charges after the multiplexer, counts; (n, 48).
            counter: Bunch-crossing counter, 0 to 31; (n,).
        """
        config, packets = self.config, self.select(charges)
        count = np.asarray(counter, dtype=np.int64)
        width = _COUNTER_BITS[config.algorithm]
        stamp = count if width == 5 else (count >> 4 << 3) | (count & 7)
        is_sum = config.algorithm == "threshold_sum"
        idle = (count << 11) | config.sync_word if is_sum else np.zeros_like(count)
        frames = _frames(packets.payload, stamp, width)
        if config.algorithm == "super_cells" and not packets.bits.any():
            frames[:] = 0
        lengths = self._lengths(packets.bits + width)
        frames = np.where(np.arange(FRAME_WORDS) < lengths[:, None], frames, idle[:, None]) if is_sum else frames
        replaced = (count << 11) | threshold_sum.truncated_word(cells.checked_charges(charges)) if is_sum else np.zeros_like(count)
        thresholds = (config.buffer_t1, config.buffer_t2, config.buffer_t3)
        return run_buffer(frames, lengths, np.stack([replaced, idle], axis=1), config.links, thresholds)

    def decode(self, words: NDArray[np.integer], source: object = "output words") -> NDArray[np.int64]:
        """Returns what output words say.

        Args:
            words: Output words of consecutive bunch crossings; (n, 13).
            source: File of the words, for messages.

        Returns:
            Charges (n, 48), counts, in the order after the multiplexer; cells that were not sent are 0. Of the autoencoder: its outputs
            (n, 16). Threshold sums that leave the buffer after the last line are 0.

        Raises:
            DataFormatError: Other shapes or types, or words that are no packets of the algorithm.
            SettingsError: Packets that do not fit in the links, so that they cannot be read back.
        """
        config = self.config
        stream = _bytes(cells.checked_words(words, source, MAX_LINKS, "TX_DATA")[:, : config.links])
        match config.algorithm:
            case "threshold_sum":
                return _decode_stream(stream, config, source)
            case "best_choice":
                return best_choice.decode_best_choice(stream, config.links, config.drop_lsb, 4, reversed_map=config.reversed_map)
            case "super_cells":
                return super_cells.decode_super_cells(stream, config.super_cells, config.links, config.drop_lsb, 4)
            case "repeater":
                if 32 * config.links < 5 + repeater.BITS:
                    msg = f"links: found {config.links}, expected at least 11 to read a repeater's charges"
                    raise SettingsError(msg)
                return repeater.decode_repeater(stream, config.drop_lsb, 5)
            case "autoencoder":
                return autoencoder.decode_autoencoder(stream, config.links, config.keep_bits, 5)

    def _lengths(self, bits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the words of 16 bits that packets of `bits` bits take in the buffer; (n,)."""
        match self.config.algorithm:
            case "threshold_sum" | "autoencoder":
                return -(-bits // 16)
            case "super_cells":
                return 2 * -(-bits // 32)
            case "best_choice" if self.config.links == MAX_LINKS:
                return np.full_like(bits, 25)
            case _:
                return np.full_like(bits, 2 * self.config.links)


def _frames(payload: NDArray[np.uint8], stamp: NDArray[np.int64], width: int) -> NDArray[np.int64]:
    """Returns words of 16 bits (n, 26): `width` bits of `stamp`, then the payload (n, bytes), then zeros."""
    shifted = np.zeros((len(payload), 2 * FRAME_WORDS + 1), dtype=np.uint8)
    shifted[:, : payload.shape[1]] |= payload >> width
    shifted[:, 1 : payload.shape[1] + 1] |= payload << (8 - width)
    shifted[:, 0] |= (stamp << (8 - width)).astype(np.uint8)
    return shifted[:, : 2 * FRAME_WORDS].view(">u2").astype(np.int64)


def _bytes(words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(words.astype(">u4")).view(np.uint8)


def _decode_stream(stream: NDArray[np.uint8], config: EcontConfig, source: object) -> NDArray[np.int64]:
    """Finds the packets of the threshold sum in a stream of words, and decodes them."""
    words = stream.reshape(-1).view(">u2").astype(np.int64)
    starts = threshold_sum.packet_starts(words, config.sync_word, len(stream), 2 * config.links)
    found = int((starts >= 0).sum())
    bad = np.flatnonzero(starts == threshold_sum.NOT_A_PACKET)
    if len(bad):
        at = int(bad[0])
        raise DataFormatError(source, f"packet {at + 1}", "a word that starts no packet", "packets of the threshold-sum format")
    padded = np.concatenate([words, np.zeros(FRAME_WORDS, dtype=np.int64)]).astype(">u2")
    rows = padded[starts[:found, None] + np.arange(FRAME_WORDS)].view(np.uint8).reshape(found, 2 * FRAME_WORDS)
    charges = np.zeros((len(stream), cells.N_CELLS), dtype=np.int64)
    charges[:found] = threshold_sum.decode_threshold_sum(rows, config.drop_lsb, 5, reversed_map=config.reversed_map)
    return charges
