"""Images a second of the embedded world on one core, at 256x128."""

from itertools import count

import pytest

from bench.data.pack import Item
from datasets import minicity


@pytest.mark.parametrize("domain", minicity.WORLDS)
@pytest.mark.parametrize(
    "what", [("image", "semseg", "depth", "normals"), ("semseg", "depth", "normals")], ids=["all", "labels"]
)
def test_read(benchmark, domain, what):
    numbers = count()
    benchmark.pedantic(
        lambda: minicity.read(Item(f"{domain}-train-{next(numbers):05d}"), what, (256, 128)), rounds=20, warmup_rounds=2
    )
    benchmark.extra_info["images per second"] = 1 / benchmark.stats.stats.median
