"""Are normals in our axes? Each way of exchanging and mirroring the axes is tried against normals from depth."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

OURS = "x y z"
WAYS = {  # in words: as a matrix
    " ".join(f"{'-' * (sign < 0)}{'xyz'[axis]}" for axis, sign in zip(order, signs, strict=True)): (
        np.eye(3)[list(order)] * np.array(signs)[:, None]
    )
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
}


def products(normals: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.float64]:  # 3 3
    """Sum of reference x normal over the pixels that have both: all that `best` has to know, and it adds up."""
    both = normals.any(-1) & reference.any(-1)
    return np.asarray(reference[both].astype(np.float64).T @ normals[both].astype(np.float64))


def best(total: NDArray[np.float64]) -> str:
    """Which of the 48 signed permutations brings the normals nearest to the reference: OURS if they are right."""
    return max(WAYS, key=lambda way: (float((WAYS[way] * total).sum()), way == OURS))
