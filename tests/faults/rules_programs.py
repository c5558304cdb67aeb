"""Faults in bootloader and application.

What a bootloader refuses: ESP-IDF ``bootloader_support/src/esp_image_format.c``.
"""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

import esp_images

from faults.cases import sample_cases
from faults.rule import rule
from platformio_esp_at.formats.esp_image import EspImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.case import Case

PROGRAMS = ("bootloader", "esp-at")


def _header(case: Case) -> int:
    return 8 if case.chip_name == "esp8266" else 24


def _flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def _image(case: Case, what: str) -> EspImage:
    return EspImage.from_bytes(case[what], esp8266=case.chip_name == "esp8266")


def _with_digest(case: Case, what: str, data: bytes) -> bytes:
    """Return ``data``, of which the header was changed, with the digest that belongs to it."""
    size = _image(case, what).size
    if not _image(case, what).hash_appended:
        return data
    return data[: size - 32] + hashlib.sha256(data[: size - 32]).digest() + data[size:]


def _with_checksum(case: Case, what: str, at: int, value: bytes) -> bytes:
    """Return the image with other bytes in its first segment, and the checksum and digest that belong to it."""
    data, image = case[what], _image(case, what)
    end = image.size - (32 if image.hash_appended else 0)
    checksum = reduce(xor, data[at : at + len(value)] + value, data[end - 1])
    changed = data[:at] + value + data[at + len(value) : end - 1] + bytes([checksum]) + data[end:]
    return _with_digest(case, what, changed)


@rule("the ROM or the bootloader finds no image (invalid header)")
def image_magic(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        yield what, case.with_(what, b"\xea" + case[what][1:])


@rule("the image has other segments than its header says: it isn't loaded, or not all of it")
def segment_count(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        data = case[what]
        for count in (0, 17, 255, data[1] + 1):
            yield f"{what} {count}", case.with_(what, data[:1] + bytes([count]) + data[2:])


@rule("the bootloader refuses an image of another chip, and the ROM can't run its bootloader",
      codes="unknown-module module-not-in-release")  # fmt: skip
def image_chip_id(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name != "esp8266":
        for what in PROGRAMS:
            for other in (13, 5, 9, 0x77):
                if other != case.chip.image_chip_id:
                    data = case[what][:12] + struct.pack("<H", other) + case[what][14:]
                    yield f"{what} {other}", case.with_(what, _with_digest(case, what, data))


@rule("any non-zero flag means a digest to the bootloader: this one doesn't match, so it refuses the image")
def hash_flag(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name != "esp8266":
        for what in ("esp-at", "bootloader"):
            if case[what][23] == 1:
                for flag in (2, 0x81, 0xFF):
                    yield f"{what} {flag:#x}", case.with_(what, case[what][:23] + bytes([flag]) + case[what][24:])


@rule("the digest doesn't match: the bootloader refuses the image")
def digest_wrong(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        image = _image(case, what)
        if image.hash_appended:
            yield f"{what} digest", case.with_(what, _flipped(case[what], image.size - 7))
            # In two bytes of one column of the checksum, which only the digest shows.
            both = _flipped(_flipped(case[what], _header(case) + 9, 4), _header(case) + 73, 4)
            yield f"{what} segment", case.with_(what, both)


@rule("a bit of the code or data is wrong: the bootloader refuses it, or it crashes")
def segment_bit_flipped(case: Case) -> Iterator[tuple[str, Case]]:
    for what in ("esp-at", "bootloader"):
        for where in (3, 2):
            yield f"{what} 1/{where}", case.with_(what, _flipped(case[what], _image(case, what).size // where, 8))


@rule("the checksum doesn't match: ROM and bootloader refuse the image")
def checksum_wrong(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        image = _image(case, what)
        at = image.size - (33 if image.hash_appended else 1)
        yield what, case.with_(what, _with_digest(case, what, _flipped(case[what], at, 0x10)))


@rule("a part of the image isn't there")
def image_truncated(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        size = _image(case, what).size
        for word, end in (("half", size // 2), ("last byte", size - 1), ("header", 4), ("first segment header", 28)):
            yield f"{what} {word}", case.with_(what, case[what][:end])


@rule("the ROM starts an application as if it were the bootloader")
def programs_swapped(case: Case) -> Iterator[tuple[str, Case]]:
    if not case.runs:
        return
    yield "content", case.with_("bootloader", case["esp-at"]).with_("esp-at", case["bootloader"])
    yield "the application twice", case.with_("bootloader", case["esp-at"])
    yield "the bootloader twice", case.with_("esp-at", case["bootloader"])


@rule("a program of another chip doesn't run", codes="package-inconsistent application-other-generation")
def program_of_other_chip(case: Case) -> Iterator[tuple[str, Case]]:
    others = [other for other in sample_cases() if other.chip_name != case.chip_name]
    for other in others[:3]:
        for what in ("esp-at", "bootloader"):
            yield f"{what} of {other.chip_name}", case.with_(what, other[what])


@rule("the application of the other generation looks for other partitions: it has no parameters, no certificates",
      codes="application-other-generation")  # fmt: skip
def application_of_other_generation(case: Case) -> Iterator[tuple[str, Case]]:
    from faults.corpus import every_case  # noqa: PLC0415 - it imports this

    for other in every_case():
        if other.runs and other.chip_name == case.chip_name and other.modern != case.modern:
            row = case.app_row
            if len(other["esp-at"]) <= row.size:
                yield other.name, case.with_("esp-at", other["esp-at"])


@rule("no chip is of a revision that both accept", codes="revisions-contradict")
def revisions_contradict(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name != "esp8266" and all(case[what][23] == 1 for what in PROGRAMS):
        for first, last in ((400, 499), (101, 199)):
            old = esp_images.for_revisions(_own_end(case, "bootloader"), 0, 99)
            new = esp_images.for_revisions(_own_end(case, "esp-at"), first, last)
            yield f"{first}", case.with_("bootloader", old).with_("esp-at", new)
        yield "empty range", case.with_("esp-at", esp_images.for_revisions(_own_end(case, "esp-at"), 300, 100))


def _own_end(case: Case, what: str) -> bytes:
    return case[what][: _image(case, what).size]


@rule("the bootloader refuses a segment whose length isn't a multiple of 4")
def segment_length(case: Case) -> Iterator[tuple[str, Case]]:
    for what in PROGRAMS:
        data, at = case[what], _header(case) + 4
        length = struct.unpack_from("<L", data, at)[0]
        for wrong in (length - 3, 0, 0xFFFFFF00):
            changed = data[:at] + struct.pack("<L", wrong) + data[at + 4 :]
            yield f"{what} {wrong:#x}", case.with_(what, changed)


@rule(
    "the bootloader jumps to an address that isn't code, or loads over itself", codes="image-entry image-load-address"
)
def address_of_nonsense(case: Case) -> Iterator[tuple[str, Case]]:
    if case.chip_name == "esp8266":
        for what in PROGRAMS:
            for address in (0, 0xFFFFFFFF, 0x40100000 ^ 1 << 29):
                word = struct.pack("<L", address)
                yield f"{what} entry {address:#x}", case.with_(what, case[what][:4] + word + case[what][8:])
            yield f"{what} load", case.with_(what, case[what][:8] + struct.pack("<L", 0x10) + case[what][12:])


@rule("the application is larger than its partition, and would be written over the next one")
def application_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    yield "padded", case.with_("esp-at", case["esp-at"].ljust(case.app_row.size + 1, b"\xff"))
    yield "4 KB slot", case.with_row(case.app_row.name, size=0x1000)


@rule("the ROM looks for the bootloader at its chip's offset", codes="package-inconsistent")
def bootloader_elsewhere(case: Case) -> Iterator[tuple[str, Case]]:
    for offset in (0, 0x1000, 0x2000):
        if offset != case.chip.bootloader_offset:
            yield f"{offset:#x}", case.moved("bootloader", offset)


@rule("the bootloader is written over the partition table", codes="image-overlap")
def bootloader_too_large(case: Case) -> Iterator[tuple[str, Case]]:
    space = case.image(case.table).offset - case.chip.bootloader_offset
    yield "padded", case.with_("bootloader", case["bootloader"].ljust(space + 1, b"\xff"))


@rule("the chip starts in the middle of something else, and hangs or crashes")
def entry_slightly_wrong(case: Case) -> Iterator[tuple[str, Case]]:
    """On an ESP8266, the address may be that of any instruction, and no digest holds it."""
    for what in PROGRAMS:
        entry = struct.unpack_from("<L", case[what], 4)[0] ^ 0x40
        yield what, case.with_(what, case[what][:4] + struct.pack("<L", entry) + case[what][8:])
