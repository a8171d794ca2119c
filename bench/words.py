"""The small command lines of bench.score and bench.report: one name, `word=value` pairs, `--flags`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence


def parse(
    arguments: Sequence[str], known: Mapping[str, str], flags: Sequence[str] = (), prefix: str = ""
) -> tuple[list[str], dict[str, str]]:
    """The bare words, and a value for each word: `known` has the defaults; a flag is "yes" or "".

    Words that start with `prefix` ("data.") are taken whatever follows. SystemExit on a word that nobody knows.
    """
    bare, values = [], {**known, **dict.fromkeys(flags, "")}
    for argument in arguments:
        word, equals, value = argument.partition("=")
        if equals and (word in known or (prefix and word.startswith(prefix))):
            values[word] = value
        elif argument in flags:
            values[argument] = "yes"
        elif equals or argument.startswith("-"):
            options = [*(f"{name}=" for name in known), *flags, *([f"{prefix}NAME="] if prefix else [])]
            near = difflib.get_close_matches(word + equals, options, 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SystemExit(f"unknown word {argument!r}{hint} known: {' '.join(options)}")
        else:
            bare.append(argument)
    return bare, values
