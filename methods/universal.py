"""Universal Representations (URL): one network distilled from a frozen network a task (Li, Liu, Bilen, IJCV 2023).

"Universal Representations: A Unified Look at Multiple Task and Domain Learning", arXiv 2204.02744; its ancestor is
"Knowledge Distillation for Multi-task Learning", arXiv 2007.06889. Supervised on the source: no target image is read.

1. one stage a task: a network of its own from the source labels, the ones of single_task (parts/supervised.py).
2. shared (this stage): L = sum_k L_k + sum_k l_k D_f(A_k(f), f_k*), l = 1, 1, 2 for classes, depth, normals. D_f is the
   squared distance of maps normalised over channels, on two levels; the adapters A_k are 1x1 convolutions with an
   optimiser of their own, and no part of what predicts. Each stage has the full budget, as in the paper (200 epochs).

Ablations, as
    python -m bench.run --multirun method=universal split=nyud13 seed=0,1,2 method.distil=1,0
and likewise `method.align=level` each level with the teacher's own instead of its last map; `method.df=cka`;
`method.dp=kl` outputs too; `method.anneal=0.8` the distances fade (as in the authors' multi-domain setting);
`method.weighting=uncertainty` homoscedastic weights on the task losses; `method.distil=0` plain multi-task learning.

Differs: teachers on stored statistics (the authors' are never put in evaluation mode). The last step counts, no
selection on test data. The two levels are the encoder's low and high part. Learning rates decay as source_only's
(theirs: halved once), so that a row differs by the distillation alone. The adapters' rate is the authors' 1e-2.

The multi-domain form, a network a source domain, is universal_domains.
"""

from __future__ import annotations

from dataclasses import dataclass

from methods.parts.distil import FromTasks, passed
from methods.parts.supervised import losses


class Method(FromTasks):
    @dataclass(kw_only=True)
    class Config(FromTasks.Config):
        reads = ("source",)

    def step(self, t, source, target):
        again = self.weighting.again(lambda: losses(self.net(source.image), source.labels, self.problem), self.net)
        levels, raw = passed(self.net, source.image)
        terms = losses({name: raw[name] for name in raw if name in source.labels}, source.labels, self.problem)
        strength = self.strength(t)
        if not strength:
            self.learn(t, terms, None, again)
            return terms
        taught = self.teachers(source.image)
        features, outputs = self.features(levels, taught), self.outputs(raw, taught)
        self.learn(t, terms, strength * (self.weighed(features) + self.weighed(outputs)), again)
        named = {f"{name}_features": d for name, d in features.items()}
        return terms | named | {f"{name}_outputs": d for name, d in outputs.items()}
