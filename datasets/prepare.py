"""python -m datasets.prepare NAME ROOT [--split NAME] [--store DIR]: check a data set, pack it, hash its files.

Makes the packs that bench.run would make before its first step, for every split that uses the data set or for those
that are named, in the same place, so that a run finds them; then the manifest, by which a run's record can say that
its data are a copy that is known to be good. A kill costs nothing: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import manifest, plugins
from bench.data.decode import decoder
from bench.data.pack import Item, num_bytes
from bench.log import Meter, warn_once
from bench.manifest import Entry
from bench.record import KNOWN
from bench.split import Domain, Split
from datasets import verify

if TYPE_CHECKING:
    from bench.domains import Domains

TRIED = 3  # images that are decoded for an estimate of the time


@dataclass(frozen=True)
class Wanted:
    """A pack that a split will ask for."""

    domains: Domains
    domain: Domain
    fields: tuple[str, ...]
    items: list[Item]
    folder: Path

    @property
    def num_bytes(self) -> int:
        return len(self.items) * sum(num_bytes(name, self.domain.size) for name in self.fields)

    @property
    def there(self) -> bool:
        return (self.folder / "index.json").exists()

    def seconds(self) -> float:
        """For all its images by one process, from a few."""
        decode = decoder(plugins.dataset(self.domain.dataset), self.fields, self.domain.size,
                         self.domains.label_map(self.domain, self.fields))  # fmt: skip
        tried = [self.items[i] for i in np.linspace(0, len(self.items) - 1, min(TRIED, len(self.items))).astype(int)]
        began = time.perf_counter()
        for item in tried:
            decode(item)
        return (time.perf_counter() - began) / len(tried) * len(self.items)


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.prepare", description="Check and pack a data set.")
    parser.add_argument("name", help="of a data set")
    parser.add_argument("root", type=Path, help="its folder; nothing is written there")
    parser.add_argument("--split", action="append", help="pack for this split only; may be repeated")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where bench.run will look (store)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args(words)
    name, root, store = given.name, given.root.absolute(), given.store.absolute()
    warn_once()
    try:
        plugins.dataset(name)
        if store.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"the store {store} is inside of {root}, where nothing is written; say --store=FOLDER")
        splits = [plugins.split(one) for one in given.split or plugins.splits()]
        if code := verify.main([name, str(root), "--store", str(store)]):
            return code
        wanted = packs(name, root, store, splits, given.workers)
        told(wanted, store, given.workers)
        for one in wanted:
            one.domains.pack(one.domain, one.fields)
        hashed(name, root, store, given.workers)
    except plugins.Unknown as error:
        print(f"datasets.prepare: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError, RuntimeError) as error:
        print(f"datasets.prepare: {error}", file=sys.stderr)
        return 1
    return 0


def packs(name: str, root: Path, store: Path, splits: Sequence[Split], workers: int) -> list[Wanted]:
    """Of the splits that use the data set; a pack that two of them share is there once."""
    from bench.domains import Domains  # here and not above: it brings torch, which no process that decodes needs

    found: dict[Path, Wanted] = {}
    for split in splits:
        domains = Domains(split, {name: root}, store, workers)
        for domain, fields in domains.packed():
            if domain.dataset == name:
                items = domains.index(domain)
                folder = domains.place(domain, fields, items)
                found.setdefault(folder, Wanted(domains, domain, fields, items, folder))
    if not found:
        raise plugins.Unknown(f"{name}: no image of it is in {' '.join(split.name for split in splits)}")
    return list(found.values())


def told(wanted: Sequence[Wanted], store: Path, workers: int) -> None:
    """Say what will be written and how long it takes. OSError if the disk is too small."""
    missing = [one for one in wanted if not one.there]
    for one in wanted:
        width, height = one.domain.size
        what = f"{one.domain.part} at {width}x{height} with {', '.join(one.fields)}, {len(one.items)} images"
        print(f"pack {what}: {'there already' if one.there else f'{one.num_bytes / 1e9:.2f} GB'}")
    need = sum(one.num_bytes for one in missing)
    begun = sum(_written(one.folder.with_name(f".{one.folder.name}.unfinished")) for one in missing)
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if need - begun > free:
        raise OSError(f"the packs need {(need - begun) / 1e9:.1f} GB more below {store}, {free / 1e9:.1f} GB are free")
    if missing:
        minutes = sum(one.seconds() for one in missing) / workers / 60
        print(f"{need / 1e9:.2f} GB of {free / 1e9:.0f} GB free, about {minutes:.0f} min", flush=True)


def _written(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.glob("*.bin"))


def hashed(name: str, root: Path, store: Path, workers: int) -> None:
    """Write the manifest, and say which parts are a copy that is known."""
    module: Any = plugins.dataset(name)
    parts = {part: items for part in module.FACTS.counts if (items := _there(module, root, part))}

    def entries(paths: Sequence[Path]) -> Iterable[Entry]:
        with Meter(f"hash {name}", len(paths)) as meter, ThreadPoolExecutor(workers) as pool:
            for done, entry in enumerate(pool.map(manifest.entry, paths), 1):
                meter.at(done)
                yield entry

    fixture = manifest.is_fixture(root, next(iter(parts.values())))
    made = manifest.make(name, fixture, parts, entries)
    print(f"manifest {manifest.write(store, made)}")
    for part in parts:
        print(f"  {part}: {made.hash(part)}, {'a fixture' if fixture else made.state(part, module.FACTS)}")
    if not fixture and any(made.state(part, module.FACTS) != KNOWN for part in parts):
        print(f"a run on parts that are not {KNOWN} says so in its record; `manifests` in FACTS of datasets/{name}.py "
              "has those that are")  # fmt: skip


def _there(module: Any, root: Path, part: str) -> list[Item]:
    """The items of a part; none of one that this copy is lawfully without."""
    try:
        items: list[Item] = module.index(root, part)
    except FileNotFoundError:
        if part not in module.FACTS.spare:
            raise
        return []
    return items


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
