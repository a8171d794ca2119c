"""Streams: step -> batch. Everything in a batch follows from (seed, tag, position); there is no state to save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.data import augment as augmentation
from bench.data.pack import Pack
from bench.data.sampling import TRIES, Rare, place, share, shown, uniforms
from bench.data.sampling import draw as drawn
from bench.problem import Labelled, Unlabelled
from bench.processes import children
from bench.signals import deaf
from bench.split import Augmentation


@dataclass(frozen=True)
class Attachment:
    """An array N .. H W on disk, one row an image of the stream; its H W may be smaller than the images'."""

    path: Path  # of a .npy file; in one called depth (metres) or normals, values follow zoom and mirroring

    @cached_property
    def rows(self) -> NDArray[Any]:
        rows: NDArray[Any] = np.load(self.path, mmap_mode="r")
        return rows

    def __reduce__(self) -> tuple[Any, ...]:
        return Attachment, (self.path,)  # every process maps the file itself


def attachments(folders: Mapping[str, Path]) -> dict[str, Attachment]:
    """{"need.name": the array name.npy} of what in-order stages wrote. ValueError if a need wrote nothing."""
    found: dict[str, Attachment] = {}
    for need, folder in folders.items():
        files = sorted(folder.glob("*.npy"))
        if not files:
            raise ValueError(f"{need} is attached but has written no file in {folder}")
        found |= {f"{need}.{file.stem}": Attachment(file) for file in files}
    return found


class Stream:
    """Batches of one role by step: Labelled if it has tasks, Unlabelled otherwise.

    Several packs are drawn from in turn; `domains` are their places among all that the role has (None: they are all).
    `batch` counts the images of all ranks. A rank gets its share of the same global batch, to the bit, whatever the
    number of ranks and workers, and the step it starts from. "in order" is one pass over whole images, nothing
    augmented, the last batch short. `rare` draws each pack's images by their classes.
    """

    def __init__(
        self,
        packs: Sequence[Pack],
        *,
        domains: Sequence[int] | None = None,
        tasks: tuple[str, ...],
        crop: tuple[int, int],
        augment: Augmentation,
        seed: int,
        tag: str,
        batch: int,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        draw: str = "shuffled",
        attached: Mapping[str, Attachment] | None = None,
        rare: Rare | None = None,
        workers: int = 0,
    ) -> None:
        self.packs, self.tasks, self.crop, self.augment = tuple(packs), tasks, crop, augment
        self.domains = tuple(range(len(self.packs)) if domains is None else domains)
        self.seed, self.tag, self.batch, self.device = seed, tag, batch, device
        self.rank, self.world, self.in_order, self.workers = rank, world, draw == "in order", workers
        self.attached = {} if tasks else dict(attached or {})  # they are of the target's images
        self._nums = [len(pack) for pack in self.packs]
        self._photometric = not self.in_order and augmentation.is_photometric(augment)
        self.rare = rare
        self._check(draw)
        self._shown = [shown(map(pack.read, range(len(pack)), repeat("semseg")), rare) for pack in packs if rare]

    def _check(self, draw: str) -> None:
        if draw not in ("shuffled", "in order"):
            raise ValueError(f'no draw "{draw}"; known: shuffled, in order')
        if not self.packs or not all(self._nums):
            raise ValueError(f"{self.tag}: no images to draw from")
        if self.batch < 1 or self.workers < 0 or not 0 <= self.rank < self.world:
            got = f"batch {self.batch}, {self.workers} workers, rank {self.rank} of {self.world}"
            raise ValueError(f"{self.tag}: {got}; expected a batch of 1 or more, and a rank below their number")
        if self.batch % self.world and not self.in_order:
            raise ValueError(f"{self.tag}: a batch of {self.batch} on {self.world} ranks, expected a multiple of them")
        if self.rare and (self.in_order or "semseg" not in self.tasks):
            raise ValueError(f"{self.tag}: rare classes are drawn from shuffled images with class labels only")
        for pack in self.packs:
            for name in ("image", *self.tasks):
                if name not in pack.fields:
                    raise ValueError(f"{pack.folder}: opened without {name}; it has {' '.join(pack.fields)}")
            if not self.in_order:
                augmentation.check(self.augment, pack.size, self.crop)
        if self.in_order and len({pack.size for pack in self.packs}) > 1:
            raise ValueError(f"{self.tag}: images of several sizes in order, expected one size a batch")
        for name, attachment in self.attached.items():
            shape = attachment.rows.shape
            if len(shape) not in (3, 4) or shape[0] != self.num_images:
                got = "x".join(map(str, shape))
                raise ValueError(f"attached {name} is {got}, expected {self.num_images} H W or {self.num_images} C H W")

    @property
    def num_images(self) -> int:
        return sum(self._nums)

    @property
    def num_steps(self) -> int:
        """Of one pass in order."""
        return -(-self.num_images // self.batch)

    def __getitem__(self, step: int) -> Labelled | Unlabelled:
        return self._to_batch(self.collate(step))

    def iterate(self, start: int, stop: int) -> Iterator[Labelled | Unlabelled]:
        """The batches of steps start .. stop - 1, read ahead by `workers` processes."""
        if not self.workers or start >= stop:
            yield from map(self.__getitem__, range(start, stop))
            return
        loader = DataLoader(
            _Steps(self),
            batch_size=None,  # a step is read as a whole
            sampler=range(start, stop),
            num_workers=min(self.workers, stop - start),
            pin_memory=self.device.type == "cuda",
            multiprocessing_context=children(),
            generator=torch.Generator(),  # or the loader would draw from everybody's
        )
        with deaf():
            batches = iter(loader)
        yield from map(self._to_batch, batches)

    def collate(self, step: int) -> dict[str, Tensor]:
        """This rank's images of a step in stored types, geometry applied, photometry drawn: work for any process."""
        arrays: dict[str, NDArray[Any]] = {}
        positions = self._positions(step)
        for k, position in enumerate(positions):
            for name, values in self._sample(position).items():
                if name not in arrays:
                    arrays[name] = np.empty((len(positions), *values.shape), values.dtype)
                arrays[name][k] = values
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _positions(self, step: int) -> range:
        everyone = range(step * self.batch, (step + 1) * self.batch)
        if not self.in_order:
            return share(everyone, self.rank, self.world)
        if not 0 <= step < self.num_steps:
            raise IndexError(f"step {step} of a pass in order that takes {self.num_steps}")
        everyone = range(everyone.start, min(everyone.stop, self.num_images))
        return share(everyone, self.rank, self.world) or everyone[-1:]  # all ranks must step: one image comes twice

    def _sample(self, position: int) -> dict[str, NDArray[Any]]:
        if self.in_order:
            which, i = place(position, self._nums)
            view = augmentation.whole_view(self.packs[which].size)
        elif self.rare:
            which = position % len(self.packs)
            i, random, view = self._rare_view(which, position, self.rare)
        else:
            which, i = drawn(self.seed, self.tag, position, self._nums)
            random = uniforms(augmentation.NUM_UNIFORMS, self.seed, self.tag, "augment", position)
            view = augmentation.draw_view(random, self.augment, self.packs[which].size, self.crop)
        pack, first = self.packs[which], sum(self._nums[:which])
        window = (view.top, view.left, view.height, view.width)
        sample = {name: view.apply(name, pack.read(i, name, *window)) for name in ("image", *self.tasks)}
        for name, attachment in self.attached.items():
            row = attachment.rows[first + i]
            row = np.moveaxis(row, 0, -1) if row.ndim == 3 else row
            sample[f"attached {name}"] = view.gather(name.rpartition(".")[2], row, pack.size)
        if self._photometric:
            sample["photometry"] = augmentation.draw_photometry(random, self.augment)
        return sample | {"id": np.array(first + i), "domain": np.array(self.domains[which])}

    def _rare_view(self, which: int, position: int, rare: Rare) -> tuple[int, NDArray[np.float64], augmentation.View]:
        """An image that shows a class asked for, and a view of it that does."""
        pack = self.packs[which]
        i, wanted = self._shown[which].pick(self.seed, self.tag, position)
        enough = rare.crop * rare.least * pack.size[0] * pack.size[1]
        for attempt in range(TRIES):
            random = uniforms(augmentation.NUM_UNIFORMS, self.seed, self.tag, "augment", position, attempt)
            view = augmentation.draw_view(random, self.augment, pack.size, self.crop)
            labels = pack.read(i, "semseg", view.top, view.left, view.height, view.width)
            if np.count_nonzero(labels == wanted) >= enough:
                break
        return i, random, view

    def _to_batch(self, raw: Mapping[str, Tensor]) -> Labelled | Unlabelled:
        """On the device: conversion to the types that bench.problem declares, and photometry."""
        there = {name: _sent(value, self.device) for name, value in raw.items() if name != "photometry"}
        pixels = there["image"]
        clean = pixels.permute(0, 3, 1, 2).float().div_(255)  # channels last in memory, as networks like it
        image = augmentation.photometry(clean, pixels, raw["photometry"]) if self._photometric else clean
        whose = there["id"], there["domain"]
        if self.tasks:
            return Labelled(image, clean, *whose, {name: _label(name, there[name]) for name in self.tasks})
        attached = {name: there[f"attached {name}"] for name in self.attached}
        attached = {n: value.permute(0, 3, 1, 2) if value.ndim == 4 else value for n, value in attached.items()}
        return Unlabelled(image, clean, *whose, attached)


class _Steps(Dataset[dict[str, Tensor]]):
    """A stream as torch's loader wants it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getitem__(self, step: int) -> dict[str, Tensor]:
        return self.stream.collate(step)


def _sent(value: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and not value.is_pinned():
        value = value.pin_memory()
    return value.to(device, non_blocking=True)


def _label(name: str, value: Tensor) -> Tensor:
    """As bench.problem.Labelled declares it."""
    if name == "semseg":
        return value.long()
    if name == "depth":
        return value.unsqueeze(1)
    normals = value.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
    x, y, z = normals.unbind(1)
    length = (x * x + y * y + z * z).sqrt_().clamp_min_(0.5)  # 16 bits are not quite of length 1; 0 stays 0
    return normals.div_(length.unsqueeze(1))
