"""Splits whose source is the embedded world: nothing to download, but for CamVid."""

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
        normals="given",
        classes="minicity",
        crop=(96, 96),
        budget=640,
        batch=4,
        protocol="city-v1",
    )


EMBEDDED = [
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
        "minicity_overcast",
        "rendered streets -> a grey day elsewhere: where hyper-parameters are chosen too, never ranked",
        ["render"],
        ["overcast"],
    ),
    _embedded(
        "minicity_night",
        "the embedded streets by day -> by night: a stronger shift, nothing to download",
        ["camera"],
        ["night"],
    ),
    _embedded(
        "minicity_noshift",
        "the camera's streets, labelled, scored on others of them: no shift, multi-task learning alone",
        ["camera"],
        ["camera"],
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
        normals="given",
        classes="camvid11",
        crop=(128, 128),
        budget=640,
        batch=4,
        protocol="camvid-v1",
    ),
]
