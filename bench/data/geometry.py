"""Pictures as geometry: intrinsics under resize, crop and flip; resampling; normals from depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]  # width, height
Part = tuple[slice, slice]  # rows, columns
Fits = tuple[NDArray[np.float64], ...]  # of windows: 1/z in the centre, slopes along x and y, mean square off them
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
    rays = camera.rays((ray_length.shape[1], ray_length.shape[0]))
    planar: NDArray[np.float32] = (ray_length / np.linalg.norm(rays, axis=-1)).astype(np.float32)
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


NORMALS = 2  # of the code below; raised when its normals change, so that a pack with older ones is made anew
BENT = 0.1  # radians: a window whose points lie further off their plane crosses an edge
FEWEST = 6  # points of a window with holes: a plane takes three, the others tell an edge
LINES = 3  # rows, and columns, in which they lie: through two lines on both sides of an edge there is a plane
SPREAD = 0.5  # of a whole window's variance, that of their places across their narrowest direction


def normals_from_depth(depth: NDArray[Any], camera: Camera, window: int = 5) -> NDArray[np.float32]:  # H W 3
    """Unit normals in the camera's frame, towards the camera (n . p < 0); zeros where there is no surface to see.

    depth: H W metres, planar z, invalid 0. On a plane m . p = -1, seen through a pinhole, 1/z = -m . ray is linear in
    the ray. So each window's least-squares plane is a linear fit of 1/z over its pixels, exact at any slant, and the
    sign needs no choice. A pixel whose own window crosses an edge takes the flattest of the eight windows around it
    that still hold it; where none of them is whole, as in sparse depth, those with holes will do.
    """
    if window < 3 or window % 2 == 0:
        raise ValueError(f"normals from depth: window {window}, expected an odd number of pixels, 3 or more")
    height, width = depth.shape
    valid = np.isfinite(depth) & (depth > 0)
    inverse = np.divide(1.0, depth, out=np.zeros(depth.shape), where=valid, dtype=np.float64)
    half, num = window // 2, window * window
    flat, ramp = np.ones(window), np.arange(window) - half
    spread = window * float(ramp @ ramp)  # the sum of squares of one coordinate over the window

    along = _slide(inverse, flat, 1)
    mean, slope_y = _slide(along, flat, 0) / num, _slide(along, ramp, 0) / spread
    slope_x = _slide(_slide(inverse, ramp, 1), flat, 0) / spread
    square = _box(inverse * inverse, flat) / num - mean**2 - (slope_x**2 + slope_y**2) * spread / num
    count = _box(valid.astype(np.float64), flat)
    whole = count == num
    rays = camera.rays((width, height))
    normals = _flattest(*_planes((mean, slope_x, slope_y, square), whole, rays, camera, half), half)

    left = valid & ~normals.any(-1)
    holed = np.zeros_like(whole)  # windows within the picture that hold one of those
    for there, here in _around(half):
        holed[there] |= left[here]
    holed &= (count >= FEWEST) & ~whole
    holed[:half] = holed[height - half :] = holed[:, :half] = holed[:, width - half :] = False
    if holed.any():
        fitted, fits = _scattered(inverse, valid, holed, window)
        chosen, bent = np.zeros((height, width, 3)), np.full(depth.shape, np.inf)
        chosen[holed], bent[holed] = _planes(fits, fitted, rays[holed], camera, half)
        normals[left] = _flattest(chosen, bent, half)[left]
    return normals.astype(np.float32)


def _scattered(
    inverse: NDArray[np.float64], valid: NDArray[np.bool_], tried: NDArray[np.bool_], window: int
) -> tuple[NDArray[np.bool_], Fits]:  # n; n
    """Fits to the valid pixels of the windows around `tried`, and whether these pixels lie so that there is one."""
    half = window // 2
    valid_there, inverse_there = np.pad(valid, half), np.pad(inverse, half)
    row, column = np.nonzero(tried)
    n, x, y, xx, yy, xy, mean, xw, yw, ww = np.zeros((10, len(row)))
    rows, columns = np.zeros((2, window, len(row)), bool)
    for j in range(window):
        for i in range(window):
            v, w, dx, dy = valid_there[row + j, column + i], inverse_there[row + j, column + i], i - half, j - half
            rows[j] |= v
            columns[i] |= v
            for total, of_v in ((n, 1), (x, dx), (y, dy), (xx, dx * dx), (yy, dy * dy), (xy, dx * dy)):
                if of_v:
                    total += of_v * v
            for total, of_w in ((mean, 1), (xw, dx), (yw, dy)):
                if of_w:
                    total += of_w * w
            ww += w * w
    for total in (x, y, xx, yy, xy, mean, xw, yw, ww):
        total /= n
    xx, yy, xy, xw, yw = xx - x * x, yy - y * y, xy - x * y, xw - x * mean, yw - y * mean  # covariances
    narrowest = (xx + yy) / 2 - np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    good = narrowest >= SPREAD * (window**2 - 1) / 12
    good &= (rows.sum(0) >= LINES) & (columns.sum(0) >= LINES)
    determinant = np.where(good, xx * yy - xy * xy, 1.0)
    slope_x, slope_y = (yy * xw - xy * yw) / determinant, (xx * yw - xy * xw) / determinant
    square = (ww - mean**2 - slope_x * xw - slope_y * yw) * n / (n - 3)
    return good, (mean - slope_x * x - slope_y * y, slope_x, slope_y, square)


def _planes(
    fits: Fits, fitted: NDArray[np.bool_], rays: NDArray[np.float64], camera: Camera, half: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # .. 3; ..
    """Normals of windows, and how bent they are: infinitely where they are not fitted."""
    centre, slope_x, slope_y, square = fits
    plane = np.empty((*centre.shape, 3))  # -m
    plane[..., 0], plane[..., 1] = slope_x * camera.fx, slope_y * camera.fy
    plane[..., 2] = centre - (plane[..., :2] * rays[..., :2]).sum(-1)
    length = np.linalg.norm(plane, axis=-1)
    # the angle by which the plane would have to turn to meet the points off it, were they at the window's rim
    rim = half / np.sqrt(camera.fx * camera.fy)
    bent = np.divide(np.sqrt(np.maximum(square, 0)), rim * length, out=np.full(centre.shape, np.inf), where=fitted)
    return -plane / np.where(fitted, length, 1.0)[..., None], bent


def _flattest(chosen: NDArray[np.float64], bent: NDArray[np.float64], half: int) -> NDArray[np.float64]:  # H W 3
    """Each pixel's normal: its own window's unless that one is bent, else the flattest one's that holds it, or none."""
    least = np.where(bent < BENT, -1.0, BENT)  # the own window is taken if it will do
    normals = np.where((least < 0)[..., None], chosen, 0.0)
    for there, here in _around(half):
        better = bent[there] < least[here]
        least[here][better] = bent[there][better]
        normals[here][better] = chosen[there][better]
    return normals


def _around(half: int) -> list[tuple[Part, Part]]:
    """For the nine windows that hold a pixel and are nearest to its own: where they are, and where the pixel is."""
    return [_shifted(down, right) for down in (-half, 0, half) for right in (-half, 0, half)]


def _box(values: NDArray[np.float64], flat: NDArray[np.float64]) -> NDArray[np.float64]:
    return _slide(_slide(values, flat, 1), flat, 0)


def _slide(values: NDArray[np.float64], weights: NDArray[Any], axis: int) -> NDArray[np.float64]:
    """Weighted sums of the neighbours along an axis, zeros outside. Summed directly: the differences of an integral
    image would lose the last digits, which tell a far plane from an edge."""
    half = len(weights) // 2
    padded = np.pad(values, [(half, half) if a == axis else (0, 0) for a in (0, 1)])
    total = np.zeros_like(values)
    for k, weight in enumerate(weights):
        if weight:
            piece = padded[k : k + len(values)] if axis == 0 else padded[:, k : k + values.shape[1]]
            total += piece if weight == 1 else weight * piece
    return total


def _shifted(down: int, right: int) -> tuple[Part, Part]:
    """Where the neighbours are that have a pixel `down` and `right` of it, and where those pixels are."""

    def pair(step: int) -> tuple[slice, slice]:
        return slice(max(step, 0), min(step, 0) or None), slice(max(-step, 0), min(-step, 0) or None)

    (there_y, here_y), (there_x, here_x) = pair(down), pair(right)
    return (there_y, there_x), (here_y, here_x)
