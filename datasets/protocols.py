"""The rules of scoring behind each protocol id, as literals. An id is never reused for other rules: they get a new id.

Everywhere: logits are upsampled to the truth's size before the arg-max, void is not counted, one confusion matrix over
the set; depth and normals are upsampled bilinearly, their errors pooled over the pixels of the set.
"""

from __future__ import annotations

from bench.split import Box, Protocol

_EIGEN = Box(top=45, bottom=471, left=41, right=601)  # of 640x480 (Eigen et al., NIPS 2014)

PROTOCOLS: dict[str, Protocol] = {
    "city-v1": Protocol(
        about="at the camera's size",
        tasks=("semseg", "depth", "normals"),
    ),
    "cs-v1": Protocol(
        about="at the labels' own size; metric depth, no crop",
        tasks=("semseg", "depth"),
    ),
    "cs-down-v1": Protocol(
        about="DenseMTL's: truth taken down to 1024x512; what compares is depth scaled by medians, then clamped",
        tasks=("semseg", "depth"),
        size=(1024, 512),
    ),
    "road-v1": Protocol(
        about="classes alone, at the labels' own size",
        tasks=("semseg",),
    ),
    "camvid-v1": Protocol(
        about="classes alone, at 480x360",
        tasks=("semseg",),
        size=(480, 360),
    ),
    "nyu-v1": Protocol(
        about="classes over the whole 640x480; depth and normals within Eigen's crop",
        tasks=("semseg", "depth", "normals"),
        size=(640, 480),
        box=_EIGEN,
    ),
    "mtan-nyu-v1": Protocol(
        about="at 384x288; depth without cap, wherever there is one; pooled, where MTAN means over batches",
        tasks=("semseg", "depth", "normals"),
        size=(384, 288),
        capped=False,
    ),
    "mtan-cs-v1": Protocol(
        about="at 256x128; errors of the inverse depth, which has no unit",
        tasks=("semseg", "depth"),
        size=(256, 128),
        capped=False,
        metrics=("miou", "pixel_accuracy", "mean_accuracy", "abs_err", "abs_rel"),
    ),
}
