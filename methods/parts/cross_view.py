"""Symmetric distillation across two views of a source image: DiGA's warm-up, and the half of its self-training.

Shen et al., "DiGA", CVPR 2023. Student g and mean teacher g' both see x_s and a second view x_mix of it (CrDoMix: the
strongly augmented image on half of the classes, the translated image elsewhere); each view is taught by the other:
 L_skd = H(p'(x_s), p(x_mix)) + r H(p'(x_mix), p(x_s)), soft labels, temperature 1, every pixel.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch

from bench.exact import cross_entropy
from bench.nets.norm import batch_statistics, batchnorms, stored_statistics
from bench.optim import Optim
from bench.problem import VOID
from bench.rng import uniforms
from bench.schedule import Schedule
from bench.stage import Stage
from bench.tasks import task
from bench.tasks.contract import pooled, upsampled
from methods.parts import strong, weighting
from methods.parts.consensus import features_and_outputs
from methods.parts.distances import REGRESSIONS
from methods.parts.mixing import classes_in, half, paste, pixels_of
from methods.parts.teacher import follow, momentum, teacher_of
from methods.parts.translator import Translation
from methods.parts.weighting import per_task


def taught(name, teacher, student, problem):
    """How far a student's raw output is from the teacher's, every pixel: H(p', p), |ln d' - ln d|, or 1 - cos."""
    teacher = task(name).canonical(teacher.detach(), problem)
    if name == "semseg":
        return -(teacher * student.float().log_softmax(1)).sum(1).mean()
    return REGRESSIONS[name](teacher, task(name).canonical(student, problem), problem).mean()


def symmetric(name, teacher, student, r, problem):
    """L_skd of one task; both are (raw of x_s, raw of x_mix). Views teach each other, never themselves."""
    (teacher_s, teacher_mix), (student_s, student_mix) = teacher, student
    return taught(name, teacher_s, student_mix, problem) + r * taught(name, teacher_mix, student_s, problem)


def class_loss(raw, label, ce_norm):
    """CE summed over the valid pixels, by the number of all pixels (as released) or of the valid ones."""
    losses, valid = cross_entropy(upsampled(raw, label.shape[-2:]), label, VOID)
    return pooled(losses, valid if ce_norm == "valid" else torch.ones_like(valid))


def strengthened(image, dealt, config):
    """x~ = b A(x) + (1 - b) x, with A by the image's own numbers (B 9): colour, grey, a 3x3 blur, sharpness."""
    ones = torch.ones(len(image), device=image.device)
    x = strong.where(dealt[:, 0] < config.jitter, strong.jitter(image, dealt[:, 1:5], (0.4, 0.4, 0.2, 0.1)), image)
    x = strong.where(dealt[:, 5] < config.grey, strong.grey(x), x)
    x = strong.where(dealt[:, 6] < 0.8, strong.blur(x, 2 * ones, 1), x)
    x = strong.where(dealt[:, 7] < config.sharpness, strong.sharpness(x, 0.5 * dealt[:, 8]), x)
    return config.strength * x + (1 - config.strength) * image


def named(terms, what):
    return {f"{name}_{what}": loss for name, loss in terms.items()}


class CrossView(Stage):
    """A student, its mean teacher and the two views of a source image: what warm-up and self-training share."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        tasks: tuple[str, ...] | None = ("semseg",)  # that are distilled; the split's others learn from labels alone
        distil: float = 0.5  # l_d, the weight of L_skd
        back: float | None = None  # r; None: what `r` says
        mix: bool = True  # CrDoMix; without it the second view is the translated image alone
        strength: float = 0.4  # b
        jitter: float = 0.5  # probabilities of A's parts
        grey: float = 0.3
        sharpness: float = 0.3
        ce_norm: str = "all"  # CE is divided by the number of "all" pixels, or of the "valid" ones
        cap: float = 0.999  # of the teacher's momentum
        teacher_mode: str = "batch"  # BatchNorm on each batch; "train": and tracked; "eval": on what is stored
        freeze_affine: bool | None = None  # of the encoder's BatchNorm; None: where the network has published weights
        lr: float | None = None  # None: the network's
        power: float = 0.9
        weighting: str = "equal"  # of the tasks, each with all its terms (parts/weighting.py)

        @property
        def r(self):
            return 0.5 if self.back is None else self.back

        def check(self, problem):
            for value, known in ((self.ce_norm, ("all", "valid")), (self.teacher_mode, ("batch", "train", "eval"))):
                if value not in known:
                    raise ValueError(f'DiGA knows no "{value}" here; known: {" ".join(known)}')
            if "semseg" not in problem.tasks:
                raise ValueError(f"DiGA adapts segmentation, which the source must label; got {problem.tasks}")
            weighting.check(self.weighting)

    def __init__(self, config, problem, given, net):
        super().__init__(config, problem, given)
        self.net = net
        self.teacher = teacher_of(net)
        freeze = config.freeze_affine
        if freeze or (freeze is None and problem.network.weights_used() != "none"):
            for norm in batchnorms(net.encoder):
                norm.requires_grad_(False)
        self.translator = given["translator"].build().to_target if "translator" in given else None
        if self.translator is not None:
            self.translator.requires_grad_(False)
        self.optim = Optim(
            net.parameters(),
            config.steps(problem),
            lr=problem.rate(config.lr),
            schedule=Schedule(power=config.power),
        )
        self.weighting = weighting.make(config.weighting, problem.tasks, self.optim, problem.seed)

    @property
    def distilled(self):
        """The tasks that adapt."""
        chosen = self.problem.tasks if self.config.tasks is None else self.config.tasks
        return [name for name in self.problem.tasks if name in chosen]

    def augmented(self, image, ids, domain, when):
        """x~ of either domain."""
        return strengthened(image, uniforms(ids, 9, self.problem.seed, "strong", domain, when), self.config)

    def some_classes(self, source, what, when):
        """M: half of the classes of each source image, rounded down, and its void pixels."""
        num_classes, labels = len(self.problem.classes), source.labels["semseg"]
        dealt = uniforms(source.ids, num_classes, self.problem.seed, what, when)
        return pixels_of(labels, half(classes_in(labels, num_classes), dealt, up=False), void=True)

    @torch.no_grad()
    def second_view(self, when, source):
        """x_mix = M x~_s + (1 - M) x_st; without a translator x~_s."""
        strong_view = self.augmented(source.image, source.ids, "source", when)
        if self.translator is None:
            return strong_view
        translated = self.translator(source.image)
        if not self.config.mix:
            return translated
        return paste(self.some_classes(source, "crdomix", when), strong_view, translated)

    @torch.no_grad()
    def follow(self, t):
        """The teacher's update, before the student's step."""
        if self.config.teacher_mode != "train":
            follow(self.teacher, self.net, t, self.config.cap)
        else:
            for mine, theirs in zip(self.teacher.parameters(), self.net.parameters(), strict=True):
                mine.lerp_(theirs, 1 - momentum(t, self.config.cap))

    @torch.no_grad()
    def ask_teacher(self, image):
        """The teacher's features and raw outputs."""
        mode = self.config.teacher_mode
        with stored_statistics(self.teacher) if mode != "train" else nullcontext():
            with batch_statistics(self.teacher) if mode == "batch" else nullcontext():
                return features_and_outputs(self.teacher, image)

    def supervised(self, raw, labels):
        """Each task's loss on hard labels."""
        return {
            name: class_loss(output, labels[name], self.config.ce_norm)
            if name == "semseg"
            else task(name).loss(output, labels[name], self.problem)
            for name, output in raw.items()
        }

    def distillation(self, teacher, student):
        """L_skd of each task that adapts; both are raw outputs of [x_s, x_mix]."""
        both = {name: (teacher[name].chunk(2), student[name].chunk(2)) for name in self.distilled}
        return {name: symmetric(name, *pairs, self.config.r, self.problem) for name, pairs in both.items()}

    def learn(self, t, forward):
        """One update from forward() -> ({task: loss} on source, on target, distilled); what is logged of them."""

        def weighed():
            on_source, on_target, distilled = forward()
            logged = on_source | named(on_target, "adapted") | named(distilled, "distilled")
            return logged, per_task(on_source, on_target, {n: self.config.distil * d for n, d in distilled.items()})

        return self.weighting.learn(t, weighed, self.net, self.net.encoder, self.optim)

    def predict(self, image):
        return self.net(image)


class WarmUp(CrossView):
    """Stage 1: L = CE(p(x_s), y_s) + l_d L_skd, from scratch. Reads the source alone (Differs: the release also passes
    target images through the training student, whose BatchNorm statistics they enter: `target_bn`)."""

    @dataclass(kw_only=True)
    class Config(CrossView.Config):
        share: float = 0.65
        target_bn: bool = False  # the release's leak, after every step
        translator: Translation.Config | None = None  # None: the second view is x~_s

        @property
        def reads(self):
            return ("source", "target") if self.target_bn else ("source",)

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given, problem.network.build(problem, problem.tasks))

    def step(self, t, source, target):
        views = torch.cat([source.image, self.second_view(t, source)])
        self.follow(t)
        _, teacher = self.ask_teacher(views)

        def forward():
            student = self.net(views)
            on_source = self.supervised({name: raw.chunk(2)[0] for name, raw in student.items()}, source.labels)
            return on_source, {}, self.distillation(teacher, student)

        terms = self.learn(t, forward)
        if self.config.target_bn:
            with torch.no_grad():
                self.net(target.image)
        return terms
