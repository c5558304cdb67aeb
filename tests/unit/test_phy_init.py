"""PHY init data: one set, and sets for certain countries."""

from __future__ import annotations

import struct
import zlib

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.phy_init import PhyInit, is_phy_init

MAGIC = b"PHYINIT\0"


def parameters(size: int, kind: int = 0, *, several: bool = False) -> bytes:
    """Return the parameters of one set."""
    return bytes(range(64)).ljust(size - 3, b"\x55") + bytes([several, kind, 0])


def several_sets(*sets: bytes, algorithm: int = 1, length: int | None = None) -> bytes:
    """Return ``phy_multiple_init_data.bin``, as ESP-IDF describes it."""
    size = len(sets[0])
    rest = struct.pack(">BBBH19x", algorithm, 1, len(sets), size if length is None else length)
    control = struct.pack(">L", zlib.crc32(b"".join(sets))) + rest
    first = parameters(size, several=True)
    return MAGIC + first + MAGIC + struct.pack(">L", zlib.crc32(control)) + control + b"".join(sets)


@pytest.mark.parametrize("size", [128, 256])
def test_one_set(size):
    data = MAGIC + parameters(size) + MAGIC
    for rest in (b"", b"\xff" * 4096, b"anything"):
        found = PhyInit.from_bytes(data + rest)
        assert (found.parameters, found.sets, found.types) == (parameters(size), (), ())
    assert is_phy_init(data)


@pytest.mark.parametrize("size", [128, 256])
def test_several_sets(size):
    sets = tuple(parameters(size, kind) for kind in (1, 3, 14, 200))
    data = several_sets(*sets)
    assert len(data) == 48 + size * 5
    found = PhyInit.from_bytes(data + b"\xff" * 100)
    assert (found.sets, found.types) == (sets, ("SRRC", "CE", "RCM", "0xc8"))


@pytest.mark.parametrize("at", [16 + 128, 16 + 128 + 4, 16 + 128 + 20, 48 + 128, -1])
def test_sets_that_a_firmware_would_not_use(at):
    data = bytearray(several_sets(parameters(128, 2), parameters(128, 3)))
    data[at] ^= 1
    assert PhyInit.from_bytes(bytes(data)).sets == ()


def test_sets_of_another_kind():
    one = parameters(128, 2)
    for data in (several_sets(one, algorithm=2), several_sets(one, length=256), several_sets(one)[:-1]):
        assert PhyInit.from_bytes(data).sets == ()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it starts with nothing, not with PHYINIT"),
        (b"\1" + MAGIC, "it starts with 01 50 48 59 49 4e 49 54, not with PHYINIT"),
        (MAGIC + bytes(127) + MAGIC, "PHYINIT is missing after its 128 bytes"),
        ((MAGIC + bytes(128) + MAGIC)[:-1], "PHYINIT is missing after its 128 bytes"),
    ],
)
def test_refused(data, message):
    with pytest.raises(FormatError, match=message) as caught:
        PhyInit.from_bytes(data)
    assert caught.value.code == "not-phy-data"
