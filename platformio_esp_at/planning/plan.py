"""The plan: the bytes of every flash region, and notes about them, from firmware package, module and request.

Nothing here reads a file or a device. `checks` decides whether a plan is safe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import (
    EspAtError,
    LayoutError,
    PackageError,
    Place,
    UnknownNameError,
    located,
    setting,
    unknown_name,
)
from platformio_esp_at.formats.esp_image import (
    ESP8266,
    ChipRevisions,
    EspImage,
    FlashSettings,
    chip_revisions,
    flash_sizes,
)
from platformio_esp_at.formats.lock_file import LOCK_FILE
from platformio_esp_at.formats.partition_table import Partition, PartitionTable, PartitionType
from platformio_esp_at.formats.pki import pki_slot
from platformio_esp_at.planning.content import (
    ESSENTIAL,
    FACTORY_PARAM,
    FIRMWARE_PACKAGE,
    MFG_NVS,
    inside_mfg_nvs,
    make_content,
    missing_row_hint,
)
from platformio_esp_at.planning.notes import is_in_place, moves, moves_of_own, notes_of_request
from platformio_esp_at.planning.pki_files import with_readable_pki
from platformio_esp_at.request.values import InputFile
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_size, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.gatts import GattTable
    from platformio_esp_at.formats.nvs import NvsImage
    from platformio_esp_at.planning.content import Content
    from platformio_esp_at.planning.own_partitions import OwnPartition
    from platformio_esp_at.planning.selection import SelectedModule
    from platformio_esp_at.request.options import Request

_CONTENT_FOLDER = "customized_partitions"


@dataclass(frozen=True, slots=True)
class Region:
    """One image of the plan, and where it goes."""

    name: str
    """Its partition, or ``bootloader``, ``partition_table``."""
    offset: int
    data: bytes = field(repr=False)
    path: str
    """Its path in the image set."""
    origin: str
    """Where the bytes come from, for people."""
    program: EspImage | None = field(default=None, repr=False, compare=False)
    """The bootloader or an application, parsed."""

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + len(self.data)

    @property
    def erase_end(self) -> int:
        """The offset after the last sector that is erased to write it."""
        return align_up(self.end, SECTOR_SIZE)


class Wiring(NamedTuple):
    """How the module is connected: GPIO numbers, -1 where unused."""

    tx: int
    rx: int
    cts: int
    rts: int
    baudrate: int
    download_tx: int
    download_rx: int


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """Everything that is written, and notes about it."""

    package: FirmwarePackage
    module: SelectedModule
    settings: FlashSettings
    """Flash mode, frequency and size, as the bootloader's header has them, in the firmware package's words."""
    flash_size: int
    """The flash size that the firmware is laid out for, in bytes."""
    regions: tuple[Region, ...]
    primary: PartitionTable
    secondary: PartitionTable
    secondary_source: str
    """The file that the user partition table comes from."""
    kept: tuple[Partition, ...]
    """Partitions that an update doesn't touch."""
    parameters: Mapping[str, int | str] | None
    """The factory parameters that are written, by name; None where none can be read."""
    wiring: Wiring | None
    """None where the module has no UART for AT commands, or its pins aren't known."""
    notes: tuple[Notice, ...]
    inputs: Mapping[str, bytes] = field(repr=False)
    """The files of the project that it was made from, by their paths as the user wrote them."""
    gatts: GattTable | None = field(default=None, repr=False)
    """The project's GATT table, if it has one."""
    own: tuple[OwnPartition, ...] = ()
    """The partitions that the project adds to the firmware package's table."""
    project_pki: frozenset[str] = frozenset()
    """The certificates and keys that the project gives, by their names in `PKI_SLOTS`."""
    nvs: NvsImage | None = field(default=None, repr=False)
    """The entries of ``mfg_nvs``; None up to v3.0.0.0."""

    @property
    def chip(self) -> Chip:
        """The chip that it is for."""
        return self.package.chip

    @property
    def programs(self) -> tuple[Region, ...]:
        """The bootloader and the applications."""
        return tuple(region for region in self.regions if region.program)

    @property
    def chip_revisions(self) -> ChipRevisions:
        """The chip revisions that all programs run on."""
        esp8266 = self.chip.key == ESP8266
        return reduce(and_, (chip_revisions(region.data, esp8266=esp8266) for region in self.programs))

    def place_of(self, row: Partition) -> Place:
        """Return where a row of the user table is written: in the project's CSV, or in the package that it adds to."""
        is_added_to = self.own and row.line is None
        return Place.at(file=self.package.secondary_image.path if is_added_to else self.secondary_source, line=row.line)

    def factory_image(self) -> bytes:
        """Return all regions in one image of the whole flash, FF between them."""
        return self.unfilled_image().ljust(self.flash_size, b"\xff")

    def unfilled_image(self) -> bytes:
        """Return all regions in one image that ends with the last of them, FF between them."""
        parts, end = [], 0
        for region in sorted(self.regions, key=lambda region: region.offset):
            parts += [b"\xff" * (region.offset - end), region.data]
            end = region.end
        return b"".join(parts)


def make_plan(
    package: FirmwarePackage,
    module: SelectedModule,
    request: Request,
    recorded: Mapping[str, int] | None = None,
    lock_file: str = LOCK_FILE,
) -> FlashPlan:
    """Return the plan that flashes ``package`` for ``module`` as ``request`` asks for.

    ``recorded``: where the project's own partitions were placed before, by its lock file; see `user_table`. Raises an
    `EspAtError` for a request that can't be understood or that the package can't fulfil.
    """
    secondary, own = _user_table(package, request, recorded or {}, lock_file)
    readable = with_readable_pki(request)
    contents = make_content(package, module, readable.request, secondary)
    bootloader = _bootloader(package)
    regions = (
        *_system_regions(package, bootloader, secondary, _origin_of_table(request, own)),
        *_user_regions(package, secondary, contents, _skipped(package, request, secondary, contents)),
    )
    values = next((contents[name].parameters for name in ESSENTIAL if name in contents), None)
    source = request.partitions.label if request.partitions else package.secondary_image.path
    known = [row for row in own if row.recorded is not None]
    return FlashPlan(
        package=package,
        module=module,
        settings=_settings(package, bootloader),
        flash_size=_flash_size(package, bootloader),
        regions=regions,
        primary=package.primary,
        secondary=secondary,
        secondary_source=source,
        kept=_kept(package, secondary, regions, own),
        parameters=values,
        wiring=_wiring(package.chip, values),
        notes=(
            *package.notes,
            *readable.notes,
            *notes_of_request(package, request, secondary),
            *moves(package, secondary, regions, [row.partition.name for row in known]),
            *moves_of_own(known, regions, source),
        ),
        inputs=_inputs(request),
        gatts=next(filter(None, (content.gatts for content in contents.values())), None),
        own=own,
        project_pki=frozenset(map(pki_slot, request.pki)),
        nvs=contents[MFG_NVS].nvs if MFG_NVS in contents else None,
    )


# --- the flash regions ---


def _system_regions(
    package: FirmwarePackage, bootloader: EspImage, secondary: PartitionTable, origin: str
) -> Iterator[Region]:
    """Yield the images outside the user partitions; all but bootloader and user table are the package's own.

    ``origin``: that of the user table.
    """
    for image in package.args.images:
        name = package.name_of(image)
        if package.is_user_image(image):
            continue
        region = Region(name, image.offset, package.files[image.path], image.path, FIRMWARE_PACKAGE)
        if image == package.bootloader:
            region = replace(region, data=bootloader.to_bytes(), program=bootloader)
        elif image == package.secondary_image and origin != FIRMWARE_PACKAGE:
            region = replace(region, data=secondary.to_bytes(), origin=origin)
        elif any(row.offset == image.offset and row.type == PartitionType.APP for row in package.primary):
            with located(file=image.path, origin_hint=package.origin_hint):
                program = EspImage.from_bytes(region.data, esp8266=package.chip.key == ESP8266)
            region = replace(region, program=program)
        yield region


def _user_regions(
    package: FirmwarePackage, secondary: PartitionTable, contents: Mapping[str, Content], skipped: set[str]
) -> Iterator[Region]:
    """Yield the images of the user partitions, at the offsets of ``secondary``; the request's content has priority."""
    left = dict(contents)
    for image in package.args.images:
        name = package.name_of(image)
        home = secondary.find(name)
        if home is None or name in skipped or not package.is_user_image(image):
            continue
        region = Region(name, home.offset, package.files[image.path], image.path, FIRMWARE_PACKAGE)
        if content := left.pop(name, None):
            region = replace(region, data=content.data, origin=content.origin)
        yield region
    for name, content in left.items():
        home = secondary.find(name)
        if home is None and name == (MFG_NVS if package.has_mfg_nvs else FACTORY_PARAM):
            raise LayoutError(
                "parameters-missing",
                f"the partition table has no {name}",
                where=content.where,
                hint=missing_row_hint(name),
            )
        if home is None:
            error = unknown_name(
                "unknown-partition", "partition", name, (row.name for row in secondary), where=content.where
            )
            error.hint = f"the user partition table has no such row; {error.hint}"
            raise error
        file_name = re.sub(r"[^\w.-]", "_", name)
        yield Region(name, home.offset, content.data, f"{_CONTENT_FOLDER}/{file_name}.bin", content.origin)


def _bootloader(package: FirmwarePackage) -> EspImage:
    """Return the bootloader with the package's flash settings in its header, as esptool would patch it."""
    path = package.bootloader.path
    with located(file=path):
        image = package.bootloader_program
        if not image.digest_valid and not package.is_factory_image:
            # Checked here: changing the settings makes a new digest, so `checks` can't see the damage any more.
            raise PackageError("image-digest", "the image's SHA-256 doesn't match its bytes", hint=package.origin_hint)
        return image.with_flash_settings(package.args.settings, package.chip.key)


def _settings(package: FirmwarePackage, bootloader: EspImage) -> FlashSettings:
    """Return the settings in the bootloader's header; the size of a factory image is that of its layout."""
    settings = bootloader.flash_settings_as(package.args.settings, package.chip.key)
    if package.flash_size is None or parse_size(settings.size.removesuffix("-c1")) == package.flash_size:
        return settings
    return settings._replace(size=format_size(package.flash_size))


def _flash_size(package: FirmwarePackage, bootloader: EspImage) -> int:
    if package.flash_size is not None:
        return package.flash_size
    word = bootloader.flash_settings(package.chip.key).size
    if word not in flash_sizes(package.chip.key):
        raise PackageError(
            "unknown-flash-setting",
            f"the flash size {word} is unknown",
            where=Place.at(file=package.bootloader.path),
            hint=package.origin_hint,
        )
    # ESP8266 has 2MB-c1 and 4MB-c1: other memory maps of the same size.
    return parse_size(word.removesuffix("-c1"))


def _user_table(
    package: FirmwarePackage, request: Request, recorded: Mapping[str, int], lock_file: str
) -> tuple[PartitionTable, tuple[OwnPartition, ...]]:
    if request.partitions is None:
        return package.secondary, ()
    from platformio_esp_at.planning import own_partitions  # noqa: PLC0415 - only an own table needs it

    return own_partitions.user_table(package, request.partitions, recorded, lock_file)


def _origin_of_table(request: Request, own: Sequence[OwnPartition]) -> str:
    """Return where the user partition table comes from, for people."""
    if request.partitions is None:
        return FIRMWARE_PACKAGE
    return f"{FIRMWARE_PACKAGE}, with {request.partitions.label}" if own else request.partitions.label


def _skipped(
    package: FirmwarePackage, request: Request, secondary: PartitionTable, contents: Mapping[str, Content]
) -> set[str]:
    """Return the partitions to leave out. Raises `EspAtError` for one that doesn't exist or that the module needs."""
    names = {row.name for table in (secondary, package.secondary) for row in table}
    names |= set(inside_mfg_nvs(package))
    for name in request.skip:
        if name.text not in names and (row := package.primary.find(name.text)):
            written = any(image.offset == row.offset for image in package.args.images)
            why = f"each update writes {row.name}" if written else f"an update leaves {row.name} as the module has it"
            raise UnknownNameError(
                "unknown-partition",
                f"{row.name} is not a user partition, so it can't be skipped",
                where=name.where,
                hint=f"remove it from {setting('skip')}: {why}",
            )
        if name.text not in names:
            raise unknown_name("unknown-partition", "partition", name.text, names, where=name.where)
        if name.text in ESSENTIAL:
            hint = f"remove it from {setting('skip')}: without it the module answers on other pins"
            raise EspAtError("skip-essential", f"{name.text} can't be skipped", where=name.where, hint=hint)
        if name.text in contents:
            hint = f"its content comes from {contents[name.text].origin}: remove one of the two"
            raise EspAtError(
                "skipped-with-content", f"{name.text} is skipped and given content", where=name.where, hint=hint
            )
    return {name.text for name in request.skip}


# --- kept partitions, wiring ---


def _kept(
    package: FirmwarePackage,
    secondary: PartitionTable,
    regions: Iterable[Region],
    own: Iterable[OwnPartition],
) -> tuple[Partition, ...]:
    """Return the partitions that are not written, and that the project's table doesn't move."""
    written = {region.offset for region in regions}
    rows = [row for row in package.primary if row != package.home] + [
        row for row in secondary if is_in_place(row, package.secondary)
    ]
    rows += [added.partition for added in own]
    return tuple(sorted((row for row in rows if row.offset not in written), key=lambda row: row.offset))


_WIRING = ("uart_baudrate", "uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin")


def _wiring(chip: Chip, values: Mapping[str, int | str] | None) -> Wiring | None:
    """Return the wiring that the factory parameters give, if all of it is among them: `checks` says what is missing."""
    if values is None or not all(isinstance(values.get(name), int) for name in _WIRING):
        return None
    if int(values["uart_baudrate"]) < 0:
        return None
    return Wiring(
        tx=int(values["uart_tx_pin"]),
        rx=int(values["uart_rx_pin"]),
        cts=int(values["uart_cts_pin"]),
        rts=int(values["uart_rts_pin"]),
        baudrate=int(values["uart_baudrate"]),
        download_tx=chip.download_tx_pin,
        download_rx=chip.download_rx_pin,
    )


def _inputs(request: Request) -> dict[str, bytes]:
    """Return the files of the project by their labels, sorted."""
    files: dict[str, bytes] = {}
    for source in request.inputs():
        if isinstance(source, InputFile):
            files[source.label] = source.data
        else:
            files |= {f"{source.label.rstrip('/')}/{path}": data for path, data in source.files.items()}
    return dict(sorted(files.items()))
