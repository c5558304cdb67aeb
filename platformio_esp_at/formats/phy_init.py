"""PHY init data: what the radio is set up with, in the partition ``phy_init``.

Only some firmware reads it from there; other firmware has it compiled in::

    offset  size  field
    0       8     "PHYINIT", NUL
    8       n     parameters: n is 128, on ESP32-C5 256
                    n - 3  1  not 0: sets for certain countries follow
                    n - 2  1  type of a set
    8 + n   8     "PHYINIT", NUL

    16 + n  32    only in phy_multiple_init_data.bin: control information
                    0   4  CRC-32 of bytes 4 to 31, big endian
                    4   4  CRC-32 of all sets, big endian
                    8   1  1: both are CRC-32
                    9   1  version
                    10  1  number of sets
                    11  2  n, big endian
                    13  19 reserved
    48 + n  …     the sets, n bytes each

Source: ESP-IDF ``components/esp_phy``: ``src/phy_init.c``, ``include/esp_phy_init.h``, ``*/include/phy_init_data.h``. A
firmware that doesn't find both "PHYINIT" restarts; of sets that are damaged, it uses none.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from platformio_esp_at.errors import FormatError

_MAGIC = b"PHYINIT\0"
SIZES = (128, 256)
"""How many bytes the parameters have: on ESP32-C5 the larger number, on all other chips the smaller one."""
TYPES = (
    *("DEFAULT", "SRRC", "FCC", "CE", "NCC", "KCC", "MIC", "IC", "ACMA", "ANATEL"),
    *("ISED", "WPC", "OFCA", "IFETEL", "RCM"),
)
"""The names of the types of sets by number (``phy_init_data_type_t``)."""

_CONTROL_SIZE = 32
_CRC_SIZE = 4
_IS_CRC = 1
_HINT = "take phy_init_data.bin or phy_multiple_init_data.bin of the firmware package"


def is_phy_init(data: bytes) -> bool:
    """Return whether ``data`` starts as PHY init data does."""
    return data.startswith(_MAGIC)


@dataclass(frozen=True, slots=True)
class PhyInit:
    """The parameters, and the sets for certain countries."""

    parameters: bytes
    sets: tuple[bytes, ...] = ()
    """Empty, too, where they are damaged: then the firmware uses none."""

    @classmethod
    def from_bytes(cls, data: bytes) -> PhyInit:
        """Return the PHY init data; the rest of its partition may follow. Raises `FormatError`."""
        if not is_phy_init(data):
            found = data[: len(_MAGIC)].hex(" ") or "nothing"
            message = f"no PHY data: it starts with {found}, not with PHYINIT"
            raise FormatError("not-phy-data", message, hint=_HINT)
        start = len(_MAGIC)
        size = next((size for size in SIZES if data.startswith(_MAGIC, start + size)), None)
        if size is None:
            few, many = SIZES
            message = f"the PHY data is damaged: PHYINIT is missing after its {few} bytes ({many} on ESP32-C5)"
            raise FormatError("not-phy-data", message, hint=_HINT)
        parameters = data[start : start + size]
        return cls(parameters, _sets(data[start + size + len(_MAGIC) :], size) if parameters[-3] else ())

    @property
    def types(self) -> tuple[str, ...]:
        """The types of the sets, as ESP-IDF names them; a number that has no name in hex."""
        numbers = (content[-2] for content in self.sets)
        return tuple(TYPES[number] if number < len(TYPES) else f"{number:#04x}" for number in numbers)


def _sets(data: bytes, size: int) -> tuple[bytes, ...]:
    """Return the sets of ``size`` bytes that follow their control information, if both have the right CRC."""
    control = data[:_CONTROL_SIZE]
    if len(control) < _CONTROL_SIZE or control[8] != _IS_CRC or int.from_bytes(control[11:13], "big") != size:
        return ()
    end = _CONTROL_SIZE + control[10] * size
    content = data[_CONTROL_SIZE:end]
    sums = (_crc(control[_CRC_SIZE:]), _crc(content))
    if end > len(data) or sums != (control[:_CRC_SIZE], control[_CRC_SIZE : 2 * _CRC_SIZE]):
        return ()
    return tuple(content[at : at + size] for at in range(0, len(content), size))


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(_CRC_SIZE, "big")
