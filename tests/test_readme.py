"""The README keeps its word: its example is a method, its commands are understood, its files are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import methods
from bench import plugins
from bench.config import compose_run
from bench.nets.multitask import Small
from bench.problem import Labelled, Problem, Unlabelled

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROBLEM = Problem(
    split="toy",
    tasks=("semseg", "depth", "normals"),
    classes=("road", "car", "sky"),
    height=32,
    width=64,
    depth_range=(1.0, 80.0),
    budget=2,
    batch=2,
    seed=0,
    network=Small(width=4),
)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[str]:
    """The README's method among the others; its name."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (name,) = re.findall(r"This one is `methods/(\w+)\.py`", README)
    (tmp_path / f"{name}.py").write_text(code)
    assert isinstance(methods.__path__, list)
    methods.__path__.append(str(tmp_path))
    plugins.forget()
    yield name
    methods.__path__.remove(str(tmp_path))
    plugins.forget()


def test_the_example_is_a_method(example: str) -> None:
    assert plugins.about(plugins.methods()[example]).startswith("Entropy minimisation")
    kind = plugins.method(example)
    stage = kind(kind.Config(), PROBLEM, {})
    before = [p.clone() for p in stage.parameters()]
    for t in range(2):
        scalars = stage.step(t, labelled(), unlabelled())
        assert {"semseg", "depth", "normals", "entropy"} == set(scalars)
        assert all(value.ndim == 0 and torch.isfinite(value) for value in scalars.values())
    assert all((a != b).any() for a, b in zip(before, stage.parameters(), strict=True))
    with torch.inference_mode():
        raw = stage.eval().predict(unlabelled().image)
    assert {name: output.shape[:2] for name, output in raw.items()} == {
        "semseg": (2, 3),
        "depth": (2, 1),
        "normals": (2, 3),
    }


def labelled() -> Labelled:
    image = torch.rand(2, 3, 32, 64)
    normals = torch.nn.functional.normalize(torch.randn(2, 3, 32, 64), dim=1)
    labels = {
        "semseg": torch.randint(0, 3, (2, 32, 64)),
        "depth": 1 + 70 * torch.rand(2, 1, 32, 64),
        "normals": normals,
    }
    return Labelled(image, image, torch.arange(2), torch.zeros(2, dtype=torch.int64), labels)


def unlabelled() -> Unlabelled:
    image = torch.rand(2, 3, 32, 64)
    return Unlabelled(image, image, torch.arange(2), torch.zeros(2, dtype=torch.int64), {})


def commands(program: str) -> list[str]:
    lines = re.findall(rf"python -m {re.escape(program)} ([^#\n`]*)", README)
    assert lines
    return [line.strip() for line in lines]


@pytest.mark.parametrize("line", [line for line in commands("bench.run") if "--help" not in line])
def test_its_runs_are_understood(line: str, example: str) -> None:
    words = [re.sub(r"=([\w]+),[\w,]+", r"=\1", word) for word in line.split() if word != "--multirun"]
    run = compose_run(words)
    assert f"method={run.method}" in words and f"split={run.split.name}" in words


@pytest.mark.parametrize(
    "words", ["split.budget=200", "method.base.share=0.5", "network=resnet50 network.weights=FILE"]
)
def test_its_words_are_understood(words: str) -> None:
    assert words.split()[-1] in README
    compose_run(["method=umadapt", "split=minicity", *words.split()])


def test_its_programs_and_make_targets_exist() -> None:
    for program in re.findall(r"python -m bench\.(\w+)", README):
        assert (ROOT / "bench" / f"{program}.py").is_file(), program
    for target in re.findall(r"\bmake (\w[\w-]*) ", README):
        if target in ("demo", "test", "bench", "lint"):
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def test_its_files_exist(example: str) -> None:
    named = re.findall(r"`([\w./-]+(?:\.py|\.md|\.cff|\.toml|/)|LICENSE)`", README)
    missing = [name for name in named if not (ROOT / name).exists() and name not in ("store/", f"methods/{example}.py")]
    assert not missing
    assert {"LICENSE", "CITATION.cff", "docs/decisions.md"} <= set(named)


def test_the_place_of_the_table_is_marked() -> None:
    assert re.search(r"<!-- results:minicity -->\n.+\n<!-- /results -->", README, re.DOTALL)
