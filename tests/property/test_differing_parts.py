"""Whatever a flash holds: with the parts that differ written, it has the images, and all else is as before."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from platformio_esp_at.demo.nor_flash import NorFlash
from platformio_esp_at.device.difference import Image, differing_parts, first_difference
from platformio_esp_at.units import SECTOR_SIZE

SIZE = 64 * SECTOR_SIZE


@st.composite
def _images(draw) -> list[Image]:
    """Return images that share no sector; some begin inside one, some end inside one."""
    images, at = [], 0
    while len(images) < 4 and at < SIZE:
        start = at + draw(st.integers(0, 3)) * SECTOR_SIZE + draw(st.sampled_from([0, 0, 0, 16]))
        sectors = draw(st.one_of(st.integers(1, 3), st.integers(1, 50)))
        end = start + sectors * SECTOR_SIZE - draw(st.sampled_from([0, 1, 100, SECTOR_SIZE - 1]))
        if end > SIZE or start >= end:
            break
        fill = draw(st.sampled_from([b"\xff", b"\0", b"ab"]))
        data = b"".join((fill + bytes([index % 3])) * SECTOR_SIZE for index in range(sectors))
        images.append(Image(f"image{len(images)}", start, data[: end - start]))
        at = -(-end // SECTOR_SIZE) * SECTOR_SIZE
    return images


@st.composite
def _flash_before(draw, images: list[Image]) -> bytes:
    """Return a flash that has the images but for some sectors, as an update finds it, or something else."""
    flash = bytearray(draw(st.sampled_from([b"\xff", b"u"])) * SIZE)
    for image in images:
        flash[image.offset : image.offset + len(image.data)] = image.data
    for sector in draw(st.sets(st.integers(0, SIZE // SECTOR_SIZE - 1), max_size=64)):
        start = sector * SECTOR_SIZE
        kind = draw(st.sampled_from(["blank", "first", "last"]))
        if kind == "blank":
            flash[start : start + SECTOR_SIZE] = b"\xff" * SECTOR_SIZE
        else:
            flash[start if kind == "first" else start + SECTOR_SIZE - 1] ^= 0x55
    return bytes(flash)


def _sectors(image: Image) -> set[int]:
    return set(range(image.offset // SECTOR_SIZE, -(-(image.offset + len(image.data)) // SECTOR_SIZE)))


@given(st.data())
def test_writing_the_parts_makes_the_images_and_changes_nothing_else(data):
    images = data.draw(_images())
    before = data.draw(_flash_before(images))
    flash = NorFlash(SIZE, before)

    def digest(ranges):
        return [hashlib.md5(flash.read(at, size), usedforsecurity=False).digest() for at, size in ranges]

    parts = differing_parts(images, digest)
    assert len(parts) == len(images)
    for image, own in zip(images, parts, strict=True):
        for part in own:
            assert _sectors(part) <= _sectors(image)
            flash.erase(part.offset, len(part.data))
            flash.write(part.offset, part.data)
    after = flash.read(0, SIZE)
    for image in images:
        assert after[image.offset : image.offset + len(image.data)] == image.data
    written = set().union(*map(_sectors, images)) if images else set()
    for sector in set(range(SIZE // SECTOR_SIZE)) - written:
        place = slice(sector * SECTOR_SIZE, (sector + 1) * SECTOR_SIZE)
        assert after[place] == before[place]
    assert differing_parts(images, digest) == [()] * len(images)


@given(st.data())
def test_the_first_difference_is_where_a_comparison_of_all_bytes_finds_it(data):
    images = data.draw(_images())
    flash = NorFlash(SIZE, data.draw(_flash_before(images)))

    def digest(ranges):
        return [hashlib.md5(flash.read(at, size), usedforsecurity=False).digest() for at, size in ranges]

    for image in images:
        has = flash.read(image.offset, len(image.data))
        first = next((image.offset + at for at, byte in enumerate(has) if byte != image.data[at]), None)
        assert first_difference(image, digest, flash.read) == first
