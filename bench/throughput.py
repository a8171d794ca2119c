"""The throughput meter: images/s and latency of `predict`, always beside a fixed reference network, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.nets.backbone import small
from bench.stage import Stage

SECONDS = 1.0  # of the slowest of those that take turns, warm-up not counted
FEWEST = 5  # repetitions, however slow
LARGEST = 64  # images in a batch

Predict = Callable[[Tensor], Any]


def measure(stage: Stage, size: tuple[int, int], device: torch.device, seconds: float = SECONDS) -> dict[str, Any]:
    """Of `predict` at size (width, height): batch 1, in turn with the reference, and the largest batch that fits.

    images_per_second, latency percentiles in ms, peak memory in MiB, parameters, GFLOPs of one image; `ratio` of
    images per second to the reference's.
    """
    width, height = size
    width, height = width + -width % 32, height + -height % 32
    reference = small(16).to(device).to(memory_format=torch.channels_last).eval()
    one, base = timed([stage.predict, reference], _images(1, height, width, device), seconds)
    largest, batch = LARGEST if device.type == "cuda" else 8, {}
    while largest > 1:
        try:
            (batch,) = timed([stage.predict], _images(largest, height, width, device), seconds)
            break
        except torch.OutOfMemoryError:
            largest //= 2
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        stage.predict(_images(1, height, width, device))
    return {
        "size": [width, height],
        "batch1": one,
        "largest": {"batch": largest, **batch},
        "reference": base,
        "ratio": one["images_per_second"] / base["images_per_second"],
        "parameters": used_parameters(stage, _images(1, height, width, device)),
        "gflops": counter.get_total_flops() / 1e9,
        "threads": torch.get_num_threads(),
    }


def timed(predicts: Sequence[Predict], images: Tensor, seconds: float) -> list[dict[str, float]]:
    """Repeat them in turn until the slowest has had so many seconds: what else the machine does meets all alike."""
    device = images.device
    with torch.inference_mode():
        peaks = [warm_up(predict, images) for predict in predicts]
        laps: list[list[float]] = [[] for _ in predicts]
        while max(map(sum, laps)) < seconds or len(laps[0]) < FEWEST:
            for predict, mine in zip(predicts, laps, strict=True):
                _synchronise(device)
                began = time.perf_counter()
                predict(images)
                _synchronise(device)
                mine.append(time.perf_counter() - began)
    return [summed_up(mine, peak, len(images)) for mine, peak in zip(laps, peaks, strict=True)]


def warm_up(predict: Predict, images: Tensor) -> float:
    """The peak of memory that it takes, MiB."""
    device = images.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(3):
        predict(images)
    _synchronise(device)
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else _resident()


def summed_up(laps: Sequence[float], peak: float, images: int) -> dict[str, float]:
    p50, p90, p99 = (float(x) for x in np.percentile(laps, [50, 90, 99]) * 1e3)
    return {"images_per_second": images * 1e3 / p50, "ms_p50": p50, "ms_p90": p90, "ms_p99": p99, "peak_mib": peak}


def used_parameters(stage: Stage, images: Tensor) -> int:
    """Parameters of the modules that take part in `predict`: critics and teachers do not count."""
    used: dict[int, int] = {}

    def note(module: nn.Module, *_: object) -> None:
        used.update({id(p): p.numel() for p in module.parameters(recurse=False)})

    handles = [module.register_forward_hook(note) for module in stage.modules()]
    with torch.inference_mode():
        stage.predict(images)
    for handle in handles:
        handle.remove()
    return sum(used.values())


def _images(count: int, height: int, width: int, device: torch.device) -> Tensor:
    noise = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    return noise.to(device, memory_format=torch.channels_last)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _resident() -> float:
    """Peak resident memory of this process, MiB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
