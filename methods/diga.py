"""DiGA: distil to generalise, then adapt by labels that two classifiers agree on (Shen, Gurram et al., CVPR 2023).

Shen, Gurram, Liu, Wang, Knoll: "DiGA: Distil to Generalize and then Adapt for Domain Adaptive Semantic Segmentation",
arXiv 2304.02222; code: fy-vision/DiGA at 6a3ab72.

0. translator (parts/translator.py): source images in target style.
1. warm-up (parts/cross_view.py): a student and its mean teacher exchange soft labels between a source image and its
   CrDoMix view, part strongly augmented, part translated. No target label, no adversary.
2. labels and centroids (parts/consensus.py): two passes over the target's training images.
3. first round of self-training (parts/rounds.py): the warm-up's losses go on; source classes are pasted on target
   images, labelled where the offline label and the nearest centroid's class agree.
4. second round (the last stage): labels of the first round's student, the same first centroids.

Settings: `method.source=gta` (default) or `synthia` sets l_d, r, the warm-up's length, colours, and the translator's
reconstruction weight. Domain generalisation: `method.target=none`: the warm-up alone, second view the strongly
augmented source; no stage reads a target pixel. `method.rounds=0,1,2`: the warm-up, the first, the second round.
`method.ce_norm=valid`: CE over the valid pixels; `all`, as released, weighs by how much of the target is labelled.
The release's own ways: `method.target_bn=true`, `method.teacher_mode=train`.

Ablations: the second view translated throughout, without CrDoMix; all offline labels, without consensus; the second
view strongly augmented throughout, without a translator; each round's gain; and l_d = 0, `method.warmup_distil=0
method.distil=0` (the second view still passes through the student's BatchNorm, so it may fall below source_only):
    python -m bench.run --multirun method=diga split=minicity seed=0,1,2 method.mix=true,false
    python -m bench.run --multirun method=diga split=minicity seed=0,1,2 method.consensus=true,false
    python -m bench.run --multirun method=diga split=minicity seed=0,1,2 method.rounds=0,1,2
    python -m bench.run --multirun method=diga split=minicity seed=0,1,2 method.translator=null

Lengths stand as in the paper, 50k : 80k : 80k : 80k steps are 0.4 : 0.65 : 0.65 : 0.65 of the budget.

Differs: the segmenter is the split's network, with its own decoder for a head, at its own optimiser and rate (Adam, one
rate for encoder and decoders; the release: SGD 2.5e-4, head times 10, ProDA's head); BatchNorm's affine parameters
are frozen where the network starts from published weights; tasks beside segmentation learn from source labels alone.
Differs: the warm-up passes no target image through the student, the release does (target_bn=true); the teacher is
on each batch's statistics, as released, but without dropout and with the student's buffers (teacher_mode=train; eval:
on those buffers, chosen against on minicity_overcast, docs/results/diga.md); the last step is scored, not the best.
Differs: colours are changed in [0, 1], not in [-1, 1]; crops and flips are the split's, without the sampling filter.
Differs: void is not one of the classes that are halved; L_skd is taken at the network's output size; no OHEM for
SYNTHIA; scores are single-scale, offline labels two-scale. parts/translator.py and parts/consensus.py list theirs.
"""

from methods.parts.rounds import Rounds as Method

__all__ = ["Method"]
