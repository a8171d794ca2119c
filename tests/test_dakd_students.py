"""DAKD's pairs of teacher and student, where networks come in sizes, and what the student starts from."""

from __future__ import annotations

import hashlib

import pytest
import torch

from bench.nets.deeplab import DeepLab50, DeepLab101
from bench.nets.drn import DRN, DRN22, DRN38
from bench.nets.mit import MiTB0, MiTB1, MiTB4, MiTB5
from bench.nets.multitask import ResNet50, Small
from bench.nets.segnet import SegNet
from bench.plan import plan
from bench.record import Network
from bench.run import student
from bench.store import Store
from methods import dakd, dakd_adabn, dakd_plain_student, source_only
from methods.parts.compression import student_network
from tests import shapes


def of(network, **settings):
    """The settings of the student of a teacher's network."""
    return student_network(shapes.problem(network=network), **settings)


def planned(network, method=dakd_plain_student, **settings):
    return plan("m", method.Method.Config(**settings), shapes.problem(network=network), shapes.DATA, "fp32")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def file(tmp_path):
    """Weights of DRN-D-22 that are on no list."""
    torch.save(DRN(DRN22.counts).state_dict(), tmp_path / "drn22.pth")
    return str(tmp_path / "drn22.pth")


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [(DRN38, DRN22), (DeepLab101, DeepLab50), (MiTB5, MiTB1), (MiTB4, MiTB1), (MiTB1, MiTB0)],
)
def test_a_teacher_of_several_sizes_has_a_smaller_one_of_its_kind(teacher, expected):
    network = teacher(weights="none", lr=3e-4)
    assert of(network) == expected(weights="none", lr=3e-4)
    problem = shapes.problem()
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in n.build(problem, ("semseg",)).parameters()) for n in (of(network), network)]
    assert sizes[0] < 0.7 * sizes[1]


@pytest.mark.parametrize("network", [ResNet50(weights="none"), SegNet(), DRN22(weights="none"), DeepLab50()])
def test_the_smallest_of_its_kind_has_a_small_student_beside_it(network):
    assert of(network) == Small(width=48, auxiliary_width=64)


def test_a_width_asks_for_a_small_student():
    assert of(DRN38(), width=20) == Small(width=20, auxiliary_width=64)


def test_a_student_starts_as_its_teacher_does_unless_it_is_said():
    assert of(DRN38(weights="some file")).weights == "drn_d_22-4bd2f8ea.pth"
    assert of(DRN38(weights="none")).weights == "none"
    assert of(DRN38(weights="none"), weights="own file").weights == "own file"
    assert of(DRN38(weights="some file"), weights="none").weights == "none"


def test_a_students_missing_file_stops_the_run_though_its_teachers_is_there(tmp_path, cache):
    (tmp_path / "teacher.pth").write_bytes(b"some weights")
    network = DRN38(weights=str(tmp_path / "teacher.pth"))
    for method in (dakd, dakd_plain_student):
        with pytest.raises(ValueError, match=r'^method.student_weights: no file ".*drn_d_22-4bd2f8ea.pth"') as failure:
            planned(network, method)
        assert "\n" not in str(failure.value)
    assert planned(network, student_weights="none").config.student_weights == "none"


def test_weights_that_no_student_would_read_are_refused(file):
    for network, settings in ((Small(), {}), (ResNet50(weights="none"), {}), (DRN38(weights="none"), {"width": 8})):
        with pytest.raises(ValueError, match=r"method.student_weights=.* would not be read"):
            of(network, weights=file, **settings)
        assert of(network, weights="none", **settings).weights_used() == "none"


def test_the_student_is_built_from_its_own_file_and_rebuilt_without_it(tmp_path, file):
    node, store = planned(DRN38(weights="none"), student_weights=file), Store(tmp_path / "store")
    store.open(node)
    stage = store.build(node.recipe, node.problem.network)
    expected = torch.load(file, weights_only=True)
    assert torch.equal(stage.net.net.encoder.low[1][0].weight, expected["layer0.0.weight"])
    (tmp_path / "drn22.pth").unlink()
    store.put(node.key, stage, 1, 1.0)
    assert store.load(node.key).state_dict().keys() == stage.state_dict().keys()


def test_a_students_weights_are_in_its_key_and_not_in_its_teachers(tmp_path, file):
    network = DRN38(weights="none")
    nodes = [planned(network, dakd, paradigm="both", student_weights=path) for path in ("none", file)]
    (tmp_path / "drn22.pth").write_bytes(b"other weights")
    nodes.append(planned(network, dakd, paradigm="both", student_weights=file))
    assert len({node.key for node in nodes}) == len({node.needs["start"].key for node in nodes}) == 3
    assert len({node.needs["teacher"].key for node in nodes}) == 1


def test_the_record_says_which_network_predicts_and_what_it_started_from(file):
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    for method, settings in (
        (dakd, {"student_weights": file}),
        (dakd_adabn, {"base": dakd.Method.Config(student_weights=file)}),
    ):
        said = student(planned(DRN38(weights="none"), method, **settings))
        assert (said["name"], said["weights"], said["published"]) == ("drn22", digest, "unknown")
        assert said["settings"] == {"auxiliary_width": 64, "lr": 1e-4}
        assert Network(name="drn38", weights="none", predicts=said).student["weights"] == digest
    narrow = student(planned(Small(width=8)))
    assert (narrow["name"], narrow["weights"], narrow["published"]) == ("small", "none", "")
    assert narrow["settings"]["width"] == 6


def test_where_the_runs_network_predicts_there_is_no_other_to_be_named():
    assert student(planned(Small(), source_only)) is None
    assert Network(name="small").student == {}
