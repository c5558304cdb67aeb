"""Input of any size that is slow to read for code that copies or searches again and again.

The tests count a reader's steps on it; ``benchmarks/hostile_input.py`` measures the time, which also shows slow C code,
such as a regular expression that tries everything.
"""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from platformio_esp_at.commands.inspected_texts import text_artifact
from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats import pem, pki_der
from platformio_esp_at.formats.backup import Backup
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.esp_image import EspImage
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.flasher_args import parse_flasher_args
from platformio_esp_at.formats.gatts import GattTable, misencoded
from platformio_esp_at.formats.nvs import NvsEntry, NvsImage
from platformio_esp_at.formats.nvs_pages import PAGE_SIZE, Encoding
from platformio_esp_at.formats.partition_table import PartitionTable
from platformio_esp_at.formats.phy_init import PhyInit
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.formats.saved_nvs import SavedNvs, changed_sectors
from platformio_esp_at.formats.text_instead import text_instead
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Callable

Data: TypeAlias = bytes | str

MEBIBYTE = 1 << 20
ONE = b"\1" + b"\xff" * 7
"""The value of an NVS entry: the number 1."""


class Hostile(NamedTuple):
    """One kind of input: the function that reads it, the one that makes ``size`` bytes of it, and the largest size."""

    read: Callable[[Data], object]
    make: Callable[[int], Data]
    largest: int = MEBIBYTE


def nvs_entry(head: tuple[int, int, int, int], key: bytes, value: bytes) -> bytes:
    """Return an entry of an NVS page with the right CRC; ``head`` is namespace, type, span and chunk."""
    rest = key[:16].ljust(16, b"\0") + value
    return bytes(head) + struct.pack("<L", zlib.crc32(bytes(head) + rest, 0xFFFFFFFF)) + rest


def nvs_page(number: int, content: bytes, state: int = 0xFFFFFFFC) -> bytes:
    """Return an NVS page of entries from `nvs_entry`, with the right CRC."""
    head = struct.pack("<LB", number, 0xFE).ljust(24, b"\xff")
    states = (1 << 256) - 1
    for entry in range(len(content) // 32):
        states ^= 1 << entry * 2
    head = struct.pack("<L", state) + head + struct.pack("<L", zlib.crc32(head, 0xFFFFFFFF))
    return (head + states.to_bytes(32, "little") + content).ljust(PAGE_SIZE, b"\xff")


def _nvs_image(entry: Callable[[int], bytes], size: int) -> bytes:
    pages = size // PAGE_SIZE
    entries = [nvs_entry((0, 0x01, 1, 0xFF), b"ns", ONE), *(entry(number) for number in range(126 * pages - 1))]
    return b"".join(nvs_page(page, b"".join(entries[page * 126 :][:126])) for page in range(pages))


def _read_saved_nvs(data: Data) -> object:
    changed_sectors(data, [NvsEntry("ns", "a", Encoding.U8, 2)])
    return SavedNvs.from_bytes(data)


def _empty_chunk(at: int) -> bytes:
    return nvs_entry((1, 0x42, 1, at % 256), b"a", struct.pack("<HHL", 0, 0xFFFF, 0xFFFFFFFF))


def _empty_blob(at: int) -> bytes:
    return nvs_entry((1, 0x48, 1, 0xFF), b"%d" % at, struct.pack("<LBBH", 0, 0, 0, 0xFFFF))


NVS_ENTRIES: dict[str, Callable[[int], bytes]] = {
    "numbers": lambda at: nvs_entry((1, 0x01, 1, 0xFF), b"%d" % at, ONE),
    "empty chunks": _empty_chunk,
    "namespaces": lambda at: nvs_entry((0, 0x01, 1, 0xFF), b"%d" % at, bytes([at % 256]) + b"\xff" * 7),
    "one blob": lambda _at: nvs_entry((1, 0x48, 1, 0xFF), b"a", struct.pack("<LBBH", 0, 255, 0, 0xFFFF)),
    "one key": lambda at: nvs_entry((1, 0x01, 1, 0xFF), b"a" if at else b"b", ONE),
    "empty blobs": _empty_blob,
}
NVS_PAGES = {"blank": b"\xff" * PAGE_SIZE, "zero": bytes(PAGE_SIZE), "one sequence number": nvs_page(7, b"")}


def _gatts(text: bytes) -> bytes:
    return len(text).to_bytes(2, "little") + b"\x27\x95" + text


def _app(size: int) -> bytes:
    return b"\xe9\x01" + bytes(22) + struct.pack("<LL", 0, size) + bytes(size)


def _pki(size: int) -> bytes:
    items = size // 4
    return b"\xf1\xf1" + items.to_bytes(2, "little") + (4 * items).to_bytes(4, "little") + bytes(4 * items)


def _deep_report(size: int) -> bytes:
    depth = min(size, 900)
    return b'{"generator":"platformio-esp-at","ended":' + b"[" * depth + b"]" * depth + b"}"


def _phy_init(size: int) -> bytes:
    """Return PHY data with as many sets as fit, and wrong CRCs."""
    control = struct.pack(">LLBBBH19x", 0, 0, 1, 1, 255, 128)
    first = b"PHYINIT\0" + bytes(125) + b"\1\0\0PHYINIT\0"
    return (first + control).ljust(size, b"\0")


def _end_lines(size: int) -> bytes:
    return b"-----BEGIN A-----\n" + b"-----END B-----\n" * (size // 16)


def _nested(size: int) -> bytes:
    """Return sequences in each other, the innermost empty."""
    return b"".join(b"\x30\x84" + (size - at - 6).to_bytes(4, "big") for at in range(0, size - 5, 6))


def _read_certificate(data: Data) -> object:
    try:
        return pki_der.certificate(data)
    except ValueError as error:
        raise FormatError("certificate-unreadable", str(error), hint="none") from None


def _pem_of_many(size: int) -> bytes:
    return b"-----BEGIN A-----\nAAAA\n-----END A-----\n" * (size // 39)


_read_table = partial(PartitionTable.from_csv, first_offset=0x9000)
HOSTILE: dict[str, Hostile] = {
    **{f"nvs: {kind}": Hostile(NvsImage.from_bytes, partial(_nvs_image, entry)) for kind, entry in NVS_ENTRIES.items()},
    **{
        f"nvs: pages, {kind}": Hostile(NvsImage.from_bytes, lambda size, page=page: page * (size // PAGE_SIZE))
        for kind, page in NVS_PAGES.items()
    },
    **{
        f"nvs of a module: {kind}": Hostile(_read_saved_nvs, partial(_nvs_image, entry))
        for kind, entry in NVS_ENTRIES.items()
    },
    **{
        f"nvs of a module: pages, {kind}": Hostile(_read_saved_nvs, lambda size, page=page: page * (size // PAGE_SIZE))
        for kind, page in NVS_PAGES.items()
    },
    "pki: empty items": Hostile(PkiContainer.from_bytes, _pki, 4 * 0xFFFF),
    "pem: many blocks": Hostile(lambda data: list(pem.blocks(data)), _pem_of_many, 0xFFFF),
    "pem: faults of many lines": Hostile(pem.faults, _end_lines, 0xFFFF),
    "pem: faults of many begins": Hostile(pem.faults, lambda size: b"-----BEGIN A-----  " * (size // 19), 0xFFFF),
    "pem: faults of spaces": Hostile(pem.faults, lambda size: b"-----BEGIN A-----" + b" " * (size - 17), 0xFFFF),
    "pem: faults of one line": Hostile(pem.faults, lambda size: b"A " * (size // 2), 0xFFFF),
    "pem: as Mbed TLS reads": Hostile(lambda data: list(pem.mbedtls_blocks(data, "A")), _pem_of_many, 0xFFFF),
    "pki_der: nested": Hostile(_read_certificate, _nested, 0xFFFF),
    "gatts: nested": Hostile(GattTable.from_bytes, lambda size: _gatts(b'{"Service":' + b"[" * (size - 11)), 0xFFFF),
    "gatts: long number": Hostile(
        GattTable.from_bytes, lambda size: _gatts(b'{"Service":' + b"9" * (size - 11)), 0xFFFF
    ),
    "gatts: many cells": Hostile(GattTable.from_csv, lambda size: "index," * (size // 6)),
    "gatts: long cell": Hostile(GattTable.from_csv, lambda size: "index,uuid_len,uuid,perm\n0,16," + "0" * (size - 30)),
    "gatts: misencoded": Hostile(misencoded, lambda size: b"\xc2\x95" * (size // 2)),
    "text_instead: one line": Hostile(text_instead, lambda size: b"x" * size),
    "text_instead: blanks": Hostile(text_instead, lambda size: b" " * size),
    "esp_image: one segment": Hostile(EspImage.from_bytes, _app),
    "factory_param: blank": Hostile(FactoryParam.from_bytes, lambda size: b"\xff" * size),
    "partition_table: one mark": Hostile(PartitionTable.from_bytes, lambda size: b"\xaa\x50" * (size // 2)),
    "partition_table: long type": Hostile(_read_table, lambda size: "a," + "d" * (size - 17) + ",nvs,0x9000,4K"),
    "partition_table: many rows": Hostile(_read_table, lambda size: "a,data,nvs,zz,4K\n" * (size // 17)),
    "size: long number": Hostile(parse_size, lambda size: "9" * size),
    "size: long hex": Hostile(parse_size, lambda size: "0x" + "f" * (size - 2)),
    "download_config: many words": Hostile(parse_download_config, lambda size: "0x0 a.bin " * (size // 10)),
    "backup: nested": Hostile(Backup.from_bytes, lambda size: b'{"saved":' * (size // 9)),
    "backup: long number": Hostile(Backup.from_bytes, lambda size: b'{"format":' + b"9" * size + b"}"),
    "inspect: nested": Hostile(text_artifact, lambda size: b'{"generator":"platformio-esp-at","ended":' * (size // 39)),
    "inspect: deep": Hostile(text_artifact, _deep_report),
    "inspect: one line": Hostile(text_artifact, lambda size: b"{" + b" " * (size - 1)),
    "phy_init: many sets": Hostile(PhyInit.from_bytes, _phy_init),
    "flasher_args: nested": Hostile(parse_flasher_args, lambda size: '{"flash_files":' * (size // 15)),
}
