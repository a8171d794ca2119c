"""BatchNorm over the batch of all ranks: the recipe does not change with the number of GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import dist


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d whose batch statistics span all ranks, by differentiable sums (on gloo too; torch's cannot)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or dist.world() == 1:
            return super().forward(x)
        count = x.numel() // x.shape[1] * dist.world()
        mean = dist.summed(x.float().sum((0, 2, 3))) / count
        centred = x.float() - mean[:, None, None]
        variance = dist.summed(centred.square().sum((0, 2, 3))) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        factor = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance, factor)


def batchnorms(module: nn.Module) -> Iterator[nn.BatchNorm2d]:
    return (m for m in module.modules() if isinstance(m, nn.BatchNorm2d))


def restart_statistics(module: nn.Module) -> None:
    """Forget the running statistics and average the coming batches with equal weights."""
    for norm in batchnorms(module):
        norm.reset_running_stats()
        norm.momentum = None


@contextmanager
def stored_statistics(*modules: nn.Module) -> Iterator[None]:
    """Run the modules on their stored statistics (eval mode) and put every mode back."""
    before = [(m, m.training) for module in modules for m in module.modules()]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for m, training in before:
            m.training = training


@contextmanager
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """Run the module's BatchNorm on the statistics of each batch, with no trace in the stored ones."""
    before = [(norm, norm.training, norm.momentum, norm.num_batches_tracked) for norm in batchnorms(module)]
    for norm, _, _, count in before:
        norm.training, norm.momentum = True, 0.0
        norm.num_batches_tracked = None if count is None else count.clone()
    try:
        yield
    finally:
        for norm, training, momentum, count in before:
            norm.training, norm.momentum, norm.num_batches_tracked = training, momentum, count


def upsample(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
