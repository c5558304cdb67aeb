"""Wear levelling: the layer between a FAT volume and the flash."""

from __future__ import annotations

import struct
import zlib

import pytest

from platformio_esp_at.errors import FormatError, LayoutError
from platformio_esp_at.formats.wear_levelling import unwrap, volume_size, wrap

SECTOR = 4096
SIZE = 25 * SECTOR  # fs_storage of most modules: 100K
VOLUME = b"".join(bytes([number + 1]) * SECTOR for number in range(19))
STATE = 22 * SECTOR
COPY = 23 * SECTOR
SPARE = b"\xff" * 2 * SECTOR


def crc(data):
    return zlib.crc32(data, 0xFFFFFFFF)


def use(image, moves):
    """Move the dummy as WL_Flash.cpp does while sectors are erased."""
    sectors = [image[start : start + SECTOR] for start in range(0, STATE, SECTOR)]
    dummy = rounds = 0
    identity = zlib.crc32(VOLUME)
    records = b""
    for _ in range(moves):
        sectors[dummy], sectors[(dummy + 1) % len(sectors)] = sectors[(dummy + 1) % len(sectors)], b"\xee" * SECTOR
        numbers = [identity + 4 * dummy + part & 0xFFFFFFFF for part in range(4)]
        records += b"".join(struct.pack("<L", crc(struct.pack("<L", number))) for number in numbers)
        dummy += 1
        if dummy == len(sectors):
            dummy, rounds, records = 0, (rounds + 1) % (len(sectors) - 1), b""
    header = struct.pack("<8L28s", 0, 22, rounds, 0, 16, SECTOR, 2, identity, bytes(28))
    state = (header + struct.pack("<L", crc(header)) + records).ljust(SECTOR, b"\xff")
    return b"".join([*sectors, state, state, image[-SECTOR:]])


def test_layout_in_safe_mode():
    image = wrap(VOLUME, SIZE)
    assert len(image) == SIZE
    assert image[:SECTOR] == b"\xff" * SECTOR
    assert image[SECTOR : 20 * SECTOR] == VOLUME
    assert image[20 * SECTOR : STATE] == SPARE
    assert image[STATE:COPY] == image[COPY : 24 * SECTOR]
    fields = (0, 22, 0, 0, 16, SECTOR, 2, zlib.crc32(VOLUME))
    assert image[STATE:][:32] == struct.pack("<8L", *fields)
    assert image[STATE + 60 :][:8] == struct.pack("<L", crc(image[STATE : STATE + 60])) + b"\xff" * 4
    config = struct.pack("<8L", 0, SIZE, SECTOR, SECTOR, 16, 16, 2, 32)
    assert image[24 * SECTOR :] == (config + struct.pack("<L", crc(config)) + bytes(12)).ljust(SECTOR, b"\xff")


@pytest.mark.parametrize(
    ("partition", "size"),
    [
        (SIZE, 19 * SECTOR),
        (144 * SECTOR, 138 * SECTOR),
        (252 * SECTOR, 246 * SECTOR),
        (253 * SECTOR, 245 * SECTOR),  # its records fill one more sector a state
        (7 * SECTOR, SECTOR),
    ],
)
def test_volume_size(partition, size):
    assert volume_size(partition) == size
    volume = bytes(range(256)) * (size // 256)
    image = wrap(volume, partition)
    assert image[SECTOR:][:size] == volume
    assert unwrap(image) == volume + SPARE


@pytest.mark.parametrize("size", [0, SECTOR, 6 * SECTOR, SIZE + 1, SIZE - 512])
def test_partition_of_a_wrong_size(size):
    with pytest.raises(LayoutError) as caught:
        volume_size(size)
    assert caught.value.code == "fs-size"


def test_volume_too_large():
    with pytest.raises(LayoutError, match="1 bytes too large") as caught:
        wrap(VOLUME + b"x", SIZE)
    assert caught.value.code == "files-too-large"


def test_short_volume_is_padded():
    assert wrap(b"x", SIZE)[SECTOR:STATE] == b"x".ljust(len(VOLUME), b"\xff") + SPARE


@pytest.mark.parametrize("moves", [0, 1, 2, 20, 21, 22, 23, 45, 22 * 21 - 1, 22 * 21])
def test_flash_in_use(moves):
    assert unwrap(use(wrap(VOLUME, SIZE), moves)) == VOLUME + SPARE


def test_copy_of_the_state_is_enough():
    image = bytearray(wrap(VOLUME, SIZE))
    image[STATE] ^= 1
    assert unwrap(bytes(image)) == VOLUME + SPARE


def test_version_1():
    header = struct.pack("<7L", 0, 22, 0, 0, 16, SECTOR, 1)
    record = b"\0".ljust(16, b"\xff")
    state = (header + struct.pack("<L", crc(header)) + 3 * record).ljust(SECTOR, b"\xff")
    dummy = b"\xff" * SECTOR
    data = VOLUME + SPARE
    image = data[: 3 * SECTOR] + dummy + data[3 * SECTOR :] + state + state + b"config".ljust(SECTOR, b"\xff")
    assert unwrap(image) == VOLUME + SPARE


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff" * SIZE, id="blank"),
        pytest.param(bytes(SIZE), id="zeros"),
        pytest.param(wrap(VOLUME, SIZE)[: SIZE - SECTOR], id="config-cut-off"),
        pytest.param(b"x" * 100, id="too-short"),
    ],
)
def test_no_state(image):
    with pytest.raises(FormatError, match="wear levelling") as caught:
        unwrap(image)
    assert caught.value.code == "fat-damaged"


def test_same_input_same_bytes():
    assert wrap(VOLUME, SIZE) == wrap(bytes(VOLUME), SIZE)
