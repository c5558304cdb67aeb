"""From what a project calls its firmware to the firmware package: opened where it is, or fetched once.

A path is opened where it is. A release's name (``v4.1.1.0``, ``latest``) or a package's becomes a URL by the catalog;
what is there is brought into the cache of all projects, by way of a mirror if one is set. ``esp_at.lock`` has what it
was when the project first used it: from then on only that content counts, wherever it comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import located
from platformio_esp_at.firmware.package import FoundFirmware
from platformio_esp_at.firmware.reading import open_package

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.events import Report
    from platformio_esp_at.request.values import CustomModule, Firmware, Text


def find_firmware(
    firmware: Firmware,
    module: Text | CustomModule | None,
    board: BoardFacts | None,
    *,
    project: Path,
    report: Report,
) -> FoundFirmware:
    """Return the firmware package that a project means.

    ``module`` and ``board`` are for the name of a release, which has a package for each module. ``project`` is the
    folder of the lock file: what differs from it is refused. Raises `SelectionError` where no package is known for the
    module, `PackageError` for one that can't be had, isn't the locked one, or isn't good.
    """
    if firmware.path is not None:
        with located(firmware.text.where):
            return FoundFirmware(open_package(firmware.path))
    from platformio_esp_at.firmware import fetch  # noqa: PLC0415 - 20 ms that only a name or a URL needs

    return fetch.fetch_firmware(firmware, module, board, project=project, report=report)
