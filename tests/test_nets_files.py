"""Published weight files: had from their authors, fetched if torchvision's, and held to the hashes in their names."""

from __future__ import annotations

import hashlib
import io
import shutil
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from bench.nets import weights
from bench.nets.drn import DRN22
from bench.nets.mit import MiTB0
from bench.nets.multitask import ResNet50
from bench.nets.networks import NETWORKS
from bench.plan import describe
from tests import shapes


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file as it is published."""
    return shapes.weight_file(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """torch's folder of published files, on a machine that reaches nobody."""

    def unreachable(address, timeout):
        raise URLError("no route")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "urlopen", unreachable)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def listed(monkeypatch):
    """(name, content) of a file that torchvision might publish."""
    content = b"published weights"
    name = f"resnet50-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(weights.PUBLISHED, name, f"{weights.TORCHVISION}{name}")
    return name, content


@pytest.mark.parametrize("name", [name for name, kind in NETWORKS.items() if hasattr(kind, "weights")])
def test_nobody_starts_from_scratch_without_saying_so(cache, name):
    config = NETWORKS[name]()
    with pytest.raises(
        ValueError, match=r'network.weights: .* give another, or "none" to start from scratch$'
    ) as failure:
        config.weights_used()
    said = str(failure.value)
    assert "\n" not in said and str(cache / config.weights) in said and weights.PUBLISHED[config.weights] in said


@pytest.mark.parametrize("name", ["resnet50", "resnet101"])
def test_torchvisions_files_are_those_that_it_names(name):
    urls = {weight.url for weight in torchvision.models.get_model_weights(name)}
    assert urls == {url for file, url in weights.PUBLISHED.items() if file.startswith(f"{name}-")}


def test_a_network_starts_from_the_file_of_its_name_in_torchs_cache(cache, monkeypatch, file):
    """Whose content must be what the name says: here the name is made for the content."""
    name = f"drn_d_22-{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}.pth"
    monkeypatch.setitem(weights.PUBLISHED, name, f"{weights.DRN}{name}")
    with pytest.raises(ValueError, match=f"it is had from {weights.DRN}{name}"):
        DRN22(weights=name).weights_used()
    cache.mkdir(parents=True)
    shutil.copy(file, cache / name)
    net = DRN22(weights=name).build(shapes.problem(), ("depth",))
    assert torch.equal(net.encoder.low[1][0].weight, torch.load(file, weights_only=True)["layer0.0.weight"])
    described = [describe(shapes.problem(network=DRN22(weights=path))) for path in (name, str(file))]
    assert described[0] == described[1]  # the same key


def test_torchvisions_files_are_fetched_once(cache, monkeypatch, listed):
    name, content = listed
    asked = []

    def serve(address, timeout):
        asked.append(address)
        return io.BytesIO(content)

    monkeypatch.setattr(weights, "urlopen", serve)
    for _ in range(2):
        assert ResNet50(weights=name).weights_used() == hashlib.sha256(content).hexdigest()
    assert asked == [f"https://download.pytorch.org/models/{name}"]
    assert [path.name for path in cache.iterdir()] == [name]


def test_a_transfer_that_breaks_off_leaves_nothing(cache, monkeypatch, listed):
    name, content = listed
    monkeypatch.setattr(weights, "urlopen", lambda address, timeout: io.BytesIO(content[:5]))
    with pytest.raises(ValueError, match=r"cannot be fetched \(what came has another hash"):
        ResNet50(weights=name).weights_used()
    assert not list(cache.iterdir())


def test_only_torchvisions_files_are_fetched(cache, monkeypatch):
    monkeypatch.setattr(weights, "urlopen", lambda *_, **__: pytest.fail("fetched"))
    for config in (DRN22(), MiTB0()):
        with pytest.raises(ValueError, match="put it there"):
            config.weights_used()


def test_a_file_that_is_not_what_its_name_says_is_refused_in_one_line(tmp_path, file):
    wrong = tmp_path / "drn_d_22-4bd2f8ea.pth"
    shutil.copy(file, wrong)
    for ask in (
        lambda: DRN22(weights=str(wrong)).weights_used(),
        lambda: weights.load_exactly(nn.Linear(1, 1), str(wrong)),
    ):
        with pytest.raises(ValueError, match=f"network.weights: {wrong} is not what its name says") as failure:
            ask()
        assert "\n" not in str(failure.value)


def test_a_missing_files_source_is_said(tmp_path):
    for name, where in (("drn_d_38-eebb45f0.pth", "http://dl.yf.io/drn/drn_d_38"), ("mit_b5.pth", "NVlabs/SegFormer")):
        with pytest.raises(ValueError, match=f"it is had from .*{where}"):
            DRN22(weights=str(tmp_path / name)).weights_used()
    with pytest.raises(ValueError, match=r"published ones are had from https://download.pytorch.org/models/"):
        DRN22(weights="imagenet").weights_used()


def test_a_file_is_known_by_its_content_whatever_its_name():
    assert weights.published("0676ba61" + 56 * "0") == "resnet50-0676ba61.pth"
    assert weights.published("eebb45f0" + 56 * "0") == "drn_d_38-eebb45f0.pth"
    assert weights.published(64 * "0") == "unknown" and weights.published("none") == ""
