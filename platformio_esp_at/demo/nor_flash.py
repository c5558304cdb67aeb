"""A NOR flash: an erase sets whole sectors to 0xFF, a write can only clear bits, and both are recorded."""

from __future__ import annotations

from platformio_esp_at.demo.faults import FlashFault, RefusedErase, RefusedWrite, StuckBits
from platformio_esp_at.errors import LayoutError, Place
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset, format_size

ERASED = b"\xff"


class FlashRefusedError(Exception):
    """The flash is broken and reports so."""


class NorFlash:
    """The contents of one flash chip, and the (offset, length) of all that was erased and written."""

    def __init__(self, size: int, contents: bytes = b"") -> None:
        if len(contents) > size:
            raise LayoutError(
                "simulation-failed",
                f"{format_size(len(contents))} of contents don't fit in a {format_size(size)} flash",
                hint=f"give contents of {size} bytes at most",
            )
        self.size = size
        self.erases: list[tuple[int, int]] = []
        self.writes: list[tuple[int, int]] = []
        self._faults: list[FlashFault] = []
        self._data = bytearray(contents.ljust(size, ERASED))

    def add_fault(self, fault: FlashFault) -> None:
        """Let the flash be broken from now on."""
        self._faults.append(fault)
        self._stick(0, self.size)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes there, fewer at the end of the flash."""
        return bytes(self._data[offset : offset + length])

    def erase(self, offset: int, length: int) -> None:
        """Set every sector that the range touches to 0xFF."""
        if not length:
            return
        start = offset // SECTOR_SIZE * SECTOR_SIZE
        end = align_up(offset + length, SECTOR_SIZE)
        self._check_inside(start, end)
        self._refuse(RefusedErase, start, end)
        self._data[start:end] = ERASED * (end - start)
        self._stick(start, end)
        self.erases.append((start, end - start))

    def write(self, offset: int, data: bytes, *, continues: bool = False) -> None:
        """Clear the bits that are 0 in ``data``; one that ``continues`` the last write extends its record."""
        end = offset + len(data)
        self._check_inside(offset, end)
        self._refuse(RefusedWrite, offset, end)
        before = int.from_bytes(self._data[offset:end], "little")
        self._data[offset:end] = (before & int.from_bytes(data, "little")).to_bytes(len(data), "little")
        self._stick(offset, end)
        if continues and self.writes:
            offset, _ = self.writes.pop()
        self.writes.append((offset, end - offset))

    def _stick(self, start: int, end: int) -> None:
        for fault in self._faults:
            if isinstance(fault, StuckBits) and start <= fault.offset < end:
                self._data[fault.offset] = (self._data[fault.offset] | fault.ones) & ~fault.zeros

    def _refuse(self, kind: type[RefusedErase | RefusedWrite], start: int, end: int) -> None:
        if any(isinstance(fault, kind) and start <= fault.offset < end for fault in self._faults):
            raise FlashRefusedError

    def _check_inside(self, start: int, end: int) -> None:
        if end > self.size:
            place = f"{format_offset(start)}..{format_offset(end)}"
            raise LayoutError(
                "simulation-failed",
                f"the {format_size(self.size)} flash ends before this",
                where=Place.at(offset=place),
                hint="give the simulated module a larger flash: flash_size",
            )
