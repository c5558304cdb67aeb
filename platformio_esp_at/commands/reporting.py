"""The report of a project, for people who look: a page, and its pictures as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at.commands.setup import prepare
from platformio_esp_at.errors import EspAtError, note
from platformio_esp_at.events import Noticed, Reported
from platformio_esp_at.files import FileTooLargeError, read_file
from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.flash_map import FlashMap
from platformio_esp_at.outputs.folder import write_beside
from platformio_esp_at.outputs.html import report_page
from platformio_esp_at.outputs.report import REPORT, is_of_plan
from platformio_esp_at.outputs.svg import flash_map_svg, svg_file, wiring_svg
from platformio_esp_at.planning.parameter_sources import parameter_sources

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.planning.plan import FlashPlan

PAGE, FLASH_MAP, WIRING = "esp_at_report.html", "esp_at_flash_map.svg", "esp_at_wiring.svg"
"""Names of the files beside the folder of the image set."""
_LARGEST_RUN = 1 << 20


class ReportFiles(NamedTuple):
    """Which files to write."""

    page: Path | None = None
    flash_map: Path | None = None
    wiring: Path | None = None


def report(setup: Setup, files: ReportFiles | None = None) -> None:
    """Write the report of the plan, with the last run's if that was of this plan, and the pictures; needs no device.

    By default, all of them go beside the folder of the image set. Raises an `EspAtError`.
    """
    job = prepare(setup, lock=False)
    plan, place = job.plan, setup.folder.parent
    wires = connections(plan)
    if files is None:
        files = ReportFiles(place / PAGE, place / FLASH_MAP, place / WIRING if wires else None)
    if files.wiring and wires is None:
        raise EspAtError(
            "wiring-unknown",
            "there is no wiring to draw: AT commands don't come over a UART of this module, or its pins aren't known",
            hint="leave out the picture of the wiring",
        )
    texts: dict[Path, str] = {}
    run = None
    if files.page:
        run = _last_run(setup, plan)
        texts[files.page] = report_page(plan, parameter_sources(plan, job.request), run, setup.spelling)
    if files.flash_map:
        texts[files.flash_map] = svg_file(flash_map_svg(FlashMap.of(plan), plan.module.name))
    if files.wiring and wires:
        texts[files.wiring] = svg_file(wiring_svg(wires))
    for path, text in texts.items():
        write_beside(path, path.name, text.encode())
    setup.report(Reported(tuple(texts), str(run.get("command")) if run else None))


def _last_run(setup: Setup, plan: FlashPlan) -> dict[str, Any] | None:
    """Return what the last run with a device has left, if it was of this plan."""
    file = setup.folder.parent / REPORT
    if not file.exists():
        return None
    try:
        run = json.loads(read_file(file, _LARGEST_RUN))
    except (OSError, FileTooLargeError, ValueError, RecursionError):
        run = None
    if isinstance(run, dict) and is_of_plan(run, plan):
        return run
    message = f"{file} is of another plan, or of an older version: the page has the plan alone"
    setup.report(
        Noticed(note("run-of-other-plan", message, hint="upload, verify or test the module, and report again"))
    )
    return None
