"""python -m datasets.verify NAME ROOT [--full] [--json FILE]: is this copy of a data set what its loader expects?

Looks at every name and pair, at every file's header, and at the pixels of 50 images (--full: of all). Writes nothing
below ROOT. Exit code 0: sound; 1: an error; 2: it could not look.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from bench import manifest, plugins
from bench.log import Meter, console
from bench.manifest import Manifest
from datasets.files import NotThere, short
from datasets.findings import LEVELS, Finding
from datasets.survey import Survey, shares, survey

MOST = 20  # findings of a kind that are shown


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m datasets.verify", description="Is a copy of a data set sound?")
    parser.add_argument("name", help="of a data set")
    parser.add_argument("root", type=Path, help="its folder")
    parser.add_argument("--full", action="store_true", help="look at the pixels of all images")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there too")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where datasets.prepare left its manifest")
    given = parser.parse_args(words)
    try:
        module, found = looked(given.name, given.root, given.full, os.cpu_count() or 1, show=True)
    except (plugins.Unknown, NotThere, NotADirectoryError) as error:
        print(f"datasets.verify: {error}", file=sys.stderr)
        return 2
    kept = manifest.read(given.store, given.name)
    if kept is not None:
        found.findings.extend(changed(kept, found, given.full))
    report = summary(given.name, module, given.root, given.full, found, kept)
    if given.json:
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    show(report)
    return 0 if found.sound else 1


def looked(name: str, root: Path, whole: bool, workers: int, show: bool) -> tuple[Any, Survey]:
    """The data set's module and what was found. Unknown, NotThere or NotADirectoryError if one cannot look."""
    module = plugins.dataset(name)
    if not hasattr(module, "FACTS"):
        raise plugins.Unknown(f"{name} has no FACTS to compare files with" if module.NEEDS_ROOT else
                              f"{name} is rendered: it has no files to look at")  # fmt: skip
    root = root.absolute()
    if not root.is_dir():
        raise NotADirectoryError(f"{name}: no folder {root}; {module.HELP}")
    meters: list[Meter] = []

    def progress(done: int, total: int) -> None:
        if not meters:
            meters.append(Meter(f"verify {name}", total, show=show).__enter__())
        meters[0].at(done)

    try:
        return module, survey(name, module, root, whole, workers, progress)
    finally:
        for meter in meters:
            meter.__exit__(None, None, None)


def summary(name: str, module: Any, root: Path, whole: bool, found: Survey, kept: Manifest | None) -> dict[str, Any]:
    """The report as plain values: what --json writes and what is shown."""
    sampled = [one for one in found.seen if one.looked]
    depth = np.array([one.depth for one in sampled if one.depth])
    forms = Counter((field, form) for one in found.seen for field, form in one.forms.items() if form)
    sizes = Counter(f"{one.size[0]}x{one.size[1]}" for one in found.seen if one.size)
    parts = {n: [d.part for d in split.domains if d.dataset == name] for n, split in plugins.splits().items()}
    users = sorted(n for n, used in parts.items() if used and all(found.parts.get(part, True) for part in used))
    items = next(iter(found.parts.values()), [])
    return {
        "dataset": name,
        "root": str(root),
        "full": whole,
        "images": len(found.seen),
        "looked_at": len(sampled),
        "parts": {
            part: {"images": len(items), "expected": module.FACTS.counts[part]} for part, items in found.parts.items()
        },
        "sizes": dict(sizes.most_common()),
        "forms": {f"{field}: {form}": count for (field, form), count in sorted(forms.items())},
        "shares": {k: round(v, 4) for k, v in shares(found.counts, module.CLASSES.classes).items()}
        if found.counts.any()
        else {},
        "depth": {
            "least_m": float(depth[:, 0].min()),
            "median_m": float(np.median(depth[:, 1])),
            "greatest_m": float(depth[:, 2].max()),
            "invalid": float(depth[:, 3].mean()),
            "far": float(depth[:, 4].mean()),
        }
        if len(depth)
        else {},
        "fixture": manifest.is_fixture(root.absolute(), items),
        "manifest": {part: kept.state(part, module.FACTS) for part in kept.parts} if kept else {},
        "findings": [{"level": f.level, "kind": f.kind, "line": f.line} for f in found.findings],
        "ready_for": users if found.sound else [],
    }


def changed(kept: Manifest, found: Survey, whole: bool) -> Iterator[Finding]:
    """Files that are not those that datasets.prepare hashed: by size and time, then by content; if `whole`, all."""
    for path, field, stem, part in sorted(
        {path: (path, field, item.stem, part) for part, items in found.parts.items() for item in items
         for field, path in item.files.items() if path.exists()}.values()
    ):  # fmt: skip
        before = kept.parts.get(part, {}).get(stem, {}).get(field)
        if before is None or (not whole and kept.holds(part, stem, {field: path})):
            continue
        now = manifest.entry(path)
        if now[0] != before[0]:
            yield Finding("warning", "manifest", f"{short(path)}: {now[0]} bytes, {before[0]} when it was prepared")
        elif now[2] != before[2]:
            yield Finding("warning", "manifest", f"{short(path)}: other content than when it was prepared")


def show(report: Mapping[str, Any]) -> None:
    """The short table, the findings, and what the data set is ready for."""
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold")
    grid.add_column()
    for words in numbers(report):
        grid.add_row(*words)
    console.print(grid)
    for line in lines(report["findings"]):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(verdict(report), markup=False, highlight=False, soft_wrap=True)


def numbers(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    parts = (f"{name} {part['images']} of {part['expected'] or '?'}" for name, part in report["parts"].items())
    yield "images", ", ".join(parts) + f"; pixels of {report['looked_at']} looked at"
    yield "sizes", ", ".join(f"{size} ({count})" for size, count in [*report["sizes"].items()][:5])
    yield "files", ", ".join(f"{form} ({count})" for form, count in report["forms"].items())
    if depth := report["depth"]:
        span = f"{depth['least_m']:.2f} to {depth['greatest_m']:.2f} m, median {depth['median_m']:.1f} m"
        yield "depth", f"{span}; {depth['invalid']:.0%} invalid, {depth['far']:.0%} beyond any wall"
    if report["shares"]:
        yield "classes %", ", ".join(f"{name} {100 * share:.1f}" for name, share in report["shares"].items())
    states = ", ".join(f"{part} {state}" for part, state in report["manifest"].items())
    yield "manifest", states or "none yet; datasets.prepare writes it"
    if report["fixture"]:
        yield "fixture", "rendered scenes, not the data set: records made on it never rank"


def lines(findings: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Errors first, MOST of a kind."""
    kinds = Counter((f["level"], f["kind"]) for f in findings)
    told: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        kind = finding["level"], finding["kind"]
        told[kind] += 1
        if told[kind] <= MOST:
            yield f"{finding['level']}: {finding['line']}"
        elif told[kind] == MOST + 1:
            yield f"{finding['level']}: ... and {kinds[kind] - MOST} more of this kind ({finding['kind']})"


def verdict(report: Mapping[str, Any]) -> str:
    count = Counter(finding["level"] for finding in report["findings"])
    told = ", ".join(f"{count[level]} {level}{'s' * (count[level] != 1)}" for level in LEVELS)
    if count["error"]:
        return f"{told}: not ready"
    return f"{told}\nready for: {', '.join(report['ready_for']) or 'no split uses it'}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
