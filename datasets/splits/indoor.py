"""Splits of rooms."""

from __future__ import annotations

from bench.split import Augmentation, Domain, Split

_ALL = ("semseg", "depth", "normals")

INDOOR = [
    Split(
        name="hypersim2nyud",
        about="Hypersim -> NYU Depth v2, 13 classes, the main indoor split",
        source=[Domain(dataset="hypersim", part="train", size=(640, 480))],
        target=[Domain(dataset="nyuv2", part="train", size=(640, 480))],
        test=Domain(dataset="nyuv2", part="test", size=(640, 480)),
        tasks=_ALL,
        scored=_ALL,
        normals="given",
        classes="nyu13",
        crop=(640, 480),
        depth_range=(1e-3, 10.0),
        depth_output=(0.5, 10.0),
        budget=40000,
        batch=2,
        protocol="nyu-v1",
    ),
    Split(
        name="hypersim2nyud40",
        about="Hypersim -> NYU Depth v2, 40 classes: a model of its own, never 13 folded out of 40",
        source=[Domain(dataset="hypersim", part="train", size=(640, 480))],
        target=[Domain(dataset="nyuv2", part="train", size=(640, 480))],
        test=Domain(dataset="nyuv2", part="test", size=(640, 480)),
        tasks=_ALL,
        scored=_ALL,
        normals="given",
        classes="nyu40",
        crop=(640, 480),
        depth_range=(1e-3, 10.0),
        depth_output=(0.5, 10.0),
        budget=40000,
        batch=2,
        protocol="nyu-v1",
    ),
    Split(
        name="suncg2nyud",
        about="SUNCG (PBRS) -> NYU Depth v2, UM-Adapt's setting; the source is withdrawn, for those who hold it",
        source=[Domain(dataset="pbrs", part="all", size=(320, 240))],
        target=[Domain(dataset="nyuv2", part="train", size=(320, 240))],
        test=Domain(dataset="nyuv2", part="test", size=(320, 240)),
        tasks=_ALL,
        scored=_ALL,
        normals="given",
        classes="nyu13",
        crop=(320, 224),
        depth_range=(1e-3, 10.0),
        depth_output=(0.5, 10.0),
        budget=40000,
        batch=2,
        protocol="nyu-v1",
    ),
    Split(
        name="nyud13",
        about="NYU Depth v2 as MTAN has it, no shift: its target is the source",
        source=[Domain(dataset="nyu13", part="train", size=(384, 288))],
        target=[Domain(dataset="nyu13", part="train", size=(384, 288))],
        test=Domain(dataset="nyu13", part="val", size=(384, 288)),
        tasks=_ALL,
        scored=_ALL,
        normals="given",
        classes="nyu13",
        crop=(384, 288),
        depth_range=(1e-3, 10.0),  # of panels only: the protocol knows no cap
        depth_output=(0.5, 10.0),
        budget=79500,  # 200 epochs
        batch=2,
        augment=Augmentation(zoom=(1.0, 1.5)),  # MTAN draws from 1, 1.2, 1.5
        protocol="mtan-nyu-v1",
    ),
]
