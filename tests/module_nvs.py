"""A module that saves numbers in its nvs, on flash in which a write only clears bits, as ESP-IDF's library saves them.

Every write is kept, so that a test can cut the power after any of them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from nvs_pages import ACTIVE, BLANK, FREEING, FULL, begin, entry, page

from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES = 126


class ModuleNvs:
    """A partition with one namespace, ``UART``, of numbers of 32 bits."""

    def __init__(self, pages: int, version: int = 0xFE) -> None:
        self.version = version
        self.writes: list[tuple[int, bytes]] = []
        self.values: dict[str, int] = {}
        self._size = pages * PAGE_SIZE
        self._blank = list(range(pages))
        self._pages: dict[int, list[str | None]] = {}
        """The keys in each page; None where an entry is erased."""
        self._raw: dict[str, bytes] = {}
        """The entries themselves."""
        self._sequence = 0
        self._activate()
        self._append("", begin("UART"))

    def set(self, key: str, value: int) -> None:
        """Save a number: first the new entry is written, then the old one is marked erased."""
        raw = entry(1, Encoding.I32, key, struct.pack("<l", value))
        if len(self._pages[self._active]) == ENTRIES:
            self._write(self._active, 0, struct.pack("<L", FULL))
            self._next_page()
        old = next(((number, keys.index(key)) for number, keys in self._pages.items() if key in keys), None)
        self._append(key, raw)
        if old:
            number, place = old
            self._mark(number, place, 0b00)
            self._pages[number][place] = None
        self.values[key] = value

    def image(self, writes: int | None = None) -> bytes:
        """Return the partition after that many writes, or after all of them."""
        flash = bytearray(b"\xff" * self._size)
        for at, data in self.writes[:writes]:
            _put(flash, at, data)
        return bytes(flash)

    def images(self) -> Iterator[bytes]:
        """Yield the partition before the first write, and after each."""
        flash = bytearray(b"\xff" * self._size)
        yield bytes(flash)
        for at, data in self.writes:
            _put(flash, at, data)
            yield bytes(flash)

    def _activate(self) -> None:
        self._active = self._blank.pop(0)
        self._pages[self._active] = []
        self._write(self._active, 0, page(sequence=self._sequence, state=ACTIVE, version=self.version)[:32])
        self._sequence += 1

    def _next_page(self) -> None:
        if len(self._blank) > 1:
            self._activate()
            return
        freed = min(self._pages, key=lambda number: sum(key is not None for key in self._pages[number]))
        self._write(freed, 0, struct.pack("<L", FREEING))
        self._activate()
        for key in self._pages[freed]:
            if key is not None:
                self._append(key, self._raw[key])
        del self._pages[freed]
        self.writes.append((freed * PAGE_SIZE, BLANK))
        self._blank.append(freed)

    def _append(self, key: str, raw: bytes) -> None:
        place = len(self._pages[self._active])
        self._write(self._active, 64 + place * 32, raw)
        self._mark(self._active, place, 0b10)
        self._pages[self._active].append(key)
        self._raw[key] = raw

    def _mark(self, number: int, place: int, state: int) -> None:
        marks = 0xFF & ~(0b11 << place % 4 * 2) | state << place % 4 * 2
        self.writes.append((number * PAGE_SIZE + 32 + place // 4, bytes([marks])))

    def _write(self, number: int, at: int, data: bytes) -> None:
        """Write words of 4 bytes, between which the power may be cut."""
        self.writes += [(number * PAGE_SIZE + at + word, data[word : word + 4]) for word in range(0, len(data), 4)]


def _put(flash: bytearray, at: int, data: bytes) -> None:
    """Write: bits are only cleared, but a whole page of FF is an erase."""
    end = at + len(data)
    flash[at:end] = BLANK if data == BLANK else bytes(old & new for old, new in zip(flash[at:end], data, strict=True))
