"""A firmware package in memory: its images, and the facts in its application and its file names."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.chips import chip_by_image_id
from platformio_esp_at.catalog.modules import MFG_NVS_SINCE, release_key
from platformio_esp_at.errors import FormatError, PackageError, Place, setting
from platformio_esp_at.formats.esp_image import ESP8266, EspImage, app_version
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.download_config import FlashArgs, FlashImage
    from platformio_esp_at.formats.lock_file import Lock, LockedPackage
    from platformio_esp_at.formats.partition_table import Partition, PartitionTable


_NEW_FACTORY_PARAM = ("v2.1.0.0", "v2.2.0.0")
"""The releases that began the versions 2 and 3 of ``factory_param``."""
_DESCRIBED = r"(?i:(?:\w+_)?v(?P<numbers>\d+(?:\.\d+){1,3})(?P<suffix>.*))"
"""The version of an application that was built from a release, or after one: ``git describe`` appends ``-40-g258b6e0``.
"""
_RELEASE = re.compile(r"(?:^|[_-])v(\d+\.\d+(?:\.\d+){0,2})", re.IGNORECASE)


ZIP_AGAIN = "download the firmware package again"
FOLDER_AGAIN = "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"


TAKE_RELEASED = "take the zip of the release, or its factory image (factory_MODULE.bin)"


@dataclass(frozen=True, slots=True)
class FirmwarePackage:
    """A complete firmware package, read into memory. Paths are relative to its ``download.config``."""

    name: str
    """What the user called it: the last part of its path, without ``.zip``."""
    sha256: str | None
    """Of the zip, or of the factory image; None for a folder."""
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
    """AT modules that its files name."""
    bootloader_program: EspImage = field(repr=False)
    application: bytes = field(repr=False)
    """The AT application."""
    release: str | None
    """The release of ESP-AT, such as ``v4.1.1.0``; None where neither the application nor the name has one."""
    flash_size: int | None = None
    """For a factory image, the flash that it is laid out for, in bytes; None for others, whose settings have it."""
    unlisted: tuple[str, ...] = ()
    """Paths of the images in it that ``args`` doesn't name; without factory images and ``factory_param_….bin``."""
    notes: tuple[Notice, ...] = ()
    """What a user should know of how it was read."""

    @property
    def is_factory_image(self) -> bool:
        """Whether it was read from a factory image; its bootloader's digest was checked then."""
        return self.flash_size is not None

    @property
    def origin_hint(self) -> str:
        """The next step where its bytes are damaged."""
        return ZIP_AGAIN if self.sha256 else FOLDER_AGAIN

    @property
    def home(self) -> Partition:
        """The partition of the primary table that the secondary table divides."""
        home = next((row for row in self.primary if row.offset == self.secondary_image.offset), None)
        if home is None:
            raise PackageError(
                "package-inconsistent",
                f"{self.secondary_image.path} goes to {format_offset(self.secondary_image.offset)}, "
                "where the partition table has no partition",
                where=Place.at(package=self.name),
                hint=self.origin_hint,
            )
        return home

    def name_of(self, image: FlashImage) -> str:
        """Return the name of an image: ``bootloader``, ``partition_table``, or its partition."""
        if image == self.bootloader:
            return "bootloader"
        if image == self.primary_image:
            return "partition_table"
        rows = (*self.secondary, *self.primary)
        return next((row.name for row in rows if row.offset == image.offset), PurePosixPath(image.path).stem)

    def content_of(self, partition: str) -> bytes | None:
        """Return the image of a partition, or None."""
        return next((self.files[image.path] for image in self.args.images if self.name_of(image) == partition), None)

    @property
    def needs_psram(self) -> bool:
        """True if the application needs PSRAM: ESP-IDF compiles this error text in only then.

        Source: ESP-IDF, ``components/esp_system/port/cpu_start.c`` (``components/esp32`` up to v4.2), CONFIG_SPIRAM
        without CONFIG_SPIRAM_IGNORE_NOTFOUND: the text is followed by ``abort()``.
        """
        return b"Failed to init external RAM!" in self.application

    def reads(self, name: str) -> bool:
        """Return whether the application contains ``name``: firmware that reads an NVS entry contains its name."""
        return name.encode() + b"\0" in self.application

    def is_user_image(self, image: FlashImage) -> bool:
        """Return whether an image is written to a user partition of any name."""
        fixed = (self.bootloader, self.primary_image, self.secondary_image)
        return image not in fixed and any(row.offset == image.offset for row in self.secondary)

    @property
    def has_mfg_nvs(self) -> bool:
        """Whether parameters and certificates are kept in ``mfg_nvs``: since v3.1.0.0."""
        return self.secondary.find("mfg_nvs") is not None


class FoundFirmware(NamedTuple):
    """A firmware package, and its entry for the lock if that has none yet."""

    package: FirmwarePackage
    new_entry: LockedPackage | None = None
    lock: Lock | None = None
    """What `esp_at.lock` has; None where it wasn't read."""


def nonos_error(files: str) -> PackageError:
    """Return the error for firmware of the NonOS SDK; ``files``: what the user has of it, such as "this file"."""
    return PackageError(
        "firmware-nonos",
        "firmware of the ESP8266 NonOS SDK (AT up to v1.7): it has another layout and no partition table",
        hint=f"take ESP-AT for the ESP8266, such as {setting('firmware', 'v2.2.1.0')}; "
        f"or write {files} with esptool, as the NonOS manual says",
    )


def release_of(application: bytes, name: str) -> str | None:
    """Return the release of ESP-AT that an application names, else the ``name`` of its package; None for neither."""
    return release_in(app_version(application) or "") or release_in(name)


def release_in(text: str) -> str | None:
    """Return the release of ESP-AT that a version or a name has in it; None for none."""
    if match := _RELEASE.search(text):
        numbers = [*match[1].split("."), "0", "0"][:4]
        return f"v{'.'.join(numbers)}"
    return None


def other_release(package: FirmwarePackage, release: str) -> str | None:
    """Return what shows that a package isn't ``release``, in words; None where nothing does.

    An application built some commits after a release may be any later one; ``v4.1.0.0-dev`` was on its way to v4.1.0.0.
    """
    version = app_version(package.application) or ""
    if described := re.fullmatch(_DESCRIBED, version):
        built, asked = release_key(f"v{described['numbers']}"), release_key(release)
        is_later = re.match(r"(?:_\w+)?-\d+-g", described["suffix"]) and asked >= built
        if built != asked and not is_later:
            return f"its application is {version}"
    since = release_key(release) >= release_key(MFG_NVS_SINCE)
    if package.has_mfg_nvs and not since:
        return f"its parameters are in mfg_nvs, as since {MFG_NVS_SINCE}"
    if since and not package.has_mfg_nvs:
        return "its parameters are in factory_param, as up to v3.0.0.0"
    if not since and (found := _factory_param_version(package)) not in (None, _version_in(release)):
        return f"its factory_param has version {found}, that of {release} version {_version_in(release)}"
    return None


def _factory_param_version(package: FirmwarePackage) -> int | None:
    """Return the version of the package's ``factory_param``; None where none can be read."""
    from platformio_esp_at.formats.factory_param import FactoryParam  # noqa: PLC0415 - 1 ms, up to v3.0.0.0

    for data in package.factory_params.values():
        with suppress(FormatError):
            return FactoryParam.from_bytes(data).version
    return None


def _version_in(release: str) -> int:
    """Return the version of ``factory_param`` in a release up to v3.0.0.0; see `formats.factory_param`."""
    return 1 + sum(release_key(release) >= release_key(since) for since in _NEW_FACTORY_PARAM)


def chip_of_image(data: bytes) -> str:
    """Return the chip that an ESP image is for; see `read_program`."""
    return read_program(data)[0]


def read_program(data: bytes) -> tuple[str, EspImage]:
    """Return the chip that an ESP image is for, and the image.

    Raises `FormatError` for an invalid image, and as `chips.chip_by_image_id` for other chips.
    """
    try:
        image = EspImage.from_bytes(data)
    except FormatError as error:
        # The short header of ESP8266 has no chip id: it is an ESP8266 image if it is valid with that header.
        try:
            return ESP8266, EspImage.from_bytes(data, esp8266=True)
        except FormatError:
            raise error from None
    return chip_by_image_id(image.chip_id or 0).key, image
