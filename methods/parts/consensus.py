"""Labels of the target on which the classifier and the nearest class centroid agree: no threshold of confidence.

Shen et al., "DiGA", CVPR 2023: `OfflineLabels` y_p and `Centroids` v_c are passes over the target's training images;
`Bank` keeps the centroids, says the nearest one of each pixel, and moves them on.

Differs: `feat` is the map that the last convolution of the segmentation decoder reads, as in the release, but of the
network's own decoder: other tasks share the encoder, so its output is not of the classes alone. Centroids start from
one pass over whole images (the release: five; its cap of 3000 images a class would not bind in one). A class that
never had a centroid is nobody's nearest, and takes its first mean whole. Online, a step's images are averaged first,
so that their order does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.exact import across_ranks
from bench.nets.norm import stored_statistics
from bench.problem import VOID
from bench.stage import Stage
from bench.tasks.contract import upsampled


def last_convolution(decoder: nn.Module) -> nn.Conv2d:
    """The one that makes a decoder's scores; of several side by side, as DeepLab's, one: they read the same map."""
    *_, last = (layer for layer in decoder.modules() if isinstance(layer, nn.Conv2d))
    return last


def features_and_outputs(net, image):
    """`feat` B D h w, and the raw outputs."""
    read: list[Tensor] = []
    hook = last_convolution(net.decoders["semseg"]).register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    try:
        outputs = net(image)
    finally:
        hook.remove()
    return read[0], outputs


def to_grid(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels B H W at another size, the nearest."""
    return F.interpolate(labels.unsqueeze(1).float(), size=size, mode="nearest").squeeze(1).long()


def trusted(labels: Tensor, raw: Tensor, size: tuple[int, int]) -> Tensor:
    """At feature resolution: the labels where the classifier's arg-max is theirs, void elsewhere."""
    guess, labels = upsampled(raw, size).argmax(1), to_grid(labels, size)
    return torch.where(guess == labels, guess, VOID)


def agreed(offline: Tensor, nearest: Tensor) -> Tensor:
    """Bilateral consensus: y_p where it is y_f, 255 elsewhere."""
    return torch.where(offline == nearest, offline, VOID)


def class_means(features: Tensor, labels: Tensor, num_classes: int, least: int) -> tuple[Tensor, Tensor]:
    """Over the images where a class has `least` pixels: the sum of its image-wise means C D, and their number C."""
    with torch.autocast(features.device.type, enabled=False):
        classes = torch.arange(num_classes, device=labels.device).view(1, -1, 1, 1)
        of_class = (labels.unsqueeze(1) == classes).float()  # B C h w
        pixels = of_class.sum((2, 3))
        means = torch.einsum("bchw,bdhw->bcd", of_class, features.float()) / pixels.clamp(min=1).unsqueeze(2)
        enough = (pixels >= least).float()
        return (means * enough.unsqueeze(2)).sum(0), enough.sum(0)


class Bank(nn.Module):
    """v_c, a vector a class: buffers, the same on all ranks."""

    vectors: Tensor
    count: Tensor

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(num_classes, channels))
        self.register_buffer("count", torch.zeros(num_classes))  # batches' worth of means; 0: no centroid yet

    @torch.no_grad()
    def collect(self, features: Tensor, labels: Tensor, least: int) -> None:
        """The running mean over image-wise class means, every batch with equal weight, on any number of ranks."""
        means, share = self._seen(features, labels, least)
        self.count += share
        self.vectors += (share / self.count.clamp(min=1e-6))[:, None] * (means - self.vectors)

    @torch.no_grad()
    def move(self, features: Tensor, labels: Tensor, least: int, momentum: float) -> None:
        """v_c <- (1 - momentum) v_c + momentum mean, for the classes that the step's images show."""
        means, share = self._seen(features, labels, least)
        rate = torch.where(self.count > 0, momentum, 1.0) * (share > 0)
        self.vectors += rate[:, None] * (means - self.vectors)
        self.count += share

    def _seen(self, features: Tensor, labels: Tensor, least: int) -> tuple[Tensor, Tensor]:
        """The mean over the images of all ranks that show a class C D, and these images' share C."""
        sums, number = map(across_ranks, class_means(features, labels, len(self.count), least))
        images = across_ranks(torch.full_like(number, len(features)))
        return sums / number.clamp(min=1e-6)[:, None], number / images

    @torch.no_grad()
    def nearest(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        """y_f = argmax_c of softmax_c(-||v_c - feat||), brought to `size` before the arg-max. B H W."""
        features = features.float()
        away = torch.stack([(features - v[:, None, None]).square().sum(1).sqrt() for v in self.vectors], 1)
        away = torch.where((self.count > 0)[:, None, None], away, torch.inf)
        return upsampled((-away).softmax(1), size).argmax(1)


class OfflineLabels(Stage):
    """Stage 2a: y_p = arg-max of the larger logit of two scales, 1 and 1/2, for every target image. No threshold."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        draw = "in order"
        reads = ("target",)
        before: Stage.Config | None = None  # whose network labels; filled in by the method

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = given["before"].build().net

    @torch.no_grad()
    def step(self, t, source, target):
        size = target.image.shape[-2:]
        with stored_statistics(self.net):
            scales = [upsampled(self.net(scaled(target.image, by))["semseg"], size) for by in (1.0, 0.5)]
        return {"semseg": torch.maximum(*scales).argmax(1).to(torch.uint8)}


def scaled(image: Tensor, by: float) -> Tensor:
    """The image at `by` times its size, to the nearest multiple of 32, as networks ask for."""
    height, width = (max(32, round(by * n / 32) * 32) for n in image.shape[-2:])
    return upsampled(image, (height, width))


class Centroids(Stage):
    """Stage 2b: v_c over the target, by the student's own arg-max."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        draw = "in order"
        reads = ("target",)
        least: int = 5  # pixels that a class needs in an image, at feature resolution
        before: Stage.Config | None = None  # whose features; filled in by the method

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = given["before"].build().net
        self.bank = bank_for(self.net, problem)

    @torch.no_grad()
    def step(self, t, source, target):
        with stored_statistics(self.net):
            features, raw = features_and_outputs(self.net, scaled(target.image, 1.0))
        self.bank.collect(features, upsampled(raw["semseg"], features.shape[-2:]).argmax(1), self.config.least)
        return {}


def bank_for(net, problem) -> Bank:
    return Bank(len(problem.classes), last_convolution(net.decoders["semseg"]).in_channels)
