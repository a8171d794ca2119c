"""The images of a split by role, each packed once. What a role holds is all that a training process can open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench import plugins
from bench.data.labels import LabelSpace
from bench.data.pack import LAYOUT, Item, Pack, build
from bench.fingerprint import fingerprint
from bench.log import Meter
from bench.plain import canonical
from bench.rng import fold
from bench.split import Domain, Split


class MissingData(FileNotFoundError):
    """A data set is not where it was looked for. One message for all that is missing; nothing has been trained."""


class NotPacked(LookupError):
    """A pack is not there, and it was asked not to build it."""


@dataclass(frozen=True)
class Domains:
    """Opens the packs of one split. roots: {data set: folder}; packs are kept under `store`/packs."""

    split: Split
    roots: Mapping[str, Path]
    store: Path
    workers: int = 2
    show: bool = True
    build: bool = True  # a pack that is not there; otherwise NotPacked

    def require(self) -> None:
        """MissingData unless every data set of the split is there."""
        split = self.split
        problems = []
        labelled = {id(d): split.tasks for d in split.source} | {id(split.target): (), id(split.test): split.scored}
        for name, domains in _by_dataset([*split.source, split.target, split.test]).items():
            module = plugins.dataset(name)
            if module.NEEDS_ROOT and name not in self.roots:
                problems.append(f"{name}: no folder given; say data.{name}=FOLDER; {module.HELP}")
                continue
            for domain in domains:
                try:
                    first = module.index(self.roots.get(name), domain.part)[0]
                except (OSError, ValueError) as error:
                    problems.append(str(error))
                    break
                problems += _absent(name, first, ("image", *labelled[id(domain)]))
        if problems:
            without = f"\nwithout any data: {' or '.join(f'split={n}' for n in free_splits())}"
            raise MissingData(f"split {split.name} cannot run:\n  " + "\n  ".join(problems) + without)

    def space(self) -> LabelSpace:
        space: LabelSpace = plugins.spaces().space(self.split.classes)
        return space

    def target_tasks(self) -> tuple[str, ...]:
        """The tasks that the target's own labels could serve: what an oracle learns."""
        labelled = plugins.dataset(self.split.target.dataset).TASKS
        return tuple(task for task in self.split.tasks if task in labelled)

    def source(self) -> list[Pack]:
        return [self.pack(domain, ("image", *self.split.tasks)) for domain in self.split.source]

    def target(self) -> list[Pack]:
        """Images alone: no label of the target is in this pack."""
        return [self.pack(self.split.target, ("image",))]

    def labelled_target(self) -> list[Pack]:
        """For oracles, and for nobody else."""
        return [self.pack(self.split.target, ("image", *self.target_tasks()))]

    def lent(self, share: float) -> list[Pack]:
        """The labelled target images that a semi-supervised stage is lent: always the same ones for a share."""
        items = self.index(self.split.target)
        order = sorted(items, key=lambda item: fold("lent", item.stem))
        chosen = {item.stem for item in order[: round(share * len(items))]}
        if not chosen:
            raise ValueError(f"target_labels {share:g} of {len(items)} images is no image at all")
        few = [item for item in items if item.stem in chosen]
        return [self.pack(self.split.target, ("image", *self.target_tasks()), few)]

    def test_images(self) -> Pack:
        return self.pack(self.split.test, ("image",))

    def test_sizes(self) -> list[tuple[int, int]]:
        """The native size (width, height) of each test image, which is its label's; no label is opened."""
        module, domain = plugins.dataset(self.split.test.dataset), self.split.test
        return [_size(module, item, domain.size) for item in self.index(domain)]

    def role(self, name: str, share: float = 0.0) -> list[Pack]:
        if name == "lent":
            return self.lent(share)
        return {"source": self.source, "target": self.target, "labelled target": self.labelled_target}[name]()

    def index(self, domain: Domain) -> list[Item]:
        items: list[Item] = plugins.dataset(domain.dataset).index(self.roots.get(domain.dataset), domain.part)
        return items[: domain.limit]

    def pack(self, domain: Domain, fields: tuple[str, ...], items: list[Item] | None = None) -> Pack:
        """The pack of these images and fields: opened, or built first. Same files, same code: same folder."""
        module = plugins.dataset(domain.dataset)
        items = self.index(domain) if items is None else items
        label_map = self._label_map(module) if "semseg" in fields else None
        made_of = {
            "layout": LAYOUT,
            "dataset": domain.dataset,
            "code": fingerprint(module.__name__),
            "size": list(domain.size),
            "fields": list(fields),
            "classes": self.split.classes if label_map is not None else "",
            "items": [[item.stem, *_stamps(item, fields)] for item in items],
        }
        key = hashlib.sha256(canonical(made_of).encode()).hexdigest()[:16]
        what = "-".join(fields)
        folder = self.store / "packs" / f"{domain.dataset}-{domain.part}-{what}-{key}"
        if not (folder / "index.json").exists():
            if not self.build:
                raise NotPacked(folder)
            with Meter(f"pack {domain.dataset} {domain.part}", len(items), show=self.show) as meter:
                build(
                    folder, module, items, fields, domain.size, label_map, self.workers, lambda done, _: meter.at(done)
                )
        return Pack(folder, fields)

    def _label_map(self, module: Any) -> NDArray[np.uint8] | None:
        space = self.space()
        if module.CLASSES.name == space.name:
            return None
        table: NDArray[np.uint8] = plugins.spaces().mapping(module.CLASSES, space)
        return table


def _absent(name: str, item: Item, fields: tuple[str, ...]) -> list[str]:
    """What an item that will be labelled or scored lacks: said before the training, not after it."""
    files = _read_for(item, fields)
    return [f"{name}: {what} of {item.stem} is missing: no {path}" for what, path in files.items() if not path.exists()]


def _stamps(item: Item, fields: tuple[str, ...]) -> list[object]:
    """Size and change time of the files that the fields are read from: a file that was exchanged makes another pack."""
    files = _read_for(item, fields)
    return [[name, path.stat().st_size, path.stat().st_mtime_ns] for name, path in sorted(files.items())]


def _read_for(item: Item, fields: tuple[str, ...]) -> dict[str, Path]:
    """The files that the fields are read from. A label that is not among the fields is not even looked at."""
    geometry = bool({"depth", "normals"} & set(fields))  # disparity, camera ...
    return {what: path for what, path in item.files.items() if what in fields or (geometry and what != "semseg")}


def _size(module: Any, item: Item, rendered: tuple[int, int]) -> tuple[int, int]:
    """From the image's header; a renderer has no files and draws at the split's size."""
    if "image" not in item.files:
        return rendered
    with Image.open(item.files["image"]) as picture:
        return picture.size


def _by_dataset(domains: list[Domain]) -> dict[str, list[Domain]]:
    grouped: dict[str, list[Domain]] = {}
    for domain in domains:
        grouped.setdefault(domain.dataset, []).append(domain)
    return grouped


def free_splits() -> list[str]:
    """The names of the splits that need no data from outside."""
    return [name for name, split in plugins.splits().items() if not _needs_data(split)]


def _needs_data(split: Split) -> bool:
    names = _by_dataset([*split.source, split.target, split.test])
    return any(plugins.dataset(name).NEEDS_ROOT for name in names)
