"""Mix transformers B0 to B5 (Xie et al., "SegFormer", NeurIPS 2021) under a context-aware head a task (CVPR 2022).

Overlapping patch embeddings, self-attention whose keys and values are reduced 8, 4, 2 and 1 times, a feed-forward with
a depth-wise 3x3 convolution. Written from the paper; the names are those of the authors' files, so that these fit.

`low` is the first level; `high` its last norm and the other levels, and puts all four side by side at stride 4: the
head's embeddings are linear and commute with bilinear upsampling, so this is the published head.
Differs: one rate for encoder and heads (published: ten times for heads), decay on norms and position convolutions too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.nets.backbone import Encoder, Normalise
from bench.nets.heads import ContextHead
from bench.nets.multitask import MultiTask
from bench.nets.norm import upsample
from bench.nets.weights import load_exactly, weight_hash
from bench.problem import Problem
from bench.tasks import task

HEADS, REDUCTIONS = (1, 2, 5, 8), (8, 4, 2, 1)  # of the attention in the four levels
EXPANSION = 4  # of the feed-forward
WIDE = (64, 128, 320, 512)

Size = tuple[int, int]  # height, width


def tokens(grid: Tensor) -> Tensor:  # B C H W -> B HW C
    return grid.flatten(2).transpose(1, 2)


def grid(tokens: Tensor, size: Size) -> Tensor:  # B HW C -> B C H W
    return tokens.transpose(1, 2).reshape(len(tokens), -1, *size)


class Attention(nn.Module):
    """Every token asks a grid that is `reduction` times coarser. Spelt out: the fused backward is not bit-stable."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        if reduction > 1:
            self.sr, self.norm = nn.Conv2d(width, width, reduction, reduction), nn.LayerNorm(width)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        asked = self.norm(tokens(self.sr(grid(x, size)))) if self.reduction > 1 else x
        batch, _, width = x.shape
        split = (batch, -1, 2, self.heads, width // self.heads)
        q = self.q(x).reshape(batch, -1, self.heads, width // self.heads).transpose(1, 2)  # B heads N d
        k, v = self.kv(asked).reshape(split).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
        mixed: Tensor = self.proj((weights @ v).transpose(1, 2).flatten(2))
        return mixed


class Depthwise(nn.Module):
    """Knows where a token is only by its neighbours: there is no position code."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, 1, 1, groups=width)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        return tokens(self.dwconv(grid(x, size)))


class MixFeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, EXPANSION * width), nn.Linear(EXPANSION * width, width)
        self.dwconv = Depthwise(EXPANSION * width)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.dwconv(self.fc1(x), size)))
        return out


class Block(nn.Module):
    """x + attention, x + feed-forward; in training each branch of each image is left out with chance `drop`."""

    def __init__(self, width: int, heads: int, reduction: int, drop: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads, reduction), MixFeedForward(width)
        self.drop = drop

    def forward(self, x: Tensor, size: Size) -> Tensor:
        x = x + self._some(self.attn(self.norm1(x), size))
        return x + self._some(self.mlp(self.norm2(x), size))

    def _some(self, branch: Tensor) -> Tensor:
        if not self.training or not self.drop:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop
        return branch * kept / (1 - self.drop)


class PatchEmbedding(nn.Module):
    """Overlapping patches: the first level's are 7x7 at stride 4, the others' 3x3 at stride 2."""

    def __init__(self, inputs: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj, self.norm = nn.Conv2d(inputs, width, kernel, stride, kernel // 2), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> tuple[Tensor, Size]:
        patches = self.proj(x)
        return self.norm(tokens(patches)), (patches.shape[-2], patches.shape[-1])


class MixTransformer(nn.Module):
    """The network that is published, with the classifier of its files; only its parts are used."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int], drop_path: float) -> None:
        super().__init__()
        drops = iter(torch.linspace(0, drop_path, sum(depths), device="cpu").tolist())
        for i, (inputs, width) in enumerate(zip((3, *widths), widths, strict=False)):
            embedding = PatchEmbedding(inputs, width, *((7, 4) if i == 0 else (3, 2)))
            blocks = nn.ModuleList(Block(width, HEADS[i], REDUCTIONS[i], next(drops)) for _ in range(depths[i]))
            self.add_module(f"patch_embed{i + 1}", embedding)
            self.add_module(f"block{i + 1}", blocks)
            self.add_module(f"norm{i + 1}", nn.LayerNorm(width, eps=1e-6))
        self.head = nn.Linear(widths[-1], 1000)
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d) and module.bias is not None:
        outputs = module.kernel_size[0] * module.kernel_size[1] * module.out_channels / module.groups
        nn.init.normal_(module.weight, std=(2 / outputs) ** 0.5)
        nn.init.zeros_(module.bias)


class Level(nn.Module):
    """Patches, then blocks: B C H W -> B width H/stride W/stride."""

    def __init__(self, net: MixTransformer, number: int) -> None:
        super().__init__()
        self.embed, self.blocks = net.get_submodule(f"patch_embed{number}"), net.get_submodule(f"block{number}")

    def forward(self, x: Tensor) -> Tensor:
        x, size = self.embed(x)
        assert isinstance(self.blocks, nn.ModuleList)
        for block in self.blocks:
            x = block(x, size)
        return grid(x, size)


class High(nn.Module):
    """The first level's norm, the other levels, and all four maps side by side at the first one's size."""

    def __init__(self, net: MixTransformer) -> None:
        super().__init__()
        self.norms = nn.ModuleList(net.get_submodule(f"norm{number}") for number in (1, 2, 3, 4))
        self.levels = nn.ModuleList(Level(net, number) for number in (2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        maps = [normed(self.norms[0], x)]
        for level, norm in zip(self.levels, self.norms[1:], strict=True):
            maps.append(normed(norm, level(maps[-1])))
        return torch.cat([maps[0], *(upsample(coarse, size) for coarse in maps[1:])], 1)


def normed(norm: nn.Module, x: Tensor) -> Tensor:
    return grid(norm(tokens(x)), (x.shape[-2], x.shape[-1]))


@dataclass(kw_only=True)
class MiTB0:
    """MiT-B0, 3.3 M parameters, under a context-aware head a task at stride 4."""

    widths: ClassVar[tuple[int, ...]] = (32, 64, 160, 256)
    depths: ClassVar[tuple[int, ...]] = (2, 2, 2, 2)

    auxiliary_width: int = 64
    weights: str = "mit_b0.pth"  # the authors'; or another file of it, or "none": from scratch, knowingly
    drop_path: float = 0.1  # chance that the last block's branches are left out; it rises from 0 at the first
    lr: float = 6e-5

    def build(self, problem: Problem, tasks: tuple[str, ...]) -> MultiTask:
        net = MixTransformer(self.widths, self.depths, self.drop_path)
        if self.weights != "none":
            load_exactly(net, self.weights)
        low = nn.Sequential(Normalise(), Level(net, 1))
        encoder = Encoder(low, High(net), self.widths[0], sum(self.widths), 4)
        return MultiTask(encoder, {name: ContextHead(self.widths, task(name).channels(problem)) for name in tasks})

    def weights_used(self) -> str:
        return weight_hash(self.weights)


@dataclass(kw_only=True)
class MiTB1(MiTB0):
    """MiT-B1, 13.2 M parameters, under a context-aware head a task at stride 4."""

    widths = WIDE

    weights: str = "mit_b1.pth"


@dataclass(kw_only=True)
class MiTB2(MiTB0):
    """MiT-B2, 24.2 M parameters, under a context-aware head a task at stride 4."""

    widths, depths = WIDE, (3, 4, 6, 3)

    weights: str = "mit_b2.pth"


@dataclass(kw_only=True)
class MiTB3(MiTB0):
    """MiT-B3, 44.1 M parameters, under a context-aware head a task at stride 4."""

    widths, depths = WIDE, (3, 4, 18, 3)

    weights: str = "mit_b3.pth"


@dataclass(kw_only=True)
class MiTB4(MiTB0):
    """MiT-B4, 60.8 M parameters, under a context-aware head a task at stride 4."""

    widths, depths = WIDE, (3, 8, 27, 3)

    weights: str = "mit_b4.pth"


@dataclass(kw_only=True)
class MiTB5(MiTB0):
    """MiT-B5, 81.4 M parameters, under a context-aware head a task at stride 4."""

    widths, depths = WIDE, (3, 6, 40, 3)

    weights: str = "mit_b5.pth"
