"""Images of ota_data, made from the format's description."""

from __future__ import annotations

import struct
import zlib

from platformio_esp_at.units import SECTOR_SIZE


def entry(sequence: int, state: int = 2, checksum: int | None = None) -> bytes:
    """Return an entry with its right checksum, or another one."""
    number = struct.pack("<L", sequence)
    checksum = zlib.crc32(number, 0xFFFFFFFF) if checksum is None else checksum
    return number + b"\xff" * 20 + struct.pack("<LL", state, checksum)


def sector(content: bytes = b"") -> bytes:
    """Return a sector that starts with an entry, or a blank one."""
    return content.ljust(SECTOR_SIZE, b"\xff")
