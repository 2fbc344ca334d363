"""Autoencoder mode: the ECON-T's own small network, in the fixed-point arithmetic of the chip.

48 charges are shifted so that the highest bit of their sum comes to bit 7 (8-bit inputs 0 to 2, 7 fractional bits), laid out as an 8 x 8
image with an empty quadrant, and pass a convolution (8 filters of 3 x 3, stride 2, the image padded below and to the right), ReLU, a dense
layer with 16 outputs, ReLU. Weights and biases have 6 bits (sign, 5 fractional). Every product is cut (towards minus infinity) before it is
summed: to 7 fractional bits in the convolution, to 8 in the dense layer. An output has 9 bits, 0 to 2, and saturates.

The dense weights lie in the registers by input and then output, but the chip reads them by output and then input.

Fields of a module, without the 5-bit bunch counter: sum (5E4M, 9 bits), then those of the 16 x 9 output bits (output 15 first) that the
mask keeps, as many of the last ones as the links carry, 18 + 32 (links - 1) but at most 146; zeros fill up in front.

Source: registers and packet: ASICBlocks/Autoencoder.py and Formatter.py, RunFromYamlInput.py of github.com/cmantill/ECONT_Emulator and
utils/make_ae_yaml.py of github.com/cmantill/econt_test-vectors. The arithmetic is not in public code: it was found here by fitting the
reference output mcDataset/AE, which it reproduces bit for bit. Shift: CMSSW AEinputUtil. Paper: Di Guglielmo et al., arXiv:2105.01683.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numba import njit
from numpy.typing import NDArray

from hgcae.coding.bitpack import get, pack
from hgcae.coding.floatcode import FLOAT_5E4M
from hgcae.errors import DataFormatError, SettingsError
from hgcae.frontend.econt.cells import MAX_LINKS, Encoded, checked_charges, checked_payload, checked_setting
from hgcae.reading.files import open_regular

N_FILTERS, KERNEL, STRIDE, SIDE = 8, 3, 2, 8
N_FEATURES, N_OUTPUTS = 128, 16
SHAPES = ((KERNEL, KERNEL, 1, N_FILTERS), (N_FILTERS,), (N_FEATURES, N_OUTPUTS), (N_OUTPUTS,))
"""Shapes of convolution weights and biases, dense weights and biases, in the order of the registers and of a Keras file."""
N_WEIGHTS = sum(int(np.prod(shape)) for shape in SHAPES)
WEIGHT_BITS, WEIGHT_FRACTION = 6, 5
INPUT_BITS, INPUT_FRACTION = 8, 7
CONV_FRACTION = 7
OUTPUT_BITS, OUTPUT_FRACTION = 9, 8
ALL_BITS = N_OUTPUTS * OUTPUT_BITS
KEEP_ALL = (1 << ALL_BITS) - 1
_LAYERS = ("conv2d_0_m", "encoded_vector")


def weights_from_hdf5(path: str | Path) -> NDArray[np.int64]:
    """Reads the weights of a trained encoder from a Keras file: (2144,) integers in units of 1/32, -32 to 31.

    They are cut towards minus infinity and saturate, as in utils/make_ae_yaml.py.

    Raises:
        DataFormatError: Not such a file, or a network of another shape.
    """
    open_regular(path).close()
    places = [f"{layer}/{layer}/{name}:0" for layer in _LAYERS for name in ("kernel", "bias")]
    try:
        with h5py.File(path) as file:
            arrays = [_values(file, place, shape) for place, shape in zip(places, SHAPES, strict=True)]
    except (OSError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise DataFormatError(path, "content", str(error), "an HDF5 file with the encoder's weights") from None
    for array, place in zip(arrays, places, strict=True):
        if not np.isfinite(array).all():
            raise DataFormatError(path, place, "a weight that is not finite", "finite weights")
    flat = np.concatenate([array.ravel() for array in arrays])
    top = 1 << WEIGHT_FRACTION
    return np.clip(np.floor(flat.astype(np.float64) * top), -top, top - 1).astype(np.int64)


def encode_autoencoder(charges: NDArray[np.integer], weights: NDArray[np.integer], links: int, keep: int = KEEP_ALL) -> Encoded:
    """Encodes modules.

    Args:
        charges: Calibrated charges, counts; (n, 48). Cells 0 to 31 are rows of 8, cells 32 to 47 rows of 4 of the image.
        weights: 2,144 integers in units of 1/32.
        links: Output links.
        keep: Mask of 144 bits; the highest is the highest bit of output 15.

    Returns:
        Fields of 9 + `data_bits(links)` bits.

    Raises:
        SettingsError: Weights, links or mask out of range.
        DataFormatError: Charges that are not.
    """
    checked = checked_charges(charges)
    kept, n_bits = _kept_bits(keep), data_bits(links)
    bits = ((outputs(checked, weights)[:, ::-1, None] >> np.arange(OUTPUT_BITS)[::-1]) & 1).reshape(len(checked), ALL_BITS)
    sent = bits[:, kept][:, -n_bits:]
    front = np.zeros((len(checked), n_bits - sent.shape[1]), dtype=np.int64)
    total = FLOAT_5E4M.encode(checked.sum(axis=1))[:, None]
    packed = pack(np.concatenate([total, front, sent], axis=1), np.array([FLOAT_5E4M.bits] + [1] * n_bits))
    return Encoded(packed, np.full(len(checked), FLOAT_5E4M.bits + n_bits))


def decode_autoencoder(payload: NDArray[np.uint8], links: int, keep: int = KEEP_ALL, offset: int = 0) -> NDArray[np.int64]:
    """Returns the 16 outputs (n, 16), in units of 1/256, with zeros for bits that were not sent.

    The decoder network is no part of the front end, so this is as far as decoding goes.

    Raises:
        SettingsError: Links or mask out of range.
        DataFormatError: Rows that end early.
    """
    kept, n_bits = _kept_bits(keep), data_bits(links)
    rows = checked_payload(payload, offset + FLOAT_5E4M.bits + n_bits)
    n_sent = min(n_bits, len(kept))
    bits = np.zeros((len(rows), ALL_BITS), dtype=np.int64)
    sent = np.zeros((len(rows), n_sent), dtype=np.int64)
    _read_bits(rows, offset + FLOAT_5E4M.bits + n_bits - n_sent, sent)
    bits[:, kept[len(kept) - n_sent :]] = sent
    return (bits.reshape(-1, N_OUTPUTS, OUTPUT_BITS) << np.arange(OUTPUT_BITS)[::-1]).sum(axis=2)[:, ::-1]


def data_bits(links: int) -> int:
    """Returns the bits for outputs over `links` links: 18, 50, 82, 114, 146."""
    return min(18 + 32 * (checked_setting("links", links, 1, MAX_LINKS) - 1), 146)


def outputs(charges: NDArray[np.int64], weights: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns the 16 outputs (n, 16), in units of 1/256, of charges (n, 48).

    Raises:
        SettingsError: Not 2,144 weights of 6 bits.
    """
    flat = np.asarray(weights, dtype=np.int64)
    top = 1 << WEIGHT_FRACTION
    if flat.shape != (N_WEIGHTS,) or flat.min() < -top or flat.max() >= top:
        msg = f"encoder: found weights of shape {flat.shape}, expected {N_WEIGHTS} integers from {-top} to {top - 1}"
        raise SettingsError(msg)
    kernel, bias, dense, dense_bias = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in SHAPES])[:-1])
    result = np.zeros((len(charges), N_OUTPUTS), dtype=np.int64)
    _network(charges, kernel.reshape(KERNEL, KERNEL, N_FILTERS), bias, dense.reshape(N_OUTPUTS, N_FEATURES), dense_bias, result)
    return result


def _values(file: h5py.File, place: str, shape: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    """Returns an array that lies in the file itself, after a look at its size.

    Raises:
        ValueError, LookupError: There is none, or its bytes are elsewhere, or it is another one.
    """
    found: object = file
    for name in place.split("/"):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(name, getlink=True), h5py.HardLink):
            msg = f"{place}: nothing in the file itself; links are not followed"
            raise ValueError(msg)
        found = found[name]
    if not isinstance(found, h5py.Dataset) or found.shape != shape or found.dtype.kind != "f" or found.external or found.is_virtual:
        msg = f"{place}: found {found}, expected numbers of the shape {shape} in the file itself"
        raise ValueError(msg)
    return np.asarray(found)


def _kept_bits(keep: int) -> NDArray[np.int64]:
    checked_setting("keep_auto_encoder_bits", keep, 0, KEEP_ALL)
    return np.flatnonzero([int(bit) for bit in f"{keep:0{ALL_BITS}b}"])


@njit(cache=True, nogil=True)
def _read_bits(rows: NDArray[np.uint8], offset: int, bits: NDArray[np.int64]) -> None:
    for module in range(bits.shape[0]):
        for k in range(bits.shape[1]):
            bits[module, k] = get(rows[module], offset + k, 1)


@njit(cache=True, nogil=True)
def _network(
    charges: NDArray[np.int64],
    kernel: NDArray[np.int64],
    bias: NDArray[np.int64],
    dense: NDArray[np.int64],
    dense_bias: NDArray[np.int64],
    result: NDArray[np.int64],
) -> None:
    # One row and column of padding, below and to the right, as Keras pads an even side for stride 2.
    image = np.zeros((SIDE + 1, SIDE + 1), dtype=np.int64)
    features = np.zeros(N_FEATURES, dtype=np.int64)
    half = SIDE // 2
    for module in range(charges.shape[0]):
        total, length = charges[module].sum(), 0
        while total >> length:
            length += 1
        shift = length - INPUT_BITS
        for cell in range(charges.shape[1]):
            row, column = (cell // SIDE, cell % SIDE) if cell < half * SIDE else (half + (cell - half * SIDE) // half, cell % half)
            charge = charges[module, cell]
            image[row, column] = charge >> shift if shift > 0 else charge << -shift
        for i in range(half):
            for j in range(half):
                for f in range(N_FILTERS):
                    value = bias[f] << (CONV_FRACTION - WEIGHT_FRACTION)
                    for a in range(KERNEL):
                        for b in range(KERNEL):
                            product = image[STRIDE * i + a, STRIDE * j + b] * kernel[a, b, f]
                            value += product >> (INPUT_FRACTION + WEIGHT_FRACTION - CONV_FRACTION)
                    features[(i * half + j) * N_FILTERS + f] = max(value, 0)
        for k in range(N_OUTPUTS):
            value = dense_bias[k] << (OUTPUT_FRACTION - WEIGHT_FRACTION)
            for i in range(N_FEATURES):
                value += (features[i] * dense[k, i]) >> (CONV_FRACTION + WEIGHT_FRACTION - OUTPUT_FRACTION)
            result[module, k] = min(max(value, 0), (1 << OUTPUT_BITS) - 1)
