"""What is known of a data set's files before one of them is opened: what the verifier compares them with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A module of a data set has one as `FACTS`.

    counts: images of each part in an official full set; None where nobody counted.
    firm: the counts were read in a devkit or measured; if not, a difference is a warning and never an error.
    recalled: parts whose count is from a paper or a site only, as if it were not firm.
    spare: parts that a copy may be without, for they are downloads or lists of their own; it is not ready for splits
        that use them.
    sizes: width and height of the images in pixels; empty where they vary by nature.
    forms: what the files of each field are, in the words of datasets/pictures.py ("8-bit palette", "16-bit grey"), or
        "JPEG", "JSON", or type and key of an array ("float16 dataset").
    median_depth: metres between which an image's median valid depth lies; another shows a wrong unit.
    never: classes of the data set's label space that do not occur in it.
    groups: images whose path holds these words ("val/lindau"), in a part that is whole.
    no_void: what it means if no pixel that was looked at is void; empty where that is nothing unusual.
    depth_unit: metres that a stored 1 stands for, to name another unit; 0 where it is no length (disparity).
    shares: of each class among the labelled pixels, as somebody measured them.
    samples: sha256 of a few files, by the end of their paths.
    manifests: hash (bench/manifest.py) of each part of a copy that is known to be good.
    """

    counts: Mapping[str, int | None]
    firm: bool = True
    recalled: tuple[str, ...] = ()
    spare: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    forms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    median_depth: tuple[float, float] | None = None
    never: tuple[str, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    no_void: str = ""
    depth_unit: float = 0.0
    shares: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, str] = field(default_factory=dict)
    manifests: Mapping[str, str] = field(default_factory=dict)
