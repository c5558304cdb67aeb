"""Find the firmware package that a project names: open a path, or download the package once.

The catalog has the URL for the name of a release (``v4.1.1.0``, ``latest``) or of a package. The file is downloaded
into the cache of all projects, from a mirror if one is set. ``esp_at.lock`` records its size and SHA-256 when the
project first uses it: from then on, only this content is accepted, from any source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import located
from platformio_esp_at.firmware.package import FoundFirmware
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.lock_file import LOCK_FILE

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
    lock_file: str = LOCK_FILE,
    report: Report,
    offline: bool = False,
) -> FoundFirmware:
    """Return the firmware package that a project names.

    ``module`` and ``board`` choose the package of a release, which has one for each module. ``lock_file`` is in the
    folder ``project``; a package that differs from its entry is refused. Raises `SelectionError` if no package is known
    for the module, `PackageError` for one that can't be downloaded, isn't the locked one, or is invalid; ``offline``,
    also for one that would have to be downloaded.
    """
    if firmware.path is not None:
        with located(firmware.text.where):
            return FoundFirmware(open_package(firmware.path))
    from platformio_esp_at.firmware import fetch  # noqa: PLC0415 - 20 ms that only a name or a URL needs

    return fetch.fetch_firmware(
        firmware, module, board, project=project, lock_file=lock_file, report=report, offline=offline
    )
