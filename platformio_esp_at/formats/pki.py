"""The PKI container: certificates, keys and CAs of one partition (``client_cert``, ``mqtt_ca``…), up to v3.0.0.0.

Little endian::

    offset  size  field
    0       2     magic F1 F1
    2       2     number of items
    4       4     length of all items, padding included
    8       …     items, each:
                    0  1  type: 1 CA, 2 certificate, 3 key
                    1  1  id: 0, 1, … (the first and the second set)
                    2  2  length of the content
                    4  …  content, a PEM or DER file as it is, padded with FF to a multiple of 4

Source: ESP-AT ``tools/AtPKI.py`` of v2.4.2.0. From v2.2.0.0 to v3.0.0.0 upstream's build gives CAs and keys the type of
certificates, 2. `planning.legacy_content` decides which type a package is given; here it is only written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from platformio_esp_at.errors import FormatError, Place, located
from platformio_esp_at.units import align_up

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = struct.Struct("<2sHL")
_ITEM = struct.Struct("<BBH")
_MAGIC = b"\xf1\xf1"
_ALIGNMENT = 4
MAX_CONTENT = 0xFFFF
"""The largest certificate or key file in bytes: the length of an item has 16 bits."""


class PkiType(IntEnum):
    """The kind of an item."""

    CA = 1
    CERT = 2
    KEY = 3


PKI_SETS = {"server": 1, "client": 2, "mqtt": 1, "wpa2": 1, "https": 2, "wss": 2}
"""The uses of certificates and keys, and how many sets the firmware reads for each; https and wss since v4.1.0.0."""

PKI_SLOTS = {f"{role}_{kind.name.lower()}": kind for role in PKI_SETS for kind in PkiType}
"""The names of certificates and keys: of partitions up to v3.0.0.0, of namespaces in ``mfg_nvs`` since."""


def is_pki(data: bytes) -> bool:
    """Return whether ``data`` starts as a PKI container does."""
    return data.startswith(_MAGIC)


def first_type(data: bytes) -> int | None:
    """Return the type of the first item; None where ``data`` is no container, or has none."""
    return data[_HEADER.size] if is_pki(data) and len(data) > _HEADER.size and data[2:4] != b"\0\0" else None


def pki_slot(name: str) -> str:
    """Return the name in `PKI_SLOTS`: wpa_ent, some releases' name of enterprise Wi-Fi, becomes wpa2. Others stay."""
    return name.replace("wpa_ent_", "wpa2_")


def pki_names(slot: str) -> tuple[str, ...]:
    """Return the names of a slot of `PKI_SLOTS` in all releases: the inverse of `pki_slot`."""
    return tuple(dict.fromkeys((slot, slot.replace("wpa2_", "wpa_ent_"))))


@dataclass(frozen=True, slots=True)
class PkiItem:
    """One file in the container; ``type`` is a byte, see `PkiType`, ``id`` is the number of the set."""

    type: int
    id: int
    content: bytes

    def __post_init__(self) -> None:
        if len(self.content) > MAX_CONTENT:
            raise FormatError(
                "pki-too-large",
                f"a certificate or key of {len(self.content)} bytes",
                hint=f"give a file of {MAX_CONTENT} bytes at most",
            )
        if not (0 <= self.type <= 0xFF and 0 <= self.id <= 0xFF):
            raise FormatError(
                "pki-damaged",
                f"a PKI item of type {self.type} and id {self.id}",
                hint="write a type and an id from 0 to 255",
            )


@dataclass(frozen=True, slots=True)
class PkiContainer:
    """The items of one partition, in their order."""

    items: tuple[PkiItem, ...]

    @classmethod
    def of(cls, type_: int, contents: Sequence[bytes]) -> PkiContainer:
        """Return a container of these files, with ids 0, 1, …; raises `FormatError` where one is too long."""
        return cls(tuple(PkiItem(type_, number, content) for number, content in enumerate(contents)))

    @classmethod
    def from_bytes(cls, data: bytes) -> PkiContainer:
        """Return the container; the rest of its partition, FF, may follow.

        Raises `FormatError`, naming the offset.
        """
        if len(data) < _HEADER.size or not data.startswith(_MAGIC):
            raise FormatError(
                "not-pki",
                f"no PKI container: its magic F1 F1 is missing (found {data[:2].hex(' ')})",
                hint="name a finished container, as AtPKI.py of ESP-AT makes it up to v3.0.0.0",
            )
        _, count, length = _HEADER.unpack_from(data)
        end = _HEADER.size + length
        if end > len(data):
            raise FormatError(
                "pki-damaged",
                f"the PKI container is cut: its header has {end} bytes and has {len(data)}",
                where=Place.at(offset=4),
                hint=_MAKE_AGAIN,
            )
        container, items = data[:end], []
        at = _HEADER.size
        for _ in range(count):
            with located(offset=at):
                item, at = _parse_item(container, at)
            items.append(item)
        if at != end or data[end:].strip(b"\xff"):
            raise FormatError(
                "pki-damaged", "there are bytes after the last PKI item", where=Place.at(offset=at), hint=_MAKE_AGAIN
            )
        return cls(tuple(items))

    def to_bytes(self) -> bytes:
        """Return the container, without the padding of its partition."""
        body = b"".join(
            _ITEM.pack(item.type, item.id, len(item.content))
            + item.content.ljust(align_up(len(item.content), _ALIGNMENT), b"\xff")
            for item in self.items
        )
        return _HEADER.pack(_MAGIC, len(self.items), len(body)) + body


_MAKE_AGAIN = "make the container again from its certificates or keys, with AtPKI.py of ESP-AT"


def _parse_item(data: bytes, start: int) -> tuple[PkiItem, int]:
    """Return the item at ``start`` and the offset after its padding."""
    begin = start + _ITEM.size
    if begin > len(data):
        raise FormatError("pki-damaged", "the PKI container ends inside an item's header", hint=_MAKE_AGAIN)
    type_, id_, length = _ITEM.unpack_from(data, start)
    end = start + _ITEM.size + align_up(length, _ALIGNMENT)
    if end > len(data):
        raise FormatError(
            "pki-damaged", f"the PKI item says {length} bytes, more than the container has", hint=_MAKE_AGAIN
        )
    if data[begin + length : end].strip(b"\xff"):
        raise FormatError("pki-damaged", "the PKI item's padding isn't FF", hint=_MAKE_AGAIN)
    return PkiItem(type_, id_, data[begin : begin + length]), end
