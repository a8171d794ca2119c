"""Images a second of the embedded world on one core, at 256x128.

Required: at least 30 images a second a core at 128x256 (height x width) for a full read, in every domain.
"""

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
