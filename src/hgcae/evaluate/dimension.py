"""How many numbers vary in a sample: its intrinsic dimension, whatever the space it is written in.

The estimators are those of scikit-dimension (J. Bac et al., Entropy 23 (2021) 1368): distances to nearest neighbours grow with their number
the slower, the higher the dimension. On finite samples all of them are biased, the more the higher the dimension; so every estimate stands
next to that of a control sample of known dimension, of the same size and in a space of the same dimension.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hgcae.errors import DataFormatError, MissingToolError
from hgcae.evaluate.statistics import plain
from hgcae.events import Events

LEAST = 100
"""Fewest points of an estimate."""
NEIGHBOURS = 20
"""Neighbours of a point in local estimates."""
_BLOCK = 4096
"""Coordinates of the control sample that are made at a time."""

Points = NDArray[np.float64]


def require() -> Any:
    """Returns scikit-dimension.

    Raises:
        MissingToolError: It is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import skdim.id
    except ImportError:
        msg = "intrinsic dimensions need scikit-dimension: install hgcae[scan]"
        raise MissingToolError(msg) from None
    return skdim.id


def estimators() -> dict[str, Callable[[Points], float]]:
    """Returns functions of points (n, k) that estimate their dimension.

    * `twonn`: ratio of the distances of the second and the first neighbour (E. Facco et al., Sci. Rep. 7 (2017) 12140).
    * `gride_<k>`: of the 2 k-th and the k-th (F. Denti et al., Sci. Rep. 12 (2022) 20005), which looks past small fluctuations.
    * `mle`: likelihood of the distances of 20 neighbours (E. Levina and P. J. Bickel, NIPS 17 (2004)).
    * `mom`: moments of these distances (L. Amsaleg et al., Data Min. Knowl. Disc. 32 (2018) 1768).
    * `lpca`: principal components of 40 neighbours above 5 % of the largest (K. Fukunaga and D. R. Olsen, IEEE Trans. Comput. C-20 (1971)
      176), averaged over points.

    Raises:
        MissingToolError: scikit-dimension is not installed.
    """
    tools = require()

    def gride(k: int) -> Callable[[Points], float]:
        return lambda x: float(tools.GRIDE(n1=k).fit(x).dimension_)

    return {
        "twonn": lambda x: float(tools.TwoNN().fit(x).dimension_),
        **{f"gride_{k}": gride(k) for k in (4, 16)},
        "mle": lambda x: float(tools.MLE().fit(x, n_neighbors=NEIGHBOURS).dimension_),
        "mom": lambda x: float(tools.MOM().fit(x, n_neighbors=NEIGHBOURS).dimension_),
        "lpca": lambda x: float(np.mean(tools.lPCA(verbose=False).fit_pw(x, n_neighbors=2 * NEIGHBOURS).dimension_pw_)),
    }


def intrinsic_dimension(points: Points, replicas: int = 10, seed: int = 1) -> dict[str, dict[str, Any]]:
    """Estimates the dimension of points with all estimators.

    Repeated points would be neighbours at no distance, as in a bootstrap sample; so errors are those of random halves, whose spread is that
    of the whole sample (delete-half jackknife, J. Shao and C. F. J. Wu, Ann. Statist. 17 (1989) 1176).

    Args:
        points: (n, k); repeated rows are dropped.
        replicas: Number of halves.
        seed: Chooses the halves.

    Returns:
        By estimator `value` and `error`; both None where the value exceeds the number of points, which span no more dimensions: moments
        have no limit where all neighbours are equally far, as of showers that do not overlap.

    Raises:
        DataFormatError: Fewer than 100 different points, or something not finite.
        MissingToolError: scikit-dimension is not installed.
    """
    tools = estimators()
    points = np.unique(points, axis=0)
    if len(points) < LEAST or not np.isfinite(points).all():
        found = f"{len(points)} different points" if np.isfinite(points).all() else "numbers that are not finite"
        raise DataFormatError(source="points", where="intrinsic dimension", found=found, expected=f"at least {LEAST} finite ones")
    points = np.pad(points, ((0, 0), (0, max(0, 2 - points.shape[1]))))
    rng = np.random.default_rng(seed)
    halves = [rng.permutation(len(points))[: len(points) // 2] for _ in range(replicas)]
    result = {}
    with warnings.catch_warnings():
        # Ties and estimates at the edge of a range are no mistakes here.
        warnings.simplefilter("ignore")
        for name, estimate in tools.items():
            value, spread = estimate(points), np.array([estimate(points[half]) for half in halves])
            found = value <= len(points)
            result[name] = {"value": plain(value) if found else None, "error": plain(spread.std(ddof=1)) if found else None}
    return result


def shower_points(events: Events, weight: NDArray[np.float64] | None = None) -> Points:
    """Returns events as points whose distances are those of the roots of their cells' shares of the sum (Hellinger distances).

    The n events span at most n dimensions, so they are written in n coordinates, and distances stay exact; nothing is ever dense in cells.

    Args:
        events: Empty ones are left out.
        weight: Weight of each trigger cell of the root: (n_cells,); None = 1.

    Returns:
        (n, at most n).
    """
    matrix = events[np.flatnonzero(events.counts)].to_sparse()
    if weight is not None:
        matrix = matrix.multiply(weight).tocsr()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    matrix.data = np.sqrt(matrix.data / np.repeat(total, np.diff(matrix.indptr)))
    return isometric((matrix @ matrix.T).toarray())


def isometric(gram: NDArray[np.float64]) -> Points:
    """Returns points with the given scalar products (n, n): (n, rank)."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-9 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def control(n: int, dimension: int, ambient: int, seed: int = 1) -> Points:
    """Returns a sample of known dimension: uniform in a cube, bent by waves of random directions into a space of `ambient` dimensions.

    Coordinate i is cos(w_i u + b_i), with w_i normal of width 1.5: the cube is bent by about a quarter of a wave.

    Returns:
        (n, ambient), or an isometric copy in at most n coordinates where the space is larger.
    """
    rng = np.random.default_rng(seed)
    cube = rng.random((n, dimension))

    def waves(k: int) -> Points:
        return np.cos(cube @ rng.normal(0, 1.5, (dimension, k)) + rng.uniform(0, 2 * np.pi, k))

    if ambient <= n:
        return waves(ambient)
    gram = np.zeros((n, n))
    for start in range(0, ambient, _BLOCK):
        block = waves(min(_BLOCK, ambient - start)) / np.sqrt(ambient)
        gram += block @ block.T
    return isometric(gram)


def code_points(code: NDArray[np.floating], step: NDArray[np.floating], seed: int = 1) -> Points:
    """Returns codes as points: spread evenly over their quantisation steps, each number in units of its standard deviation.

    Args:
        code: (n, latent).
        step: Step of each number: (latent,).
        seed: Of the spreading, without which many points would coincide.
    """
    points = np.asarray(code, dtype=np.float64) + step * (np.random.default_rng(seed).random(code.shape) - 0.5)
    width = points.std(axis=0)
    return points[:, width > 0] / width[width > 0]


def with_control(points: Points, ambient: int, dimension: int, replicas: int = 10, seed: int = 1) -> Mapping[str, Any]:
    """Estimates the dimension of points and of a control sample of the given one.

    Returns:
        `n`, `ambient`, `estimates`, `control_dimension` and `control`.
    """
    return {
        "n": len(points),
        "ambient": ambient,
        "estimates": intrinsic_dimension(points, replicas, seed),
        "control_dimension": min(dimension, ambient),
        "control": intrinsic_dimension(control(len(points), min(dimension, ambient), ambient, seed), replicas, seed),
    }
