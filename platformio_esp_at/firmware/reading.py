"""Reading a firmware package: a zip, a factory image, a folder or an esp-at ``build/`` one becomes a `FirmwarePackage`.

A package is untrusted input: see `trees`, and the limits here. Decisions about the project are in `planning`.
"""

from __future__ import annotations

import re
import stat
import zipfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.catalog.modules import MODULE_NAME
from platformio_esp_at.errors import FormatError, PackageError, Place, located, setting
from platformio_esp_at.files import (
    FileTooLargeError,
    file_mode,
    looked_for,
    open_regular,
    sha256_of,
)
from platformio_esp_at.firmware.package import (
    FOLDER_AGAIN,
    TAKE_RELEASED,
    ZIP_AGAIN,
    FirmwarePackage,
    nonos_error,
    read_program,
    release_of,
)
from platformio_esp_at.firmware.trees import FolderTree, ZipTree, zip_errors
from platformio_esp_at.formats.download_config import FlashArgs, FlashImage, parse_download_config
from platformio_esp_at.formats.flasher_args import parse_flasher_args
from platformio_esp_at.formats.partition_table import PartitionTable, PartitionType
from platformio_esp_at.formats.text_instead import MAX_TEXT, fetched_text, text_instead
from platformio_esp_at.units import MAX_FLASH_SIZE, SECTOR_SIZE, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.firmware.trees import Tree
    from platformio_esp_at.formats.esp_image import EspImage

MAX_ZIP_SIZE = 64 << 20
"""Many times the largest release, in bytes."""

ZIP_MAGIC = b"PK"
"""Start of a zip."""

_MAX_FILES = 10_000
_MAX_CONFIG_SIZE = 64 << 10
_MAX_FACTORY_PARAM_SIZE = SECTOR_SIZE  # its partition is one sector

_FLASHER_ARGS = "flasher_args.json"
_CONFIGS = ("download.config", "flash_project_args", _FLASHER_ARGS)
"""Files that list the images and their offsets, the most complete first: ESP-AT's build adds some after IDF's JSON."""

_IMAGE_SUFFIXES = (".bin", ".img")
"""No others: esptool runs in the folder of the images, and would load an esptool.py or esptool.cfg from there."""

_PRIMARY_NAMES = ("partition-table.bin", "partitions_at.bin")
_SECONDARY_NAME = "at_customize.bin"
_OTA_DATA_NAME = "ota_data_initial.bin"

_BINARY = (
    r"bootloader|esp-at|partition-table|partitions_at|at_customize|ota_data_initial|phy_\w+"
    r"|factory_param(?:_.+)?|ble_data|mfg_nvs|fatfs|fs_storage"
)
"""Images of these names are never text; the image of a user's own partition may be."""

_FACTORY_PARAM = re.compile(r"factory_param(?:_(?P<module>.+))?\.bin")
_FACTORY_IMAGE = re.compile(r"factory_(?P<module>.+?)(?:_unfilled)?\.bin")

_NONOS_FILE = r"(?i:boot_v1\.\d.*\.bin|user[12]\..+\.bin|eagle\.(?:flash|irom0text)\.bin)"
"""The files of a release of the ESP8266 NonOS SDK's AT firmware."""


def open_package(path: Path) -> FirmwarePackage:
    """Return the firmware package in a folder, a zip or a factory image.

    Raises `PackageError` for what is missing, incomplete, damaged or hostile, naming the file.
    """
    path = path if path.name else path.absolute()  # "." has no name
    with located(package=path.name):
        with zip_errors(path):
            mode = file_mode(path)
        if mode is None:
            raise PackageError("firmware-not-found", "no such firmware package", hint=looked_for(path))
        if stat.S_ISDIR(mode):
            with located(origin_hint=FOLDER_AGAIN):
                return _read(FolderTree(path), path.name, None)
        with located(origin_hint=ZIP_AGAIN), ExitStack() as opened:
            with zip_errors(path):
                stream = opened.enter_context(open_regular(path))
                if found := fetched_text(stream.read(MAX_TEXT)):
                    raise PackageError("text-instead-of-zip", f"this is {found.what}", hint=found.next_step)
                stream.seek(0)
                is_zip = _is_zip(path, stream)
                if is_zip:
                    sha256 = _sha256(stream)
                    archive = opened.enter_context(zipfile.ZipFile(stream))
                else:
                    data = _image_bytes(stream)
            if is_zip:
                return _read(ZipTree(archive), path.stem, sha256)
            from platformio_esp_at.firmware.factory_package import package_of_image  # noqa: PLC0415 - 5 ms

            return package_of_image(data, path.stem)


def _is_zip(path: Path, stream: BinaryIO) -> bool:
    """Return whether a file is a zip, or should be one by its name."""
    start = stream.read(len(ZIP_MAGIC))
    stream.seek(0)
    return start == ZIP_MAGIC or path.suffix.lower() == ".zip"


def _image_bytes(stream: BinaryIO) -> bytes:
    """Return the bytes of a factory image. Raises `PackageError` for more than any flash has."""
    data = stream.read(MAX_FLASH_SIZE + 1)
    if len(data) > MAX_FLASH_SIZE:
        raise PackageError(
            "package-too-large",
            f"neither a zip nor a factory image: it is larger than {format_size(MAX_FLASH_SIZE)}",
            hint=TAKE_RELEASED,
        )
    return data


def _sha256(stream: BinaryIO) -> str:
    """Return the hash of a zip. Raises `PackageError` for one larger than any release."""
    try:
        return sha256_of(stream, MAX_ZIP_SIZE)
    except FileTooLargeError:
        raise PackageError(
            "package-too-large",
            f"larger than {format_size(MAX_ZIP_SIZE)}",
            hint="take the zip as Espressif releases it",
        ) from None


def _read(tree: Tree, name: str, sha256: str | None) -> FirmwarePackage:
    names = _useful_names(tree)
    folder = _package_folder(names, is_zip=sha256 is not None)
    inside = {path.removeprefix(folder): path for path in names if path.startswith(folder)}
    args = _read_args(tree, inside)
    files = _read_images(tree, inside, args)
    primary_image = _one(args, _PRIMARY_NAMES, "the partition table")
    secondary_image = _one(args, (_SECONDARY_NAME,), "the user partition table")
    with located(file=primary_image.path):
        primary = PartitionTable.from_bytes(files[primary_image.path])
    with located(file=secondary_image.path):
        secondary = PartitionTable.from_bytes(files[secondary_image.path])
    bootloader = _one(args, ("bootloader.bin",), "the bootloader")
    _only_one([image for image in args.images if PurePosixPath(image.path).name == _OTA_DATA_NAME], "the OTA data")
    chip, program = _chip_of(args, bootloader, files[bootloader.path])
    application = files[_application(args, chip, bootloader, primary).path]
    factory_params = {
        path: _refuse_text(path, tree.read(inside[path], _MAX_FACTORY_PARAM_SIZE))
        for path in inside
        if _FACTORY_PARAM.fullmatch(PurePosixPath(path).name)
    }
    return FirmwarePackage(
        name=name,
        sha256=sha256,
        chip=chip,
        args=args._replace(chip=chip.key),
        files=files,
        bootloader=bootloader,
        primary_image=primary_image,
        secondary_image=secondary_image,
        primary=primary,
        secondary=secondary,
        factory_params=factory_params,
        modules=_modules_of(inside, factory_params),
        bootloader_program=program,
        application=application,
        release=release_of(application, name),
        unlisted=_unlisted(inside, args),
    )


def _unlisted(inside: Mapping[str, str], args: FlashArgs) -> tuple[str, ...]:
    """Return the images that aren't named; those of other modules and the combined ones never are."""
    named = {str(PurePosixPath(image.path)) for image in args.images}
    paths = (path for path in inside if path not in named and path.lower().endswith(_IMAGE_SUFFIXES))
    return tuple(path for path in paths if not re.match(r"factory_(?!param\.)", PurePosixPath(path).name))


def _useful_names(tree: Tree) -> list[str]:
    """Return the files of a tree without those that macOS adds."""
    useful = []
    for count, name in enumerate(tree.names()):
        if count == _MAX_FILES:
            raise PackageError(
                "package-too-large",
                f"more than {_MAX_FILES} files",
                hint=f"name the firmware package itself: {setting('firmware', 'PATH')}",
            )
        parts = PurePosixPath(name).parts
        if parts and "__MACOSX" not in parts and not parts[-1].startswith("._") and parts[-1] != ".DS_Store":
            useful.append(name)
    return useful


def _package_folder(names: list[str], *, is_zip: bool) -> str:
    """Return the folder with the ``download.config``, as a prefix of names: ``""`` or ``outer/inner/``."""
    folders = {name.removesuffix(config) for name in names for config in _CONFIGS if name.endswith(config)}
    folders = {folder for folder in folders if not folder or folder.endswith("/")}
    # In an esp-at build folder, the bootloader project has such files too, in a deeper folder.
    outermost = {path for path in folders if not any(path != other and path.startswith(other) for other in folders)}
    if not outermost:
        raise _no_list_of_images(names, is_zip=is_zip)
    if len(outermost) > 1:
        some = ", ".join(sorted(outermost)[:3])
        raise PackageError(
            "several-packages",
            f"{len(outermost)} firmware packages, such as {some}",
            hint=f"name one of them: {setting('firmware', 'PATH')}",
        )
    return outermost.pop()


def _no_list_of_images(names: list[str], *, is_zip: bool) -> PackageError:
    """Return the error for a folder or zip without a ``download.config``; the next step depends on what it holds."""
    files = [PurePosixPath(name).name for name in names]
    if any(re.fullmatch(_NONOS_FILE, file) for file in files):
        return nonos_error("these files")
    hint = "take the zip as Espressif releases it, or the build folder of an esp-at checkout"
    inside = sorted(name for name, file in zip(names, files, strict=True) if file.lower().endswith(".zip"))
    images = sorted(name for name, file in zip(names, files, strict=True) if _FACTORY_IMAGE.fullmatch(file))
    name_it = f"{'unpack it, and ' if is_zip else ''}name the {{}} inside: {setting('firmware', 'PATH')}".format
    if inside:
        hint = f"it holds {', '.join(inside[:3])}: {name_it('zip')}"
    elif images := [name for name in images if not _FACTORY_PARAM.fullmatch(PurePosixPath(name).name)]:
        hint = f"it holds {', '.join(images[:3])}: {name_it('factory image')}"
    return PackageError(
        "not-a-package", "not a firmware package: there is no download.config and no flasher_args.json", hint=hint
    )


def _read_args(tree: Tree, inside: Mapping[str, str]) -> FlashArgs:
    found = [config for config in _CONFIGS if config in inside]
    parsed = {}
    for config in found:
        parse = parse_flasher_args if config == _FLASHER_ARGS else parse_download_config
        data = tree.read(inside[config], _MAX_CONFIG_SIZE)
        with located(file=config, origin_hint=""):
            try:
                parsed[config] = parse(data.decode("utf-8-sig"))
            except UnicodeDecodeError:
                raise FormatError("not-text", "not a text file", hint="save it as UTF-8 text") from None
    args = parsed[found[0]]
    if _FLASHER_ARGS in parsed:
        return args._replace(chip=parsed[_FLASHER_ARGS].chip)
    return args


def _read_images(tree: Tree, inside: Mapping[str, str], args: FlashArgs) -> dict[str, bytes]:
    for image in args.images:
        if image.path.startswith("/") or ":" in image.path or ".." in PurePosixPath(image.path).parts:
            raise PackageError(
                "path-escapes",
                "the path leads out of the package",
                where=Place.at(file=image.path),
                hint="write a path inside the package into download.config",
            )
        if image.path.startswith(("-", "@")):
            raise PackageError(
                "path-unsafe",
                "the path starts with - or @: esptool would read it as an option",
                where=Place.at(file=image.path),
                hint="rename the file, also in download.config",
            )
        if not re.fullmatch(r"\S+", image.path):
            raise PackageError(
                "path-unsafe",
                "a path with a space can't be written into download.config",
                where=Place.at(file=image.path),
                hint="rename the file without spaces, also in download.config",
            )
        if not image.path.isprintable():
            raise PackageError(
                "path-unsafe",
                "the path has characters that can't be shown",
                where=Place.at(file=image.path),
                hint="rename the file with printable characters, also in download.config",
            )
        if not image.path.lower().endswith(_IMAGE_SUFFIXES):
            raise PackageError(
                "path-unsafe",
                "not an image: its name doesn't end in .bin",
                where=Place.at(file=image.path),
                hint="rename the image to end in .bin, also in download.config, or remove its line there",
            )
    missing = [image.path for image in args.images if str(PurePosixPath(image.path)) not in inside]
    if missing:
        raise PackageError(
            "package-incomplete",
            f"incomplete: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            hint="download the package again, or unpack all of it",
        )
    files: dict[str, bytes] = {}
    for path in dict.fromkeys(image.path for image in args.images):
        data = files[path] = _refuse_text(path, tree.read(inside[str(PurePosixPath(path))], MAX_FLASH_SIZE))
        if not data:
            raise PackageError(
                "image-empty", "the file is empty", where=Place.at(file=path), hint="download the package again"
            )
        if sum(map(len, files.values())) > MAX_FLASH_SIZE:
            raise PackageError(
                "package-too-large",
                f"its images are larger together than {format_size(MAX_FLASH_SIZE)}",
                hint="remove images from download.config: no module has more flash",
            )
    return files


def _refuse_text(path: str, data: bytes) -> bytes:
    """Return ``data``, the image of that path. Raises `PackageError` for text in its place."""
    found = text_instead(data)
    if found and not re.fullmatch(_BINARY, PurePosixPath(path).stem):
        found = fetched_text(data)
    if found:
        where = Place.at(file=path)
        raise PackageError("text-instead-of-image", f"this is {found.what}", where=where, hint=found.next_step)
    return data


def _one(args: FlashArgs, names: tuple[str, ...], what: str) -> FlashImage:
    """Return the one image whose file has one of ``names``."""
    found = [image for image in args.images if PurePosixPath(image.path).name in names]
    if not found:
        raise PackageError(
            "package-incomplete",
            f"incomplete: its download.config names no {' or '.join(names)}, {what}",
            hint=f"write one line OFFSET {names[0]} into download.config, or take the package as released",
        )
    _only_one(found, what)
    return found[0]


def _only_one(found: Sequence[FlashImage], what: str) -> None:
    """Raise `PackageError` for an image that is named more than once, where a chip has one place for it."""
    if len(found) > 1:
        lines = " and ".join(f"{format_offset(image.offset)} {image.path}" for image in found)
        raise PackageError(
            "image-named-twice",
            f"its download.config names {what} more than once: {lines}",
            hint=f"keep the one that belongs to this package in download.config (of {lines}), and remove the others",
        )


def _chip_of(args: FlashArgs, bootloader: FlashImage, data: bytes) -> tuple[Chip, EspImage]:
    """Return the bootloader's chip, which must be that of ``flasher_args.json``, and its image."""
    named = find_chip(args.chip) if args.chip else None
    with located(file=bootloader.path):
        key, program = read_program(data)
        built_for = find_chip(key)
    if named and named != built_for:
        raise PackageError(
            "package-inconsistent",
            f"made for {named.display_name}, with a bootloader for {built_for.display_name}",
            where=Place.at(file=bootloader.path),
            hint="download the package of the module's chip again, and don't mix files of two packages",
        )
    return built_for, program


def _application(args: FlashArgs, chip: Chip, bootloader: FlashImage, primary: PartitionTable) -> FlashImage:
    """Return the application, after checking that the package has all that a chip needs to start."""
    if bootloader.offset != chip.bootloader_offset:
        raise PackageError(
            "package-inconsistent",
            f"the bootloader goes to {format_offset(bootloader.offset)}, "
            f"{chip.display_name} starts at {format_offset(chip.bootloader_offset)}",
            where=Place.at(file=bootloader.path),
            hint=f"write {format_offset(chip.bootloader_offset)} before {bootloader.path} in download.config",
        )
    apps = [row for row in primary if row.type == PartitionType.APP]
    images = {image.offset: image for image in reversed(args.images)}
    found = next((images[row.offset] for row in apps if row.offset in images), None)
    if found is None:
        places = " or ".join(map(str, apps)) or "the partition table has no place for one"
        raise PackageError(
            "package-incomplete",
            f"incomplete: its download.config names no application ({places})",
            hint="write OFFSET esp-at.bin into download.config, with the offset of the app partition",
        )
    return found


def _modules_of(inside: Mapping[str, str], factory_params: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the modules that a package names: in the names of factory images, else in its factory_params."""
    paths = map(PurePosixPath, inside)
    images = [_FACTORY_IMAGE.fullmatch(path.name) for path in paths if path.parent.name == "factory"]
    modules = {match["module"] for match in images if match}
    if not modules:
        for path, data in factory_params.items():
            match = _FACTORY_PARAM.fullmatch(PurePosixPath(path).name)
            name = _module_in(data)
            modules |= {str(found) for found in (match and match["module"], name) if found}
    return tuple(sorted(filter(MODULE_NAME.fullmatch, modules)))


def _module_in(factory_param: bytes) -> str | None:
    """Return the module that a factory_param names; None for one that names none, or that can't be read."""
    from platformio_esp_at.formats.factory_param import FactoryParam  # noqa: PLC0415 - 1 ms, up to v3.0.0.0

    try:
        return str(FactoryParam.from_bytes(factory_param).values.get("module_name") or "") or None
    except FormatError:
        return None
