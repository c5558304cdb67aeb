"""Lists of modules, releases and boards. ``--json`` has every field, the text table has some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog import chips
from platformio_esp_at.catalog.boards import BoardFacts, module_for_release, select_module
from platformio_esp_at.catalog.modules import LATEST, data_layout, modules, modules_named, release_key
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import find_release, released_packages
from platformio_esp_at.errors import EspAtError, SelectionError
from platformio_esp_at.outputs.tables import table, wrap
from platformio_esp_at.request.board_manifests import board_folders, manifests, read_board
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]

_UART = ("uart_tx_pin", "uart_rx_pin", "uart_cts_pin", "uart_rts_pin", "uart_baudrate")


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows, and the columns of the text table: the heading, and the key in the row."""

    columns: Mapping[str, str]
    rows: tuple[Row, ...]
    note: str = ""
    """Text below the table."""

    def as_text(self, width: int | None = None) -> str:
        """Return a table, and the note, in the columns of a terminal."""
        lines = table(list(self.columns), [self._cells(row) for row in self.rows], width) if self.rows else ["none"]
        return "\n".join([*lines, *(part for line in self.note.splitlines() for part in wrap(line, width, "  "))])

    def _cells(self, row: Row) -> Sequence[str]:
        return [_cell(key, row.get(key), row) for key in self.columns.values()]


def _cell(key: str, value: object, row: Row) -> str:
    if key == "package" and row["by_request"]:
        return "request form"
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    return format_size(value) if key == "flash_size" and isinstance(value, int) else str(value)


def list_modules(chip: str | None = None) -> Listing:
    """Return the AT modules, of one chip or of all. Raises as `chips.chip`."""
    columns = {
        "Chip": "chip",
        "Module": "name",
        "Flash": "flash_size",
        "TX": "uart_tx_pin",
        "RX": "uart_rx_pin",
        "CTS": "uart_cts_pin",
        "RTS": "uart_rts_pin",
        "Baud": "uart_baudrate",
        "What it is": "description",
    }
    rows = (
        {
            "chip": module.chip,
            "name": module.name,
            "description": module.description,
            "flash_size": module.flash_size,
            **{name: getattr(module, name) for name in _UART},
            "psram": module.psram,
            "module_config": module.module_config,
            "covers": module.covers,
            "alternatives": module.alternatives,
            "versions": [
                {"factory_param": version or None, "releases": str(when), "data_layout": data_layout(version)}
                for version, when in module.versions.items()
            ],
        }
        for module in modules(chip)
    )
    return Listing(columns, tuple(rows))


def list_releases(chip: str | None = None, module: str | None = None) -> Listing:
    """Return the released firmware packages, of one chip, of a module (of every chip that has one), or of all.

    Raises as `chips.chip` and `modules.module`.
    """
    if module is not None and chip is None:
        packages = [found for row in modules_named(module) for found in released_packages(row.chip, row.name)]
    else:
        packages = list(released_packages(chip, module))
    columns = {
        "Chip": "chip",
        "Module": "module",
        "Release": "release",
        "Recommended": "recommended",
        "Package": "package",
        "Chip revision": "chip_revisions",
    }
    rows = tuple(
        {
            "chip": package.chip,
            "module": package.module,
            "release": package.release,
            "package": package.name or None,
            "url": package.url,
            "by_request": package.by_form,
            "recommended": package.recommended,
            "chip_revisions": package.chip_revisions,
        }
        for package in packages
    )
    return Listing(columns, rows, note=_note(rows, chip, module))


def _note(releases: tuple[Row, ...], chip: str | None, module: str | None) -> str:
    """Return a note on a module whose firmware is, at least for some releases, that of another module."""
    if module is None:
        return ""
    found = [find_module(chip, module)] if chip else modules_named(module)
    if not releases:
        try:
            packages = [find_release(row, LATEST) for row in found]
        except SelectionError as error:
            return str(error)
        return "\n".join(f"{row.name} takes the firmware of {p.module}" for row, p in zip(found, packages, strict=True))
    followed = (row for row in found if row.successor)
    return "\n".join(f"From {row.successor.since} on, see {row.successor.module}." for row in followed if row.successor)


def list_boards(chip: str | None = None, own_boards: Path | None = None) -> Listing:
    """Return the boards known on this machine, with the AT module of each, or why it has none.

    ``chip`` may be one without ESP-AT firmware. Raises `UnknownNameError` for an unknown chip.
    """
    wanted = chips.key_of(chip) if chip is not None else None
    columns = {"Board": "board", "Chip": "chip", "Flash": "flash_size", "Module": "module", "Why": "reason"}
    known = {facts.id: facts for facts in reversed(list(_known_boards(own_boards)))}
    boards = (facts for _, facts in sorted(known.items()) if wanted in (None, facts.mcu))
    return Listing(columns, tuple(map(_board, boards)))


def module_of_board(facts: BoardFacts, release: str | None = None) -> Row:
    """Return the AT module of a board, and the package of ``release`` for it, or of the latest.

    Without a release, the module is the one on the board; with one, the module whose firmware the board gets. Raises
    as `select_module`; `FormatError` for a text that isn't a release, `SelectionError` for one without a package.
    """
    if release is not None and release.lower() != LATEST:
        release_key(release)  # raises for a text that isn't one
    carried = select_module(facts)
    flashed = module_for_release(carried, release or LATEST)
    shown = carried if release is None else flashed
    package, why_not = None, None
    try:
        package = find_release(find_module(flashed.chip, flashed.module), release or LATEST)
    except SelectionError as error:
        if release is not None:
            raise
        why_not = str(error)
    return {
        "chip": shown.chip,
        "module": shown.module,
        "reason": shown.reason,
        "assumed": shown.assumed,
        "alternatives": shown.alternatives,
        "release": package.release if package else None,
        "package": package.name if package else None,
        "package_module": flashed.module,
        "no_package": why_not,
    }


def _known_boards(own_boards: Path | None) -> Iterator[BoardFacts]:
    """Yield every board with a readable manifest; of boards with the same id, the first is the one that is used."""
    for folder in board_folders(own_boards):
        for file in manifests(folder):
            try:
                facts = read_board(file)
            except EspAtError:
                continue  # a broken manifest is an error only when that board is used
            if facts.is_espressifs:
                yield facts


def _board(facts: BoardFacts) -> Row:
    row: Row = {"board": facts.id, "name": facts.name, "chip": facts.mcu, "flash_size": facts.flash_size}
    try:
        choice = select_module(facts)
    except EspAtError as error:
        return {**row, "module": None, "reason": error.message, "assumed": False, "alternatives": ()}
    guess = "a guess: " if choice.assumed else ""
    return {
        **row,
        "module": choice.module,
        "reason": f"{guess}{choice.reason}",
        "assumed": choice.assumed,
        "alternatives": choice.alternatives,
    }
