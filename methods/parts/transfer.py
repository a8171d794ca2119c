"""Cross-task transfer: networks that predict one task from all the others, and the energy of their disagreement.

Kundu et al., "UM-Adapt: Unsupervised Multi-Task Adaptation Using Adversarial Cross-Task Distillation", ICCV 2019.
Notation: yhat_i = T_i(M(x)) is the direct prediction, ytil_i = H_i({yhat_j : j != i}) the transferred one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.nets.norm import BatchNorm
from bench.optim import Optim
from bench.problem import Problem
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from methods.parts import weighting
from methods.parts.distances import REGRESSIONS, mean_where, sky_free
from methods.parts.supervised import losses
from methods.parts.weighting import per_task

Maps = Mapping[str, Tensor]


def canonical(raw: Maps, problem: Problem) -> dict[str, Tensor]:
    """What H_i reads and energies compare: class probabilities, log-depth in [0, 1], unit normals."""
    return {name: task(name).canonical(output, problem) for name, output in raw.items()}


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), BatchNorm(outputs), nn.LeakyReLU(0.2, inplace=True)
    )


def _up(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), BatchNorm(outputs), nn.LeakyReLU(0.2, inplace=True)
    )


class TransferNet(nn.Module):
    """H_i: a stem per input task, `halvings` of the grid, and back; no skips and no image."""

    def __init__(self, inputs: Mapping[str, int], outputs: int, width: int, halvings: int = 4) -> None:
        super().__init__()
        w = width
        self.stems = nn.ModuleDict({n: nn.Sequential(_conv(c, w, 1), _conv(w, 2 * w, 2)) for n, c in inputs.items()})
        *wider, last = [2 * w * len(inputs), 4 * w, 8 * w, 16 * w][:halvings]
        inner = wider[-1] if halvings > 2 else 2 * w
        down = [_conv(a, b, 2) for a, b in zip(wider, wider[1:], strict=False)]
        self.down = nn.Sequential(*down, _conv(wider[-1], inner, 1), _conv(inner, last, 2))
        widths = [last, *[8 * w, 8 * w, 4 * w, 2 * w][-halvings:]]
        self.up = nn.Sequential(*(_up(a, b) for a, b in zip(widths, widths[1:], strict=False)))
        self.last = nn.Conv2d(2 * w, outputs, 1)

    def forward(self, others: Maps) -> Tensor:
        joined = torch.cat([stem(others[name]) for name, stem in self.stems.items()], 1)
        raw: Tensor = self.last(self.up(self.down(joined)))
        height, width = next(iter(others.values())).shape[-2:]
        return raw[..., :height, :width]  # odd grids are rounded up on the way down


def halvings_for(problem: Problem) -> int:
    """As many as leave 96 cells of the grid (half the image's size), 2 to 4: the 4 of 256x512 images leave 128.

    Fixed at 4, a 128x96 image would be squeezed through 3x4 cells, and what comes back knows no thin class.
    """
    cells = problem.height * problem.width / 4
    return max(h for h in (2, 3, 4) if h == 2 or cells / 4**h >= 96)


class TransferNets(nn.ModuleDict):
    """All H_i: canonical direct predictions -> raw transferred predictions."""

    def __init__(self, problem: Problem, width: int) -> None:
        halvings = halvings_for(problem)
        channels = {name: task(name).channels(problem) for name in problem.tasks}
        super().__init__(
            {
                name: TransferNet({n: c for n, c in channels.items() if n != name}, channels[name], width, halvings)
                for name in problem.tasks
            }
        )

    def forward(self, yhat: Maps) -> dict[str, Tensor]:
        return {name: net({n: y for n, y in yhat.items() if n != name}) for name, net in self.items()}


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """(KL(p||q) + KL(q||p)) / 2 per pixel, nats; B C h w -> B 1 h w."""
    p, q = p.clamp_min(1e-8), q.clamp_min(1e-8)
    return 0.5 * ((p - q) * (p.log() - q.log())).sum(1, keepdim=True)


def energies(yhat: Maps, ytil: Maps, problem: Problem) -> dict[str, Tensor]:
    """e_i(yhat_i, ytil_i) of each task, from canonical forms, without labels; >= 0, and 0 iff they agree.

    Means over the pixels of all ranks.
    """
    seen = sky_free(yhat, problem)

    def mean(name: str) -> Tensor:
        if name == "semseg":
            return divergence(yhat[name], ytil[name]).mean()
        apart = REGRESSIONS[name](yhat[name], ytil[name], problem)
        return mean_where(apart.clamp(min=0.0), seen)  # a cosine may be rounded above 1

    return {name: mean(name) for name in yhat}


def supervised_terms(raw: Maps, transfer: TransferNets, labels: Maps, problem: Problem) -> tuple[Maps, Maps]:
    """The losses of the direct and of the transferred predictions, for the tasks that are labelled."""
    through = transfer(canonical(raw, problem))

    def known(maps: Maps) -> Maps:
        return losses({name: maps[name] for name in maps if name in labels}, labels, problem)

    return known(raw), known(through)


class Base(Stage):
    """Stage 1: encoder, decoders and transfer nets from source labels.

    L_src = sum_i L_i(yhat_i, y_i) + alpha L_i(ytil_i, y_i); the second term's gradient reaches the encoder through
    H_i, which is the distillation that balances the tasks. For a weighting rule both losses of i are one; what combines
    gradients does so in the encoder, and leaves every decoder the plain sum of its own and what passes it to the H_j.
    """

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ("source",)
        share: float = 1.0
        alpha: float = 0.01  # Differs: 10 in the unofficial code; 0.01 by source validation (docs/results)
        transfer_width: int | None = None  # of H_i's first layer; None: the network's auxiliary width
        lr: float | None = None  # None: the network's
        power: float = 0.9
        weighting: str = "equal"  # of the tasks, each with its direct and its transferred loss (parts/weighting.py)

        def check(self, problem):
            weighting.check(self.weighting)
            if len(problem.tasks) < 2:
                raise ValueError(f"UM-Adapt needs at least two tasks labelled on the source; got {problem.tasks}")
            if problem.height % 32 or problem.width % 32:
                raise ValueError(
                    f"UM-Adapt needs sides divisible by 32; got {problem.width}x{problem.height} (split.crop)"
                )

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = problem.network.build(problem, problem.tasks)
        self.transfer = TransferNets(problem, config.transfer_width or problem.network.auxiliary_width)
        self.optim = Optim(
            self.parameters(),
            config.steps(problem),
            lr=problem.rate(config.lr),
            schedule=Schedule(power=config.power),
        )
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def step(self, t, source, target):
        def forward():
            direct, transferred = self.terms(source)
            logged = direct | {f"{name}_transferred": loss for name, loss in transferred.items()}
            return logged, per_task(direct, {name: self.config.alpha * loss for name, loss in transferred.items()})

        return self.weighting.learn(t, forward, self, self.net.encoder, self.optim)

    def terms(self, source):
        """The supervised losses of the direct and of the transferred predictions."""
        return supervised_terms(self.net(source.image), self.transfer, source.labels, self.problem)

    def predict(self, image):
        return self.net(image)
