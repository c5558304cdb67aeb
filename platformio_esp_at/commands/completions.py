"""What a shell can complete: modules, boards, releases, ports, chips, codes, and names inside an option's value."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.catalog.modules import LATEST, modules
from platformio_esp_at.catalog.releases import released_packages
from platformio_esp_at.commands.explain import all_codes
from platformio_esp_at.commands.setup import NO_BOARD
from platformio_esp_at.formats.pki import PKI_SLOTS
from platformio_esp_at.planning.content import BLE_DATA, FILE_PARTITIONS, MFG_NVS
from platformio_esp_at.planning.mfg_nvs import ENCODINGS
from platformio_esp_at.request.board_manifests import board_folders, manifests
from platformio_esp_at.request.kinds import Completes
from platformio_esp_at.request.project_files import names_of_modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def completions(what: Completes, incomplete: str) -> list[str]:
    """Return the values that start with ``incomplete``, sorted; case is ignored. The shell itself completes files."""
    start = incomplete.casefold()
    find = _FINDERS.get(what)
    return sorted({word for word in find() if word.casefold().startswith(start)}) if find else []


def _releases() -> Iterable[str]:
    return (LATEST, *(package.release for package in released_packages()))


def _boards() -> Iterable[str]:
    return (NO_BOARD, *_known_boards())


def _known_boards() -> Iterable[str]:
    return (file.stem for folder in board_folders() for file in manifests(folder))


def _modules() -> Iterable[str]:
    return (name for module in modules() for name in (module.name, module.full_name))


def _parameters() -> Iterable[str]:
    return (f"{name}=" for name in ENCODINGS)


def _certificates() -> Iterable[str]:
    return (f"{name}=" for name in PKI_SLOTS)


def _partitions() -> Iterable[str]:
    return (BLE_DATA, *FILE_PARTITIONS, *PKI_SLOTS)


def _content() -> Iterable[str]:
    return (f"{name}=" for name in (*FILE_PARTITIONS, MFG_NVS))


def _ports() -> Iterable[str]:
    from serial.tools.list_ports import comports  # noqa: PLC0415 - esptool depends on it

    return (port.device for port in comports())


def _chips() -> Iterable[str]:
    return (chip.key for chip in chips())


def _codes() -> Iterable[str]:
    return (found.code for found in all_codes())


def _project_files() -> Iterable[str]:
    return names_of_modules(Path())


_FINDERS: Mapping[Completes, Callable[[], Iterable[str]]] = {
    Completes.FIRMWARE: _releases,
    Completes.BOARDS: _boards,
    Completes.KNOWN_BOARDS: _known_boards,
    Completes.MODULES: _modules,
    Completes.PARAMETERS: _parameters,
    Completes.CERTIFICATES: _certificates,
    Completes.PARTITIONS: _partitions,
    Completes.CONTENT: _content,
    Completes.PORTS: _ports,
    Completes.CHIPS: _chips,
    Completes.CODES: _codes,
    Completes.PROJECT_FILES: _project_files,
}
