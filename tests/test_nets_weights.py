"""Weight files in keys and folders: known by their content, read once, and never in silence left unread."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import pytest
import torch
from torch import nn

from bench.nets import backbone, weights
from bench.nets.drn import DRN22
from bench.nets.multitask import ResNet50, Small
from bench.nets.networks import NETWORKS
from bench.plain import canonical
from bench.plan import describe, plan
from bench.store import Store, problem_from
from methods import source_only
from tests import shapes


def node(network):
    return plan("m", source_only.Method.Config(), shapes.problem(network=network), shapes.DATA, "fp32")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file as it is published."""
    return shapes.weight_file(tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize("network", [Small(), Small(width=4), ResNet50(weights="none"), DRN22(weights="none")])
def test_without_a_weight_file_a_recipe_has_the_networks_settings_as_they_are(network):
    plain = {type(network).__name__: dataclasses.asdict(network)}
    assert describe(shapes.problem(network=network))["network"] == plain


def test_the_small_networks_description_is_what_it_always_was():
    """Keys of long measurements hang on it."""
    assert canonical(describe(shapes.problem(network=Small()))["network"]) == (
        '{"Small":{"auxiliary_width":8,"lr":0.002,"width":16}}'
    )


def test_a_key_knows_a_weight_file_by_its_content_and_not_by_its_place(tmp_path):
    one, moved, other = (tmp_path / name for name in ("one.pt", "moved.pt", "other.pt"))
    one.write_bytes(b"some weights")
    moved.write_bytes(b"some weights")
    other.write_bytes(b"more weights")
    keys = [node(DRN22(weights=str(path))).key for path in (one, moved, other)] + [node(DRN22(weights="none")).key]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    other.write_bytes(b"some weights")
    assert node(DRN22(weights=str(other))).key == keys[0]


@pytest.mark.parametrize("name", [name for name, kind in NETWORKS.items() if hasattr(kind, "weights")])
def test_a_weight_file_that_is_not_there_stops_the_run_before_it_is_planned(tmp_path, name):
    missing = str(tmp_path / "gone.pt")
    for build in (node, lambda network: network.build(shapes.problem(), ("depth",))):
        with (
            torch.device("meta"),
            pytest.raises(ValueError, match=r'network.weights: no file ".*gone.pt".* "none" to start') as failure,
        ):
            build(NETWORKS[name](weights=missing))
        assert "\n" not in str(failure.value)


def test_a_finished_stage_is_rebuilt_though_its_weight_file_has_gone(tmp_path, file):
    copy = tmp_path / "copy.pt"
    shutil.copy(file, copy)
    planned, store = node(DRN22(weights=str(copy))), Store(tmp_path / "store")
    store.open(planned)
    stage = store.build(planned.recipe, planned.problem.network)
    first = "encoder.low.1.0.weight"
    assert torch.equal(stage.net.state_dict()[first], torch.load(copy, weights_only=True)["layer0.0.weight"])
    stage.net.decoders["depth"].bias.data.fill_(5)
    store.put(planned.key, stage, 1, 1.0)
    copy.unlink()
    found = store.load(planned.key).state_dict()
    assert all(torch.equal(value, found[name]) for name, value in stage.state_dict().items())


def test_what_a_rebuilt_stage_says_of_its_weights_is_what_it_was_built_with(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"some weights")
    problem = shapes.problem(network=DRN22(weights=str(tmp_path / "weights.pt")))
    again = problem_from(describe(problem))
    assert again.network.weights_used() == problem.network.weights_used()
    assert describe(again) == describe(problem)
    with pytest.raises(ValueError, match="no file"):  # to be trained it needs the file
        again.network.build(problem, ("depth",))


def test_weight_files_are_read_again_after_a_stage_was_rebuilt():
    with pytest.raises(KeyError), weights.replaced():
        DRN22(weights="sha256:00").build(shapes.problem(), ("depth",))
        raise KeyError
    with pytest.raises(ValueError, match="no file"):
        DRN22(weights="sha256:00").build(shapes.problem(), ("depth",))


# which files fit


def test_a_record_says_by_its_hash_which_weights_were_used(tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"some weights")
    expected = hashlib.sha256(b"some weights").hexdigest()
    assert ResNet50(weights=str(tmp_path / "weights.pt")).weights_used() == expected
    assert ResNet50(weights="none").weights_used() == Small().weights_used() == "none"


def test_a_weight_file_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(
        ValueError, match=r'network.weights: no file ".*gone.pt".* "none" to start from scratch'
    ) as failure:
        backbone.resnet50(str(tmp_path / "gone.pt"))
    assert "\n" not in str(failure.value)


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


@pytest.mark.parametrize(
    ("change", "number", "first"),
    [
        (lambda s: s.pop("1.running_mean"), 1, "1.running_mean"),
        (lambda s: s.update({"0.weight": torch.zeros(4, 3, 3, 3)}), 1, "0.weight"),
        (lambda s: s.update({"fc.weight": torch.zeros(2)}), 1, "fc.weight"),
        (lambda s: s.update({"0.bias": torch.tensor(0.0)}), 1, "0.bias"),
        (lambda s: [s.pop("0.weight"), s.pop("0.bias")], 2, "0.bias"),
    ],
)
def test_a_weight_file_that_does_not_fit_exactly_is_one_clear_line(tmp_path, change, number, first):
    state = net().state_dict()
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=f"does not fit: {number} tensors differ, first {first}") as failure:
        weights.load_exactly(net(), str(tmp_path / "weights.pt"))
    assert "\n" not in str(failure.value)
    assert "weights.pt" in str(failure.value)


def test_a_weight_file_that_fits_is_loaded(tmp_path):
    wanted, found = net(), net()
    torch.save(wanted.state_dict(), tmp_path / "weights.pt")
    weights.load_exactly(found, str(tmp_path / "weights.pt"))
    assert all(torch.equal(a, b) for a, b in zip(wanted.parameters(), found.parameters(), strict=True))


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\0" * 1000])
def test_a_weight_file_that_cannot_be_read_is_one_clear_line(tmp_path, content):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ValueError, match="network.weights: .*weights.pt") as failure:
        weights.load_exactly(net(), str(tmp_path / "weights.pt"))
    assert "\n" not in str(failure.value)


def test_a_state_dict_inside_another_dict_is_one_clear_line(tmp_path):
    torch.save({"state_dict": net().state_dict(), "epoch": 3}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"network.weights: .*weights.pt is no state dict"):
        weights.load_exactly(net(), str(tmp_path / "weights.pt"))
