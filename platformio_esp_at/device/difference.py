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
"""Where less than this part of all bytes is on the device, it has other firmware: sectors aren't looked at."""


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

    An image that differs in most of its sectors is one part.
    """
    found = digest([(image.offset, len(image.data)) for image in images])
    same = [md5_of(image.data) == md5 for image, md5 in zip(images, found, strict=True)]
    has_other_firmware = _size(images, same) < _FEW * _size(images)
    parts: list[tuple[Image, ...]] = []
    for image, is_same, md5 in zip(images, same, found, strict=True):
        if is_same:
            parts.append(())
        elif has_other_firmware or md5 == md5_of(b"\xff" * len(image.data)) or image.offset % SECTOR_SIZE:
            parts.append((image,))
        else:
            parts.append(_parts(image, digest))
    return parts


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


def _parts(image: Image, digest: Digest) -> tuple[Image, ...]:
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
    found = digest([(image.offset, len(image.data)) for image in images])
    return [image for image, md5 in zip(images, found, strict=True) if md5_of(image.data) != md5]


def _cut(image: Image, size: int) -> list[Image]:
    return [image.part(start, start + size) for start in range(0, len(image.data), size)]


def _size(images: Sequence[Image], wanted: Sequence[bool] | None = None) -> int:
    chosen = [True] * len(images) if wanted is None else wanted
    return sum(len(image.data) for image, is_chosen in zip(images, chosen, strict=True) if is_chosen)
