"""Which parts of images differ from the flash of a device, found by digests that the device computes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from platformio_esp_at.units import SECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Digest: TypeAlias = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]
    """Returns the MD5 of each range (offset, size) of the device's flash."""

BLOCK_SIZE = 16 * SECTOR_SIZE
_LARGE = 2 * BLOCK_SIZE
"""Above this size in bytes, an image is looked through by blocks first: a digest costs 54 bytes on the link."""

_FEW = 0.1
"""Less than this part of all bytes is few."""


class Image(NamedTuple):
    """Bytes of the flash."""

    name: str
    """Of the partition, for people."""
    offset: int
    data: bytes

    def part(self, start: int, end: int) -> Image:
        """Return a part of it, from and to an offset inside it."""
        return self._replace(offset=self.offset + start, data=self.data[start:end])


def differing_parts(images: Sequence[Image], digest: Digest) -> list[tuple[Image, ...]]:
    """Return for each image the parts that the device doesn't have, whole sectors; none for one that it has.

    An image that differs in most of its sectors is one part. Where the device has none of the images that tell a
    firmware, it has another one or none: all are whole then, and no digest is asked of the others. Where it has few, it
    has another release: sectors aren't looked at.
    """
    known = _digests(_telling(images), digest)
    if all(md5_of(image.data) != md5 for image, md5 in known.items()):
        return [(image,) for image in images]
    known |= _digests([image for image in images if image not in known], digest)
    same = [image for image, md5 in known.items() if md5_of(image.data) == md5]
    is_other_release = _size(same) < _FEW * _size(images)
    return [
        () if image in same else (image,) if is_other_release else _parts(image, known[image], digest)
        for image in images
    ]


def _telling(images: Sequence[Image]) -> list[Image]:
    """Return the largest image and the two that lie lowest: an application, its bootloader and partition table."""
    lowest = sorted(images, key=lambda image: image.offset)[:2]
    largest = max(images, key=lambda image: len(image.data), default=None)
    return lowest if largest is None or largest in lowest else [*lowest, largest]


def _digests(images: Sequence[Image], digest: Digest) -> dict[Image, bytes]:
    found = digest([(image.offset, len(image.data)) for image in images]) if images else []
    return dict(zip(images, found, strict=True))


def first_difference(image: Image, digest: Digest, read: Callable[[int, int], bytes]) -> int | None:
    """Return the first offset in flash at which the device differs from an image; None if it has it."""
    for size in (BLOCK_SIZE, SECTOR_SIZE):
        image = next(iter(_differing(_cut(image, size), digest)), image)
    found = read(image.offset, len(image.data))
    return next(
        (image.offset + at for at, pair in enumerate(zip(image.data, found, strict=True)) if pair[0] != pair[1]), None
    )


def md5_of(data: bytes) -> bytes:
    """Return the MD5 of bytes, as a device computes it."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _parts(image: Image, md5: bytes, digest: Digest) -> tuple[Image, ...]:
    """Return what has to be written of an image that differs; ``md5`` is what the device has in its place."""
    if md5 == md5_of(b"\xff" * len(image.data)) or image.offset % SECTOR_SIZE:
        return (image,)
    pieces = [image]
    if len(image.data) > _LARGE:
        blocks = _cut(image, BLOCK_SIZE)
        ends = [blocks[0], blocks[-1]]
        pieces = [image] if len(_differing(ends, digest)) == len(ends) else _differing(blocks, digest)
        if _size(pieces) > len(image.data) // 2:
            return (image,)
    sectors = [sector for piece in pieces for sector in _differing(_cut(piece, SECTOR_SIZE), digest)]
    runs: list[Image] = []
    for sector in sectors:
        if runs and runs[-1].offset + len(runs[-1].data) == sector.offset:
            runs[-1] = runs[-1]._replace(data=runs[-1].data + sector.data)
        else:
            runs.append(sector)
    return tuple(runs)


def _differing(images: Sequence[Image], digest: Digest) -> list[Image]:
    return [image for image, md5 in _digests(images, digest).items() if md5_of(image.data) != md5]


def _cut(image: Image, size: int) -> list[Image]:
    return [image.part(start, start + size) for start in range(0, len(image.data), size)]


def _size(images: Sequence[Image]) -> int:
    return sum(len(image.data) for image in images)
