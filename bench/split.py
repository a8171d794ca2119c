"""A split: which images are learnt from, adapted to and scored on, and by which rules."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Domain:
    """A part of a data set, brought to one size."""

    dataset: str  # the name of a file in datasets/
    part: str  # a word of that file: "train", "val", "camera-train" ...
    size: tuple[int, int]  # width, height in pixels, to which the images are brought
    limit: int | None = None  # only the first so many images, for a quick look; the record says so

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.part}"


@dataclass(kw_only=True)
class Augmentation:
    """What every method's training images go through. One declaration per split, so that it is the same for all."""

    flip: bool = True
    zoom: tuple[float, float] = (1.0, 1.0)  # enlarged by a factor drawn from this range; depth is divided by it
    jitter: float = 0.0  # strength of brightness, contrast and saturation changes
    blur: float = 0.0  # largest sigma of a Gaussian blur, pixels


@dataclass(frozen=True, kw_only=True)
class Box:
    """A window of an image: rows from top, columns from left, up to but without bottom and right; pixels."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Rules of scoring."""

    about: str
    tasks: tuple[str, ...]  # that it scores
    size: tuple[int, int] | None = None  # width, height to which truth is brought by nearest; None: the label's own
    box: Box | None = None  # of the truth: depth and normals outside are not scored
    capped: bool = True  # depth: truth outside the split's depth_range is not scored, predictions are clamped to it
    metrics: tuple[str, ...] = ()  # the ones that it reports; empty: all of its tasks'


@dataclass(kw_only=True)
class Split:
    """A court case: sources with labels, targets without, test with labels that only bench.score opens.

    Several sources, or targets, share every batch in equal parts. On the command line: split.target.0.limit=100.
    """

    name: str
    about: str  # one line for --help
    source: list[Domain]
    target: list[Domain]
    test: Domain  # one: another test set is another split
    tasks: tuple[str, ...]  # labelled on the source
    scored: tuple[str, ...]  # scored on the test set: a subset of tasks
    normals: str = ""  # if they are a task: "given" by every labelled data set, or by none and "from depth"
    classes: str  # the name of a label space in datasets/spaces.py
    also: tuple[str, ...] = ()  # smaller label spaces, reported from the same confusion matrix
    crop: tuple[int, int]  # width, height of a training image; a multiple of 32
    depth_range: tuple[float, float] = (1e-3, 80.0)  # metres that are scored, where the protocol is capped
    depth_output: tuple[float, float] = (1.0, 80.0)  # metres that a network's depth output spans
    budget: int  # training steps that a share of 1.0 means
    batch: int  # images per domain and step
    augment: Augmentation = field(default_factory=Augmentation)
    protocol: str  # the id of the scoring rules (datasets/protocols.py)
    selection: str = "last"  # which checkpoint is scored

    @property
    def domains(self) -> list[Domain]:
        return [*self.source, *self.target, self.test]
