"""Task weighting: how several task losses become one update; a word of WEIGHTINGS names the rule.

Losses are weighted (uncertainty, dwa, rlw, si, famo) or the shared parameters' gradients are combined (pcgrad, cagrad,
nash, mgda): there the heads get their plain gradient. Weights sum to the number of tasks K, as those of `equal` do,
where the authors' sum to 1: a sum of 1 is another learning rate.

Crossed with adaptation, all terms of a task, on source and on target, count as one loss. What a rule balances, or turns
out of each other's way, is tasks and not domains: a target term left outside would be segmentation's in all but name,
free to run against every other task. The terms keep their own weights within the task.
"""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import nn

from bench.data.sampling import uniforms
from bench.exact import across_ranks
from bench.optim import Optim
from methods.parts import simplex, surgery
from methods.parts.second_pass import repeatable

EPS = 1e-8


def per_task(*parts):
    """{task: loss} of several domains or terms -> each task's sum."""
    return {name: sum(part[name] for part in parts if name in part) for part in parts for name in part}


def by_task(terms, tasks):
    """{term: loss} -> each task's sum. A term is of the task whose name it carries (`mixed_depth`); one that carries
    none (`detail`, `joint_adversarial`) is segmentation's, which adaptation was made for."""

    def owner(term):
        return next((name for name in tasks if name in term), "semseg")

    return per_task(*({owner(term): loss} for term, loss in terms.items()))


def check(word):
    if word not in WEIGHTINGS:
        raise ValueError(f'no weighting "{word}"; known: {" ".join(WEIGHTINGS)}')


def make(word, tasks, optim, seed):
    """The rule as a module of the stage. `optim` is the network's: what a rule learns follows its rate or its steps."""
    return WEIGHTINGS[word](tasks, optim, seed)


class Equal(nn.Module):
    """sum_k L_k: the scale of all others."""

    def __init__(self, tasks, optim, seed):
        super().__init__()
        self.tasks, self.seed = tuple(tasks), seed

    def again(self, forward, *nets):
        """What computes {task: loss} once more after the update, if the rule asks for it; `nets`: what it passes.

        To be made before the first pass, which draws the numbers that the second is to draw again.
        """
        return None

    def minimise(self, t, terms, shared, optim, *, again=None, extra=None):
        """One update of the parameters of `optim` from {task: loss}.

        shared: the parameters that the tasks share. again: what `again` made. extra: a loss outside the weighting.
        """
        optim.minimise(_with(sum(terms.values()), extra))

    def learn(self, t, forward, net, shared, optim):
        """One update of `net` from forward() -> (what is logged, {task: loss}); what is logged."""
        again = self.again(lambda: forward()[1], net)
        logged, terms = forward()
        self.minimise(t, terms, shared.parameters(), optim, again=again)
        return logged

    def values(self, terms):
        """L_k over all ranks, detached: what weights may be made of."""
        return across_ranks(torch.stack([terms[name].detach().float() for name in self.tasks]))


def _with(loss, extra):
    return loss if extra is None else loss + extra


class Uncertainty(Equal):
    """sum_k L_k / (2 exp s_k) + s_k / 2 (Kendall et al., CVPR 2018), the regression form for all tasks alike.

    s starts at -0.5 and is learnt at the network's rate, by Adam without decay.
    """

    def __init__(self, tasks, optim, seed):
        super().__init__(tasks, optim, seed)
        self.s = nn.Parameter(torch.full((len(self.tasks),), -0.5))
        self.optim = Optim([self.s], optim.steps, lr=optim.lr, schedule=optim.schedule)

    def minimise(self, t, terms, shared, optim, *, again=None, extra=None):
        losses = torch.stack([terms[name] for name in self.tasks])
        loss = (losses * (-self.s).exp() / 2 + self.s / 2).sum()
        of_s = self.optim.grads(loss, keep=True)
        optim.minimise(_with(loss, extra))
        self.optim.apply(of_s)


class Scaled(Equal):
    """sum_k w_k L_k, the weights without gradient."""

    def weights(self, t, values):
        raise NotImplementedError

    def minimise(self, t, terms, shared, optim, *, again=None, extra=None):
        weights = self.weights(t, self.values(terms))
        loss = sum(w * terms[name] for w, name in zip(weights.unbind(), self.tasks, strict=True))
        optim.minimise(_with(loss, extra))


class Dwa(Scaled):
    """w = K softmax(r / 2), r_k = L_k(e-1) / L_k(e-2) on the means of epochs (Liu et al., CVPR 2019).

    1 in the first two epochs. Differs: an epoch is a 40th of the stage, for the suite counts steps.
    """

    EPOCHS, TEMPERATURE = 40, 2.0

    def __init__(self, tasks, optim, seed):
        super().__init__(tasks, optim, seed)
        self.epoch = max(1, optim.steps // self.EPOCHS)
        self.register_buffer("means", torch.zeros(3, len(self.tasks)))  # epoch e-2, epoch e-1, and e as a sum

    def weights(self, t, values):
        epoch, within = divmod(t, self.epoch)
        if within == 0:
            self.means.copy_(torch.stack([self.means[1], self.means[2] / self.epoch, torch.zeros_like(values)]))
        self.means[2] += values
        if epoch < 2:
            return torch.ones_like(values)
        ratio = self.means[1] / self.means[0].clamp_min(EPS)
        return len(self.tasks) * (ratio / self.TEMPERATURE).softmax(0)


class Rlw(Scaled):
    """w = K softmax of K standard normals, new in every step (Lin et al., TMLR 2022)."""

    def weights(self, t, values):
        drawn = uniforms(len(self.tasks), self.seed, "rlw", t)
        normals = [NormalDist().inv_cdf(min(max(float(u), 1e-12), 1 - 1e-12)) for u in drawn]
        return len(self.tasks) * values.new_tensor(normals).softmax(0)


class Si(Scaled):
    """sum_k ln L_k: the gradient of each task over its loss. Here alone the weights do not sum to K."""

    def weights(self, t, values):
        return 1 / (values + EPS)


class Famo(Scaled):
    """FAMO (Liu et al., NeurIPS 2023): sum_k z_k ln L_k, z = softmax(xi), xi so that all ln L_k fall alike.

    xi is learnt from how much ln L_k changed on the same batch, by Adam of rate 0.025 and decay 0.01; the least loss,
    b in the paper, is 0. Costs a second forward pass.
    """

    RATE, DECAY = 0.025, 0.01

    def __init__(self, tasks, optim, seed):
        super().__init__(tasks, optim, seed)
        self.xi = nn.Parameter(torch.zeros(len(self.tasks)))
        self.optim = Optim([self.xi], optim.steps, lr=self.RATE, decay=self.DECAY)

    def again(self, forward, *nets):
        return repeatable(forward, *nets)

    def weights(self, t, values):
        weights = self.xi.detach().softmax(0) / (values + EPS)
        return len(self.tasks) * weights / weights.sum()

    def minimise(self, t, terms, shared, optim, *, again=None, extra=None):
        if again is None:
            raise ValueError("famo needs a second forward pass: again=rule.again(forward, net)")
        before = self.values(terms)
        super().minimise(t, terms, shared, optim, extra=extra)
        fell = (before + EPS).log() - (self.values(again()) + EPS).log()
        z = self.xi.detach().softmax(0)
        self.optim.apply([z * (fell - (z * fell).sum())])  # the gradient of z . fell: what fell more will weigh less


class Surgery(Equal):
    """The shared gradient is sum_k c_k g_k, the c a function of the inner products of the g_k.

    The g_k are averaged over the ranks before they are combined. About K backward passes.
    """

    def coefficients(self, t, gram):
        raise NotImplementedError

    def minimise(self, t, terms, shared, optim, *, again=None, extra=None):
        losses = [terms[name] for name in self.tasks]
        surgery.minimise(losses, shared, optim, lambda gram: self.coefficients(t, gram), extra)


class PCGrad(Surgery):
    """From each g_i what lies against another task's g_j is taken out (Yu et al., NeurIPS 2020); their sum."""

    def coefficients(self, t, gram):
        count = len(gram)
        drawn = uniforms(count * count, self.seed, "pcgrad", t).reshape(count, count)
        return simplex.projected(gram, drawn.argsort(1, kind="stable").tolist())


class CAGrad(Surgery):
    """g_0 + c |g_0| g_w / |g_w|, w for the task that gains least (Liu et al., NeurIPS 2021); over 1 + c^2, times K."""

    C = 0.4

    def coefficients(self, t, gram):
        return simplex.conflict_averse(gram, self.C)


class Nash(Surgery):
    """Nash-MTL (Navon et al., ICML 2022): weights alpha with G^T G alpha = 1 / alpha, the gradient's norm at most 1.

    Differs: the authors weigh the heads' losses with alpha too. Solved by Newton's method instead of cvxpy.
    """

    MAX_NORM = 1.0

    def coefficients(self, t, gram):
        return simplex.bargained(gram, self.MAX_NORM)


class Mgda(Surgery):
    """K times the point of the gradients' convex hull that is nearest to 0 (Sener and Koltun, NeurIPS 2018)."""

    def coefficients(self, t, gram):
        return simplex.nearest(gram) * len(gram)


WEIGHTINGS = {
    "equal": Equal, "uncertainty": Uncertainty, "dwa": Dwa, "rlw": Rlw, "si": Si, "famo": Famo,
    "pcgrad": PCGrad, "cagrad": CAGrad, "nash": Nash, "mgda": Mgda,
}  # fmt: skip
