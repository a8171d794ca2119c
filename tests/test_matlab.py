"""Lists in MATLAB's files come back as written, and a fault in a file is one line."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from datasets.matlab import numbers
from datasets.trees.mat import mat


@pytest.mark.parametrize("deflated", [False, True])
def test_columns_of_any_length_come_back_in_their_shape(tmp_path: Path, deflated: bool) -> None:
    lists = {"none": [], "one": [7], "two": [9, 8], "three": [1, 2, 65535], "many": range(5000)}
    mat(tmp_path / "a.mat", deflated=deflated, **{name: np.array(ids, int) for name, ids in lists.items()})
    for name, found in zip(lists, numbers(tmp_path / "a.mat", *lists), strict=True):
        assert found.tolist() == [[i] for i in lists[name]]


def test_a_matrix_is_stored_column_by_column_and_in_either_byte_order(tmp_path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    parts = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 3)) + element(1, b"matrix")
    real = element(9, np.array([1, 4, 2, 5, 3, 6], ">f8").tobytes())
    header = b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    (tmp_path / "a.mat").write_bytes(header + element(14, parts + real))
    assert numbers(tmp_path / "a.mat", "matrix")[0].tolist() == [[1, 2, 3], [4, 5, 6]]


def fault(path: Path, name: str = "ids") -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        numbers(path, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_array_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    mat(tmp_path / "a/b/c.mat", valIds=np.array([1]), trainIds=np.array([2]))
    assert fault(tmp_path / "a/b/c.mat") == "a/b/c.mat: no array ids; it has trainIds valIds"


def test_a_text_is_no_array_of_numbers(tmp_path: Path) -> None:
    mat(tmp_path / "a/b/c.mat", about="ABC")
    assert fault(tmp_path / "a/b/c.mat", "about") == "a/b/c.mat: no array about; it has none"


@pytest.mark.parametrize("deflated", [False, True])
def test_a_truncated_file_is_damaged_wherever_it_ends(tmp_path: Path, deflated: bool) -> None:
    path = tmp_path / "a/b/c.mat"
    mat(path, deflated=deflated, ids=np.arange(40))
    whole = path.read_bytes()
    for count in range(200, len(whole), 7):
        path.write_bytes(whole[:count])
        line = fault(path)
        assert line == f"a/b/c.mat: damaged or truncated ({count} bytes); copy it again" or "no array ids" in line


@pytest.mark.parametrize("data", [b"", b"<html>", b"MATLAB 7.3 MAT-file".ljust(126) + b"IM"])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.mat").write_bytes(data)
    assert fault(tmp_path / "a/b/c.mat") == "a/b/c.mat: not a MAT-file of version 5"


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    assert fault(tmp_path / "c.mat").endswith("/c.mat: no such file or directory")
