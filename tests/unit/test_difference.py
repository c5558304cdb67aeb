"""Which parts of images a device doesn't have, and what it costs to find that out."""

from __future__ import annotations

import hashlib
import random

import pytest

from platformio_esp_at.device.difference import BLOCK_SIZE, Image, differing_parts, first_difference, md5_of

SECTOR = 4096


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


class Flash:
    """A flash that counts the digests that it computes."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.digests = 0
        self.rounds = 0

    def digest(self, ranges):
        self.rounds += 1
        self.digests += len(ranges)
        return [hashlib.md5(self.data[at : at + size], usedforsecurity=False).digest() for at, size in ranges]

    def read(self, offset, size):
        return bytes(self.data[offset : offset + size])


def _flash(*images: Image) -> Flash:
    """Return a flash that has these images."""
    flash = Flash(b"\xff" * (1 << 20))
    for image in images:
        flash.data[image.offset : image.offset + len(image.data)] = image.data
    return flash


APP = Image("app", 0x10000, noise(3 * BLOCK_SIZE + 5000))
TABLE = Image("table", 0x8000, noise(3072, seed=2))
SAME = Image("same", 0x80000, noise(2 * BLOCK_SIZE, seed=5))
"""Enough that the device has the firmware, though another image differs."""


def test_what_the_device_has_is_asked_for_once():
    flash = _flash(APP, TABLE)
    assert differing_parts([TABLE, APP], flash.digest) == [(), ()]
    assert (flash.rounds, flash.digests) == (1, 2)


def test_no_images():
    assert differing_parts([], _flash().digest) == []


@pytest.mark.parametrize("at", [0, SECTOR, BLOCK_SIZE + 17, len(APP.data) - 1])
def test_one_changed_byte_is_one_sector(at):
    flash = _flash(APP, SAME)
    flash.data[APP.offset + at] ^= 1
    (part,), others = differing_parts([APP, SAME], flash.digest)
    start = at // SECTOR * SECTOR
    assert others == ()
    assert part == Image("app", APP.offset + start, APP.data[start : start + SECTOR])


def test_sectors_side_by_side_are_one_part():
    flash = _flash(APP, SAME)
    for at in (5 * SECTOR, 6 * SECTOR, 7 * SECTOR, 9 * SECTOR):
        flash.data[APP.offset + at] ^= 1
    parts, _ = differing_parts([APP, SAME], flash.digest)
    assert [(part.offset - APP.offset, len(part.data)) for part in parts] == [
        (5 * SECTOR, 3 * SECTOR),
        (9 * SECTOR, SECTOR),
    ]


@pytest.mark.parametrize(
    ("before", "most"),
    [
        pytest.param(b"\xff" * len(APP.data), 1, id="blank"),
        pytest.param(noise(len(APP.data), seed=9), 1, id="other-firmware"),
    ],
)
def test_a_device_without_the_firmware_is_not_looked_through(before, most):
    flash = _flash(APP._replace(data=before))
    assert differing_parts([APP], flash.digest) == [(APP,)]
    assert flash.digests == most


def test_a_device_with_other_firmware_is_asked_for_three_images_alone():
    """The two that lie lowest, and the largest: a first flash costs no digest an image."""
    small = [Image(f"cert{number}", 0x40000 + number * 0x2000, noise(1000, seed=number)) for number in range(9)]
    images = [Image("bootloader", 0x1000, noise(9000, seed=3)), TABLE, *small, APP]
    flash = _flash(*small)
    assert differing_parts(images, flash.digest) == [(image,) for image in images]
    assert flash.digests == 3
    flash = _flash(TABLE, *small)
    assert differing_parts(images, flash.digest) == [(images[0],), (), *[()] * 9, (APP,)]
    assert flash.digests == len(images)


def test_an_image_whose_first_and_last_block_differ_is_another_build():
    flash = _flash(APP._replace(data=noise(len(APP.data), seed=9)), SAME)
    assert differing_parts([APP, SAME], flash.digest) == [(APP,), ()]
    assert flash.digests == 2 + 2


def test_an_image_that_begins_inside_a_sector_is_one_part():
    image = Image("odd", 0x10010, noise(5 * SECTOR))
    flash = _flash(image, SAME)
    flash.data[image.offset + 3 * SECTOR] ^= 1
    assert differing_parts([image, SAME], flash.digest) == [(image,), ()]


@pytest.mark.parametrize("at", [0, 1, BLOCK_SIZE + SECTOR + 3, len(APP.data) - 1])
def test_the_first_difference(at):
    flash = _flash(APP)
    flash.data[APP.offset + at : APP.offset + len(APP.data)] = b"\0" * (len(APP.data) - at)
    at = next(index for index in range(at, len(APP.data)) if APP.data[index])
    assert first_difference(APP, flash.digest, flash.read) == APP.offset + at


def test_no_difference():
    flash = _flash(TABLE)
    assert first_difference(TABLE, flash.digest, flash.read) is None


def test_only_a_sector_is_read_to_find_the_first_difference():
    flash = _flash(APP)
    flash.data[APP.offset + BLOCK_SIZE + 5] ^= 1
    read = []

    def note(offset, size):
        read.append((offset, size))
        return flash.read(offset, size)

    first_difference(APP, flash.digest, note)
    assert read == [(APP.offset + BLOCK_SIZE, SECTOR)]


def test_a_part_and_a_digest():
    assert TABLE.part(16, 32) == Image("table", 0x8010, TABLE.data[16:32])
    assert md5_of(b"") == bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")
