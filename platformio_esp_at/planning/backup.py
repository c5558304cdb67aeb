"""What a backup saves of a module's flash, by the module's own partition tables; and which application it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.errors import FormatError, setting
from platformio_esp_at.formats.backup import TABLE
from platformio_esp_at.formats.ota_data import OtaData
from platformio_esp_at.formats.partition_table import AT_TYPE, SUBTYPES, TABLE_SPAN, PartitionType
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.chips import Chip
    from platformio_esp_at.formats.partition_table import Partition, PartitionTable

_FACTORY = SUBTYPES[PartitionType.APP]["factory"]
_FIRST_SLOT, _LAST_SLOT = (SUBTYPES[PartitionType.APP][f"ota_{number}"] for number in (0, 15))


class Part(NamedTuple):
    """A part of the flash in whole sectors; ``name`` is that of its partition."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class ModuleLayout:
    """The partition tables of a module, as its flash has them."""

    table_offset: int
    primary: PartitionTable
    secondary: PartitionTable | None = None
    """The user partition table; None where there is none."""

    @property
    def home(self) -> Partition | None:
        """The partition that the user table divides."""
        return home_of(self.primary)

    def parts(self, flash_size: int) -> tuple[Part, ...]:
        """Return what a backup saves: both tables, and every partition but applications, by offset.

        Raises `FormatError` for tables whose partitions overlap, or end after the flash.
        """
        parts = sorted(self._parts(), key=lambda part: part.offset)
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            if part.offset % SECTOR_SIZE:
                raise _unusable(f"{part.name} at {format_offset(part.offset)} doesn't begin with a sector")
            if part.end > flash_size:
                raise _unusable(
                    f"{part.name} ends at {format_offset(part.end)}, the flash has {format_size(flash_size)}"
                )
            if following and following.offset < part.end:
                raise _unusable(f"{part.name} and {following.name} overlap at {format_offset(following.offset)}")
        return tuple(parts)

    def _parts(self) -> Iterator[Part]:
        yield Part(TABLE, self.table_offset, TABLE_SPAN)
        home = self.home
        for row in self.primary:
            if row == home:
                yield Part(row.name, row.offset, TABLE_SPAN)
            elif row.type != PartitionType.APP and row.size:
                yield _whole_sectors(row)
        yield from (_whole_sectors(row) for row in self.secondary or () if row.size)


def home_of(primary: PartitionTable) -> Partition | None:
    """Return the partition that holds a user partition table, ``at_customize``; None in other firmware."""
    return next((row for row in primary if row.type == AT_TYPE and row.subtype == 0), None)


def table_offsets(chip: Chip) -> tuple[int, ...]:
    """Return where a module of a chip may have its primary partition table, the usual place first."""
    return tuple(dict.fromkeys([chip.partition_table_offset, *sorted(c.partition_table_offset for c in chips())]))


def ota_data_of(primary: PartitionTable) -> Partition | None:
    """Return the partition that says which application starts."""
    kind = (PartitionType.DATA, SUBTYPES[PartitionType.DATA]["ota"])
    return next((row for row in primary if (row.type, row.subtype) == kind), None)


def started_slot(primary: PartitionTable, ota_data: bytes) -> Partition | None:
    """Return the partition whose application the bootloader starts; None where ``ota_data`` doesn't tell."""
    applications = [row for row in primary if row.type == PartitionType.APP]
    slots = sorted(
        (row for row in applications if _FIRST_SLOT <= row.subtype <= _LAST_SLOT), key=lambda row: row.subtype
    )
    factory = next((row for row in applications if row.subtype == _FACTORY), None)
    try:
        number = OtaData.from_bytes(ota_data).slot(len(slots)) if slots and ota_data else None
    except FormatError:
        return None
    if number is not None:
        return slots[number]
    return factory or next(iter(slots), None)


def _whole_sectors(row: Partition) -> Part:
    start = row.offset // SECTOR_SIZE * SECTOR_SIZE
    return Part(row.name, start, align_up(row.end, SECTOR_SIZE) - start)


def _unusable(what: str) -> FormatError:
    return FormatError("backup-layout", f"the module's partition tables can't be right: {what}", hint=RAW_INSTEAD)


RAW_INSTEAD = f"to save the whole flash, whatever is in it, write {setting('raw', 'true')}"
