"""UM-Adapt, semi-supervised: umadapt, then a share of the target's labels (Kundu, Lakkakula, Babu, ICCV 2019).

1. base, 2. contour, 3. statistics, 4. adapt: umadapt, finished.
5. semi (this stage): by turns the supervised losses on the lent target images, sum_i L_i(yhat_i, y_i) +
   alpha L_i(ytil_i, y_i), over the high part of the target encoder, the decoders and the transfer nets; and umadapt's
   step on the unlabelled target. `low` and the contour decoder stay. Without lent labels every step is umadapt's.

Weighting (parts/weighting.py) is that of the stages before, `method.adapt.weighting` and `method.adapt.base.weighting`,
and goes on in umadapt's turns; the supervised turns are plain sums, for not every task need be lent.

The paper gives neither length nor rate of this stage: share, lr and alpha are our choice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.nets.norm import stored_statistics
from bench.optim import Optim
from bench.stage import Stage
from methods.parts.adversary import Adversarial
from methods.parts.transfer import supervised_terms


class Method(Stage):
    @dataclass(kw_only=True)
    class Config(Stage.Config):
        adapt: Adversarial.Config = field(default_factory=Adversarial.Config)
        share: float = 0.2
        target_labels: float = 0.1
        alpha: float = 1.0  # weight of the transferred predictions' losses
        lr: float | None = None  # of the supervised turns; None: a twentieth of the network's
        clip: float = 10.0

        def check(self, problem):
            if not 0 <= self.target_labels <= 1:
                raise ValueError(f"target_labels is a share of the target's images, 0 to 1; got {self.target_labels}")

        def batchnorm(self):
            return self.adapt.batchnorm()

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.adapted = given["adapt"].build()
        trained = [self.adapted.high, self.adapted.target_net.decoders, self.adapted.transfer]
        lr = problem.network.lr / 20 if config.lr is None else config.lr
        self.optim = Optim(
            [p for part in trained for p in part.parameters()], config.steps(problem), lr=lr, clip=config.clip
        )

    def step(self, t, source, target, lent=None):
        if lent is None or t % 2:
            return self.adapted.step(t, source, target)
        _, raw = self.adapted.on_target(lent.image)
        with stored_statistics(self.adapted.transfer):
            direct, transferred = supervised_terms(raw, self.adapted.transfer, lent.labels, self.problem)
        self.optim.minimise(sum(direct.values()) + self.config.alpha * sum(transferred.values()))
        terms = direct | {f"{name}_transferred": loss for name, loss in transferred.items()}
        return {f"lent_{name}": loss for name, loss in terms.items()}

    def predict(self, image):
        return self.adapted.predict(image)
