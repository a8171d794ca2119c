"""Trees of triangles for ray casting, built by Embree.

embreex's own way to hand triangles over reads every coordinate as a Python object, which takes five times as long as
building the tree; here they are copied in one go, with the same functions of Embree (its API reference, rtcGeometry).
"""

from __future__ import annotations

import ctypes
from ctypes import c_byte, c_int, c_size_t, c_uint, c_void_p

import numpy as np
from embreex import rtcore_scene  # type: ignore[import-untyped]
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore import EmbreeDevice  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]

from datasets.city.meshes import Floats

DEVICE = EmbreeDevice()


class _Memory(ctypes.Structure):
    """An EmbreeScene's memory, as embreex's rtcore_scene.pxd declares it."""

    _fields_ = [
        ("head", c_byte * object.__basicsize__),
        ("scene", c_void_p),
        ("is_committed", c_int),
        ("device", c_void_p),
    ]


KNOWN = EmbreeScene.__basicsize__ == ctypes.sizeof(_Memory)  # whether this embreex is made as we think
TRIANGLES = 0  # RTC_GEOMETRY_TYPE_TRIANGLE
INDEX, VERTEX = (0, 0x5003), (1, 0x9003)  # RTC_BUFFER_TYPE_INDEX of RTC_FORMAT_UINT3, .._VERTEX of .._FLOAT3

_EMBREE = ctypes.CDLL(rtcore_scene.__file__)  # finds the functions of the library that the module is linked with
for _name, _result, _arguments in (
    ("rtcGetSceneDevice", c_void_p, (c_void_p,)),
    ("rtcNewGeometry", c_void_p, (c_void_p, c_int)),
    ("rtcSetNewGeometryBuffer", c_void_p, (c_void_p, c_int, c_uint, c_int, c_size_t, c_size_t)),
    ("rtcCommitGeometry", None, (c_void_p,)),
    ("rtcAttachGeometry", c_uint, (c_void_p, c_void_p)),
    ("rtcReleaseGeometry", None, (c_void_p,)),
    ("rtcReleaseDevice", None, (c_void_p,)),
):
    _function = getattr(_EMBREE, _name)
    _function.restype, _function.argtypes = _result, _arguments


def slow_tree(triangles: Floats) -> EmbreeScene:
    """The same tree by embreex alone."""
    tree = EmbreeScene(DEVICE)
    if len(triangles):
        TriangleMesh(tree, triangles)
    return tree


def tree_of(triangles: Floats) -> EmbreeScene:
    """A tree over triangles, F 3 3 float32, contiguous."""
    if not KNOWN or not len(triangles):
        return slow_tree(triangles)
    tree = EmbreeScene(DEVICE)
    scene = _Memory.from_address(id(tree)).scene
    device = _EMBREE.rtcGetSceneDevice(scene)
    geometry = _EMBREE.rtcNewGeometry(device, TRIANGLES)
    corners = np.arange(3 * len(triangles), dtype=np.uint32)
    for (buffer, form), array in ((VERTEX, triangles), (INDEX, corners)):
        memory = _EMBREE.rtcSetNewGeometryBuffer(geometry, buffer, 0, form, 12, array.size // 3)
        ctypes.memmove(memory, array.ctypes.data, array.nbytes)
    _EMBREE.rtcCommitGeometry(geometry)
    _EMBREE.rtcAttachGeometry(scene, geometry)
    _EMBREE.rtcReleaseGeometry(geometry)
    _EMBREE.rtcReleaseDevice(device)
    return tree
