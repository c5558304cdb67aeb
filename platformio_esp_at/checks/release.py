"""The firmware package beside its own release: where its partition tables and its application differ from that.

Users build ESP-AT themselves, with tables of their own: a difference alone is never refused.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.layouts import Layout, layouts_of, release_layouts
from platformio_esp_at.errors import EspAtError, Notice, PackageError, Place, note, warning
from platformio_esp_at.formats.partition_table import PartitionTable, PartitionType
from platformio_esp_at.planning.content import FACTORY_PARAM, MFG_NVS
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.formats.partition_table import Partition
    from platformio_esp_at.planning.plan import FlashPlan

NVS = "nvs"
_AS_RELEASED = "if nobody built it so on purpose, take the package as Espressif releases it"


def layout_of_release(plan: FlashPlan) -> Layout | None:
    """Return the layout that the package's release has for it; None if the catalog doesn't know it.

    Firmware for one module may be flashed to another, so it is the one that the package has exactly, else the module's.
    """
    package, row = plan.package, plan.module.row
    if package.release is None:
        return None
    layouts = release_layouts(plan.chip.key, package.release)
    own = layouts.get(row.module_config) if row else None
    return next((layout for layout in layouts.values() if _is_that_of(plan, layout)), own)


def table_offsets(plan: FlashPlan, release: Layout | None) -> tuple[int, ...]:
    """Return where the bootloader may look for the primary table: in the package's release, or in one of its layout.

    If neither is known, the bootloader may be of any release for the chip. Offsets are in bytes, the newest last.
    """
    if release:
        return (release.table_offset,)
    known = layouts_of(plan.chip.key)
    offsets = tuple(dict.fromkeys(layout.table_offset for layout in known))
    if len(offsets) > 1:
        alike = dict.fromkeys(layout.table_offset for layout in known if _is_that_of(plan, layout))
        return tuple(alike) or offsets
    return offsets


def _is_that_of(plan: FlashPlan, layout: Layout) -> bool:
    """Return whether a package's tables are exactly those of a layout."""
    package = plan.package
    return package.primary.partitions == _rows(layout.primary) and package.secondary.partitions == _rows(
        layout.secondary
    )


@functools.cache
def _rows(csv: str) -> tuple[Partition, ...]:
    return PartitionTable.from_csv(csv, first_offset=0).partitions


def other_generation(plan: FlashPlan) -> Iterator[EspAtError]:
    """Yield a problem for an application that keeps its parameters elsewhere than the user partition table does.

    An application that reads ``mfg_nvs`` contains that name; one up to v3.0.0.0 only contains ``factory_param``.
    """
    package = plan.package
    if package.has_mfg_nvs and package.reads(FACTORY_PARAM) and not package.reads(MFG_NVS):
        wanted, has = FACTORY_PARAM, MFG_NVS
    elif not package.has_mfg_nvs and package.reads(MFG_NVS):
        wanted, has = MFG_NVS, FACTORY_PARAM
    else:
        return
    message = f"the application reads its parameters from {wanted}, the user partition table has {has}"
    hint = "the package is a mixture of two releases: take all of its files from one"
    yield PackageError("application-other-generation", message, where=Place.at(package=package.name), hint=hint)


def differences_from_release(plan: FlashPlan, release: Layout | None) -> Iterator[Notice]:
    """Yield what the package's own tables have otherwise than its release."""
    if release is None:
        return
    package = plan.package
    tables = (
        (package.primary, release.primary, package.primary_image.path),
        (package.secondary, release.secondary, package.secondary_image.path),
    )
    for table, csv, file in tables:
        expected = PartitionTable(_rows(csv))
        yield from _missing(table, expected, Place.at(file=file), str(package.release))
        yield from _changed(table, expected, Place.at(file=file), str(package.release))


def _missing(table: PartitionTable, expected: PartitionTable, where: Place, release: str) -> Iterator[Notice]:
    for row in expected:
        if table.find(row.name):
            continue
        loss = ": no update over the air is possible" if row.type == PartitionType.APP else ""
        yield warning(
            "layout-partition-missing",
            f"the table has no {row.name}, {release} has {row}{loss}",
            hint=_AS_RELEASED,
            where=where,
            partition=row.name,
        )


def _changed(table: PartitionTable, expected: PartitionTable, where: Place, release: str) -> Iterator[Notice]:
    rows = [row for row in table if row != expected.find(row.name)]
    if rows:
        names = ", ".join(row.name for row in rows)
        message = f"other partitions than {release} has: {names}"
        yield note("layout-differs", message, where=where, partitions=tuple(row.name for row in rows))
    for row in rows:
        usual = expected.find(row.name)
        if usual is None:
            continue
        if usual.type == PartitionType.APP and (row.type, row.subtype) != (usual.type, usual.subtype):
            message = f"{row} is {row.type_name}, {row.subtype_name}, in {release} {usual.type_name}, "
            message += f"{usual.subtype_name}: no update over the air is possible"
            yield warning("layout-slot-type", message, hint=_AS_RELEASED, where=where, partition=row.name)
        elif usual.name == NVS and (row.offset, row.size) != (usual.offset, usual.size):
            message = f"{row} is elsewhere than in {release} ({usual}): what a module with that has saved is lost"
            yield warning("layout-nvs-moved", message, hint=_AS_RELEASED, where=where, partition=row.name)
        elif row.type == PartitionType.APP and row.size < usual.size:
            message = f"{row} is smaller than in {release} ({format_size(usual.size)}): an update may not fit"
            yield warning(
                "layout-slot-small", message, hint=_AS_RELEASED, where=where, partition=row.name, size=row.size
            )
