"""A plug-in that looks for target labels through one door after the other, and learns from what it finds."""

import dataclasses
import gc
from dataclasses import dataclass, field
from pathlib import Path

import torch

from bench import plugins
from bench.data.pack import Pack
from bench.data.stream import Stream
from methods.parts.supervised import Supervised

DOORS = ("batch", "problem", "products", "streams", "split")


class Method(Supervised):
    @dataclass(kw_only=True)
    class Config(Supervised.Config):
        reads = ("source", "target")
        role = ""
        door: str = "split"
        base: Supervised.Config = field(default_factory=Supervised.Config)

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.register_buffer("found", torch.zeros(()))  # how often a label was found: read by the test
        self.products = given

    def step(self, t, source, target):
        terms = super().step(t, source, target)
        label = getattr(self, f"through_{self.config.door}")(target)
        if label is not None:
            self.found += 1
            with torch.no_grad():
                next(iter(self.net.parameters())).add_(1e-3 * label.float().mean())  # any use of it will do
        return terms

    def through_batch(self, target):
        names = {f.name for f in dataclasses.fields(target)} | set(vars(target)) | set(target.attached)
        return next((getattr(target, n) for n in names if n in ("labels", "semseg", "depth")), None)

    def through_problem(self, target):
        values = [value for value in vars(self.problem).values() if isinstance(value, str | tuple)]
        words = [str(word) for value in values for word in ([value] if isinstance(value, str) else value)]
        return torch.ones(1) if any(Path(word).exists() for word in words) else None  # a path would be a way in

    def through_products(self, target):
        base = self.products["base"].build()
        files = list(self.products["base"].files.glob("*")) if self.products["base"].files.exists() else []
        own = {name for name, _ in base.named_buffers()} | {name for name, _ in base.named_parameters()}
        return torch.ones(1) if files or any("label" in name for name in own) else None

    def through_streams(self, target):
        for stream in [o for o in gc.get_objects() if isinstance(o, Stream)]:
            if stream.tasks and "camera" in str(stream.packs[0].folder):
                return torch.ones(1)
        for pack in [o for o in gc.get_objects() if isinstance(o, Pack)]:
            if "source" in str(pack.folder) or "render" in str(pack.folder):
                continue
            for file in ("semseg.bin", "depth.bin", "normals.bin"):
                if (pack.folder / file).exists():
                    return torch.ones(1)
            try:
                return torch.as_tensor(Pack(pack.folder, ("semseg",)).read(0, "semseg", 0, 0, 8, 8).copy())
            except ValueError:
                continue
        return None

    def through_split(self, target):
        """The file system: not closed yet, but what comes this way changes the weights, and is seen."""
        domain = plugins.split(self.problem.split).target[0]
        module = plugins.dataset(domain.dataset)
        item = module.index(None, domain.part)[int(target.ids[0])]
        return torch.as_tensor(module.read(item, ("semseg",), (32, 32))["semseg"])
