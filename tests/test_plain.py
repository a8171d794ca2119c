"""Settings to plain values and back, and the one text that keys are hashed from."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.nets.multitask import ResNet50, Small
from bench.plain import canonical, from_plain, to_plain
from bench.split import Augmentation
from methods.parts.contour import Contour
from methods.parts.supervised import Supervised
from methods.umadapt import Method


@dataclass(kw_only=True)
class Inner:
    scale: float = 1.0


@dataclass(kw_only=True)
class Outer:
    steps: int = 3
    pair: tuple[int, float] = (1, 2.0)
    words: tuple[str, ...] | None = None
    sizes: list[float] = field(default_factory=list)
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    anything: dict[str, Any] = field(default_factory=dict)


FULL = Outer(
    steps=5, pair=(4, 0.5), words=("a", "b"), sizes=[1.0, 2.5], inner=Inner(scale=3.0),
    many=(Inner(), Inner(scale=2.0)), maybe=Inner(scale=9.0), anything={"x": [1, {"y": None}]},
)  # fmt: skip


def test_settings_become_json_all_the_way_down():
    assert to_plain(FULL) == {
        "steps": 5, "pair": [4, 0.5], "words": ["a", "b"], "sizes": [1.0, 2.5], "inner": {"scale": 3.0},
        "many": [{"scale": 1.0}, {"scale": 2.0}], "maybe": {"scale": 9.0}, "anything": {"x": [1, {"y": None}]},
    }  # fmt: skip


@pytest.mark.parametrize("value", [FULL, Outer()])
def test_settings_come_back_from_a_file_with_their_types(value):
    found = from_plain(Outer, json.loads(json.dumps(to_plain(value))))
    assert found == value
    assert isinstance(found.pair, tuple)
    assert isinstance(found.inner, Inner)


@pytest.mark.parametrize("kind", [Small, ResNet50, Augmentation, Supervised.Config, Method.Config, Contour.Config])
def test_every_config_of_the_suite_comes_back(kind):
    assert from_plain(kind, json.loads(canonical(to_plain(kind())))) == kind()


def test_what_is_left_out_takes_its_default():
    assert from_plain(Outer, {"steps": 7}) == Outer(steps=7)


def test_a_whole_number_in_a_file_is_a_float_where_the_field_is_one():
    found = from_plain(Outer, {"inner": {"scale": 2}, "sizes": [1]})
    assert [type(v) for v in (found.inner.scale, found.sizes[0])] == [float, float]


def test_a_field_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(ValueError, match='Inner has no field "scael"; it has scale'):
        from_plain(Outer, {"inner": {"scael": 2}})


def test_a_pair_of_three_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        from_plain(Outer, {"pair": [1, 2, 3]})


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", Outer])
def test_what_is_no_setting_is_refused(value):
    with pytest.raises(TypeError, match="a setting must be a number, a word"):
        to_plain({"field": [value]})


def test_equal_values_have_one_text():
    assert canonical({"b": 1, "a": [1.0, None, "ü"]}) == canonical({"a": [1.0, None, "ü"], "b": 1})
    assert canonical({"b": 1, "a": 2}) == '{"a":2,"b":1}'
    assert canonical(0.1 + 0.2) != canonical(0.3)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_has_no_json_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical({"lr": value})
