"""Board manifests on this machine: the project's own, those of installed dev-platforms, ours, and the AT modules."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.chips import chip
from platformio_esp_at.catalog.modules import modules
from platformio_esp_at.errors import FormatError, unknown_name
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLATFORM = Path(__file__).parent / "pio" / "platform"
"""The flash-only dev-platform."""

_MAX_MANIFEST_SIZE = 1 << 20


def find_board(board_id: str, *, own_boards: Path | None = None, platforms: Path | None = None) -> BoardFacts:
    """Return the facts of a board by its id.

    ``own_boards`` is the project's folder of boards, ``platforms`` the one that PlatformIO installs dev-platforms in
    (None: its default). Raises `UnknownNameError` for an id that is nowhere, `FormatError` for a broken manifest.
    """
    if manifest := module_boards().get(board_id):
        return BoardFacts.from_manifest(board_id, manifest)
    for folder in board_folders(own_boards, platforms):
        file = folder / f"{board_id}.json"
        if re.fullmatch(r"[\w.+-]+", board_id) and file.is_file():
            return read_board(file)
    known = {file.stem for folder in board_folders(own_boards, platforms) for file in folder.glob("*.json")}
    known |= module_boards().keys()
    error = unknown_name("board", board_id, known)
    if len(known) > 40 and error.hint and error.hint.startswith("known"):
        error.hint = "a board that is installed with its platform, or the path of a board's JSON file"
    raise error


def read_board(file: Path) -> BoardFacts:
    """Return the facts in a board's JSON file. Raises `FormatError`."""
    try:
        with file.open("rb") as stream:
            manifest = json.loads(stream.read(_MAX_MANIFEST_SIZE))
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"not a board's JSON file: {error}", where=str(file)) from None
    return BoardFacts.from_manifest(file.stem, manifest)


def board_folders(own_boards: Path | None = None, platforms: Path | None = None) -> Iterator[Path]:
    """Yield the folders that hold board manifests, the first to look in first."""
    if own_boards is not None:
        yield own_boards
    yield from sorted((platforms or _default_platforms()).glob("*/boards"))
    yield PLATFORM / "boards"


def module_boards() -> Mapping[str, Mapping[str, Any]]:
    """Return a board manifest for every AT module by itself, such as ``esp32c3-at-mini-1``."""
    return {
        f"{module.chip}-at-{module.name}".lower().replace("_", "-"): {
            "name": f"AT module {chip(module.chip).display_name} {module.name}",
            "vendor": "Espressif",
            "url": "https://docs.espressif.com/projects/esp-at/",
            "build": {"mcu": module.chip},
            "upload": {
                "flash_size": format_size(module.flash_size),
                "maximum_size": module.flash_size,
                "speed": 460800,
            },
            "at": {"module": module.name},
        }
        for module in modules()
    }


def _default_platforms() -> Path:
    """Return the folder where PlatformIO keeps dev-platforms: see "Core" in its documentation of platformio.ini."""
    if folder := os.environ.get("PLATFORMIO_PLATFORMS_DIR"):
        return Path(folder)
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio") / "platforms"
