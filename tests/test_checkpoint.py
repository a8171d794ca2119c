"""Checkpoints: all that was learnt comes back; a torn file falls back; a full disk is one line and harms nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import resource

import pytest
import torch
from torch import nn

from bench import checkpoint
from bench.checkpoint import StoreError
from bench.optim import Optim
from bench.stage import Stage
from tests import shapes

PROBLEM = shapes.problem()


class Part(nn.Module):
    """A part with an optimiser of its own."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(3, 1)
        self.optim = Optim(self.line.parameters(), 10, lr=0.1)


class Two(Stage):
    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.part = Part()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.optim = Optim(self.net.parameters(), 10, lr=0.1)
        self.register_buffer("queue", torch.zeros(5))

    def step(self, t, source, target):
        torch.manual_seed(t)
        self.part.optim.minimise(self.part.line(torch.randn(2, 3)).square().sum())
        self.optim.minimise(self.net(torch.randn(2, 3, 4, 4)).square().mean())
        self.queue[t % 5] = t
        return {}


def trained(steps: int) -> Two:
    torch.manual_seed(0)
    stage = Two(Two.Config(), PROBLEM, {})
    for t in range(steps):
        stage.step(t, None, None)
    return stage


def blank() -> Two:
    torch.manual_seed(9)
    return Two(Two.Config(), PROBLEM, {})


def same(a: Stage, b: Stage) -> bool:
    x, y = a.state_dict(), b.state_dict()
    return x.keys() == y.keys() and all(torch.equal(x[name], y[name]) for name in x)


def test_everything_learnt_comes_back_and_goes_on_to_the_bit(tmp_path):
    straight = trained(6)
    checkpoint.save(tmp_path, trained(3), 3, 1.5)
    resumed = blank()
    assert checkpoint.resume(tmp_path, resumed) == (3, 1.5)
    assert same(resumed, trained(3))
    assert (resumed.optim.taken, resumed.part.optim.taken) == (3, 3)
    for t in range(3, 6):
        resumed.step(t, None, None)
    assert same(resumed, straight)


def test_without_a_checkpoint_training_starts_at_the_beginning(tmp_path):
    stage = blank()
    assert checkpoint.resume(tmp_path, stage) == (0, 0.0)
    assert same(stage, blank())


def test_the_last_two_are_kept_and_nothing_else_is_left(tmp_path):
    for steps in (1, 2, 3):
        checkpoint.save(tmp_path, trained(steps), steps, float(steps))
    assert sorted(os.listdir(tmp_path)) == ["state.before.pt", "state.pt"]
    assert checkpoint.resume(tmp_path, blank()) == (3, 3.0)
    (tmp_path / "state.pt").unlink()  # killed between the two renames
    assert checkpoint.resume(tmp_path, blank()) == (2, 2.0)
    checkpoint.discard(tmp_path)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
def test_a_file_that_ends_early_falls_back_to_the_one_before(tmp_path, capsys, share):
    for steps in (1, 2):
        checkpoint.save(tmp_path, trained(steps), steps, float(steps))
    whole = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(whole[: int(share * len(whole))])
    stage = blank()
    assert checkpoint.resume(tmp_path, stage) == (1, 1.0)
    assert same(stage, trained(1))
    said = capsys.readouterr().out
    assert "torn checkpoint" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "content", [b"\0" * 5000, b"not a checkpoint", b"\x80\x02}q\x00.", b"PK\x03\x04" + b"\0" * 200]
)
def test_a_file_of_anything_else_falls_back_to_the_one_before(tmp_path, content):
    for steps in (1, 2):
        checkpoint.save(tmp_path, trained(steps), steps, float(steps))
    (tmp_path / "state.pt").write_bytes(content)
    assert checkpoint.resume(tmp_path, blank()) == (1, 1.0)


def test_two_torn_files_mean_a_start_from_the_beginning(tmp_path):
    for name in ("state.pt", "state.before.pt"):
        (tmp_path / name).write_bytes(b"torn")
    stage = blank()
    assert checkpoint.resume(tmp_path, stage) == (0, 0.0)
    assert same(stage, blank())


def test_optimisers_that_are_not_those_of_the_stage_are_an_error(tmp_path):
    checkpoint.save(tmp_path, trained(1), 1, 1.0)
    content = torch.load(tmp_path / "state.pt", weights_only=True)
    del content["optims"]["part.optim"]
    torch.save(content, tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"optimisers \['optim'\] saved, the stage has \['optim', 'part.optim'\]"):
        checkpoint.resume(tmp_path, blank())


@pytest.fixture
def saved(tmp_path):
    """What two checkpoints leave on the disk."""
    for steps in (1, 2):
        checkpoint.save(tmp_path, trained(steps), steps, float(steps))
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@contextlib.contextmanager
def full_when_flushed(monkeypatch):
    def fsync(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield


@contextlib.contextmanager
def full_when_written(monkeypatch):
    """For the one call only: pytest's own output may go to a file, too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("full_disk", [full_when_flushed, full_when_written])
def test_a_full_disk_is_one_line_and_the_old_checkpoints_stay(tmp_path, saved, full_disk, monkeypatch):
    stage = trained(3)
    with pytest.raises(StoreError) as failure, full_disk(monkeypatch):
        checkpoint.save(tmp_path, stage, 3, 3.0)
    assert "\n" not in str(failure.value)
    assert str(failure.value).startswith(f"cannot write {tmp_path / 'state.pt'}: ")
    assert "free some space or choose another store=DIR" in str(failure.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == saved
    assert checkpoint.resume(tmp_path, blank()) == (2, 2.0)


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write") as failure:
        checkpoint.save_file(tmp_path / "file" / "product.pt", {})
    assert "\n" not in str(failure.value)


def test_a_file_is_replaced_whole(tmp_path):
    checkpoint.save_file(tmp_path / "a.pt", {"x": 1})
    checkpoint.save_file(tmp_path / "a.pt", {"x": 2})
    assert torch.load(tmp_path / "a.pt", weights_only=True) == {"x": 2}
    assert os.listdir(tmp_path) == ["a.pt"]
