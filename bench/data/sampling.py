"""Which image comes when, and its random numbers: functions of the position in an endless stream, nothing to save.

Everything is made of Philox's raw words, a fixed function of its key. What numpy makes of them may change by version.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.rng import fold


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
