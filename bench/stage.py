"""Stage: the contract between the suite and a method. Read this file first.

A method is a file with a class `Method(Stage)`. Its `Config` holds every hyper-parameter, and the stages it needs
before it (a field whose type is another stage's Config). The suite trains what is needed, once, and hands it over.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from bench.data.sampling import Rare
from bench.optim import Optim
from bench.problem import Labelled, NetworkConfig, Problem, Unlabelled


class Product:
    """What a finished stage left: its trained module, built anew at each call, and the folder of its files."""

    def __init__(self, load: Callable[[], Stage], files: Path | None = None) -> None:
        self._load, self.files = load, files

    def build(self) -> Any:
        """The finished stage with its weights: yours alone, nobody else holds it."""
        return self._load()


class Stage(nn.Module):
    """Subclass, nest a Config, build in __init__, learn in step. What must survive a kill is a parameter, a buffer
    or an Optim: any other attribute that changes during training is lost on resume, and a test catches it."""

    @dataclass(kw_only=True)
    class Config:
        """The stage's hyper-parameters. A field that is itself a Stage.Config is a stage to be run before."""

        stage: ClassVar[type[Stage]]  # wired by Stage.__init_subclass__: a Config builds its owner
        reads: ClassVar[tuple[str, ...]] = ("source", "target")  # a domain that is not read comes as None
        draw: ClassVar[Literal["shuffled", "in order"]] = "shuffled"  # in order: one pass over the target, unaugmented
        attach: ClassVar[tuple[str, ...]] = ()  # needs whose files travel with the target images, augmented alike
        oracle: ClassVar[bool] = False  # learns from the labelled target; its rows are marked and never rank
        role: ClassVar[str] = ""  # "baseline" or "single": what tables set other rows beside, or take deltas from
        share: float = 1.0  # of the split's budget of steps
        batch: int | None = None  # images per domain and step; None: the split's
        target_labels: float = 0.0  # share of the target's training images whose labels are lent (semi-supervised)

        def needs(self, problem: Problem) -> Mapping[str, Stage.Config]:
            """The stages to be finished before this one, by name. Default: every field that is a Stage.Config."""
            values = {f.name: getattr(self, f.name) for f in fields(self)}
            return {name: value for name, value in values.items() if isinstance(value, Stage.Config)}

        def check(self, problem: Problem) -> None:
            """Raise ValueError, in one line, when this stage cannot run on the problem. Called before any training."""

        def sources(self, problem: Problem) -> tuple[str, ...]:
            """Which of the problem's sources it learns from. Default: all, in equal parts."""
            return problem.sources

        def rare(self) -> Rare | None:
            """Draw labelled images by the rare classes they show; None: every image once an epoch."""
            return None

        def network(self, problem: Problem) -> NetworkConfig:
            """The network that it trains, and predicts with. Default: the problem's; a student has another."""
            return problem.network

        def batchnorm(self) -> str:
            """How BatchNorm statistics come about, for the record."""
            return "batch statistics of the source"

        def steps(self, problem: Problem) -> int:
            """How many steps; an in-order pass takes as many as the images need, whatever the share."""
            return max(1, round(self.share * problem.budget)) if self.share else 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Config" not in cls.__dict__:
            names = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.Config"}  # so that it pickles
            config = type("Config", (cls.Config,), names)
            cls.Config = dataclass(kw_only=True)(config)  # type: ignore[misc]
        if not is_dataclass(cls.Config) or "__dataclass_fields__" not in cls.Config.__dict__:
            raise TypeError(f"{cls.__module__}.{cls.__qualname__}.Config must be a @dataclass(kw_only=True)")
        cls.Config.stage = cls

    def __init__(self, config: Any, problem: Problem, given: Mapping[str, Product]) -> None:
        super().__init__()
        self.config, self.problem = copy.deepcopy(config), problem

    def step(self, t: int, source: Labelled, target: Unlabelled) -> Mapping[str, Tensor]:
        """Learn from one pair of batches. Return what is worth logging as 0-dim tensors.

        With `Config.target_labels` > 0 it is called with a third batch, `lent: Labelled`, from the lent target images.
        In an in-order pass `target` is the next images of the target, and a returned tensor B ... H W is written to
        the product's files, for later stages to `attach`.
        """
        raise NotImplementedError(f"{type(self).__qualname__} must define step(t, source, target)")

    def predict(self, image: Tensor) -> Mapping[str, Tensor]:
        """Raw outputs {task: B channels h w} for images B 3 H W in [0, 1]; bench.tasks decodes. Last stage only."""
        raise NotImplementedError(f"{type(self).__qualname__} must define predict(image) to be scored")

    def optims(self) -> Iterator[tuple[str, Optim]]:
        """Every Optim of this stage and of its parts, by name."""
        for path, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Optim):
                    yield f"{path}.{name}" if path else name, value
