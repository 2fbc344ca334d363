"""Arrays as plain values of a configuration: shape, type and the bytes in base64, so that JSON holds trained weights without loss.

`{"dtype": "<f4", "shape": [48, 64], "data": "..."}`; types are little-endian float32 (`<f4`) and int8 to int32 (`<i1`, `<i2`, `<i4`), data
lie in C order.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import SettingsError

DTYPES = ("<f4", "|i1", "<i2", "<i4")
"""Types that a configuration may hold, as NumPy writes them."""


def to_plain(array: NDArray[Any]) -> dict[str, Any]:
    """Returns an array of floats (as float32) or of integers (as the narrowest type that holds them) as plain values."""
    array = np.asarray(array)
    if array.dtype.kind == "f":
        dtype = np.dtype("<f4")
    else:
        low, high = int(array.min(initial=0)), int(array.max(initial=0))
        dtype = next(d for d in map(np.dtype, DTYPES[1:]) if np.iinfo(d).min <= low and high <= np.iinfo(d).max)
    data = np.ascontiguousarray(array, dtype=dtype)
    return {"dtype": dtype.str, "shape": list(array.shape), "data": base64.b64encode(data.tobytes()).decode("ascii")}


def from_plain(value: Any, where: str) -> NDArray[Any]:
    """Returns the array that `to_plain` described.

    Args:
        value: Plain values.
        where: Name for errors.

    Raises:
        SettingsError: Not such a description, or one whose numbers are not finite.
    """
    problem = None
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data"}:
        problem = "expected dtype, shape and data"
    elif value["dtype"] not in DTYPES:
        problem = f"dtype: found {value['dtype']!r}, expected one of {', '.join(DTYPES)}"
    else:
        try:
            flat = np.frombuffer(base64.b64decode(value["data"], validate=True), dtype=value["dtype"])
            array = flat.reshape([int(n) for n in value["shape"]]).copy()
            if np.isfinite(array).all():
                return array
            problem = "found numbers that are not finite"
        except (binascii.Error, TypeError, ValueError) as error:
            problem = f"shape {value['shape']} or data: {error}"
    msg = f"{where}: {problem}"
    raise SettingsError(msg)
