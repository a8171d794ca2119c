"""Weights of a few task gradients from their inner products alone: small exact problems, solved on the CPU.

gram: K K, M_ij = g_i . g_j, K at most 5 or so. Every function returns c, K, for the update sum_k c_k g_k.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

RIDGE = 1e-9  # of the mean squared norm: two equal gradients are not quite


def _regular(gram):
    gram = np.array(gram, np.float64)
    return gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))


def _faces(count):
    """The simplex's corners, edges, ... : the smallest value of a convex function lies inside one of them."""
    return (list(face) for size in range(1, count + 1) for face in combinations(range(count), size))


def projected(gram, orders):
    """PCGrad: g_i less its part along each original g_j that it points against, j in the order orders[i]; their sum."""
    gram = np.array(gram, np.float64)
    total = np.zeros(len(gram))
    for i, order in enumerate(orders):
        own = np.eye(len(gram))[i]  # g_i in terms of the task gradients
        for j in order:
            product = own @ gram[:, j]
            if j != i and product < 0:
                own[j] -= product / gram[j, j]
        total += own
    return total


def nearest(gram):
    """MGDA: the w on the simplex of the smallest |g_w|. Inside a face w is M^-1 1, brought to a sum of 1."""
    gram = _regular(gram)
    if not np.trace(gram) > 0:
        return np.full(len(gram), 1 / len(gram))
    best, least = None, np.inf
    for face in _faces(len(gram)):
        inside = np.linalg.solve(gram[np.ix_(face, face)], np.ones(len(face)))
        w = np.zeros(len(gram))
        w[face] = inside / inside.sum()
        value = w @ gram @ w
        if (w >= 0).all() and value < least:
            best, least = w, value
    return best


def averse(gram, c):
    """CAGrad's w: on the simplex, the smallest g_w . g_0 + c |g_0| |g_w|, g_0 the mean.

    Inside a face, b + (s / r) M w = l 1 with b = M 1/K, s = c |g_0|, r = |g_w|: w = (l u - v) / (l A - B), where
    u = M^-1 1, v = M^-1 b, A = 1.u, B = 1.v, C = b.v, and l is the larger root of A l^2 - 2 B l + C - s^2 = 0.
    """
    gram = _regular(gram)
    b = gram.mean(1)
    s = c * np.sqrt(gram.mean())
    best, least = None, np.inf
    for face in _faces(len(gram)):
        u, v = np.linalg.solve(gram[np.ix_(face, face)], np.stack([np.ones(len(face)), b[face]], 1)).T
        a, bb, cc = u.sum(), v.sum(), b[face] @ v
        root = np.sqrt(max(bb * bb - a * (cc - s * s), 0.0))  # l A - B
        w = np.zeros(len(gram))
        w[face] = (u * (bb + root) / a - v) / root if len(face) > 1 and root > 0 else 1 / len(face)
        value = w @ b + s * np.sqrt(max(w @ gram @ w, 0.0))
        if (w >= 0).all() and value < least:
            best, least = w, value
    return best


def conflict_averse(gram, c):
    """CAGrad: K (g_0 + c |g_0| g_w / |g_w|) / (1 + c^2); c = 0 is the plain sum."""
    gram = np.array(gram, np.float64)
    count, mean = len(gram), np.sqrt(max(gram.mean(), 0.0))
    if not mean > 0:
        return np.ones(count)
    w = averse(gram, c)
    length = max(np.sqrt(max(w @ gram @ w, 0.0)), 1e-4 * mean)  # a w with g_w = 0 has no direction to give
    return count * (1 / count + c * mean * w / length) / (1 + c * c)


def bargain(gram):
    """Nash-MTL's alpha > 0 with M alpha = 1 / alpha: where alpha.M.alpha / 2 - sum ln alpha is smallest.

    That function is self-concordant, so a damped Newton step never leaves alpha > 0 and always descends.
    """
    gram = _regular(gram)
    alpha = 1 / np.sqrt(np.diag(gram))
    for _ in range(50):
        slope = gram @ alpha - 1 / alpha
        step = np.linalg.solve(gram + np.diag(alpha**-2), slope)
        decrement = np.sqrt(max(slope @ step, 0.0))
        alpha = alpha - (step if decrement < 0.25 else step / (1 + decrement))
        if decrement < 1e-10:
            break
    return alpha


def bargained(gram, max_norm):
    """Nash-MTL: alpha for M / |M|, as its authors scale it, then the gradient brought to max_norm if it is longer."""
    gram = np.array(gram, np.float64)
    if not np.trace(gram) > 0:
        return np.ones(len(gram))
    alpha = bargain(gram / np.linalg.norm(gram))
    return alpha * min(1.0, max_norm / max(np.sqrt(max(alpha @ gram @ alpha, 0.0)), 1e-12))
