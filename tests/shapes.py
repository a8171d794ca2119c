"""A toy world for tests: upright rectangles on a level ground under the sky, with classes, depth and normals.

The target has another light and other textures than the source, and the same shapes.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from bench import checkpoint
from bench.nets.drn import DRN, DRN22
from bench.nets.multitask import Small
from bench.problem import Labelled, Problem, Unlabelled
from bench.rng import reseed
from bench.stage import Product
from methods.parts.contour import Contour
from methods.parts.target_statistics import TargetStatistics
from methods.parts.transfer import Base

CLASSES = ("ground", "box", "panel", "sky")
COLOURS = np.float32([(0.35, 0.35, 0.35), (0.7, 0.3, 0.2), (0.25, 0.4, 0.65), (0.75, 0.8, 0.9)])
WIDTH, HEIGHT, FOCAL, HORIZON, EYE = 64, 32, 32.0, 11.5, 1.5  # pixels, pixels, pixels, row, metres
NEAR, FAR = 2.0, 40.0
ROLES = ("source", "target", "lent", "labelled target")
DATA = {role: {"source": f"{role} a", "target": f"{role} b"} for role in ROLES}  # stands for the hashes of the images


def problem(**changes) -> Problem:
    settings = {
        "split": "shapes", "tasks": ("semseg", "depth", "normals"), "classes": CLASSES,
        "height": HEIGHT, "width": WIDTH, "depth_range": (NEAR, FAR),
        "budget": 100, "batch": 2, "seed": 0, "network": Small(width=4, auxiliary_width=4),
    }  # fmt: skip
    return Problem(**settings | changes)


def scene(r: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes H W, depth H W (0 in the sky) and normals H W 3 of one view."""
    x = (np.arange(WIDTH) - WIDTH / 2 + 0.5)[None] / FOCAL
    y = (np.arange(HEIGHT) - HORIZON)[:, None] / FOCAL + 0 * x
    depth = np.where(y > EYE / FAR, EYE / np.maximum(y, EYE / FAR), np.inf)
    classes = np.where(np.isfinite(depth), 0, 3)
    normals = np.where(np.isfinite(depth)[..., None], (0.0, -1.0, 0.0), 0.0)
    for _ in range(r.integers(2, 5)):
        slanted = bool(r.integers(2))
        angle = r.choice((-1, 1)) * r.uniform(0.6, 1.0) if slanted else 0.0
        normal = np.array((np.sin(angle), 0.0, -np.cos(angle)))
        z, middle = r.uniform(3, 9), r.uniform(-0.8, 0.8)
        facing = normal[0] * x + normal[2]
        here = z * (normal[0] * middle + normal[2]) / np.where(facing < -0.05, facing, -0.05)  # metres ahead, by column
        inside = (np.abs(x - middle) < r.uniform(0.6, 1.4) / z) & (facing < -0.05) & (here > 2.5)
        inside = inside & (y * here < EYE) & (y * here > EYE - r.uniform(1, 3.5)) & (here < depth)
        depth, classes = np.where(inside, here, depth), np.where(inside, 1 + slanted, classes)
        normals = np.where(inside[..., None], normal, normals)
    return classes, np.where(np.isfinite(depth), depth, 0), normals


def paint(classes: np.ndarray, r: np.random.Generator, shifted: bool) -> np.ndarray:
    """H W 3 in [0, 1]. The shift: the blue light of dusk, deep or not, and coarse instead of fine texture."""
    grain = 4 if shifted else 1
    noise = r.normal(0, 0.06, (HEIGHT // grain, WIDTH // grain, 1)).repeat(grain, 0).repeat(grain, 1)
    image = COLOURS[classes] + r.normal(0, 0.05, (len(CLASSES), 3))[classes] + noise
    light = 1 - r.uniform(0.5, 1) * np.array((0.7, 0.4, 0.0)) if shifted else 1.0
    return np.clip(image * light, 0, 1)


def render(count: int, seed: int, shifted: bool) -> Labelled:
    """Images with their labels, of either domain."""
    r = np.random.default_rng((seed, shifted))
    views = [scene(r) for _ in range(count)]
    image = np.stack([paint(classes, r, shifted) for classes, _, _ in views])
    classes, depth, normals = (torch.from_numpy(np.stack(maps)) for maps in zip(*views, strict=True))
    labels = {"semseg": classes, "depth": depth.float().unsqueeze(1), "normals": normals.float().permute(0, 3, 1, 2)}
    clean = torch.from_numpy(image).float().permute(0, 3, 1, 2).contiguous()
    return Labelled(clean, clean, torch.arange(count), torch.zeros(count, dtype=torch.int64), labels)


def unlabelled(batch: Labelled) -> Unlabelled:
    return Unlabelled(batch.image, batch.clean, batch.ids, batch.domain, {})


def draw(pool: Labelled, count: int, *words: int) -> Labelled:
    """A batch from the pool, a function of the words (seed, step)."""
    chosen = torch.from_numpy(np.random.default_rng(words).choice(len(pool.ids), count, replace=False))
    labels = {name: maps[chosen] for name, maps in pool.labels.items()}
    return Labelled(pool.image[chosen], pool.clean[chosen], pool.ids[chosen], pool.domain[chosen], labels)


SOURCE, TARGET = render(8, 5, shifted=False), render(8, 6, shifted=True)


def source(t: int = 0) -> Labelled:
    """Two labelled source images, a function of the step."""
    return draw(SOURCE, 2, 1, t)


def target(t: int = 0) -> Unlabelled:
    """Two target images, a function of the step."""
    return unlabelled(draw(TARGET, 2, 2, t))


def state(module) -> dict[str, torch.Tensor]:
    """What the module holds now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(a, b) -> bool:
    """Are these maps, of tensors by name, the same to the bit?"""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def ends_alike_after_a_kill(straight, resumed, step, folder, *, at: int = 2, steps: int = 4) -> bool:
    """Does `resumed`, fresh, end with the bits of `straight` when it goes on from the checkpoint of step `at`?"""
    for t in range(steps):
        step(straight, t)
        if t + 1 == at:
            checkpoint.save(folder, straight, at, 1.0)
    assert checkpoint.resume(folder, resumed) == (at, 1.0)
    for t in range(at, steps):
        step(resumed, t)
    return same(state(straight), state(resumed))


def weight_file(folder: Path) -> Path:
    """DRN-D-22's weights in a file, as they are published."""
    path = folder / "weights.pt"
    torch.manual_seed(7)
    torch.save(DRN(DRN22.counts).state_dict(), path)
    return path


def product(stage) -> Product:
    """A finished stage as a later one is given it: built anew at each call."""
    return Product(lambda: copy.deepcopy(stage))


def needs(problem: Problem, *, base_steps: int = 0, pool: Labelled | None = None) -> dict[str, Product]:
    """UM-Adapt's base, contour and target statistics as products, the base trained for some steps."""
    reseed(problem.seed)
    base = Base(Base.Config(), problem, {})
    for t in range(base_steps):
        base.step(t, draw(pool, problem.batch, problem.seed, t), None)
    given = {"base": product(base)}
    statistics = TargetStatistics(TargetStatistics.Config(), problem, given)
    statistics.step(0, None, unlabelled(render(8, problem.seed, shifted=True)))
    given["contour"] = product(Contour(Contour.Config(), problem, given))
    return given | {"statistics": product(statistics)}


def gradient(loss, parameters):
    """The norm of the gradient over the parameters that have one."""
    grads = torch.autograd.grad(loss, list(parameters), allow_unused=True, retain_graph=True)
    return sum(g.square().sum().item() for g in grads if g is not None) ** 0.5


def caught(optim, step):
    """The loss that a step hands to its optimiser, which then does nothing."""
    losses = []
    optim.minimise = losses.append
    try:
        step()
    finally:
        del optim.minimise
    (loss,) = losses
    return loss
