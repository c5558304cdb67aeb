"""Valid ESP images that differ from those of the sample package in one thing."""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor

_SEGMENT = 24 + 8
"""Offset of the bytes of the only segment, after both headers."""


def for_revisions(image: bytes, first: int, last: int) -> bytes:
    """Return an image whose header allows these revisions of the chip."""
    return _with_digest(image[:15] + struct.pack("<HH", first, last) + image[19:])


def with_text(image: bytes, text: bytes) -> bytes:
    """Return an image whose only segment ends with ``text``."""
    segment = _segment(image)
    return _with_segment(image, segment[: len(segment) - len(text)] + text)


def with_start(image: bytes, start: bytes) -> bytes:
    """Return an image whose only segment begins with ``start``."""
    return _with_segment(image, start + _segment(image)[len(start) :])


def _segment(image: bytes) -> bytes:
    size = struct.unpack_from("<L", image, _SEGMENT - 4)[0]
    return image[_SEGMENT : _SEGMENT + size]


def _with_segment(image: bytes, segment: bytes) -> bytes:
    """Return an image with another segment of the same size, and the checksum and the digest of that."""
    end = _SEGMENT + len(segment)
    checksum = reduce(xor, segment, 0xEF)
    return _with_digest(image[:_SEGMENT] + segment + image[end:-33] + bytes([checksum]) + image[-32:])


def with_version(image: bytes, version: str) -> bytes:
    """Return an application that describes itself with a version, as ``esp_app_desc_t`` has it."""
    return with_text(image, struct.pack("<L12x32s", 0xABCD5432, version.encode()).ljust(256, b"\0"))


def _with_digest(image: bytes) -> bytes:
    return image[:-32] + hashlib.sha256(image[:-32]).digest()
