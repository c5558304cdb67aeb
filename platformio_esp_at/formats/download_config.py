"""``download.config``: files and their flash offsets, as arguments of ``esptool write_flash``; read as `FlashArgs`.

One line, or one line per image (``flash_project_args``)::

    --flash_mode dio --flash_freq 40m --flash_size 4MB 0x8000 partition_table/partition-table.bin …

Source: ESP-AT ``build.py``. Options are read in both of esptool's spellings (``--flash_mode``, ``--flash-mode``) and
written with underscores, which every esptool accepts; ``detect`` is an allowed flash size.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import FormatError, located
from platformio_esp_at.formats.esp_image import FlashSettings
from platformio_esp_at.units import format_offset, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable

SETTINGS = ("mode", "freq", "size")
"""The flash settings, in the order in which they are written."""


@dataclass(frozen=True, slots=True)
class FlashImage:
    """A file, by its path inside the firmware package, and its offset in flash, in bytes."""

    offset: int
    path: str

    def __post_init__(self) -> None:
        if not 0 <= self.offset < 1 << 32:
            raise FormatError(
                "offset-outside-flash",
                f"{self.path!r} at offset {format_offset(self.offset)} is outside any flash",
                hint="write the offset of the image in flash, such as 0x10000",
            )


class FlashArgs(NamedTuple):
    """How a firmware package is flashed, from ``download.config`` or ``flasher_args.json``."""

    settings: FlashSettings
    images: tuple[FlashImage, ...]
    chip: str | None = None
    """esptool's name of the chip; only ``flasher_args.json`` has it."""


def parse_download_config(text: str) -> FlashArgs:
    """Return the settings and images of a ``download.config``. Raises `FormatError`, naming the invalid word."""
    words = text.split()
    settings: dict[str, str] = {}
    images: list[FlashImage] = []
    position = 0
    while position < len(words):
        word = words[position]
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            setting = flash_setting(name)
            position += 1 if equals else 2
            if not equals and position <= len(words):
                value = words[position - 1]
            if not value or value.startswith("--"):
                raise FormatError(
                    "flash-args-invalid",
                    f"{word} lacks its value",
                    hint=f"write a value after it, such as {word.partition('=')[0]} keep",
                )
            settings[setting] = value
            continue
        if position + 1 == len(words):
            raise FormatError(
                "flash-args-invalid",
                f"{word!r} at the end has no file or no offset",
                hint="write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
            )
        with located(word=word):
            images.append(FlashImage(parse_size(word), words[position + 1].replace("\\", "/")))
        position += 2
    if not images:
        raise FormatError(
            "flash-args-invalid",
            "download.config names no image",
            hint="write OFFSET FILE for each image, such as 0x8000 partition-table.bin",
        )
    return FlashArgs(FlashSettings(**settings), distinct_images(images))


def distinct_images(images: Iterable[FlashImage]) -> tuple[FlashImage, ...]:
    """Return each image once: ESP-AT's build names some twice. Raises `FormatError` for two files at one offset."""
    by_offset: dict[int, FlashImage] = {}
    for image in images:
        first = by_offset.setdefault(image.offset, image)
        if PurePosixPath(first.path) != PurePosixPath(image.path):
            offset = format_offset(image.offset)
            raise FormatError(
                "image-named-twice",
                f"two files go to {offset}: {first.path} and {image.path}",
                hint=f"keep the line with the file that belongs to {offset}, and remove the other one",
                offset=image.offset,
            )
    return tuple(by_offset.values())


def format_download_config(args: FlashArgs) -> str:
    """Return ``args`` as one line, without a line end, as upstream writes it."""
    words = [f"--flash_{name} {getattr(args.settings, name)}" for name in SETTINGS]
    return " ".join([*words, *(f"{format_offset(image.offset)} {image.path}" for image in args.images)])


def flash_setting(option: str) -> str:
    """Return which of `SETTINGS` an esptool option such as ``--flash-mode`` sets. Raises `FormatError` for others."""
    name = option.removeprefix("--").replace("-", "_").removeprefix("flash_")
    if name not in SETTINGS:
        raise FormatError(
            "flash-args-invalid", f"unknown option {option}", hint="known: --flash_mode, --flash_freq, --flash_size"
        )
    return name
