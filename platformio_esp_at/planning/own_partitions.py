"""The user partition table of a project: the firmware package's, with partitions of the project's own if it has any.

A CSV that names a partition of the package, or one that ESP-AT has in any release, is the whole table. Any other CSV
has rows that are added to the package's table, so that it serves packages of both generations:

1. A row with an offset is there.
2. A row without one stays where ``esp_at.lock`` has it, if that place is free in this package's table.
3. All others go, in the order of the CSV, to the first free place inside ``at_customize`` that they fit into.

The rows of the package stay as they are; the added ones are put in between by their offsets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import EspAtError, FormatError, LayoutError, Place, located, near_names, raise_all
from platformio_esp_at.formats.lock_file import LOCK_FILE
from platformio_esp_at.formats.partition_table import (
    APP_ALIGNMENT,
    MAX_PARTITIONS,
    TABLE_SPAN,
    Partition,
    PartitionRow,
    PartitionRows,
    PartitionTable,
    alignment_of,
)
from platformio_esp_at.planning.content import AT_PARTITIONS
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.request.values import InputFile


class OwnPartition(NamedTuple):
    """A partition of the project's own that was added to the firmware package's table."""

    partition: Partition
    is_fixed: bool
    """Whether the CSV gives its offset."""
    recorded: int | None
    """Where the lock file has it; None if it doesn't know it."""
    obstacle: str
    """Why it can't be there, for people; empty where it can."""
    is_first_free: bool
    """Whether it would be where it is without the record, too."""
    lock_file: str = LOCK_FILE
    """The name of the project's lock file."""

    @property
    def moves(self) -> bool:
        """Whether it isn't where the lock file has it."""
        return self.recorded not in (None, self.partition.offset)

    @property
    def is_unrecorded(self) -> bool:
        """Whether the lock file has to be told its place: a CSV that gives the offset is a record itself."""
        return self.moves or (self.recorded is None and not self.is_fixed)


class UserTable(NamedTuple):
    """The user partition table of a project."""

    table: PartitionTable
    own: tuple[OwnPartition, ...] = ()
    """The partitions that were added; none where the CSV is the whole table."""


def user_table(
    package: FirmwarePackage, csv: InputFile | None, recorded: Mapping[str, int], lock_file: str = LOCK_FILE
) -> UserTable:
    """Return the user table of ``package`` with the rows of ``csv``, or that of ``csv`` if it has the whole table.

    ``recorded``: the offsets of added partitions in the project's lock file, by name. Raises `FormatError` for a CSV
    that can't be understood, `LayoutError` for rows that can't be added to this package's table.
    """
    if csv is None:
        return UserTable(package.secondary)
    text = csv.text()
    with located(file=csv.label):
        rows = PartitionRows.from_csv(text)
        names = AT_PARTITIONS.union(row.name for row in package.secondary)
        if any(row.name in names for row in rows):
            table = rows.placed(first_offset=package.secondary_image.offset + SECTOR_SIZE)
            table.to_bytes()  # refuses a table that is too long, while the file is known
            return UserTable(table)
        return _added(package, rows, recorded, lock_file)


def free_room(package: FirmwarePackage, table: PartitionTable) -> tuple[tuple[int, int], ...]:
    """Return what is free inside ``at_customize`` besides the partitions of ``table``: first offset, and the end."""
    return tuple(_gaps(package.home, _occupied(package, table)))


class _Span(NamedTuple):
    """Flash that is occupied."""

    start: int
    end: int
    by: str
    """For people."""

    @classmethod
    def of(cls, partition: Partition) -> _Span:
        """Return what a partition occupies."""
        return cls(partition.offset, partition.end, str(partition))


def _occupied(package: FirmwarePackage, table: PartitionTable) -> list[_Span]:
    """Return what the partitions of a table occupy, and the images that aren't for a partition of the package's."""
    homes = {row.offset for row in package.secondary}
    others = [image for image in package.args.images if image.offset not in homes]
    images = [_Span(image.offset, image.offset + len(package.files[image.path]), image.path) for image in others]
    return [*map(_Span.of, table), *images]


def _gaps(home: Partition, occupied: Iterable[_Span]) -> Iterator[tuple[int, int]]:
    """Yield what is free inside ``home`` after the table's own sector, in whole sectors: first offset, and the end."""
    at = home.offset + TABLE_SPAN
    for span in sorted(occupied):
        end = min(span.start, home.end) // SECTOR_SIZE * SECTOR_SIZE
        if at < end:
            yield at, end
        at = max(at, align_up(span.end, SECTOR_SIZE))
    if at < home.end:
        yield at, home.end


def _added(package: FirmwarePackage, rows: PartitionRows, recorded: Mapping[str, int], lock_file: str) -> UserTable:
    _check_number(package, rows)
    home, occupied = package.home, _occupied(package, package.secondary)
    fixed, problems = _fixed(home, rows, occupied)
    taken = [*occupied, *map(_Span.of, fixed.values())]
    open_rows = [row for row in rows if row.offset is None]
    placed, unplaced = _place(home, open_rows, taken, recorded)
    raise_all([*problems, *unplaced])
    afresh, _ = _place(home, open_rows, taken, {})
    partitions = [fixed.get(row.line) or placed[row.line] for row in rows]
    own = []
    for partition, row in zip(partitions, rows, strict=True):
        before, obstacle = recorded.get(row.name), ""
        if before is not None and before != partition.offset:
            others = [*occupied, *(_Span.of(other) for other in partitions if other is not partition)]
            obstacle = _obstacle(replace(partition, offset=before), home, others)
        own.append(
            OwnPartition(
                partition,
                is_fixed=row.offset is not None,
                recorded=before,
                obstacle=obstacle,
                is_first_free=row.offset is not None or afresh.get(row.line) == partition,
                lock_file=lock_file,
            )
        )
    return UserTable(_merged(package.secondary, partitions), tuple(own))


def _check_number(package: FirmwarePackage, rows: PartitionRows) -> None:
    """Refuse more rows than a table has room for: placing them takes time."""
    number = len(rows.rows) + len(package.secondary.partitions)
    if number > MAX_PARTITIONS:
        raise FormatError(
            "table-full",
            f"{len(rows.rows)} partitions and those of the firmware package are {number}: more than a table holds",
            hint=f"leave out {number - MAX_PARTITIONS} of them: a table has room for {MAX_PARTITIONS}",
        )


def _merged(table: PartitionTable, own: Iterable[Partition]) -> PartitionTable:
    """Return a table with more rows, each in front of the first row of the table that is after it in flash."""
    left, merged = sorted(own, key=lambda row: row.offset), []
    for row in table:
        while left and left[0].offset < row.offset:
            merged.append(left.pop(0))
        merged.append(row)
    return PartitionTable((*merged, *left), md5=table.md5)


def _fixed(
    home: Partition, rows: PartitionRows, occupied: Iterable[_Span]
) -> tuple[dict[int, Partition], list[EspAtError]]:
    """Return the partitions whose offset the CSV gives, by line, and a problem for each that overlaps another one."""
    fixed: dict[int, Partition] = {}
    problems: list[EspAtError] = []
    spans = list(occupied)
    for row in rows:
        if row.offset is None:
            continue
        partition = row.at(row.offset)
        if other := _first_overlap(partition, spans):
            problems.append(_overlap(partition, other, [*_gaps(home, spans)]))
        fixed[row.line] = partition
        spans.append(_Span.of(partition))
    return fixed, problems


def _place(
    home: Partition, rows: Iterable[PartitionRow], occupied: Iterable[_Span], recorded: Mapping[str, int]
) -> tuple[dict[int, Partition], list[EspAtError]]:
    """Place rows without an offset: those that are recorded where they are, if they can stay, then all others.

    Returns the partitions by the line of the CSV, and a problem for each row that can't be placed.
    """
    spans, problems = list(occupied), list[EspAtError]()
    placed: dict[int, Partition] = {}

    def put(partition: Partition, line: int) -> None:
        placed[line] = partition
        spans.append(_Span.of(partition))

    for row in rows:
        if row.name in recorded and row.size >= 0:
            partition = row.at(recorded[row.name])
            if not _obstacle(partition, home, spans):
                put(partition, row.line)
    for row in rows:
        if row.size < 0:
            problems.append(_no_size(row))
        elif row.line not in placed:
            gaps = list(_gaps(home, spans))
            offset = next((at for at, end in _starts(row, gaps) if at + row.size <= end), None)
            if offset is None:
                problems.append(_no_room(row, home, gaps))
            else:
                put(row.at(offset), row.line)
    return placed, problems


def _starts(row: PartitionRow, gaps: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield where a row can start in each gap, and the end of the gap."""
    return ((align_up(start, alignment_of(row.type, APP_ALIGNMENT)), end) for start, end in gaps)


def _first_overlap(partition: Partition, spans: Iterable[_Span]) -> _Span | None:
    return next((span for span in spans if span.start < partition.end and partition.offset < span.end), None)


def _obstacle(partition: Partition, home: Partition, spans: Iterable[_Span]) -> str:
    """Return why a partition can't be there, empty where it can."""
    if partition.offset < home.offset + TABLE_SPAN or partition.end > home.end:
        return f"it would be outside {home}"
    if other := _first_overlap(partition, spans):
        return f"{other.by} is there"
    if partition.offset % alignment_of(partition.type, APP_ALIGNMENT):
        return "no partition of its type can start there"
    return ""


# --- problems ---


def _overlap(partition: Partition, other: _Span, gaps: Sequence[tuple[int, int]]) -> LayoutError:
    near = near_names(partition.name, AT_PARTITIONS)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return LayoutError(
        "table-overlap",
        f"partition {partition} overlaps {other.by}",
        where=Place.at(line=partition.line),
        hint=f"{meant}leave its offset blank, or write one that is free: {_in_words(gaps)}",
        partition=partition.name,
    )


def _no_room(row: PartitionRow, home: Partition, gaps: Sequence[tuple[int, int]]) -> LayoutError:
    largest = max((end - at for at, end in _starts(row, gaps)), default=0)
    smaller = f"make it {format_size(largest)} or smaller; or " if largest > 0 else ""
    return LayoutError(
        "partition-no-room",
        f"partition {row.name!r} of {format_size(row.size)} doesn't fit into {home}; free there: {_in_words(gaps)}",
        where=Place.at(line=row.line),
        hint=f"{smaller}print the whole table with esp-at table, and make other partitions smaller in it",
        partition=row.name,
        size=row.size,
        largest=max(largest, 0),
    )


def _no_size(row: PartitionRow) -> FormatError:
    return FormatError(
        "table-row-invalid",
        f"partition {row.name!r} has neither an offset nor a size: {row.size} is an end",
        where=Place.at(line=row.line),
        hint="write its size without the minus, such as 4K, or its offset",
    )


def _in_words(gaps: Iterable[tuple[int, int]]) -> str:
    words = (f"{format_offset(at)}…{format_offset(end)} ({format_size(end - at)})" for at, end in gaps)
    return ", ".join(words) or "nothing"
