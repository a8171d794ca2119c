"""URL-UDA (ours): Universal Representations distilled on source and target images, from networks adapted one by one.

The distillation is Li, Liu, Bilen's (IJCV 2023, see universal); that it adapts, for it needs no label, is ours.

1. one stage a task: a network of its own from the source labels, the ones of single_task.
2. one stage a task: that network adapted by a mean teacher (parts/consistent.py); not with `method.teachers=source`.
   The same for every task, where segmentation could have dacs: what differs between tasks is then the task.
3. shared (this stage): sum_k L_k on source + sum_k l_k (D_f on source + D_f on target) + sum_k D_p on target.
   l = 1, 1, 2. D_p: KL to the teacher's classes (T = 1), L1 of ln depth and 1 - cos to its depth and normals, not where
   the network sees the sky. For a weighting rule, L_k and D_p of a task count as one task.

Differs from universal: BatchNorm, of teachers and network, is on the statistics of each batch, which is of one domain
(there, teachers are on what they stored); the network stores those of the target alone, for there it predicts.

Ablations: networks that never saw the target; features only; distillation on source alone; and those of universal:
    python -m bench.run --multirun method=universal_uda split=minicity seed=0,1,2 method.teachers=adapted,source
    python -m bench.run --multirun method=universal_uda split=minicity seed=0,1,2 method.dp=kl,none
    python -m bench.run --multirun method=universal_uda split=minicity seed=0,1,2 method.target_weight=1,0
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace

from bench.nets.norm import batch_statistics
from methods.parts.consistent import Consistent
from methods.parts.distil import FromTasks, passed
from methods.parts.supervised import losses
from methods.parts.weighting import per_task

TEACHERS = ("adapted", "source")


class Method(FromTasks):
    @dataclass(kw_only=True)
    class Config(FromTasks.Config):
        adapted: Consistent.Config = field(default_factory=Consistent.Config)
        teachers: str = "adapted"
        target_weight: float = 1.0
        dp: str = "kl"
        temperature: float = 1.0

        def needs(self, problem):
            if self.teachers == "source":
                return super().needs(problem)
            return {name: replace(self.adapted, task=name, base=self.single) for name in problem.tasks}

        def check(self, problem):
            super().check(problem)
            if self.teachers not in TEACHERS:
                raise ValueError(f'no teachers "{self.teachers}"; known: {" ".join(TEACHERS)}')

        @property
        def adapts(self):
            return bool(self.target_weight and self.distil)

        def batchnorm(self):
            return "batch statistics of either domain; stored are the target's" if self.adapts else super().batchnorm()

    def step(self, t, source, target):
        strength = self.strength(t)
        on_target = strength * self.config.target_weight
        adapts = self.config.adapts  # without a target it is universal, to the bit
        ask = self.by_batch if adapts else self.teachers
        taught = ask(target.image) if on_target else {}

        def both():
            """The passes, the supervised losses and D_p of the target."""
            with batch_statistics(self.net) if adapts else nullcontext():
                of_source = passed(self.net, source.image)
            of_target = passed(self.net, target.image) if adapts else None  # for its statistics where all has faded
            outputs = self.outputs(of_target[1], taught) if taught else {}
            return of_source, of_target, losses(of_source[1], source.labels, self.problem), outputs

        def joined(supervised, outputs):
            return per_task(supervised, {name: on_target * distance for name, distance in outputs.items()})

        again = self.weighting.again(lambda: joined(*both()[2:]), self.net)
        (levels, _), of_target, supervised, outputs = both()
        features, distance = {}, None
        if strength:
            on_source = self.features(levels, ask(source.image))
            features, distance = {f"{n}_features": d for n, d in on_source.items()}, strength * self.weighed(on_source)
        if taught:
            shifted = self.features(of_target[0], taught)
            features |= {f"{n}_target_features": d for n, d in shifted.items()}
            distance = distance + on_target * self.weighed(shifted)
        self.learn(t, joined(supervised, outputs), distance, again)
        return supervised | features | {f"{name}_target": d for name, d in outputs.items()}

    def by_batch(self, image):
        with batch_statistics(self.teachers):
            return self.teachers(image)
