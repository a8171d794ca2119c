"""Protocol-buffer messages, against the library of their inventors."""

from __future__ import annotations

import pytest

from datasets.messages import fields
from datasets.trees.messages import message, varint
from datasets.trees.scenenet import trajectories


def parts(data: bytes) -> list[tuple[int, int | bytes]]:
    return [(number, value if isinstance(value, int) else bytes(value)) for number, value in fields(memoryview(data))]


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 7475, 2**31 - 1, 2**63])
def test_a_whole_number_of_any_length_comes_back(value: int) -> None:
    assert parts(message((1, value), (536870911, value))) == [(1, value), (536870911, value)]


def test_texts_and_messages_are_bytes_in_their_order() -> None:
    inner = message((2, b"04379243"), (1, 9))
    data = message((2, inner), (4, b"0/223"), (2, b""))
    assert parts(data) == [(2, inner), (4, b"0/223"), (2, b"")]
    assert parts(parts(data)[0][1]) == [(2, b"04379243"), (1, 9)]


def test_floats_and_doubles_are_stepped_over() -> None:
    data = message((1, 0.5)) + varint(2 << 3 | 1) + bytes(8) + message((3, 7))
    assert [number for number, _ in parts(data)] == [1, 2, 3]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_message_that_is_cut_off_is_refused(cut: int) -> None:
    data = message((4, b"0/223/photo"))
    with pytest.raises(ValueError, match="^a (field of 11 bytes at byte 2 of|number without an end at byte)"):
        parts(data[:-cut])


@pytest.mark.parametrize("kind", [3, 4, 6, 7])
def test_a_kind_that_is_not_in_use_is_refused(kind: int) -> None:
    with pytest.raises(ValueError, match=f"^a field of kind {kind} at byte 1$"):
        parts(bytes([1 << 3 | kind, 0]))


def test_a_number_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="^a number without an end at byte 11$"):
        parts(b"\x08" + b"\xff" * 20)


def test_the_library_of_the_inventors_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is the second opinion")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="s.proto", package="s", syntax="proto2")
    kinds = {"int32": 5, "string": 9, "float": 2}

    def define(name: str, *entries: tuple[str, int, str, bool]) -> None:
        defined = file.message_type.add(name=name)
        for field, number, kind, repeated in entries:
            added = defined.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind in kinds:
                added.type = kinds[kind]
            else:
                added.type, added.type_name = 11, f".s.{kind}"

    define("Position", *[(axis, number, "float", False) for number, axis in enumerate("xyz", 1)])
    define("Pose", ("camera", 1, "Position", False), ("lookat", 2, "Position", False), ("timestamp", 3, "float", False))
    define("View", ("frame", 1, "int32", False), ("opened", 2, "Pose", False), ("closed", 3, "Pose", False))
    define("Layout", ("kind", 1, "int32", False), ("model", 2, "string", False))
    define("Instance", ("id", 1, "int32", False), ("wordnet", 2, "string", False), ("english", 3, "string", False),
           ("kind", 4, "int32", False))  # fmt: skip
    define("Trajectory", ("layout", 1, "Layout", False), ("instances", 2, "Instance", True),
           ("views", 3, "View", True), ("path", 4, "string", False))  # fmt: skip
    define("Trajectories", ("trajectories", 1, "Trajectory", True))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    theirs = message_factory.GetMessageClass(pool.FindMessageTypeByName("s.Trajectories"))()
    theirs.ParseFromString(trajectories({"0/9": {300: "04546855", 2: "03365592"}, "16/16864": {}}))
    assert [t.path for t in theirs.trajectories] == ["0/9", "16/16864"]
    found = [(i.id, i.wordnet, i.kind == 1) for i in theirs.trajectories[0].instances]
    assert found == [(0, "", True), (300, "04546855", False), (2, "03365592", False)]
    assert [view.frame for view in theirs.trajectories[1].views] == list(range(0, 7500, 25))
    assert theirs.trajectories[0].views[3].closed.lookat.z == -4
    theirs.trajectories[0].views[0].frame = 7475  # and what it writes is read here
    first = [value for number, value in parts(theirs.SerializeToString()) if number == 1][0]
    assert [dict(parts(value))[1] for number, value in parts(first) if number == 3][0] == 7475
