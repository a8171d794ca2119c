"""UM-Adapt's adversarial adaptation: the transfer nets as critic, the high part of the target encoder as generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.exact import across_ranks
from bench.nets.norm import stored_statistics
from bench.optim import Optim
from methods.parts import weighting
from methods.parts.supervised import losses
from methods.parts.transfer import canonical, energies
from methods.parts.twins import Adaptation


class Adversarial(Adaptation):
    """Stage 3, Adv. E(x) = sum_i e_i(yhat_i, ytil_i), the disagreement of direct and transferred predictions.

    critic, over H:      L_H = E(x_s) + max(0, m - E(x_t)) + beta sum_i L_i(ytil_i(x_s), y_i)
    encoder, over high:  L_M = E(x_t) + lam L_ccr(x_t) [+ anchor sum_i L_i(yhat_i(x_s), y_i)]

    For a weighting rule e_i and anchor L_i are one task in L_M; the critic learns from the plain L_H.
    x_s passes through M_s, so that E(x_s), the critic's reference, does not drift. m = 2 x running mean of E(x_s).
    """

    @dataclass(kw_only=True)
    class Config(Adaptation.Config):
        anchor: float = 3.0  # at 1 whole classes may go (docs/results/umadapt_development.md)
        critic_lr: float | None = None  # of H; None: a quarter of the network's
        beta: float = 1.0  # keeps H a transfer function
        margin: float = 2.0  # times the running mean of E(x_s)
        margin_momentum: float = 0.99

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        lr = problem.network.lr / 20 if config.lr is None else config.lr
        critic_lr = problem.network.lr / 4 if config.critic_lr is None else config.critic_lr
        steps, common = config.steps(problem), {"betas": (0.5, 0.999), "clip": config.clip}
        self.register_buffer("mean_energy", torch.zeros(()))  # running mean of E(x_s); 0: none seen yet
        self.encoder_optim = Optim(self.high.parameters(), steps, lr=lr, **common)
        self.weighting = weighting.make(config.weighting, problem.tasks, self.encoder_optim, problem.seed)
        self.critic_optim = Optim(self.transfer.parameters(), steps, lr=critic_lr, **common)

    def step(self, t, source, target):
        def forward():
            features, raw = self.on_target(target.image)
            return features, canonical(raw, self.problem)

        again = self.weighting.again(
            lambda: self.weighed(self.energies(forward()[1]), self.anchored(source)), self.target_net
        )
        features, yhat = forward()  # one pass serves both: the critic step leaves it as it is
        return self.critic_step(source, yhat) | self.encoder_step(source, target, features, yhat, again)

    def critic_step(self, source, yhat):
        yhat_target = {name: y.detach() for name, y in yhat.items()}
        with torch.no_grad(), stored_statistics(self.source_net):
            yhat_source = canonical(self.source_net(source.image), self.problem)
        with stored_statistics(self.transfer):
            raw = self.transfer(yhat_source)
        on_source = sum(energies(yhat_source, canonical(raw, self.problem), self.problem).values())
        on_target = sum(energies(yhat_target, self.through(yhat_target), self.problem).values())
        supervised = sum(losses(raw, source.labels, self.problem).values())
        self.critic_optim.minimise(self.critic_loss(on_source, on_target, supervised))
        return {"energy_source": on_source, "energy_target": on_target, "critic_supervised": supervised}

    def critic_loss(self, on_source, on_target, supervised):
        """L_H, with the margin's running mean updated before it is used."""
        seen = across_ranks(on_source)
        momentum = self.config.margin_momentum
        self.mean_energy.copy_(
            torch.where(self.mean_energy == 0, seen, momentum * self.mean_energy + (1 - momentum) * seen)
        )
        margin = self.config.margin * self.mean_energy
        # the hinge is decided by all ranks together; its gradient is that of their mean
        hinge = torch.where(across_ranks(on_target) < margin, margin - on_target, 0.0)
        return on_source + hinge + self.config.beta * supervised

    def encoder_step(self, source, target, features, yhat, again=None):
        apart = self.energies(yhat)
        held = self.learn(apart, features, source, target, self.encoder_optim, again)
        return {"energy": sum(apart.values())} | held

    def energies(self, yhat):
        """{task: e_i} of the target's predictions, by the transfer nets as they are."""
        return energies(yhat, self.through(yhat), self.problem)
