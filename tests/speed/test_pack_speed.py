"""Reading a 512x512 crop of a 2048x1024 image: from a pack against from its PNG, on one core, in one run."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from bench.data.pack import Item, Pack
from bench.data.packing import build

pytestmark = pytest.mark.speed
NATIVE, SIZE, CROP, IMAGES, TIMES = (2048, 1024), (1024, 512), 512, 3, 25


def street(seed: int) -> np.ndarray:
    """Smooth surfaces with a little noise: a PNG of it is as large as one of a photograph, 2 MB."""
    r = np.random.default_rng(seed)
    coarse = Image.fromarray(r.integers(0, 256, (16, 32, 3), np.uint8)).resize(NATIVE, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(coarse) + r.normal(0, 1.5, (NATIVE[1], NATIVE[0], 1)), 0, 255).astype(np.uint8)


def decoded(path: Path) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def resized(path: Path, size: tuple[int, int]) -> np.ndarray:
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB").resize(size, Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("png")
    paths = [folder / f"{i}.png" for i in range(IMAGES)]
    for i, path in enumerate(paths):
        Image.fromarray(street(i)).save(path)
    return paths


@pytest.fixture(scope="module", params=[SIZE, NATIVE], ids=["packed at 1024x512", "packed at 2048x1024"])
def pack(request, files, tmp_path_factory) -> Pack:
    dataset = SimpleNamespace(TASKS=(), read=lambda item, what, size: {"image": decoded(item.files["image"])})
    items = [Item(path.stem, {"image": path}) for path in files]
    return build(tmp_path_factory.mktemp("packs") / "pack", dataset, items, ("image",), request.param)


def windows(pack: Pack) -> list[tuple[int, int, int]]:
    """(image, top, left) of the crops that both ways read."""
    r = np.random.default_rng(0)
    width, height = pack.size
    return [(i % IMAGES, int(r.integers(height - CROP + 1)), int(r.integers(width - CROP + 1))) for i in range(6)]


def from_pack(pack: Pack) -> list[np.ndarray]:
    return [np.array(pack.read(i, "image", top, left, CROP, CROP)) for i, top, left in windows(pack)]


def from_files(files: list[Path], pack: Pack) -> list[np.ndarray]:
    places = windows(pack)
    return [resized(files[i], pack.size)[top : top + CROP, left : left + CROP].copy() for i, top, left in places]


def seconds(function, *words) -> float:
    """The least of a few runs: what the work takes when nobody disturbs it."""
    times = []
    for _ in range(5):
        began = time.process_time()
        function(*words)
        times.append(time.process_time() - began)
    return min(times)


@pytest.mark.benchmark(group="six crops of 512x512")
def test_crops_from_a_pack(benchmark, pack, files):
    found = benchmark.pedantic(from_pack, (pack,), rounds=30, warmup_rounds=3)
    for ours, theirs in zip(found, from_files(files, pack), strict=True):
        assert np.array_equal(ours, theirs)  # to the bit
    ratio = seconds(from_files, files, pack) / seconds(lambda: [from_pack(pack) for _ in range(10)]) * 10
    benchmark.extra_info["times_faster_than_png"] = round(ratio, 1)
    print(f"{pack.size[0]}x{pack.size[1]}: {ratio:.0f} times faster than decoding the PNG")
    assert ratio >= TIMES


@pytest.mark.benchmark(group="six crops of 512x512")
def test_crops_from_png(benchmark, pack, files):
    found = benchmark.pedantic(from_files, (files, pack), rounds=3)
    assert [crop.shape for crop in found] == [(CROP, CROP, 3)] * 6
