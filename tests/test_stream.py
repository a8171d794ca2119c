"""A batch is a function of (seed, tag, position): workers, ranks and the starting step change no bit of it."""

from __future__ import annotations

import pickle
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.data.pack import Item, Pack
from bench.data.packing import build
from bench.data.sampling import Rare
from bench.data.stream import Attachment, Stream, attachments
from bench.problem import Labelled, Unlabelled
from bench.split import Augmentation

TASKS = ("semseg", "depth", "normals")
PACKED, CROP = (48, 32), (32, 16)
ALL = Augmentation(flip=True, zoom=(1.0, 1.6), jitter=0.3, blur=0.7)
PLAIN = Augmentation(flip=False)
LIGHT = {"jitter": 0.3, "blur": 0.7}


def scene(stem, size):
    """Blocks of classes 0-9; the image's red is 20 times the class, depth is 1 + class, nx rises with the class."""
    r = np.random.default_rng(sum(map(ord, stem)))
    ids = np.kron(r.integers(0, 10, (size[1] // 4, size[0] // 4), np.uint8), np.ones((4, 4), np.uint8))
    x = ids / 20
    image = np.stack([20 * ids, 255 - 20 * ids, r.integers(0, 256, ids.shape, np.uint8)], -1)
    normals = np.stack([x, 0 * x, -np.sqrt(1 - x**2)], -1).astype(np.float32)
    return {"image": image, "semseg": ids, "depth": np.float32(1 + ids), "normals": normals}


def packed(folder, stems, size=PACKED, fields=("image", *TASKS)):
    toy = SimpleNamespace(TASKS=TASKS, read=lambda item, what, asked: scene(item.stem, size))
    return build(folder, toy, [Item(stem) for stem in stems], fields, size)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("packs") / "a", [f"a{i}" for i in range(9)])


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("packs") / "b", [f"b{i}" for i in range(4)])


def stream(*packs, **more):
    settings = {"tasks": TASKS, "crop": CROP, "augment": ALL, "seed": 3, "tag": "source", "batch": 8}
    return Stream(packs, **settings | {"device": torch.device("cpu")} | more)


def parts(batch):
    maps = {"image": batch.image, "clean": batch.clean, "ids": batch.ids, "domain": batch.domain}
    return maps | dict(batch.labels if isinstance(batch, Labelled) else batch.attached)


def same(one, two):
    one, two = parts(one), parts(two)
    assert one.keys() == two.keys()
    return all(torch.equal(one[name], two[name]) for name in one)


def joined(batches):
    maps = [parts(batch) for batch in batches]
    return {name: torch.cat([m[name] for m in maps]) for name in maps[0]}


def all_equal(one, two):
    assert one.keys() == two.keys()
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_step_gives_the_same_batch_every_time_and_another_step_another(pack):
    assert same(stream(pack)[5], stream(pack)[5])
    assert not same(stream(pack)[5], stream(pack)[6])


@pytest.mark.parametrize("change", [{"seed": 4}, {"tag": "target"}])
def test_seeds_and_roles_have_streams_of_their_own(pack, change):
    assert not same(stream(pack)[0], stream(pack, **change)[0])


def test_processes_and_reading_ahead_change_no_bit(pack, other):
    inline = list(stream(pack, other).iterate(0, 5))
    ahead = list(stream(pack, other, workers=2).iterate(0, 5))
    assert len(inline) == len(ahead) == 5
    assert all(same(a, b) for a, b in zip(inline, ahead, strict=True))


def test_processes_change_no_bit_of_attached_maps_either(pack, tmp_path):
    np.save(tmp_path / "pseudo.npy", np.random.default_rng(0).integers(0, 9, (9, 32, 48), np.uint8))
    words = {"tasks": (), "attached": attachments({"warm": tmp_path})}
    (inline,), (ahead,) = stream(pack, **words).iterate(2, 3), stream(pack, workers=1, **words).iterate(2, 3)
    assert same(inline, ahead) and inline.attached["warm.pseudo"].shape == (8, 16, 32)


def test_it_does_not_matter_where_one_starts(pack):
    whole = list(stream(pack).iterate(0, 6))
    late = list(stream(pack).iterate(4, 6))
    assert all(same(a, b) for a, b in zip(whole[4:], late, strict=True))
    assert same(whole[5], stream(pack)[5])
    assert list(stream(pack).iterate(6, 6)) == list(stream(pack, workers=1).iterate(6, 6)) == []


@pytest.mark.parametrize("world", [2, 4, 8])
@pytest.mark.parametrize("tasks", [TASKS, ()])
def test_ranks_share_one_global_batch(pack, other, world, tasks):
    packs = (pack, other)
    for step in (0, 7):
        alone = parts(stream(*packs, tasks=tasks)[step])
        ranks = [stream(*packs, tasks=tasks, rank=rank, world=world)[step] for rank in range(world)]
        assert all(len(batch.ids) == 8 // world for batch in ranks)
        assert all_equal(joined(ranks), alone)


def test_a_batch_is_a_run_of_positions_whatever_its_size(pack):
    assert all_equal(joined(stream(pack, batch=2).iterate(0, 8)), joined(stream(pack, batch=8).iterate(0, 2)))


def test_random_numbers_of_torch_and_numpy_are_neither_used_nor_moved(pack):
    first = stream(pack)[0]
    torch.manual_seed(1)
    np.random.seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1]
    assert same(first, next(stream(pack, workers=1).iterate(0, 1))) and same(first, stream(pack)[0])
    assert torch.equal(before[0], torch.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])


def test_every_image_comes_once_an_epoch(pack):
    ids = torch.cat([stream(pack, batch=3)[step].ids for step in range(12)]).view(4, 9)
    assert all(sorted(epoch) == list(range(9)) for epoch in ids.tolist())
    assert len({tuple(epoch) for epoch in ids.tolist()}) == 4


def test_sources_are_drawn_in_equal_shares_and_counted_on(pack, other):
    batches = [stream(pack, other)[step] for step in range(9)]
    for batch in batches:
        assert (batch.ids < 9).sum() == (batch.ids >= 9).sum() == 4
    counts = Counter(int(i) for batch in batches for i in batch.ids)
    assert {counts[i] for i in range(9)} == {4} and {counts[i] for i in range(9, 13)} == {9}


@pytest.mark.parametrize("tasks", [TASKS, ()])
def test_a_batch_says_which_domain_each_image_is_from(pack, other, tasks):
    batch = stream(pack, other, tasks=tasks)[1]
    assert batch.domain.tolist() == [0, 1] * 4
    assert torch.equal(batch.domain, (batch.ids >= 9).long())
    assert not stream(pack, tasks=tasks)[1].domain.any()


def test_in_order_and_by_rare_classes_too(pack, other):
    whole = list(stream(pack, other, draw="in order", batch=5).iterate(0, 3))
    assert torch.cat([batch.domain for batch in whole]).tolist() == [0] * 9 + [1] * 4
    rare = stream(pack, other, rare=Rare())[0]
    assert torch.equal(rare.domain, (rare.ids >= 9).long()) and rare.domain.sum() == 4


def test_a_stream_of_some_domains_names_their_places_among_all(pack, other):
    alone = stream(other, domains=[1])[0]
    assert alone.domain.tolist() == [1] * 8
    assert torch.equal(alone.image, stream(other)[0].image)


def test_a_labelled_batch_is_what_the_suite_declares(pack):
    batch = stream(pack)[0]
    assert isinstance(batch, Labelled)
    shapes = {name: (tuple(value.shape), value.dtype) for name, value in parts(batch).items()}
    assert shapes == {
        "image": ((8, 3, 16, 32), torch.float32),
        "clean": ((8, 3, 16, 32), torch.float32),
        "ids": ((8,), torch.int64),
        "domain": ((8,), torch.int64),
        "semseg": ((8, 16, 32), torch.int64),
        "depth": ((8, 1, 16, 32), torch.float32),
        "normals": ((8, 3, 16, 32), torch.float32),
    }
    assert 0 <= batch.image.min() and 0.9 < batch.image.max() <= 1
    assert torch.allclose(batch.labels["normals"].norm(dim=1), torch.ones(()), atol=1e-6)


def test_an_unlabelled_batch_has_no_place_for_labels_and_needs_none(pack, tmp_path):
    images = packed(tmp_path / "p", [f"a{i}" for i in range(9)], fields=("image",))
    batch = stream(Pack(images.folder), tasks=())[0]
    assert isinstance(batch, Unlabelled) and set(vars(batch)) == {"image", "clean", "ids", "domain", "attached"}
    assert batch.attached == {}
    assert torch.equal(batch.image, stream(pack)[0].image)


def test_plain_batches_are_what_was_packed(pack):
    batch = stream(pack, augment=PLAIN, crop=PACKED)[0]
    for k, i in enumerate(batch.ids.tolist()):
        raw = scene(f"a{i}", PACKED)
        assert np.array_equal(batch.image[k].numpy(), np.float32(raw["image"]).transpose(2, 0, 1) / np.float32(255))
        assert np.array_equal(batch.labels["semseg"][k].numpy(), raw["semseg"])
        assert np.array_equal(batch.labels["depth"][k, 0].numpy(), raw["depth"])
        assert batch.labels["normals"][k].numpy() == pytest.approx(raw["normals"].transpose(2, 0, 1), abs=1e-3)


def test_invalid_normals_stay_zero(tmp_path):
    raw = scene("a0", PACKED)
    raw["normals"][:10] = 0
    toy = SimpleNamespace(TASKS=TASKS, read=lambda *words: raw)
    holes = build(tmp_path / "p", toy, [Item("a0")], ("image", "normals"), PACKED)
    normals = stream(holes, tasks=("normals",), augment=PLAIN, crop=PACKED, batch=1)[0].labels["normals"]
    assert not normals[:, :, :10].any() and (normals[:, :, 10:].norm(dim=1) > 0.999).all()


def test_image_and_labels_are_cropped_and_mirrored_alike(pack):
    batch = stream(pack, augment=Augmentation(flip=True), batch=32)[0]
    ids = batch.labels["semseg"]
    assert torch.equal((batch.image[:, 0] * 255 / 20).round().long(), ids)
    assert torch.equal(batch.labels["depth"][:, 0], 1.0 + ids)
    nx = batch.labels["normals"][:, 0]
    assert torch.allclose(nx.abs(), ids / 20, atol=1e-3)
    mirrored = [bool((one < 0).any()) for one in nx]
    assert 4 < sum(mirrored) < 28 and all((one <= 0).all() or (one >= 0).all() for one in nx)
    for k, flip in enumerate(mirrored):
        raw = torch.from_numpy(scene(f"a{int(batch.ids[k])}", PACKED)["semseg"].astype(np.int64))
        raw = raw.flip(1) if flip else raw
        windows = raw.unfold(0, 16, 1).unfold(1, 32, 1).reshape(-1, 16, 32)
        assert (windows == ids[k]).all(2).all(1).any()  # a window of that very image


def test_zoom_enlarges_and_divides_depth(pack):
    batch = stream(pack, augment=Augmentation(flip=False, zoom=(2.0, 2.0)))[0]
    assert torch.equal(batch.labels["depth"][:, 0], (1.0 + batch.labels["semseg"]) / 2)
    plain = stream(pack, augment=PLAIN, crop=PACKED)[0]
    assert torch.equal(plain.ids, batch.ids)
    for k in range(8):
        windows = plain.labels["semseg"][k].unfold(0, 8, 1).unfold(1, 16, 1).reshape(-1, 8, 16)
        enlarged = windows.repeat_interleave(2, 1).repeat_interleave(2, 2)
        assert (enlarged == batch.labels["semseg"][k]).all(2).all(1).any()


def test_clean_is_the_image_before_any_change_of_light(pack):
    batch, dull = stream(pack)[1], stream(pack, augment=Augmentation(flip=True, zoom=ALL.zoom))[1]
    assert torch.equal(batch.clean, dull.clean) and not torch.allclose(batch.image, batch.clean, atol=0.02)
    assert dull.image is dull.clean


def test_attached_maps_move_with_their_images(pack, tmp_path):
    scenes = [scene(f"a{i}", PACKED) for i in range(9)]
    np.save(tmp_path / "pseudo.npy", np.stack([s["semseg"] for s in scenes]))
    np.save(tmp_path / "scores.npy", np.stack([s["normals"].transpose(2, 0, 1) for s in scenes]).astype(np.float32))
    found = attachments({"warm": tmp_path})
    assert list(found) == ["warm.pseudo", "warm.scores"]
    batch = stream(pack, tasks=(), attached=found)[2]
    truth = stream(pack)[2]
    assert torch.equal(batch.image, truth.image)
    assert torch.equal(batch.attached["warm.pseudo"].long(), truth.labels["semseg"])
    assert torch.allclose(batch.attached["warm.scores"][:, 2], truth.labels["normals"][:, 2], atol=1e-3)
    assert (batch.attached["warm.scores"][:, 0] >= 0).all()  # scores are numbers: mirrored, not turned


def test_attached_depth_and_normals_follow_the_rules_of_labels(pack, tmp_path):
    scenes = [scene(f"a{i}", PACKED) for i in range(9)]
    np.save(tmp_path / "depth.npy", np.stack([s["depth"] for s in scenes])[:, None])
    np.save(tmp_path / "normals.npy", np.stack([s["normals"].transpose(2, 0, 1) for s in scenes]))
    batch, truth = stream(pack, tasks=(), attached=attachments({"warm": tmp_path}))[2], stream(pack)[2]
    assert torch.equal(batch.attached["warm.depth"], truth.labels["depth"])
    assert torch.allclose(batch.attached["warm.normals"], truth.labels["normals"], atol=1e-3)


def test_attached_maps_may_be_smaller_than_the_images(pack, tmp_path):
    scenes = [scene(f"a{i}", PACKED)["semseg"] for i in range(9)]
    np.save(tmp_path / "pseudo.npy", np.stack(scenes)[:, ::4, ::4])  # one value a block: nothing is lost
    batch = stream(pack, tasks=(), attached=attachments({"warm": tmp_path}))[2]
    assert torch.equal(batch.attached["warm.pseudo"].long(), stream(pack)[2].labels["semseg"])


def test_a_need_that_wrote_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="^warm is attached but has written no file in "):
        attachments({"warm": tmp_path})


@pytest.mark.parametrize("shape", [(8, 32, 48), (9, 5)])
def test_attached_maps_of_other_images_are_refused(pack, tmp_path, shape):
    np.save(tmp_path / "pseudo.npy", np.zeros(shape))
    with pytest.raises(ValueError, match="^attached warm.pseudo is .*, expected 9 H W or 9 C H W$"):
        stream(pack, tasks=(), attached=attachments({"warm": tmp_path}))


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (2, 0), (4, 0), (1, 1)])
def test_in_order_every_image_comes_once_whole_and_unchanged(pack, world, workers):
    ranks = [stream(pack, tasks=(), draw="in order", batch=4, rank=rank, world=world, workers=workers)
             for rank in range(world)]  # fmt: skip
    assert {one.num_steps for one in ranks} == {3} and ranks[0].num_images == 9
    seen = [[batch for batch in one.iterate(0, 3)] for one in ranks]
    for step in range(3):
        ids = [int(i) for batches in seen for i in batches[step].ids]
        assert sorted(set(ids)) == list(range(step * 4, min(step * 4 + 4, 9)))
        assert all(len(batches[step].ids) > 0 for batches in seen)  # all ranks must step
    first = seen[0][0]
    assert first.image is first.clean and first.image.shape[2:] == (32, 48)
    for k, i in enumerate(first.ids.tolist()):
        assert np.array_equal(
            (first.image[k] * 255).numpy().transpose(1, 2, 0).round(), scene(f"a{i}", PACKED)["image"]
        )


def test_in_order_goes_through_several_sources_and_ends(pack, other):
    one = stream(pack, other, draw="in order", batch=5)
    assert [batch.ids.tolist() for batch in one.iterate(0, one.num_steps)] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
        [10, 11, 12],
    ]
    with pytest.raises(IndexError, match="step 3 of a pass in order that takes 3"):
        one[3]


def test_sources_may_have_sizes_of_their_own(pack, tmp_path):
    large = packed(tmp_path / "p", ["a0", "a1"], (64, 48))
    batch = stream(pack, large)[0]
    assert batch.image.shape == (8, 3, 16, 32)
    with pytest.raises(ValueError, match="images of several sizes in order"):
        stream(pack, large, draw="in order")


def test_a_stream_travels_without_its_images(pack):
    one = stream(pack)
    there = pickle.loads(pickle.dumps(one))
    assert len(pickle.dumps(one)) < 5000 and same(one[3], there[3])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"batch": 6, "world": 4}, "source: a batch of 6 on 4 ranks, expected a multiple of them"),
        ({"batch": 0}, "source: batch 0, 0 workers, rank 0 of 1; expected"),
        ({"rank": 2, "world": 2}, "source: batch 8, 0 workers, rank 2 of 2; expected"),
        ({"draw": "sorted"}, 'no draw "sorted"; known: shuffled, in order'),
        ({"crop": (64, 32)}, "crop 64x32: the images are 48x32, expected no smaller"),
        ({"augment": Augmentation(zoom=(0.5, 1.0))}, "crop 32x16 at zoom 0.5 needs 64x32: the images are 48x32"),
    ],
)
def test_what_cannot_be_streamed_is_refused_at_once(pack, change, fault):
    with pytest.raises(ValueError, match=f"^{fault}"):
        stream(pack, **change)


def test_a_label_that_the_pack_was_opened_without_is_refused_at_once(pack):
    with pytest.raises(ValueError, match="opened without semseg; it has image$"):
        stream(Pack(pack.folder, ("image",)))


def test_a_stream_of_nothing_is_refused():
    with pytest.raises(ValueError, match="^source: no images to draw from$"):
        stream()


def test_an_attachment_is_read_row_by_row(tmp_path):
    np.save(tmp_path / "pseudo.npy", np.arange(24).reshape(2, 3, 4))
    one = Attachment(tmp_path / "pseudo.npy")
    assert isinstance(one.rows, np.memmap) and len(pickle.dumps(one)) < 500
