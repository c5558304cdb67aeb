"""``ota_data``: which application the bootloader starts.

Little endian; two entries, each at the start of a sector of its own::

    offset  size  field
    0       4     sequence number, from 1; FF FF FF FF: the entry is blank
    4       20    label, not used
    24      4     state: 0 new, 1 pending verification, 2 valid, 3 invalid, 4 aborted, FF FF FF FF undefined
    28      4     CRC-32 of the sequence number
    …             FF to the end of the sector

The entry with the larger sequence number selects the slot (number - 1) modulo the number of slots. With two blank
entries, the bootloader starts the factory application, or the first slot if there is none.

Source: ESP-IDF ``components/bootloader_support/include/esp_flash_partitions.h``, ``esp_ota_select_entry_t``, and
``src/bootloader_common.c``. ESP8266_RTOS_SDK has the same without a state: its label is 24 bytes.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.units import SECTOR_SIZE

OTA_DATA_SIZE = 2 * SECTOR_SIZE
"""Size of ota_data in bytes, and the smallest partition that the bootloader accepts for it."""

_ENTRY = struct.Struct("<L20sLL")
_BLANK = b"\xff" * _ENTRY.size
_REFUSED_STATES = (3, 4)
"""Invalid and aborted: the bootloader ignores such an entry (``bootloader_common_ota_select_invalid``)."""
_HINT = "take ota_data_initial.bin of the firmware package: 8192 bytes FF"


def is_ota_data(data: bytes) -> bool:
    """Return whether ``data`` has the size of ota_data, and an entry that isn't blank, with the right CRC."""
    entries = (data[start : start + _ENTRY.size] for start in (0, SECTOR_SIZE))
    return len(data) == OTA_DATA_SIZE and any(
        entry != _BLANK and _ENTRY.unpack(entry)[3] == zlib.crc32(entry[:4], 0xFFFFFFFF) for entry in entries
    )


class OtaData(NamedTuple):
    """The sequence numbers of both entries; None for a blank one."""

    sequences: tuple[int | None, int | None]

    @classmethod
    def from_bytes(cls, data: bytes) -> OtaData:
        """Return the content of an ota_data image; what is missing at its end counts as blank.

        Raises `FormatError` for an entry that a bootloader ignores, and for other bytes, naming the offset.
        """
        if len(data) <= SECTOR_SIZE:
            message = f"ota_data has {len(data)} bytes, one sector: the second entry would stay as the flash has it"
            raise FormatError("ota-data-damaged", message, hint=_HINT)
        return cls((_sequence(data, 0), _sequence(data, SECTOR_SIZE)))

    def slot(self, slots: int) -> int | None:
        """Return the number of the slot that is started, of that many; None if both entries are blank."""
        found = max(filter(None, self.sequences), default=None)
        return None if found is None else (found - 1) % slots


def _sequence(data: bytes, start: int) -> int | None:
    """Return the sequence number of the entry in the sector at ``start``; None for a blank one."""
    sector = data[start : start + SECTOR_SIZE]
    entry, rest = sector[: _ENTRY.size].ljust(_ENTRY.size, b"\xff"), sector[_ENTRY.size :]
    if rest.strip(b"\xff"):
        message = "there are bytes after the entry of ota_data"
        raise FormatError("ota-data-damaged", message, where=Place.at(offset=start + _ENTRY.size), hint=_HINT)
    if entry == _BLANK:
        return None
    sequence, _, state, checksum = _ENTRY.unpack(entry)
    if sequence == 0 or state in _REFUSED_STATES or checksum != zlib.crc32(entry[:4], 0xFFFFFFFF):
        message = "the entry of ota_data is neither blank nor valid"
        raise FormatError("ota-data-damaged", message, where=Place.at(offset=start), hint=_HINT)
    return int(sequence)
