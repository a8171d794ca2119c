"""FDA: source images in the target's colours, by swapping low Fourier amplitudes (Yang and Soatto, CVPR 2020).

"FDA: Fourier Domain Adaptation for Semantic Segmentation", arXiv 2004.05498. One stage, one network: each source image
takes the amplitudes of a target image's lowest frequencies and keeps its phase; supervised losses of all tasks on it.
The published 50.5 mIoU is an ensemble of three after self-training; this is the single model before it.

`method.entropy=0.005`: the Charbonnier entropy of the target's classes, (H^2)^2 normalised by ln C, as the authors
have it; off by default, as in the Transfer-Learning-Library. `method.beta=0`: only the mean colour is taken.
`method.weighting=pcgrad` and its like weigh the tasks (parts/weighting.py), the entropy with segmentation.

Differs: the half-width of the window, 1 % of the image's shorter side, is at least one frequency (a 96-pixel crop would
otherwise take the mean colour alone); training images are crops, so are the spectra; the target image is the one at the
same place of the batch; the suite's optimiser and network rate with poly 0.9 as in source_only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from bench.optim import Optim
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks.contract import pooled
from methods.parts import weighting
from methods.parts.supervised import losses
from methods.parts.weighting import per_task


class Method(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        lr: float | None = None  # None: the network's
        power: float = 0.9
        beta: float = 0.01  # half-width of the swapped window, share of the shorter side; at least one unless 0
        entropy: float = 0.0  # weight of the target's entropy; 0.005 in the paper
        exponent: float = 2.0  # of Charbonnier's penalty
        weighting: str = "equal"  # of the tasks (parts/weighting.py); the entropy is of segmentation's losses

        def check(self, problem):
            if not 0 <= self.beta < 0.5:
                raise ValueError(f"beta is {self.beta}, expected a share of the image's shorter side, 0 to 0.5")
            if self.entropy and "semseg" not in problem.tasks:
                raise ValueError(f"the entropy term needs the task semseg; {problem.split} has none: entropy=0")
            weighting.check(self.weighting)

        def batchnorm(self):
            return f"batch statistics of the source in the target's colours{', and of the target' * bool(self.entropy)}"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = problem.network.build(problem, problem.tasks)
        self.optim = Optim(
            self.net.parameters(),
            config.steps(problem),
            lr=problem.rate(config.lr),
            schedule=Schedule(power=config.power),
        )
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def step(self, t, source, target):
        size = min(source.image.shape[-2:])
        reach = max(1, math.floor(self.config.beta * size)) if self.config.beta else 0
        image = restyled(source.image, target.image, reach)

        def forward():
            terms = losses(self.net(image), source.labels, self.problem)
            if not self.config.entropy:
                return terms, terms
            entropy = charbonnier_entropy(self.net(target.image)["semseg"], self.config.exponent)
            return terms | {"entropy": entropy}, per_task(terms, {"semseg": self.config.entropy * entropy})

        return self.weighting.learn(t, forward, self.net, self.net.encoder, self.optim)

    def predict(self, image):
        return self.net(image)


def restyled(source, target, reach):
    """B 3 H W in [0, 1]: the source's phase, and the target's amplitudes at frequencies up to `reach` either way."""
    height, width = source.shape[-2:]
    content, style = torch.fft.rfft2(source.float()), torch.fft.rfft2(target.float())
    rows = torch.fft.fftfreq(height, 1 / height, device=source.device).abs() <= reach
    columns = torch.fft.rfftfreq(width, 1 / width, device=source.device) <= reach
    low = rows[:, None] & columns
    swapped = torch.where(low, torch.polar(style.abs(), content.angle()), content)
    return torch.fft.irfft2(swapped, s=(height, width)).clamp(0, 1)


def charbonnier_entropy(raw, exponent):
    """The mean over all pixels of (h^2 + 1e-8)^exponent, h the entropy in units of ln C."""
    log = raw.float().log_softmax(1)
    entropy = -(log.exp() * log).sum(1) / math.log(raw.shape[1])
    return pooled((entropy.square() + 1e-8) ** exponent, torch.ones_like(entropy, dtype=torch.bool))
