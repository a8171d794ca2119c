"""Two levels of output: the network's own, and 1x1 heads on the encoder's low features."""

from __future__ import annotations

from torch import nn

from bench.tasks import task
from methods.parts.supervised import losses


class TwoLevels(nn.Module):
    """forward: image -> {"final": {task: raw}, "auxiliary": {task: raw}}; the latter of `tasks`, at low's stride.

    `net` alone is what predicts; `shared` is what every task is read from.
    """

    def __init__(self, net, problem, tasks):
        super().__init__()
        self.net = net
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(net.encoder.low_channels, task(name).channels(problem), 1) for name in tasks}
        )

    @property
    def shared(self):
        return self.net.encoder

    def forward(self, image):
        low = self.net.encoder.low(image)
        auxiliary = {name: head(low) for name, head in self.heads.items()}
        return {"final": self.net.decode(self.net.encoder.high(low)), "auxiliary": auxiliary}


def level_losses(outputs, labels, problem, weight):
    """The supervised losses of both levels, the auxiliary one's times `weight`."""
    auxiliary = losses(outputs["auxiliary"], labels, problem)
    return losses(outputs["final"], labels, problem) | {f"auxiliary_{n}": weight * v for n, v in auxiliary.items()}
