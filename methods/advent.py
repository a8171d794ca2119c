"""AdvEnt: adversarial alignment of weighted self-information (Vu, Jain, Bucher, Cord, Perez, "ADVENT", CVPR 2019).

arXiv 1811.12833; code: valeoai/ADVENT. One stage, one network and two discriminators, of the final and of an auxiliary
output (a 1x1 head on the encoder's low features), which see I = -p log2 p / log2 C, a map a class:

    network:  sum_i L_i(x_s) + 0.1 CE(auxiliary, x_s) + 1e-3 BCE(D(I_t), 0) + 2e-4 BCE(D'(I'_t), 0)
    D, D':    1/2 BCE(D(I_s), 0) + 1/2 BCE(D(I_t), 1)

Depth and normals learn from source labels alone (AdvEnt-MT, ours). The number to compare with is the single model's
(43.8 and 40.8 mIoU from GTA5 and SYNTHIA), not its ensemble with MinEnt that later tables call "ADVENT".
Ablation: `method.adv_auxiliary=0 method.auxiliary=0` the final level alone. `method.weighting=pcgrad` and its like
(parts/weighting.py): a rule for the tasks, both L_adv with segmentation, D and D' apart.

Differs: the suite's Adam and network rate with poly 0.9 to the end (the release: SGD 2.5e-4, poly over 250k steps,
stopped at 120k, SYNTHIA 90k); discriminators by Adam at 0.4 of the network's rate, which is their 1e-4 beside 2.5e-4,
with auxiliary_width, not 64, first channels; BatchNorm on batch statistics, theirs mostly frozen; a linear head.
"""

from __future__ import annotations

from methods.parts.aligned import MultiLevel
from methods.parts.information import self_information


class Method(MultiLevel):
    def shown(self, raw):
        return self_information(raw)
