"""The colours of a town, linear RGB."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from datasets.city.materials import Colour

Colours = tuple[Colour, ...]


@dataclass(frozen=True, kw_only=True)
class Palette:
    """From which colours a town's things take their paints; each draw varies by the share `spread`."""

    spread: float
    road: Colours
    paving: Colours
    kerb: Colours
    grass: Colours
    forest: Colours
    facades: Colours
    trims: Colours
    roofs: Colours
    walls: Colours
    fences: Colours
    leaves: Colours
    barks: Colours
    masts: Colours
    housings: Colours
    cars: Colours
    trucks: Colours
    buses: Colours
    shirts: Colours
    trousers: Colours
    helmets: Colours
    skins: Colours
    hairs: Colours
    bicycles: Colours

    def draw(self, random: Random, colours: Colours) -> Colour:
        """One of the colours, a little changed in brightness and hue."""
        r, g, b = random.choice(colours)
        value = 1 + self.spread * (2 * random.random() - 1)
        tint = 0.3 * self.spread * (2 * random.random() - 1)
        return min(r * value * (1 + tint), 1.0), min(g * value, 1.0), min(b * value * (1 - tint), 1.0)
