"""How unsure a map of classes is: weighted self-information of each pixel and class, and its sum, entropy."""

from __future__ import annotations

import math

from torch import Tensor


def self_information(raw: Tensor) -> Tensor:
    """I = -p log2 p / log2 C of raw scores B C h w (Vu et al., "ADVENT", CVPR 2019): what a discriminator is shown."""
    log = raw.float().log_softmax(1)
    return -log.exp() * log / math.log(raw.shape[1])


def entropy(raw: Tensor) -> Tensor:
    """The mean over the pixels of sum_c I: 0 where all are certain, 1 where all classes are as likely."""
    return self_information(raw).sum(1).mean()
