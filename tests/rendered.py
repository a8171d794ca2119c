"""The fixtures that users get, of every data set, made once for a file of tests; drawn quickly.

One street of a world stands for all frames of a size, and a large picture is drawn at a quarter of its size and
enlarged: what is tested is what is written, not what it shows.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench import plugins
from bench.data.pack import Item
from datasets import fixture
from datasets.trees.scenes import Scene

NAMES = sorted(plugins.trees())
Maker = Callable[[str], tuple[Path, list[Scene]]]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """See above."""
    city = importlib.import_module("datasets.city.render")
    real, drawn = city.render, {}

    def draw(seed: str, world: Any, what: Any, size: tuple[int, int]) -> Any:
        key = world.look, world.rig.fov, size
        if key not in drawn:
            times = 4 if size[0] * size[1] > 600_000 else 1
            maps, view = real("fixture", world, what, (-(-size[0] // times), -(-size[1] // times)))
            large = {name: a.repeat(times, 0).repeat(times, 1)[: size[1], : size[0]] for name, a in maps.items()}
            drawn[key] = large, view
        return drawn[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(city, "render", draw)
        yield


@pytest.fixture(scope="module")
def shown() -> Iterator[list[Scene]]:
    """Every scene that a fixture was made of."""
    seen: list[Scene] = []

    def remembered(real: Callable[..., Scene]) -> Callable[..., Scene]:
        def remember(*words: Any) -> Scene:
            seen.append(real(*words))
            return seen[-1]

        return remember

    with pytest.MonkeyPatch.context() as patch:
        for module in map(plugins.tree, NAMES):
            for word in {"scene", "room"} & set(vars(module)):
                patch.setattr(module, word, remembered(getattr(module, word)))
        yield seen


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shown: list[Scene]) -> Maker:
    """A data set's fixture and what it shows, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("fixtures") / "RGB images gtFine.d"  # words that a careless loader would replace
    done: dict[str, tuple[Path, list[Scene]]] = {}

    def make(name: str) -> tuple[Path, list[Scene]]:
        if name not in done:
            shown.clear()
            fixture.make(name, folder / name, images=2)
            done[name] = folder / name, list(shown)
        return done[name]

    return make


def module_of(name: str) -> ModuleType:
    return importlib.import_module(f"datasets.{name}")


def items(module: ModuleType, root: Path) -> list[Item]:
    """Of all parts that are there."""
    found: dict[str, Item] = {}
    for part in module.FACTS.counts:
        try:
            found |= {str(item.files): item for item in module.index(root, part)}
        except FileNotFoundError:
            assert part in module.FACTS.spare
    assert found
    return list(found.values())
