"""Label spaces: the names behind class ids, the maps between them, confusion matrices seen through a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.problem import VOID


@dataclass(frozen=True)
class LabelSpace:
    """Classes by id; an id is a place in `classes`, and VOID is none of them."""

    name: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] = ()  # RGB of each class; empty: the space has no colours of its own

    def __post_init__(self) -> None:
        if not 0 < len(self.classes) <= VOID:
            raise ValueError(f"label space {self.name}: {len(self.classes)} classes, expected 1 to {VOID}")
        if twice := sorted({word for word in self.classes if self.classes.count(word) > 1}):
            raise ValueError(f"label space {self.name}: class {twice[0]} is named twice; names must differ")
        if self.palette and len(self.palette) != len(self.classes):
            numbers = f"{len(self.palette)} colours for {len(self.classes)} classes"
            raise ValueError(f"label space {self.name}: {numbers}, expected one each")

    def __len__(self) -> int:
        return len(self.classes)

    def id(self, word: str) -> int:
        """The id of a class."""
        if word not in self.classes:
            near = get_close_matches(word, self.classes, 1, 0)
            raise ValueError(f'label space {self.name} has no class "{word}"; did you mean {near[0]}?')
        return self.classes.index(word)


def table(mapping: Mapping[int, int]) -> NDArray[np.uint8]:  # 256
    """A map of ids as a table to index with a label map; every id that is not listed becomes VOID."""
    lut = np.full(256, VOID, np.uint8)
    for id_from, id_to in mapping.items():
        if not (0 <= id_from < 256 and 0 <= id_to < 256):
            raise ValueError(f"label map: {id_from} -> {id_to}, expected ids from 0 to 255")
        lut[id_from] = id_to
    return lut


def renumbered(ids: NDArray[np.uint8], lut: NDArray[np.uint8]) -> NDArray[np.uint8]:  # H W
    """A label map through a table. Python takes bytes for indices as they are, NumPy makes 64 bits of each first."""
    return np.frombuffer(bytearray(ids).translate(lut.tobytes()), np.uint8).reshape(ids.shape)


def between(origin: LabelSpace, target: LabelSpace, names: Mapping[str, str]) -> NDArray[np.uint8]:  # 256
    """The table from ids of one space to ids of another, from class names; a class that is not listed becomes VOID."""
    return table({origin.id(word): target.id(other) for word, other in names.items()})


def aggregated(matrix: NDArray[Any], lut: NDArray[np.uint8], num_classes: int) -> NDArray[Any]:  # n n+1
    """Fold a confusion matrix (rows truth, columns prediction) into a coarser space by a table of ids.

    Truth without a counterpart is void there and drops out. A prediction without one is still wrong: such pixels
    are counted in one more column, so that a miss stays a miss.
    """
    num_truth, num_predicted = matrix.shape
    onto = np.where(lut == VOID, num_classes, lut).astype(np.intp)
    rows = np.zeros((num_classes + 1, num_predicted), matrix.dtype)
    np.add.at(rows, onto[:num_truth], matrix)
    folded = np.zeros((num_classes + 1, num_classes + 1), matrix.dtype)
    np.add.at(folded.T, onto[:num_predicted], rows.T)
    return folded[:num_classes]


def chosen(matrix: NDArray[Any], keep: Sequence[int]) -> NDArray[np.float64]:  # len(keep)
    """IoU of some classes by the full matrix: pixels predicted as, or truly of, a class left out still count as errors.

    A class that is neither true nor predicted anywhere has no IoU: NaN.
    """
    kept = list(keep)
    hit = matrix[kept, kept].astype(np.float64)
    union = matrix.sum(1, dtype=np.float64)[kept] + matrix.sum(0, dtype=np.float64)[kept] - hit
    iou: NDArray[np.float64] = np.divide(hit, union, out=np.full(len(hit), np.nan), where=union > 0)
    return iou
