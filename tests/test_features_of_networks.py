"""What methods read of a network, they can read of every network: DiGA's features, UM-Adapt's grids and contours."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from bench.nets.networks import NETWORKS
from bench.rng import reseed
from methods.parts.consensus import bank_for, features_and_outputs
from methods.parts.contour import ContourDecoder, contour_loss
from methods.parts.transfer import TransferNets, canonical, energies
from tests import shapes

LIGHT = ("small", "resnet50", "segnet", "drn22", "deeplab50", "mit_b0")
IMAGE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=LIGHT)
def made(request):
    """A problem with that network from scratch, and the network."""
    kind = NETWORKS[request.param]
    weightless = {"weights": "none"} if "weights" in {one.name for one in dataclasses.fields(kind)} else {}
    problem = shapes.problem(network=kind(**weightless), height=64, width=96)
    reseed(0)
    return problem, problem.network.build(problem, problem.tasks).eval()


@torch.no_grad()
def test_features_are_the_map_that_the_class_scores_are_read_off(made):
    problem, net = made
    features, outputs = features_and_outputs(net, IMAGE)
    assert features.shape[:2] == (1, bank_for(net, problem).vectors.shape[1])
    expected = net(IMAGE)
    assert all(torch.equal(outputs[name], expected[name]) for name in problem.tasks)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_transferred_predictions_lie_on_the_direct_ones_whatever_the_grid(made):
    problem, net = made
    direct = net(IMAGE)
    transferred = TransferNets(problem, 4).eval()(canonical(direct, problem))
    assert {name: raw.shape for name, raw in transferred.items()} == {name: raw.shape for name, raw in direct.items()}
    found = energies(canonical(direct, problem), canonical(transferred, problem), problem)
    assert all(value.isfinite() for value in found.values())


def test_contours_are_read_off_the_features_of_any_stride(made):
    _, net = made
    decoder = ContourDecoder(net.encoder.channels, net.encoder.stride)
    assert contour_loss(decoder, net.encoder(IMAGE), IMAGE).isfinite()
