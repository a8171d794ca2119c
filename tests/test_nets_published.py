"""The published networks: their sizes, what `low` and `high` are, how an encoder meets a published file."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torchvision
from torch import nn

from bench.nets.deeplab import DILATIONS, Classifier
from bench.nets.drn import DRN, DRN22, DRN38
from bench.nets.heads import ContextHead
from bench.nets.mit import HEADS, REDUCTIONS, Attention, Block, MiTB0, MiTB5, MixTransformer
from bench.nets.multitask import MultiTask
from bench.nets.networks import NETWORKS
from bench.nets.norm import upsample
from bench.nets.segnet import SegNet, pool, unpool
from tests import shapes

PROBLEM = shapes.problem()
CHANNELS = {"semseg": 4, "depth": 1, "normals": 3}
SCRATCH = {name: kind() if name in ("small", "segnet") else kind(weights="none") for name, kind in NETWORKS.items()}
STRIDES = {"small": 2, "resnet50": 2, "segnet": 1} | {f"mit_b{size}": 4 for size in range(6)}  # of the raw outputs; 8


@cache
def meta(name: str) -> MultiTask:
    """Built without memory for its weights."""
    with torch.device("meta"):
        return SCRATCH[name].build(PROBLEM, PROBLEM.tasks)


def millions(*modules: nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_contract(name):
    net = meta(name)
    encoder = net.encoder
    with torch.device("meta"):
        low = encoder.low(torch.rand(2, 3, 64, 96))
        features = encoder.high(low)
        raw = net.decode(features)
    assert low.shape[:2] == (2, encoder.low_channels)
    assert features.shape == (2, encoder.channels, 64 // encoder.stride, 96 // encoder.stride)
    stride = STRIDES.get(name, 8)
    assert {task: tuple(out.shape) for task, out in raw.items()} == {
        task: (2, channels, 64 // stride, 96 // stride) for task, channels in CHANNELS.items()
    }
    assert not [path for path, module in net.named_modules() if type(module) is nn.BatchNorm2d]
    assert SCRATCH[name].weights_used() == "none"


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_says_what_it_is_in_one_line(name):
    assert "\n" not in NETWORKS[name].__doc__
    assert not NETWORKS[name].__doc__.startswith(f"{NETWORKS[name].__name__}(")


# sizes: dakd.md section 2, universal.md section 2; SegFormer's table 1; baselines.md, T40k


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drn22", 15.88), ("drn38", 25.99), ("segnet", 24.94), ("deeplab50", 23.51), ("deeplab101", 42.50),
        ("mit_b0", 3.3), ("mit_b1", 13.2), ("mit_b2", 24.2), ("mit_b3", 44.1), ("mit_b4", 60.8), ("mit_b5", 81.4),
    ],
)  # fmt: skip
def test_an_encoder_has_as_many_parameters_as_published(name, expected):
    assert millions(meta(name).encoder) == pytest.approx(expected, abs=0.06 if name.startswith("mit") else 0.0051)


@pytest.mark.parametrize(("config", "expected"), [(DRN22, 15.90), (DRN38, 26.01)])
def test_dilated_residual_networks_with_two_heads_of_19_classes_have_as_many_as_specified(config, expected):
    with torch.device("meta"):
        net = config(weights="none").build(shapes.problem(classes=tuple(f"class{i}" for i in range(19))), ("semseg",))
    assert millions(net.encoder, *2 * [net.decoders["semseg"]]) == pytest.approx(expected, abs=0.0051)


def test_segnet_with_three_heads_has_as_many_as_specified():
    with torch.device("meta"):
        net = SegNet().build(shapes.problem(classes=tuple(f"class{i}" for i in range(13))), PROBLEM.tasks)
    assert millions(net) == pytest.approx(25.06, abs=0.0051)


def test_the_context_aware_head_of_19_classes_has_as_many_as_published():
    with torch.device("meta"):
        assert millions(ContextHead(MiTB5.widths, 19)) == pytest.approx(3.7, abs=0.05)


# nothing bypasses what is adapted


@pytest.mark.parametrize("config", [DRN22(weights="none"), MiTB0(weights="none"), SegNet()])
def test_all_that_decoders_read_goes_through_the_high_part(config):
    net = config.build(PROBLEM, ("depth",)).eval()
    for parameter in net.encoder.high.parameters():
        parameter.data.zero_()
    with torch.inference_mode():
        one, other = (net(image)["depth"] for image in torch.rand(2, 1, 3, 32, 32))
    assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["deeplab50", "drn22", "mit_b0", "segnet"])
def test_learning_reaches_every_parameter(name):
    net = SCRATCH[name].build(PROBLEM, PROBLEM.tasks).train()
    loss = sum(raw.square().mean() for raw in net(torch.rand(2, 3, 32, 64)).values())
    grads = torch.autograd.grad(loss, list(net.parameters()))
    assert all(grad.isfinite().all() for grad in grads)


# DeepLab


def test_deeplabs_encoder_is_torchvisions_dilated_network(tmp_path):
    state = torchvision.models.resnet50(weights=None).state_dict()
    torch.save(state, tmp_path / "weights.pt")
    encoder = NETWORKS["deeplab50"](weights=str(tmp_path / "weights.pt")).build(PROBLEM, ()).encoder
    assert torch.equal(encoder.low[7][5].conv3.weight, state["layer3.5.conv3.weight"])
    assert torch.equal(encoder.high[2].bn3.weight, state["layer4.2.bn3.weight"])
    assert [block.conv2.dilation[0] for block in encoder.low[7]] == [1, 2, 2, 2, 2, 2]
    assert [block.conv2.dilation[0] for block in encoder.high] == [2, 4, 4]


def test_deeplabs_classifier_is_the_sum_of_its_dilated_convolutions():
    head, x = Classifier(3, 2), torch.rand(1, 3, 9, 9)
    assert [branch.dilation[0] for branch in head.branches] == list(DILATIONS) == [6, 12, 18, 24]
    expected = sum(branch(x) for branch in head.branches)
    assert head(x).shape == (1, 2, 9, 9)
    assert torch.allclose(head(x), expected, atol=1e-6)


# DRN


def test_a_dilated_residual_network_has_the_names_of_the_published_file():
    with torch.device("meta"):
        names = {name: tuple(value.shape) for name, value in DRN(DRN22.counts).state_dict().items()}
    expected = {
        "layer0.0.weight": (16, 3, 7, 7), "layer1.0.weight": (16, 16, 3, 3), "layer2.1.running_mean": (32,),
        "layer3.0.downsample.0.weight": (64, 32, 1, 1), "layer6.1.conv2.weight": (512, 512, 3, 3),
        "layer7.0.weight": (512, 512, 3, 3), "layer8.1.bias": (512,), "fc.weight": (1000, 512, 1, 1),
    }  # fmt: skip
    assert {name: names.get(name) for name in expected} == expected
    assert "layer3.1.downsample.0.weight" not in names


def test_an_older_file_without_batchnorms_counters_fits_and_its_classifier_is_dropped(tmp_path):
    published = DRN(DRN22.counts)
    state = {name: v for name, v in published.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "weights.pt")
    net = DRN22(weights=str(tmp_path / "weights.pt")).build(PROBLEM, ("depth",))
    assert torch.equal(net.encoder.low[1][0].weight, state["layer0.0.weight"])
    assert torch.equal(net.encoder.high[1][0].weight, state["layer8.0.weight"])
    assert not [name for name in net.state_dict() if "fc" in name]


def test_dilation_stands_in_for_the_strides_that_are_not_taken():
    with torch.device("meta"):
        net = DRN(DRN38.counts)
    found = [net.get_submodule(f"layer{i}.0.conv1") for i in range(3, 7)] + [net.layer7[0], net.layer8[0]]
    assert [(m.stride[0], m.dilation[0]) for m in found] == [(2, 1), (2, 1), (1, 2), (1, 4), (1, 2), (1, 1)]


# SegNet


def test_pooling_and_unpooling_by_places_are_torchs_values_and_gradients():
    x = torch.randn(2, 3, 6, 8, requires_grad=True)
    values, places = pool(x)
    expected, indices = nn.functional.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(values, expected)
    weights = torch.randn(2, 3, 6, 8)
    found = [unpool(values.square(), places), nn.MaxUnpool2d(2)(expected.square(), indices)]
    assert torch.equal(*found)
    assert torch.equal(*(torch.autograd.grad((y * weights).sum(), x, retain_graph=True)[0] for y in found))


# MiT


def test_a_mix_transformer_has_the_names_of_the_published_file():
    with torch.device("meta"):
        names = {n: tuple(v.shape) for n, v in MixTransformer(MiTB5.widths, MiTB5.depths, 0.1).state_dict().items()}
    expected = {
        "patch_embed1.proj.weight": (64, 3, 7, 7), "patch_embed2.norm.weight": (128,), "norm4.bias": (512,),
        "block1.0.attn.sr.weight": (64, 64, 8, 8), "block3.39.attn.kv.weight": (640, 320), "head.bias": (1000,),
        "block4.2.mlp.dwconv.dwconv.weight": (2048, 1, 3, 3), "block2.5.mlp.fc1.weight": (512, 128),
    }  # fmt: skip
    assert {name: names.get(name) for name in expected} == expected
    assert "block4.0.attn.sr.weight" not in names


@pytest.mark.parametrize("reduction", [1, 2])
def test_attention_is_torchs_over_a_coarser_grid(reduction):
    layer, x, size = Attention(8, 2, reduction), torch.randn(3, 24, 8), (4, 6)
    asked = x
    if reduction > 1:
        coarse = layer.sr(x.transpose(1, 2).reshape(3, 8, *size))
        asked = layer.norm(coarse.flatten(2).transpose(1, 2))
    q, (k, v) = layer.q(x), layer.kv(asked).chunk(2, 2)
    parts = [part.reshape(3, -1, 2, 4).transpose(1, 2) for part in (q, k, v)]
    expected = layer.proj(nn.functional.scaled_dot_product_attention(*parts).transpose(1, 2).reshape(3, 24, 8))
    assert torch.allclose(layer(x, size), expected, atol=1e-6)


def test_later_blocks_are_left_out_more_often_and_only_in_training():
    with torch.device("meta"):
        net = MixTransformer((8, 16, 40, 64), (1, 1, 2, 1), 0.2)
    drops = [block.drop for i in range(1, 5) for block in net.get_submodule(f"block{i}")]
    assert drops == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    block, x = Block(8, HEADS[0], REDUCTIONS[3], 0.5), torch.randn(64, 6, 8)
    left_out = (block.train()(x, (2, 3)) == x).all(2).all(1).float().mean()
    assert 0.1 < left_out < 0.4  # a quarter: both branches
    assert not (block.eval()(x, (2, 3)) == x).all(2).all(1).any()


def test_embedding_a_level_and_upsampling_it_commute():
    head, coarse = ContextHead((3, 5), 2, channels=4).eval(), torch.randn(1, 5, 2, 3)
    embed = head.embed[1]
    assert torch.allclose(embed(upsample(coarse, (8, 12))), upsample(embed(coarse), (8, 12)), atol=1e-5)
    assert head(torch.randn(1, 8, 8, 12)).shape == (1, 2, 8, 12)
