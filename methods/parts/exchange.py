"""Cross-task attention: each task's features refined by what the other tasks' features say, pair by pair.

Lopes, Vu, de Charette, "Cross-task Attention Mechanism for Dense Multi-task Learning" (xTAM), WACV 2023.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from bench.nets.backbone import conv
from bench.nets.norm import upsample
from bench.tasks import task

CELLS = 32  # of the longer side of the grid on which places are compared, at most


class Attention(nn.Module):
    """f_{j -> i}: what task i takes from task j's features. Two maps B C h w -> one.

    Correlation: softmax over j's places of q_i k_j / sqrt(C) weighs v_j, on a coarser grid; the heads are one.
    Self-attention of j: F(f_j) * sigmoid(M(f_j)). Their sum.
    """

    def __init__(self, channels):
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.feature, self.mask = conv(channels, channels), nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, mine, other):
        return self.correlated(mine, other) + self.feature(other) * self.mask(other).sigmoid()

    def correlated(self, mine, other):
        step = -(-max(mine.shape[-2:]) // CELLS)
        few_mine, few_other = (F.avg_pool2d(x, step, ceil_mode=True) for x in (mine, other))
        weights = self.correlation(few_mine, few_other)
        values = weights @ self.value(few_other).flatten(2).transpose(1, 2)  # B places C
        return upsample(values.transpose(1, 2).reshape(few_mine.shape), mine.shape[-2:])

    def correlation(self, mine, other):
        """B places places: of each place of i, the weights of j's places, which sum to 1."""
        queries, keys = self.query(mine).flatten(2).transpose(1, 2), self.key(other).flatten(2)
        return (queries @ keys / queries.shape[2] ** 0.5).float().softmax(2).to(queries.dtype)


class Exchange(nn.Module):
    """{task: B C h w} -> the same, each with all that it takes from the others added to it."""

    def __init__(self, tasks, channels):
        super().__init__()
        self.taken = nn.ModuleDict({i: nn.ModuleDict({j: Attention(channels) for j in tasks if j != i}) for i in tasks})
        self.mixed = nn.ModuleDict({i: conv((len(tasks) - 1) * channels, channels) for i in tasks})

    def forward(self, features):
        taken = {i: [net(features[i], features[j]) for j, net in nets.items()] for i, nets in self.taken.items()}
        return {i: features[i] + self.mixed[i](torch.cat(maps, 1)) for i, maps in taken.items()}


class CrossTask(nn.Module):
    """forward: image -> {"final": {task: raw}, "initial": {task: raw}}; the latter on the encoder's grid, before the
    exchange. Any network: each task has a stem on its features, and its decoder reads the features with the refined
    ones added, brought to their channels."""

    def __init__(self, problem):
        super().__init__()
        tasks, self.net = problem.tasks, problem.network.build(problem, problem.tasks)
        channels = self.net.encoder.channels
        width = min(channels, 8 * problem.network.auxiliary_width)
        self.stems = nn.ModuleDict({name: conv(channels, width) for name in tasks})
        self.heads = nn.ModuleDict({name: nn.Conv2d(width, task(name).channels(problem), 1) for name in tasks})
        self.exchange = Exchange(tasks, width)
        self.back = nn.ModuleDict({name: nn.Conv2d(width, channels, 1) for name in tasks})

    @property
    def shared(self):
        """What several tasks are read from: the features, and each task's stem, which the others attend to."""
        return nn.ModuleList([self.net.encoder, self.stems])

    def forward(self, image):
        shared = self.net.encoder(image)
        own = {name: stem(shared) for name, stem in self.stems.items()}
        refined = self.exchange(own)
        decoders = self.net.decoders.items()
        return {
            "final": {name: decoder(shared + self.back[name](refined[name])) for name, decoder in decoders},
            "initial": {name: head(own[name]) for name, head in self.heads.items()},
        }
