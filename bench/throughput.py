"""The throughput meter: images/s and latency of `predict`, always beside a fixed reference network, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from bench.nets.backbone import small
from bench.stage import Stage

SECONDS = 1.0  # that one measurement lasts, warm-up not counted
FEWEST = 5  # repetitions, however slow
LARGEST = 64  # images in a batch


def measure(stage: Stage, size: tuple[int, int], device: torch.device, seconds: float = SECONDS) -> dict[str, Any]:
    """Of `predict` at size (width, height): batch 1 and the largest that fits, with the ratio to the reference.

    images_per_second, latency percentiles in ms, peak memory in MiB, parameters, GFLOPs of one image.
    """
    width, height = size
    width, height = width + -width % 32, height + -height % 32
    reference = small(16).to(device).to(memory_format=torch.channels_last).eval()
    one = timed(stage.predict, _images(1, height, width, device), seconds)
    base = timed(reference, _images(1, height, width, device), seconds)
    largest, batch = LARGEST if device.type == "cuda" else 8, {}
    while largest > 1:
        try:
            batch = timed(stage.predict, _images(largest, height, width, device), seconds)
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


def timed(predict: Callable[[Tensor], Any], images: Tensor, seconds: float) -> dict[str, float]:
    """Repeat for so many seconds after a warm-up, the device synchronised around each repetition."""
    device = images.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    laps: list[float] = []
    with torch.inference_mode():
        for _ in range(3):
            predict(images)
        _synchronise(device)
        while sum(laps) < seconds or len(laps) < FEWEST:
            began = time.perf_counter()
            predict(images)
            _synchronise(device)
            laps.append(time.perf_counter() - began)
    p50, p90, p99 = (float(x) for x in np.percentile(laps, [50, 90, 99]) * 1e3)
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else _resident()
    return {
        "images_per_second": len(images) * 1e3 / p50,
        "ms_p50": p50,
        "ms_p90": p90,
        "ms_p99": p99,
        "peak_mib": peak,
    }


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
