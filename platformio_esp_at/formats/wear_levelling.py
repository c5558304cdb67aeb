"""Wear levelling: the layer of ESP-IDF between a FAT volume and the flash.

An image fills its partition, in sectors of 4096 bytes. As a generator makes it::

    sector   content
    0        dummy, FF: the volume's sectors move into it one by one while the flash is used
    1 …      the volume
    …  2     safe mode: what a write cut short is recovered from, FF
    …  s     state, FF after it
    …  s     the same state again
    last     config, FF after it

The state takes as many sectors ``s`` as its header and 16 bytes for each sector of the partition need. All fields are
32 bits, little endian::

    state                                          config
    0   dummy: sector that the dummy is at: 0      0   start: 0
    4   places: sectors before the states          4   size of the partition
    8   rounds: how often the dummy went round     8   page size: 4096
    12  erases since the dummy moved               12  sector size: 4096
    16  erases after which it moves: 16            16  erases after which the dummy moves: 16
    20  sector size: 4096                          20  size of a record: 16
    24  version: 2                                 24  version: 2
    28  id of this state, any number               28  size of a buffer: 32
    32  28 bytes 0                                 32  CRC-32 of all before
    60  CRC-32 of all before                       36  12 bytes 0
    64  a record for each move of the dummy: CRC-32 of (id + 4 n), (id + 4 n + 1), …

Sector ``i`` of the volume lies at ``(i - rounds) mod (places - 1)``, one further from the dummy on.

Every ESP-AT firmware has safe mode (ESP-IDF's default for volumes with sectors of 512 bytes), although v3.1, v3.2 and
v4.0 build their own images without it. A volume that leaves its two sectors free is sound for a firmware in either
mode; the other way round the firmware would write over the volume's end.

Version 1, which the tool of ESP-AT up to v3.0.0.0 still writes, ends its header at byte 32 with the CRC in the place
of the id, and a record's first byte there is 0.

Source: ESP-IDF ``components/wear_levelling`` (``WL_Flash.cpp``, ``WL_Ext_Safe.cpp``, ``WL_State.h``, ``WL_Config.h``)
and ``components/fatfs/wl_fatfsgen.py``.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_size

_STATE = struct.Struct("<8L28s")
_STATE_V1 = struct.Struct("<7L")
_CONFIG = struct.Struct("<8L")
_CRC = struct.Struct("<L")
_RECORD_SIZE = 16
_STATE_HEADER_SIZE = _STATE.size + _CRC.size
_CONFIG_SIZE = 48
_ERASES_PER_MOVE = 16
_BUFFER_SIZE = 32
_VERSION = 2
_SAFE_MODE_SECTORS = 2


def volume_size(partition_size: int) -> int:
    """Return how large a volume is in a partition of that size. Raises `LayoutError` where nothing is left for it."""
    if partition_size % SECTOR_SIZE:
        raise LayoutError(
            "fs-size",
            f"a partition of {partition_size} bytes isn't a whole number of {SECTOR_SIZE}-byte sectors",
            hint=f"write {align_up(partition_size, SECTOR_SIZE):#x} as its size in the partition CSV",
        )
    sectors = _places(partition_size // SECTOR_SIZE) - 1 - _SAFE_MODE_SECTORS
    if sectors < 1:
        raise LayoutError(
            "fs-size",
            f"a partition of {format_size(partition_size)} is too small for wear levelling",
            hint="write a larger size for the partition in the partition CSV",
        )
    return sectors * SECTOR_SIZE


def wrap(volume: bytes, partition_size: int) -> bytes:
    """Return the partition's image with ``volume`` in it, which is padded with FF; the state's id is its CRC-32.

    Raises `LayoutError` where the volume doesn't fit.
    """
    capacity = volume_size(partition_size)
    if len(volume) > capacity:
        raise LayoutError(
            "files-too-large",
            f"a volume of {len(volume)} bytes is {len(volume) - capacity} bytes too large",
            hint="remove files from the folder, or write a larger size for the partition in the partition CSV",
        )
    sectors = partition_size // SECTOR_SIZE
    fields = (0, _places(sectors), 0, 0, _ERASES_PER_MOVE, SECTOR_SIZE, _VERSION, zlib.crc32(volume))
    state = _with_crc(_STATE.pack(*fields, bytes(28))).ljust(_state_size(sectors), b"\xff")
    config = _CONFIG.pack(
        0, partition_size, SECTOR_SIZE, SECTOR_SIZE, _ERASES_PER_MOVE, _RECORD_SIZE, _VERSION, _BUFFER_SIZE
    )
    return b"".join(
        (
            b"\xff" * SECTOR_SIZE,
            volume.ljust(capacity, b"\xff"),
            b"\xff" * (_SAFE_MODE_SECTORS * SECTOR_SIZE),
            state,
            state,
            _with_crc(config).ljust(_CONFIG_SIZE, b"\0").ljust(SECTOR_SIZE, b"\xff"),
        )
    )


def unwrap(image: bytes) -> bytes:
    """Return the volume in ``image``, which may come from a generator or out of a flash in use.

    An image doesn't record its mode: after a volume of safe mode come its two sectors of recovery data. Raises
    `FormatError` where there is no valid state.
    """
    # The image of v4.1.1.0 lacks two sectors: read out of its partition, what follows the config is blank.
    sectors = align_up(len(image.rstrip(b"\xff")), SECTOR_SIZE) // SECTOR_SIZE
    places = _places(sectors)
    if places < 2 or len(image) < sectors * SECTOR_SIZE:
        raise FormatError(
            "fat-damaged",
            "too short for an image with wear levelling",
            hint="take the image of the whole partition, as it is in flash",
        )
    size = _state_size(sectors)
    state = _parse_state(image[places * SECTOR_SIZE :][:size], places)
    state = state or _parse_state(image[places * SECTOR_SIZE + size :][:size], places)
    if state is None:
        raise FormatError(
            "fat-damaged",
            "no wear levelling: neither copy of its state is valid",
            hint="take the image of the whole partition, as fatfsgen.py of ESP-IDF or esptool read-flash makes it",
        )
    return b"".join(
        image[place * SECTOR_SIZE : (place + 1) * SECTOR_SIZE]
        for place in (state.place_of(sector, places) for sector in range(places - 1))
    )


@dataclass(frozen=True, slots=True)
class _State:
    dummy: int
    rounds: int

    def place_of(self, sector: int, places: int) -> int:
        place = (sector - self.rounds) % (places - 1)
        return place if place < self.dummy else place + 1


def _places(sectors: int) -> int:
    """Return the sectors that the volume and the dummy have in a partition of so many."""
    return sectors - 2 * _state_size(sectors) // SECTOR_SIZE - 1


def _state_size(sectors: int) -> int:
    return align_up(_STATE_HEADER_SIZE + _RECORD_SIZE * sectors, SECTOR_SIZE)


def _parse_state(data: bytes, places: int) -> _State | None:
    """Return the state, or None where it is of neither version or another size; the records say where the dummy is."""
    if len(data) < _STATE_HEADER_SIZE:
        return None
    fields = _STATE_V1.unpack_from(data)
    if data[_STATE.size :][: _CRC.size] == _CRC.pack(_crc(data[: _STATE.size])):
        identity = _CRC.unpack_from(data, _STATE_V1.size)[0]
        records, header = [_record(identity, step) for step in range(places)], _STATE_HEADER_SIZE
    elif data[_STATE_V1.size :][: _CRC.size] == _CRC.pack(_crc(data[: _STATE_V1.size])):
        records, header = [b"\0"] * places, _STATE_V1.size + _CRC.size
    else:
        return None
    if fields[1] != places:
        return None
    dummy = 0
    while dummy < places - 1 and data.startswith(records[dummy], header + dummy * _RECORD_SIZE):
        dummy += 1
    return _State(dummy, rounds=fields[2])


def _record(identity: int, step: int) -> bytes:
    numbers = (identity + 4 * step + part for part in range(4))
    return b"".join(_CRC.pack(_crc(_CRC.pack(number & 0xFFFFFFFF))) for number in numbers)


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(_crc(data))


def _crc(data: bytes) -> int:
    return zlib.crc32(data, 0xFFFFFFFF)
