"""Which image comes when: functions of the position in an endless stream, so that nothing needs to be saved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.rng import fold


def generator(*words: object) -> np.random.Generator:
    """A generator that the words alone determine: Philox, counter-based, the same on every machine."""
    return np.random.Generator(np.random.Philox(key=fold(*words)))


@lru_cache(maxsize=16)
def permutation(seed: int, tag: str, epoch: int, count: int) -> NDArray[np.int64]:  # count
    """The order in which an epoch shows its images."""
    order: NDArray[np.int64] = generator(seed, tag, "epoch", epoch).permutation(count)
    return order


def draw(seed: int, tag: str, position: int, counts: Sequence[int]) -> tuple[int, int]:
    """(source, image) at a position: sources in turn, each in its own epochs' permutations."""
    which, turn = position % len(counts), position // len(counts)
    epoch, place = divmod(turn, counts[which])
    return which, int(permutation(seed, f"{tag} {which}", epoch, counts[which])[place])


def positions(step: int, batch: int, rank: int, world: int) -> range:
    """A rank's share of the global batch of a step. ValueError unless the ranks divide the batch."""
    if batch % world:
        raise ValueError(f"batch {batch} on {world} ranks: expected a multiple of the number of ranks")
    share = batch // world
    first = step * batch + rank * share
    return range(first, first + share)
