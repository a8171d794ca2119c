"""The loop: stops on what is not finite, on a signal, and continues to the bit; its log."""

from __future__ import annotations

import json
import os
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn

from bench import engine
from bench.checkpoint import StoreError
from bench.engine import Feeds, NotFinite, Settings, Stopped
from bench.optim import Optim
from bench.problem import Labelled
from bench.schedule import Schedule
from bench.stage import Stage
from tests import shapes

PROBLEM = shapes.problem()
CPU = torch.device("cpu")


class Line(Stage):
    """Learns a line from noise that the step draws. `events` are {t: what happens in that step}."""

    events = {}

    def __init__(self, config, problem, given):
        super().__init__(config, problem, given)
        self.net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 1))
        self.optim = Optim(self.net.parameters(), 10, lr=0.1, schedule=Schedule(power=0.9))
        self.register_buffer("sum", torch.zeros(()))

    def step(self, t, source, target):
        x = source.image.mean((2, 3)) + torch.randn(2, 3)
        loss = (self.net(x) - t).square().mean()
        self.optim.minimise(loss)
        self.sum += loss.detach()
        return {"loss": loss, "other": self.events[t]()} if t in self.events else {"loss": loss}


class Feed:
    """A batch for every step, as a stream gives them; remembers what was asked of it."""

    def __init__(self, batch):
        self.batch, self.asked = batch, []

    def iterate(self, start, stop):
        for t in range(start, stop):
            self.asked.append(t)
            yield self.batch(t)


def labelled(t: int) -> Labelled:
    image = torch.full((2, 3, 4, 8), t / 10)
    return Labelled(image, image, torch.arange(2), torch.zeros(2, dtype=torch.int64), {})


def line(**events) -> Line:
    torch.manual_seed(0)
    stage = Line(Line.Config(), PROBLEM, {})
    stage.events = {int(t.removeprefix("at")): happens for t, happens in events.items()}
    return stage


def train(stage, folder, steps=10, feeds=None, stop=None, **settings):
    feeds = feeds or Feeds(source=Feed(labelled))
    settings = {"save_seconds": -1.0, "show": False} | settings  # saves at every report
    return engine.train(stage, "line", feeds, steps, folder, Settings(CPU, **settings), stop or threading.Event())


def nan():
    return torch.tensor(torch.nan)


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_seconds(folder) -> list[dict]:
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines(folder)]


def same(a: Stage, b: Stage) -> bool:
    x, y = a.state_dict(), b.state_dict()
    return all(torch.equal(x[name], y[name]) for name in x)


@pytest.fixture
def straight(tmp_path):
    """A run that nothing disturbed, and its folder."""
    folder = tmp_path / "straight"
    folder.mkdir()
    stage = line()
    train(stage, folder)
    return stage, folder


# steps


def test_every_step_gets_its_own_batch_once(tmp_path):
    feed = Feed(labelled)
    train(line(), tmp_path, feeds=Feeds(source=feed))
    assert feed.asked == list(range(10))


def test_randomness_is_a_function_of_the_step_and_not_of_what_was_drawn_before(tmp_path, straight):
    torch.randn(17)
    np.random.rand(3)
    stage = line()
    torch.randn(5)
    train(stage, tmp_path)
    assert same(stage, straight[0])
    other = Line(Line.Config(), shapes.problem(seed=1), {})
    other.load_state_dict(line().state_dict())
    (tmp_path / "other").mkdir()
    train(other, tmp_path / "other")
    assert not same(other, straight[0])


def test_a_stage_without_steps_learns_nothing(tmp_path):
    stage = line()
    assert train(stage, tmp_path, steps=0) < 5
    assert same(stage, line())
    assert lines(tmp_path) == []


def test_domains_that_are_not_read_come_as_none_and_lent_labels_only_if_there_are_any(tmp_path):
    seen = []

    class Watch(Stage):
        def step(self, t, *batches):
            seen.append(batches)
            return {}

    feed = Feed(labelled)
    for feeds in (Feeds(), Feeds(source=feed), Feeds(target=feed), Feeds(source=feed, target=feed, lent=feed)):
        train(Watch(Watch.Config(), PROBLEM, {}), tmp_path, steps=1, feeds=feeds)
    assert [[batch is not None for batch in batches] for batches in seen] == [
        [False, False], [True, False], [False, True], [True, True, True],
    ]  # fmt: skip


def test_the_stage_is_in_training_mode_at_every_step(tmp_path):
    modes = []

    class Watch(Stage):
        def step(self, t, source, target):
            modes.append(self.training)
            self.eval()
            return {}

    train(Watch(Watch.Config(), PROBLEM, {}), tmp_path, steps=3)
    assert modes == [True, True, True]


# what is not finite


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_scalar_that_is_not_finite_stops_the_stage_and_is_named_with_its_step(tmp_path, value):
    with pytest.raises(NotFinite, match=f"step 5: other is {value}") as failure:
        train(line(at5=lambda: torch.tensor(value)), tmp_path)
    assert "\n" not in str(failure.value)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["t"] == 5
    assert [entry["t"] for entry in lines(tmp_path)] == [0, 1, 2, 3, 4]


def test_a_scalar_that_is_not_finite_between_two_reports_is_found_before_anything_is_saved(tmp_path):
    with pytest.raises(NotFinite, match="step 5: other is nan"):
        train(line(at5=nan), tmp_path, steps=400)  # a report every 4 steps, a save after every one
    assert torch.load(tmp_path / "state.pt", weights_only=True)["t"] == 5


@pytest.mark.parametrize("steps", [8, 400])
def test_a_network_that_broke_where_every_loss_is_finite_is_neither_saved_nor_handed_on(tmp_path, steps):
    stage = line()

    def overflow():
        with torch.no_grad():
            stage.net[3].bias.fill_(torch.nan)
        return torch.tensor(0.0)

    stage.events = {7: overflow}
    with pytest.raises(NotFinite, match=r"step 7: net\.3\.bias is not finite"):
        train(stage, tmp_path, steps=steps)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["t"] == 7


def test_a_mended_stage_goes_on_from_the_last_checkpoint(tmp_path, straight):
    with pytest.raises(NotFinite):
        train(line(at5=nan), tmp_path)
    feed = Feed(labelled)
    stage = line()
    train(stage, tmp_path, feeds=Feeds(source=feed))
    assert feed.asked == [5, 6, 7, 8, 9]
    assert same(stage, straight[0])


# stopping and continuing


def test_a_stop_saves_asks_to_be_run_again_and_the_rest_is_as_if_nothing_had_been(tmp_path, straight):
    stop = threading.Event()

    def ask():
        stop.set()
        return torch.tensor(0.0)

    with pytest.raises(Stopped) as stopped:
        train(line(at3=ask), tmp_path, stop=stop, save_seconds=1e9)
    assert stopped.value.code == 75
    assert torch.load(tmp_path / "state.pt", weights_only=True)["t"] == 4
    stage = line()
    train(stage, tmp_path)
    assert same(stage, straight[0])
    assert stage.optim.taken == 10
    found = [{k: v for k, v in entry.items() if k != "other"} for entry in without_seconds(tmp_path)]
    assert found == without_seconds(straight[1])


def test_a_stop_is_heard_at_once_and_not_only_when_a_report_is_due(tmp_path):
    stop = threading.Event()

    def ask():
        stop.set()
        return torch.tensor(0.0)

    with pytest.raises(Stopped):
        train(line(at3=ask), tmp_path, steps=1000, stop=stop, save_seconds=1e9)  # a report every 10 steps
    assert torch.load(tmp_path / "state.pt", weights_only=True)["t"] == 4


def test_what_a_process_killed_while_it_saved_left_behind_is_cleared_away(tmp_path):
    (tmp_path / ".state.pt.4711").write_bytes(b"half")
    train(line(), tmp_path)
    assert not (tmp_path / ".state.pt.4711").exists()


def test_a_stop_during_the_last_step_comes_too_late(tmp_path, straight):
    stop = threading.Event()
    stop.set()
    stage = line()
    train(stage, tmp_path, steps=1, stop=stop)
    assert stage.optim.taken == 1


def test_a_stage_killed_at_any_step_ends_with_the_same_bits_and_the_same_log(tmp_path, straight):
    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    for t in range(10):
        folder = tmp_path / f"killed{t}"
        folder.mkdir()
        with pytest.raises(Killed):
            train(line(**{f"at{t}": kill}), folder)
        stage = line()
        train(stage, folder)
        assert same(stage, straight[0])
        assert without_seconds(folder) == without_seconds(straight[1])


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path, straight):
    with pytest.raises(NotFinite):
        train(line(at5=nan), tmp_path)
    (tmp_path / "state.pt").unlink()  # the one before, of 4 steps, is left
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"t": 5, "loss": 1.0}\n{"t": 6, "lo')
    train(line(), tmp_path)
    assert without_seconds(tmp_path) == without_seconds(straight[1])


def test_seconds_add_up_over_restarts(tmp_path, straight):
    with pytest.raises(NotFinite):
        train(line(at5=nan), tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    torch.save(state | {"seconds": 1000.0}, tmp_path / "state.pt")
    assert 1000 < train(line(), tmp_path) < 1100
    seconds = [entry["seconds"] for entry in lines(tmp_path)]
    assert seconds == sorted(seconds)
    assert seconds[4] < 1000 < seconds[5]


def test_signals_are_heard_for_as_long_as_the_block_lasts():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR2)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        with engine.listening() as stop:
            assert not stop.is_set()
            os.kill(os.getpid(), number)
            assert stop.wait(5)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR2)) == before


def test_a_checkpoint_that_cannot_be_written_stops_the_stage(tmp_path, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="cannot write .*No space left on device"):
        train(line(), tmp_path)


# the log


def test_a_report_is_the_mean_of_the_steps_since_the_last_one(tmp_path):
    train(line(), tmp_path, steps=200, save_seconds=1e9)
    assert [entry["t"] for entry in lines(tmp_path)] == list(range(1, 200, 2))
    seen = []
    stage = line()
    step = stage.step
    stage.step = lambda t, *batches: seen.append(step(t, *batches)) or seen[-1]
    other = tmp_path / "other"
    other.mkdir()
    train(stage, other, steps=200, save_seconds=1e9)
    means = [(a["loss"] + b["loss"]).item() / 2 for a, b in zip(seen[::2], seen[1::2], strict=True)]
    assert [entry["loss"] for entry in lines(tmp_path)] == pytest.approx(means, rel=1e-5)


def test_scalars_of_some_steps_only_are_averaged_over_those(tmp_path):
    train(line(at2=lambda: torch.tensor(3.0)), tmp_path, steps=200)
    assert [entry["other"] for entry in lines(tmp_path) if "other" in entry] == [3.0]
