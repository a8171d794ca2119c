"""The picture of a run: for a few test images a row with the image and, for each task, prediction and truth.

Draws what bench.score kept in RUN/panels/*.npz; opens no data set.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.problem import VOID

WIDTH = 300  # of a cell, pixels
GAP, LINE = 6, 24
INK, PAPER, NOTHING = (20, 20, 20), (255, 255, 255), (0, 0, 0)
TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # metres
# viridis as a polynomial of the sixth degree, lowest power first (M. Zucker, fitted to matplotlib's table)
VIRIDIS = np.array([
    (0.277727, 0.005407, 0.334100), (0.105093, 1.404614, 1.384590), (-0.330862, 0.214848, 0.095095),
    (-4.634230, -5.799101, -19.332441), (6.228270, 14.179933, 56.690553), (4.776385, -13.745145, -65.353033),
    (-5.435456, 4.645853, 26.312435),
])  # fmt: skip

Kept = Mapping[str, NDArray[Any]]  # what one .npz holds
RGB = NDArray[np.uint8]


def draw(files: Sequence[Path]) -> Image.Image:
    """The whole panel."""
    rows = [dict(np.load(file)) for file in files]
    tasks = [name.removesuffix(".truth") for name in rows[0] if name.endswith(".truth")]
    near, far = depth_span(rows) if "depth" in tasks else (1.0, 80.0)
    titles = ["image", *(f"{task}: {side}" for task in tasks for side in ("prediction", "truth"))]
    cells = [
        [row["image"], *(paint(row, task, side, near, far) for task in tasks for side in ("prediction", "truth"))]
        for row in rows
    ]
    height = round(WIDTH * cells[0][0].shape[0] / cells[0][0].shape[1])
    across, down = WIDTH + GAP, height + LINE
    legend = legends(tasks, rows[0], near, far, len(titles) * across - GAP)
    canvas = Image.new("RGB", (len(titles) * across + GAP, LINE + len(rows) * down + GAP + legend.height), PAPER)
    pen = ImageDraw.Draw(canvas)
    for column, title in enumerate(titles):
        pen.text((GAP + column * across, 4), title, INK, font(16))
    for line, (row, kept) in enumerate(zip(cells, rows, strict=True)):
        top = LINE + line * down
        pen.text((GAP, top + 7), str(kept["stem"]), (110, 110, 110), font(12))
        for column, cell in enumerate(row):
            canvas.paste(enlarged(cell, (WIDTH, height), column == 0), (GAP + column * across, top + LINE))
    canvas.paste(legend, (GAP, LINE + len(rows) * down + GAP))
    return canvas


def paint(kept: Kept, task: str, side: str, near: float, far: float) -> RGB:
    """A map as colours; black where there is nothing."""
    values = kept[f"{task}.{side}"]
    if task == "semseg":
        table = np.zeros((256, 3), np.uint8)
        table[: len(kept["classes"])] = palette(kept)
        table[VOID] = NOTHING
        colours: RGB = table[values]
    elif task == "depth":
        lit = np.log(np.clip(values, near, far) / near) / np.log(far / near)
        colours = np.where(values[..., None] > 0, viridis(1 - lit), np.uint8(0))
    else:
        colours = normal_colours(values)
    return colours


def depth_span(rows: Sequence[Kept]) -> tuple[float, float]:
    """Metres that the colours span: nearly all of the truth shown."""
    low, high = rows[0]["depth_range"]
    truth = np.concatenate([row["depth.truth"].ravel() for row in rows])
    truth = truth[(truth > low) & (truth < high)]
    if not truth.size:
        return 1.0, 80.0
    near, far = np.percentile(truth, (1, 99))
    return float(near), float(max(far, 1.5 * near))


def viridis(x: NDArray[Any]) -> RGB:
    """Colours ... 3 for numbers in [0, 1]: dark to bright."""
    colour = np.zeros((*x.shape, 3))
    for coefficient in VIRIDIS[::-1]:
        colour = colour * x[..., None] + coefficient
    eight_bits: RGB = np.rint(np.clip(colour, 0, 1) * 255).astype(np.uint8)
    return eight_bits


def normal_colours(vectors: NDArray[Any]) -> RGB:
    """Right is red, up is green, towards the camera is blue; a missing normal is black."""
    colour = (vectors * (1, -1, -1) + 1) / 2
    there = (vectors != 0).any(-1, keepdims=True)
    painted: RGB = np.where(there, np.rint(colour * 255), 0).astype(np.uint8)
    return painted


def palette(kept: Kept) -> RGB:
    """The space's own colours, or as many as there are classes, well apart."""
    colours: RGB = kept["palette"]
    if not colours.size:
        ids = range(len(kept["classes"]))
        hues = [colorsys.hsv_to_rgb(0.618034 * i % 1, 0.55 + 0.4 * (i % 2), 0.95 - 0.3 * (i % 3 == 2)) for i in ids]
        colours = np.rint(np.array(hues) * 255).astype(np.uint8)
    return colours


def enlarged(cell: RGB, size: tuple[int, int], smooth: bool) -> Image.Image:
    return Image.fromarray(cell).resize(size, Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST)


def legends(tasks: Sequence[str], kept: Kept, near: float, far: float, width: int) -> Image.Image:
    """Class names with their colours, the depth bar in metres, the ball of normals."""
    canvas = Image.new("RGB", (width, 40 * LINE), PAPER)
    pen = ImageDraw.Draw(canvas)
    x, y = 0, 4
    entries = list(zip(map(str, kept["classes"]), map(tuple, palette(kept).tolist()), strict=True))
    for name, colour in [*(entries if "semseg" in tasks else ()), ("no truth", NOTHING)]:
        step = 20 + round(pen.textlength(name, font(14))) + 16
        if x + step > width:
            x, y = 0, y + LINE
        pen.rectangle((x, y + 1, x + 14, y + 15), fill=colour, outline=INK)
        pen.text((x + 20, y), name, INK, font(14))
        x += step
    x, y = 0, y + LINE + 4
    if "depth" in tasks:
        bar = viridis(1 - np.linspace(0, 1, WIDTH))[None].repeat(16, 0)
        canvas.paste(Image.fromarray(bar), (x, y))
        for metres in (t for t in TICKS if near <= t <= far):
            at = x + round((WIDTH - 1) * np.log(metres / near) / np.log(far / near))
            pen.line((at, y + 12, at, y + 20), INK)
            pen.text((at, y + 20), f"{metres:g}", INK, font(12), anchor="ma")
        pen.text((x + WIDTH + 14, y), "depth in m", INK, font(14))
        x += WIDTH + 130
    if "normals" in tasks:
        side = np.linspace(-1, 1, 40)
        right, down = np.meshgrid(side, side)
        towards = np.sqrt(np.maximum(1 - right**2 - down**2, 0))
        ball = normal_colours(np.stack((right, down, -towards), -1))
        ball[right**2 + down**2 > 1] = PAPER
        canvas.paste(Image.fromarray(ball), (x, y))
        pen.text((x + 50, y), "normals: the colours of a ball", INK, font(14))
        pen.text((x + 50, y + 18), "seen by the camera", INK, font(14))
    return canvas.crop((0, 0, width, y + (44 if {"depth", "normals"} & set(tasks) else 0)))


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
