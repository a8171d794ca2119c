"""Class sets of 19, 16, 13 and 7, by the names of their classes; mean IoU over one, from a stored confusion matrix.

Only the sets that a model's own classes cover can be computed. A restricted arg-max cannot: scores over a smaller set
are those of the full model, whose pixels on classes left out still count as errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL = "all"
GROUPS = {  # the seven of the papers
    "flat": ("road", "sidewalk"),
    "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"),
    "nature": ("vegetation", "terrain"),
    "sky": ("sky",),
    "human": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
NINETEEN = tuple(name for group in GROUPS.values() for name in group)
SIXTEEN = tuple(name for name in NINETEEN if name not in ("terrain", "truck", "train"))
THIRTEEN = tuple(name for name in SIXTEEN if name not in ("wall", "fence", "pole"))


@dataclass(frozen=True)
class ClassSet:
    """Names, and for each the places in the model's own classes that make it up."""

    name: str
    classes: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]


def sets(own: Sequence[str]) -> dict[str, ClassSet]:
    """The class sets that these classes cover, the full one first."""
    found = {FULL: ClassSet(FULL, tuple(own), tuple((place,) for place in range(len(own))))}
    for names in (NINETEEN, SIXTEEN, THIRTEEN):
        if set(names) < set(own):
            kept = tuple(name for name in own if name in names)
            found[str(len(names))] = ClassSet(str(len(names)), kept, tuple((own.index(name),) for name in kept))
    if own and set(own) <= set(NINETEEN) and all(set(group) & set(own) for group in GROUPS.values()):
        places = tuple(tuple(own.index(name) for name in group if name in own) for group in GROUPS.values())
        found["7"] = ClassSet("7", tuple(GROUPS), places)
    return found


def iou(matrices: NDArray[Any], chosen: ClassSet) -> NDArray[np.float64]:
    """Confusion matrices (rows truth) ... C C -> IoU in percent ... K; NaN for a class that the truth does not have."""
    hit, truth, guess = [], [], []
    rows, columns = matrices.sum(-1), matrices.sum(-2)
    for places in chosen.places:
        at = list(places)
        hit.append(matrices[..., at, :][..., at].sum((-1, -2)))
        truth.append(rows[..., at].sum(-1))
        guess.append(columns[..., at].sum(-1))
    hits, truths, guesses = (np.stack(x, -1).astype(np.float64) for x in (hit, truth, guess))
    union = truths + guesses - hits
    return np.where(truths > 0, 100 * hits / np.maximum(union, 1e-12), np.nan)


def mean_iou(matrices: NDArray[Any], chosen: ClassSet) -> NDArray[np.float64]:
    """The mean over the classes that the truth has: ...; NaN where it has none."""
    each = iou(matrices, chosen)
    there = np.isfinite(each)
    total = np.where(there, each, 0).sum(-1)
    return np.where(there.any(-1), total / np.maximum(there.sum(-1), 1), np.nan)
