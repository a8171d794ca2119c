"""The small command lines of slurm.status and its like: a sweep's name, a store, a few words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from slurm.sweep import Sweep, find, read


def opened(words: Sequence[str], usage: str | None, **known: str) -> tuple[Sweep, dict[str, str]]:
    """The sweep that is meant, the newest of the store if none is named, and a value for each known word."""
    sweep, values, _ = parse(words, usage, bare=1, **known)
    return sweep, values


def parse(words: Sequence[str], usage: str | None, bare: int, **known: str) -> tuple[Sweep, dict[str, str], list[str]]:
    """ValueError in one line: a stray word, no sweep, or several."""
    values = {"store": "store", **known}
    names = []
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in values:
            values[name] = value
        elif equals or word.startswith("-"):
            if word in ("-h", "--help"):
                raise SystemExit((usage or "").strip())
            near = difflib.get_close_matches(name, values, 1, 0.5)
            hint = f"; did you mean {near[0]}=?" if near else ""
            raise ValueError(f"unknown word {word!r}{hint} known: {' '.join(f'{n}=' for n in values)}")
        else:
            names.append(word)
    if len(names) > bare:
        raise ValueError(f"one name was expected, got {' '.join(names)}")
    named = names[-1] if names and bare == 1 else values.get("sweep", "")
    return read(find(Path(values["store"]).absolute(), named)), values, names
