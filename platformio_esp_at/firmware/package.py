"""A firmware package in memory: what is flashed, and what its application and its files say of themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from platformio_esp_at.errors import PackageError
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage
from platformio_esp_at.formats.esp_image import app_version
from platformio_esp_at.formats.partition_table import Partition, PartitionTable, PartitionType
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.catalog.chips import Chip


_RELEASE = re.compile(r"(?:^|[_-])v(\d+\.\d+(?:\.\d+){0,2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FirmwarePackage:
    """A complete firmware package, read into memory. Paths are relative to its ``download.config``."""

    name: str
    """What the user called it: the last part of its path, without ``.zip``."""
    sha256: str | None
    """Of the zip; None for a folder."""
    chip: Chip
    args: FlashArgs
    files: Mapping[str, bytes] = field(repr=False)
    """Every image that ``args`` names, by its path."""
    bootloader: FlashImage
    primary_image: FlashImage
    secondary_image: FlashImage
    primary: PartitionTable
    """The partition table of the chip (``partitions_at.csv``)."""
    secondary: PartitionTable
    """The user partition table (``at_customize.csv``)."""
    factory_params: Mapping[str, bytes] = field(repr=False)
    """Every ``factory_param*.bin`` by its path, also those that ``args`` doesn't name."""
    modules: tuple[str, ...]
    """AT modules that its file names speak of."""

    @property
    def home(self) -> Partition:
        """The partition of the primary table that the secondary table divides."""
        home = next((row for row in self.primary if row.offset == self.secondary_image.offset), None)
        if home is None:
            raise PackageError(
                f"{self.secondary_image.path} goes to {format_offset(self.secondary_image.offset)}, "
                "where the partition table has no partition",
                where=self.name,
            )
        return home

    def name_of(self, image: FlashImage) -> str:
        """Return what an image is: ``bootloader``, ``partition_table``, or the partition that it goes to."""
        if image == self.bootloader:
            return "bootloader"
        if image == self.primary_image:
            return "partition_table"
        rows = (*self.secondary, *self.primary)
        return next((row.name for row in rows if row.offset == image.offset), PurePosixPath(image.path).stem)

    def content_of(self, partition: str) -> bytes | None:
        """Return the image that goes to a partition, or None."""
        return next((self.files[image.path] for image in self.args.images if self.name_of(image) == partition), None)

    @property
    def application(self) -> bytes:
        """The AT application."""
        apps = [row.name for row in self.primary if row.type == PartitionType.APP]
        return next(filter(None, map(self.content_of, apps)), b"")

    @property
    def release(self) -> str | None:
        """The release of ESP-AT, such as ``v4.1.1.0``: what the application says, else its name; None if neither."""
        for text in (app_version(self.application) or "", self.name):
            if match := _RELEASE.search(text):
                numbers = [*match[1].split("."), "0", "0"][:4]
                return f"v{'.'.join(numbers)}"
        return None

    @property
    def needs_psram(self) -> bool:
        """Whether the application doesn't start without PSRAM: it has what it would say then.

        ESP-IDF, ``components/esp_system/port/cpu_start.c`` (``components/esp32`` up to v4.2), CONFIG_SPIRAM without
        CONFIG_SPIRAM_IGNORE_NOTFOUND: the text is followed by ``abort()``.
        """
        return b"Failed to init external RAM!" in self.application

    def reads(self, name: str) -> bool:
        """Return whether the application holds ``name`` as text: it can't ask for an entry that it can't name."""
        return name.encode() + b"\0" in self.application

    @property
    def has_mfg_nvs(self) -> bool:
        """Whether parameters and certificates are kept in ``mfg_nvs``: since v3.1.0.0."""
        return self.secondary.find("mfg_nvs") is not None
