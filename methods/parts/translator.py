"""Image translation between the domains without style codes, its edges held by the label map: DiGA's stage 0.

Shen et al., "DiGA", CVPR 2023: two encoders, two decoders and two three-scale critics; only `to_target`, the source's
encoder and the decoder that paints target style, is used afterwards.

Differs: images are RGB in [0, 1] outside and [-1, 1] inside, not BGR with subtracted means; no VGG-19 perceptual term
(weight 0.1), since its weights cannot be shipped; layers start at the network's auxiliary width, not at 64; the base
rate is the network's, not 1e-4; critics have as many of the three scales as leave 16 pixels a side, zero padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.exact import replicate_pad
from bench.nets.norm import upsample
from bench.optim import Optim
from bench.schedule import Schedule
from bench.stage import Stage


class Reflect(nn.Module):
    """Reflection padding by indexing: torch's has no deterministic backward on CUDA."""

    def __init__(self, by: int) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (_mirrored(n, self.by, x.device) for n in x.shape[-2:])
        return x[..., rows, :][..., columns]


def _mirrored(n: int, by: int, device: torch.device) -> Tensor:
    """-by .. n + by - 1, folded back at 0 and at n - 1."""
    index = torch.arange(-by, n + by, device=device).abs() % max(1, 2 * (n - 1))
    return torch.minimum(index, 2 * (n - 1) - index)


class Double(nn.Module):
    """Nearest x2."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    pad = (kernel - 1) // 2
    return nn.Sequential(
        Reflect(pad), nn.Conv2d(inputs, outputs, kernel, stride), nn.InstanceNorm2d(outputs), nn.ReLU()
    )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width, 3), Reflect(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Translator(nn.Module):
    """B 3 H W in [0, 1] -> the same in the other domain's style; H and W are multiples of 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w2, w4 = 2 * width, 4 * width
        self.encoder = nn.Sequential(
            _conv(3, width, 7), _conv(width, w2, 4, 2), _conv(w2, w4, 4, 2), *(Residual(w4) for _ in range(4))
        )
        self.decoder = nn.Sequential(
            *(Residual(w4) for _ in range(4)),
            Double(), _conv(w4, w2, 5), Double(), _conv(w2, width, 5),
            Reflect(3), nn.Conv2d(width, 3, 7), nn.Tanh(),
        )  # fmt: skip

    def forward(self, image: Tensor) -> Tensor:
        return (self.decoder(self.encoder(2 * image - 1)).float() + 1) / 2


class Critic(nn.Module):
    """Four stride-2 convolutions and a 1x1 at each scale: real is 1, translated is 0 (least squares)."""

    def __init__(self, width: int, scales: int) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 8 * width)
        self.scales = nn.ModuleList(
            nn.Sequential(
                *(layer for a, b in zip(widths, widths[1:], strict=False)
                  for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2))),
                nn.Conv2d(widths[-1], 1, 1),
            )
            for _ in range(scales)
        )  # fmt: skip

    def squares(self, image: Tensor, truth: float) -> Tensor:
        """E[(D(image) - truth)^2], summed over the scales."""
        total = image.new_zeros(())
        for net in self.scales:
            total = total + (net(image).float() - truth).square().mean()
            image = upsample(image, (image.shape[-2] // 2, image.shape[-1] // 2))  # at x 1/2 the mean of 2x2 pixels
        return total


def edges(labels: Tensor) -> Tensor:
    """E: B H W -> B 1 H W, 1 where the 5x5 Laplacian of the label map exceeds 0.1 (its weights sum to 1 absolutely)."""
    maps = labels.float().unsqueeze(1)
    around = F.conv2d(replicate_pad(maps, 2, 2, 2, 2), maps.new_ones(1, 1, 5, 5))
    return ((around - 25 * maps).abs() / 48 > 0.1).float()


class Translation(Stage):
    """Stage 0: 0.5 LSGAN + 10 cycle + 20 segment edges + self-reconstruction, Adam (0.5, 0.999)."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        share: float = 0.4
        batch: int | None = 2  # the release: 1 and 1; two, so that two ranks can share them
        adversarial: float = 0.5
        cycle: float = 10.0
        edge: float = 20.0
        reconstruction: float | None = None  # None: the source's, 0.001 for GTA5 (here too), 0.025 for SYNTHIA
        width: int | None = None  # of the first layers; None: the network's auxiliary width
        lr: float | None = None  # None: the network's
        power: float = 0.9

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        width = config.width or problem.network.auxiliary_width
        side = min(problem.height, problem.width)
        scales = max(1, sum(side >> k >= 16 for k in range(3)))
        self.to_target, self.to_source = Translator(width), Translator(width)  # enc_s + dec_s2t, enc_t + dec_t2s
        self.critics = nn.ModuleDict({"source": Critic(width, scales), "target": Critic(width, scales)})
        settings = {
            "steps": config.steps(problem),
            "lr": problem.rate(config.lr),
            "betas": (0.5, 0.999),
            "schedule": Schedule(power=config.power),
        }
        self.optim = Optim([*self.to_target.parameters(), *self.to_source.parameters()], **settings)
        self.critic_optim = Optim(self.critics.parameters(), **settings)

    def step(self, t, source, target):
        x_s, x_t = 2 * source.image - 1, 2 * target.image - 1
        (enc_s, dec_s2t), (enc_t, dec_t2s) = self.to_target.children(), self.to_source.children()
        content_s, content_t = enc_s(x_s), enc_t(x_t)
        x_st, x_ts = dec_s2t(content_s), dec_t2s(content_t)

        of_source, of_target = self.critics["source"], self.critics["target"]
        critic = of_target.squares(x_t, 1) + of_target.squares(x_st.detach(), 0)
        critic = critic + of_source.squares(x_s, 1) + of_source.squares(x_ts.detach(), 0)
        self.critic_optim.minimise(critic)

        on_edges = edges(source.labels["semseg"])
        terms = {
            "fooled": of_target.squares(x_st, 1) + of_source.squares(x_ts, 1),
            "cycle": l1(dec_t2s(enc_t(x_st)), x_s) + l1(dec_s2t(enc_s(x_ts)), x_t),
            "edge": l1(x_st * on_edges, x_s * on_edges),
            "reconstruction": l1(dec_t2s(content_s), x_s) + l1(dec_s2t(content_t), x_t),
        }
        c = self.config
        weights = (c.adversarial, c.cycle, c.edge, 0.001 if c.reconstruction is None else c.reconstruction)
        self.optim.minimise(sum(w * term for w, term in zip(weights, terms.values(), strict=True)))
        return terms | {"critic": critic}


def l1(a: Tensor, b: Tensor) -> Tensor:
    return (a.float() - b).abs().mean()
