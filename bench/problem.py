"""The nouns a method meets: the problem, the labelled source batch, the unlabelled target batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

VOID = 255  # the label of pixels without a class, in every label map of the suite


class NetworkConfig(Protocol):
    """A network's typed settings; `build` makes the multi-task network (bench.nets.multitask.MultiTask)."""

    auxiliary_width: int  # first channels of a method's own small networks (transfer nets, critics)
    lr: float  # base learning rate; methods that name none use it, or a stated multiple

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> Any: ...

    def weights_used(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a method may know about the split it runs on. No path, no target label, no test image."""

    split: str
    tasks: tuple[str, ...]  # labelled on the source, in the split's order
    classes: tuple[str, ...]
    sources: tuple[str, ...] = ("source",)  # where labelled images are from; an oracle's: the targets
    targets: tuple[str, ...] = ("target",)
    height: int  # of a training image, pixels
    width: int
    depth_range: tuple[float, float]  # metres that a depth output spans
    budget: int  # steps that a share of 1.0 means
    batch: int  # images per domain and step, over all ranks
    seed: int
    network: NetworkConfig
    class_frequencies: tuple[float, ...] = ()  # share of each class among the labelled source pixels

    def rate(self, lr: float | None, share: float = 1.0) -> float:
        """The learning rate `lr`; None: so much of the network's."""
        return share * self.network.lr if lr is None else lr

    @property
    def sky(self) -> int | None:
        """The id of the sky, where depth and normals do not exist; None if the classes have none."""
        return self.classes.index("sky") if "sky" in self.classes else None


@dataclass(frozen=True)
class Unlabelled:
    """A batch of target images. There is no attribute here that could hold a label."""

    image: Tensor  # B 3 H W, RGB in [0, 1], augmented
    clean: Tensor  # B 3 H W, the same geometry before any photometric augmentation
    ids: Tensor  # B, int64: the position of each image in the joint index of the targets
    domain: Tensor  # B, int64: the position of its target in Problem.targets
    attached: Mapping[str, Tensor]  # B .. H W: what in-order stages wrote for these images, augmented alike


@dataclass(frozen=True)
class Labelled:
    """A batch of images with labels: semseg B H W int64 (void 255), depth B 1 H W metres (invalid 0),
    normals B 3 H W unit vectors in the camera frame (invalid 0)."""

    image: Tensor  # B 3 H W, RGB in [0, 1], augmented
    clean: Tensor  # B 3 H W, the same geometry before any photometric augmentation
    ids: Tensor  # B, int64: the position of each image in the joint index of the domains that the stage reads
    domain: Tensor  # B, int64: the position of its domain in Problem.sources; of a lent image's, in Problem.targets
    labels: Mapping[str, Tensor]
