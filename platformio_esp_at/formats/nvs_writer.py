"""Writing NVS images: entries are placed as esp-idf-nvs-partition-gen places them, oddities included.

The comments name each oddity; `nvs_pages` has the layout.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from platformio_esp_at.errors import FormatError, located
from platformio_esp_at.formats.nvs_pages import (
    ACTIVE,
    BLOB_DATA,
    BLOB_INDEX,
    ENTRIES,
    ENTRY_SIZE,
    FULL,
    MIN_SIZE,
    NO_CHUNK,
    PAGE_SIZE,
    PAGE_VERSION,
    Encoding,
    crc32,
    spans,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from platformio_esp_at.formats.nvs import NvsEntry

_MAX_NAMESPACES = 254


def write_image(entries: Iterable[NvsEntry], size: int, *, full_pages: bool) -> bytes:
    """Return an image of ``size`` bytes; ``full_pages`` is the dialect. Raises `FormatError` if it is too small."""
    return _Writer(size, full_pages=full_pages).write(entries)


class _Writer:
    """Places entries as the generator does."""

    def __init__(self, size: int, *, full_pages: bool) -> None:
        if size < MIN_SIZE or size % PAGE_SIZE:
            raise FormatError(
                "nvs-size",
                f"an NVS image of {size} bytes",
                hint=f"give it at least 3 pages of {PAGE_SIZE} bytes, all of them whole",
            )
        self._limit = size // PAGE_SIZE - 1  # one page stays blank
        self._size = size
        self._full_pages = full_pages
        self._pages: list[bytearray] = [bytearray()]

    def write(self, entries: Iterable[NvsEntry]) -> bytes:
        indexes: dict[str, int] = {}
        for entry in entries:
            with located(key=entry.name):
                if entry.encoding is Encoding.NAMESPACE:
                    if entry.namespace in indexes or len(indexes) == _MAX_NAMESPACES:
                        raise FormatError(
                            "nvs-key",
                            "the namespace row is a duplicate, or there are too many",
                            hint=f"write each namespace once, and {_MAX_NAMESPACES} at most",
                        )
                    indexes[entry.namespace] = len(indexes) + 1
                    self._put_number(0, Encoding.U8, entry.namespace, indexes[entry.namespace])
                elif entry.namespace not in indexes:
                    raise FormatError(
                        "nvs-key",
                        "the row of its namespace is missing before this key",
                        hint=f"put the row {entry.namespace},namespace,, before it",
                    )
                else:
                    self._put(indexes[entry.namespace], entry)
        return self._finish()

    def _put(self, index: int, entry: NvsEntry) -> None:
        if isinstance(entry.value, int):
            self._put_number(index, entry.encoding, entry.key, entry.value)
        elif isinstance(entry.value, str):
            data = entry.value.encode() + b"\0"
            # The generator counts one entry too many: a string never takes the last one of a page.
            if self._free < spans(len(data)) + 2:
                self._new_page()
            self._append(_entry(index, Encoding.STRING, 1 + spans(len(data)), entry.key, _data_field(data)), data)
        else:
            self._put_blob(index, entry.key, entry.value)

    def _put_number(self, index: int, encoding: Encoding, key: str, value: int) -> None:
        if not self._free:
            self._new_page()
        number = value.to_bytes(encoding.number_size, "little", signed=encoding.signed)
        self._append(_entry(index, encoding, 1, key, number))

    def _put_blob(self, index: int, key: str, blob: bytes) -> None:
        if not self._free:
            self._new_page()
        at, count = 0, 0
        while True:
            if count == NO_CHUNK:
                raise FormatError(
                    "nvs-value",
                    f"{len(blob)} bytes are more chunks than an index counts",
                    hint="give a file of some KB: the partition holds no more",
                )
            room = (self._free - 1) * ENTRY_SIZE
            # With only one entry left, the generator writes a chunk of no bytes.
            chunk = blob[at : at + room]
            span = 1 + spans(len(chunk))
            self._append(_entry(index, BLOB_DATA, span, key, _data_field(chunk), chunk=count), chunk)
            at, count = at + len(chunk), count + 1
            if at < len(blob) or room - len(chunk) < ENTRY_SIZE:
                self._new_page()
            if at == len(blob):
                break
        self._append(_entry(index, BLOB_INDEX, 1, key, struct.pack("<LBB", len(blob), count, 0)))

    @property
    def _free(self) -> int:
        return ENTRIES - len(self._pages[-1]) // ENTRY_SIZE

    def _new_page(self) -> None:
        if len(self._pages) == self._limit:
            hint = f"{self._limit} pages are full, and one more must stay blank: enlarge the partition"
            raise FormatError("nvs-full", f"it doesn't fit into an image of {self._size} bytes any more", hint=hint)
        self._pages.append(bytearray())

    def _append(self, entry: bytes, data: bytes = b"") -> None:
        self._pages[-1] += entry + data.ljust(spans(len(data)) * ENTRY_SIZE, b"\xff")

    def _finish(self) -> bytes:
        last = len(self._pages) - 1
        if self._full_pages:
            self._pages += [bytearray() for _ in range(self._limit - len(self._pages))]
            last = self._limit
        pages = (
            _page(number, FULL if number < last else ACTIVE, bytes(entries))
            for number, entries in enumerate(self._pages)
        )
        return b"".join(pages).ljust(self._size, b"\xff")


def _entry(index: int, type_: int, span: int, key: str, content: bytes, *, chunk: int = NO_CHUNK) -> bytes:
    head = bytes([index, type_, span, chunk])
    rest = key.encode().ljust(16, b"\0") + content.ljust(8, b"\xff")
    return head + struct.pack("<L", crc32(head + rest)) + rest


def _data_field(data: bytes) -> bytes:
    return struct.pack("<HHL", len(data), 0xFFFF, crc32(data))


def _page(number: int, state: int, entries: bytes) -> bytes:
    header = struct.pack("<LB", number, PAGE_VERSION).ljust(24, b"\xff")
    count = len(entries) // ENTRY_SIZE
    # A written entry clears the lower of its two bits.
    states = (1 << 256) - 1
    for each in range(count):
        states &= ~(1 << each * 2)
    head = struct.pack("<L", state) + header + struct.pack("<L", crc32(header))
    return (head + states.to_bytes(32, "little") + entries).ljust(PAGE_SIZE, b"\xff")
