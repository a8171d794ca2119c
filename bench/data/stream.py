"""Streams: step -> batch. Everything in a batch follows from (seed, tag, position); there is no state to save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.data.augment import draw_geometry, draw_photometry, photometry, to_tensors, whole
from bench.data.pack import Pack
from bench.data.sampling import draw, generator, positions
from bench.problem import Labelled, Unlabelled
from bench.split import Augmentation


class _Positions(Dataset[dict[str, Tensor]]):
    """Map a position to its sample; what worker processes run."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        return self.stream.sample(position)


class Stream:
    """Batches of one role by step: Labelled if it has tasks, Unlabelled otherwise.

    Several packs are drawn from in turn. `batch` counts the images of all ranks; a rank gets its share of the same
    global batch whatever the number of ranks, workers, or the step it starts from.
    """

    def __init__(
        self,
        packs: Sequence[Pack],
        *,
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
        attached: Mapping[str, NDArray[Any]] | None = None,
        workers: int = 0,
    ) -> None:
        self.packs, self.tasks, self.crop, self.augment = list(packs), tasks, crop, augment
        self.seed, self.tag, self.batch, self.device = seed, tag, batch, device
        self.rank, self.world, self.in_order, self.workers = rank, world, draw == "in order", workers
        self.attached = attached or {}
        positions(0, batch, rank, world)
        self._photometric = not self.in_order and (augment.jitter > 0 or augment.blur > 0)

    @property
    def num_images(self) -> int:
        return sum(map(len, self.packs))

    @property
    def num_steps(self) -> int:
        """Of one pass in order; the last batch may be short."""
        return -(-self.num_images // self.batch)

    def __getitem__(self, step: int) -> Labelled | Unlabelled:
        samples = [self.sample(p) for p in self._positions(step)]
        return self._batch({name: torch.stack([s[name] for s in samples]) for name in samples[0]})

    def iterate(self, start: int, stop: int) -> Iterator[Labelled | Unlabelled]:
        """The batches of steps start .. stop - 1, read ahead by `workers` processes."""
        if not self.workers or start >= stop:
            yield from (self[step] for step in range(start, stop))
            return
        loader = DataLoader(
            _Positions(self),
            batch_sampler=[list(self._positions(step)) for step in range(start, stop)],
            num_workers=self.workers,
            pin_memory=self.device.type == "cuda",
            multiprocessing_context="forkserver",
        )
        yield from map(self._batch, loader)

    def _positions(self, step: int) -> Sequence[int]:
        if not self.in_order:
            return positions(step, self.batch, self.rank, self.world)
        whole_batch = range(step * self.batch, min((step + 1) * self.batch, self.num_images))
        share = -(-len(whole_batch) // self.world)
        mine = whole_batch[self.rank * share : (self.rank + 1) * share]
        return mine or whole_batch[-1:]  # a rank with nothing left repeats the last: all ranks must step

    def sample(self, position: int) -> dict[str, Tensor]:
        """One image with its labels as stored types, geometry applied; photometric parameters drawn, not applied."""
        if self.in_order:
            which, i = self._place(position)
        else:
            which, i = draw(self.seed, self.tag, position, [len(p) for p in self.packs])
        pack = self.packs[which]
        random = generator(self.seed, self.tag, "augment", position)
        geometry = whole(pack.size) if self.in_order else draw_geometry(random, self.augment, pack.size, self.crop)
        window = (geometry.top, geometry.left, geometry.height, geometry.width)
        out = {name: geometry.apply(name, pack.read(i, name, *window)) for name in ("image", *self.tasks)}
        first = sum(len(p) for p in self.packs[:which])
        for name, array in self.attached.items():
            map_ = array[first + i]
            rows = np.moveaxis(map_, 0, -1) if map_.ndim == 3 else map_
            cut = rows[geometry.top : geometry.top + geometry.height, geometry.left : geometry.left + geometry.width]
            out[f"attached {name}"] = geometry.apply("attached", cut)
        if self._photometric:
            out["photometry"] = draw_photometry(random, self.augment)
        return {**to_tensors(out), "id": torch.tensor(first + i)}

    def _place(self, position: int) -> tuple[int, int]:
        for which, pack in enumerate(self.packs):
            if position < len(pack):
                return which, position
            position -= len(pack)
        raise IndexError(f"position beyond the {self.num_images} images")

    def _batch(self, raw: Mapping[str, Tensor]) -> Labelled | Unlabelled:
        there = {name: value.to(self.device, non_blocking=True) for name, value in raw.items()}
        clean = there["image"].permute(0, 3, 1, 2).float().div_(255)  # channels last in memory, as networks like it
        image = photometry(clean, there["photometry"]) if self._photometric else clean
        if self.tasks:
            return Labelled(image, clean, there["id"], {name: _label(name, there[name]) for name in self.tasks})
        attached = {name: _channels_first(there[f"attached {name}"]) for name in self.attached}
        return Unlabelled(image, clean, there["id"], attached)


def _label(name: str, value: Tensor) -> Tensor:
    """As bench.problem.Labelled declares it."""
    if name == "semseg":
        return value.long()
    return value.float().unsqueeze(1) if name == "depth" else value.float().permute(0, 3, 1, 2).contiguous()


def _channels_first(value: Tensor) -> Tensor:
    return value.permute(0, 3, 1, 2) if value.ndim == 4 else value


def attachments(folders: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """{"need.name": array N .. H W} of what in-order stages wrote; ValueError if a need wrote nothing."""
    found: dict[str, NDArray[Any]] = {}
    for need, folder in folders.items():
        files = sorted(folder.glob("*.npy"))
        if not files:
            raise ValueError(f"{need} is attached but has written no file in {folder}")
        found |= {f"{need}.{file.stem}": np.load(file, mmap_mode="r") for file in files}
    return found
