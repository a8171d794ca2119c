"""DADA: classes aligned together with depth, which the source's labels teach (Vu et al., ICCV 2019).

Vu, Jain, Bucher, Cord, Perez: "DADA: Depth-Aware Domain Adaptation in Semantic Segmentation", arXiv 1904.01886; code:
valeoai/DADA. One stage, one discriminator; it needs depth labels on the source.

    network:  CE(x_s) + 1e-3 berHu(inverse depth, x_s) + 1e-3 BCE(D(I_t * depth_t), 0)
    D:        BCE(D(I_s * depth_s), 0) + BCE(D(I_t * depth_t), 1)

I is the self-information of advent, depth the inverse depth. A depth branch is the mean of a code that also weighs the
features before the classes are read (parts/depth_aware.py). The authors never scored the depth; here it is, in metres.
A normals head learns from source labels (DADA-MT, ours). Ablations: `method.adversarial=0`, `method.depth=0`.
`method.weighting=pcgrad` and its like weigh the tasks (parts/weighting.py), L_adv with segmentation, which it is for;
what combines gradients does so in the encoder and the depth branch. Depth's term of 1e-3 is weighed as it is.

Differs: the mean of the code is the suite's raw depth, and inverse depth follows from it: scores need no inversion, and
what D sees is bounded: it is divided by its largest value, at the nearest depth of the split; berHu turns at 0.2 of
each image's, not the batch's, largest error; the branch has BatchNorm; 8 channels at least.
Differs: the suite's Adam and network rate with poly 0.9 to the end (SGD 2.5e-4, 90k of a schedule of 250k), D at 0.4 of
it; BatchNorm on batch statistics.
"""

from __future__ import annotations

from methods.parts.depth_aware import DepthAligned, DepthAware
from methods.parts.information import self_information
from methods.parts.inverse_depth import depth_of, inverse


class Method(DepthAligned):
    def start(self, given):
        return DepthAware(self.problem), self.judges({"joint": len(self.problem.classes)})

    def views(self, outputs):
        near, _ = self.problem.depth_range
        nearness = inverse(depth_of(outputs["depth"], (self.problem.height, self.problem.width), self.problem))
        relative = nearness * (near + 0.01) / 655.36  # 1 at the nearest
        return {"joint": self_information(self.large(outputs["semseg"])) * relative}
