"""Which image comes when, and its random numbers: functions of the position in an endless stream, nothing to save.

Everything is made of Philox's raw words, a fixed function of its key. What numpy makes of them may change by version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.problem import VOID
from bench.rng import fold

TRIES = 10  # views of a rare class's image, the last of which is taken as it comes


@dataclass(frozen=True, kw_only=True)
class Rare:
    """Rare classes more often (Hoyer et al., DAFormer, CVPR 2022, section 3.2): first a class c, with a chance
    proportional to exp((1 - f_c) / temperature), f_c its share of the labelled pixels; then an image that shows it."""

    temperature: float = 0.01
    least: float = 0.0015  # share of an image's pixels from which on it shows a class: 3,000 of 1914x1052
    crop: float = 0.5  # of so many pixels; a view with fewer of the class is drawn anew, TRIES times in all


@dataclass(frozen=True)
class Shown:
    """The classes of some images: how likely each is to be asked for, and which images show it."""

    classes: tuple[int, ...]
    chances: tuple[float, ...]  # cumulative, of the classes; the last is 1
    images: tuple[NDArray[np.int64], ...]  # of each class

    def pick(self, seed: int, tag: str, position: int) -> tuple[int, int]:
        """(image, class) at a position."""
        first, second = uniforms(2, seed, tag, "rare", position)
        k = min(int(np.searchsorted(self.chances, first, side="right")), len(self.classes) - 1)
        return int(self.images[k][int(second * len(self.images[k]))]), self.classes[k]


def shown(label_maps: Iterable[NDArray[np.uint8]], rare: Rare) -> Shown:
    """What rare-class sampling draws from. ValueError if no image shows any class."""
    counts = np.stack([np.bincount(labels.ravel(), minlength=VOID + 1) for labels in label_maps])  # images x ids
    pixels, counts = counts[0].sum(), counts[:, :VOID]
    images = [np.flatnonzero(counts[:, c] >= max(1, rare.least * pixels)) for c in range(VOID)]
    classes = tuple(c for c in range(VOID) if len(images[c]))
    if not classes or rare.temperature <= 0:
        fault = f"temperature {rare.temperature}, expected above 0" if classes else "no image shows any class"
        raise ValueError(f"rare-class sampling: {fault}")
    share = counts.sum(0)[list(classes)] / counts.sum()
    weights = np.exp((share.min() - share) / rare.temperature)  # of the rarest: 1
    chances = np.cumsum(weights / weights.sum())
    return Shown(classes, tuple(chances.tolist()), tuple(images[c] for c in classes))


def uniforms(num: int, *words: object) -> NDArray[np.float64]:  # num
    """Numbers in [0, 1) that the words alone determine."""
    top: NDArray[np.float64] = (_raw(num, *words) >> np.uint64(11)).astype(np.float64)  # 53 bits: exact
    top *= 2.0**-53
    return top


@lru_cache(maxsize=16)
def permutation(seed: int, tag: str, epoch: int, num: int) -> NDArray[np.int64]:  # num
    """The order in which an epoch shows its images."""
    order: NDArray[np.int64] = np.argsort(_raw(num, seed, tag, "epoch", epoch), kind="stable")
    order.setflags(write=False)  # everybody gets this one
    return order


def draw(seed: int, tag: str, position: int, nums: Sequence[int]) -> tuple[int, int]:
    """(source, image) at a position: sources in turn, each through all of its images before one comes again."""
    source, turn = position % len(nums), position // len(nums)
    epoch, place = divmod(turn, nums[source])
    return source, int(permutation(seed, f"{tag} {source}", epoch, nums[source])[place])


def place(position: int, nums: Sequence[int]) -> tuple[int, int]:
    """(source, image) at a position of one pass in order."""
    for source, num in enumerate(nums):
        if position < num:
            return source, position
        position -= num
    raise IndexError(f"position {sum(nums) + position} of a pass over {sum(nums)} images")


def share(positions: range, rank: int, world: int) -> range:
    """A rank's part of a step's positions: equal parts, as far as they can be, that make up the whole."""
    return positions[len(positions) * rank // world : len(positions) * (rank + 1) // world]


def _raw(num: int, *words: object) -> NDArray[np.uint64]:
    return np.random.Philox(key=fold(*words)).random_raw(num)
