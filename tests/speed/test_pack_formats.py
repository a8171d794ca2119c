"""The form of a pack, by measurement: bytes on the disk, time to write an image, time of a random crop; the same bits.

It prints the table of docs/results/packs.md: `pytest -m speed tests/speed/test_pack_formats.py -s`.
"""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.geometry import Camera, normals_from_depth
from datasets.trees.scenes import scene

pytestmark = pytest.mark.speed
SIZE, FOCAL, CROP, IMAGES, TILE, ROUNDS = (1280, 760), 532.740352, 512, 3, 128, 5
WORLDS = ("camera", "night", "render")  # a camera's noise, more of it, none
DEPTH_END = 655.35  # metres: the sky of a file of centimetres in 16 bits
Maps = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def images() -> list[Maps]:
    """As the main outdoor split packs them: uint8 colours and ids, float32 depth, float16 normals."""
    packed = []
    for world in WORLDS[:IMAGES]:
        shown = scene(f"packs {world}", world, SIZE, FOCAL)
        depth = np.minimum(shown.depth, DEPTH_END).round(2).astype(np.float32)
        camera = Camera(FOCAL, FOCAL, (SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2)
        normals = normals_from_depth(np.where(depth < 300, depth, 0), camera).astype(np.float16)
        packed.append({"image": shown.image, "semseg": shown.classes, "depth": depth, "normals": normals})
    return packed


@dataclass
class Form:
    """A way to keep an array in files: write it, then open it for crops."""

    write: Callable[[Path, np.ndarray], None]
    open: Callable[[Path, tuple[int, ...], np.dtype], Callable[[int, int], np.ndarray]]


def raw_write(path: Path, array: np.ndarray) -> None:
    path.write_bytes(array.tobytes())


def raw_open(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Callable[[int, int], np.ndarray]:
    mapped = np.memmap(path, dtype, "r", shape=shape)
    return lambda top, left: np.array(mapped[top : top + CROP, left : left + CROP])


def corners(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return ((top, left) for top in range(0, shape[0], TILE) for left in range(0, shape[1], TILE))


def tiles_write(path: Path, array: np.ndarray) -> None:
    """Tiles of zlib level 1, bytes of equal significance together, and a table of where they begin."""
    parts = []
    for top, left in corners(array.shape):
        tile = np.ascontiguousarray(array[top : top + TILE, left : left + TILE])
        shuffled = tile.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize).T
        parts.append(zlib.compress(shuffled.tobytes(), 1))
    starts = np.cumsum([0, *map(len, parts)]).astype(np.int64)
    path.write_bytes(len(starts).to_bytes(8, "little") + starts.tobytes() + b"".join(parts))


def tiles_open(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Callable[[int, int], np.ndarray]:
    data = np.memmap(path, np.uint8, "r")
    count = int.from_bytes(data[:8].tobytes(), "little")
    starts, begin = np.frombuffer(data[8 : 8 + 8 * count], np.int64), 8 + 8 * count
    places = {corner: i for i, corner in enumerate(corners(shape))}

    def crop(top: int, left: int) -> np.ndarray:
        out = np.empty((CROP, CROP, *shape[2:]), dtype)
        for row in range(top // TILE * TILE, top + CROP, TILE):
            for column in range(left // TILE * TILE, left + CROP, TILE):
                i = places[row, column]
                plain = zlib.decompress(data[begin + starts[i] : begin + starts[i + 1]])
                extent = (min(TILE, shape[0] - row), min(TILE, shape[1] - column), *shape[2:])
                tile = np.frombuffer(plain, np.uint8).reshape(dtype.itemsize, -1).T.copy().view(dtype).reshape(extent)
                first, last = max(row, top), min(row + extent[0], top + CROP)
                start, stop = max(column, left), min(column + extent[1], left + CROP)
                part = tile[first - row : last - row, start - column : stop - column]
                out[first - top : last - top, start - left : stop - left] = part
        return out

    return crop


def png_write(path: Path, array: np.ndarray) -> None:
    """Whole pictures, to be decoded for every crop; what is no picture is kept as its bytes, two or more in a row."""
    flat = array if array.dtype == np.uint8 else array.view(np.uint8).reshape(array.shape[0], -1)
    Image.fromarray(flat).save(path, "PNG")


def png_open(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Callable[[int, int], np.ndarray]:
    data = path.read_bytes()

    def crop(top: int, left: int) -> np.ndarray:
        whole = np.asarray(Image.open(io.BytesIO(data)))
        array = whole if dtype == np.uint8 else np.ascontiguousarray(whole).view(dtype).reshape(shape)
        return np.array(array[top : top + CROP, left : left + CROP])

    return crop


def blosc(codec: str, level: int, bits: bool) -> Form:
    blosc2: Any = pytest.importorskip("blosc2", reason="blosc2 is no dependency: it is measured where it is installed")

    def write(path: Path, array: np.ndarray) -> None:
        filters = [blosc2.Filter.BITSHUFFLE if bits else blosc2.Filter.SHUFFLE]
        tile = (TILE, TILE, *array.shape[2:])
        cparams = {"codec": getattr(blosc2.Codec, codec), "clevel": level, "filters": filters, "nthreads": 1}
        blosc2.asarray(array, urlpath=str(path), mode="w", chunks=tile, blocks=tile, cparams=cparams)

    def opened(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> Callable[[int, int], np.ndarray]:
        array = blosc2.open(str(path), mode="r", mmap_mode="r", dparams={"nthreads": 1})
        return lambda top, left: array[top : top + CROP, left : left + CROP]

    return Form(write, opened)


FORMS: dict[str, Callable[[], Form]] = {
    "raw memory map": lambda: Form(raw_write, raw_open),
    "blosc2 lz4": lambda: blosc("LZ4", 5, False),
    "blosc2 lz4 bits": lambda: blosc("LZ4", 5, True),
    "blosc2 zstd-1": lambda: blosc("ZSTD", 1, False),
    "blosc2 zstd-5": lambda: blosc("ZSTD", 5, False),
    "zlib-1 tiles": lambda: Form(tiles_write, tiles_open),
    "PNG, whole": lambda: Form(png_write, png_open),
}


def windows() -> list[tuple[int, int, int]]:
    r = np.random.default_rng(0)
    top, left = SIZE[1] - CROP + 1, SIZE[0] - CROP + 1
    return [(i % IMAGES, int(r.integers(top)), int(r.integers(left))) for i in range(2 * IMAGES)]


@pytest.mark.benchmark(group="a crop of 512x512, four fields")
@pytest.mark.parametrize("name", FORMS)
def test_crops_by_form(benchmark: Any, name: str, images: list[Maps], tmp_path: Path) -> None:
    form = FORMS[name]()
    began = time.process_time()
    for i, maps in enumerate(images):
        for field, array in maps.items():
            form.write(tmp_path / f"{i}.{field}", array)
    written = (time.process_time() - began) / len(images)
    crops = [
        {field: form.open(tmp_path / f"{i}.{field}", array.shape, array.dtype) for field, array in maps.items()}
        for i, maps in enumerate(images)
    ]
    for i, top, left in windows():
        for field, array in images[i].items():
            found = crops[i][field](top, left)
            assert found.dtype == array.dtype
            assert found.tobytes() == array[top : top + CROP, left : left + CROP].tobytes()
    times: dict[str, float] = {}
    for field in images[0]:
        rounds = []
        for _ in range(ROUNDS):
            began = time.process_time()
            for i, top, left in windows():
                crops[i][field](top, left)
            rounds.append((time.process_time() - began) / len(windows()))
        times[field] = 1000 * min(rounds)
    benchmark.pedantic(lambda: [crops[i][f](t, c) for i, t, c in windows() for f in images[0]], rounds=1)
    size = {field: sum((tmp_path / f"{i}.{field}").stat().st_size for i in range(len(images))) for field in images[0]}
    cells = " | ".join(f"{size[f] / len(images) / 1e6:.2f} MB, {times[f]:.2f} ms" for f in images[0])
    total = sum(size.values()) / len(images) / 1e6
    whole = f"{total:.1f} MB | {9.4 * total:.0f} GB | {written:.2f} s | {sum(times.values()):.1f} ms"
    print(f"\n| {name} | {cells} | {whole} |")
    benchmark.extra_info |= {"MB an image": round(total, 2), "ms a crop": round(sum(times.values()), 2)}
