"""DiGA's self-training, round after round: stages 3 and 4, and the chain of stages before them.

Shen et al., "DiGA: Distil to Generalize and then Adapt", CVPR 2023. The differences are listed in methods/diga.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch

from bench.problem import VOID
from bench.tasks import task
from methods.parts.consensus import Centroids, OfflineLabels, agreed, bank_for, trusted
from methods.parts.cross_view import CrossView, WarmUp
from methods.parts.mixing import paste
from methods.parts.translator import Translation


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the release sets by the source domain."""

    warmup_share: float
    warmup_distil: float  # l_d of the warm-up; 0.25 for both in self-training
    back: float  # r
    jitter: float  # probabilities in the warm-up
    grey: float
    reconstruction: float  # the translator's


SOURCES = {
    "gta": Source(warmup_share=0.65, warmup_distil=0.5, back=0.5, jitter=0.5, grey=0.3, reconstruction=0.001),
    "synthia": Source(warmup_share=0.5, warmup_distil=0.25, back=0.25, jitter=0.7, grey=0.1, reconstruction=0.025),
}
TARGETS = ("unlabelled", "none")
SAME = ("tasks", "mix", "ce_norm", "cap", "teacher_mode", "freeze_affine", "lr", "power", "weighting", "batch")


class Rounds(CrossView):
    """A round: L = CE(p(x_s), y_s) + CE(p(x_m), y_m) + l_d L_skd, teacher and schedule started anew.

    x_m = M x_s + (1 - M) x~_t, with M a new half of the source's classes; outside M, y_m is the offline label y_p
    where the nearest centroid's class y_f is the same, 255 elsewhere. Without rounds, or without a target, the warm-up
    is the result, and this stage takes no step.
    """

    @dataclass(kw_only=True)
    class Config(CrossView.Config):
        attach = ("labels",)
        source: str = "gta"  # or "synthia": what None means below, and for `back`
        target: str = "unlabelled"  # or "none": domain generalisation, no target pixel is read by any stage
        rounds: int = 2  # of self-training
        share: float = 0.65  # of each
        distil: float = 0.25
        strength: float = 0.3
        consensus: bool = True  # without: every offline label is believed
        momentum: float = 1e-4  # of the centroids
        least: int = 5  # pixels that a class needs in an image to move its centroid
        translator: Translation.Config | None = field(default_factory=Translation.Config)  # null: the second view is x~
        warmup_share: float | None = None
        warmup_distil: float | None = None
        warmup_strength: float = 0.4
        target_bn: bool = False  # target images pass through the warm-up's BatchNorm, as in the release

        @property
        def r(self):
            return SOURCES[self.source].back if self.back is None else self.back

        @property
        def adapts(self):
            return self.target != "none" and self.rounds > 0

        @property
        def reads(self):
            return ("source", "target") if self.adapts else ()

        def steps(self, problem):
            return super().steps(problem) if self.adapts else 0

        def needs(self, problem):
            warmup = self.warmup()
            if not self.adapts:
                return {"before": warmup}
            before = replace(self, rounds=self.rounds - 1) if self.rounds > 1 else warmup
            needs = {
                "before": before,
                "labels": OfflineLabels.Config(before=before),
                "centroids": Centroids.Config(before=warmup, least=self.least),
            }
            return needs | ({} if warmup.translator is None else {"translator": warmup.translator})

        def warmup(self):
            by = SOURCES[self.source]
            generalise = self.target == "none"
            translator = None if generalise else self.translator
            if translator is not None and translator.reconstruction is None:
                translator = replace(translator, reconstruction=by.reconstruction)
            return WarmUp.Config(
                **{name: getattr(self, name) for name in SAME},
                back=self.r,
                share=by.warmup_share if self.warmup_share is None else self.warmup_share,
                distil=by.warmup_distil if self.warmup_distil is None else self.warmup_distil,
                strength=self.warmup_strength,
                jitter=by.jitter,
                grey=by.grey,
                sharpness=0.0 if generalise else 0.3,  # the generalisation script has none
                target_bn=self.target_bn,
                translator=translator,
            )

        def check(self, problem):
            super().check(problem)
            for value, known in ((self.source, tuple(SOURCES)), (self.target, TARGETS)):
                if value not in known:
                    raise ValueError(f'DiGA knows no "{value}" here; known: {" ".join(known)}')
            if self.target == "none" and self.target_bn:
                raise ValueError("target_bn reads target images, target=none reads none: choose one")

        def batchnorm(self):
            leak = ", and of target images in the warm-up" if self.target_bn else ""
            if not self.adapts:
                return f"batch statistics of the source and its second view{leak}"
            return f"batch statistics of the source, its second view, and source pasted on target{leak}"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given, given["before"].build().net)
        self.bank = bank_for(self.net, problem)
        if "centroids" in given:
            self.bank = given["centroids"].build().bank

    def step(self, t, source, target):
        when = (self.config.rounds, t)  # every round has the stream of the one before: it is at least mixed otherwise
        self.follow(t)
        views = torch.cat([source.image, self.second_view(when, source)])
        features, teacher = self.ask_teacher(views)
        target_features, target_raw = self.ask_teacher(target.clean)
        pseudo = self.pseudo_labels(target_features, target_raw, target)
        mixed, labels = self.pasted(when, source, target, pseudo)

        def forward():
            thirds = {name: raw.chunk(3) for name, raw in self.net(torch.cat([views, mixed])).items()}
            on_source = self.supervised({name: x_s for name, (x_s, _, _) in thirds.items()}, source.labels)
            on_target = self.supervised({name: thirds[name][2] for name in labels}, labels)
            views_alone = {name: torch.cat(raw[:2]) for name, raw in thirds.items()}
            return on_source, on_target, self.distillation(teacher, views_alone)

        terms = self.learn(t, forward)
        self.move_centroids(target_features, target_raw, pseudo["semseg"])
        x_mix = {"semseg": teacher["semseg"].chunk(2)[1]}
        self.move_centroids(features.chunk(2)[1], x_mix, source.labels["semseg"])
        kept = (pseudo["semseg"] != VOID).float().mean()
        return terms | {"kept": kept}

    @torch.no_grad()
    def pseudo_labels(self, features, raw, target):
        """The consensus y_t of the un-augmented target; what other tasks adapt to is the teacher's, where it holds."""
        size = target.image.shape[-2:]
        offline = target.attached["labels.semseg"].long()
        y_t = agreed(offline, self.bank.nearest(features, size)) if self.config.consensus else offline
        solid = y_t != VOID
        if self.problem.sky is not None:
            solid = solid & (y_t != self.problem.sky)  # where depth and normals exist
        solid = solid.unsqueeze(1)
        labels = {"semseg": y_t}
        for name in self.distilled:
            if name != "semseg":
                value = task(name).decode(raw[name], size, self.problem)
                labels[name] = torch.where(solid, value if value.ndim == 4 else value.unsqueeze(1), 0.0)
        return labels

    @torch.no_grad()
    def pasted(self, when, source, target, pseudo):
        """x_m and its labels."""
        mask = self.some_classes(source, "paste", when)
        image = paste(mask, source.image, self.augmented(target.image, target.ids, "target", when))
        return image, {name: paste(mask, source.labels[name], label) for name, label in pseudo.items()}

    def move_centroids(self, features, raw, labels):
        sure = trusted(labels, raw["semseg"], features.shape[-2:])
        self.bank.move(features, sure, self.config.least, self.config.momentum)
