"""A writer of protocol-buffer messages, in which SceneNet's lists of instances come."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])


def message(*fields: tuple[int, int | bytes | float]) -> bytes:
    """A message of whole numbers, texts or messages, and floats, each behind its number."""
    data = b""
    for number, value in fields:
        if isinstance(value, float):
            data += varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            data += varint(number << 3) + varint(value)
        else:
            data += varint(number << 3 | 2) + varint(len(value)) + value
    return data
