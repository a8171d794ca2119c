"""The embedded world: deterministic, exact geometry, all classes, three domains of one generator."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from bench.data.pack import Item
from datasets import minicity
from datasets.city import embree
from datasets.city.cast import Tracer, seen
from datasets.city.embree import slow_tree, tree_of
from datasets.city.materials import LABEL, NAMES
from datasets.city.render import scene_from

ALL = ("image", "semseg", "depth", "normals")
STEMS = ("render-train-00003", "camera-train-00005", "night-test-00007", "overcast-test-00002")
SMALL = (96, 48)


def digest(stem, size=SMALL):
    fields = minicity.read(Item(stem), ALL, size)
    return hashlib.sha256(b"".join(fields[name].tobytes() for name in ALL)).hexdigest()


def rays(camera, size):
    v, u = np.mgrid[: size[1], : size[0]]
    return np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], axis=-1)  # H W 3


def test_the_same_bytes_in_another_process():
    program = f"from tests.test_minicity import digest; print(*[digest(stem) for stem in {STEMS}])"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert other == [digest(stem) for stem in STEMS]


@pytest.mark.parametrize("stem", STEMS)
def test_fields_are_of_the_contract(stem):
    fields = minicity.read(Item(stem), ALL, (120, 50))
    forms = {name: (fields[name].shape, fields[name].dtype.name) for name in ALL}
    assert forms == {
        "image": ((50, 120, 3), "uint8"), "semseg": ((50, 120), "uint8"),
        "depth": ((50, 120), "float32"), "normals": ((50, 120, 3), "float32"),
    }  # fmt: skip
    camera = fields["camera"]
    assert (camera.cx, camera.cy) == (59.5, 24.5) and camera.fx == camera.fy > 0


def test_default_size():
    assert minicity.read(Item(STEMS[0]), ("semseg",))["semseg"].shape == (128, 256)


@pytest.mark.parametrize("stem", STEMS)
def test_sky_is_where_there_is_no_geometry(stem):
    fields = minicity.read(Item(stem), ALL, SMALL)
    sky = fields["semseg"] == LABEL["sky"]
    assert sky.any()
    assert np.array_equal(fields["depth"] == 0, sky)
    assert np.array_equal(np.abs(fields["normals"]).sum(-1) == 0, sky)
    assert fields["semseg"].max() < len(NAMES)


@pytest.mark.parametrize("stem", STEMS)
def test_normals_are_unit_and_towards_the_camera(stem):
    fields = minicity.read(Item(stem), ALL, SMALL)
    valid = fields["depth"] > 0
    normals, points = fields["normals"][valid], (rays(fields["camera"], SMALL) * fields["depth"][..., None])[valid]
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (np.einsum("mi,mi->m", normals, points) < 0).all()


@pytest.mark.parametrize("size", [(256, 128), (100, 100), (64, 160)])
def test_depth_is_planar_and_exact_on_the_road(size):
    """`render` has a level camera mount at a known height and pitch, and the road is flat before the hill starts."""
    rig = minicity.WORLDS["render"].rig
    pitch = np.radians(rig.pitch[0])
    fields = minicity.read(Item("render-train-00011"), ALL, size)
    # Planar depth of the plane 1.5 m below a camera that looks down by the pitch: z = h / (y cos + sin).
    expected = rig.height[0] / (rays(fields["camera"], size)[..., 1] * np.cos(pitch) + np.sin(pitch))
    near = (fields["semseg"] == LABEL["road"]) & (fields["depth"] < 10)
    assert near.sum() > 100
    assert np.allclose(fields["depth"][near], expected[near], rtol=1e-4)
    assert np.allclose(fields["normals"][near], [0, -np.cos(pitch), -np.sin(pitch)], atol=1e-4)


@pytest.mark.parametrize("stem", STEMS)
def test_points_lie_in_the_planes_of_their_normals(stem):
    """Re-projected with the intrinsics, neighbours with the same normal mostly span a plane with that normal."""
    fields = minicity.read(Item(stem), ALL, (192, 96))
    points = rays(fields["camera"], (192, 96)) * fields["depth"][..., None]
    normals, label = fields["normals"], fields["semseg"]
    same = (np.abs(normals[:, 1:] - normals[:, :-1]).max(-1) < 1e-6) & (label[:, 1:] == label[:, :-1])
    same &= fields["depth"][:, 1:] > 0
    step = points[:, 1:] - points[:, :-1]
    off = np.abs(np.einsum("hwi,hwi->hw", step, normals[:, 1:]))[same]
    assert np.mean(off < 1e-3 * fields["depth"][:, 1:][same]) > 0.97


@pytest.mark.parametrize("stem", STEMS)
def test_labels_do_not_depend_on_what_is_asked_for(stem):
    together, alone = minicity.read(Item(stem), ALL, SMALL), minicity.read(Item(stem), ALL[1:], SMALL)
    assert "image" not in alone
    for name in ALL[1:]:
        assert np.array_equal(alone[name], minicity.read(Item(stem), (name,), SMALL)[name])
        assert np.array_equal(together[name], alone[name])


def test_triangles_copied_at_once_are_the_ones_read_number_by_number():
    scene, view = scene_from(STEMS[1], minicity.WORLDS["camera"], SMALL)
    triangles = np.ascontiguousarray(scene.corners.transpose(2, 0, 1))
    rays = np.ascontiguousarray(view.rays(*view.pixels).T)
    start = np.broadcast_to(view.position.astype(np.float32), rays.shape)
    quick, slow = (build(triangles).run(start, rays, output=True) for build in (tree_of, slow_tree))
    assert (quick["primID"] >= 0).mean() > 0.5
    assert all(np.array_equal(quick[name], slow[name]) for name in ("primID", "tfar", "u", "v"))


def test_an_embreex_of_another_making_gets_its_triangles_number_by_number(monkeypatch):
    here = digest(STEMS[1])
    monkeypatch.setattr(embree, "_EMBREE", None)  # may not be called
    monkeypatch.setattr(embree, "KNOWN", False)
    assert digest(STEMS[1]) == here


@pytest.mark.parametrize("stem", STEMS)
def test_leaving_out_hidden_triangles_changes_nothing(stem):
    scene, view = scene_from(stem, minicity.WORLDS[stem.split("-")[0]], SMALL)
    some = seen(scene, view).cast(*view.pixels)
    all_of_it = Tracer(scene, view, np.arange(len(scene.material))).cast(*view.pixels)
    assert np.mean(np.isin(all_of_it.where, some.where)) > 0.999
    both = np.isin(all_of_it.where, some.where)
    same = scene.label[scene.owner[all_of_it.triangle[both]]] == scene.label[scene.owner[some.triangle]]
    assert np.mean(same) > 0.995


def test_all_classes_occur_often():
    for domain in minicity.WORLDS:
        shares = np.zeros((40, len(NAMES)))
        for number in range(len(shares)):
            labels = minicity.read(Item(f"{domain}-train-{number:05d}"), ("semseg",), SMALL)["semseg"]
            shares[number] = np.bincount(labels.ravel(), minlength=len(NAMES)) / labels.size
        assert (shares.mean(0) > 0.002).all(), dict(zip(NAMES, shares.mean(0), strict=True))
        assert ((shares > 0).mean(0) >= 0.3).all(), dict(zip(NAMES, (shares > 0).mean(0), strict=True))


def test_the_size_only_samples_the_view():
    small = minicity.read(Item(STEMS[0]), ALL, (65, 33))
    large = minicity.read(Item(STEMS[0]), ALL, (195, 99))  # 3 pixels for 1, centres coincide
    assert np.mean(small["semseg"] == large["semseg"][1::3, 1::3]) > 0.98
    assert np.isclose(3 * small["camera"].fx, large["camera"].fx)


def test_domains_share_the_generator_but_differ():
    assert {part.split("-")[0] for part in minicity.PARTS} == set(minicity.WORLDS)
    means = [
        np.mean([minicity.read(Item(f"{domain}-train-{n:05d}"), ("image",), SMALL)["image"].mean() for n in range(4)])
        for domain in ("render", "camera", "night")
    ]
    assert means[2] < 0.7 * means[1] and means[2] < 0.7 * means[0]
    assert minicity.WORLDS["night"].rig == minicity.WORLDS["camera"].rig
    assert minicity.WORLDS["night"].layout == minicity.WORLDS["camera"].layout


def test_render_has_one_camera_and_camera_many():
    def views(domain):
        return {minicity.read(Item(f"{domain}-train-{n:05d}"), (), SMALL)["camera"].fx for n in range(3)}

    assert len(views("render")) == 1 and len(views("camera")) == 3


def test_parts_are_disjoint():
    stems = {part: [item.stem for item in minicity.index(None, part)] for part in minicity.PARTS}
    assert {part: len(names) for part, names in stems.items()} == minicity.PARTS
    assert len(set().union(*stems.values())) == sum(minicity.PARTS.values())
    assert stems["camera-test"] == sorted(stems["camera-test"])
    labels = [minicity.read(Item(f"camera-{half}-00000"), ("depth",), SMALL)["depth"] for half in ("train", "test")]
    assert not np.array_equal(*labels)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match='no part "camera-tset".*camera-test'):
        minicity.index(None, "camera-tset")
    with pytest.raises(ValueError, match="no flow in this data set"):
        minicity.read(Item(STEMS[0]), ("flow",))
    with pytest.raises(ValueError, match="camera-train-00017"):
        minicity.read(Item("street-7"), ("semseg",))
