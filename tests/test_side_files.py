"""Files that a field is read with beside its own, maps of classes, cameras, masks: they are part of what was read."""

from __future__ import annotations

import pytest

from bench import manifest, plugins
from bench.domains import Domains
from bench.split import Domain
from datasets.splits import SPLITS
from tests.rendered import made, quick, shown

__all__ = ["made", "quick", "shown"]

SIDE_FILES = [  # data set, a side file of its fixture, the field that is read with it, another that is not
    ("nyuv2", "classMapping40.mat", "semseg", "depth"),
    ("nyuv2", "normals_gt/masks/*.png", "normals", "semseg"),
    ("pbrs", "projects_camera/*/room_camera.txt", "normals", "semseg"),
    ("pbrs", "projects_camera/*/room_camera_node.txt", "semseg", "normals"),
    ("pbrs", "projects_render/*/*_ynormal.png", "normals", "semseg"),
    ("pbrs", "util_data/ModelCategoryMappingNewActive.csv", "semseg", "normals"),
    ("scenenet", "convert_instance2class.py", "semseg", "depth"),
    ("scenenet", "**/*train*.pb", "semseg", "depth"),
    ("cityscapes", "camera/train/*/*_camera.json", "depth", "semseg"),
]


@pytest.mark.parametrize(("name", "pattern", "with_it", "without_it"), SIDE_FILES)
def test_another_side_file_makes_another_pack_and_another_manifest(name, pattern, with_it, without_it, made, tmp_path):
    root, _ = made(name)
    part = next(part for part in plugins.dataset(name).FACTS.counts if part.startswith(("train", "all")))
    domain = Domain(dataset=name, part=part, size=(64, 48))
    domains = domains_of(name, root, tmp_path)
    file = min(root.glob(pattern))

    def place(*fields):
        return domains.place(domain, ("image", *fields), domains.index(domain))

    def digest():
        return manifest.make(name, True, {part: domains.index(domain)}).hash(part)

    before = place(with_it), place(without_it), place(), digest()
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    try:
        after = place(with_it), place(without_it), place(), digest()
    finally:
        file.write_bytes(content)
    assert before[0] != after[0] and before[3] != after[3]
    assert before[1:3] == after[1:3]
    assert digest() == before[3]  # whatever the time of the last change


def test_every_pack_of_a_picture_that_comes_with_its_camera_depends_on_the_list_of_cameras(made, tmp_path):
    root, _ = made("hypersim")
    domain = Domain(dataset="hypersim", part="train", size=(64, 48))
    domains, file = domains_of("hypersim", root, tmp_path), root / "metadata_camera_parameters.csv"
    content, before = file.read_bytes(), domains.place(domain, ("image",), domains.index(domain))
    file.write_bytes(content + b"\n")
    try:
        assert domains.place(domain, ("image",), domains.index(domain)) != before
    finally:
        file.write_bytes(content)


def domains_of(name, root, store):
    return Domains(SPLITS["gta2cs" if name == "cityscapes" else "hypersim2nyud"], {name: root}, store, show=False)


def test_a_side_file_that_is_not_there_is_named_before_anything_is_packed(made, tmp_path):
    root, _ = made("nyuv2")
    domain = Domain(dataset="nyuv2", part="train", size=(64, 48))
    domains = domains_of("nyuv2", root, tmp_path)
    mapping = root / "classMapping40.mat"
    away = mapping.rename(tmp_path / "away.mat")
    try:
        with pytest.raises(FileNotFoundError, match=r"semseg classMapping40\.mat of \d+ is missing: no .+"):
            domains.pack(domain, ("image", "semseg"))
    finally:
        away.rename(mapping)
