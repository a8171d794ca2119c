"""An image of a data set -> its fields as they are packed: read, checked, mapped to the class set, resized."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.geometry import Camera, Size, normals_from_depth, resize_image, resize_nearest
from bench.data.pack import BACKDROP, BROKEN, FORMATS, DatasetModule, Item


@dataclass(frozen=True)
class Decoder:
    """Travels to other processes: `read` by name, so a data set is a module (or an object that pickles), and nothing
    here imports torch."""

    read: Callable[[Item, Collection[str], Size | None], dict[str, Any]]
    fields: tuple[str, ...]
    derived: bool  # normals come from depth
    size: Size
    label_map: NDArray[np.uint8] | None

    def __call__(self, item: Item) -> tuple[dict[str, NDArray[Any]], Camera | None]:
        """The fields as they are packed, and the camera at the packed size. ValueError in one line names the item."""
        what = [name for name in self.fields if not (self.derived and name == "normals")]
        if self.derived and "depth" not in what:
            what.append("depth")
        try:
            raw = self.read(item, [*what, "camera"] if self.derived else what, self.size)
        except BROKEN as error:
            raise ValueError(_named(item, what, f"cannot be read: {_line(error)}")) from error
        native = _checked(item, what, raw)
        camera: Camera | None = raw.get("camera")
        camera = camera and camera.resized(native, self.size)
        arrays: dict[str, NDArray[Any]] = {}
        for name in what:
            resize = resize_image if name == "image" else resize_nearest
            arrays[name] = resize(raw[name], self.size)
        if self.label_map is not None and "semseg" in arrays:
            arrays["semseg"] = self.label_map[arrays["semseg"]]
        if self.derived:
            if camera is None:
                raise ValueError(_named(item, what, "has no camera; without one there are no normals from depth"))
            near = np.where(arrays["depth"] < BACKDROP, arrays["depth"], 0)
            arrays["normals"] = normals_from_depth(near, camera)
        return {name: np.ascontiguousarray(arrays[name], FORMATS[name][0]) for name in self.fields}, camera


def decoder(
    dataset: DatasetModule, fields: Collection[str], size: Size, label_map: NDArray[np.uint8] | None = None
) -> Decoder:
    """Normals that the data set does not have come from its depth at the packed size."""
    fields = tuple(fields)
    return Decoder(dataset.read, fields, "normals" in fields and "normals" not in dataset.TASKS, size, label_map)


def _checked(item: Item, what: Sequence[str], raw: Mapping[str, Any]) -> Size:
    """The native size of the item. ValueError, naming the files, unless its fields are what they should be."""
    first, native = "", (0, 0)
    for name in what:
        values = raw.get(name)
        if values is None:
            raise ValueError(_named(item, [name], f"came without {name}"))
        kind, channels = FORMATS[name]
        fits = values.dtype == kind if kind is np.uint8 else values.dtype.kind == "f"
        if not fits or values.ndim != 2 + len(channels) or values.shape[2:] != channels:
            got = f"{'x'.join(map(str, values.shape))} of {values.dtype}"
            raise ValueError(_named(item, [name], f"{name} is {got}, expected {' '.join(['H W', *map(str, channels)])}"
                                                  f" of {'uint8' if kind is np.uint8 else 'float32'}"))  # fmt: skip
        size = (values.shape[1], values.shape[0])
        if first and size != native:
            sizes = f"{name} is {size[0]}x{size[1]}, {first} {native[0]}x{native[1]}"
            raise ValueError(_named(item, [name, first], f"{sizes}; expected equal sizes"))
        first, native = first or name, size
    if "depth" in what and (bad := int(np.sum(~np.isfinite(raw["depth"]) | (raw["depth"] < 0)))):
        raise ValueError(_named(item, ["depth"], f"{bad} NaN, infinite or negative depths, expected 0 for invalid"))
    length = np.linalg.norm(raw["normals"], axis=-1) if "normals" in what else np.zeros(1)
    if bad := int(np.sum(~((length == 0) | (abs(length - 1) < 0.02)))):
        raise ValueError(_named(item, ["normals"], f"{bad} normals are not of length 1, expected 0,0,0 for invalid"))
    return native


def _named(item: Item, what: Sequence[str], fault: str) -> str:
    """One line that names the files; a fault that names one already is left as it is."""
    paths = [path for name, path in item.files.items() if name in what] or list(item.files.values())
    if any(path.name in fault for path in paths):
        return fault.removeprefix("cannot be read: ")
    return f"{' and '.join('/'.join(path.parts[-3:]) for path in paths) or item.stem}: {fault}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
