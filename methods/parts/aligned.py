"""Adversarial alignment of outputs: on target images the network makes maps that discriminators take for source maps.

A step: the network by its source labels and L_adv (discriminators fixed), then the discriminators by the same maps.
What is shown to them (`views`), and the network, are the method's. For a weighting rule a view's L_adv is its task's,
one of several tasks at once segmentation's; the discriminators' updates stay outside.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.nets.norm import stored_statistics
from bench.optim import Optim
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks.contract import upsampled
from methods.parts import weighting
from methods.parts.auxiliary import TwoLevels, level_losses
from methods.parts.discriminator import Discriminators
from methods.parts.weighting import by_task

SLOWER = 0.4  # a discriminator's rate to the network's: 1e-4 to 2.5e-4 in this family's releases


class Aligned(Stage):
    """The game. Heirs say how it starts (`start`), its losses on source, its views and their weights.

    The network says what its tasks share (`net.shared`).
    """

    SHARE = 0.5  # of each domain in a discriminator's loss

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        lr: float | None = None  # None: the network's
        power: float = 0.9
        horizon: float = 1.0  # the learning rates would be 0 after so many times the stage's steps
        critic_lr: float | None = None  # of the discriminators; None: 0.4 of the network's
        weighting: str = "equal"  # of the tasks, each with all its terms and its L_adv (parts/weighting.py)

        def check(self, problem):
            weighting.check(self.weighting)
            if "semseg" not in problem.tasks:
                raise ValueError(f"the adversary judges classes and needs the task semseg; {problem.split} has none")

        def batchnorm(self):
            return "batch statistics of source and target in turn"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net, self.discriminators = self.start(given)
        lr, pace = self.network().lr if config.lr is None else config.lr, self.pace()
        critic_lr = SLOWER * self.network().lr if config.critic_lr is None else config.critic_lr
        steps, schedule = round(config.horizon * config.steps(problem)), Schedule(power=config.power)
        self.optim = Optim(self.net.parameters(), steps, lr=pace * lr, schedule=schedule)
        self.critic_optim = Optim(
            self.discriminators.parameters(), steps, lr=pace * critic_lr, betas=(0.9, 0.99), schedule=schedule
        )
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def network(self):
        """The network's settings."""
        return self.problem.network

    def pace(self):
        """What both learning rates are multiplied by."""
        return 1.0

    def start(self, given):
        """The network and the discriminators that the stage begins with."""
        raise NotImplementedError

    def judges(self, channels, spectral=False):
        """New discriminators for views of so many channels."""
        return Discriminators(channels, self.problem.network.auxiliary_width, spectral)

    def supervised(self, outputs, labels):
        """{term: weighted loss} on source."""
        raise NotImplementedError

    def terms(self, on_source, on_target, source, target):
        """{term: weighted loss} of both domains' outputs, all but L_adv; an heir may have losses on target."""
        return self.supervised(on_source, source.labels)

    def views(self, outputs):
        """{view: B C H W}, what each discriminator sees, as large as the image."""
        raise NotImplementedError

    def weights(self):
        """{view: the weight of its L_adv}."""
        raise NotImplementedError

    def large(self, raw):
        """Raw outputs as large as the image, so that a discriminator's patches are those of the release."""
        return upsampled(raw, (self.problem.height, self.problem.width))

    def step(self, t, source, target):
        """Both updates; all terms as they are summed, the discriminators' as well."""

        def forward():
            """The network's terms, each task's sum of them, and what the discriminators see of source and target."""
            on_source, on_target = self.net(source.image), self.net(target.image)
            terms = self.terms(on_source, on_target, source, target)
            seen = self.views(on_source), self.views(on_target)
            fooled, weights = self.discriminators.fooled(seen[1]), self.weights()
            terms = terms | {f"{view}_adversarial": weights[view] * loss for view, loss in fooled.items()}
            return terms, by_task(terms, self.problem.tasks), seen

        def second():
            with stored_statistics(self.discriminators):  # their spectral norms as the first pass left them
                return forward()[1]

        again = self.weighting.again(second, self.net)
        terms, tasks, seen = forward()
        self.weighting.minimise(t, tasks, self.net.shared.parameters(), self.optim, again=again)
        judged = self.discriminators.judged(*seen, self.SHARE)
        self.critic_optim.minimise(sum(judged.values()))
        return terms | {f"{view}_discriminator": loss for view, loss in judged.items()}

    def predict(self, image):
        return self.net(image)


class MultiLevel(Aligned):
    """Two levels (Tsai et al., "AdaptSegNet", CVPR 2018): the classes of the final and of the auxiliary output."""

    @dataclass(kw_only=True)
    class Config(Aligned.Config):
        auxiliary: float = 0.1  # weight of the auxiliary level's supervised losses
        adv_final: float = 1e-3
        adv_auxiliary: float = 2e-4
        heads: str = "semseg"  # the task with an auxiliary head; "all": every task (ours)

    def start(self, given):
        problem = self.problem
        heads = problem.tasks if self.config.heads == "all" else (self.config.heads,)
        net = TwoLevels(self.network().build(problem, problem.tasks), problem, heads)
        return net, self.judges(dict.fromkeys(self.weights(), len(problem.classes)))

    def supervised(self, outputs, labels):
        return level_losses(outputs, labels, self.problem, self.config.auxiliary)

    def views(self, outputs):
        return {level: self.shown(self.large(outputs[level]["semseg"])) for level in self.weights()}

    def shown(self, raw):
        """What a discriminator sees of raw class scores: their probabilities."""
        return raw.softmax(1)

    def weights(self):
        return {"final": self.config.adv_final, "auxiliary": self.config.adv_auxiliary}

    def predict(self, image):
        return self.net.net(image)
