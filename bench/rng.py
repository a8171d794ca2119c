"""Randomness as a function of (seed, stage, step, rank): there is no generator state to save."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch
from torch import Tensor


def fold(*words: object) -> int:
    """A 63-bit number from any words: the same in every process, on every machine."""
    digest = hashlib.sha256("\x1f".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def reseed(*words: object) -> None:
    """Restart every global generator from the words."""
    seed = fold(*words)
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.manual_seed(seed)


def uniforms(ids: Tensor, count: int, *words: object) -> Tensor:
    """B x count numbers in [0, 1), float32, each a function of an image's id (B, int64), its place, and the words.

    What an image is dealt does not depend on its batch, its rank or the device (the finaliser of SplitMix64).
    """
    place = torch.arange(count, device=ids.device)
    z = (ids[:, None] * 0x100000 + place) * _signed(0x9E3779B97F4A7C15) + fold(*words)
    for bits, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ _shifted(z, bits)) * _signed(factor)
    return _shifted(z ^ _shifted(z, 31), 40).float() / 2**24


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _shifted(z: Tensor, by: int) -> Tensor:
    """The logical shift to the right; torch's is arithmetic."""
    return (z >> by) & ((1 << (64 - by)) - 1)
