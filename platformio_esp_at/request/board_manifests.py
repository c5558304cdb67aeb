"""Board manifests on this machine: the project's own, those of installed dev-platforms, ours, and the AT modules."""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.errors import EspAtError, FormatError, Place, UnknownNameError
from platformio_esp_at.files import is_regular, listed, looked_for, read_file, reading_hint
from platformio_esp_at.request.kinds import is_board_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.catalog.modules import Module

PLATFORM = Path(__file__).parents[1] / "pio" / "platform"
"""The flash-only dev-platform; its boards are also the AT modules by themselves, such as ``esp32c3-at-mini-1``."""

_MAX_MANIFEST_SIZE = 1 << 20


def find_board(board: str, *, own_boards: Path | None = None, platforms: Path | None = None) -> BoardFacts:
    """Return the facts of a board by its id, or by the path of its JSON file.

    ``own_boards``: the project's folder of boards. ``platforms``: the folder where PlatformIO installs dev-platforms
    (None: its default). Raises `UnknownNameError` for an unknown id, `FormatError` for a broken manifest.
    """
    if is_board_file(board):
        return read_board(Path(board))
    folders = list(board_folders(own_boards, platforms))
    for folder in folders:
        file = folder / f"{board}.json"
        if re.fullmatch(r"[\w.+-]+", board) and is_regular(file):
            return read_board(file)
    known = {file.stem for folder in folders for file in manifests(folder)}
    # A similar id may be a board with another chip, so the hint is only for typing errors.
    of_its_kind = [other for other in known if _kind(other) == _kind(board)]
    near = difflib.get_close_matches(board.lower(), of_its_kind, n=3, cutoff=0.8)
    hint = f"did you mean {' or '.join(near)}?\n" if near else ""
    hint += "known are those of installed platforms (pio pkg install -g -p espressif32), and esp-at boards lists them; "
    raise UnknownNameError(
        "unknown-board", f"unknown board {board!r}", hint=f"{hint}the path of a board's JSON file will do, too"
    )


def module_board(module: Module) -> str:
    """Return the board that is an AT module by itself, such as ``esp32c3-at-mini-1``."""
    return f"{module.chip}-at-{module.name}".lower().replace("_", "-")


def _kind(board: str) -> list[str]:
    """Return the parts of a board's id that must match for a hint: ``s3`` of esp32-s3-devkitc-1.

    >>> _kind("esp32-s3-devkitc-1")
    ['p32', 's3', 'c1']
    """
    return re.findall(r"[a-z][0-9]+", re.sub(r"[^a-z0-9]", "", board.lower()))


def read_board(file: Path) -> BoardFacts:
    """Return the facts in a board's JSON file. Raises `FormatError`."""
    try:
        manifest = json.loads(read_file(file, _MAX_MANIFEST_SIZE))
    except FileNotFoundError:
        raise EspAtError(
            "file-not-found",
            "there is no such board file",
            where=Place.at(file=str(file)),
            hint=looked_for(file.absolute()),
        ) from None
    except OSError as error:
        raise EspAtError(
            "unreadable",
            f"can't be read: {error.strerror}",
            where=Place.at(file=str(file)),
            hint=reading_hint(file, error),
        ) from None
    except (ValueError, RecursionError) as error:
        raise FormatError(
            "board-manifest-invalid",
            f"not a board's JSON file: {error}",
            where=Place.at(file=str(file)),
            hint=f"see where it breaks: python -m json.tool {file}; or take the manifest from its dev-platform again",
        ) from None
    return BoardFacts.from_manifest(file.stem, manifest)


def board_folders(own_boards: Path | None = None, platforms: Path | None = None) -> Iterator[Path]:
    """Yield the folders of board manifests, in the order of the search."""
    if own_boards is not None:
        yield own_boards
    yield from (platform / "boards" for platform in listed(platforms or _default_platforms()))
    yield PLATFORM / "boards"


def manifests(folder: Path) -> list[Path]:
    """Return the manifests in one of those folders."""
    return [file for file in listed(folder) if file.suffix == ".json"]


def _default_platforms() -> Path:
    """Return the folder where PlatformIO keeps dev-platforms: see "Core" in its documentation of platformio.ini."""
    if folder := os.environ.get("PLATFORMIO_PLATFORMS_DIR"):
        return Path(folder)
    return Path(os.environ.get("PLATFORMIO_CORE_DIR") or Path.home() / ".platformio") / "platforms"
