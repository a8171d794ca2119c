"""Every split of the suite, as literals: the one place where data sets, sizes, budgets and rules meet."""

from __future__ import annotations

from bench.split import Domain, Split

_ALL = ("semseg", "depth", "normals")

_LIST = [
    Split(
        name="minicity",
        about="rendered streets -> their camera; nothing to download, runs on a CPU",
        source=[Domain(dataset="minicity", part="render-train", size=(192, 96))],
        target=Domain(dataset="minicity", part="camera-train", size=(192, 96)),
        test=Domain(dataset="minicity", part="camera-test", size=(192, 96)),
        tasks=_ALL,
        scored=_ALL,
        classes="minicity",
        crop=(96, 96),
        budget=400,
        batch=8,
        protocol="city-v1",
    ),
    Split(
        name="minicity_night",
        about="the embedded streets by day -> by night: a stronger shift, nothing to download",
        source=[Domain(dataset="minicity", part="camera-train", size=(192, 96))],
        target=Domain(dataset="minicity", part="night-train", size=(192, 96)),
        test=Domain(dataset="minicity", part="night-test", size=(192, 96)),
        tasks=_ALL,
        scored=_ALL,
        classes="minicity",
        crop=(96, 96),
        budget=400,
        batch=8,
        protocol="city-v1",
    ),
    Split(
        name="minicity2camvid",
        about="rendered streets -> CamVid: real images with an embedded source; expect low scores",
        source=[Domain(dataset="minicity", part="render-train", size=(256, 192))],
        target=Domain(dataset="camvid", part="train", size=(256, 192)),
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
        target=Domain(dataset="camvid", part="dusk-train", size=(480, 360)),
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
        target=Domain(dataset="cityscapes", part="train", size=(1024, 512)),
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
