"""A configured ESP-IDF project: its chip, flash and PSRAM, and the options that its menuconfig sets."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.catalog.chips import chip, chips
from platformio_esp_at.commands.setup import NO_BOARD, Link
from platformio_esp_at.errors import (
    EspAtError,
    FormatError,
    Place,
    SelectionError,
    Spelling,
    UnknownNameError,
    as_yaml,
    setting,
)
from platformio_esp_at.files import read_file, reading_hint
from platformio_esp_at.request.board_manifests import find_board
from platformio_esp_at.request.command_line import as_arguments
from platformio_esp_at.request.nodes import Layer
from platformio_esp_at.request.options import PROJECT_FILE_OPTION
from platformio_esp_at.request.project_files import folder_name_of
from platformio_esp_at.request.values import PROJECT_FILE, Text
from platformio_esp_at.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Mapping

BOARD_ID = "of this project"
"""The name of a project in messages about a board."""

_MAX_FILE_SIZE = 64 << 20

MENU_OPTIONS = {
    "CONFIG_ESP_AT_FIRMWARE": "firmware",
    "CONFIG_ESP_AT_MODULE": "module",
    "CONFIG_ESP_AT_PARTITIONS": "partitions",
}
"""What an entry of the component's menu sets: an option."""
MENU_PARAMETERS = {
    "CONFIG_ESP_AT_UART_TX_PIN": "uart_tx_pin",
    "CONFIG_ESP_AT_UART_RX_PIN": "uart_rx_pin",
    "CONFIG_ESP_AT_UART_CTS_PIN": "uart_cts_pin",
    "CONFIG_ESP_AT_UART_RTS_PIN": "uart_rts_pin",
    "CONFIG_ESP_AT_UART_BAUDRATE": "uart_baudrate",
}
"""The other entries: the factory parameter that each sets."""
MENU = "AT module"
"""The component's menu: how its name in Kconfig begins."""
MENU_ENTRIES = {
    "firmware": "ESP-AT firmware package",
    "module": "AT module",
    "partitions": "CSV of partitions of your own",
    "factory_param.uart_tx_pin": "TX pin of the AT port",
    "factory_param.uart_rx_pin": "RX pin of the AT port",
    "factory_param.uart_cts_pin": "CTS pin of the AT port",
    "factory_param.uart_rts_pin": "RTS pin of the AT port",
    "factory_param.uart_baudrate": "Speed of the AT port",
}
"""The entries of the component's menu, as its Kconfig names them."""
_NOT_SET = ("", "-2")
"""The component's defaults. Not -1: a pin with -1 is unused."""
_NO_SPEED = "0"

_USUAL_FLASH_SIZE = "2MB"
"""ESP-IDF's default: with it, the real flash size is unknown."""

_OLDEST = (5, 1)
"""The oldest ESP-IDF that was tried."""


@dataclass(frozen=True, slots=True)
class IdfProject:
    """A project with a target."""

    target: str
    """``esp32c3``, or ``linux``."""
    config: Mapping[str, str]
    """Its sdkconfig."""
    options: Layer
    """Our options that its menuconfig sets, if it has our component."""

    def options_below(self, project_file: str) -> Layer:
        """Return the options that those in a project file override.

        For ``esp_at.yml``, those of menuconfig. Another project file is of a further module, which is next to the chip,
        and has nothing of the menu: its pins are those of one module.
        """
        if project_file == PROJECT_FILE:
            return self.options
        return Layer(self.options.base, {"board": Text(NO_BOARD, Place.at(file=project_file))})

    def link(self) -> Link:
        """Return how the project reaches its own board."""
        before, after = (
            self.config.get(f"CONFIG_ESPTOOLPY_{name}", "").replace("_", "-") for name in ("BEFORE", "AFTER")
        )
        stub = self.config.get("CONFIG_ESPTOOLPY_NO_STUB") != "y"
        return Link(before=before or Link().before, after=after or Link().after, stub=stub)

    def board(self) -> BoardFacts:
        """Return the project as facts of a board. Raises `SelectionError` for a chip without ESP-AT firmware.

        A target that is no chip, such as ``linux``, carries no AT module: the module is next to it.
        """
        if self.target.startswith("esp"):
            _check_chip(self.target)
        size = self.config.get("CONFIG_ESPTOOLPY_FLASHSIZE", "")
        return BoardFacts(
            id=BOARD_ID,
            mcu=self.target,
            flash_size=parse_size(size) if size not in ("", _USUAL_FLASH_SIZE) else None,
            sdkconfig="CONFIG_SPIRAM" if self.config.get("CONFIG_SPIRAM") == "y" else "",
        )


def read_idf_project(folder: Path, build: Path) -> IdfProject | None:
    """Return the project of a folder, from its build folder or its sdkconfig alone; None if it has neither.

    Raises `FormatError` or `EspAtError`, naming the file that can't be read.
    """
    described = _read(build / "project_description.json")
    description = _description(described, build) if described is not None else {}
    sdkconfig = _read(folder / str(description.get("config_file") or "sdkconfig"))
    config = parse_sdkconfig(sdkconfig) if sdkconfig is not None else {}
    target = config.get("CONFIG_IDF_TARGET") or str(description.get("target") or "")
    return IdfProject(target, config, layer_of_sdkconfig(config, base=folder)) if target else None


def read_sdkconfig(file: Path) -> str:
    """Return the text of an sdkconfig that a user names. Raises `EspAtError`."""
    text = _read(file)
    if text is None:
        hint = "run idf.py reconfigure, which makes it, or name another file after --sdkconfig"
        raise EspAtError("file-not-found", "there is no such file", where=Place.at(file=str(file)), hint=hint)
    return text


def parse_sdkconfig(text: str) -> dict[str, str]:
    r"""Return the values that an sdkconfig sets; strings without their quotes.

    >>> parse_sdkconfig('CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="4MB"\n')
    {'CONFIG_A': 'y', 'CONFIG_C': '4MB'}
    """
    config = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and name.startswith("CONFIG_"):
            is_string = len(value) > 1 and value[0] == value[-1] == '"'
            config[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if is_string else value
    return config


def layer_of_sdkconfig(config: Mapping[str, str], *, base: Path) -> Layer:
    """Return the options that the component's menuconfig sets, as a layer."""
    given = {
        name: Text(value.strip(), Place.at(option=name))
        for name, value in config.items()
        if value.strip() not in _NOT_SET
    }
    if config.get("CONFIG_ESP_AT_UART_BAUDRATE") == _NO_SPEED:
        del given["CONFIG_ESP_AT_UART_BAUDRATE"]
    options: dict[str, Any] = {option: given[name] for name, option in MENU_OPTIONS.items() if name in given}
    if values := {parameter: given[name] for name, parameter in MENU_PARAMETERS.items() if name in given}:
        options["factory_param"] = values
    return Layer(base, options)


def spelling_of(project: IdfProject | None, folder: Path, project_file: str = PROJECT_FILE) -> Spelling:
    """Return how a project in a folder writes options: in its project file; without one, in the menu what that has."""
    has_menu = project and "CONFIG_ESP_AT_MODULE" in project.config and not os.path.lexists(folder / project_file)
    entries = MENU_ENTRIES if has_menu else {}

    def write(option: str, value: str) -> str:
        if option == PROJECT_FILE_OPTION.name:
            return as_arguments(option, value)
        if entry := entries.get(option):
            path = f"'{MENU} > {entry}'"
            return f"{path} = {value} in idf.py menuconfig" if value else f"{path} in idf.py menuconfig"
        return f"{as_yaml(option, value)} in {project_file}" if value else as_yaml(option, value)

    return Spelling(write, project_file=project_file)


def find_board_of(project: IdfProject | None, folder: Path, board: str | None) -> BoardFacts | None:
    """Return the facts of the board that a project in a folder names; of the project itself for None.

    Raises `UnknownNameError` for an unknown one: mostly a module is meant that is next to the project's chip.
    """
    if board is None:
        return project.board() if project else None
    try:
        return find_board(board, own_boards=folder / "boards")
    except UnknownNameError as error:
        none = setting("board", NO_BOARD)
        error.hint = f"for a module next to this project's chip, write {none}\n{error.marked_hint}"
        raise


def image_set_folder(build: Path, project_file: str = PROJECT_FILE) -> Path:
    """Return the folder of a project's image set: in its build folder, if CMake has made that.

    If we made it, idf.py would later refuse to set a target. That of another project file than ``esp_at.yml`` is in a
    folder of its own, since a report lies beside it.
    """
    name = "at_flash" if project_file == PROJECT_FILE else folder_name_of(project_file)
    place = build / name if (build / "CMakeCache.txt").is_file() else build.with_name(f"{build.name}_{name}")
    return place if project_file == PROJECT_FILE else place / "at_flash"


def _check_chip(target: str) -> None:
    try:
        chip(target)
    except (SelectionError, UnknownNameError):
        names = ", ".join(known.display_name for known in chips())
        raise SelectionError(
            "chip-unsupported",
            f"the chip of this project is {target}, for which there is no ESP-AT firmware",
            hint=f"ESP-AT is for {names}; for a module with one of them next to this chip, "
            f"write {setting('board', 'none')} and {setting('port', 'PORT')}",
        ) from None


_RECONFIGURE = "configure the project again: idf.py reconfigure"


def _description(text: str, build: Path) -> Mapping[str, Any]:
    where = Place.at(file=str(build / "project_description.json"))
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError("idf-project-damaged", f"not JSON: {error}", where=where, hint=_RECONFIGURE) from None
    if not isinstance(description, dict):
        raise FormatError("idf-project-damaged", "it must be an object", where=where, hint=_RECONFIGURE)
    return description


def _read(file: Path) -> str | None:
    try:
        return read_file(file, _MAX_FILE_SIZE).decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EspAtError(
            "unreadable",
            f"can't be read: {error.strerror or error}",
            where=Place.at(file=str(file)),
            hint=reading_hint(file, error),
        ) from None


def check_idf_version() -> None:
    """Raise `EspAtError` in an ESP-IDF that is older than all tested ones."""
    version = _idf_version()
    if version and version < _OLDEST:
        raise EspAtError(
            "idf-too-old",
            f"ESP-IDF {'.'.join(map(str, version))} is not supported",
            hint=f"take {'.'.join(map(str, _OLDEST))} or newer, or esp-at flash, which needs no ESP-IDF",
        )


def _idf_version() -> tuple[int, int] | None:
    """Return major and minor version of the ESP-IDF that runs us; None if unknown."""
    try:
        text = (Path(os.environ["IDF_PATH"]) / "tools" / "cmake" / "version.cmake").read_text(encoding="utf-8")
    except (KeyError, OSError, ValueError):
        return None
    numbers = dict(re.findall(r"set\(IDF_VERSION_(MAJOR|MINOR) (\d+)\)", text))
    return (int(numbers["MAJOR"]), int(numbers["MINOR"])) if len(numbers) == 2 else None
