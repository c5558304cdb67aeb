"""A whole image of a module's flash, decoded: the partition tables, and the content of the partitions."""

from __future__ import annotations

from dataclasses import dataclass, field

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.errors import EspAtError, FormatError, located
from platformio_esp_at.firmware.package import chip_of_image
from platformio_esp_at.formats.esp_image import is_esp_image
from platformio_esp_at.formats.partition_table import AT_TYPE, TABLE_SPAN, Partition, PartitionTable, is_partition_table

_TABLE_OFFSETS = sorted({chip.partition_table_offset for chip in chips()})


@dataclass(frozen=True, slots=True)
class FactoryImage:
    """A factory image, or a dump of a flash; what follows its last partition may be missing."""

    data: bytes = field(repr=False)
    primary: PartitionTable
    secondary: PartitionTable | None
    """The user partition table; None where the image has none."""
    home: Partition | None
    """The partition that the user table divides."""
    bootloader: bytes = field(repr=False)
    chip: str | None
    """The chip that the bootloader is for; None where there is none."""
    table_offset: int
    """Where the partition table was found."""

    @classmethod
    def from_bytes(cls, data: bytes) -> FactoryImage:
        """Return the image. Raises `FormatError`, naming the offset, where its tables are damaged."""
        table = _table_offset(data)
        if table is None:
            raise FormatError(
                "no-factory-image",
                "no factory image: there is no partition table at any of its places",
                hint="read the whole flash, from 0 on: esptool read-flash 0 ALL dump.bin",
            )
        with located(offset=table):
            primary = PartitionTable.from_bytes(data[table : table + TABLE_SPAN])
        home = next((row for row in primary if row.type == AT_TYPE and row.subtype == 0), None)
        secondary = None
        if home is not None and is_partition_table(data[home.offset : home.end]):
            with located(offset=home.offset):
                secondary = PartitionTable.from_bytes(data[home.offset : home.offset + TABLE_SPAN])
        chip, bootloader = _bootloader(data, table)
        return cls(data, primary, secondary, home, bootloader, chip, table)

    def content_of(self, row: Partition) -> bytes:
        """Return the bytes of a partition, up to its end or the image's."""
        return self.data[row.offset : row.end]

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions of both tables, without the one that the user table divides."""
        return tuple(row for row in (*self.primary, *(self.secondary or ())) if row != self.home)


def is_factory_image(data: bytes) -> bool:
    """Return whether ``data`` has a partition table where a chip expects it."""
    return _table_offset(data) is not None


def _table_offset(data: bytes) -> int | None:
    return next((offset for offset in _TABLE_OFFSETS if is_partition_table(data[offset:])), None)


def _bootloader(data: bytes, table: int) -> tuple[str | None, bytes]:
    """Return chip and bytes of the bootloader: the image at the bootloader offset of its own chip."""
    for chip in chips():
        start = data[chip.bootloader_offset : table]
        if is_esp_image(start):
            try:
                if chip_of_image(start) == chip.key:
                    return chip.key, start
            except EspAtError:
                continue
    return None, b""
