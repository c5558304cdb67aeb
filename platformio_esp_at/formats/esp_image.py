"""The header of an ESP image (bootloader, application), as far as flashing needs it.

Little endian::

    offset  size  field
    0       1     magic E9
    1       1     number of segments
    2       1     flash mode
    3       1     flash size (high nibble) and frequency (low nibble)
    4       4     entry point
    8       16    all chips but ESP8266:
                    8  1  WP pin          9  3  SPI pin drive     12  2  chip id
                    14 1  minimum revision (old: its major number, its minor one on ESP32-C3)
                    15 2  minimum, 17  2  maximum revision (major * 100 + minor; maximum 0: use the old minimum)
                    23 1  not 0: a SHA-256 of all before it is appended
    8 or 24 …     segments: load address, length, data
    …       …     zeros, then one byte of checksum, at the end of a block of 16
    …       32    the SHA-256, if byte 23 is not 0; applications of ESP8266_RTOS_SDK end with one, and no byte says so

Source: ESP-IDF ``components/bootloader_support/include/esp_app_format.h`` and ``src/esp_image_format.c`` (any value of
byte 23 but 0 counts); the numbers of sizes and frequencies by chip: esptool ``targets/*.py``, FLASH_SIZES and
FLASH_FREQUENCY. The checksum is of the segments' data alone: without a digest, nothing holds entry point and addresses.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from operator import xor
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, Place, unknown_name
from platformio_esp_at.units import align_up, format_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ESP8266 = "esp8266"
"""The one chip whose images have the short header."""

FLASH_MODES = {"qio": 0, "qout": 1, "dio": 2, "dout": 3}

_SIZES = {size: number for number, size in enumerate(("1MB", "2MB", "4MB", "8MB", "16MB", "32MB", "64MB", "128MB"))}
_ESP8266_SIZES = {
    "512KB": 0,
    "256KB": 1,
    "1MB": 2,
    "2MB": 3,
    "4MB": 4,
    "2MB-c1": 5,
    "4MB-c1": 6,
    "8MB": 8,
    "16MB": 9,
}
_FREQUENCIES = {"80m": 0xF, "40m": 0, "26m": 1, "20m": 2}
_FREQUENCIES_BY_CHIP = {
    "esp32c2": {"60m": 0xF, "30m": 0, "20m": 1, "15m": 2},
    # Its ROM divides the clock wrongly: 80 MHz is written as 0 too, and read back as 40m.
    "esp32c6": {"40m": 0, "80m": 0, "20m": 2},
}

_MAGIC = 0xE9
_SHORT_HEADER = 8
_LONG_HEADER = 24
_SEGMENT = struct.Struct("<LL")
_CHECKSUM_SEED = 0xEF
_FOLDED = 8
_DIGEST_SIZE = 32
_MAX_SEGMENTS = 16
_NO_LAST = 0xFFFF
_ESP32C3_ID = 5
_APP_DESC_MAGIC = b"\x32\x54\xcd\xab"


class Segment(NamedTuple):
    """A part of an image, and the address where the chip has it; sizes and offsets in bytes."""

    address: int
    offset: int
    """Where its data starts in the image."""
    size: int

    @property
    def end(self) -> int:
        """The address after its last byte."""
        return self.address + self.size


class FlashSettings(NamedTuple):
    """How the chip drives its flash, in esptool's words.

    ``keep`` leaves an image's header as it is, and so does ``detect`` for the size.
    """

    mode: str = "keep"
    freq: str = "keep"
    size: str = "keep"


@dataclass(frozen=True, slots=True)
class ChipRevisions:
    """The revisions of a chip, from the first to the last that something runs on, as major * 100 + minor."""

    first: int = 0
    last: int = _NO_LAST

    def __contains__(self, revision: int) -> bool:
        return self.first <= revision <= self.last

    def __and__(self, other: ChipRevisions) -> ChipRevisions:
        return ChipRevisions(max(self.first, other.first), min(self.last, other.last))

    def __str__(self) -> str:
        if self.last == _NO_LAST:
            return f"{format_revision(self.first)} or newer" if self.first else "any"
        first = format_revision(self.first)
        return f"{first} to {format_revision(self.last)}" if self.first else f"{format_revision(self.last)} or older"


def format_revision(revision: int) -> str:
    """Return a chip revision as Espressif writes it.

    >>> format_revision(301)
    'v3.1'
    """
    return f"v{revision // 100}.{revision % 100}"


def flash_sizes(chip: str) -> dict[str, int]:
    """Return the header's numbers for the flash sizes of a chip."""
    return _ESP8266_SIZES if chip == ESP8266 else _SIZES


def flash_frequencies(chip: str) -> dict[str, int]:
    """Return the header's numbers for the flash frequencies of a chip."""
    return _FREQUENCIES_BY_CHIP.get(chip, _FREQUENCIES)


@dataclass(frozen=True, slots=True)
class EspImage:
    """An image and where its parts end. ``data`` may have more bytes after the image."""

    data: bytes
    chip_id: int | None
    """The chip id of the header; None on ESP8266, which has none."""
    size: int
    """Length in bytes up to and with the checksum and the digest."""
    hash_appended: bool
    entry: int
    """The address of the first instruction."""
    segments: tuple[Segment, ...]

    @classmethod
    def from_bytes(cls, data: bytes, *, esp8266: bool = False) -> EspImage:
        """Return the image at the start of ``data``. Raises `FormatError`, naming the offset."""
        header = _SHORT_HEADER if esp8266 else _LONG_HEADER
        if not data.startswith(bytes([_MAGIC])):
            raise FormatError(
                "not-an-image",
                f"no ESP image: it starts with {data[:1].hex() or 'nothing'} instead of e9",
                where=Place.at(offset=0),
                hint="name the .bin that ESP-IDF's build or esptool elf2image makes",
            )
        if len(data) < header:
            raise FormatError(
                "image-cut",
                f"the ESP image is cut: {len(data)} bytes are less than its header",
                hint="copy the file again from where it was made, and compare the sizes",
            )
        segments = tuple(_walk_segments(data, header))
        end = align_up(segments[-1].offset + segments[-1].size + 1, 16)
        hash_appended = _has_digest(data, end) if esp8266 else data[23] != 0
        if end + (_DIGEST_SIZE if hash_appended else 0) > len(data):
            raise FormatError(
                "image-cut",
                f"the ESP image is cut: it ends at {format_offset(len(data))}, before its checksum",
                hint="copy the file again from where it was made, and compare the sizes",
            )
        checksum = _checksum(data, segments)
        if data[end - 1] != checksum:
            raise FormatError(
                "image-checksum",
                f"the ESP image's checksum is {data[end - 1]:#04x}, its segments give {checksum:#04x}",
                where=Place.at(offset=end - 1),
                hint="the file is damaged: copy it again from where it was made",
            )
        chip_id = None if esp8266 else int.from_bytes(data[12:14], "little")
        size = end + (_DIGEST_SIZE if hash_appended else 0)
        return cls(data, chip_id, size, hash_appended, int.from_bytes(data[4:8], "little"), segments)

    def to_bytes(self) -> bytes:
        """Return the image as it is in flash."""
        return self.data

    @property
    def digest_valid(self) -> bool:
        """Whether the appended SHA-256 matches; True where none is appended."""
        return not self.hash_appended or self.data[self.size - _DIGEST_SIZE : self.size] == self._digest()

    @property
    def describes_application(self) -> bool:
        """Whether its first segment starts as that of an application of ESP-IDF; a bootloader's never does."""
        return self.data.startswith(_APP_DESC_MAGIC, self.segments[0].offset)

    @property
    def chip_revisions(self) -> ChipRevisions:
        """The chip revisions that it runs on."""
        return chip_revisions(self.data, esp8266=self.chip_id is None)

    def flash_settings(self, chip: str) -> FlashSettings:
        """Return the header's settings; a number that has no name for the chip is returned in hex."""
        size, freq = self.data[3] >> 4, self.data[3] & 0xF
        return FlashSettings(
            mode=_word(FLASH_MODES, self.data[2]),
            freq=_word(flash_frequencies(chip), freq),
            size=_word(flash_sizes(chip), size),
        )

    def flash_settings_as(self, stated: FlashSettings, chip: str) -> FlashSettings:
        """Return the header's settings in the words of ``stated``, as far as these stand for the header's numbers.

        A number may stand for several words (80m and 40m on ESP32-C6): only who made the image knows which.
        """
        read = self.flash_settings(chip)
        return FlashSettings(
            mode=_stated_word(FLASH_MODES, stated.mode, read.mode),
            freq=_stated_word(flash_frequencies(chip), stated.freq, read.freq),
            size=_stated_word(flash_sizes(chip), stated.size, read.size),
        )

    def with_flash_settings(self, settings: FlashSettings, chip: str) -> EspImage:
        """Return a copy with ``settings`` in its header, and a new digest if it has one.

        Upstream's factory images up to v4.0 keep the old digest; a bootloader only reports that on the log port.
        Raises `UnknownNameError` for a setting that the chip doesn't have.
        """
        mode, size_freq = self.data[2:4]
        if settings.mode != "keep":
            mode = _number(FLASH_MODES, settings.mode, "flash mode", chip)
        size, freq = size_freq >> 4, size_freq & 0xF
        if settings.size not in ("keep", "detect"):
            size = _number(flash_sizes(chip), settings.size, "flash size", chip)
        if settings.freq != "keep":
            freq = _number(flash_frequencies(chip), settings.freq, "flash frequency", chip)
        patched = self.data[:2] + bytes([mode, size << 4 | freq]) + self.data[4:]
        if patched == self.data:
            return self
        image = replace(self, data=patched)
        if not self.hash_appended:
            return image
        start = self.size - _DIGEST_SIZE
        return replace(image, data=patched[:start] + image._digest() + patched[self.size :])  # noqa: SLF001

    def _digest(self) -> bytes:
        return hashlib.sha256(self.data[: self.size - _DIGEST_SIZE]).digest()


def is_esp_image(data: bytes) -> bool:
    """Return whether ``data`` starts as an ESP image does."""
    return data.startswith(bytes([_MAGIC]))


def chip_revisions(image: bytes, *, esp8266: bool = False) -> ChipRevisions:
    """Return the chip revisions that an image is for, from its header alone; any for ESP8266.

    Same rules as esptool's ``_get_image_incompatibility`` (``cmds.py``). Raises `FormatError`.
    """
    if esp8266:
        return ChipRevisions()
    if len(image) < _LONG_HEADER:
        raise FormatError(
            "image-cut",
            f"the ESP image is cut: {len(image)} bytes are less than its header",
            hint="copy the file again from where it was made, and compare the sizes",
        )
    chip_id, old, first, last = struct.unpack_from("<HBHH", image, 12)
    if last == 0 or (last == _NO_LAST and first == 0):
        return ChipRevisions(old if chip_id == _ESP32C3_ID else old * 100)
    return ChipRevisions(first, last)


def app_version(data: bytes) -> str | None:
    """Return the version that an application contains, such as ``v4.1.1.0``; None if it has none.

    ``esp_app_desc_t`` of ``esp_app_desc.h``: magic, 4 + 8 bytes, then the version in 32, NUL padded. It is at the start
    of the first segment on most chips, and somewhere in the flash-mapped one on ESP8266.
    """
    at = data.find(_APP_DESC_MAGIC)
    while at >= 0:
        version = data[at + 16 : at + 48].partition(b"\0")[0]
        if version and version.isascii() and version.decode().isprintable():
            return version.decode()
        at = data.find(_APP_DESC_MAGIC, at + 1)
    return None


def _walk_segments(data: bytes, at: int) -> Iterator[Segment]:
    """Yield the segments, the first of which has its header at ``at``."""
    count = data[1]
    if not 0 < count <= _MAX_SEGMENTS:
        raise FormatError(
            "image-damaged",
            f"an ESP image with {count} segments",
            where=Place.at(offset=1),
            hint="name the .bin that ESP-IDF's build or esptool elf2image makes",
        )
    for number in range(count):
        begin = at + _SEGMENT.size
        address, length = _SEGMENT.unpack_from(data, at) if begin <= len(data) else (0, 0)
        if not length or begin + length > len(data):
            raise FormatError(
                "image-cut",
                f"the ESP image is cut inside segment {number}",
                where=Place.at(offset=at),
                hint="copy the file again from where it was made, and compare the sizes",
            )
        yield Segment(address, begin, length)
        at = begin + length


def _checksum(data: bytes, segments: Iterable[Segment]) -> int:
    folded = (_xor_fold(data[segment.offset : segment.offset + segment.size]) for segment in segments)
    return reduce(xor, chain.from_iterable(folded), _CHECKSUM_SEED)


def _has_digest(data: bytes, end: int) -> bool:
    """Return whether the ESP8266 image that ends at ``end`` has a digest after it.

    A file that ends there with 32 bytes has one, even a damaged one; in a dump of the flash, anything may follow.
    """
    digest = data[end : end + _DIGEST_SIZE]
    return len(data) == end + _DIGEST_SIZE or (
        len(digest) == _DIGEST_SIZE and digest == hashlib.sha256(data[:end]).digest()
    )


def _xor_fold(data: bytes) -> bytes:
    """Return a few bytes with the same XOR as ``data``: a megabyte byte by byte would take a tenth of a second."""
    number, size = int.from_bytes(data, "little"), len(data)
    while size > _FOLDED:
        half = (size + 1) // 2
        number = (number >> half * 8) ^ (number & (1 << half * 8) - 1)
        size = half
    return number.to_bytes(size, "little")


def _word(words: dict[str, int], number: int) -> str:
    return next((word for word, value in words.items() if value == number), f"{number:#x}")


def _stated_word(words: dict[str, int], stated: str, read: str) -> str:
    """Return ``stated`` where it has the number of ``read``, the header's word, or where that number has more words."""
    if stated in words:
        return stated if words[stated] == words.get(read) else read
    is_ambiguous = list(words.values()).count(words.get(read, -1)) > 1
    return stated if is_ambiguous else read


def _number(words: dict[str, int], word: str, kind: str, chip: str) -> int:
    if word not in words:
        raise unknown_name("unknown-flash-setting", f"{kind} of {chip}", word, words)
    return words[word]
