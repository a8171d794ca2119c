"""The stand-ins compute what the originals do, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bench import dist
from bench.exact import across_ranks, cross_entropy, replicate_pad


def test_cross_entropy_is_torchs_with_nothing_where_void():
    logits = torch.randn(2, 5, 6, 7, requires_grad=True)
    label = torch.randint(0, 5, (2, 6, 7))
    label[:, :2] = 255
    losses, valid = cross_entropy(logits, label, 255)
    expected = F.cross_entropy(logits, label, ignore_index=255, reduction="none")
    assert torch.equal(valid, label != 255)
    assert torch.allclose(losses, expected, atol=1e-6)
    assert not losses[:, :2].any()
    weights = torch.rand(2, 6, 7)
    mine, theirs = (torch.autograd.grad((weights * loss).sum(), logits)[0] for loss in (losses, expected))
    assert torch.allclose(mine, theirs, atol=1e-6)
    assert not mine[:, :, :2].any()


def test_cross_entropy_of_half_precision_logits_is_computed_in_single():
    logits = torch.randn(1, 3, 4, 4)
    losses, _ = cross_entropy(logits.bfloat16(), torch.ones(1, 4, 4, dtype=torch.int64), 255)
    assert losses.dtype == torch.float32
    assert torch.allclose(
        losses, F.cross_entropy(logits.bfloat16().float(), torch.ones(1, 4, 4).long(), reduction="none")
    )


def test_a_class_that_does_not_exist_is_an_error():
    with pytest.raises((RuntimeError, IndexError)):
        cross_entropy(torch.randn(1, 3, 2, 2), torch.full((1, 2, 2), 3), 255)


@pytest.mark.parametrize("sides", [(1, 2, 3, 0), (0, 0, 4, 4), (5, 5, 0, 0)])
def test_replicate_padding_is_torchs(sides):
    image = torch.randn(2, 3, 4, 5, requires_grad=True)
    mine, theirs = replicate_pad(image, *sides), F.pad(image, sides, mode="replicate")
    assert torch.equal(mine, theirs)
    weights = torch.rand_like(mine)
    grads = [torch.autograd.grad((weights * padded).sum(), image)[0] for padded in (mine, theirs)]
    assert torch.allclose(*grads, atol=1e-6)


def test_replicate_padding_reaches_further_than_the_image_is_wide():
    assert replicate_pad(torch.tensor([[[[1.0, 2.0]]]]), 3, 3, 0, 0).flatten().tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


def test_the_mean_over_ranks_carries_no_gradient(monkeypatch):
    value = torch.tensor(3.0, requires_grad=True)
    assert across_ranks(value).item() == 3.0
    assert not across_ranks(value).requires_grad
    monkeypatch.setattr(dist, "world", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda total: total.add_(5.0))  # the other rank's
    assert across_ranks(value).item() == 4.0
    assert value.item() == 3.0
