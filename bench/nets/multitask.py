"""The multi-task network: one encoder, a decoder a task; the small one, and the one with up-projections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from bench.nets import backbone
from bench.nets.heads import LightDecoder, up_projection_decoder
from bench.nets.weights import weight_hash
from bench.problem import Problem
from bench.tasks import task


class MultiTask(nn.Module):
    """forward: image B 3 H W in [0, 1] -> {task: raw output B channels h w}; H and W are multiples of 32.

    A raw output has its decoder's own size; the tasks' losses and decoding upsample it.
    """

    def __init__(self, encoder: backbone.Encoder, decoders: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoders = nn.ModuleDict(decoders)

    def decode(self, features: Tensor) -> dict[str, Tensor]:
        return {name: decoder(features) for name, decoder in self.decoders.items()}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return self.decode(self.encoder(image))


@dataclass(kw_only=True)
class Small:
    """0.8 M parameters at width 16: for the embedded world and for tests on a CPU."""

    width: int = 16
    auxiliary_width: int = 8
    lr: float = 2e-3  # the base learning rate of training it from scratch

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        encoder = backbone.small(self.width)
        return MultiTask(
            encoder, {name: LightDecoder(encoder.channels, self.width, task(name).channels(problem)) for name in tasks}
        )

    def weights_used(self) -> str:
        return "none"


@dataclass(kw_only=True)
class ResNet50:
    """ImageNet ResNet-50 with FCRN up-projection decoders (about 40 M parameters a task)."""

    auxiliary_width: int = 64
    weights: str = "resnet50-0676ba61.pth"  # torchvision's; or another file of it, or "none": from scratch, knowingly
    decoder_kernel: int = 5
    lr: float = 1e-4

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        encoder = backbone.resnet50(self.weights)
        widths = (1024, 512, 256, 128, 64)
        return MultiTask(
            encoder,
            {
                name: up_projection_decoder(2048, widths, task(name).channels(problem), self.decoder_kernel)
                for name in tasks
            },
        )

    def weights_used(self) -> str:
        return weight_hash(self.weights)
