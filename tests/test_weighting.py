"""Task weighting: each rule against hand-computed cases of two tasks, its memory and its draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from bench.optim import Optim
from methods.parts import simplex, weighting

WORDS = list(weighting.WEIGHTINGS)
RULES = [(0.5, 4.0, -1.0), (2.0, 1.0, 0.7), (1.0, 1.0, 0.0)]  # |g1|^2, |g2|^2, g1 . g2


class Two(nn.Module):
    """Two linear losses of three shared numbers, each with a head of one number; plain descent of rate 1."""

    def __init__(self, word, g1, g2, steps=100, seed=0):
        super().__init__()
        self.shared, self.heads = nn.Parameter(torch.zeros(len(g1))), nn.Parameter(torch.zeros(2))
        self.g = torch.tensor([g1, g2], dtype=torch.float32)
        self.optim = Optim([self.shared, self.heads], steps, lr=1.0, kind="sgd", momentum=0.0)
        self.rule = weighting.make(word, ("a", "b"), self.optim, seed)

    def terms(self, values=(1.0, 1.0)):
        losses = self.g @ self.shared + 3 * self.heads
        return {n: v + loss for n, v, loss in zip(("a", "b"), values, losses.unbind(), strict=True)}

    def update(self, t=0, values=(1.0, 1.0), **more):
        """What one step subtracts from the shared numbers and from the heads."""
        before = [self.shared.detach().clone(), self.heads.detach().clone()]
        self.rule.minimise(t, self.terms(values), [self.shared], self.optim, **more)
        return [(a - b.detach()).tolist() for a, b in zip(before, (self.shared, self.heads), strict=True)]


def gram(a, b, ab):
    return [[a, ab], [ab, b]]


def close(got, expected, rel=1e-5):
    pairs = zip(got, expected, strict=True) if isinstance(got[0], list) else [(got, expected)]
    assert all(a == pytest.approx(b, rel=rel, abs=1e-6) for a, b in pairs), (got, expected)


def test_equal_is_the_sum():
    close(Two("equal", [1, 2, 0], [0, -1, 1]).update(), [[1, 1, 1], [3, 3]])


def test_uncertainty_halves_by_exp_s_and_learns_s_from_the_losses():
    two = Two("uncertainty", [1, 0, 0], [0, 1, 0])
    weight = math.exp(0.5) / 2
    shared, heads = two.update(values=(4.0, 0.1))
    close(shared, [weight, weight, 0])
    close(heads, [3 * weight, 3 * weight])
    # ds = 1/2 - L exp(-s) / 2: positive for the small loss, whose s falls, negative for the large one
    assert two.rule.s[0] > -0.5 > two.rule.s[1]


def test_dwa_is_equal_for_two_epochs_and_then_follows_the_ratio_of_epoch_means():
    two = Two("dwa", [1, 0], [0, 1], steps=80)  # an epoch is 2 steps
    values = [(1.0, 1.0), (3.0, 3.0), (1.0, 4.0), (1.0, 8.0), (5.0, 5.0)]
    weights = [two.rule.weights(t, torch.tensor(v)) for t, v in enumerate(values)]
    assert all(torch.equal(w, torch.ones(2)) for w in weights[:4])
    ratios = torch.tensor([1.0 / 2.0, 6.0 / 2.0])
    close(weights[4].tolist(), (2 * (ratios / 2).softmax(0)).tolist())


def test_rlw_draws_from_the_seed_and_the_step_and_sums_to_the_number_of_tasks():
    def drawn(seed, t):
        return Two("rlw", [1, 0], [0, 1], seed=seed).rule.weights(t, torch.ones(2)).tolist()

    assert drawn(0, 3) == drawn(0, 3)
    assert drawn(0, 3) != drawn(0, 4) and drawn(0, 3) != drawn(1, 3)
    assert sum(drawn(0, 3)) == pytest.approx(2)
    first = np.array([drawn(0, t)[0] for t in range(400)]) / 2
    logit = np.log(first / (1 - first))  # the difference of two standard normals
    assert abs(logit.mean()) < 0.25 and abs(logit.std() - math.sqrt(2)) < 0.2


def test_si_divides_each_gradient_by_its_loss():
    close(Two("si", [1, 0], [0, 1]).update(values=(4.0, 0.5)), [[0.25, 2.0], [0.75, 6.0]])


def test_famo_weighs_by_softmax_over_loss_and_moves_xi_against_what_fell_faster():
    two = Two("famo", [1, 0], [0, 1])
    again = {"a": torch.tensor(2.0), "b": torch.tensor(0.5)}  # the first halves, the second stays
    shared, heads = two.update(values=(4.0, 0.5), again=lambda: again)
    # z = 1/2, z / L = 1/8 and 1: over their sum 9/8, times K = 2
    close(shared, [2 / 9, 16 / 9])
    close(heads, [3 * 2 / 9, 3 * 16 / 9])
    # d = z (ln 2 - z ln 2), its negative: the first step of Adam is its sign times the rate
    close(two.rule.xi.tolist(), [-0.025, 0.025], rel=1e-3)


def test_famo_without_a_second_pass_says_so():
    with pytest.raises(ValueError, match="second forward"):
        Two("famo", [1, 0], [0, 1]).update()


def test_pcgrad_takes_out_the_conflict_of_each_with_the_other():
    # g1 = (1, 0), g2 = (-1, 1): g1.g2 = -1; g1' = g1 + g2 / 2 = (.5, .5), g2' = g2 + g1 = (0, 1)
    close(Two("pcgrad", [1, 0], [-1, 1]).update(), [[0.5, 1.5], [3, 3]])


def test_pcgrad_without_conflict_is_the_sum():
    close(Two("pcgrad", [1, 0.5], [0.5, 1]).update()[0], [1.5, 1.5])


def test_pcgrad_projects_on_original_gradients_in_the_given_order():
    g = np.array([[1.0, 0, 0], [-1, 1, 0], [-1, -3, 1]])
    orders = [[2, 0, 1], [0, 1, 2], [1, 0, 2]]
    expected = np.zeros(3)
    for i, order in enumerate(orders):
        own = g[i].copy()
        for j in order:
            if j != i and own @ g[j] < 0:
                own -= own @ g[j] / (g[j] @ g[j]) * g[j]
        expected += own
    assert simplex.projected(g @ g.T, orders) @ g == pytest.approx(expected)
    assert simplex.projected(g @ g.T, [[0, 1, 2]] * 3) @ g != pytest.approx(expected)


def test_pcgrads_order_comes_from_the_seed_and_the_step():
    g = torch.randn(4, 3)
    m = (g @ g.T).tolist()
    rules = [weighting.PCGrad(range(4), None, 0) for _ in range(2)]
    first, second = ([rule.coefficients(t, m).tolist() for t in range(10)] for rule in rules)
    assert first == second and len({str(c) for c in first}) > 1


def test_cagrad_of_orthogonal_gradients_of_equal_length_is_the_mean_made_longer():
    # by symmetry w = 1/2: g_w = g_0, so the update is K g_0 (1 + c) / (1 + c^2)
    close(Two("cagrad", [1, 0], [0, 1]).update()[0], [1.4 / 1.16] * 2)


@pytest.mark.parametrize("rule", RULES)
def test_cagrads_w_is_the_best_of_a_fine_grid(rule):
    m = np.array(gram(*rule))
    b, s = m.mean(1), 0.4 * math.sqrt(m.mean())

    def value(w):
        return w @ b + s * math.sqrt(w @ m @ w)

    grid = [np.array([x, 1 - x]) for x in np.linspace(0, 1, 20001)]
    best = min(grid, key=value)
    assert simplex.averse(m, 0.4) == pytest.approx(best, abs=1e-3)
    assert value(simplex.averse(m, 0.4)) <= value(best) + 1e-9


def test_cagrad_with_c_0_is_the_sum():
    assert simplex.conflict_averse(gram(2, 1, -0.5), 0.0) == pytest.approx([1, 1])


def test_cagrads_w_of_four_tasks_is_on_the_simplex_and_no_neighbour_is_better():
    r = np.random.default_rng(0)
    for _ in range(20):
        g = r.normal(size=(4, 6))
        m = g @ g.T
        w = simplex.averse(m, 0.4)
        assert w.min() >= 0 and w.sum() == pytest.approx(1)
        b, s = m.mean(1), 0.4 * math.sqrt(m.mean())
        for other in r.dirichlet(np.ones(4), 200):
            near = 0.99 * w + 0.01 * other
            assert w @ b + s * math.sqrt(w @ m @ w) <= near @ b + s * math.sqrt(near @ m @ near) + 1e-7


def test_nash_of_two_orthogonal_gradients_gives_both_the_same_length():
    # M diagonal: alpha_i = 1 / |g_i|; the update's norm, sqrt(2) times a scale, is then brought to 1
    shared, heads = Two("nash", [3, 0], [0, 0.5]).update()
    close(shared, [1 / math.sqrt(2)] * 2)
    close(heads, [3, 3])


@pytest.mark.parametrize("rule", RULES)
def test_nash_solves_its_equation(rule):
    alpha = simplex.bargain(np.array(gram(*rule)))
    assert (alpha > 0).all()
    assert np.array(gram(*rule)) @ alpha == pytest.approx(1 / alpha, rel=1e-6)


def test_nash_of_two_gradients_of_length_1_and_product_r_is_one_over_the_root_of_1_plus_r():
    assert simplex.bargain(np.array(gram(1, 1, -0.5))) == pytest.approx([math.sqrt(2)] * 2, rel=1e-6)


def test_nash_leaves_a_short_gradient_as_long_as_it_is():
    m = np.array(gram(1e-4, 1e-4, 0))  # alpha of M / |M| is 2^(1/4): the norm is sqrt(2 |M|), |M| = sqrt(2) e-4
    c = simplex.bargained(m, 1.0)
    assert c @ m @ c == pytest.approx(2 * math.sqrt(2) * 1e-4, rel=1e-5)


def test_mgda_is_twice_the_nearest_point_and_a_shorter_gradient_on_the_way_is_that_point():
    # g1 = (1, 0), g2 = (0, 2): w1 = g2.(g2 - g1) / |g1 - g2|^2 = 4/5
    close(Two("mgda", [1, 0], [0, 2]).update()[0], [2 * 0.8, 2 * 0.4])
    close(Two("mgda", [1, 0], [3, 1]).update()[0], [2, 0])


@pytest.mark.parametrize("word", ["pcgrad", "cagrad", "nash", "mgda"])
def test_gradients_that_vanish_or_point_apart_stay_finite(word):
    for g1, g2 in (([0, 0], [0, 0]), ([0, 0], [1, 0]), ([1, 0], [-1, 0]), ([1, 2], [1, 2])):
        shared, heads = Two(word, g1, g2).update()
        assert all(math.isfinite(v) for v in shared)
        assert heads == [3, 3]  # the plain gradient


@pytest.mark.parametrize("word", WORDS)
def test_a_loss_outside_the_weighting_adds_its_plain_gradient(word):
    updates = []
    for push in (None, 5.0):
        two = Two(word, [1, 0], [-0.5, 1])
        extra = None if push is None else push * two.shared[1] + two.heads[0]
        updates.append(two.update(again=lambda: {"a": torch.tensor(0.5), "b": torch.tensor(0.9)}, extra=extra))
    (a, heads_a), (b, heads_b) = updates
    close(b, [a[0], a[1] + 5.0])
    close(heads_b, [heads_a[0] + 1, heads_a[1]])


def test_source_and_target_losses_of_a_task_are_one_task():
    assert weighting.per_task({"a": 1, "b": 2}, {"b": 5}) == {"a": 1, "b": 7}
