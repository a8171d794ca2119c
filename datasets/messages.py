"""Protocol-buffer messages, field by field: enough of the wire format to read a list that a data set comes with.

Google, Protocol Buffers: Encoding. A message is a row of (number and kind, value); what a number means is in the
message's definition, and a value of the second kind may be a text, bytes or a message itself.
"""

from __future__ import annotations

from collections.abc import Iterator

Value = int | memoryview
_FIXED = {1: 8, 5: 4}  # bytes of the kinds of fixed length
_VARINT, _BYTES = 0, 2


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Number and value of each field, in order: whole numbers as they are, all else as bytes. ValueError if cut off."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"a field of kind {kind} at byte {at}")
        if at + size > len(message):
            raise ValueError(f"a field of {size} bytes at byte {at} of {len(message)}")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The whole number at a place, seven bits a byte with the lowest first, and the place behind it."""
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number without an end at byte {at}")
