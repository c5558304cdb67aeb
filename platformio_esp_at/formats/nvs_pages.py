"""The pages of NVS, ESP-IDF's store of keys and values: what images and used partitions have in common.

A page has 4096 bytes, little endian::

    offset  size  field
    0       32    header
                    0   4  state: FFFFFFFF unused, FFFFFFFE active, FFFFFFFC full, FFFFFFF8 freeing
                    4   4  sequence number, from 0
                    8   1  version: FE; FF is older, of ESP8266
                    9   19 FF
                    28  4  CRC-32 of bytes 4 to 27
    32      32    entry states, two bits each: 11 empty, 10 written, 00 erased
    64      4032  126 entries of 32 bytes
                    0   1  namespace index, 0 for the entry of a namespace
                    1   1  type, see `Encoding`
                    2   1  span: how many entries it takes with its data
                    3   1  chunk index of blob data, else FF
                    4   4  CRC-32 of bytes 0 to 3 and 8 to 31
                    8   16 key, NUL padded
                    24  8  a number; or length u16, FFFF, CRC-32 of the data that follows in the next entries;
                           or, of a blob's index, length u32, number of chunks, first chunk, FFFF

A string ends with NUL and stays in one page. A blob is cut where a page ends; its chunks are followed by its index.

Source: ESP-IDF ``components/nvs_flash``.
"""

from __future__ import annotations

import enum
import struct
import zlib
from typing import TypeAlias

PAGE_SIZE = 4096
MIN_SIZE = 3 * PAGE_SIZE
"""The smallest image that a firmware can write to, in bytes."""

ENTRY_SIZE = 32
ENTRIES = 126
"""The entries of a page."""
FIRST_ENTRY = 64
"""The offset of a page's first entry."""

ACTIVE, FULL, FREEING, UNUSED = 0xFFFFFFFE, 0xFFFFFFFC, 0xFFFFFFF8, 0xFFFFFFFF
"""States of a page."""
PAGE_VERSION, OLD_PAGE_VERSION = 0xFE, 0xFF
EMPTY, WRITTEN, ERASED = 0b11, 0b10, 0b00
"""States of an entry."""

NO_CHUNK = 0xFF
BLOB_DATA, BLOB_INDEX = 0x42, 0x48
"""Types of a blob's chunks and of its index."""

HEAD = struct.Struct("<BBBBL16s")
"""The begin of an entry: namespace index, type, span, chunk, CRC, key."""
MAX_KEY = 15

Value: TypeAlias = "int | str | bytes"


class Encoding(enum.IntEnum):
    """The type byte of an entry, named as in the generator's CSV. `NAMESPACE` is our own marker, not a type."""

    NAMESPACE = 0x00
    U8 = 0x01
    U16 = 0x02
    U32 = 0x04
    U64 = 0x08
    I8 = 0x11
    I16 = 0x12
    I32 = 0x14
    I64 = 0x18
    STRING = 0x21
    BINARY = 0x41

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self not in (Encoding.NAMESPACE, Encoding.STRING, Encoding.BINARY)

    @property
    def number_size(self) -> int:
        """The size of a number, in bytes."""
        return self & 0x0F

    @property
    def signed(self) -> bool:
        """Whether a number may be negative."""
        return bool(self & 0x10)


WITH_DATA = (Encoding.STRING, Encoding.BINARY, BLOB_DATA)
"""Types whose data follows in the next entries."""


def crc32(data: bytes) -> int:
    """Return the CRC that pages and entries have."""
    return zlib.crc32(data, 0xFFFFFFFF)


def spans(length: int) -> int:
    """Return how many entries ``length`` bytes of data take."""
    return -(-length // ENTRY_SIZE)


def header_is_sound(page: bytes) -> bool:
    """Return whether the CRC of a page's header is right."""
    return page[28:32] == struct.pack("<L", crc32(page[4:28]))


def entry_crc(entry: bytes) -> bytes:
    """Return what bytes 4 to 7 of an entry should be, the CRC over the rest of its first 32 bytes."""
    return struct.pack("<L", crc32(entry[:4] + entry[8:ENTRY_SIZE]))


def entry_is_sound(entry: bytes) -> bool:
    """Return whether the CRC of an entry is right, that of its data aside."""
    return entry[4:8] == entry_crc(entry)


def number_of(entry: bytes, encoding: Encoding) -> int:
    """Return the number in an entry."""
    return int.from_bytes(entry[24 : 24 + encoding.number_size], "little", signed=encoding.signed)
