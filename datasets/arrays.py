"""Array files to exact arrays: .npy and HDF5. A file is opened for one reading and closed again."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.files import short


def needs(dataset: str, *libraries: str) -> None:
    """Refuse to begin without the libraries that read a data set's files. They are no part of a plain installation."""
    for library in libraries:
        if importlib.util.find_spec(library) is None:
            raise RuntimeError(f"{dataset}: needs {library}; pip install 'mtda-bench[indoor]'")


def npy(path: Path) -> NDArray[Any]:
    """The array of an .npy file. OSError or ValueError in one line: no file, or none that numpy wrote."""
    data = _bytes(path)
    if not data.startswith(b"\x93NUMPY"):
        raise ValueError(f"{short(path)}: not an npy file ({len(data)} bytes); copy it again")
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError):
        raise ValueError(f"{short(path)}: truncated or damaged at byte {len(data)}; copy it again") from None
    return array


def npy_header(path: Path) -> tuple[str, tuple[int, ...]]:
    """Type and shape of an .npy file's array. ValueError, in one line, also if the file is too short for it."""
    _bytes(path, 0)  # that it can be read
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            begin = file.tell()
    except (ValueError, EOFError):
        raise ValueError(f"{short(path)}: not an npy file ({size} bytes); copy it again") from None
    if size < begin + math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{short(path)}: truncated or damaged at byte {size}; copy it again")
    return str(dtype), shape


def hdf5(path: Path, key: str, where: Any = ()) -> NDArray[Any]:
    """A data set of an HDF5 file (MATLAB's since version 7.3), or the part of it that `where` says."""
    with _opened(path, key) as found:
        return np.asarray(found[where])


def hdf5_header(path: Path, key: str) -> tuple[str, tuple[int, ...]]:
    """Type and shape of a data set, of which nothing is read."""
    with _opened(path, key) as found:
        return str(found.dtype), tuple(found.shape)


@contextmanager
def _opened(path: Path, key: str) -> Iterator[Any]:
    """Nothing stays open, so a process may fork at any time. Unlocked: archives lie where nothing can be locked."""
    import h5py  # of the extra `indoor`

    _bytes(path, 0)  # that it can be read: h5py says so in two lines
    size, names = path.stat().st_size, None
    try:
        with h5py.File(path, "r", locking=False) as file:
            if key in file:
                yield file[key]
            else:
                names = " ".join(sorted(file)) or "none"
    except (OSError, RuntimeError) as error:
        if "signature" in str(error):
            raise ValueError(f"{short(path)}: not an HDF5 file ({size} bytes); copy it again") from None
        cut = "truncated" if "truncated" in str(error) else "damaged or truncated"
        raise ValueError(f"{short(path)}: {cut} at byte {size}; copy it again") from None
    if names is not None:
        raise ValueError(f"{short(path)}: no data set {key}; it has {names}")


def _bytes(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise type(error)(f"{short(path)}: {str(error.strerror).lower()}") from None
