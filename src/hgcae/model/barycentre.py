"""How decoded children get the barycentre that was sent.

What a decoder returns is changed as little as that takes: where children are points, as trigger cells are, and layers in depth, their
shares of the charge are tilted; where they have barycentres of their own, these are shifted, and shares tilted where that is less of a
change. So sums and barycentres of all levels are preserved by construction, up to the steps of their numbers, and networks learn the rest.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hgcae.model.frames import ChildFrame

_STEPS = 6
"""Steps of a tilt; trained decoders need two or three to meet a barycentre to a thousandth of the unit."""
_NARROW = 1e-6
"""Added to variances: where all charge is in one child no tilt moves it."""
_UNSURE = 0.01
"""Variance of a child's decoded barycentre, in units of its parent, over the relative variance of its decoded charge. Of 0, .01 and
infinity (tilts alone, both, shifts alone) .01 gave trigger cells nearest to the true ones at STAGE1 and STAGE2 in trainings of the demo."""


def tilted(logits: Any, place: Any, target: Any, steps: int = _STEPS, spread: float = _NARROW) -> Any:
    """Tilts shares of the charge so that their mean place is what was sent.

    A factor exp(a . z) on shares at places z changes them least, in relative entropy, among all that have a given mean: the I-projection of
    I. Csiszar, Ann. Probab. 3 (1975) 146. The mean grows with a by the covariance of z. Newton's step, the inverse covariance times what is
    missing, goes far too far where shares are narrow; the inverse hyperbolic sine of its length is the same near the end, and grows only
    with the logarithm.

    Args:
        logits: Logarithms of the shares, up to a constant (n, children).
        place: Where the children are, of the order of 1: (children, d) or (n, children, d), d = 1 or 2.
        target: What the code says (n, d).
        steps: How many steps to go.
        spread: Added to the variance of the places.
    """
    z = jnp.asarray(place, dtype=jnp.float32)
    for _ in range(steps):
        share = jax.nn.softmax(logits)
        mean = jnp.sum(share[..., None] * z, axis=1)
        offset = z - mean[:, None]
        covariance = jnp.einsum("nc,nci,ncj->nij", share, offset, offset) + spread * jnp.eye(z.shape[-1])
        step = _solved(covariance, target - mean)
        length = jnp.sqrt(jnp.square(step).sum(axis=1, keepdims=True) + _NARROW**2)
        step = step * (jnp.arcsinh(length) / length)
        logits = logits + jnp.sum(step[:, None] * z, axis=-1)
    return logits


def _solved(matrix: Any, vector: Any) -> Any:
    """Solves symmetric 1 x 1 or 2 x 2 systems: written out, because libraries solve small systems one by one."""
    if vector.shape[1] == 1:
        return vector / matrix[:, 0]
    xx, xy, yy = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    x, y = vector[:, 0], vector[:, 1]
    return jnp.stack([yy * x - xy * y, xx * y - xy * x], axis=1) / (xx * yy - xy * xy)[:, None]


def settled(frame: ChildFrame, logits: Any, place: Any, target: Any) -> tuple[Any, Any]:
    """Tilts shares of the charge and shifts the children's own barycentres, so that their mean is what was sent.

    The least change of shares by factors 1 + a . z, and of all places by d, has d = s^2 a and (C + s^2) a = what is missing, with the
    covariance C of the places and s^2 = `_UNSURE`. So where children lie far apart their shares do most, where they lie over one another,
    as layers do, their places do all: the charge of a layer says nothing of the plane.

    Args:
        frame: Positions of the children.
        logits: Logarithms of their shares, up to a constant (n, children).
        place: Their barycentres, each in the child's own frame (n, children, 2).
        target: What the unit's code says (n, 2).

    Returns:
        Logarithms of the shares, and barycentres, of the same shapes.
    """
    matrix = np.asarray(frame.matrix, dtype=np.float32)
    at = frame.centre.astype(np.float32) + jnp.einsum("ckl,ncl->nck", matrix, place)
    if not frame.stacked:
        logits = tilted(logits, at, target, steps=1, spread=_UNSURE)
    missing = target - jnp.sum(jax.nn.softmax(logits)[..., None] * at, axis=1)
    return logits, place + jnp.einsum("ckl,nl->nck", np.linalg.inv(matrix), missing)


def towards_children(frame: ChildFrame, position: Any) -> Any:
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
