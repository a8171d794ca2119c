"""AdaBN, alone and over a finished method: the statistics are the target's, every weight is the method's."""

from __future__ import annotations

import pytest
import torch

from bench.nets.norm import batchnorms
from bench.plan import plan
from bench.rng import reseed
from methods import adabn, dakd, dakd_adabn, diga, diga_adabn, source_only
from tests import shapes

PROBLEM = shapes.problem()
TARGET = shapes.unlabelled(shapes.render(4, 6, shifted=True))
OVER = {adabn: source_only, dakd_adabn: dakd, diga_adabn: diga}


def chain(config):
    """The stage after those that it needs, none of them trained."""
    given = {name: shapes.product(chain(need)) for name, need in config.needs(PROBLEM).items()}
    reseed(config.stage.__qualname__)
    return config.stage(config, PROBLEM, given).train()


@pytest.mark.parametrize("method", OVER, ids=lambda module: module.__name__)
def test_only_the_statistics_move_and_they_are_of_the_target(method):
    stage = chain(method.Method.Config())
    weights = {name: p.clone() for name, p in stage.named_parameters()}
    seen = []
    first = next(batchnorms(stage.net))
    hook = first.register_forward_pre_hook(lambda norm, args: seen.append(args[0].mean((0, 2, 3))))
    stage.step(0, None, TARGET)
    hook.remove()
    assert all(torch.equal(p, weights[name]) for name, p in stage.named_parameters())
    assert torch.allclose(first.running_mean, seen[0], atol=1e-5)
    assert all(norm.num_batches_tracked == 1 for norm in batchnorms(stage.net))
    assert not list(stage.optims())


@pytest.mark.parametrize("method", OVER, ids=lambda module: module.__name__)
def test_it_predicts_with_the_methods_own_network(method):
    stage = chain(method.Method.Config()).eval()
    own = chain(OVER[method].Method.Config()).eval()
    stage.net.load_state_dict(getattr(own.net, "net", own.net).state_dict())
    mine, theirs = stage.predict(TARGET.image), own.predict(TARGET.image)
    assert all(torch.equal(mine[name], theirs[name]) for name in PROBLEM.tasks)
    assert set(mine) == set(theirs)


@pytest.mark.parametrize("method", OVER, ids=lambda module: module.__name__)
def test_the_chain_before_it_is_trained_once_for_both(method):
    mine = plan("m", method.Method.Config(), PROBLEM, shapes.DATA, "fp32")
    theirs = plan("m", OVER[method].Method.Config(), PROBLEM, shapes.DATA, "fp32")
    assert mine.needs["base"].key == theirs.key


@pytest.mark.parametrize("method", OVER, ids=lambda module: module.__name__)
def test_the_network_that_it_is_said_to_predict_with_is_the_methods(method):
    mine, theirs = method.Method.Config(), OVER[method].Method.Config()
    assert mine.network(PROBLEM) == theirs.network(PROBLEM)
    assert (mine.network(PROBLEM) == PROBLEM.network) == (method is not dakd_adabn)  # whose student is narrower
