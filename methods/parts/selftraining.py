"""Self-training by class mixing: a mean teacher labels target images, source classes are pasted on them (DACS).

The step that DACS and its heirs share (`source_losses` and `target_losses` are what an heir makes its own):

    pseudo:  y_t = argmax p', q = the share of pixels with max p' >= threshold, one number of the batch of all ranks
    mix:     M = the pixels of half of the source label's classes; x_m = strong(M x_s + (1 - M) x_t), y_m alike,
             with the weights M 1 + (1 - M) q
    loss:    mean over all pixels of weight x cross entropy

`consistency=all` (ours) gives depth and normals a target term too: the source's labels on the pasted pixels, the
teacher's on those of the others where it is sure of the class, |ln| and 1 - cos as everywhere, weight 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.exact import across_ranks, cross_entropy
from bench.optim import Optim
from bench.problem import VOID
from bench.rng import uniforms
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from bench.tasks.contract import pooled, upsampled
from methods.parts import strong, weighting
from methods.parts.mixing import classes_in, half, paste, pixels_of
from methods.parts.supervised import losses
from methods.parts.teacher import MODES, follow, predicted, teacher_of
from methods.parts.weighting import by_task

CONSISTENCY = ("semseg", "all")


@dataclass(frozen=True)
class Believed:
    """Images and the labels that are believed of them: semseg B H W, and with `consistency=all` depth and normals."""

    image: Tensor
    labels: Mapping[str, Tensor]
    weight: Tensor  # of the class labels: 0-dim, or B H W


class SelfTraining(Stage):
    """The student `net`, trained; the teacher, an average of it; and the parts of a step."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        lr: float | None = None  # None: the network's
        power: float = 0.9  # of the polynomial decay of the learning rate
        warmup: float = 0.0  # share of the steps over which the learning rate rises
        decay: float = 0.0  # of the weights (AdamW)
        ema: float = 0.99  # the teacher's momentum, at most
        memory: float = 1.0  # share of the steps that the teacher remembers, at most
        threshold: float = 0.968  # of the teacher's confidence
        jitter: float = 0.25  # strength of the mixed images' colour jitter
        weighting: str = "equal"  # of the tasks, each with its source and target terms (parts/weighting.py)
        teacher_mode: str = "batch"  # its BatchNorm on each batch's statistics, as released; "eval": on the stored ones
        consistency: str = "semseg"  # tasks that target images teach; "all": depth and normals as well (ours)

        def check(self, problem):
            if "semseg" not in problem.tasks:
                raise ValueError(f"mixing by class needs the task semseg; there are {' '.join(problem.tasks)}")
            if self.consistency not in CONSISTENCY:
                raise ValueError(f'no consistency "{self.consistency}"; known: {" ".join(CONSISTENCY)}')
            if self.teacher_mode not in MODES:
                raise ValueError(f'no teacher_mode "{self.teacher_mode}"; known: {" ".join(MODES)}')
            weighting.check(self.weighting)

        def batchnorm(self):
            own = {"batch": "those of target batches", "eval": "the stored ones"}[self.teacher_mode]
            return f"batch statistics of source and mixed images in turn; the teacher predicts with {own}"

        def momentum(self, problem):
            """The teacher's largest momentum: its memory is 1 / (1 - momentum) steps."""
            return min(self.ema, 1 - 1 / max(1.0, self.memory * self.steps(problem)))

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = self.build()
        self.teacher = teacher_of(self.net)
        steps = config.steps(problem)
        self.optim = Optim(
            self.net.parameters(),
            steps,
            lr=problem.rate(config.lr),
            kind="adamw",
            decay=config.decay,
            schedule=Schedule(power=config.power, warmup=round(config.warmup * steps)),
        )
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    def build(self):
        """The student; an heir may put its own here."""
        return self.problem.network.build(self.problem, self.problem.tasks)

    @property
    def encoder(self):
        """What the tasks share."""
        return self.net.encoder

    def step(self, t, source, target):
        self.follow(t)
        pseudo = self.pseudo(target.clean)

        def forward():
            terms = self.source_losses(t, source) | self.target_losses(t, source, target, pseudo)
            return terms, by_task(self.weighed(terms), self.problem.tasks)

        terms = self.weighting.learn(t, forward, self.net, self.encoder, self.optim)
        return terms | {"sure": pseudo.weight}

    def source_losses(self, t, source):
        """The terms of the source images."""
        return losses(self.net(source.image), source.labels, self.problem)

    def target_losses(self, t, source, target, pseudo):
        """The terms of what the teacher believes of the target images: those of the mixed images."""
        return self.student_losses(t, "mixed", self.mix(t, source, target, pseudo))

    def student_losses(self, t, what, believed):
        """The terms of one more pass of the student, over images whose labels are believed."""
        return self.believed_losses(what, self.net(believed.image), believed)

    def weighed(self, terms):
        """The terms as they are minimised."""
        return terms

    def follow(self, t):
        """The teacher's update by the student that step t starts with: the student itself at t = 0."""
        follow(self.teacher, self.net, t, self.config.momentum(self.problem))

    @torch.no_grad()
    def pseudo(self, image):
        """What the teacher says of target images."""
        raw, size = predicted(self.teacher, image, self.config.teacher_mode), image.shape[-2:]
        sureness, classes = upsampled(raw["semseg"], size).softmax(1).max(1)
        sure = sureness >= self.config.threshold
        labels = {"semseg": classes}
        if self.config.consistency == "all":
            solid = sure if self.problem.sky is None else sure & (classes != self.problem.sky)
            decoded = {name: task(name).decode(raw[name], size, self.problem) for name in raw if name != "semseg"}
            maps = {name: value if value.ndim == 4 else value.unsqueeze(1) for name, value in decoded.items()}
            labels |= {name: value * solid.unsqueeze(1) for name, value in maps.items()}  # 0: invalid
        return Believed(image, labels, across_ranks(sure.float().mean()))

    def mix(self, t, source, target, pseudo):
        """Half of the classes of each source image over its target image."""
        dealt = uniforms(source.ids, len(self.problem.classes), self.problem.seed, "classes", t)
        there = classes_in(source.labels["semseg"], len(self.problem.classes))
        mask = pixels_of(source.labels["semseg"], half(there, dealt, up=True), void=False)
        return Believed(
            self.strong(t, "mixed", paste(mask, source.image, target.image), target.ids),
            {name: paste(mask, source.labels[name], label) for name, label in pseudo.labels.items()},
            torch.where(mask[:, 0], 1.0, pseudo.weight),
        )

    def strong(self, t, what, image, ids):
        """Colour jitter and blur, each image by numbers of its own."""
        return strong.changed(image, uniforms(ids, strong.DEALT, self.problem.seed, what, t), self.config.jitter)

    def believed_losses(self, what, raw, believed):
        """The terms of a student's outputs for images whose labels are believed, named `what` and the task."""
        terms = {"semseg": weighted_cross_entropy(raw["semseg"], believed.labels["semseg"], believed.weight)}
        others = {name: raw[name] for name in believed.labels if name != "semseg"}
        terms |= losses(others, believed.labels, self.problem)
        return {f"{what}_{name}": term for name, term in terms.items()}

    def predict(self, image):
        return self.net(image)


def weighted_cross_entropy(raw: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """The mean over the labelled pixels of all ranks of weight x cross entropy: it is not divided by the weights."""
    errors, valid = cross_entropy(upsampled(raw, label.shape[-2:]), label, VOID)
    return pooled(errors * weight, valid)
