"""A picture and the picture of its class ids: all that many data sets have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bench.data.pack import Item
from datasets.files import only, renamed, require, same_size
from datasets.pictures import picture, samples

CS19_IDS = {i: i for i in range(19)}  # of files that hold cs19 ids already
CS19_VOID = (255,)


def pair(
    dataset: str,
    item: Item,
    what: Collection[str],
    ids: Mapping[int, int] = CS19_IDS,
    void: Collection[int] = CS19_VOID,
    form: str = "8-bit grey",
) -> dict[str, Any]:
    """The image and the class ids of an item, as stored; there is no camera.

    ids: id in the file -> id of the label space. void: ids of no class, 255 in the end. form: of the file with the ids.
    ValueError or FileNotFoundError, in one line, for a field or a file that is not there or not fit.
    """
    only(dataset, what, ("image", "semseg"))
    require(item.files, what)
    fields: dict[str, Any] = {}
    if "image" in what:
        fields["image"] = picture(item.files["image"])
    if "semseg" in what:
        path = item.files["semseg"]
        fields["semseg"] = renamed(samples(path, form), ids, void, path)
    same_size(fields, item.files)
    return fields | {"camera": None}
