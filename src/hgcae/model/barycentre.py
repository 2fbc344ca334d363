"""How decoded children get the barycentre that was sent.

What a decoder returns is changed as little as that takes: where children are points, as trigger cells are, and layers in depth, their
shares of the charge are tilted; where they have barycentres of their own, these are shifted. So sums and barycentres of all levels are
preserved by construction, up to the steps of their numbers, and networks learn the rest.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from hgcae.model.frames import Frame

_STEPS = 6
"""Steps of a tilt; trained decoders need two or three to meet a barycentre to a thousandth of the unit."""
_NARROW = 1e-6
"""Added to variances: where all charge is in one child no tilt moves it."""


def tilted(logits: Any, place: NDArray[np.float64], target: Any) -> Any:
    """Tilts shares of the charge so that their mean place is what was sent.

    A factor exp(a . z) on shares at places z changes them least, in relative entropy, among all that have a given mean: the I-projection of
    I. Csiszar, Ann. Probab. 3 (1975) 146. The mean grows with a by the covariance of z. Newton's step, the inverse covariance times what is
    missing, goes far too far where shares are narrow; the inverse hyperbolic sine of its length is the same near the end, and grows only
    with the logarithm.

    Args:
        logits: Logarithms of the shares, up to a constant (n, children).
        place: Where the children are, of the order of 1: (children, d), d = 1 or 2.
        target: What the code says (n, d).
    """
    z = jnp.asarray(place, dtype=jnp.float32)
    for _ in range(_STEPS):
        share = jax.nn.softmax(logits)
        mean = share @ z
        offset = z - mean[:, None]
        covariance = jnp.einsum("nc,nci,ncj->nij", share, offset, offset) + _NARROW * jnp.eye(z.shape[1])
        step = _solved(covariance, target - mean)
        length = jnp.sqrt(jnp.square(step).sum(axis=1, keepdims=True) + _NARROW**2)
        logits = logits + (step * (jnp.arcsinh(length) / length)) @ z.T
    return logits


def _solved(matrix: Any, vector: Any) -> Any:
    """Solves symmetric 1 x 1 or 2 x 2 systems: written out, because libraries solve small systems one by one."""
    if vector.shape[1] == 1:
        return vector / matrix[:, 0]
    xx, xy, yy = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    x, y = vector[:, 0], vector[:, 1]
    return jnp.stack([yy * x - xy * y, xx * y - xy * x], axis=1) / (xx * yy - xy * xy)[:, None]


def shifted(frame: Frame, place: Any, share: Any, target: Any) -> Any:
    """Shifts the children's own barycentres alike, so that their mean is what was sent.

    Args:
        frame: Positions of the children.
        place: Their barycentres, each in the child's own frame (n, children, 2).
        share: Their shares of the charge (n, children).
        target: What the unit's code says (n, 2).
    """
    matrix = np.asarray(frame.matrix, dtype=np.float32)
    at = frame.centre.astype(np.float32) + jnp.einsum("ckl,ncl->nck", matrix, place)
    missing = target - jnp.sum(share[..., None] * at, axis=1)
    return place + jnp.einsum("ckl,nl->nck", np.linalg.inv(matrix), missing)


def towards_children(frame: Frame, position: Any) -> Any:
    """Returns how a barycentre (n, 2) lies to each child: (n, children, 3).

    Its place in the child's own frame, cut where it leaves the child, and a bell of the distance to the child's centre. Trigger cells have
    no frame of their own; a quarter of the unit's size stands for theirs.
    """
    offset = position[:, None] - frame.centre.astype(np.float32)
    if frame.matrix is None:
        own = offset / (float(np.sqrt(np.square(frame.centre).sum(axis=1).mean())) / 2)
    else:
        own = jnp.einsum("ckl,ncl->nck", np.linalg.inv(frame.matrix).astype(np.float32), offset)
    bell = jnp.exp(-jnp.sum(jnp.square(own), axis=-1, keepdims=True) / 2)
    return jnp.concatenate([jnp.clip(own, -1.5, 1.5), bell], axis=-1)
