"""The pictures a run keeps (panels/*.npz): image, prediction and truth of a task as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from plotly.colors import sample_colorscale, sequential

Kept = Mapping[str, NDArray[Any]]
RGB = NDArray[np.uint8]
SIDES = ("prediction", "truth")
TASKS = ("semseg", "depth", "normals")
LARGEST = 4096  # pixels of a side: what is larger was not written by the referee


@lru_cache(64)
def read(file: Path, written: int) -> dict[str, NDArray[Any]]:
    """What one file holds. ValueError, in one line, for what is no panel; `written` is the file's time."""
    try:
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as content:
            kept = {name: content[name] for name in content.files}
    except Exception as error:  # torn archives raise whatever their part raises
        raise ValueError(f"{file.name} cannot be read: {type(error).__name__}") from None
    image = kept.get("image", np.zeros(0))
    if image.ndim != 3 or max(image.shape) > LARGEST or not {"stem", "classes"} <= kept.keys():
        raise ValueError(f"{file.name} is no panel: expected an image H W 3 with its maps")
    return kept


def tasks(kept: Kept) -> list[str]:
    return [task for task in TASKS if all(f"{task}.{side}" in kept for side in SIDES)]


def png(kept: Kept, what: str, span: tuple[float, float]) -> bytes:
    """`what`: "image", or "task.side". span: metres that the colours of depth go over. KeyError: not kept."""
    values = kept[what]
    task = what.partition(".")[0]
    if task == "semseg":
        painted = palette(kept)[values]
    elif task == "depth":
        painted = depth_colours(values, span)
    elif task == "normals":
        there = (values != 0).any(-1, keepdims=True)
        painted = np.where(there, np.rint((values * (1, -1, -1) + 1) * 127.5), 0).astype(np.uint8)
    else:
        painted = values.astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(painted).save(out, "PNG", optimize=False)
    return out.getvalue()


def palette(kept: Kept) -> RGB:
    """256 colours: the space's own, or as many as there are classes; black where there is no class."""
    table = np.zeros((256, 3), np.uint8)
    count = len(kept["classes"])
    own = kept.get("palette", np.zeros(0))
    if own.size:
        table[: len(own)] = own
    else:
        hues = [ImageColor.getrgb(f"hsv({round(222.5 * i) % 360},{60 + 30 * (i % 2)}%,{90 - 25 * (i % 3 == 2)}%)")
                for i in range(count)]  # fmt: skip
        table[:count] = hues
    return table


def depth_colours(values: NDArray[Any], span: tuple[float, float]) -> RGB:
    """Near is bright; black where nothing was measured."""
    near, far = span
    lit = 1 - np.log(np.clip(values, near, far) / near) / np.log(far / near)
    painted: RGB = np.where(values[..., None] > 0, viridis()[np.rint(255 * lit).astype(np.uint8)], 0).astype(np.uint8)
    return painted


@lru_cache(1)
def viridis() -> RGB:
    colours = sample_colorscale(sequential.Viridis, list(np.linspace(0, 1, 256)), colortype="tuple")
    table: RGB = np.rint(np.array(colours) * 255).astype(np.uint8)
    return table


def depth_span(rows: list[Kept]) -> tuple[float, float]:
    """Metres that span nearly all of the truth shown."""
    truth = np.concatenate([row["depth.truth"].ravel() for row in rows if "depth.truth" in row] or [np.zeros(0)])
    truth = truth[np.isfinite(truth) & (truth > 1e-3)]
    if not truth.size:
        return 1.0, 80.0
    near, far = np.percentile(truth, (1, 99))
    return float(near), float(max(far, 1.5 * near))
