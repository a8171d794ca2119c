"""Rare-class sampling: which source image is drawn, how often, and that its view shows the class asked for."""

from __future__ import annotations

import pickle
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bench.data.pack import Item
from bench.data.packing import build
from bench.data.sampling import Rare, shown
from bench.data.stream import Stream
from bench.problem import VOID
from bench.split import Augmentation

SIZE, CROP = (64, 32), (32, 32)
ROAD, CAR, TRAIN = 0, 1, 2


def street(stem, asked=None):
    """Road; the stems that say so have a car (an eighth of the image) or a train (a 32nd) at the right border."""
    labels = np.full((32, 64), ROAD, np.uint8)
    if "car" in stem:
        labels[:16, 48:] = CAR
    if "train" in stem:
        labels[:8, 56:] = TRAIN
    if "void" in stem:
        labels[:] = VOID
    return {"image": np.stack([labels] * 3, -1), "semseg": labels}


def packed(folder, stems):
    toy = SimpleNamespace(TASKS=("semseg",), read=lambda item, what, size: street(item.stem))
    return build(folder, toy, [Item(stem) for stem in stems], ("image", "semseg"), SIZE)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    stems = [*(f"road{i}" for i in range(6)), "car0", "car1", "train", "void"]
    return packed(tmp_path_factory.mktemp("packs") / "streets", stems)


def stream(*packs, rare=Rare(), **more):  # noqa: B008 - never written to
    settings = {"tasks": ("semseg",), "crop": CROP, "augment": Augmentation(flip=False), "seed": 3, "tag": "source"}
    settings |= {"batch": 8, "device": torch.device("cpu")}
    return Stream(packs, **settings | {"rare": rare} | more)


def maps(*stems):
    return [street(stem)["semseg"] for stem in stems]


def test_the_chance_of_a_class_falls_with_its_share_by_the_temperature():
    found = shown(maps("car", "road", "road", "train"), Rare(temperature=0.1))
    assert found.classes == (ROAD, CAR, TRAIN)
    share = np.array([1 - 1 / 32 - 1 / 128, 1 / 32, 1 / 128])
    expected = np.exp((1 - share) / 0.1) / np.exp((1 - share) / 0.1).sum()
    assert np.diff([0, *found.chances]) == pytest.approx(expected)


def test_the_lower_the_temperature_the_more_the_rarest_class_is_drawn():
    chances = [np.diff([0, *shown(maps("car", "train"), Rare(temperature=T)).chances])[-1] for T in (0.01, 0.1, 1.0)]
    assert chances[0] > 0.9 and chances[0] > chances[1] > chances[2] > 1 / 3


def test_an_image_shows_a_class_from_a_least_share_of_its_pixels_on():
    found = shown(maps("car", "train", "road"), Rare(least=1 / 16))
    assert found.classes == (ROAD, CAR) and [i.tolist() for i in found.images] == [[0, 1, 2], [0]]
    assert shown(maps("train", "road"), Rare(least=1 / 32)).images[-1].tolist() == [0]


def test_void_is_no_class_and_images_without_any_are_refused():
    found = shown(maps("car", "void"), Rare())
    assert found.classes == (ROAD, CAR) and all(1 not in images for images in found.images)
    with pytest.raises(ValueError, match="no image shows any class"):
        shown(maps("void"), Rare())
    with pytest.raises(ValueError, match="temperature 0, expected above 0"):
        shown(maps("car"), Rare(temperature=0))


def test_images_are_drawn_as_often_as_their_classes_are_asked_for(pack):
    rare = Rare(temperature=0.05)
    one = stream(pack, rare=rare)
    drawn = Counter(int(i) for step in range(150) for i in one[step].ids)
    chances = np.diff([0, *one._shown[0].chances])
    expected = chances[2] + chances[0] / 9  # asked for by name, or as one of nine images of a road
    assert drawn[8] / 1200 == pytest.approx(expected, abs=0.06) and drawn[9] == 0
    assert abs(drawn[6] - drawn[7]) < 100


def seen_share(pack, crop):
    """Of the views of the train's image, the share that shows 16 of its 64 pixels or more."""
    one = stream(pack, rare=Rare(temperature=1e-3, least=1 / 32, crop=crop))
    batches = [one[step] for step in range(25)]
    views = [labels for batch in batches for i, labels in zip(batch.ids, batch.labels["semseg"], strict=True) if i == 8]
    assert len(views) > 150
    return np.mean([(labels == TRAIN).sum().item() >= 16 for labels in views])


def test_a_view_that_shows_too_little_of_the_class_is_drawn_anew_ten_times_at_most(pack):
    """7 of 33 places show two columns of the train or more."""
    assert seen_share(pack, crop=0.0) == pytest.approx(7 / 33, abs=0.1)
    assert seen_share(pack, crop=0.25) == pytest.approx(1 - (26 / 33) ** 10, abs=0.08)


def test_a_batch_is_a_function_of_its_position_for_ranks_workers_and_starts(pack):
    whole = list(stream(pack).iterate(0, 4))
    ahead = list(stream(pack, workers=1).iterate(2, 4))
    for step in (2, 3):
        ranks = [stream(pack, rank=rank, world=2)[step] for rank in range(2)]
        for batch in (ahead[step - 2], stream(pack)[step]):
            assert torch.equal(batch.image, whole[step].image) and torch.equal(batch.ids, whole[step].ids)
        assert torch.equal(torch.cat([r.image for r in ranks]), whole[step].image)
    assert not torch.equal(whole[0].ids, stream(pack, seed=4)[0].ids)


def test_sources_come_in_turn_each_with_its_own_classes(pack, tmp_path):
    other = packed(tmp_path / "other", ["road", "car"])
    ids = torch.cat([stream(pack, other)[step].ids for step in range(5)])
    assert (ids[::2] < 10).all() and (ids[1::2] >= 10).all() and 11 in ids


def test_without_it_nothing_changes(pack):
    plain = stream(pack, rare=None)
    assert plain._shown == [] and len(pickle.dumps(plain)) < 5000
    assert sorted(torch.cat([stream(pack, rare=None, batch=5)[s].ids for s in range(2)]).tolist()) == list(range(10))


@pytest.mark.parametrize("change", [{"draw": "in order"}, {"tasks": ()}])
def test_it_needs_shuffled_images_with_class_labels(pack, change):
    with pytest.raises(
        ValueError, match="^source: rare classes are drawn from shuffled images with class labels only$"
    ):
        stream(pack, **change)
