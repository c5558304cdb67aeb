"""The commands of a project that need no device: package, info, table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.commands.setup import Setup, ask, find, prepare, recorded_offsets
from platformio_esp_at.events import Described, Noticed, Packaged, Planned, TableMade
from platformio_esp_at.outputs.folder import write_image_set
from platformio_esp_at.planning.selection import select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from platformio_esp_at.planning.plan import FlashPlan


def info(setup: Setup) -> None:
    """Report what an upload would do. Writes nothing into the project, needs no device."""
    setup.report(Described(prepare(setup, lock=False).plan))


def package(setup: Setup, *, depfile: Path | None = None) -> FlashPlan:
    """Write the image set, and its depfile if one is named; return the plan."""
    job = prepare(setup)
    setup.report(Planned(job.plan))
    for notice in job.plan.notes:
        setup.report(Noticed(notice))
    write_image_set(job.plan, setup.folder)
    setup.report(Packaged(job.plan, setup.folder))
    if depfile is not None:
        from platformio_esp_at.commands.inputs import write_depfile  # noqa: PLC0415 - only for a build tool

        write_depfile(depfile, setup, job)
    return job.plan


def table(setup: Setup, *, primary: bool = False, of_package: bool = False) -> None:
    """Report the user partition table as CSV, or the ``primary`` one. Writes nothing, needs no device.

    ``of_package``: that of the firmware package alone, whatever else the project has. Raises an `EspAtError` for a
    package that can't be found, or for a CSV that can't be added to it; a table isn't checked.
    """
    asked = ask(setup, only=_NAMES_A_PACKAGE if of_package or primary else None)
    found = find(setup, asked)
    package, csv = found.package, asked.request.partitions
    if primary:
        setup.report(TableMade((package.name,), package.primary.to_csv()))
        return
    from platformio_esp_at.planning.own_partitions import free_room, user_table  # noqa: PLC0415 - only for a table

    recorded: Mapping[str, int] = {}
    if csv is not None:
        recorded = recorded_offsets(setup, asked, found, select(asked.request.module, asked.board, package))
    made, own = user_table(package, csv, recorded, setup.lock_file)
    sources = (*((package.name,) if own or not csv else ()), *((csv.label,) if csv else ()))
    setup.report(TableMade(sources, made.to_csv(), home=package.home, free=free_room(package, made)))


_NAMES_A_PACKAGE = ("firmware", "board", "module")
"""The options that say which firmware package it is: a release has one for each module."""
