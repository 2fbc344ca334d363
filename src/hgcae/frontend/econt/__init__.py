"""The ECON-T, the trigger concentrator of a module: a bit-exact emulator, and its formats as codecs of single modules.

`Emulator` goes from input to output words as the chip does, with registers, bunch counter and buffer. The functions `encode_*` and
`decode_*` do one format each, without header and buffer, for comparisons with other codes of a module.
"""

from hgcae.frontend.econt.autoencoder import decode_autoencoder, encode_autoencoder, weights_from_hdf5
from hgcae.frontend.econt.best_choice import best_choice_bits, decode_best_choice, encode_best_choice
from hgcae.frontend.econt.cells import PHYSICS_MUX, POSTMUX_OF_CALQ, Encoded
from hgcae.frontend.econt.config import EcontConfig
from hgcae.frontend.econt.emulator import Emulator
from hgcae.frontend.econt.repeater import decode_repeater, encode_repeater
from hgcae.frontend.econt.super_cells import FORMATS, SuperCellFormat, decode_super_cells, encode_super_cells
from hgcae.frontend.econt.threshold_sum import decode_threshold_sum, encode_threshold_sum
from hgcae.frontend.econt.words import read_words, write_words

__all__ = [
    "FORMATS",
    "PHYSICS_MUX",
    "POSTMUX_OF_CALQ",
    "EcontConfig",
    "Emulator",
    "Encoded",
    "SuperCellFormat",
    "best_choice_bits",
    "decode_autoencoder",
    "decode_best_choice",
    "decode_repeater",
    "decode_super_cells",
    "decode_threshold_sum",
    "encode_autoencoder",
    "encode_best_choice",
    "encode_repeater",
    "encode_super_cells",
    "encode_threshold_sum",
    "read_words",
    "weights_from_hdf5",
    "write_words",
]
