"""Procedural patterns as functions of an object's own metres; each fades out below the pixel's footprint."""

from __future__ import annotations

import numpy as np

from datasets.city.meshes import Floats

TILE = 256  # texels a side of the noise tile, which repeats without a seam
LEVELS = 5  # each level is blurred twice as far as the one before


def noise_levels() -> Floats:
    """Fractal noise of zero mean and unit deviation, LEVELS TILE TILE float32, more and more blurred."""
    spectrum = np.fft.rfft2(np.random.default_rng(7).normal(size=(TILE, TILE)))
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    shaped = np.where(frequency > 4 / TILE, spectrum / np.maximum(frequency, 1e-6) ** 0.9, 0)
    shaped /= np.fft.irfft2(shaped).std()
    # Levels 0.. remove what is finer than 1, 2, 4 .. texels.
    blurred = [np.fft.irfft2(shaped * np.exp(-((2.0**level * frequency * 1.6) ** 2))) for level in range(LEVELS)]
    return np.stack(blurred).astype(np.float32)


NOISE = noise_levels().ravel()


def noise(x: Floats, y: Floats, texel: float, footprint: Floats | np.float32) -> Floats:
    """Noise about 0 with a deviation of about 1 at coordinates in metres, `texel` metres a texel of the tile."""
    level = sum((footprint > texel * 2.0**i).view(np.int8) for i in range(1, LEVELS))
    i, j = np.floor(x / texel).astype(np.int32) & (TILE - 1), np.floor(y / texel).astype(np.int32) & (TILE - 1)
    found: Floats = NOISE.take((level * np.int32(TILE) + i) * TILE + j)
    return found


def rest(x: Floats) -> Floats:
    """What x has beyond its whole number; quicker than x % 1."""
    beyond: Floats = x - np.floor(x)
    return beyond


def phase(x: Floats, period: Floats | float, footprint: Floats) -> tuple[Floats, Floats]:
    """The distance from the middle of each period and the width of a soft edge, in periods."""
    return np.abs(rest(x / period) - 0.5), np.maximum(footprint / period, 1e-3)


def bars(phase: tuple[Floats, Floats], share: Floats | float) -> Floats:
    """Coverage in 0..1 of bars that fill the middle `share` of each period; soft over a pixel's footprint."""
    from_middle, soft = phase
    sharp = (share / 2 - from_middle) / soft
    sharp += 0.5
    np.clip(sharp, 0, 1, out=sharp)
    np.copyto(sharp, share, where=soft > 0.5)
    return sharp


def stripes(x: Floats, period: Floats | float, share: Floats | float, footprint: Floats) -> Floats:
    """Bars along x, which is in metres like the period."""
    return bars(phase(x, period, footprint), share)


def band(x: Floats, low: Floats | float, high: Floats | float, footprint: Floats) -> Floats:
    """Coverage of the interval low..high."""
    half = 0.5 * np.maximum(footprint, 1e-4)
    inside = np.minimum(x + half, high) - np.maximum(x - half, low)
    return np.clip(inside / (2 * half), 0, 1)


def scatter(i: Floats, j: Floats, key: Floats) -> Floats:
    """A random number in [0, 1) for integer cells, different for each key."""
    mixed = (i.astype(np.int64) * 73856093) ^ (j.astype(np.int64) * 19349663) ^ (key * 83492791).astype(np.int64)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return ((mixed ^ (mixed >> 16)) & 0xFFFF).astype(np.float32) / np.float32(65536)
