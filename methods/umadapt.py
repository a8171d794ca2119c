"""UM-Adapt, adversarial: cross-task transfer networks as critic (Kundu, Lakkakula, Babu, ICCV 2019).

"UM-Adapt: Unsupervised Multi-Task Adaptation Using Adversarial Cross-Task Distillation", arXiv 1908.03884. The authors
released no code; what the abstract leaves open is our choice and said so where it stands.

1. base (parts/transfer.py): encoder, a decoder a task, transfer nets H_i that predict each task from the others.
2. contour (parts/contour.py): a decoder that reads the image's contours off the frozen features.
3. statistics (parts/target_statistics.py): the base's BatchNorm statistics on the target, one pass.
4. adapt (parts/adversary.py, the last stage): on source the two predictions of each task agree; the critic lowers that
   disagreement on source and raises it on target up to a margin, the encoder lowers it on target.

Ablations: without the contour term; without source supervision (as published); the BatchNorm policies:
    python -m bench.run --multirun method=umadapt split=minicity seed=0,1,2 method.lam=10,0
    python -m bench.run --multirun method=umadapt split=minicity seed=0,1,2 method.anchor=3,0
    python -m bench.run --multirun method=umadapt split=minicity seed=0 method.statistics=target,source,'target batch'
Needs two tasks or more labelled on the source.
`method.base.weighting=pcgrad` and its like weigh the base's tasks (parts/weighting.py), each with its direct and its
transferred loss; `method.weighting=pcgrad` those of the encoder in 4, each with its energy and its anchor, not H's.

Differs: hinge with a running margin, H trained in every step, at five times the encoder's rate: a critic that lags
lets the energy fall at the price of the thin classes (docs/results/umadapt_development.md); source passes use the
frozen M_s; HED -> Sobel contours; BatchNorm statistics of M_t are the target's own by default, where a paper of 2019
would have used whatever was stored; a source anchor holds the features to what the frozen decoders read (its weight,
the rates and the share were chosen on minicity_dev, which never ranks; alpha by source validation).
"""

from methods.parts.adversary import Adversarial as Method

__all__ = ["Method"]
