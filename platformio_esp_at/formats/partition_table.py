"""Partition tables: the primary one (``partitions_at.csv``) and the secondary one (``at_customize.csv``).

Both have the same text and the same bytes. A binary table is `TABLE_SIZE` bytes::

    offset  size
    0       32      entry 0, little endian
                      0   2  magic AA 50
                      2   1  type
                      3   1  subtype
                      4   4  offset in flash
                      8   4  size
                      12  16 name, NUL padded
                      28  4  flags: bit 0 encrypted, bit 1 readonly
    …               one more entry each, in the order of the CSV
    …       32      if there is a checksum: EB EB, 14 x FF, MD5 of all entries so far
    …               FF to the end

Source: ESP-IDF ``components/partition_table/gen_esp32part.py``. ESP-AT's primary table carries no MD5 row from v2.2 on
and none on ESP8266; its ``at_customize.bin`` always carries one.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, FormatError, Place, located, raise_all, unknown_name
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset, parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator


TABLE_SIZE = 0xC00
"""Size of a binary table in bytes (gen_esp32part.py: MAX_PARTITION_LENGTH)."""

TABLE_SPAN = SECTOR_SIZE
"""What a table occupies in flash, in bytes."""

APP_ALIGNMENT = 0x10000
"""Apps start at multiples of this: the flash cache of every ESP32 can map them there."""

ESP8266_APP_ALIGNMENT = SECTOR_SIZE
"""ESP8266_RTOS_SDK allows an app at any sector."""

_ENTRY = struct.Struct("<2sBBLL16sL")
MAX_PARTITIONS = TABLE_SIZE // _ENTRY.size - 2
"""How many rows a table has room for, besides the MD5 row and the blank one that ends it."""

_ENTRY_MAGIC = b"\xaa\x50"
_MD5_HEAD = b"\xeb\xeb" + b"\xff" * 14
_BLANK_ENTRY = b"\xff" * _ENTRY.size
_NAME_SIZE = 16


class PartitionType(IntEnum):
    """Types that have a name in a CSV; the application may use any other from 0x40 on."""

    APP = 0x00
    DATA = 0x01
    BOOTLOADER = 0x02
    PARTITION_TABLE = 0x03


AT_TYPE = 0x40
"""The type of ``at_customize`` and, up to v3.0.0.0, of the partitions inside it."""

SUBTYPES: dict[int, dict[str, int]] = {
    PartitionType.APP: {
        "factory": 0x00,
        **{f"ota_{slot}": 0x10 + slot for slot in range(16)},
        "test": 0x20,
    },
    PartitionType.DATA: {
        "ota": 0x00,
        "phy": 0x01,
        "nvs": 0x02,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "efuse": 0x05,
        "undefined": 0x06,
        "esphttpd": 0x80,
        "fat": 0x81,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
    PartitionType.BOOTLOADER: {"primary": 0x00, "ota": 0x01, "recovery": 0x02},
    PartitionType.PARTITION_TABLE: {"primary": 0x00, "ota": 0x01},
}
"""Names of subtypes, by type."""

FLAGS = {"encrypted": 1 << 0, "readonly": 1 << 1}
"""Names of flags, as the last column of a CSV spells them, joined with ``:``."""

_BAD_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff,]|^\s|\s$|^#")


@dataclass(frozen=True, slots=True)
class Partition:
    """One row of a partition table; ``offset`` and ``size`` are in bytes."""

    name: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0
    line: int | None = field(default=None, compare=False)
    """The line of the CSV that it was read from."""

    def __post_init__(self) -> None:
        if len(self.name.encode(errors="surrogatepass")) > _NAME_SIZE:
            raise FormatError(
                "partition-name",
                f"partition name {self.name!r} is longer than {_NAME_SIZE} bytes",
                hint=f"write a name of {_NAME_SIZE} bytes at most: the firmware would see this one cut",
            )
        if not self.name or _BAD_NAME.search(self.name):
            raise FormatError(
                "partition-name", f"{self.name!r} can't be a partition name", hint="write letters, digits and _"
            )
        for what, value, bits in (
            ("type", self.type, 8),
            ("subtype", self.subtype, 8),
            ("offset", self.offset, 32),
            ("size", self.size, 32),
            ("flags", self.flags, 32),
        ):
            if not 0 <= value < 1 << bits:
                raise FormatError(
                    "partition-range",
                    f"{what} {value:#x} of partition {self.name!r} is outside 0…{(1 << bits) - 1:#x}",
                    hint=f"write 0 to {(1 << bits) - 1:#x} as {what}",
                )

    @property
    def end(self) -> int:
        """The offset after its last byte."""
        return self.offset + self.size

    @property
    def type_name(self) -> str:
        """Its type as a CSV spells it, such as ``data`` or ``0x40``."""
        return _name_of(self.type, {kind.name.lower(): kind for kind in PartitionType}) or f"{self.type:#04x}"

    @property
    def subtype_name(self) -> str:
        """Its subtype as a CSV spells it, such as ``nvs`` or ``0x08``."""
        return _name_of(self.subtype, SUBTYPES.get(self.type, {})) or f"{self.subtype:#04x}"

    def __str__(self) -> str:
        return f"{self.name!r} ({format_offset(self.offset)}…{format_offset(self.end)})"


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """The rows of a table in their order; ``md5``: whether the bytes have a checksum row."""

    partitions: tuple[Partition, ...]
    md5: bool = True

    def __iter__(self) -> Iterator[Partition]:
        return iter(self.partitions)

    def find(self, name: str) -> Partition | None:
        """Return the partition of that name, or None."""
        return next((partition for partition in self if partition.name == name), None)

    @classmethod
    def from_bytes(cls, data: bytes) -> PartitionTable:
        """Return the table that ``data`` starts with; a blank or an MD5 row ends it, and what follows must be blank.

        Raises `FormatError`, naming the offset inside the table.
        """
        partitions: list[Partition] = []
        for start in range(0, min(len(data), TABLE_SIZE), _ENTRY.size):
            entry = data[start : start + _ENTRY.size]
            with located(offset=start):
                if entry == _BLANK_ENTRY[: len(entry)]:
                    return cls._checked_end(data, start, partitions, md5=False)
                if entry.startswith(_MD5_HEAD):
                    if entry[16:] != hashlib.md5(data[:start], usedforsecurity=False).digest():
                        raise FormatError(
                            "table-damaged", "the MD5 row doesn't match the rows before it", hint=_DAMAGED
                        )
                    return cls._checked_end(data, start + _ENTRY.size, partitions, md5=True)
                partitions.append(_parse_entry(entry))
        end = min(len(data), TABLE_SIZE)
        with located(offset=end):
            return cls._checked_end(data, end, partitions, md5=False)

    @classmethod
    def _checked_end(cls, data: bytes, end: int, partitions: list[Partition], *, md5: bool) -> PartitionTable:
        if not partitions:
            raise FormatError(
                "not-a-table",
                "no partition table: there is no entry (AA 50) at its start",
                hint="name a partition-table.bin or at_customize.bin, or its CSV if the place takes one",
            )
        if end >= TABLE_SIZE or (end >= len(data) and not md5):
            raise FormatError("table-damaged", "no blank row ends the partition table", hint=_DAMAGED)
        if data[end:TABLE_SPAN].strip(b"\xff"):
            raise FormatError("table-damaged", "there are bytes after the last row", hint=_DAMAGED)
        return cls(tuple(partitions), md5=md5)

    def to_bytes(self) -> bytes:
        """Return the table as `TABLE_SIZE` bytes. Raises `FormatError` where it has too many rows."""
        rows = b"".join(
            _ENTRY.pack(_ENTRY_MAGIC, row.type, row.subtype, row.offset, row.size, row.name.encode(), row.flags)
            for row in self
        )
        if self.md5:
            rows += _MD5_HEAD + hashlib.md5(rows, usedforsecurity=False).digest()
        if len(rows) >= TABLE_SIZE:
            most = MAX_PARTITIONS if self.md5 else MAX_PARTITIONS + 1
            raise FormatError(
                "table-full",
                f"{len(self.partitions)} partitions are more than a table holds",
                where=Place.at(line=self.partitions[most].line),
                hint=f"remove {len(self.partitions) - most} rows: a table holds {most}",
            )
        return rows.ljust(TABLE_SIZE, b"\xff")

    @classmethod
    def from_csv(
        cls, text: str, *, first_offset: int, md5: bool = True, app_alignment: int = APP_ALIGNMENT
    ) -> PartitionTable:
        """Return the table that a CSV describes.

        A blank offset means the end of the row before it, aligned; for the first row it means ``first_offset``. A
        negative size means "up to this offset". Raises `FormatError`, naming the line.
        """
        rows = PartitionRows.from_csv(text)
        return rows.placed(first_offset=first_offset, md5=md5, app_alignment=app_alignment)

    def to_csv(self) -> str:
        """Return the CSV that gives this table again. Raises `FormatError` for flags that a CSV has no word for."""
        lines = ["# Name, Type, SubType, Offset, Size, Flags"]
        for row in self:
            if row.flags & ~sum(FLAGS.values()):
                raise FormatError(
                    "partition-flags",
                    f"flags {row.flags:#x} of partition {row.name!r} have no name",
                    hint=f"clear the bits {row.flags & ~sum(FLAGS.values()):#x}: a CSV knows {' and '.join(FLAGS)}",
                )
            flags = ":".join(name for name, bit in FLAGS.items() if row.flags & bit)
            fields = [row.name, row.type_name, row.subtype_name, format_offset(row.offset), format_offset(row.size)]
            lines.append(", ".join([*fields, flags] if flags else fields))
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """One row of a CSV, which may leave its offset open."""

    name: str
    type: int
    subtype: int
    offset: int | None
    """None where it is blank."""
    size: int
    """In bytes; a negative one means "up to this offset"."""
    flags: int
    line: int

    def __post_init__(self) -> None:
        if self.offset is not None:
            self.at(self.offset)
        elif self.size >= 0:
            self.at(0)  # what is wrong at any offset

    def at(self, offset: int) -> Partition:
        """Return the partition at ``offset``. Raises `FormatError` where it can't be there."""
        size = self.size
        if size < 0:
            size = -size - offset
            if size < 0:
                raise FormatError(
                    "table-row-invalid",
                    f"partition {self.name!r} starts at {format_offset(offset)}, "
                    "after the end that its negative size gives",
                    hint=f"write the size itself, such as 0x8000, or an end above {format_offset(offset)}",
                )
        return Partition(self.name, self.type, self.subtype, offset, size, self.flags, line=self.line)


@dataclass(frozen=True, slots=True)
class PartitionRows:
    """The rows of a CSV in their order, before those with a blank offset are placed."""

    rows: tuple[PartitionRow, ...]

    def __iter__(self) -> Iterator[PartitionRow]:
        return iter(self.rows)

    @classmethod
    def from_csv(cls, text: str) -> PartitionRows:
        """Return the rows of a CSV. Raises `FormatError` with all that can't be understood, naming the lines."""
        rows: list[PartitionRow] = []
        problems: list[EspAtError] = []
        for number, line in enumerate(text.splitlines(), start=1):
            row = line.strip()
            if not row or row.startswith("#"):
                continue
            try:
                with located(line=number):
                    rows.append(_parse_row(row, number))
            except EspAtError as error:
                problems.append(error)
        raise_all(problems)
        if not rows:
            raise FormatError(
                "table-empty", "the partition CSV has no rows", hint="write rows: name, type, subtype, offset, size"
            )
        return cls(tuple(rows))

    def placed(self, *, first_offset: int, md5: bool = True, app_alignment: int = APP_ALIGNMENT) -> PartitionTable:
        """Return the table of these rows alone; see `PartitionTable.from_csv`. Raises `FormatError`."""
        partitions: list[Partition] = []
        problems: list[EspAtError] = []
        end = first_offset
        for row in self:
            offset = row.offset
            if offset is None:
                offset = align_up(end, alignment_of(row.type, app_alignment))
            try:
                with located(line=row.line):
                    partitions.append(row.at(offset))
            except EspAtError as error:
                problems.append(error)
            else:
                end = partitions[-1].end
        raise_all(problems)
        return PartitionTable(tuple(partitions), md5=md5)


_DAMAGED = "the file is damaged: copy it again from where it was made"


def _name_of(value: int, names: dict[str, int]) -> str | None:
    return next((name for name, number in names.items() if number == value), None)


def _parse_entry(entry: bytes) -> Partition:
    if len(entry) < _ENTRY.size or not entry.startswith(_ENTRY_MAGIC):
        raise FormatError("table-damaged", "not a partition entry (AA 50)", hint=_DAMAGED)
    _, type_, subtype, offset, size, name, flags = _ENTRY.unpack(entry)
    text, _, padding = name.partition(b"\0")
    if padding.strip(b"\0"):
        raise FormatError("table-damaged", "there are bytes after the end of the partition's name", hint=_DAMAGED)
    try:
        return Partition(text.decode(), type_, subtype, offset, size, flags)
    except UnicodeDecodeError:
        raise FormatError("table-damaged", f"the partition's name {text!r} isn't text", hint=_DAMAGED) from None


def _parse_row(row: str, number: int) -> PartitionRow:
    fields = [cell.strip() for cell in row.split(",")]
    if len(fields) < 5 and row.count(";") > 3:
        raise FormatError(
            "table-row-invalid",
            "the cells of this row are separated by semicolons",
            hint="write commas in place of the semicolons; a spreadsheet has that as CSV (comma delimited)",
        )
    if len(fields) < 5 or (len(fields) > 6 and any(fields[6:])):
        raise FormatError(
            "table-row-invalid",
            f"the row {row!r} has {len(fields)} cells",
            hint="write name, type, subtype, offset, size, separated by commas",
        )
    name, type_text, subtype_text, offset_text, size_text, flags_text = (*fields, "")[:6]
    type_ = _parse_name(
        "unknown-partition-type", type_text, {kind.name.lower(): kind for kind in PartitionType}, "partition type"
    )
    subtype = _parse_subtype(type_, subtype_text)
    offset = parse_size(offset_text) if offset_text else None
    if not size_text:
        hint = "write 4096, 0x1000, 4K or 1M after its offset"
        raise FormatError("not-a-size", f"partition {name!r} has no size", hint=hint)
    return PartitionRow(name, type_, subtype, offset, parse_size(size_text), _parse_flags(flags_text), line=number)


def _parse_name(code: str, text: str, names: dict[str, int], kind: str) -> int:
    """Return the number of a name, or the number that is written out; `code` is that of the error."""
    if text.lower() in names:
        return int(names[text.lower()])
    if not text[:1].isdigit():
        raise unknown_name(code, kind, text, names)
    return parse_size(text)


def _parse_subtype(type_: int, text: str) -> int:
    if text:
        return _parse_name("unknown-partition-subtype", text, SUBTYPES.get(type_, {}), "partition subtype")
    if type_ == PartitionType.APP:
        raise FormatError("table-row-invalid", "an app partition needs a subtype", hint="write factory, ota_0 or ota_1")
    # ESP-IDF since 4.3.2; older ones wrote 0, which for data means "ota".
    return SUBTYPES[PartitionType.DATA]["undefined"]


def _parse_flags(text: str) -> int:
    flags = 0
    for word in filter(None, text.split(":")):
        if word not in FLAGS:
            raise unknown_name("unknown-partition-flag", "partition flag", word, FLAGS)
        flags |= FLAGS[word]
    return flags


def is_partition_table(data: bytes) -> bool:
    """Return whether ``data`` starts with an entry of a partition table."""
    return data.startswith(_ENTRY_MAGIC)


def alignment_of(type_: int, app_alignment: int) -> int:
    """Return where partitions of a type may start: at multiples of this, in bytes."""
    return app_alignment if type_ == PartitionType.APP else SECTOR_SIZE
