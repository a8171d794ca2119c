"""DAFormer: DACS with rare-class sampling, feature distance and warm-up (Hoyer, Dai, Van Gool, CVPR 2022).

"DAFormer: Improving Network Architectures and Training Strategies for Domain-Adaptive Semantic Segmentation",
arXiv 2111.14887. One stage, the three training strategies on any network of the suite (the architecture, MiT-B5 with a
context-aware head, is none of them):

- rare classes of the source are drawn more often (bench/data/sampling.py), T = 0.01: `method.temperature=0` for none;
- features of thing classes on source images are held to those of the frozen ImageNet encoder, weight 0.005
  (parts/anchored.py): `method.distance=0` for none. **Off with an encoder that has no pretrained weights**
  (network=small): there is nothing to hold to. Its log then has no scalar `distance`;
- the learning rate rises for 3.75 % of the steps, then falls linearly: `method.warmup=0`.

Depth and normals: source supervision only, or `method.consistency=all`; DAFormer-MT (ours). The student is evaluated.

Differs: one rate for encoder and decoders (the paper: ten times for the decoders, whose encoder is pretrained); decay
touches norms too; a class is shown by 0.15 % of an image's pixels (3,000 of GTA's), a view needs half of that; no rows
of the target are ignored: margins are a property of a data set, which splits cannot yet say; the share of a crop's
largest class is not bounded, for augmentation is the split's; the distance is that of the map an encoder ends with
(MiT: all four levels; the authors': the last); ema 0.999, but the teacher remembers at most 2.5 % of the steps
(`method.memory`), what 0.999 is of the paper's 40,000: a short run would average its own beginning. Else as dacs; the
authors' "jitter p 0.2" is the chance of none.
"""

from methods.parts.anchored import Anchored as Method

__all__ = ["Method"]
