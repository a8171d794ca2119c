"""Trees for ray casting. The library does the work, but embreex's own way to hand triangles over reads every
coordinate as a Python object and takes five times as long as to build the tree; here they are copied in one go."""

from __future__ import annotations

import ctypes
from ctypes import c_byte, c_int, c_size_t, c_uint, c_void_p

import numpy as np
from embreex import rtcore_scene  # type: ignore[import-untyped]
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore import EmbreeDevice  # type: ignore[import-untyped]

from datasets.city.meshes import Floats

DEVICE = EmbreeDevice()
Tree = rtcore_scene.EmbreeScene


class _Tree(ctypes.Structure):
    """A Tree's memory, as embreex's rtcore_scene.pxd has it."""

    _fields_ = [
        ("head", c_byte * object.__basicsize__), ("scene", c_void_p), ("is_committed", c_int), ("device", c_void_p),
    ]  # fmt: skip


_EMBREE = ctypes.CDLL(rtcore_scene.__file__)  # finds what the module is linked with, too
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

TRIANGLES = 0  # RTC_GEOMETRY_TYPE_TRIANGLE
INDEX, VERTEX = (0, 0x5003), (1, 0x9003)  # RTC_BUFFER_TYPE_INDEX of RTC_FORMAT_UINT3, _VERTEX of _FLOAT3


def slow_tree(triangles: Floats) -> Tree:
    """The same tree by embreex alone."""
    tree = Tree(DEVICE)
    if len(triangles):
        TriangleMesh(tree, triangles)
    return tree


def tree_of(triangles: Floats) -> Tree:
    """A tree over triangles, F 3 3 float32, contiguous."""
    if Tree.__basicsize__ != ctypes.sizeof(_Tree) or not len(triangles):
        return slow_tree(triangles)  # an embreex of another making
    tree = Tree(DEVICE)
    scene = _Tree.from_address(id(tree)).scene
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
