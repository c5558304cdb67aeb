"""A factory image as a firmware package: its tables tell what lies where, and what is blank in it isn't written.

The images of a release are taken out again: bootloader and applications up to their end, partitions with other content
whole, so that a module keeps nothing of what was there before. ``ota_data`` is always one of them, blank as it is in a
new image: it decides which application starts. What a used module has saved (``nvs``) isn't, if the image is a dump.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.catalog.modules import MODULE_NAME, modules
from platformio_esp_at.errors import EspAtError, FormatError, PackageError, Place, located, warning
from platformio_esp_at.firmware.factory_image import FactoryImage, is_factory_image
from platformio_esp_at.firmware.package import TAKE_RELEASED, FirmwarePackage, nonos_error, read_program, release_of
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage
from platformio_esp_at.formats.esp_image import (
    ESP8266,
    FLASH_MODES,
    EspImage,
    FlashSettings,
    app_version,
    flash_frequencies,
    flash_sizes,
    is_esp_image,
)
from platformio_esp_at.formats.factory_param import FactoryParam, is_factory_param
from platformio_esp_at.formats.nvs import NvsImage, is_nvs
from platformio_esp_at.formats.partition_table import (
    SUBTYPES,
    TABLE_SIZE,
    TABLE_SPAN,
    PartitionType,
    is_partition_table,
)
from platformio_esp_at.formats.pki import is_pki
from platformio_esp_at.units import MAX_FLASH_SIZE, format_offset, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.partition_table import Partition

_DATA = SUBTYPES[PartitionType.DATA]
_OTA_DATA = (PartitionType.DATA, _DATA["ota"])
_SAVED = {(PartitionType.DATA, _DATA[name]) for name in ("nvs", "nvs_keys", "coredump", "efuse")}
"""What the firmware writes into the partitions of the primary table: no release has an image for them."""

_NONOS_MAGIC = b"\xea\x04"
"""Start of an application for the bootloader of the ESP8266 NonOS SDK (esptool, ``bin_image.py``: IMAGE_V2_MAGIC)."""
_NONOS_APP_OFFSET = 0x1000

_FACTORY_IMAGE = re.compile(r"factory_(?P<module>.+?)(?:_unfilled)?", re.IGNORECASE)


def package_of_image(data: bytes, name: str) -> FirmwarePackage:
    """Return the firmware package in a factory image; ``name`` is that of its file, without the suffix.

    Raises `PackageError` or `FormatError` for anything else, naming what it is.
    """
    if not is_factory_image(data):
        raise _not_an_image(data)
    image = FactoryImage.from_bytes(data)
    chip, program = _bootloader(image)
    home, secondary = image.home, image.secondary
    if home is None or secondary is None:
        raise _not_at(image)
    placed: dict[int, FlashImage] = {}
    contents: dict[str, bytes] = {}
    for path, offset, content in _images(image, chip, program):
        placed.setdefault(offset, FlashImage(offset, path))
        contents.setdefault(path, content)
        if sum(map(len, contents.values())) > MAX_FLASH_SIZE:
            raise PackageError(
                "package-too-large", f"its partitions hold more than {_MAX} together", hint=TAKE_RELEASED
            )
    if "esp-at.bin" not in contents:
        raise PackageError(
            "package-incomplete", "the factory image has no application: its partitions are blank", hint=TAKE_RELEASED
        )
    application = contents["esp-at.bin"]
    module = _module_of(image, chip, name)
    flash_size = _flash_size(image, chip, program)
    return FirmwarePackage(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        chip=chip,
        args=FlashArgs(_settings(program, chip, flash_size), tuple(placed.values()), chip.key),
        files=contents,
        bootloader=placed[chip.bootloader_offset],
        primary_image=placed[image.table_offset],
        secondary_image=placed[home.offset],
        primary=image.primary,
        secondary=secondary,
        factory_params=_factory_params(image, module),
        modules=(module,) if module else (),
        bootloader_program=program,
        application=application,
        release=release_of(application, name),
        flash_size=flash_size,
        notes=tuple(_notes(image, placed, contents)),
    )


_MAX = format_size(MAX_FLASH_SIZE)


# --- what is in it ---


def _bootloader(image: FactoryImage) -> tuple[Chip, EspImage]:
    """Return the chip, and its bootloader up to its end. Raises `PackageError` where there is none, or a damaged one.

    Upstream's tool, up to v4.0, writes the flash settings into the header and leaves the digest: it must then be that
    of the header with other settings.
    """
    if image.chip is None:
        raise _no_bootloader(image.data)
    chip = find_chip(image.chip)
    with located(offset=chip.bootloader_offset):
        program = EspImage.from_bytes(image.bootloader, esp8266=chip.key == ESP8266)
        program = replace(program, data=program.data[: program.size])
        if not program.digest_valid and not _digest_of_other_settings(program):
            hint = f"the file is damaged: download it again, or {TAKE_RELEASED}"
            raise PackageError("image-digest", "the bootloader's SHA-256 doesn't match its bytes", hint=hint)
    return chip, program


def _digest_of_other_settings(program: EspImage) -> bool:
    """Return whether the digest is that of the same image with other flash settings in its header."""
    head, rest = program.data[:2], program.data[4:-32]
    return any(
        hashlib.sha256(head + bytes([mode, size_freq]) + rest).digest() == program.data[-32:]
        for mode in (2, 3, 0, 1)  # dio first: ESP-AT's builds have it
        for size_freq in range(0x100)
    )


def _images(image: FactoryImage, chip: Chip, program: EspImage) -> Iterator[tuple[str, int, bytes]]:
    """Yield path, offset and bytes of each image, as a release has them."""
    data = image.data
    yield "bootloader/bootloader.bin", chip.bootloader_offset, program.data
    table = image.table_offset
    yield "partition_table/partition-table.bin", table, _padded(data, table, TABLE_SIZE)
    first_app = next((row for row in image.primary if _is_app(row) and image.content_of(row).strip(b"\xff")), None)
    for row in image.primary:
        if row == image.home:
            yield "at_customize.bin", row.offset, _padded(data, row.offset, TABLE_SIZE)
        elif (row.type, row.subtype) == _OTA_DATA:
            yield "ota_data_initial.bin", row.offset, _padded(data, row.offset, min(row.size, MAX_FLASH_SIZE))
        elif (content := image.content_of(row)).strip(b"\xff") and (row.type, row.subtype) not in _SAVED:
            path = "esp-at.bin" if row == first_app else _path(row)
            yield path, row.offset, _app(row, content, chip) if _is_app(row) else _whole(row, content)
    for row in image.secondary or ():
        if (content := image.content_of(row)).strip(b"\xff"):
            yield f"customized_partitions/{_safe(row)}.bin", row.offset, _whole(row, content)


def _padded(data: bytes, offset: int, size: int) -> bytes:
    return data[offset : offset + size].ljust(size, b"\xff")


def _whole(row: Partition, content: bytes) -> bytes:
    """Return the content up to the end of its partition: the image may end before that."""
    return content.ljust(min(row.size, MAX_FLASH_SIZE), b"\xff")


def _app(row: Partition, content: bytes, chip: Chip) -> bytes:
    """Return an application without the blank bytes after it: a signature may follow its end.

    All of it where the image ends in this partition; what is no application stays, and planning refuses it.
    """
    if len(content) < row.size:
        return content
    size = 0
    with suppress(FormatError):
        size = EspImage.from_bytes(content, esp8266=chip.key == ESP8266).size
    return content[: max(size, len(content.rstrip(b"\xff")))]


def _is_app(row: Partition) -> bool:
    return row.type == PartitionType.APP


def _path(row: Partition) -> str:
    return "phy_init_data.bin" if row.name == "phy_init" else f"partitions/{_safe(row)}.bin"


def _safe(row: Partition) -> str:
    """Return a partition's name as that of a file; with its offset where another may get the same one."""
    plain = re.sub(r"[^\w.-]", "_", row.name, flags=re.ASCII)
    return plain if plain == row.name and plain.islower() else f"{plain}_{row.offset:x}"


def _settings(program: EspImage, chip: Chip, flash_size: int) -> FlashSettings:
    """Return the settings in the bootloader's header; ``keep`` for what has no name, or isn't this flash size."""
    mode, freq, size = program.flash_settings(chip.key)
    return FlashSettings(
        mode=mode if mode in FLASH_MODES else "keep",
        freq=freq if freq in flash_frequencies(chip.key) else "keep",
        size=size if _bytes_of(size, chip) == flash_size else "keep",
    )


def _flash_size(image: FactoryImage, chip: Chip, program: EspImage) -> int:
    """Return the flash that the image is laid out for, in bytes.

    The bootloader's header says it; but before v2.2.2.0, upstream's tool writes the ESP32's number into that of the
    ESP8266, whose bootloader doesn't use it (``bootloader_init.c`` of ESP8266_RTOS_SDK only prints it).
    """
    words = [program.flash_settings(chip.key).size]
    if chip.key == ESP8266:
        words.append(program.flash_settings("esp32").size)
    sizes = [size for word in words if (size := _bytes_of(word, chip))]
    needed = max(row.end for row in image.primary)
    fitting = [size for size in sizes if size >= needed]
    if not sizes:
        raise FormatError(
            "unknown-flash-setting",
            f"the flash size {words[0]} in the bootloader's header is unknown",
            where=Place.at(offset=chip.bootloader_offset),
            hint=f"the file is damaged: download it again, or {TAKE_RELEASED}",
        )
    return next((size for size in fitting if size == len(image.data)), (fitting or sizes)[0])


def _bytes_of(word: str, chip: Chip) -> int | None:
    return parse_size(word.removesuffix("-c1")) if word in flash_sizes(chip.key) else None


# --- its module ---


def _module_of(image: FactoryImage, chip: Chip, name: str) -> str | None:
    """Return the AT module: as the parameters in the image name it, or number it up to v2.1; else as its file does."""
    named = _FACTORY_IMAGE.fullmatch(name)
    of_file = named["module"] if named and MODULE_NAME.fullmatch(named["module"]) else None
    values = _parameters(image)
    if own := str(values.get("module_name") or ""):
        return own if MODULE_NAME.fullmatch(own) else None
    known = {row.name.casefold(): row for row in modules(chip.key)}
    numbered = [row.name for row in known.values() if row.parameters.get("module_id") == values.get("module_id", -1)]
    row = known.get((of_file or "").casefold())
    if row and (not numbered or row.name in numbered):
        return row.name
    return numbered[0] if len(numbered) == 1 else of_file


def _parameters(image: FactoryImage) -> dict[str, int | str]:
    """Return the factory parameters that name the module; none where they can't be read: planning refuses that."""
    try:
        for row in image.secondary or ():
            content = image.content_of(row)
            if row.name == "factory_param" and content.strip(b"\xff"):
                return dict(FactoryParam.from_bytes(content).values)
            if row.name == "mfg_nvs" and content.strip(b"\xff"):
                found = NvsImage.from_bytes(_whole(row, content)).get("factory_param", "module_name")
                return {"module_name": found.value} if found and isinstance(found.value, str) else {}
    except FormatError:
        pass
    return {}


def _factory_params(image: FactoryImage, module: str | None) -> dict[str, bytes]:
    """Return the image's factory_param, under the name that a release gives the one of this module."""
    content = next((image.content_of(row) for row in image.secondary or () if row.name == "factory_param"), b"")
    if not content.strip(b"\xff"):
        return {}
    return {f"customized_partitions/factory_param{f'_{module}' if module else ''}.bin": content}


# --- notes ---


def _notes(image: FactoryImage, placed: dict[int, FlashImage], contents: dict[str, bytes]) -> Iterator[Notice]:
    """Yield a warning for what the image has and an update doesn't write."""
    for row in image.primary:
        if (row.type, row.subtype) in _SAVED and image.content_of(row).strip(b"\xff"):
            yield warning(
                "dump-of-used-module",
                f"{row.name} in it holds what a used module has saved, such as Wi-Fi passwords: it is not written",
                hint="to be sure what else is in it, take the factory image as released (factory_MODULE.bin)",
                partition=row.name,
                offset=row.offset,
            )
    rest = bytearray(image.data)
    extents = [(offset, offset + len(contents[found.path])) for offset, found in placed.items()]
    extents += [(row.offset, row.end) for row in image.partitions]
    extents.append((image.table_offset, image.table_offset + TABLE_SPAN))
    for start, end in extents:
        size = max(0, min(end, len(rest)) - start)
        rest[start : start + size] = b"\xff" * size
    if len(outside := rest.lstrip(b"\xff\0")):
        offset = len(rest) - len(outside)
        yield warning(
            "image-bytes-outside",
            f"the bytes at {format_offset(offset)} are in no partition: they are not written",
            hint="if the firmware needs them, write the image itself: esptool write-flash 0x0 FILE",
            offset=offset,
        )


# --- what it is instead ---


def _not_an_image(data: bytes) -> PackageError:
    """Return the error for a file without a partition table where a factory image has it."""
    if not data:
        return PackageError("image-empty", "the file is empty", hint=f"download it again: {TAKE_RELEASED}")
    if data.startswith(_NONOS_MAGIC) or data[_NONOS_APP_OFFSET:].startswith(_NONOS_MAGIC):
        return nonos_error("this file")
    if is_esp_image(data):
        return _program_alone(data)
    for is_one, what in _PARTS.items():
        if is_one(data):
            return _part(f"{what} alone")
    return PackageError(
        "not-a-package",
        "neither a zip nor a factory image: there is no partition table at any of its places",
        hint=f"{TAKE_RELEASED}; a factory image begins with what belongs to offset 0x0 of the flash",
    )


_PARTS = {
    is_partition_table: "a partition table",
    is_factory_param: "the factory parameters (factory_param)",
    is_nvs: "parameters and certificates (mfg_nvs)",
    is_pki: "certificates or keys",
}


def _program_alone(data: bytes) -> PackageError:
    version = app_version(data)
    try:
        name = find_chip(read_program(data)[0]).display_name
    except FormatError:
        return _part("an ESP image alone, and it is damaged or cut")
    if version is None:
        nonos = ", or firmware of the NonOS SDK" if name == "ESP8266" else ""
        return _part(f"a program alone for {name}, such as a bootloader{nonos}")
    return _part(f"an application alone for {name} ({version})")


def _part(what: str) -> PackageError:
    return PackageError(
        "firmware-part-alone",
        f"{what}: a module needs bootloader, partition tables and parameters, too",
        hint=f"{TAKE_RELEASED}; or the folder with download.config that this file is from",
    )


def _no_bootloader(data: bytes) -> EspAtError:
    """Return the error for an image with tables and no bootloader of a chip that starts there."""
    places = sorted({chip.bootloader_offset for chip in chips()})
    for offset in places:
        if is_esp_image(data[offset : offset + 1]):
            try:
                with located(
                    Place.at(offset=offset), origin_hint=f"the file is damaged: download it again, or {TAKE_RELEASED}"
                ):
                    chip, _ = read_program(data[offset:])
            except EspAtError as error:
                return error
            name, starts = find_chip(chip).display_name, format_offset(find_chip(chip).bootloader_offset)
            message = f"the bootloader at {format_offset(offset)} is for {name}, which starts at {starts}"
            return PackageError("package-inconsistent", message, hint=f"the file begins elsewhere: {TAKE_RELEASED}")
    message = f"the factory image has no bootloader at {', '.join(map(format_offset, places))}"
    return PackageError("package-incomplete", message, hint=f"{TAKE_RELEASED}, whole, from offset 0x0 on")


def _not_at(image: FactoryImage) -> PackageError:
    if image.home is None:
        message = "the partition table has no at_customize: this is the image of another firmware"
    else:
        message = f"there is no user partition table at {format_offset(image.home.offset)}, in at_customize"
    return PackageError("firmware-not-at", message, hint=f"for ESP-AT, {TAKE_RELEASED}")
