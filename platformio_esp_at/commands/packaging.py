"""The commands of a project that need no device: package, info."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.commands.setup import Setup, prepare
from platformio_esp_at.events import Described, Packaged, Planned
from platformio_esp_at.outputs.folder import write_image_set

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.planning.plan import FlashPlan


def info(setup: Setup) -> None:
    """Report what an upload would do. Writes nothing into the project, needs no device."""
    setup.report(Described(prepare(setup, lock=False).plan))


def package(setup: Setup, *, depfile: Path | None = None) -> FlashPlan:
    """Write the image set, and its depfile if one is named; return the plan."""
    job = prepare(setup)
    setup.report(Planned(job.plan))
    write_image_set(job.plan, setup.folder)
    setup.report(Packaged(job.plan, setup.folder))
    if depfile is not None:
        from platformio_esp_at.commands.inputs import write_depfile  # noqa: PLC0415 - only for a build tool

        write_depfile(depfile, setup, job)
    return job.plan
