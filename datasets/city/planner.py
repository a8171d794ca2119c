"""What stands where: the things of one scene, drawn in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from datasets.city.layout import Layout
from datasets.city.materials import Colour
from datasets.city.palette import Palette
from datasets.city.street import KERB, Street, Thing

RED, WHITE, BLACK = (0.62, 0.02, 0.03), (0.85, 0.85, 0.83), (0.05, 0.05, 0.05)
BLUE, YELLOW, GREEN = (0.03, 0.13, 0.55), (0.85, 0.55, 0.03), (0.02, 0.30, 0.14)
SIGNS = (
    ("round sign", RED, WHITE), ("round sign", BLUE, WHITE), ("stop sign", RED, WHITE), ("warning sign", RED, WHITE),
    ("square sign", BLUE, WHITE), ("diamond sign", WHITE, YELLOW),
    ("board", BLUE, WHITE), ("board", GREEN, WHITE), ("board", YELLOW, BLACK),
)  # fmt: skip
ENCLOSURES = (
    ("wall", "wall"), ("wall", "wall"), ("wall", "wall"),
    ("boards", "fence"), ("boards", "fence"), ("railing", "fence"), ("hedge", "vegetation"),
)  # fmt: skip


class Planner:
    """Draws the things of one scene; every method yields them in a fixed order."""

    def __init__(self, random: Random, layout: Layout, palette: Palette, street: Street) -> None:
        self.random, self.layout, self.palette, self.street = random, layout, palette, street
        self.front = street.half + street.pavement + random.uniform(*layout.verge)
        self.curb = street.half + 0.45  # the row of street furniture

    def paint(self, *kinds: str) -> tuple[Colour, ...]:
        return tuple([self.palette.draw(self.random, getattr(self.palette, kind)) for kind in kinds])

    def count(self, mean: float) -> int:
        return round(max(0.0, self.random.gauss(mean, 0.4 * mean)))

    def ahead(self, near: float = 6.0, far: float = 55.0) -> float:
        """A place along the street; near ones are likelier, so that small things fill pixels."""
        return near + (far - near) * math.pow(self.random.random(), 1.7)

    def in_crossing(self, s: float, margin: float = 0.0) -> bool:
        crossing = self.street.crossing
        return crossing is not None and crossing[0] - margin < s < crossing[1] + margin

    def things(self) -> Iterator[Thing]:
        for side in (-1, 1):
            yield from self.lots(side)
            yield from self.furniture(side)
            yield from self.guards(side)
            yield from self.parked(side)
        yield from self.signals()
        yield from self.signs()
        yield from self.traffic()
        yield from self.people()
        yield from self.riders()
        yield from self.cycles()

    # Beside the street

    def lots(self, side: int) -> Iterator[Thing]:
        random, s = self.random, -24.0
        while s < 180:
            width = random.uniform(9, 20) if s < 70 else random.uniform(15, 28)
            crossing = self.street.crossing
            if crossing and s < crossing[1] + 2 and s + width > crossing[0] - 2:
                room = crossing[0] - 2 - s
                if room < 6:
                    s = crossing[1] + 2
                    continue
                width = room
            kind = random.random()
            if kind < self.layout.built or s > 110:
                yield self.building(side, s, width, random.uniform(0, 0.6))
            else:
                green = kind > self.layout.built + self.layout.garden
                yield from self.garden(side, s, width, green)
            s += width

    def building(self, side: int, s: float, width: float, setback: float, *, grow: float = 1.0) -> Thing:
        random = self.random
        storeys = random.randint(*self.layout.storeys)
        depth = random.uniform(8, 13)
        kinds = ("gabled house", "block", "block") if storeys < 4 else ("block", "balconied block", "tower")
        return Thing(
            random.choice(kinds), "building", s + width / 2, side * (self.front + setback + depth / 2),
            scale=(depth, width - random.choice((0.0, 0.0, 1.5)), grow * (storeys * 3.2 + 0.6)),
            paints=self.paint("facades", "trims", "roofs"),
        )  # fmt: skip

    def garden(self, side: int, s: float, width: float, green: bool) -> Iterator[Thing]:
        random = self.random
        if random.random() < self.layout.enclosed:
            kind, label = random.choice(ENCLOSURES)
            pieces = max(1, round(width / (4 if s < 40 else 8)))
            length, height = width / pieces, random.uniform(0.8, 1.25)
            colours = {"wall": ("walls", "kerb"), "fence": ("fences", "trims"), "vegetation": ("leaves", "barks")}[
                label
            ]
            paints = self.paint(*colours)
            for i in range(pieces):
                yield Thing(
                    kind,
                    label,
                    s + (i + 0.5) * length,
                    side * (self.front + 0.3),
                    scale=(1.0, length, height),
                    lift=-0.05,
                    paints=paints,
                )
        if not green:
            yield self.building(side, s, width, random.uniform(5, 8))
        elif random.random() < 0.5:
            yield self.building(side, s, width, random.uniform(16, 26), grow=1.3)
        for _ in range(random.randint(1, 3) if green else random.randint(0, 2)):
            place, depth = s + random.uniform(0.1, 0.9) * width, random.uniform(2.5, 9.0 if green else 4.5)
            yield self.tree(place, side * (self.front + depth), random.choice((1.0, 1.3)))
        for _ in range(random.randint(0, 3)):
            size = random.uniform(0.7, 1.5)
            yield Thing(
                "bush",
                "vegetation",
                s + random.random() * width,
                side * (self.front + random.uniform(1.5, 6)),
                random.uniform(0, 6),
                (size, size, size),
                paints=self.paint("leaves", "barks"),
            )

    def tree(self, s: float, t: float, size: float) -> Thing:
        random = self.random
        kinds = ("round tree", "lobed tree", "poplar", "conifer") if s < 45 else ("far tree", "far tree", "far conifer")
        tall = size * random.uniform(0.75, 1.15)
        return Thing(
            random.choice(kinds),
            "vegetation",
            s,
            t,
            random.uniform(0, 6.28),
            (tall, tall, tall),
            paints=self.paint("leaves", "barks"),
        )

    def furniture(self, side: int) -> Iterator[Thing]:
        random = self.random
        paints = self.paint("masts")
        s = random.uniform(6, 18)
        while s < 85:
            if not self.in_crossing(s, 1.0):
                yield Thing("lamp", "pole", s, side * self.curb, 0.0 if side > 0 else math.pi, lift=KERB, paints=paints)
            s += random.uniform(18, 28)
        s = random.uniform(-8, 8)
        while s < 90:
            if random.random() < self.layout.trees and not self.in_crossing(s, 2.5):
                yield self.tree(s, side * (self.street.half + 0.9), 0.85)
            s += random.uniform(7, 12)
        if random.random() < 0.4:
            start = random.uniform(5, 25)
            for i in range(random.randint(3, 7)):
                if not self.in_crossing(start + 1.8 * i, 0.5):
                    yield Thing(
                        "bollard", "pole", start + 1.8 * i, side * (self.street.half + 0.3), lift=KERB, paints=paints
                    )

    def guards(self, side: int) -> Iterator[Thing]:
        """Railings between road and pavement."""
        random, s = self.random, self.random.uniform(4, 16)
        if random.random() < self.layout.guards:
            paints = self.paint("fences", "fences")
            for _ in range(random.randint(3, 8)):
                if not self.in_crossing(s, 1.5) and all(abs(s - zebra) > 3 for zebra in self.street.zebras):
                    yield Thing(
                        "railing",
                        "fence",
                        s,
                        side * (self.street.half + 0.2),
                        scale=(1.0, 2.5, 0.9),
                        lift=KERB,
                        paints=paints,
                    )
                s += 2.5

    def signals(self) -> Iterator[Thing]:
        random, crossing = self.random, self.street.crossing
        if not crossing and not (self.street.zebras and random.random() < 0.8):
            return
        stop = crossing[0] - 0.8 if crossing else self.street.zebras[0] + 2.6
        state = random.randrange(3)
        colours = tuple(lit if i == state else dark for i, (lit, dark) in enumerate((
            ((1.0, 0.05, 0.03), (0.12, 0.01, 0.01)), ((1.0, 0.55, 0.02), (0.13, 0.07, 0.0)),
            ((0.05, 0.9, 0.35), (0.0, 0.09, 0.04)))))  # fmt: skip
        mast, housing = self.paint("masts"), self.paint("housings")
        over = random.random() < 0.5
        places = [(stop, 1, over), (stop, -1, False)]
        if crossing:
            places += [(crossing[1] + 0.8, 1, False), (crossing[1] + 0.8, -1, False)]
        for s, side, arm in places:
            t = side * (self.street.half + 0.35)
            head = random.uniform(-0.1, 0.1)
            yield Thing("signal arm" if arm else "signal mast", "pole", s, t, lift=KERB, paints=mast)
            yield Thing(
                "signal over" if arm else "signal",
                "traffic light",
                s,
                t,
                head,
                (1.15, 1.0, 1.0),
                KERB,
                (*housing, *colours),
            )

    def signs(self) -> Iterator[Thing]:
        random = self.random
        for i in range(max(1, self.count(self.layout.signs))):
            s, side = self.ahead(6.5 if i else 7.5, 50 if i else 13), random.choice((-1, 1, 1))
            if self.in_crossing(s, 0.5):
                continue
            kind, first, second = random.choice(SIGNS)
            t = side * (self.street.half + random.uniform(0.3, 0.9)) + (0.9 * side if kind == "board" else 0.0)
            turn = random.uniform(-0.2, 0.2) + (math.pi if random.random() < 0.12 else 0.0)
            yield Thing("mast", "pole", s, t, lift=KERB, paints=self.paint("masts"))
            yield Thing(kind, "traffic sign", s, t, turn, lift=KERB + random.uniform(-0.7, 0.0), paints=(first, second))

    # Traffic

    def vehicle(self, large: float) -> tuple[str, str, float, tuple[Colour, ...]]:
        """Mesh, class, length in metres and paints."""
        random = self.random
        if random.random() < large:
            if random.random() < 0.5:
                return "truck", "truck", 8.0, self.paint("trucks", "trims")
            return "bus", "bus", 11.0, self.paint("buses", "trims")
        return (
            random.choice(("hatchback", "hatchback", "saloon", "saloon", "estate", "van")),
            "car",
            4.8,
            self.paint("cars", "cars"),
        )

    def parked(self, side: int) -> Iterator[Thing]:
        random, street = self.random, self.street
        if street.half < street.lane + 1.5 or random.random() < 0.2:
            return
        s = random.uniform(2, 12)
        while s < 65:
            mesh, label, length, paints = self.vehicle(0.06)
            middle = s + length / 2
            if not self.in_crossing(middle, length / 2 + 1) and all(
                abs(middle - z) > length / 2 + 2 for z in street.zebras
            ):
                turn = random.uniform(-0.04, 0.04) + (math.pi if side < 0 else 0.0)
                yield Thing(mesh, label, middle, side * (street.half - 1.1), turn, paints=paints)
            s += length + random.uniform(*self.layout.parked_gap) * random.choice((0.4, 1.0))

    def traffic(self) -> Iterator[Thing]:
        random = self.random
        for side in (1, -1):
            s = random.uniform(8, 34) if side > 0 else random.uniform(6, 24)
            while s < 80:
                mesh, label, length, paints = self.vehicle(self.layout.large)
                t = side * self.street.lane / 2 + random.uniform(-0.25, 0.25)
                yield Thing(mesh, label, s + length / 2, t, 0.0 if side > 0 else math.pi, paints=paints)
                s += length + random.uniform(*self.layout.vehicle_gap)

    # People

    def people(self) -> Iterator[Thing]:
        random, street = self.random, self.street
        for _ in range(self.count(self.layout.people) // 2 + 1):
            s, side = self.ahead(5.5, 45), random.choice((-1, 1))
            t = side * (street.half + random.uniform(street.strip + 0.5, street.pavement - 0.3))
            direction = random.choice((0.0, math.pi))
            for i in range(random.choice((1, 1, 2, 2, 3))):
                size = random.uniform(0.92, 1.08) if random.random() < 0.88 else 0.7
                yield Thing(
                    random.choice(("standing", "walking", "walking")),
                    "person",
                    s + 0.5 * i * random.uniform(0, 2),
                    t + 0.6 * i * -side,
                    direction + random.uniform(-0.4, 0.4),
                    (1.1 * size, 1.1 * size, size),
                    KERB,
                    self.paint("skins", "hairs", "shirts", "trousers"),
                )
        for zebra in street.zebras:
            for _ in range(random.randint(0, 3)):
                size = random.uniform(0.92, 1.08)
                yield Thing(
                    "walking",
                    "person",
                    zebra + random.uniform(-1.3, 1.3),
                    random.uniform(-1, 1) * street.half,
                    random.choice((-1, 1)) * math.pi / 2,
                    (1.1 * size, 1.1 * size, size),
                    paints=self.paint("skins", "hairs", "shirts", "trousers"),
                )

    def riders(self) -> Iterator[Thing]:
        random = self.random
        for i in range(max(1, self.count(self.layout.riders))):
            s, side = self.ahead(6 if i else 6.5, 40 if i else 14), random.choice((-1, 1, 1))
            t = side * (self.street.lane - random.uniform(0.0, 0.5))
            turn = random.uniform(-0.12, 0.12) + (math.pi if side < 0 else 0.0)
            motor = random.random() < 0.4
            cycle = "motorcycle" if motor else "bicycle"
            yield Thing(
                cycle, cycle, s, t, turn, (1.15, 1.1, 1.08), paints=self.paint("cars" if motor else "bicycles", "masts")
            )
            yield Thing(
                "riding",
                "rider",
                s,
                t,
                turn,
                (1.15, 1.1, 1.08),
                -0.02 if motor else 0.0,
                self.paint("skins", "helmets", "shirts", "trousers"),
            )

    def cycles(self) -> Iterator[Thing]:
        """Bicycles and motorcycles that stand about."""
        random = self.random
        for kind, mean in (("bicycle", self.layout.bicycles), ("motorcycle", self.layout.motorcycles)):
            for _ in range(self.count(mean) // 2 + 1):
                s, side, across = self.ahead(5.5, 35), random.choice((-1, 1)), random.choice((0.0, math.pi / 2, 0.9))
                for i in range(random.choice((1, 2, 3)) if kind == "bicycle" else random.choice((1, 1, 2))):
                    place = s + 0.9 * i if across else s + 2.2 * i
                    if self.in_crossing(place, 0.8):
                        continue
                    yield Thing(
                        kind,
                        kind,
                        place,
                        side * (self.street.half + 1.2),
                        across + random.uniform(-0.1, 0.1),
                        (1.1, 1.05, 1.05),
                        KERB,
                        self.paint("cars" if kind == "motorcycle" else "bicycles", "masts"),
                    )
