"""Universal representations: frozen single-task networks, adapters, and the distances that tie one network to all.

Li, Liu, Bilen, IJCV 2023. Notation: f the shared network's feature maps (levels), A_k task k's adapters, f_k* and h_k*
the features and the output of the frozen network of task k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import nn

from bench.optim import Optim
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from bench.tasks.contract import upsampled
from methods.parts import weighting
from methods.parts.distances import REGRESSIONS, mean_where, sky_free
from methods.parts.supervised import Supervised

ALIGN, DF, DP = ("final", "level"), ("l2", "cka"), ("none", "kl")
CELLS = 6  # of the longer side's grid from which cka takes its samples, about


def passed(net, image):
    """The levels, encoder.low's and encoder.high's maps, which every network has, and the raw outputs."""
    low = net.encoder.low(image)
    high = net.encoder.high(low)
    return (low, high), net.decode(high)


class Frozen(nn.ModuleDict):
    """Networks without gradient, always on stored statistics."""

    def __init__(self, nets):
        super().__init__(nets)
        self.requires_grad_(False).train(False)

    def train(self, mode=True):
        return super().train(False)


class Teachers(Frozen):
    """{task: its network}."""

    @torch.no_grad()
    def forward(self, image):
        """{task: (levels, raw output)}."""
        found = {name: passed(net, image) for name, net in self.items()}
        return {name: (levels, raw[name]) for name, (levels, raw) in found.items()}


class Adapters(nn.ModuleDict):
    """A_k: one 1x1 convolution without bias a teacher and level, from the network's channels to the teacher's."""

    def __init__(self, names, inputs, outputs):
        super().__init__(
            {
                name: nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(inputs, outputs, strict=True))
                for name in names
            }
        )
        for weight in self.parameters():
            nn.init.xavier_normal_(weight)

    def forward(self, name, levels):
        return [adapter(level) for adapter, level in zip(self[name], levels, strict=True)]


def unit(features):
    return F.normalize(features.float(), dim=1, eps=1e-6)


def l2(a, b):
    """mean_nhw |N(a) - N(b)|^2, N the length 1 over channels: 0 to 4."""
    return (unit(a) - unit(b)).square().sum(1).mean()


def cka_distance(a, b):
    """1 - CKA between the cells of each image, meaned over images.

    Differs: the authors' samples are the images of a batch, one vector each; cells of a dense map are samples enough,
    and the distance is then the same whatever the batch and the ranks.
    """
    step = max(1, max(a.shape[-2:]) // CELLS)
    cells = [F.avg_pool2d(x.float(), step, ceil_mode=True).flatten(2).transpose(1, 2) for x in (a, b)]
    return (1 - cka(*cells)).mean()


def cka(a, b):
    """Centred kernel alignment of two sets of N samples, B N C each -> B, in [0, 1] (Kornblith et al., ICML 2019).

    RBF kernels on vectors of length 1, the bandwidth the median of the squared distances.
    """
    if a.shape[1] < 2:
        raise ValueError(f"cka compares distances between samples: it needs 2 or more, got {a.shape[1]}")
    k, m = (_centred(_kernel(F.normalize(x.float(), dim=2, eps=1e-6))) for x in (a, b))
    # sums of products instead of matrix products, which autocast would have in half precision
    cross, own = (k * m).sum((1, 2)), (k * k).sum((1, 2)) * (m * m).sum((1, 2))
    return cross / (own + 1e-12).sqrt()


def _kernel(x):
    squared = (x.unsqueeze(2) - x.unsqueeze(1)).square().sum(3)
    rows, columns = torch.triu_indices(x.shape[1], x.shape[1], 1, device=x.device).unbind()
    pairs = squared[:, rows, columns].detach().sort(1).values
    return (-0.5 * squared / pairs[:, pairs.shape[1] // 2].clamp_min(1e-6)[:, None, None]).exp()


def _centred(kernel):
    return kernel - kernel.mean(1, keepdim=True) - kernel.mean(2, keepdim=True) + kernel.mean((1, 2), keepdim=True)


def feature_distance(adapted, levels, align, df):
    """D_f: the sum over levels; `final` compares every level with the teacher's last map, as the authors' code does."""
    distance = {"l2": l2, "cka": cka_distance}[df]
    taught = [levels[-1]] * len(adapted) if align == "final" else levels
    return sum(distance(upsampled(a, f.shape[-2:]), f) for a, f in zip(adapted, taught, strict=True))


def output_distance(name, raw, taught, temperature, problem, seen=None):
    """D_p of one task: T^2 KL(h_k* || h_k) for classes; |ln depth| and 1 - cos for the regressions (ours).

    seen: B 1 h w, where depth and normals exist; None: everywhere. A mean over the pixels of all ranks.
    """
    if name == "semseg":
        p, q = ((r.float() / temperature).log_softmax(1) for r in (taught, raw))
        return temperature**2 * (p.exp() * (p - q)).sum(1).mean()
    a, b = (task(name).canonical(r, problem) for r in (raw, taught))
    return mean_where(REGRESSIONS[name](a, b, problem), seen)


@dataclass(frozen=True)
class Cosine:
    """A schedule from 1 to 0 along half a cosine."""

    def factor(self, t, steps):
        return 0.5 * (1 + math.cos(math.pi * min(1.0, t / max(1, steps))))


class Distilled(Stage):
    """What the distilling stages have in common: one network, frozen teachers, adapters, the step's two updates."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        single: Supervised.Config = field(default_factory=Supervised.Config)
        lr: float | None = None  # of the network; None: the network's
        power: float = 0.9  # of the polynomial decay of the learning rate
        adapter_lr: float = 1e-2  # not a multiple of the network's: an adapter is the same map beside any network
        adapter_decay: float = 5e-4
        df: str = "l2"  # or "cka"
        dp: str = "none"  # or "kl": outputs are matched too
        temperature: float = 4.0  # of the KL
        distil: float = 1.0  # weight of all distances; 0: plain multi-task learning
        anneal: float = 0.0  # share of the stage after which the distances have faded linearly; 0: they stay
        weighting: str = "equal"  # of the task losses (methods/parts/weighting.py); the authors' other: uncertainty

        def words(self):
            """{setting: the words it may be}."""
            return {"df": DF, "dp": DP}

        def check(self, problem):
            for what, known in self.words().items():
                if getattr(self, what) not in known:
                    raise ValueError(f'no {what} "{getattr(self, what)}"; known: {" ".join(known)}')
            weighting.check(self.weighting)

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = problem.network.build(problem, problem.tasks)
        steps, lr = config.steps(problem), problem.rate(config.lr)
        self.optim = Optim(self.net.parameters(), steps, lr=lr, schedule=Schedule(power=config.power))
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)
        self.teachers, self.adapters = self.taught_by(given)
        self.adapter_optim = Optim(
            self.adapters.parameters(), steps, lr=config.adapter_lr, decay=config.adapter_decay, schedule=Cosine()
        )

    def taught_by(self, given):
        """The frozen teachers among the products, and the adapters to them."""
        raise NotImplementedError

    def strength(self, t):
        """The weight of all distances at step t, fading if so declared."""
        end = self.config.anneal * self.config.steps(self.problem)
        return self.config.distil * (max(0.0, 1 - t / end) if end else 1.0)

    def matched(self, raw, theirs):
        """{task: D_p}, empty without; depth and normals not where the network itself sees the sky."""
        if self.config.dp == "none":
            return {}
        seen = sky_free(raw, self.problem)
        return {
            name: output_distance(name, raw[name], taught, self.config.temperature, self.problem, seen)
            for name, taught in theirs.items()
        }

    def learn(self, t, terms, distance, again):
        """The network from the weighted task losses and the distances, the adapters from the distances; None: none."""
        held = None if distance is None else self.adapter_optim.grads(distance, keep=True)
        shared = self.net.encoder.parameters()
        self.weighting.minimise(t, terms, shared, self.optim, again=again, extra=distance)
        if held is not None:
            self.adapter_optim.apply(held)

    def predict(self, image):
        return self.net(image)


class FromTasks(Distilled):
    """Distilled from a network a task."""

    @dataclass(kw_only=True)
    class Config(Distilled.Config):
        align: str = "final"  # or "level": each level with the teacher's own
        normals: float = 2.0  # l_k of the normals; the other tasks' is 1

        def needs(self, problem):
            return {name: replace(self.single, tasks=(name,)) for name in problem.tasks}

        def words(self):
            return {"align": ALIGN} | super().words()

    def taught_by(self, given):
        tasks, channels = self.problem.tasks, (self.net.encoder.low_channels, self.net.encoder.channels)
        teachers = Teachers({name: given[name].build().net for name in tasks})
        return teachers, Adapters(tasks, channels, channels if self.config.align == "level" else channels[-1:] * 2)

    def importance(self, name):
        """l_k."""
        return self.config.normals if name == "normals" else 1.0

    def features(self, levels, taught):
        """{task: D_f}."""
        return {
            name: feature_distance(self.adapters(name, levels), theirs, self.config.align, self.config.df)
            for name, (theirs, _) in taught.items()
        }

    def outputs(self, raw, taught):
        """{task: D_p}."""
        return self.matched(raw, {name: theirs for name, (_, theirs) in taught.items()})

    def weighed(self, distances):
        """sum_k l_k D_k."""
        return sum(self.importance(name) * distance for name, distance in distances.items())
