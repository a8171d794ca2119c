"""Optim: a torch optimiser with its schedule, which asks for the gradients of its own parameters only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from bench import dist
from bench.schedule import Schedule


class Optim:
    """Adversarial steps need no freezing and no `zero_grad`: nobody else's gradients are touched.

    Counts its own updates, and that count drives the schedule; both are saved with the stage.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        steps: int,
        *,
        lr: float,
        kind: str = "adam",  # adam, adamw or sgd
        betas: tuple[float, float] = (0.9, 0.999),
        momentum: float = 0.9,  # sgd
        decay: float = 0.0,
        clip: float = 0.0,  # largest norm of the gradient; 0: no clipping
        schedule: Schedule = Schedule(),  # noqa: B008 - never written to
    ) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        if not self.parameters:
            raise ValueError("Optim: got no trainable parameter")
        self.steps, self.lr, self.clip, self.schedule, self.taken = steps, lr, clip, schedule, 0
        self._torch: torch.optim.Optimizer
        if kind == "sgd":
            self._torch = torch.optim.SGD(self.parameters, lr, momentum=momentum, weight_decay=decay, fused=True)
        elif kind in ("adam", "adamw"):
            adam = torch.optim.Adam if kind == "adam" else torch.optim.AdamW
            self._torch = adam(self.parameters, lr, betas=betas, weight_decay=decay, fused=True)
        else:
            raise ValueError(f'no optimiser "{kind}"; known: adam adamw sgd')

    def grads(self, loss: Tensor, *, keep: bool = False) -> list[Tensor | None]:
        """The gradient of the loss for each own parameter, averaged over the ranks; None where it has none."""
        local = torch.autograd.grad(loss, self.parameters, retain_graph=keep, allow_unused=True)
        present = iter(dist.average([g for g in local if g is not None]))
        return [None if g is None else next(present) for g in local]

    def apply(self, grads: Sequence[Tensor | None]) -> None:
        """Clip, set the step's learning rate, update."""
        if self.clip:
            present = [g for g in grads if g is not None]
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(present)))
            torch._foreach_mul_(present, torch.clamp(self.clip / (norm + 1e-6), max=1.0))
        rate = self.lr * self.schedule.factor(self.taken, self.steps)
        for group in self._torch.param_groups:
            group["lr"] = rate
        for parameter, grad in zip(self.parameters, grads, strict=True):
            parameter.grad = grad if grad is None else _laid_out_like(parameter, grad)
        self._torch.step()
        for parameter in self.parameters:
            parameter.grad = None
        self.taken += 1

    def minimise(self, loss: Tensor, *, keep: bool = False) -> None:
        self.apply(self.grads(loss, keep=keep))

    def state_dict(self) -> dict[str, Any]:
        return {"taken": self.taken, "torch": self._torch.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.taken = state["taken"]
        self._torch.load_state_dict(state["torch"])


def _laid_out_like(parameter: Tensor, grad: Tensor) -> Tensor:
    """Fused optimisers walk both memories in step: autograd.grad, unlike backward(), may return another layout."""
    return grad if grad.stride() == parameter.stride() else torch.empty_like(parameter).copy_(grad)
