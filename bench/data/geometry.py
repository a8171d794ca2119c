"""Pictures as geometry: intrinsics under resize, crop and flip; resampling; normals from depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]  # width, height
T = TypeVar("T", bound=np.generic)


T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Camera:
    """A pinhole's intrinsics in pixels; the centre of the first pixel is 0."""

    fx: float
    fy: float
    cx: float
    cy: float

    def resized(self, from_size: Size, to_size: Size) -> Camera:
        """The camera of a resized picture. Sizes count pixel areas, so the scaling is about the corner at -0.5."""
        sx, sy = to_size[0] / from_size[0], to_size[1] / from_size[1]
        return Camera(self.fx * sx, self.fy * sy, (self.cx + 0.5) * sx - 0.5, (self.cy + 0.5) * sy - 0.5)

    def cropped(self, left: float, top: float) -> Camera:
        """The camera of a crop that starts at (left, top)."""
        return Camera(self.fx, self.fy, self.cx - left, self.cy - top)

    def flipped(self, width: int) -> Camera:
        """The camera of a mirror picture."""
        return Camera(self.fx, self.fy, width - 1 - self.cx, self.cy)

    def rays(self, size: Size) -> NDArray[np.float64]:  # H W 3
        """The ray through each pixel, z = 1: a point at planar depth d is d * ray."""
        width, height = size
        out = np.ones((height, width, 3))
        out[..., 0] = (np.arange(width) - self.cx) / self.fx
        out[..., 1] = ((np.arange(height) - self.cy) / self.fy)[:, None]
        return out


def planar_depth(ray_length: NDArray[Any], camera: Camera) -> NDArray[np.float32]:  # H W
    """The depth along the optical axis of points known by their distance to the camera."""
    height, width = ray_length.shape
    planar: NDArray[np.float32] = (ray_length / np.linalg.norm(camera.rays((width, height)), axis=-1)).astype(np.float32)
    return planar


def resize_image(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:  # H W 3
    """Bilinear; when it shrinks, over all the pixels that a new one covers."""
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


def nearest(num_from: int, num_to: int) -> NDArray[np.intp]:  # num_to
    """The old pixel under the centre of each new one, along one axis; integers throughout, so there is no rounding."""
    new = np.arange(num_to, dtype=np.intp)
    return (2 * new + 1) * num_from // (2 * num_to)


def resize_nearest(array: NDArray[T], size: Size) -> NDArray[T]:  # H W ..
    """For what must not be mixed: ids, depth with holes, normals."""
    if (array.shape[1], array.shape[0]) == size:
        return array
    return array[nearest(array.shape[0], size[1])][:, nearest(array.shape[1], size[0])]


ROUGH = 0.02  # largest RMS residual of a plane, as a share of the inverse depth: more is an edge between surfaces
FEWEST = 0.6  # share of a window's pixels that must be valid


def normals_from_depth(depth: NDArray[Any], camera: Camera, window: int = 5) -> NDArray[np.float32]:  # H W 3
    """Unit normals in the camera's frame, towards the camera (n . p < 0); zeros where there is none.

    A plane n . p = -d seen through a pinhole is linear in inverse depth: 1 / z = -(n . ray) / d. So each window's
    least-squares plane is a linear fit of 1 / z over the rays, exact for planes at any slant. depth: H W metres,
    planar z, invalid 0. Windows that cross a depth edge do not fit and are masked.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"normals_from_depth: window {window}, expected an odd number of pixels from 3")
    height, width = depth.shape
    weight = (depth > 0).astype(np.float64)
    inverse = np.divide(1.0, depth, out=np.zeros_like(weight), where=depth > 0)
    rays = camera.rays((width, height))
    x, y = rays[..., 0], rays[..., 1]

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return _box_sum(weight * values, window)

    one = np.ones_like(weight)
    count = total(one)
    safe = np.maximum(count, 1)
    mx, my, mq = total(x) / safe, total(y) / safe, total(inverse) / safe
    xx, xy, yy = total(x * x) / safe - mx * mx, total(x * y) / safe - mx * my, total(y * y) / safe - my * my
    xq, yq = total(x * inverse) / safe - mx * mq, total(y * inverse) / safe - my * mq
    qq = total(inverse * inverse) / safe - mq * mq
    det = xx * yy - xy * xy
    solvable = det > 1e-6 * (xx + yy) ** 2
    det = np.where(solvable, det, 1.0)
    a, b = (xq * yy - yq * xy) / det, (yq * xx - xq * xy) / det
    c = mq - a * mx - b * my
    residual = np.sqrt(np.maximum(qq - a * xq - b * yq, 0))
    good = solvable & (depth > 0) & (count >= FEWEST * window * window) & (residual <= ROUGH * mq)
    normals = -np.stack([a, b, c], -1)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    result: NDArray[np.float32] = np.where(good[..., None], normals / np.maximum(length, 1e-12), 0).astype(np.float32)
    return result


def _box_sum(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """The sum over the window around each pixel; outside the picture there is nothing."""
    radius = window // 2
    padded = np.pad(values, ((radius + 1, radius), (radius + 1, radius))).cumsum(0).cumsum(1)
    total: NDArray[np.float64] = (
        padded[window:, window:] - padded[:-window, window:] - padded[window:, :-window] + padded[:-window, :-window]
    )
    return total
