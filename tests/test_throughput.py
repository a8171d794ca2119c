"""The throughput meter: turns with the reference network, and what it counts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bench import throughput

CPU = torch.device("cpu")


class Predictor(nn.Module):
    """A convolution of 3 x 3 that predicts, and a critic that does not."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.critic = nn.Conv2d(4, 1, 3)

    def predict(self, image):
        return {"semseg": self.net(image)}


def test_networks_are_timed_lap_by_lap_in_turn():
    calls = []
    image = torch.zeros(2, 3, 8, 8)
    ours, theirs = throughput.timed([lambda x: calls.append("ours"), lambda x: calls.append("theirs")], image, 0.0)
    laps = calls[6:]  # after three of each to warm up
    assert laps == ["ours", "theirs"] * throughput.FEWEST
    assert ours["images_per_second"] == pytest.approx(2e3 / ours["ms_p50"])
    assert theirs["ms_p50"] <= theirs["ms_p90"] <= theirs["ms_p99"]


def test_the_slowest_has_its_seconds_and_the_others_as_many_laps():
    laps = {"slow": 0, "fast": 0}

    def slow(image):
        laps["slow"] += 1
        torch.randn(300, 300) @ torch.randn(300, 300)

    def fast(image):
        laps["fast"] += 1

    throughput.timed([slow, fast], torch.zeros(1, 3, 8, 8), 0.05)
    assert laps["slow"] == laps["fast"] > throughput.FEWEST + 3


def test_sizes_are_rounded_up_to_what_networks_take_and_only_what_predicts_counts():
    found = throughput.measure(Predictor(), (60, 33), CPU, seconds=0.0)
    assert found["size"] == [64, 64]
    assert found["parameters"] == 3 * 4 * 9
    assert found["gflops"] == pytest.approx(2 * 3 * 4 * 9 * 64 * 64 / 1e9)
    assert found["ratio"] == found["batch1"]["images_per_second"] / found["reference"]["images_per_second"]
    assert found["largest"]["batch"] == 8 and found["largest"]["images_per_second"] > 0
