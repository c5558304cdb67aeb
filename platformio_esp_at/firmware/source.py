"""The URL of a project's firmware: from the name of a release or a package, or from a URL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.boards import module_for_release, select_module
from platformio_esp_at.catalog.modules import LATEST, only_module
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import (
    find_release,
    is_full_name,
    package_at,
    package_named,
)
from platformio_esp_at.errors import SelectionError, located, note, setting
from platformio_esp_at.events import Noticed
from platformio_esp_at.firmware.download import allows_http
from platformio_esp_at.formats.lock_file import Asked, Lock
from platformio_esp_at.request.values import CustomModule, Text
from platformio_esp_at.urls import (
    check_url,
    file_name_of,
    is_url,
    path_of_file_url,
    scheme_of,
    shown,
)

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.events import Report
    from platformio_esp_at.request.values import Firmware, Text


def module_of_release(
    firmware: Text, wanted: Text | CustomModule | None, board: BoardFacts | None
) -> tuple[Module, Module]:
    """Return the module that a release is for, and the one whose package to look up for it.

    They differ if the board's module has a successor. Raises `SelectionError` if neither the user nor the board names
    the module, `UnknownNameError` for an unknown name.
    """
    name = wanted.based_on if isinstance(wanted, CustomModule) else wanted
    if name is not None:
        with located(name.where):
            named = _on_board(board, name.text) if board else only_module(name.text)
        return named, named
    if board is None:
        raise SelectionError(
            "module-missing",
            f"which AT module is firmware {firmware.text} for?",
            where=firmware.where,
            hint=f"name the board that carries it, {setting('board', 'BOARD')}, or the module itself, "
            f"such as {setting('module', 'WROOM-32')}",
        )
    carried = select_module(board)
    flashed = carried if "module" in board.at else module_for_release(carried, firmware.text)
    return find_module(carried.chip, carried.module), find_module(flashed.chip, flashed.module)


def _on_board(board: BoardFacts, name: str) -> Module:
    next_to_it = f"if it is next to this project's chip, write {setting('board', 'none')}"
    return find_module(board.mcu, name, if_of_other_chip=next_to_it)


def local_path(firmware: Firmware) -> Path | None:
    """Return the path in a firmware's ``file:`` URL; None for others."""
    text = firmware.text.text
    return path_of_file_url(text) if is_url(text) and scheme_of(text) == "file" else None


# --- sources ---


@dataclass(frozen=True, slots=True)
class Source:
    """A URL, and what the project asked for."""

    url: str
    asked: Asked
    chip: str | None = None
    """The chip of Espressif's package at this URL; None for other URLs."""

    @property
    def is_espressifs(self) -> bool:
        """Whether it is Espressif's package, which a mirror may replace."""
        return self.chip is not None

    @property
    def release(self) -> str | None:
        """The release that Espressif offers at this URL, such as ``v4.1.1.0``; None for other URLs."""
        found = package_at(self.url)
        return found.release if found else None


def source_of_name(firmware: Text) -> Source:
    """Return the source of a URL, or of the name of a released package."""
    text = firmware.text
    if found := package_at(text) or package_named(text):
        return Source(found.url, Asked(text if is_url(text) else found.name), found.chip)
    with located(firmware.where):
        check_url(text, allow_http=allows_http())
    return Source(text, Asked(shown(text)))


def source_of_release(
    firmware: Text,
    wanted: Text | CustomModule | None,
    board: BoardFacts | None,
    lock: Lock,
    report: Report,
) -> Source:
    """Return the source of a release; for a short name, such as ``latest``, the lock's entry counts if there is one."""
    name = firmware.text.lower()
    carried, flashed = module_of_release(firmware, wanted, board)
    asked = Asked(name, carried.chip, carried.name)
    pinned = next((entry for entry in lock.packages if entry.asked == asked), None)
    if pinned and not is_full_name(name):
        if name == LATEST:
            with suppress(SelectionError):
                newest = find_release(flashed, LATEST).file_name
                if newest != file_name_of(pinned.url):
                    message = (
                        f"{lock.file} keeps {LATEST} at {file_name_of(pinned.url)}, and {newest} is known: "
                        f"to move on, remove the entry firmware: {LATEST}"
                    )
                    report(Noticed(note("lock-keeps-latest", message, locked=pinned.url, known=newest)))
        with located(file=lock.file):
            check_url(pinned.url, allow_http=True)  # a download checks whether http is allowed
        return Source(pinned.url, asked, carried.chip)
    with located(firmware.where):
        found = find_release(flashed, name)
    if found.module != carried.name:
        message = f"{found.release} for {carried.name} is the firmware of {found.module}"
        report(Noticed(note("firmware-of-successor", message, module=found.module)))
    return Source(found.url, asked, found.chip)
