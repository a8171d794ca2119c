"""A build that was stopped goes on where it was; of two builders one waits."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from tests.test_pack import ITEMS, Toy, pack, packed

__all__ = ["pack"]  # a fixture


def interrupted(folder, after):
    """A build that stops when so many images are packed."""

    def interrupt(done, total):
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packed(folder, progress=interrupt)


def counting(read, asked):
    return SimpleNamespace(TASKS=Toy().TASKS, read=lambda item, *rest: asked.append(item.stem) or read(item, *rest))


def test_an_interrupted_build_goes_on_where_it_was_and_gives_the_same_bits(pack, tmp_path):
    interrupted(tmp_path / "p", 6)
    assert os.listdir(tmp_path) == [".p.unfinished"]
    asked, told = [], []
    found = packed(tmp_path / "p", counting(Toy().read, asked), progress=lambda done, total: told.append(done))
    assert asked == [item.stem for item in ITEMS[6:]] and told == [7, 8, 9, 10]
    assert found.hash == pack.hash and found.cameras == pack.cameras
    assert (found.frequencies(4) == pack.frequencies(4)).all()
    assert sorted(os.listdir(found.folder)) == sorted(os.listdir(pack.folder))


def test_an_image_that_the_disk_lost_is_packed_again(pack, tmp_path):
    interrupted(tmp_path / "p", 6)
    with open(tmp_path / ".p.unfinished" / "depth.bin", "r+b") as file:
        file.seek(2 * 24 * 16 * 4)  # the third image
        file.write(bytes(100))
    with open(tmp_path / ".p.unfinished" / "journal.jsonl", "a") as file:
        file.write('[6, {"image": "torn')
    asked = []
    assert packed(tmp_path / "p", counting(Toy().read, asked)).hash == pack.hash
    assert asked == [ITEMS[i].stem for i in (2, 6, 7, 8, 9)]


def test_what_was_left_of_other_images_is_not_taken(tmp_path):
    interrupted(tmp_path / "p", 6)
    asked = []
    packed(tmp_path / "p", counting(Toy().read, asked), items=ITEMS[:9])
    assert asked == [item.stem for item in ITEMS[:9]]


def test_of_two_builders_one_waits_and_packs_nothing(tmp_path):
    asked = []
    second = ThreadPoolExecutor(1)
    waiting = []

    def start(done, total):
        if not waiting:
            waiting.append(second.submit(packed, tmp_path / "p", counting(Toy().read, asked)))
            time.sleep(0.3)

    first = packed(tmp_path / "p", progress=start)
    assert waiting[0].result().hash == first.hash and asked == []
    assert os.listdir(tmp_path) == ["p"]
