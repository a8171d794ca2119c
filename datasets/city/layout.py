"""The statistics of a domain's streets, and a street drawn from them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from datasets.city.street import Street

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The statistics of a domain's streets. Lengths in metres, shares in 0..1, numbers are means for a scene."""

    lane: Range = (3.0, 3.5)
    parking: float = 0.3  # share of streets with parked rows
    pavement: Range = (2.6, 4.4)  # without the lawn
    strip: float = 0.6  # share of streets with a lawn between kerb and pavement
    verge: Range = (0.0, 3.0)  # lawn between the pavement and the lots
    bend: float = 0.006  # largest curvature, 1/m
    hill: float = 3.0  # largest rise or fall
    crossing: float = 0.7  # share of scenes with a side street
    built: float = 0.28  # share of lots with a building at the street
    garden: float = 0.34  # share of lots with a building behind a garden; the rest is green
    storeys: tuple[int, int] = (2, 5)
    enclosed: float = 0.96  # share of gardens and greens with wall, fence or hedge
    guards: float = 0.45  # share of pavements with a railing at the kerb
    trees: float = 0.5  # share of the places for street trees that are taken
    people: float = 9.0
    riders: float = 2.0
    signs: float = 4.0
    bicycles: float = 4.0
    motorcycles: float = 2.0
    vehicle_gap: Range = (6.0, 25.0)
    parked_gap: Range = (0.8, 9.0)
    large: float = 0.2  # share of trucks and buses among the vehicles that drive


def street_from(random: Random, layout: Layout) -> Street:
    """Draw the course of a street."""
    lane = random.uniform(*layout.lane)
    crossing = None
    if random.random() < layout.crossing:
        start = random.uniform(15, 34)
        crossing = (start, start + random.uniform(7, 10))
    strip = random.uniform(1.3, 2.4) if random.random() < layout.strip else 0.0
    zebra = crossing[0] - 3.0 if crossing else random.uniform(11, 22)
    return Street(
        bend=random.uniform(-1, 1) * layout.bend,
        bend_start=random.uniform(5, 40),
        hill=random.uniform(-1, 1) * layout.hill,
        slope=random.uniform(60, 120),
        lane=lane,
        half=lane + (2.3 if random.random() < layout.parking else 0.3),
        pavement=random.uniform(*layout.pavement) + strip,
        crossing=crossing,
        strip=strip,
        zebras=(zebra,) if random.random() < 0.6 else (),
    )
