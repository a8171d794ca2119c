"""Array files come back as they were written, nothing stays open, and a fault is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.arrays import hdf5, hdf5_header, needs, npy, npy_header

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the same array in each format."""
    np.save(tmp_path / "a.npy", ARRAY)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["dataset"] = ARRAY
    return tmp_path


def fault(reader, path, *words) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        reader(path, *words)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent.parent.name}/{path.parent.name}/", "")


def test_an_array_comes_back_as_it_was_written(folder: Path) -> None:
    for found in (npy(folder / "a.npy"), hdf5(folder / "a.hdf5", "dataset")):
        assert found.dtype == np.float32 and np.array_equal(found, ARRAY)


def test_a_part_of_a_data_set_is_read_alone(folder: Path) -> None:
    assert hdf5_header(folder / "a.hdf5", "dataset") == ("float32", (2, 3, 4))
    assert np.array_equal(hdf5(folder / "a.hdf5", "dataset", np.s_[1, :2]), ARRAY[1, :2])


def test_type_and_shape_are_had_without_the_array(folder: Path) -> None:
    assert npy_header(folder / "a.npy") == hdf5_header(folder / "a.hdf5", "dataset") == ("float32", (2, 3, 4))


def test_an_array_that_is_too_short_for_its_header_is_told_by_the_header(folder: Path) -> None:
    size = (folder / "a.npy").stat().st_size
    os.truncate(folder / "a.npy", size - 1)
    assert fault(npy_header, folder / "a.npy") == f"a.npy: truncated or damaged at byte {size - 1}; copy it again"
    (folder / "a.npy").write_bytes(b"")
    assert fault(npy_header, folder / "a.npy") == "a.npy: not an npy file (0 bytes); copy it again"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_no_file_stays_open(folder: Path) -> None:
    npy(folder / "a.npy"), hdf5(folder / "a.hdf5", "dataset")
    fault(hdf5, folder / "a.hdf5", "nothing")
    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert not [path for path in opened if path.startswith(str(folder))]


def test_a_forked_process_reads_what_its_parent_read(folder: Path) -> None:
    program = f"""
import os
from pathlib import Path
from datasets.arrays import hdf5
path = Path({str(folder / "a.hdf5")!r})
here = hdf5(path, "dataset").tobytes()
child = os.fork()
if child == 0:
    os._exit(0 if all(hdf5(path, "dataset").tobytes() == here for _ in range(20)) else 1)
assert all(hdf5(path, "dataset").tobytes() == here for _ in range(20))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})


def test_the_libraries_are_loaded_when_a_file_is_read_and_not_before() -> None:
    program = "import sys, datasets.hypersim, datasets.nyuv2; print(*({'h5py'} & set(sys.modules)))"
    assert not subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()


def test_a_missing_library_is_one_line_that_says_how_to_have_it() -> None:
    needs("hypersim", "h5py")
    with pytest.raises(RuntimeError, match=r"^hypersim: needs h6py; pip install 'mtda-bench\[indoor\]'$"):
        needs("hypersim", "h6py")


@pytest.mark.parametrize(("reader", "name", "words"), [(npy, "a.npy", ()), (hdf5, "a.hdf5", ("dataset",))])
def test_a_truncated_file_says_where_it_ends(folder: Path, reader, name: str, words) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:150])
    assert fault(reader, path, *words).startswith(f"{name}: truncated")
    assert "at byte 150; copy it again" in fault(reader, path, *words)


def test_a_data_set_whose_end_is_missing_is_refused(folder: Path) -> None:
    with h5py.File(folder / "b.hdf5", "w") as file:
        file.create_dataset("dataset", data=np.random.default_rng(0).random((99, 99)), compression=1)
    data = (folder / "b.hdf5").read_bytes()
    (folder / "b.hdf5").write_bytes(data[:5000] + bytes(len(data) - 5000))
    assert (
        fault(hdf5, folder / "b.hdf5", "dataset") == f"b.hdf5: damaged or truncated at byte {len(data)}; copy it again"
    )


@pytest.mark.parametrize("data", [b"", b"<html>not here</html>"])
def test_another_file_under_the_name_is_refused(folder: Path, data: bytes) -> None:
    for name in ("a.npy", "a.hdf5"):
        (folder / name).write_bytes(data)
    rest = f"({len(data)} bytes); copy it again"
    assert fault(npy, folder / "a.npy") == f"a.npy: not an npy file {rest}"
    assert fault(hdf5, folder / "a.hdf5", "dataset") == f"a.hdf5: not an HDF5 file {rest}"


def test_objects_in_an_npy_file_are_not_unpickled(folder: Path) -> None:
    np.save(folder / "a.npy", np.array([{}], object), allow_pickle=True)
    assert "damaged" in fault(npy, folder / "a.npy")


def test_an_absent_name_comes_with_the_names_there_are(folder: Path) -> None:
    assert fault(hdf5, folder / "a.hdf5", "depths") == "a.hdf5: no data set depths; it has dataset"


@pytest.mark.parametrize(("reader", "words"), [(npy, ()), (hdf5, ("dataset",))])
def test_a_missing_file_is_one_line(folder: Path, reader, words) -> None:
    assert fault(reader, folder / "none", *words) == "none: no such file or directory"
