"""What a run keeps of each test image (stats.npz), and the headline metrics that follow from any weighting of images.

The same formulas as bench/tasks, in numpy alone; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leaderboard.classes import FULL, ClassSet, mean_iou

Weights = NDArray[np.float64]  # B N: how often each of N images counts, B times over
PER_DEGREE = 20  # bins of a normals histogram


@dataclass(frozen=True)
class Statistics:
    """Arrays N x .. by "task.name", in the order of `stems`."""

    stems: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays


def read(file: Path, without: tuple[str, ...] = ()) -> Statistics:
    """Raises ValueError, in one line, for a file that is torn or holds anything but arrays."""
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as content:
            stems = tuple(map(str, content["stems"]))
            names = [name for name in content.files if name != "stems" and name not in without]
            arrays = {name: content[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    except Exception as error:  # zipfile and zlib have errors of their own
        raise ValueError(f"{file} cannot be read: {type(error).__name__}") from None
    for name, values in arrays.items():
        if len(values) != len(stems):
            raise ValueError(f"{file} has {len(values)} rows of {name}, expected one for each of {len(stems)} images")
    return Statistics(stems, arrays)


def headlines(found: Statistics, weights: Weights, classes: ClassSet | None = None) -> dict[str, NDArray[np.float64]]:
    """Each metric under each weighting: B. What the statistics do not have is left out."""
    result: dict[str, NDArray[np.float64]] = {}
    if "semseg.confusion" in found:
        each = found["semseg.confusion"].astype(np.float64)
        size = each.shape[1]
        drawn = (weights @ each.reshape(len(each), -1)).reshape(-1, size, size)
        result["miou"] = mean_iou(drawn, classes or whole(size))
    if "depth.count" in found:
        count = weights @ found["depth.count"]
        result["abs_rel"] = share(weights @ found["depth.relative"], count)
        result["rmse"] = np.sqrt(share(weights @ found["depth.squared"], count))
    if "normals.count" in found:
        result["angle_mean"] = share(weights @ found["normals.sum"], weights @ found["normals.count"])
    return result


def whole(size: int) -> ClassSet:
    return ClassSet(FULL, tuple(map(str, range(size))), tuple((place,) for place in range(size)))


def share(total: NDArray[Any], count: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def each_image(found: Statistics) -> dict[str, NDArray[np.float64]]:
    """The headline metrics of every image alone: N."""
    return headlines(found, np.eye(len(found.stems)))


def below(found: Statistics) -> NDArray[np.float64] | None:
    """The share of pixels, in percent, with an angle below 0.05, 0.10 ... 180 degrees; None without normals."""
    if "normals.histogram" not in found:
        return None
    counts = np.cumsum(found["normals.histogram"].sum(0, dtype=np.int64))
    return 100 * counts / counts[-1] if counts[-1] else None


def by_range(found: Statistics) -> dict[str, NDArray[np.float64]] | None:
    """Depth's headline errors over the pixels in each of DEPTH_RANGES; None for statistics of an older suite."""
    if "depth.range_count" not in found:
        return None
    count, relative, squared = (found[f"depth.range_{name}"].sum(0) for name in ("count", "relative", "squared"))
    return {"abs_rel": share(relative, count), "rmse": np.sqrt(share(squared, count))}
