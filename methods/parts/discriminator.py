"""Patch discriminators that tell the domains of output maps apart, and both sides of their game (Goodfellow, 2014)."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SOURCE, TARGET = 0, 1  # the discriminators' labels


class Discriminator(nn.Sequential):
    """B C H W -> logits B 1 H/32 W/32, above 0 for the target. H and W are 32 or more, as every image's.

    Five convolutions 4x4 of stride 2, LeakyReLU 0.2, no normalisation: w, 2w, 4w, 8w, 1 channels; published: w = 64.
    """

    def __init__(self, channels: int, width: int, spectral: bool = False) -> None:
        widths = (channels, width, 2 * width, 4 * width, 8 * width, 1)
        layers: list[nn.Module] = []
        for a, b in zip(widths, widths[1:], strict=False):
            layer = nn.Conv2d(a, b, 4, 2, 1)
            layers += [spectral_norm(layer) if spectral else layer, nn.LeakyReLU(0.2)]
        super().__init__(*layers[:-1])


def called(logits: Tensor, domain: int) -> Tensor:
    """Binary cross entropy of the logits to one domain, the mean over patches: -ln(1 - D) or -ln D."""
    return F.softplus(-logits.float() if domain == TARGET else logits.float()).mean()


class Discriminators(nn.ModuleDict):
    """One for each view, by name; views are {name: B C H W}."""

    def __init__(self, channels: Mapping[str, int], width: int, spectral: bool = False) -> None:
        super().__init__({view: Discriminator(count, width, spectral) for view, count in channels.items()})

    def fooled(self, on_target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """L_adv of each view: target maps are to be called source."""
        return {view: called(net(on_target[view]), SOURCE) for view, net in self.items()}

    def judged(
        self, on_source: Mapping[str, Tensor], on_target: Mapping[str, Tensor], share: float
    ) -> dict[str, Tensor]:
        """Each discriminator's own loss, `share` of each domain's; no gradient reaches the maps."""
        return {
            view: share
            * (called(net(on_source[view].detach()), SOURCE) + called(net(on_target[view].detach()), TARGET))
            for view, net in self.items()
        }
