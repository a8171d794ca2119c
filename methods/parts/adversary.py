"""UM-Adapt's adversarial adaptation: the transfer nets as critic, the high part of the target encoder as generator."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bench.exact import across_ranks
from bench.nets.norm import stored_statistics
from bench.optim import Optim
from methods.parts.supervised import losses
from methods.parts.transfer import canonical, energies
from methods.parts.twins import Adaptation, twin


class Adversarial(Adaptation):
    """Stage 3, Adv. E(x) = sum_i e_i(yhat_i, ytil_i), the disagreement of direct and transferred predictions.

    critic, over H:      L_H = E(x_s) + max(0, m - E(x_t)) + beta sum_i L_i(ytil_i(x_s), y_i)
    encoder, over high:  L_M = E(x_t) + lam L_ccr(x_t) [+ anchor sum_i L_i(yhat_i(x_s), y_i)]

    x_s passes through M_s, so that E(x_s), the critic's reference, does not drift. m = 2 x running mean of E(x_s).
    """

    @dataclass(kw_only=True)
    class Config(Adaptation.Config):
        critic_lr: float | None = None  # of H; None: a fifth of the network's
        beta: float = 1.0  # keeps H a transfer function
        margin: float = 2.0  # times the running mean of E(x_s)
        margin_momentum: float = 0.99
        anchor: float = 1.0  # source supervision through M_t's weights in the encoder step; 0: none, as published

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        rate, steps = problem.network.lr, config.steps(problem)
        self.anchor_net = twin(self.target_net)  # M_t's weights on the source's statistics
        for mine, source in zip(self.anchor_net.buffers(), self.source_net.buffers(), strict=True):
            mine.copy_(source)
        self.register_buffer("mean_energy", torch.zeros(()))  # running mean of E(x_s); 0: none seen yet
        self.encoder_optim = Optim(
            self.high.parameters(), steps, lr=config.lr or rate / 10, betas=(0.5, 0.999), clip=config.clip
        )
        self.critic_optim = Optim(
            self.transfer.parameters(), steps, lr=config.critic_lr or rate / 5, betas=(0.5, 0.999), clip=config.clip
        )

    def step(self, t, source, target):
        return self.critic_step(source, target) | self.encoder_step(source, target)

    def critic_step(self, source, target):
        with torch.no_grad(), stored_statistics(self.source_net):
            yhat_source = canonical(self.source_net(source.image), self.problem)
            yhat_target = canonical(self.on_target(target.image)[1], self.problem)
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

    def encoder_step(self, source, target):
        features, raw = self.on_target(target.image)
        yhat = canonical(raw, self.problem)
        energy = sum(energies(yhat, self.through(yhat), self.problem).values())
        contour = self.contour_term(features, target)
        loss = energy + self.config.lam * contour
        terms = {"energy": energy, "contour": contour}
        if self.config.anchor:
            with stored_statistics(self.anchor_net):
                terms["anchor"] = sum(losses(self.anchor_net(source.image), source.labels, self.problem).values())
            loss = loss + self.config.anchor * terms["anchor"]
        self.encoder_optim.minimise(loss)
        return terms
