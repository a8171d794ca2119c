"""In-order passes: what a stage returns for each image is a file of the product, whole after any stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bench import engine
from bench.engine import Feeds, Stopped
from bench.problem import Unlabelled
from bench.stage import Stage
from tests.test_engine import PROBLEM, Feed, lines, train


class Pass(Stage):
    """Writes the square of each image's id, and its mean colour."""

    @dataclass(kw_only=True)
    class Config(Stage.Config):
        reads = ("target",)
        draw = "in order"

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.register_buffer("count", torch.zeros(()))

    def step(self, t, source, target):
        self.count += len(target.ids)
        squares = target.ids.view(-1, 1, 1).expand(-1, 4, 8) ** 2
        return {"squares": squares.to(torch.uint8), "colour": target.image[:, :, ::8, ::8], "seen": self.count}


def in_order(num_images: int, batch: int) -> Feeds:
    def images(t: int) -> Unlabelled:
        ids = torch.arange(t * batch, min((t + 1) * batch, num_images))
        image = ids.view(-1, 1, 1, 1).expand(-1, 3, 16, 32) / num_images
        return Unlabelled(image, image, ids, 0 * ids, {})

    return Feeds(target=Feed(images), num_target=num_images)


def check_files(folder, num_images=7):
    squares, colour = (np.load(folder / "files" / f"{name}.npy") for name in ("squares", "colour"))
    assert (squares.dtype, squares.shape) == (np.uint8, (num_images, 4, 8))
    assert (squares == (np.arange(num_images) ** 2)[:, None, None]).all()
    assert (colour.dtype, colour.shape) == (np.float32, (num_images, 3, 2, 4))
    assert np.allclose(colour, np.arange(num_images)[:, None, None, None] / num_images)


def test_maps_of_an_in_order_pass_are_written_by_image_and_scalars_logged(tmp_path):
    train(Pass(Pass.Config(), PROBLEM, {}), tmp_path, steps=4, feeds=in_order(7, 2))
    check_files(tmp_path)
    assert [entry["seen"] for entry in lines(tmp_path)] == [2, 4, 6, 7]
    assert not any("squares" in entry for entry in lines(tmp_path))


def test_an_in_order_pass_goes_on_where_it_stopped(tmp_path):
    feeds, stop = in_order(7, 2), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        train(Pass(Pass.Config(), PROBLEM, {}), tmp_path, steps=4, feeds=feeds, stop=stop)
    assert not np.load(tmp_path / "files" / "squares.npy")[2:].any()
    feeds.target.asked.clear()
    train(Pass(Pass.Config(), PROBLEM, {}), tmp_path, steps=4, feeds=feeds)
    assert feeds.target.asked == [1, 2, 3]
    check_files(tmp_path)


def test_an_in_order_pass_that_starts_anew_writes_its_files_anew(tmp_path):
    (tmp_path / "files").mkdir()
    np.save(tmp_path / "files" / "squares.npy", np.ones((3, 2)))
    (tmp_path / "files" / "colour.npy").write_bytes(b"torn")
    train(Pass(Pass.Config(), PROBLEM, {}), tmp_path, steps=4, feeds=in_order(7, 2))
    check_files(tmp_path)


def test_every_rank_waits_once_for_each_file(tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(engine.dist, "barrier", lambda: waited.append(1))
    for rank in (0, 1):  # rank 1 comes when the file is there already
        monkeypatch.setattr(engine.dist, "rank", lambda rank=rank: rank)
        files = engine.Files(tmp_path / "files", 4, fresh=True)
        for ids in ([rank], [2 + rank]):
            files.write(torch.tensor(ids), {"map": torch.full((1, 2), float(ids[0]))})
        files.flush()
        assert len(waited) == 1 + rank
    assert np.load(tmp_path / "files" / "map.npy").tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
