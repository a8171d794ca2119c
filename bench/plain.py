"""Typed settings <-> plain JSON values in one canonical form: what keys are hashed from and folders read back by."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints


def to_plain(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(k): to_plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a setting must be a number, a word, a list, a dict or a dataclass; got {type(value).__name__}")


def from_plain(kind: Any, value: Any) -> Any:
    """The inverse of `to_plain`: fill the dataclass `kind` from a dict, tuples from lists. ValueError: stray field."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        options = [o for o in get_args(kind) if o is not NoneType]
        return None if value is None else from_plain(options[0], value)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        known = {f.name: f for f in fields(kind)}
        stray = sorted(value.keys() - known.keys())
        if stray:
            raise ValueError(f'{kind.__qualname__} has no field "{stray[0]}"; it has {" ".join(known)}')
        return kind(**{name: from_plain(field_type(known[name], hints[name]), v) for name, v in value.items()})
    if origin is tuple:
        inner = get_args(kind)
        kinds = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
        return tuple(from_plain(k, v) for k, v in zip(kinds, value, strict=True))
    if origin is list:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected a list, got {value!r}")
        return [from_plain(get_args(kind)[0], v) for v in value]
    if kind is float and isinstance(value, int):
        return float(value)
    return value


def field_type(field: Any, hint: Any) -> Any:
    """The field's type; a field declared by a base class takes the class of its default."""
    if is_dataclass(hint) and field.default_factory is not MISSING:
        return type(field.default_factory())
    return hint


def canonical(value: Any) -> str:
    """One text for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
