"""Faults in ota_data, which says which application is started, and in where images are sent.

Source: ESP-IDF ``bootloader_support/src/bootloader_utility.c`` and ``bootloader_common.c``. An entry of 32 bytes at
the start of each of two sectors: number, 20 bytes of label, state, CRC-32 of the number.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from faults.rule import rule
from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

_OTA = "ota_data_initial"


def _ota_data(first: bytes, second: bytes = b"") -> bytes:
    return first.ljust(SECTOR_SIZE, b"\xff") + second.ljust(SECTOR_SIZE, b"\xff")


def _entry(number: int, state: int = 0xFFFFFFFF, crc: int | None = None) -> bytes:
    right = zlib.crc32(struct.pack("<L", number), 0xFFFFFFFF)
    return struct.pack("<L20sLL", number, b"\xff" * 20, state, right if crc is None else crc)


@rule("a used module keeps the old entry, which may start the old application in the other slot")
def ota_data_line_gone(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "line", case.without_line(_OTA)


@rule("zeros aren't blank: the bootloader reports otadata as invalid")
def ota_data_zeroed(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "all", case.with_(_OTA, bytes(2 * SECTOR_SIZE))
        yield "second sector", case.with_(_OTA, _ota_data(b"", bytes(SECTOR_SIZE)))


@rule("text is a number without a right CRC, and shorter than the sectors: the second keeps what it had")
def ota_data_text(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "LFS pointer", case.with_(_OTA, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 8192\n")
        yield "HTML", case.with_(_OTA, b"<!DOCTYPE html><html><title>404</title></html>\n")


@rule("what is cut off keeps what the module had there: an old entry may start the old application")
def ota_data_cut(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        for size in (SECTOR_SIZE, 32):
            yield f"{size} bytes", case.with_(_OTA, b"\xff" * size)


@rule("it selects the second slot, where nothing is written: an old application or none starts",
      codes="application-missing")  # fmt: skip
def ota_data_selects_second_slot(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA) and case.primary.find("ota_1"):
        yield "first sector", case.with_(_OTA, _ota_data(_entry(2)))
        yield "second sector", case.with_(_OTA, _ota_data(_entry(1), _entry(2)))
        yield "number 4", case.with_(_OTA, _ota_data(_entry(4, state=2)))


@rule("the bootloader reports otadata as invalid, and starts by chance")
def ota_data_crc_wrong(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "first", case.with_(_OTA, _ota_data(_entry(1, crc=0x12345678)))
        yield "junk", case.with_(_OTA, _ota_data(bytes(range(256)) * 8))


@rule("the state says that this application failed, so the bootloader doesn't take the entry")
def ota_data_aborted(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "aborted", case.with_(_OTA, _ota_data(_entry(1, state=4)))
        yield "invalid", case.with_(_OTA, _ota_data(_entry(1, state=3)))


@rule("it is longer than its partition, and written over the next one")
def ota_data_long(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "16 KB", case.with_(_OTA, b"\xff" * 0x4000)


@rule("the first slot keeps an old application, which starts instead, or has none")
def application_in_second_slot(case: Case) -> Iterator[tuple[str, Case]]:
    if second := case.primary.find("ota_1"):
        yield "ota_1", case.moved("esp-at", second.offset)


@rule("it erases what the module has saved in nvs, and otadata keeps an old entry", codes="image-over-partition")
def ota_data_sent_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        yield "nvs", case.moved(_OTA, case.row("nvs").offset)
        for name in ("fatfs", "fs_storage", "ota_1"):
            if row := case.row(name):
                yield name, case.moved(_OTA, row.offset)


@rule("it erases what the module has saved there, and the parameters stay the old ones", codes="parameters-missing")
def parameters_sent_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("nvs", "fatfs", "fs_storage", "ota_1"):
        if row := case.row(name):
            yield name, case.moved(case.parameters, row.offset)


@rule("the application is written where nothing starts it, over what is saved", codes="package-incomplete")
def application_sent_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("nvs", "fatfs", "at_customize"):
        if row := case.row(name):
            yield name, case.moved("esp-at", row.offset)


@rule("the user table isn't where the firmware looks for it")
def user_table_sent_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    for name in ("nvs", "fatfs", "fs_storage", "ota_1"):
        if row := case.row(name):
            yield name, case.moved("at_customize", row.offset)


@rule("the PHY data isn't where the firmware looks for it, and another partition is overwritten")
def phy_data_sent_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has("phy_init_data"):
        yield "nvs", case.moved("phy_init_data", case.row("nvs").offset)
        yield "after nvs begins", case.moved("phy_init_data", case.row("nvs").offset + SECTOR_SIZE)


@rule("a bit that is 0 makes an entry of a blank sector: no CRC fits, and its state may be one that isn't started")
def ota_data_bit_flipped(case: Case) -> Iterator[tuple[str, Case]]:
    if case.has(_OTA):
        for at in (0, 3, SECTOR_SIZE + 1):
            blank = bytearray(b"\xff" * 2 * SECTOR_SIZE)
            blank[at] ^= 0x10
            yield f"{at:#x}", case.with_(_OTA, bytes(blank))
