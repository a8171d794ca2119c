"""The images of a split by role, each packed once. What a role holds is all that a training process can open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bench import manifest, plugins
from bench.data.decode import decoder
from bench.data.geometry import NORMALS
from bench.data.labels import LabelSpace
from bench.data.pack import LAYOUT, Item, Pack
from bench.data.packing import build
from bench.fingerprint import fingerprint
from bench.log import Meter
from bench.plain import canonical
from bench.record import FIXTURE
from bench.rng import fold
from bench.split import Domain, Split

Packs = dict[str, Pack]  # of a role, by the name of the domain


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
        """MissingData unless every data set of the split is there; ValueError if its rules do not fit."""
        split, rules = self.split, plugins.protocol(self.split.protocol)
        if stray := [name for name in split.scored if name not in rules.tasks]:
            scores = f"protocol {split.protocol} scores {' '.join(rules.tasks)}"
            raise ValueError(f"{scores}, not {' '.join(stray)}; say split.scored=[{','.join(rules.tasks)}]")
        for domain, labels in [*((d, split.tasks) for d in split.source), (split.test, split.scored)]:
            kind = "given" if "normals" in plugins.dataset(domain.dataset).TASKS else "from depth"
            if "normals" in labels and split.normals != kind:
                says = f'split {split.name} says normals="{split.normals}"'
                raise ValueError(f"{says}, those of {domain.name} are {kind}: one split, one kind of normals")
        inverse = [d.name for d in split.domains if getattr(plugins.dataset(d.dataset), "INVERSE_DEPTH", False)]
        if inverse and "depth" in split.tasks and tuple(split.augment.zoom) != (1.0, 1.0):
            zoom = f"augment.zoom of {split.augment.zoom[0]:g}..{split.augment.zoom[1]:g} would divide"
            raise ValueError(f"{zoom} the inverse depth of {inverse[0]}; say split.augment.zoom=[1,1]")
        problems = []
        wanted = (
            [(d, split.tasks) for d in split.source] + [(d, ()) for d in split.target] + [(split.test, split.scored)]
        )
        for name in dict.fromkeys(domain.dataset for domain in split.domains):
            module = plugins.dataset(name)
            if module.NEEDS_ROOT and name not in self.roots:
                problems.append(f"{name}: no folder given; say data.{name}=FOLDER; {module.HELP}")
                continue
            for domain, labels in (pair for pair in wanted if pair[0].dataset == name):
                try:
                    first = module.index(self.roots.get(name), domain.part)[0]
                except (OSError, ValueError) as error:
                    problems.append(str(error))
                    break
                problems += _absent(name, first, ("image", *labels))
                optional = getattr(module, "OPTIONAL", ())
                lacking = " ".join(task for task in labels if task in optional and task not in first.files)
                if lacking and domain is not split.test:
                    problems.append(f"{domain.name} has no {lacking} to learn from; {module.HELP}")
                elif lacking and self.show:
                    print(f"{domain.name} has no truth of {lacking} here: not scored", flush=True)
        if problems:
            without = f"\nwithout any data: {' or '.join(f'split={n}' for n in free_splits())}"
            raise MissingData(f"split {split.name} cannot run:\n  " + "\n  ".join(problems) + without)

    def space(self) -> LabelSpace:
        space: LabelSpace = plugins.spaces().space(self.split.classes)
        return space

    def target_tasks(self) -> tuple[str, ...]:
        """The tasks that every target's own labels could serve: what an oracle learns."""
        labelled = [plugins.dataset(domain.dataset).TASKS for domain in self.split.target]
        return tuple(task for task in self.split.tasks if all(task in tasks for tasks in labelled))

    def source(self) -> Packs:
        return self._packs(self.split.source, self.split.tasks)

    def target(self) -> Packs:
        """Images alone: no label of a target is in these packs."""
        return self._packs(self.split.target, ())

    def labelled_target(self) -> Packs:
        """For oracles, and for nobody else."""
        return self._packs(self.split.target, self.target_tasks())

    def lent(self, share: float) -> Packs:
        """The labelled images that a semi-supervised stage is lent of each target: always the same for a share."""
        fields = ("image", *self.target_tasks())
        return {domain.name: self.pack(domain, fields, self._few(domain, share)) for domain in self.split.target}

    def _packs(self, domains: Sequence[Domain], labels: tuple[str, ...]) -> Packs:
        return {domain.name: self.pack(domain, ("image", *labels)) for domain in domains}

    def _few(self, domain: Domain, share: float) -> list[Item]:
        items = self.index(domain)
        order = sorted(items, key=lambda item: fold("lent", item.stem))
        chosen = {item.stem for item in order[: round(share * len(items))]}
        if not chosen:
            raise ValueError(f"target_labels {share:g} of {len(items)} images of {domain.name} is no image at all")
        return [item for item in items if item.stem in chosen]

    def test_images(self) -> Pack:
        return self.pack(self.split.test, ("image",))

    def test_sizes(self) -> list[tuple[int, int]]:
        """The size (width, height) of each test image's truth: the protocol's, or the image's; no label is opened."""
        module, domain = plugins.dataset(self.split.test.dataset), self.split.test
        size = plugins.protocol(self.split.protocol).size
        return [size or _size(module, item, domain.size) for item in self.index(domain)]

    def packed(self) -> list[tuple[Domain, tuple[str, ...]]]:
        """What a run packs of its split, oracles apart: domains and their fields."""
        split = self.split
        sources = [(domain, ("image", *split.tasks)) for domain in split.source]
        targets = [(domain, ("image",)) for domain in split.target]
        return [*sources, *targets, (split.test, ("image",))]

    def data(self) -> str:
        """What is known of the files that a run and its scorer open: see bench/manifest.py; "" if there are none."""
        scored = (self.split.test, ("image", *self.split.scored))
        return manifest.joined(self._data(domain, fields) for domain, fields in [*self.packed(), scored])

    def test_data(self) -> str:
        """The same of what a scorer alone opens."""
        return self._data(self.split.test, ("image", *self.split.scored))

    def _data(self, domain: Domain, fields: tuple[str, ...]) -> str:
        module, root = plugins.dataset(domain.dataset), self.roots.get(domain.dataset)
        if not module.NEEDS_ROOT or root is None:
            return ""
        items = self.index(domain)
        if manifest.is_fixture(root, items):
            return FIXTURE
        files = {item.stem: item.sources(fields) for item in items}
        kept = manifest.read(self.store, domain.dataset)
        return manifest.state(kept, getattr(module, "FACTS", None), domain.part, files)

    def role(self, name: str, share: float = 0.0) -> Packs:
        """In the split's order."""
        if name == "lent":
            return self.lent(share)
        return {"source": self.source, "target": self.target, "labelled target": self.labelled_target}[name]()

    def index(self, domain: Domain) -> list[Item]:
        items: list[Item] = plugins.dataset(domain.dataset).index(self.roots.get(domain.dataset), domain.part)
        return items[: domain.limit]

    def pack(self, domain: Domain, fields: tuple[str, ...], items: list[Item] | None = None) -> Pack:
        """The pack of these images and fields: opened, or built first."""
        items = self.index(domain) if items is None else items
        folder = self.place(domain, fields, items)
        if not (folder / "index.json").exists():
            if not self.build:
                raise NotPacked(folder)
            module = plugins.dataset(domain.dataset)
            with Meter(f"pack {domain.dataset} {domain.part}", len(items), show=self.show) as meter:
                build(folder, module, items, fields, domain.size, self.label_map(domain, fields), self.workers,
                      lambda done, _: meter.at(done))  # fmt: skip
        return Pack(folder, fields)

    def place(self, domain: Domain, fields: tuple[str, ...], items: list[Item]) -> Path:
        """The folder of a pack. Same files, same code: same folder."""
        module = plugins.dataset(domain.dataset)
        made_of: dict[str, Any] = {
            "layout": LAYOUT,
            "dataset": domain.dataset,
            "code": fingerprint(module.__name__),
            "size": list(domain.size),
            "fields": list(fields),
            "classes": self.split.classes if self.label_map(domain, fields) is not None else "",
            "items": [[item.stem, *_stamps(item, fields)] for item in items],
        }
        if decoder(module, fields, domain.size).derived:
            made_of["normals"] = NORMALS
        key = hashlib.sha256(canonical(made_of).encode()).hexdigest()[:16]
        what = "-".join(fields)
        return self.store / "packs" / f"{domain.dataset}-{domain.part}-{what}-{key}"

    def label_map(self, domain: Domain, fields: tuple[str, ...]) -> NDArray[np.uint8] | None:
        """From the data set's classes to the split's; None where there is nothing to map."""
        module, space = plugins.dataset(domain.dataset), self.space()
        if "semseg" not in fields or module.CLASSES.name == space.name:
            return None
        table: NDArray[np.uint8] = plugins.spaces().mapping(module.CLASSES, space)
        return table


def _absent(name: str, item: Item, fields: tuple[str, ...]) -> list[str]:
    """What an item that will be labelled or scored lacks: said before the training, not after it."""
    files = item.sources(fields)
    return [f"{name}: {what} of {item.stem} is missing: no {path}" for what, path in files.items() if not path.exists()]


def _stamps(item: Item, fields: tuple[str, ...]) -> list[object]:
    """Size and change time of the files that the fields are read from: a file that was exchanged makes another pack."""
    stamps: list[object] = []
    for name, path in sorted(item.sources(fields).items()):
        try:
            status = path.stat()
        except FileNotFoundError:
            raise FileNotFoundError(f"{name} of {item.stem} is missing: no {path}") from None
        stamps.append([name, status.st_size, status.st_mtime_ns])
    return stamps


def _size(module: Any, item: Item, rendered: tuple[int, int]) -> tuple[int, int]:
    """From the image's header; a renderer has no files and draws at the split's size; an array has no such header."""
    if "image" not in item.files:
        return rendered
    try:
        with Image.open(item.files["image"]) as picture:
            return picture.size
    except UnidentifiedImageError:
        height, width = module.read(item, ("image",))["image"].shape[:2]
        return width, height


def free_splits() -> list[str]:
    """The names of the splits that need no data from outside."""
    return [name for name, split in plugins.splits().items() if not _needs_data(split)]


def _needs_data(split: Split) -> bool:
    try:
        return any(plugins.dataset(domain.dataset).NEEDS_ROOT for domain in split.domains)
    except plugins.Unknown:  # deleted, or broken: that stops nobody who did not choose it
        return True
