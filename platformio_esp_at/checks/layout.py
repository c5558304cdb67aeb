"""Partition tables and images: whether they fit together and into the flash.

Partitions must not overlap, two images must not share a sector, and nothing may end outside the flash.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError, LayoutError, Place, raise_all, setting
from platformio_esp_at.formats.partition_table import APP_ALIGNMENT, TABLE_SPAN, alignment_of
from platformio_esp_at.planning.content import ESSENTIAL, FACTORY_PARAM, MFG_NVS, missing_row_hint
from platformio_esp_at.units import SECTOR_SIZE, align_up, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.formats.partition_table import Partition, PartitionTable
    from platformio_esp_at.planning.plan import FlashPlan


def check_primary(
    table: PartitionTable, *, table_offset: int, flash_size: int | None, app_alignment: int = APP_ALIGNMENT
) -> None:
    """Check that a primary table is sound for a flash of that size (None: not known).

    Raises `LayoutError` with every problem: names used twice, overlaps, misalignment, rows outside the flash.
    """
    _check(table, first=table_offset + TABLE_SPAN, last=flash_size, inside="the flash", app_alignment=app_alignment)


def check_secondary(table: PartitionTable, *, home: Partition) -> None:
    """Check that a secondary table is sound inside ``home``, the primary table's ``at_customize``.

    The first sector of ``home`` holds the table itself. Raises `LayoutError` with every problem.
    """
    _check(table, first=home.offset + TABLE_SPAN, last=home.end, inside=f"the primary table's {home}")


def _check(
    table: PartitionTable, *, first: int, last: int | None, inside: str, app_alignment: int = APP_ALIGNMENT
) -> None:
    problems: list[EspAtError] = []

    def problem(code: str, row: Partition, message: str, hint: str) -> None:
        where = Place.at(line=row.line)
        problems.append(LayoutError(code, f"partition {message}", where=where, hint=hint, partition=row.name))

    names: dict[str, Partition] = {}
    for row in table:
        if row.name in names:
            problem(
                "partition-twice",
                row,
                f"name {row.name!r} is used twice",
                "rename one of the two: the firmware finds partitions by name",
            )
        names.setdefault(row.name, row)
        alignment = alignment_of(row.type, app_alignment)
        if row.offset % alignment:
            problem(
                "partition-misaligned",
                row,
                f"{row} doesn't start at a multiple of {format_offset(alignment)}",
                f"write {format_offset(align_up(row.offset, alignment))} as its offset",
            )
        if not row.size:
            problem("partition-empty", row, f"{row} has no size", "write its size, such as 0x1000")
        if row.offset < first:
            problem(
                "partition-outside",
                row,
                f"{row} starts before {format_offset(first)}",
                f"write {format_offset(first)} or more as its offset: the partition table itself is before that",
            )
        if last is not None and row.end > last:
            problem(
                "partition-outside",
                row,
                f"{row} ends after {format_offset(last)}, the end of {inside}",
                _shrink(row, last),
            )
    by_offset = sorted(table, key=lambda row: (row.offset, row.end))
    for before, row in pairwise(by_offset):
        # What ends outside, or has the name of the other one, is reported already.
        if before.end > row.offset and row.name != before.name and not (last is not None and before.end > last):
            hint = f"move it to {format_offset(align_up(before.end, SECTOR_SIZE))}"
            problem("table-overlap", row, f"{row} overlaps {before}", hint)
    raise_all(problems)


def _shrink(row: Partition, last: int) -> str:
    if row.offset < last:
        return f"write {format_size(last - row.offset)} or less as its size"
    return f"move it to an offset before {format_offset(last)}, or remove the row"


def missing_parameters(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for a plan without the partition that has the UART pins."""
    if not any(region.name in ESSENTIAL for region in plan.regions):
        wanted = MFG_NVS if plan.package.has_mfg_nvs else FACTORY_PARAM
        hint = f"add a row {wanted}: without it the module answers on other pins"
        if plan.secondary_source != plan.package.secondary_image.path:
            hint = missing_row_hint(wanted)
        yield LayoutError(
            "parameters-missing",
            f"the partition table has no {wanted}",
            where=Place.at(file=plan.secondary_source),
            hint=hint,
        )


def misplaced_regions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for an image that starts inside a sector, leaves the flash, or is larger than its partition."""
    homes = {row.offset: (row, Place.at(file=plan.package.primary_image.path)) for row in plan.primary}
    homes |= {row.offset: (row, plan.place_of(row)) for row in plan.secondary}
    for region in plan.regions:
        if region.offset % SECTOR_SIZE:
            message = f"{region.name} goes to {format_offset(region.offset)}, inside a sector of the flash"
            yield LayoutError(
                "image-misaligned",
                message,
                where=Place.at(file=region.path),
                hint=f"write a multiple of {SECTOR_SIZE:#x} before it in download.config",
            )
        row, where = homes.get(region.offset, (None, None))
        too_large = row is not None and len(region.data) > row.size
        if region.end > plan.flash_size and not too_large:
            message = f"{region.name} ends at {format_offset(region.end)}, the flash has {format_size(plan.flash_size)}"
            yield LayoutError(
                "image-outside-flash",
                message,
                where=Place.at(file=region.path),
                hint="place it lower, or take a module with more flash",
            )
        if row and too_large:
            yield LayoutError(
                "content-too-large",
                f"partition {row.name!r} has {row.size} bytes, its content ({region.origin}) {len(region.data)}",
                where=where,
                hint="make the partition larger, or its content smaller",
                partition=row.name,
                size=row.size,
            )


def overlapping_regions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for two images in one sector: writing the second would erase the end of the first."""
    for before, region in pairwise(sorted(plan.regions, key=lambda region: region.offset)):
        if before.erase_end > region.offset:
            yield LayoutError(
                "image-overlap",
                f"{region.path} at {format_offset(region.offset)} would be written over {before.path}, "
                f"which takes {format_offset(before.offset)}…{format_offset(before.erase_end)}",
                hint=f"move one of the two: no two images can share a sector ({SECTOR_SIZE:#x} bytes)",
            )


def overwritten_partitions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for an image outside the tables that overlaps a partition that an update keeps."""
    homes = {row.offset for table in (plan.primary, plan.secondary) for row in table}
    outside = [region for region in plan.regions if region.offset not in homes]
    for region in outside:
        for row in plan.kept:
            if region.offset < row.end and row.offset < region.erase_end:
                message = f"it takes {format_offset(region.offset)}…{format_offset(region.erase_end)}, inside {row}"
                hint = "move it to where no partition is"
                yield LayoutError(
                    "image-over-partition",
                    f"{message}, which an update keeps",
                    where=Place.at(file=region.path),
                    hint=hint,
                )


def moved_partitions(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for a partition of the project's own that can't stay where it is and would lose its content.

    Its offset is blank in the CSV, so nobody asked for the move, and nothing is written to it.
    """
    written = {region.name for region in plan.regions}
    for own in plan.own:
        row = own.partition
        if own.recorded is None or not own.moves or own.is_fixed or row.name in written:
            continue
        was, now = format_offset(own.recorded), format_offset(row.offset)
        content = setting(f"data.{row.name}", "FILE")
        yield LayoutError(
            "partition-would-move",
            f"partition {row.name!r} can't stay at {was} with {plan.package.name}: {own.obstacle}",
            where=plan.place_of(row),
            hint=f"what it holds would be lost: give it content, {content}; or write {now} as its offset to move it "
            f"without its content; or remove its entry from partitions: in {own.lock_file}",
            partition=row.name,
            recorded=own.recorded,
            offset=row.offset,
        )
