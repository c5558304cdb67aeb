"""Notes about a plan: partitions that are added, moved or replaced, and what the request leaves half done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import Place, note, setting, warning
from platformio_esp_at.planning.content import inside_mfg_nvs
from platformio_esp_at.units import format_offset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from platformio_esp_at.errors import Notice
    from platformio_esp_at.firmware.package import FirmwarePackage
    from platformio_esp_at.formats.partition_table import Partition, PartitionTable
    from platformio_esp_at.planning.own_partitions import OwnPartition
    from platformio_esp_at.planning.plan import Region
    from platformio_esp_at.request.options import Request


def notes_of_request(package: FirmwarePackage, request: Request, secondary: PartitionTable) -> Iterator[Notice]:
    """Yield what a request does not do, or does by half: images, partition types, skipped partitions, keys."""
    for image in package.args.images:
        name = package.name_of(image)
        if package.is_user_image(image) and not secondary.find(name):
            message = f"{image.path} is not written, since the partition CSV has no row {name}: the firmware misses it"
            hint = f"add the row {name} to {request.partitions.label if request.partitions else 'the CSV'}"
            yield warning("image-not-written", message, hint=hint, partition=name)
    for row in secondary:
        own = package.secondary.find(row.name)
        if own and (own.type, own.subtype) != (row.type, row.subtype):
            was, now = (f"{table_row.type_name}, {table_row.subtype_name}" for table_row in (own, row))
            message = f"{row.name} is {now} in the partition CSV, and {was} in the firmware package"
            yield note("partition-type-changed", message, partition=row.name)
    for skipped in request.skip:
        if skipped.text in inside_mfg_nvs(package):
            message = f"{skipped.text} is in mfg_nvs: it can't be skipped by itself, and stays as the package has it"
            yield note("skip-without-effect", message, where=skipped.where, partition=skipped.text)
    for name in request.pki:
        role, _, kind = name.rpartition("_")
        partner = {"cert": f"{role}_key", "key": f"{role}_cert"}.get(kind)
        if partner and partner not in request.pki and partner not in request.data:
            message = f"{name} is the project's, {partner} stays as the firmware package has it: they won't match"
            yield warning(
                "pki-half-changed",
                message,
                certificate_or_key=name,
                partner=partner,
                hint=f"write {setting(f'pki.{partner}', 'FILE')}, too",
            )


def is_in_place(row: Partition, table: PartitionTable) -> bool:
    """Return whether a table has a partition of that name, offset and size."""
    own = table.find(row.name)
    return own is not None and (own.offset, own.size) == (row.offset, row.size)


def moves(
    package: FirmwarePackage, secondary: PartitionTable, regions: Sequence[Region], known: Collection[str]
) -> Iterator[Notice]:
    """Yield a note for each partition that the project's table adds or moves, or that another image overwrites.

    ``known``: the added partitions that aren't new, see `moves_of_own`.
    """
    written = {region.name for region in regions}
    for row in secondary:
        if row.name in written or row.name in known or is_in_place(row, package.secondary):
            continue
        own = package.secondary.find(row.name)
        was = f"was {own} in the firmware package: what it held is not moved" if own else "is new"
        yield note(
            "partition-moved", f"{row} {was}; its first content is what the flash has there now", partition=row.name
        )
    for row in package.secondary:
        over = next((region for region in regions if region.offset < row.end and row.offset < region.erase_end), None)
        if over and over.name != row.name and secondary.find(row.name) != row:
            yield note(
                "partition-replaced", f"{over.name} is written where the firmware package had {row}", partition=row.name
            )


def moves_of_own(known: Iterable[OwnPartition], regions: Iterable[Region], source: str) -> Iterator[Notice]:
    """Yield what there is to know of added partitions that the lock file has, and that keep their content."""
    written = {region.name for region in regions}
    for own in known:
        row, recorded = own.partition, own.recorded
        if row.name in written or recorded is None:
            continue
        if own.moves:
            message = f"{row} was at {format_offset(recorded)}: what it held is not moved"
            hint = f"to keep what it holds, write {format_offset(recorded)} as its offset"
            if own.obstacle:
                content = setting(f"data.{row.name}", "FILE")
                hint = f"it can't stay there, since {own.obstacle}: if it needs content, write {content}"
            where = Place.at(file=source, line=row.line)
            yield warning("partition-moved", message, where=where, hint=hint, partition=row.name)
        elif not own.is_first_free:
            message = f"{row} stays where {own.lock_file} has it, so that it keeps what it holds"
            yield note("partition-stays", message, partition=row.name)
