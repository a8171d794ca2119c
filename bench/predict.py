"""python -m bench.predict KEY store=DIR: the last stage over the test images -> predictions; the throughput meter."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bench import predictions, throughput
from bench.data.pack import Pack
from bench.domains import Domains
from bench.log import Meter
from bench.plain import from_plain
from bench.problem import Problem
from bench.rng import reseed
from bench.split import Split
from bench.stage import Stage
from bench.store import Store, write_json
from bench.tasks import task

BATCH = 8
MULTIPLE = 32  # networks ask for sides divisible by it


def main(words: Sequence[str]) -> int:
    if not words or not any(w.startswith("store=") for w in words):
        print("usage: python -m bench.predict KEY store=DIR", file=sys.stderr)
        return 2
    options = dict(word.split("=", 1) for word in words[1:])
    store = Store(options["store"])
    try:
        folder = store.folder(store.find(words[0]))
        run = json.loads((folder / "run.json").read_text())
        domains = Domains(
            from_plain(Split, run["record"]["split"]), {n: Path(p) for n, p in run["data"].items()}, store.root
        )
        stage, method = on_device(store.load(folder.name), run["device"]), run["record"]["method"]
        write_predictions(stage, folder / "predictions", domains, f"predict {method}")
        speed = throughput.measure(stage, domains.test_images().size, torch.device(run["device"]))
        write_json(folder / "throughput.json", speed)
    except (ValueError, OSError) as error:
        print(f"bench.predict: {error}", file=sys.stderr)
        return 1
    return 0


def on_device(stage: Stage, device: str) -> Stage:
    """Ready to predict."""
    return stage.to(torch.device(device)).to(memory_format=torch.channels_last).eval()


def write_predictions(stage: Stage, out: Path, domains: Domains, title: str) -> None:
    """The stage's predictions of the test images. It sees no label: `decoded` asks for their sizes only."""
    device = next(iter(stage.state_dict().values())).device
    images = domains.test_images()
    sizes = domains.test_sizes()
    out.mkdir(exist_ok=True)
    scored = [name for name in domains.split.scored if name in stage.problem.tasks]
    with Meter(title, len(images)) as meter:
        for start in range(0, len(images), BATCH):
            chosen = range(start, min(start + BATCH, len(images)))
            maps = raw_outputs(stage, load(images, chosen, device))
            for row, i in enumerate(chosen):
                one = {name: maps[name][row : row + 1] for name in scored}
                predictions.write(out, images.stems[i], decoded(one, sizes[i], stage.problem))
            meter.at(chosen.stop)


def load(images: Pack, chosen: Sequence[int], device: torch.device) -> Tensor:
    """B 3 H W in [0, 1]."""
    width, height = images.size
    arrays = np.stack([images.read(i, "image", 0, 0, height, width) for i in chosen])
    return torch.from_numpy(arrays).to(device).permute(0, 3, 1, 2).float().div_(255)


@torch.inference_mode()
def raw_outputs(stage: Stage, image: Tensor) -> dict[str, Tensor]:
    """The stage's raw outputs for images of any size: padded to what networks ask for, and cut back."""
    reseed("predict")
    height, width = image.shape[-2:]
    right, bottom = -width % MULTIPLE, -height % MULTIPLE
    padded = F.pad(image, (0, right, 0, bottom), mode="replicate") if right or bottom else image
    outputs = stage.predict(padded)
    return {
        name: raw[
            ..., : round(raw.shape[-2] * height / padded.shape[-2]), : round(raw.shape[-1] * width / padded.shape[-1])
        ]
        for name, raw in outputs.items()
    }


def decoded(raw: Mapping[str, Tensor], label_size: tuple[int, int], problem: Problem) -> dict[str, Any]:
    """The class map at the label's size (width, height), after upsampling the logits; the others at the output's."""
    maps: dict[str, Any] = {}
    for name, output in raw.items():
        size = (label_size[1], label_size[0]) if name == "semseg" else (output.shape[-2], output.shape[-1])
        value = task(name).decode(output, size, problem)[0].cpu()
        maps[name] = (value.permute(1, 2, 0) if value.ndim == 3 else value).contiguous().numpy()
        if name != "semseg" and not math.isfinite(float(np.abs(maps[name]).max())):
            raise ValueError(f"the {name} prediction is not finite")
    return maps


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
