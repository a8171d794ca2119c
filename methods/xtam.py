"""xTAM-UDA: tasks that attend to each other, every task aligned at two scales (Lopes et al., WACV 2023).

Lopes, Vu, de Charette: "Cross-task Attention Mechanism for Dense Multi-task Learning", arXiv 2206.08927; code:
astra-vision/DenseMTL (vendors non-commercial parts: nothing is taken from it). One stage, two tasks or more:

each task's features are refined by what they take from every other task's, correlation-guided and self-attention summed
(parts/exchange.py); each task predicts before (scale 1/2) and after (scale 1).

    network:  sum over scales of 50 CE + berHu(inverse depth) [+ 50 (1 - cos)] + 0.005 sum of L_adv over tasks, scales
    D:        one a task and scale, with spectral norm: 1/2 BCE(D(x_s), 0) + 1/2 BCE(D(x_t), 1)

Discriminators see the self-information of classes, log depth in [0, 1], unit normals. The authors adapt classes and
depth; with normals, at the weight that their supervised version gives them beside the classes, it is xTAM-MT (ours).
Ablation: `method.adversarial=0` the multi-task network alone. `method.weighting=pcgrad` and its like weigh the tasks
(parts/weighting.py), each with its two scales and their L_adv; gradients are combined in the encoder and the stems.

Differs: any of the suite's networks instead of ResNet-101 with PAD-Net+ decoders and ASPP: stems, exchange and first
predictions are on the encoder's grid, the decoders after them; the scale 1/2 is that grid; attention compares 32 places
a side at most; one rate for the network (2.5e-4 for heads, 1.5e-5 for the backbone), discriminators at 0.4 of it, as
1e-4 is of 2.5e-4; poly 0.9 instead of none; depth for the discriminator is scaled by the split's range, not by the
source's extremes; berHu turns at 0.2 of each image's largest error; scores in metres (theirs: median-scaled).
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.tasks import task
from methods.parts.aligned import Aligned
from methods.parts.exchange import CrossTask
from methods.parts.information import self_information
from methods.parts.inverse_depth import inverse_loss

SCALES = ("final", "initial")


class Method(Aligned):
    @dataclass(kw_only=True)
    class Config(Aligned.Config):
        semseg: float = 50.0
        depth: float = 1.0
        normals: float = 50.0
        adversarial: float = 0.005

        def check(self, problem):
            super().check(problem)
            if len(problem.tasks) < 2:
                raise ValueError(f"tasks attend to each other: two or more, got {' '.join(problem.tasks)}")

    def start(self, given):
        channels = {view: task(name).channels(self.problem) for view, (_, name) in self.pairs().items()}
        net = CrossTask(self.problem)
        return net, self.judges(channels, spectral=True)

    def pairs(self):
        """{view: (scale, task)}."""
        return {f"{scale}_{name}": (scale, name) for scale in SCALES for name in self.problem.tasks}

    def supervised(self, outputs, labels):
        return {
            view: getattr(self.config, name) * self.loss(name, outputs[scale][name], labels[name])
            for view, (scale, name) in self.pairs().items()
        }

    def loss(self, name, raw, label):
        if name == "depth":
            return inverse_loss(raw, label, self.problem)
        return task(name).loss(raw, label, self.problem)

    def views(self, outputs):
        return {
            view: self.shown(name, self.large(outputs[scale][name])) for view, (scale, name) in self.pairs().items()
        }

    def shown(self, name, raw):
        """What a discriminator sees of a task's raw output."""
        return self_information(raw) if name == "semseg" else task(name).canonical(raw, self.problem)

    def weights(self):
        return dict.fromkeys(self.pairs(), self.config.adversarial)

    def predict(self, image):
        return self.net(image)["final"]
