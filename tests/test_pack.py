"""A pack holds exactly what was read, resized, and appears whole or not at all; a bad item is one line."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.data.decode import decoder
from bench.data.geometry import Camera, normals_from_depth, resize_image, resize_nearest
from bench.data.labels import LabelSpace, table
from bench.data.pack import Item, Pack
from bench.data.packing import build

ROOT = Path(__file__).parents[1]
SIZE, SMALL = (48, 32), (24, 16)
CAMERA = Camera(40.0, 40.0, 23.5, 15.5)
ALL = ("image", "semseg", "depth", "normals")
ITEMS = [Item(f"frame-{i:02}") for i in range(10)]


@dataclass
class Toy:
    """A data set without files; `broken` replaces fields of the item called frame-03."""

    broken: dict[str, Any] = field(default_factory=dict)
    TASKS: tuple[str, ...] = ("semseg", "depth", "normals")
    CLASSES = LabelSpace("toy", ("a", "b", "c", "d"))
    NEEDS_ROOT, HELP = False, ""

    def index(self, root, part):
        return ITEMS

    def read(self, item, what, size=None):
        r = np.random.default_rng(int(item.stem[-2:]))
        width, height = SIZE
        normals = r.standard_normal((height, width, 3)).astype(np.float32)
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        normals[:3] = 0
        maps = {
            "image": r.integers(0, 256, (height, width, 3), np.uint8),
            "semseg": r.choice(np.array([0, 1, 2, 255], np.uint8), (height, width)),
            "depth": np.float32(2 + np.arange(width) / width + np.zeros((height, 1)) + r.random()),
            "normals": normals,
        }
        if item.stem == "frame-03":
            if "die" in self.broken:
                os.kill(os.getpid(), signal.SIGKILL)
            if isinstance(self.broken.get("image"), Exception):
                raise self.broken["image"]
            maps |= self.broken
        return {name: maps[name] for name in what if name in maps} | {"camera": CAMERA}


def packed(folder, toy=None, items=ITEMS, fields=ALL, size=SMALL, **more):
    return build(folder, toy or Toy(), items, fields, size, **more)


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("packs") / "toy")


def expected(i):
    raw = Toy().read(ITEMS[i], ALL)
    maps = {name: resize_nearest(raw[name], SMALL) for name in ("semseg", "depth", "normals")}
    return maps | {"image": resize_image(raw["image"], SMALL), "normals": maps["normals"].astype(np.float16)}


def test_every_field_comes_back_as_it_was_read_and_resized(pack):
    for i in range(len(ITEMS)):
        for name, values in expected(i).items():
            found = pack.read(i, name)
            assert found.dtype == values.dtype and np.array_equal(found, values)


def test_a_crop_is_a_crop_of_what_was_packed(pack):
    for name, values in expected(4).items():
        assert np.array_equal(pack.read(4, name, 3, 5, 7, 11), values[3:10, 5:16])


def test_a_pack_knows_its_images(pack):
    assert (len(pack), pack.size, pack.stems) == (10, SMALL, [item.stem for item in ITEMS])
    assert pack.cameras == [CAMERA.resized(SIZE, SMALL)] * 10


@pytest.mark.parametrize("window", [(10, 0, 7, 24), (0, 20, 16, 5), (-1, 0, 5, 5), (0, 0, 0, 5)])
def test_a_crop_outside_the_image_is_refused(pack, window):
    with pytest.raises(IndexError, match="not in an image of 24x16"):
        pack.read(0, "image", *window)


def test_what_is_read_cannot_be_written(pack):
    with pytest.raises(ValueError, match="read-only"):
        pack.read(0, "image")[0, 0] = 1


def test_the_size_asked_of_a_renderer_is_the_packs(tmp_path):
    asked = []
    toy = Toy()
    spy = SimpleNamespace(TASKS=toy.TASKS, read=lambda i, w, size: asked.append(size) or toy.read(i, w))
    packed(tmp_path / "p", spy, ITEMS[:2])
    assert asked == [SMALL, SMALL]


def test_processes_change_no_bit(pack, tmp_path):
    other = packed(tmp_path / "p", workers=2)
    assert other.hash == pack.hash and other.cameras == pack.cameras
    for name in ALL:
        assert (other.folder / f"{name}.bin").read_bytes() == (pack.folder / f"{name}.bin").read_bytes()


def test_progress_is_told(tmp_path):
    told = []
    packed(tmp_path / "p", items=ITEMS[:3], progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_the_hash_follows_every_pixel_of_every_field(pack, tmp_path):
    raw = Toy().read(ITEMS[3], ALL)
    for name, one in {"image": 1, "semseg": 1, "depth": 1, "normals": 0}.items():
        changed = raw[name].copy()
        row, column = 2 * 8 + 1, 2 * 12 + 1  # a pixel that nearest keeps
        changed[row, column] = changed[row, column] * 0 + one
        assert packed(tmp_path / name, Toy({name: changed})).hash != pack.hash


def test_the_hash_follows_names_and_size(pack, tmp_path):
    others = [packed(tmp_path / "few", items=ITEMS[:9]), packed(tmp_path / "large", size=SIZE)]
    renamed = SimpleNamespace(TASKS=Toy().TASKS, read=lambda i, w, s: Toy().read(Item(i.stem[1:]), w))
    others.append(packed(tmp_path / "renamed", renamed, [Item(f"x{item.stem}") for item in ITEMS]))
    assert len({pack.hash, *(other.hash for other in others)}) == 4


def test_opened_for_images_a_pack_needs_no_label(pack, tmp_path):
    both = packed(tmp_path / "p")
    before = Pack(both.folder, ("image",)).hash
    for name in ("semseg", "depth", "normals"):
        (both.folder / f"{name}.bin").unlink()
    images = Pack(both.folder, ("image",))
    assert np.array_equal(images.read(2, "image"), pack.read(2, "image"))
    assert images.hash == before
    with pytest.raises(KeyError):
        images.read(2, "semseg")


def test_the_hash_of_images_does_not_know_the_labels(tmp_path):
    one = packed(tmp_path / "one")
    other = packed(tmp_path / "other", Toy({"semseg": np.zeros(SIZE[::-1], np.uint8)}))
    assert one.hash != other.hash
    assert Pack(one.folder, ("image",)).hash == Pack(other.folder, ("image",)).hash


def test_a_field_that_was_not_packed_is_refused(tmp_path):
    packed(tmp_path / "p", items=ITEMS[:2], fields=("image",))
    with pytest.raises(ValueError, match="no field depth; the pack has image$"):
        Pack(tmp_path / "p", ("image", "depth"))


def test_a_pack_travels_by_its_folder(pack):
    for copied in (Pack(pack.folder, ("image",)), pack):
        copied.read(0, "image")
        there = pickle.loads(pickle.dumps(copied))
        assert len(pickle.dumps(copied)) < 1000 and there.fields == copied.fields and there.hash == copied.hash


def test_labels_are_mapped_and_void_stays_void(tmp_path):
    lut = table({0: 2, 1: 0})
    mapped = packed(tmp_path / "p", label_map=lut)
    assert np.array_equal(mapped.read(1, "semseg"), lut[expected(1)["semseg"]])
    assert set(np.unique(mapped.read(1, "semseg"))) == {0, 2, 255}


def test_frequencies_are_shares_of_the_labelled_pixels(pack):
    ids = np.concatenate([expected(i)["semseg"].ravel() for i in range(10)])
    ids = ids[ids != 255]
    assert pack.frequencies(4) == pytest.approx(np.bincount(ids, minlength=4) / len(ids))
    assert pack.frequencies(4).sum() == pytest.approx(1)


def test_a_class_beyond_the_class_set_is_refused(pack):
    with pytest.raises(ValueError, match="class id 2 is there, expected ids below 2"):
        pack.frequencies(2)


def test_normals_come_from_depth_where_the_data_set_has_none(tmp_path):
    derived = packed(tmp_path / "p", Toy(TASKS=("semseg", "depth")), fields=("image", "normals"))
    depth = expected(6)["depth"]
    truth = normals_from_depth(depth, CAMERA.resized(SIZE, SMALL)).astype(np.float16)
    assert truth.any(-1).mean() > 0.9
    assert np.array_equal(derived.read(6, "normals"), truth)
    assert derived.fields == ("image", "normals") and not (derived.folder / "depth.bin").exists()


def test_without_a_camera_there_are_no_normals_from_depth(tmp_path):
    toy = Toy(TASKS=("depth",))
    blind = SimpleNamespace(TASKS=("depth",), read=lambda *words: toy.read(*words) | {"camera": None})
    with pytest.raises(ValueError, match="^frame-00: has no camera"):
        packed(tmp_path / "p", blind)


BROKEN = {
    "pair": ({"semseg": np.zeros((31, 48), np.uint8)}, "semseg is 48x31, image 48x32; expected equal sizes"),
    "type": ({"image": np.zeros((32, 48, 3), np.float32)}, "image is 32x48x3 of float32, expected H W 3 of uint8"),
    "channels": ({"image": np.zeros((32, 48, 4), np.uint8)}, "image is 32x48x4 of uint8, expected H W 3 of uint8"),
    "wide": ({"semseg": np.zeros((32, 48), np.int32)}, "semseg is 32x48 of int32, expected H W of uint8"),
    "nan": ({"depth": np.full((32, 48), np.nan, np.float32)}, "1536 NaN, infinite or negative depths, expected 0"),
    "negative": ({"depth": np.full((32, 48), -1, np.float32)}, "1536 NaN, infinite or negative depths, expected 0"),
    "length": ({"normals": np.full((32, 48, 3), 1, np.float32)}, "1536 normals are not of length 1"),
    "absent": ({"depth": None}, "came without depth"),
    "decoder": ({"image": OSError("image file is truncated (44 bytes)\nat 7")}, "cannot be read: image file is trunc"),
    "silent": ({"image": EOFError()}, "cannot be read: EOFError"),
}


CASES = [pytest.param(*case, 1, id=name) for name, case in BROKEN.items()]


@pytest.mark.parametrize(("broken", "fault", "workers"), [*CASES, pytest.param(*BROKEN["pair"], 2, id="elsewhere")])
def test_a_bad_item_is_one_line_with_its_files_and_leaves_nothing(tmp_path, broken, fault, workers):
    items = [Item(item.stem, {n: Path(f"root/{n}/{item.stem}.png") for n in ALL}) for item in ITEMS]
    with pytest.raises(ValueError) as caught:
        packed(tmp_path / "p", Toy(broken), items, workers=workers)
    line = str(caught.value)
    assert fault in line and "\n" not in line
    assert f"/{next(iter(broken))}/frame-03.png" in line
    assert os.listdir(tmp_path) == []


def test_a_fault_that_names_its_file_is_passed_on_as_it_is(tmp_path):
    items = [Item(item.stem, {"image": Path(f"root/RGB/{item.stem}.png")}) for item in ITEMS]
    words = "RGB/frame-03.png: 8-bit grey, expected 8-bit RGB"
    with pytest.raises(ValueError, match=f"^{words}$"):
        packed(tmp_path / "p", Toy({"image": ValueError(words)}), items, fields=("image",))


def test_a_mistake_in_a_data_sets_code_is_not_taken_for_a_bad_file(tmp_path):
    with pytest.raises(AttributeError):
        packed(tmp_path / "p", Toy({"image": AttributeError("no such thing")}))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ({"items": []}, "p: nothing to pack, the index is empty"),
        ({"items": [*ITEMS, ITEMS[4]]}, "p: two images are called frame-04; names must differ"),
        ({"fields": ("image", "flow")}, "p: no field 'flow'; known: image semseg depth normals"),
        ({"size": (24, 0)}, "p: size 24x0, expected width and height in pixels"),
        ({"label_map": np.zeros(19, np.uint8)}, "label map: 19 of uint8, expected 256 of uint8"),
    ],
)
def test_what_cannot_be_packed_is_refused_at_once(tmp_path, words, fault):
    with pytest.raises(ValueError, match=f"^{fault}$"):
        packed(tmp_path / "p", **words)
    assert os.listdir(tmp_path) == []


def test_a_killed_process_is_said_to_be(tmp_path):
    with pytest.raises(RuntimeError, match="^one of 2 packing processes was killed; out of memory[?] try fewer$"):
        packed(tmp_path / "p", Toy({"die": True}), workers=2)
    assert os.listdir(tmp_path) == [".p.unfinished"]


@pytest.mark.parametrize("call", ["posix_fallocate", "fsync"])
def test_a_full_disk_is_one_line_and_leaves_no_half_pack(tmp_path, monkeypatch, call):
    def full(*words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="cannot write the pack: No space left on device") as caught:
        packed(tmp_path / "p")
    assert caught.value.errno == errno.ENOSPC and "\n" not in str(caught.value) and "/p'" in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_is_too_small_is_found_before_anything_is_read(tmp_path):
    program = f"""
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from bench.data.pack import Item
from bench.data.packing import build
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
read = lambda *words: print("read")
try:
    build(Path({str(tmp_path)!r}) / "p", SimpleNamespace(TASKS=(), read=read), [Item("a")], ("image",), (1024, 1024))
except OSError as error:
    print(error.strerror)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.startswith("cannot write the pack: File too large; image.bin needs 0.00315 GB,")
    assert os.listdir(tmp_path) == []


def test_a_build_that_is_killed_leaves_no_pack_and_the_next_one_works(tmp_path):
    program = f"""
import os
from pathlib import Path
from tests.test_pack import packed
packed(Path({str(tmp_path)!r}) / "p", progress=lambda done, total: os._exit(7) if done == 5 else None)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 7
    assert not (tmp_path / "p").exists()
    assert len(packed(tmp_path / "p")) == 10


def test_of_two_builders_the_second_takes_what_the_first_built(pack, tmp_path):
    packed(tmp_path / "p")
    assert packed(tmp_path / "p").hash == pack.hash
    assert os.listdir(tmp_path) == ["p"]


def test_another_content_under_the_same_name_is_refused(tmp_path):
    packed(tmp_path / "p")
    with pytest.raises(FileExistsError, match="a pack with other content is there"):
        packed(tmp_path / "p", Toy({"semseg": np.zeros(SIZE[::-1], np.uint8)}))
    assert os.listdir(tmp_path) == ["p"]


def test_a_changed_bit_is_found(tmp_path):
    found = packed(tmp_path / "p")
    found.verify()
    data = bytearray((found.folder / "depth.bin").read_bytes())
    data[12345] ^= 1
    (found.folder / "depth.bin").write_bytes(data)
    Pack(found.folder, ("image",)).verify()
    with pytest.raises(ValueError, match="depth.bin has changed since it was packed"):
        Pack(found.folder).verify()


def test_a_shortened_file_is_refused_when_opened(tmp_path):
    found = packed(tmp_path / "p")
    os.truncate(found.folder / "image.bin", 11519)
    with pytest.raises(ValueError, match="image.bin: 11519 bytes, expected 11520; delete the pack"):
        Pack(found.folder)


def test_a_pack_of_another_layout_is_refused(tmp_path):
    index = packed(tmp_path / "p").folder / "index.json"
    index.write_text(index.read_text().replace('"layout": 2', '"layout": 1'))
    with pytest.raises(ValueError, match="a pack of layout 1, expected 2; delete it"):
        Pack(tmp_path / "p")


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    items = [Item(f"{i:03}") for i in range(60)]
    image = np.zeros((512, 1024, 3), np.uint8)
    source = SimpleNamespace(TASKS=(), read=lambda *words: {"image": image.copy()})
    tracemalloc.start()
    packed(tmp_path / "p", source, items, ("image",), (1024, 512))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "p" / "image.bin").stat().st_size == 60 * image.nbytes
    assert peak < 6 * image.nbytes


def test_packing_processes_do_without_torch():
    program = "import sys, bench.data.pack; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"


def test_a_sky_at_a_constant_far_depth_gets_no_normals(tmp_path):
    depth = np.full((32, 64), 655.35, np.float32)
    depth[16:] = 10.0
    fields = {"image": np.zeros((32, 64, 3), np.uint8), "depth": depth, "camera": Camera(50.0, 50.0, 31.5, 15.5)}
    toy = SimpleNamespace(TASKS=("depth",), read=lambda item, what, size: fields)
    normals = decoder(toy, ("image", "normals"), (64, 32))(Item("one"))[0]["normals"]
    assert not normals[:14].any()
    assert np.allclose(normals[19:30, 5:-5], (0, 0, -1), atol=1e-3)
