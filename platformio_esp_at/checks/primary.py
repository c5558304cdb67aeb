"""The primary partition table: whether the chip starts the application, and the application finds what it needs.

The table has no checksum in most releases, so a damaged one still looks like a table. A partition that only differs
from the release is not refused here. What the bootloader reads: ESP-IDF
``components/bootloader_support/src/bootloader_utility.c``; what the application reads: ``nvs`` (ESP-IDF ``nvs_flash``)
and ``at_customize`` (ESP-AT ``esp_at_core.h``, ``esp_at_custom_partition_find``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.checks.release import table_offsets
from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, PackageError, Place
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.nvs_pages import MIN_SIZE as NVS_MIN_SIZE
from platformio_esp_at.formats.ota_data import OTA_DATA_SIZE, OtaData
from platformio_esp_at.formats.partition_table import AT_TYPE, FLAGS, SUBTYPES, PartitionType
from platformio_esp_at.units import format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.layouts import Layout
    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan, Region

_DATA, _APP = PartitionType.DATA, PartitionType.APP
_NVS, _OTA = SUBTYPES[_DATA]["nvs"], SUBTYPES[_DATA]["ota"]
_FACTORY = SUBTYPES[_APP]["factory"]
_SLOTS = range(SUBTYPES[_APP]["ota_0"], SUBTYPES[_APP]["ota_15"] + 1)


def unusable_primary(plan: FlashPlan, release: Layout | None) -> Iterator[EspAtError]:
    """Yield a problem for everything in the table that keeps the chip from starting, or the firmware from working.

    ``release``: the layout of the package's release; None if it isn't known.
    """
    source = Place.at(file=plan.package.primary_image.path)
    for problem in (*_table_offset(plan, release), *_application_slots(plan), *_own_partitions(plan)):
        problem.locate(source)
        yield problem


def _table_offset(plan: FlashPlan, release: Layout | None) -> Iterator[EspAtError]:
    """Yield a problem for a table where the bootloader, into which the offset is compiled, doesn't look."""
    offset = plan.package.primary_image.offset
    expected = table_offsets(plan, release)
    if offset not in expected:
        places = " or ".join(map(format_offset, expected))
        message = f"the partition table goes to {format_offset(offset)}, where the bootloader doesn't look for it"
        yield PackageError("table-misplaced", message, hint=f"{_in_config(plan)}: change its offset to {places}")


def _application_slots(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield the problems of the rows that the bootloader chooses an application by."""
    slots = _ota_slots(plan)
    numbers = [row.subtype - _SLOTS.start for row in slots]
    if numbers != list(range(len(slots))):
        found = ", ".join(f"ota_{number}" for number in numbers)
        message = f"the application slots are {found}: the bootloader counts from ota_0 without gaps"
        yield LayoutError("table-slots", message, hint=_in_table(plan))
    otadata = _rows(plan, _DATA, _OTA)
    if len(otadata) > 1:
        message = f"{otadata[0]} and {otadata[1]} are both for ota_data"
        yield LayoutError("otadata-twice", message, hint=_in_table(plan), partition=otadata[1].name)
    if slots and not otadata:
        message = "no partition for ota_data (data, ota): an update over the air couldn't select its application"
        yield LayoutError("otadata-missing", message, hint=_in_table(plan))
    for row in otadata:
        if row.size < OTA_DATA_SIZE:
            message = f"{row} has {format_size(row.size)}, the bootloader needs {format_size(OTA_DATA_SIZE)}"
            yield LayoutError("partition-too-small", message, hint=_in_table(plan), partition=row.name)
        yield from _read_only(plan, row)


def _own_partitions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for ``nvs`` or ``at_customize`` if the firmware can't find or use it."""
    nvs = plan.primary.find("nvs")
    if nvs is None:
        message = "no partition nvs, where the firmware saves its settings: it wouldn't start"
        yield LayoutError("partition-missing", message, hint=_in_table(plan), partition="nvs")
    elif (nvs.type, nvs.subtype) != (_DATA, _NVS):
        yield _other_type(plan, nvs, "data, nvs")
    elif nvs.size < NVS_MIN_SIZE:
        message = f"{nvs} has {format_size(nvs.size)}, NVS needs {format_size(NVS_MIN_SIZE)}"
        yield LayoutError("partition-too-small", message, hint=_in_table(plan), partition=nvs.name)
    else:
        yield from _read_only(plan, nvs)
        yield from _written_nvs(plan, nvs)
    home = plan.package.home
    if home.name != "at_customize":
        message = f"the user partition table is in {home}, the firmware looks for it in at_customize"
        yield LayoutError("partition-missing", message, hint=_in_table(plan), partition="at_customize")
    elif (home.type, home.subtype) != (AT_TYPE, 0):
        yield _other_type(plan, home, f"{AT_TYPE:#x}, 0")


def _written_nvs(plan: FlashPlan, nvs: Partition) -> Iterator[EspAtError]:
    """Yield a problem for an image that would erase what the module has saved, and has no settings."""
    written = next((region for region in plan.regions if region.offset == nvs.offset), None)
    if written is None:
        return
    try:
        if NvsImage.from_bytes(written.data).entries:
            return
        reason = "it is blank"
    except FormatError as error:
        reason = f"it is no NVS image ({error.message})"
    message = f"{written.path} goes into {nvs}, and would erase what the module has saved: {reason}"
    hint = f"{_in_config(plan)}: take it out there; no release writes nvs"
    yield PackageError("image-misdirected", message, hint=hint, partition=nvs.name)


def unstartable_application(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem unless ota_data is written, and selects an application that is written.

    This is for tables without problems: another image at an application's place has one of its own.
    """
    regions = {region.offset: region for region in plan.regions}
    slot: int | None = None
    slots = _ota_slots(plan)
    for row in _rows(plan, _DATA, _OTA):
        written = regions.get(row.offset)
        if written is None:
            message = f"no image for {row}: the chip would start what ota_data on the module selects"
            hint = f"{_in_config(plan)}: add {format_offset(row.offset)} ota_data_initial.bin (8192 bytes FF)"
            yield PackageError("otadata-not-written", message, where=Place.at(package=plan.package.name), hint=hint)
            return
        try:
            slot = OtaData.from_bytes(written.data).slot(len(slots) or 1)
        except FormatError as error:
            error.locate(Place.at(file=written.path))
            yield error
            return
    factory = _rows(plan, _APP, _FACTORY)
    started = slots[slot or 0] if slots and (slot is not None or not factory) else next(iter(factory), None)
    if started is None or not _is_program(regions.get(started.offset)):
        place = started or "no partition: the table has neither ota_0 nor factory"
        message = f"the chip would start {place}, where the firmware package writes no application"
        hint = f"{_in_config(plan)}: write esp-at.bin there"
        yield PackageError("application-missing", message, where=Place.at(package=plan.package.name), hint=hint)


def _rows(plan: FlashPlan, type_: int, subtype: int) -> list[Partition]:
    return [row for row in plan.primary if (row.type, row.subtype) == (type_, subtype)]


def _ota_slots(plan: FlashPlan) -> list[Partition]:
    slots = [row for row in plan.primary if row.type == _APP and row.subtype in _SLOTS]
    return sorted(slots, key=lambda row: row.subtype)


def _is_program(region: Region | None) -> bool:
    return region is not None and region.program is not None


def _other_type(plan: FlashPlan, row: Partition, expected: str) -> EspAtError:
    message = f"{row} is {row.type_name}, {row.subtype_name}: the firmware looks for {expected}"
    return LayoutError("partition-type", message, hint=_in_table(plan), partition=row.name)


def _read_only(plan: FlashPlan, row: Partition) -> Iterator[EspAtError]:
    if row.flags & FLAGS["readonly"]:
        message = f"{row} is read-only, and the firmware writes to it"
        yield LayoutError("partition-read-only", message, hint=_in_table(plan), partition=row.name)


def _in_table(plan: FlashPlan) -> str:
    """Return the next step for a wrong row of the table."""
    return f"{plan.package.origin_hint}; or, if you built it, correct partitions_at.csv"


def _in_config(plan: FlashPlan) -> str:
    """Return the next step for a wrong offset; the callers add what to write."""
    return f"{plan.package.origin_hint}; or, if you built it, correct download.config of {plan.package.name}"
