"""Pages of NVS made by hand, entry by entry: CRCs are right, whatever else is wrong."""

from __future__ import annotations

import struct
import zlib

from platformio_esp_at.formats.nvs_pages import PAGE_SIZE

NAMESPACE, STRING, OLD_BLOB, DATA, INDEX = 0x01, 0x21, 0x41, 0x42, 0x48
"""Types of entries that aren't numbers."""

ACTIVE, FULL, FREEING = 0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8
BLANK = b"\xff" * PAGE_SIZE


def crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)


def entry(index: int, type_: int, key: str | bytes, value: bytes, *, span: int = 1, chunk: int = 0xFF) -> bytes:
    name = key.encode() if isinstance(key, str) else key
    head, rest = bytes([index, type_, span, chunk]), name.ljust(16, b"\0") + value.ljust(8, b"\xff")
    return head + struct.pack("<L", crc(head + rest)) + rest


def with_data(
    index: int,
    type_: int,
    key: str,
    data: bytes,
    *,
    chunk: int = 0xFF,
    span: int | None = None,
    length: int | None = None,
) -> bytes:
    padded = data.ljust(-(-len(data) // 32) * 32, b"\xff")
    span = 1 + len(padded) // 32 if span is None else span
    field = struct.pack("<HHL", len(data) if length is None else length, 0xFFFF, crc(data))
    return entry(index, type_, key, field, span=span, chunk=chunk) + padded


def blob_index(key: str, size: int, count: int, first: int = 0, *, index: int = 1) -> bytes:
    return entry(index, INDEX, key, struct.pack("<LBB", size, count, first))


def begin(name: str, index: int = 1) -> bytes:
    """Return the entry of a namespace."""
    return entry(0, NAMESPACE, name, bytes([index]))


def page(*entries: bytes, sequence: int = 0, state: int = ACTIVE, version: int = 0xFE) -> bytes:
    """Return a page in which all these entries are written."""
    content = b"".join(entries)
    head = struct.pack("<LB", sequence, version).ljust(24, b"\xff")
    states = (1 << 256) - 1
    for number in range(len(content) // 32):
        states ^= 1 << number * 2
    header = struct.pack("<L", state) + head + struct.pack("<L", crc(head))
    return (header + states.to_bytes(32, "little") + content).ljust(PAGE_SIZE, b"\xff")


def marked(page: bytes, number: int, state: int) -> bytes:
    """Return a page with another state of an entry: 0 erased, 1 undefined, 2 written, 3 empty."""
    states = int.from_bytes(page[32:64], "little")
    states = states & ~(0b11 << number * 2) | state << number * 2
    return page[:32] + states.to_bytes(32, "little") + page[64:]


def flipped(data: bytes, at: int, bits: int = 1) -> bytes:
    """Return the bytes with some bits of one of them changed."""
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]
