"""The networks: sizes, shared weights, BatchNorm as torch's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from bench import dist
from bench.nets import backbone
from bench.nets.heads import UpProjection, up_projection_decoder
from bench.nets.multitask import ResNet50, Small
from bench.nets.norm import BatchNorm, batch_statistics, batchnorms, restart_statistics, stored_statistics, upsample
from methods.parts.twins import twin
from tests import shapes

PROBLEM = shapes.problem()
CHANNELS = {"semseg": 4, "depth": 1, "normals": 3}


def millions(module: nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


# sizes


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (96, 160)])
def test_every_task_comes_out_at_half_the_images_size(size):
    net = Small(width=4).build(PROBLEM, PROBLEM.tasks)
    raw = net(torch.rand(2, 3, *size))
    half = (size[0] // 2, size[1] // 2)
    assert {name: tuple(out.shape) for name, out in raw.items()} == {n: (2, c, *half) for n, c in CHANNELS.items()}
    features = net.encoder(torch.rand(2, 3, *size))
    assert features.shape == (2, net.encoder.channels, *(side // net.encoder.stride for side in size))


def test_resnet50_has_its_sizes():
    with torch.device("meta"):
        net = ResNet50(weights="none").build(PROBLEM, PROBLEM.tasks)
        features = net.encoder(torch.rand(2, 3, 64, 96))
        raw = net.decode(features)
    assert features.shape == (2, 2048, 2, 3)
    assert {name: tuple(out.shape) for name, out in raw.items()} == {n: (2, c, 32, 48) for n, c in CHANNELS.items()}
    assert millions(net.encoder) == pytest.approx(23.5, abs=0.05)
    assert all(35 < millions(decoder) < 45 for decoder in net.decoders.values())
    assert not [name for name, module in net.named_modules() if type(module) is nn.BatchNorm2d]


def test_resnet50s_low_and_high_parts_are_torchvisions_layers(monkeypatch):
    state = torchvision.models.resnet50(weights=None).state_dict()
    monkeypatch.setattr(backbone, "load_exactly", lambda net, path: net.load_state_dict(state))
    encoder = backbone.resnet50("some file")
    high = encoder.high.state_dict()
    assert all(torch.equal(high[name.removeprefix("layer4.")], v) for name, v in state.items() if "layer4" in name)
    low = encoder.low.state_dict()
    assert torch.equal(low["1.weight"], state["conv1.weight"])
    assert torch.equal(low["7.5.conv3.weight"], state["layer3.5.conv3.weight"])
    assert len(high) + len(low) == len([name for name in state if not name.startswith("fc.")])


@pytest.mark.parametrize("kernel", [3, 5])
def test_an_up_projection_doubles_the_size_and_keeps_to_its_kernel(kernel):
    block = UpProjection(6, 4, kernel)
    assert block(torch.rand(1, 6, 3, 5)).shape == (1, 4, 6, 10)
    convs = [m.kernel_size[0] for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert convs == [kernel, 3, kernel]
    decoder = up_projection_decoder(16, (8, 6, 4), 3, kernel)
    assert decoder(torch.rand(2, 16, 2, 3)).shape == (2, 3, 8, 12)


def test_the_small_network_is_small():
    assert millions(Small(width=16).build(PROBLEM, PROBLEM.tasks)) == pytest.approx(0.8, abs=0.15)


@pytest.mark.parametrize("width", [1, 3, 4])
def test_no_strided_1x1_convolution_has_fewer_channels_than_onednn_can_take(width):
    net = Small(width=width).build(PROBLEM, PROBLEM.tasks)
    strided = [m for m in net.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1)]
    assert all(m.in_channels >= 8 for m in strided) and bool(strided) == (width > 1)


def test_picking_pixels_first_is_the_strided_convolution():
    picked, strided = nn.Sequential(*backbone.pointwise(6, 12, 2)), nn.Conv2d(6, 12, 1, 2, bias=False)
    strided.weight = picked[1].weight
    x = torch.rand(2, 6, 8, 16)
    assert torch.allclose(picked(x), strided(x), atol=1e-6)  # forward alone: it is the gradient that is broken


def test_images_are_normalised_by_imagenets_statistics_inside_the_network():
    normalise = backbone.small(4).low[0]
    image = torch.tensor(backbone.MEAN).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert normalise(image).abs().max() < 1e-6
    assert normalise(image + torch.tensor(backbone.STD).view(3, 1, 1)).flatten().tolist() == pytest.approx([1.0] * 12)
    assert not normalise.state_dict()


def test_nothing_of_the_low_part_bypasses_the_high_part():
    net = Small(width=4).build(PROBLEM, PROBLEM.tasks).eval()
    a, b = torch.rand(2, 1, 3, 32, 64)
    for parameter in net.encoder.high.parameters():
        parameter.data.zero_()
    raw = net(a), net(b)
    assert all(torch.equal(raw[0][name], raw[1][name]) for name in PROBLEM.tasks)


def test_tasks_share_the_encoder_and_nothing_else():
    net = Small(width=4).build(PROBLEM, PROBLEM.tasks)
    raw = net(torch.rand(2, 3, 32, 64))
    for name in PROBLEM.tasks:
        grads = torch.autograd.grad(raw[name].sum(), list(net.parameters()), retain_graph=True, allow_unused=True)
        reached = {n for (n, _), g in zip(net.named_parameters(), grads, strict=True) if g is not None}
        parts = {n.split(".")[1] for n in reached if n.startswith("decoders.")}
        assert parts == {name}
        assert {n for n, _ in net.encoder.named_parameters()} == {n[8:] for n in reached if n.startswith("encoder.")}


def test_a_network_of_one_task_has_no_other_decoder():
    assert set(Small(width=4).build(PROBLEM, ("depth",)).decoders) == {"depth"}


# twins: weights that two networks share


def test_a_twin_shares_every_weight_but_those_it_owns_and_no_statistics():
    net = Small(width=4).build(PROBLEM, PROBLEM.tasks)
    other = twin(net, own=[net.encoder.high])
    own = {name for name, p in other.named_parameters() if p is not net.get_parameter(name)}
    assert own == {f"encoder.high.{name}" for name, _ in net.encoder.high.named_parameters()}
    assert all(torch.equal(p, net.get_parameter(name)) for name, p in other.named_parameters())
    assert not {id(b) for b in net.buffers()} & {id(b) for b in other.buffers()}
    net.encoder.low[1][0].weight.data.add_(1)
    assert torch.equal(other.encoder.low[1][0].weight, net.encoder.low[1][0].weight)


def test_shared_weights_stay_shared_when_a_state_is_loaded_or_the_network_moved():
    net = Small(width=4).build(PROBLEM, PROBLEM.tasks)
    both = nn.ModuleList([net, twin(net)])
    both.load_state_dict({name: value.clone() for name, value in both.state_dict().items()})
    both.to(torch.device("cpu"), memory_format=torch.channels_last)
    assert all(a is b for a, b in zip(both[0].parameters(), both[1].parameters(), strict=True))


# BatchNorm


def norms(channels: int = 3) -> tuple[BatchNorm, nn.BatchNorm2d]:
    mine, theirs = BatchNorm(channels), nn.BatchNorm2d(channels)
    nn.init.uniform_(mine.weight)
    nn.init.uniform_(mine.bias)
    theirs.load_state_dict(mine.state_dict())
    return mine, theirs


def test_on_one_process_batchnorm_is_torchs_to_the_bit():
    mine, theirs = norms()
    for training in (True, True, False):
        x = torch.randn(4, 3, 5, 6, requires_grad=True)
        outputs = [norm.train(training)(x) for norm in (mine, theirs)]
        grads = [
            torch.autograd.grad(y.square().sum(), [x, n.weight]) for y, n in zip(outputs, (mine, theirs), strict=True)
        ]
        assert torch.equal(*outputs)
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))
        assert all(torch.equal(mine.state_dict()[name], v) for name, v in theirs.state_dict().items())


def test_over_two_ranks_batchnorm_is_that_of_the_whole_batch(monkeypatch):
    ours, theirs = norms()
    twins = [ours, twin(ours)]
    for norm in (*twins, theirs):
        norm.momentum = None
    x, weights = torch.randn(4, 3, 5, 6, requires_grad=True), torch.randn(4, 3, 5, 6)
    expected = theirs(x)
    # the ranks are two threads; what they sum is in one graph, so that autograd itself says what is right
    values, meeting, rank = {}, threading.Barrier(2), threading.local()

    def summed(value):
        values[rank.number] = value
        meeting.wait(60)
        total = values[0] + values[1]
        meeting.wait(60)
        return total

    monkeypatch.setattr(dist, "world", lambda: 2)
    monkeypatch.setattr(dist, "summed", summed)

    def run(number):
        rank.number = number
        return twins[number](x.chunk(2)[number])

    with ThreadPoolExecutor(2) as pool:
        found = torch.cat(list(pool.map(run, range(2))))
    close = partial(torch.allclose, rtol=1e-4, atol=1e-5)
    assert close(found, expected)
    for a, b in ((x, x), (ours.weight, theirs.weight), (ours.bias, theirs.bias)):
        grads = [
            torch.autograd.grad((y * weights).sum(), p, retain_graph=True)[0] for y, p in ((found, a), (expected, b))
        ]
        assert close(*grads)
    for norm in twins:
        assert close(norm.running_mean, theirs.running_mean)
        assert close(norm.running_var, theirs.running_var)
        assert norm.num_batches_tracked == 1


def test_a_sum_over_ranks_hands_the_sum_of_the_gradients_back(monkeypatch):
    monkeypatch.setattr(dist, "world", lambda: 2)
    monkeypatch.setattr(
        torch.distributed, "all_reduce", lambda total: total.mul_(2)
    )  # another rank with the same values
    value = torch.tensor([1.0, 2.0], requires_grad=True)
    total = dist.summed(value)
    assert total.tolist() == [2.0, 4.0]
    (grad,) = torch.autograd.grad((total * torch.tensor([3.0, 5.0])).sum(), value)
    assert grad.tolist() == [6.0, 10.0]
    assert value.tolist() == [1.0, 2.0]


def test_restarted_statistics_are_the_plain_mean_over_the_coming_batches():
    net = nn.Sequential(BatchNorm(2), nn.ReLU())
    net(torch.randn(4, 2, 3, 3) + 50)
    restart_statistics(net)
    batches = [torch.randn(4, 2, 3, 3) + k for k in range(3)]
    for x in batches:
        net(x)
    mean = torch.stack([x.mean((0, 2, 3)) for x in batches]).mean(0)
    variance = torch.stack([x.var((0, 2, 3)) for x in batches]).mean(0)
    assert torch.allclose(net[0].running_mean, mean, atol=1e-5)
    assert torch.allclose(net[0].running_var, variance, atol=1e-5)


def test_stored_statistics_are_used_kept_and_every_mode_put_back():
    net = nn.Sequential(BatchNorm(2), nn.Sequential(BatchNorm(2), nn.Dropout()))
    net[1].eval()
    before = {name: v.clone() for name, v in net.state_dict().items()}
    x = torch.randn(4, 2, 3, 3) + 5
    with pytest.raises(KeyError), stored_statistics(net):
        assert torch.allclose(net(x), x / (1 + 1e-5), atol=1e-3)  # mean 0 and variance 1 are stored
        raise KeyError
    assert [m.training for m in net.modules()] == [True, True, False, False, False]
    assert all(torch.equal(v, before[name]) for name, v in net.state_dict().items())
    assert len(list(batchnorms(net))) == 2


def test_upsampling_is_bilinear_with_pixel_centres_aligned():
    found = upsample(torch.tensor([[[[0.0, 1.0]]]]), (1, 4))
    assert found.flatten().tolist() == [0.0, 0.25, 0.75, 1.0]


def test_batch_statistics_are_used_and_leave_no_trace_whatever_happens():
    norm = BatchNorm(3)
    x = torch.randn(4, 3, 5, 5) + 2
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    norm.eval()
    with batch_statistics(norm):
        seen = norm(x)
    assert torch.allclose(seen.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    with pytest.raises(RuntimeError), batch_statistics(norm):
        norm(x)
        raise RuntimeError
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    assert (norm.training, norm.momentum) == (False, 0.1)
