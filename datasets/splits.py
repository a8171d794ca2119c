"""Every split of the suite, as literals: the one place where data sets, sizes, budgets and rules meet."""

from __future__ import annotations

from bench.split import Domain, Split

_ALL = ("semseg", "depth", "normals")


def _embedded(name: str, about: str, source: list[str], target: list[str]) -> Split:
    """A split of minicity's worlds, scored on the first target's."""

    def world(part: str) -> Domain:
        return Domain(dataset="minicity", part=part, size=(192, 96))

    return Split(
        name=name,
        about=about,
        source=[world(f"{word}-train") for word in source],
        target=[world(f"{word}-train") for word in target],
        test=world(f"{target[0]}-test"),
        tasks=_ALL,
        scored=_ALL,
        classes="minicity",
        crop=(96, 96),
        budget=400,
        batch=8,
        protocol="city-v1",
    )


_LIST = [
    _embedded(
        "minicity", "rendered streets -> their camera; nothing to download, runs on a CPU", ["render"], ["camera"]
    ),
    _embedded(
        "minicity_dev",
        "rendered streets -> the night: where hyper-parameters are chosen, never ranked",
        ["render"],
        ["night"],
    ),
    _embedded(
        "minicity_night",
        "the embedded streets by day -> by night: a stronger shift, nothing to download",
        ["camera"],
        ["night"],
    ),
    _embedded(
        "minicity_sources",
        "rendered streets and the night, both labelled -> the camera: several sources",
        ["render", "night"],
        ["camera"],
    ),
    _embedded(
        "minicity_targets",
        "rendered streets -> the camera and the night at once, scored by the camera: several targets",
        ["render"],
        ["camera", "night"],
    ),
    Split(
        name="minicity2camvid",
        about="rendered streets -> CamVid: real images with an embedded source; expect low scores",
        source=[Domain(dataset="minicity", part="render-train", size=(256, 192))],
        target=[Domain(dataset="camvid", part="train", size=(256, 192))],
        test=Domain(dataset="camvid", part="test", size=(256, 192)),
        tasks=_ALL,
        scored=("semseg",),
        classes="camvid11",
        crop=(128, 128),
        budget=400,
        batch=8,
        protocol="camvid-v1",
    ),
    Split(
        name="camvid_day2dusk",
        about="CamVid's three drives by day -> its drive at dusk; small, real, public",
        source=[Domain(dataset="camvid", part="day", size=(480, 360))],
        target=[Domain(dataset="camvid", part="dusk-train", size=(480, 360))],
        test=Domain(dataset="camvid", part="dusk-test", size=(480, 360)),  # the second half of the target's drive
        tasks=("semseg",),
        scored=("semseg",),
        classes="camvid11",
        crop=(480, 352),
        budget=10000,
        batch=4,
        protocol="camvid-v1",
    ),
    Split(
        name="synthia2cs",
        about="SYNTHIA -> Cityscapes, the main outdoor split",
        source=[Domain(dataset="synthia", part="all", size=(1280, 760))],
        target=[Domain(dataset="cityscapes", part="train", size=(1024, 512))],
        test=Domain(dataset="cityscapes", part="val", size=(1024, 512)),
        tasks=_ALL,
        scored=("semseg", "depth"),
        classes="cs16",
        also=("cs13",),
        crop=(512, 512),
        budget=40000,
        batch=2,
        protocol="cs-v1",
    ),
]
SPLITS: dict[str, Split] = {split.name: split for split in _LIST}
