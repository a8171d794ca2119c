"""Universal Representations over domains: one network distilled from a frozen one a source (Li, Liu, Bilen, IJCV 2023).

The multi-domain form of universal (arXiv 2204.02744, the recipe of its Visual Decathlon). Supervised on the sources of
a split that lists several (minicity_sources): no target image is read.

1. one stage a source: a network of its own, all tasks, from that source's labels alone (parts/supervised.py).
2. shared (this stage): on an image of source k, L + D_f(A_k(f), f_k*) + sum_tasks D_p(h, h_k*), a mean over the images
   of all sources, which share every batch. D_f = 1 - CKA with RBF kernels on the encoder's last map; D_p: KL of the
   classes with T = 8, |ln depth| and 1 - cos (ours: the paper classifies). Both fade linearly to 0 at the stage's end.
   A_k: a 1x1 convolution with an optimiser of its own, no part of what predicts. Each stage has the full budget.

Ablations: `method.dp=none` features only; `method.df=l2`; `method.anneal=0` the distances stay; `method.distil=0` plain
learning on all sources, bit for bit source_only. With one source it distils a network into its like.

Differs: one head a task for all sources, as their classes are the same; theirs is a head a domain, and a target has
none. CKA's samples are the cells of an image, not the pooled vectors of a batch (see parts/distil.py). l_k = 1 for
every source: their 10 is for ImageNet's size and 0.1 for Daimler's. The networks start as the split's network does,
where theirs start from the ImageNet one, which `network.weights` stands for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from methods.parts.distil import Adapters, Distilled, Frozen, cka_distance, l2, passed
from methods.parts.supervised import losses


class Own(Frozen):
    """A network a source, keyed by its place: a name may hold a dot."""

    @torch.no_grad()
    def forward(self, image, domain):
        """What each image's own network makes of it: the encoder's last map and {task: raw output}."""
        rows = rows_of(domain, len(self))
        found = [passed(net, image[mine]) for net, mine in zip(self.values(), rows, strict=True) if len(mine)]
        back = torch.cat(rows).argsort()
        outputs = {name: torch.cat([raw[name] for _, raw in found])[back] for name in found[0][1]}
        return torch.cat([levels[-1] for levels, _ in found])[back], outputs


def rows_of(domain, count):
    """Of each domain, which images of the batch are its own."""
    return [(domain == k).nonzero().squeeze(1) for k in range(count)]


class Method(Distilled):
    @dataclass(kw_only=True)
    class Config(Distilled.Config):
        reads = ("source",)
        df: str = "cka"
        dp: str = "kl"
        temperature: float = 8.0
        anneal: float = 1.0

        def needs(self, problem):
            return {name: replace(self.single, domain=name) for name in problem.sources}

    def taught_by(self, given):
        nets = {str(k): given[name].build().net for k, name in enumerate(self.problem.sources)}
        channels = [self.net.encoder.channels]
        return Own(nets), Adapters(nets, channels, channels)

    def step(self, t, source, target):
        again = self.weighting.again(lambda: losses(self.net(source.image), source.labels, self.problem), self.net)
        (_, high), raw = passed(self.net, source.image)
        terms, strength = losses(raw, source.labels, self.problem), self.strength(t)
        if not strength:
            self.learn(t, terms, None, again)
            return terms
        theirs, outputs = self.teachers(source.image, source.domain)
        features, mean = self.features(high, theirs, source.domain)
        outputs = self.matched(raw, outputs)
        self.learn(t, terms, strength * (mean + sum(outputs.values())), again)
        return terms | features | {f"{name}_outputs": d for name, d in outputs.items()}

    def features(self, high, theirs, domain):
        """D_f of each source that the batch has, and their mean over its images."""
        distance = {"l2": l2, "cka": cka_distance}[self.config.df]
        # every adapter on every image, so that it has a gradient on every rank, be it 0
        own = [(domain == int(k)).view(-1, 1, 1, 1) * self.adapters(k, [high])[0] for k in self.adapters]
        adapted, rows = sum(own), rows_of(domain, len(own))
        found = {k: distance(adapted[mine], theirs[mine]) for k, mine in enumerate(rows) if len(mine)}
        mean = sum(len(rows[k]) * d for k, d in found.items()) / len(domain)
        return {f"{self.problem.sources[k]}_features": d for k, d in found.items()}, mean
