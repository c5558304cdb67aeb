"""What ``esp-at init`` needs to know: given, found out, or asked where somebody is there to answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.catalog.boards import BoardFacts, select_module
from platformio_esp_at.catalog.modules import LATEST, only_module
from platformio_esp_at.catalog.modules import module as find_module
from platformio_esp_at.catalog.releases import find_release
from platformio_esp_at.commands.project_host import Host
from platformio_esp_at.commands.setup import NO_BOARD
from platformio_esp_at.errors import EspAtError, Place, UnknownNameError, near_names, note, setting
from platformio_esp_at.firmware.source import module_of_release
from platformio_esp_at.formats.platformio_ini import FILE as PLATFORMIO_INI
from platformio_esp_at.request.board_manifests import find_board
from platformio_esp_at.request.kinds import is_board_file
from platformio_esp_at.request.values import PROJECT_FILE, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from platformio_esp_at.catalog.modules import Module
    from platformio_esp_at.errors import Notice
    from platformio_esp_at.formats.platformio_ini import PlatformioIni

_HERE = Place.at(option="esp-at init")


class Question(NamedTuple):
    """What can't be found out."""

    text: str
    choices: tuple[str, ...] = ()
    """Empty: any text."""
    default: str | None = None


class Wishes(NamedTuple):
    """What the user gives."""

    options: Mapping[str, str]
    """``firmware``, ``board``, ``module``, ``port`` as texts; paths start at the current folder."""
    host: Host | None = None
    environment: str | None = None
    namespace: str | None = None
    """Where ESP-IDF's registry has the component."""


class Around(NamedTuple):
    """What a front end lends: the command knows neither a terminal nor ESP-IDF's project files."""

    ask: Callable[[Question], str] | None
    """None: nobody is there to answer."""
    device: Callable[[str | None], BoardFacts | None]
    """Returns what is connected at a port, or at the only one; None for nothing."""
    idf_board: Callable[[Path], BoardFacts | None]
    """Returns the facts of a configured project of ESP-IDF."""
    idf_extension: str
    """The text of a project's ``idf_ext.py``."""


class Known(NamedTuple):
    """What is known before anything is looked for."""

    given: Mapping[str, str]
    own: Mapping[str, str]
    """Options that the host has already: they aren't written again."""
    board: BoardFacts | None
    """The host's board, if that carries the AT module."""
    needs_module: bool
    """Whether the AT module must be named, or its board."""


def values_of(known: Known, around: Around, folder: Path) -> tuple[dict[str, str], list[Notice]]:
    """Return what is written into ``esp_at.yml``, and what to say of it."""
    notices: list[Notice] = []
    values = {name: _from_folder(text, folder) for name, text in known.given.items() if text and name not in known.own}
    if known.needs_module and not {"board", "module"} & {*values, *known.own} - _none_board(values):
        values |= _named_module(known, around, notices)
    if "firmware" not in {**values, **known.own}:
        values["firmware"] = _release(known, values, folder)
    return values, notices


def _none_board(values: Mapping[str, str]) -> set[str]:
    return {"board"} if values.get("board") == NO_BOARD else set()


def _from_folder(text: str, folder: Path) -> str:
    """Return an option's text for the file in ``folder``: a path that exists from here starts there."""
    path = Path(text).expanduser()
    if not text or path.is_absolute() or not (os.sep in text or path.suffix) or not os.path.lexists(path):
        return text
    return Path(os.path.relpath(path, folder)).as_posix()


def _named_module(known: Known, around: Around, notices: list[Notice]) -> dict[str, str]:
    """Return the option that names the module: of the device that is connected, or as the user answers."""
    device = around.device(known.given.get("port") or None)
    if device is not None:
        choice = select_module(device)
        guess = ", a guess" if choice.assumed else ""
        message = f"{device.id}: module {choice.module}{guess}; write another one into {PROJECT_FILE} if it is wrong"
        notices.append(note("module-of-device", message))
        return {"module": find_module(choice.chip, choice.module).full_name}
    if around.ask is None:
        raise EspAtError(
            "init-module-missing",
            "it isn't known which AT module the project is for, and no device is connected that tells",
            hint=f"name its board, {setting('board', 'esp32dev')}, or the module, {setting('module', 'WROOM-32')}; "
            "esp-at boards and esp-at modules list them",
        )
    return _ask_module(around.ask)


def _ask_module(ask: Callable[[Question], str]) -> dict[str, str]:
    """Return the board or the module that the user names; what isn't one is asked again."""
    wanted = "Which board or AT module, such as esp32dev or WROOM-32 (esp-at boards, esp-at modules)?"
    text = wanted
    while True:
        answer = ask(Question(text)).strip()
        if _is_known(find_board, answer):
            return {"board": answer}
        if _is_known(only_module, answer):
            return {"module": answer}
        text = f"{answer!r} is neither a board nor a module. {wanted}"


def _is_known(find: Callable[[str], object], name: str) -> bool:
    try:
        find(name)
    except EspAtError:
        return False
    return True


def _release(known: Known, values: Mapping[str, str], folder: Path) -> str:
    """Return the release that Espressif recommends for the module; ``latest`` where the module isn't known yet."""
    if known.board is None and not {"board", "module"} & {*values, *known.own} - _none_board(values):
        return LATEST
    return find_release(module_of(known, values, folder), LATEST).release


def module_of(known: Known, values: Mapping[str, str], folder: Path) -> Module:
    """Return the module whose firmware is flashed. Raises `EspAtError`."""
    options = {**values, **known.own}
    board = known.board
    if options.get("board", NO_BOARD) != NO_BOARD:
        named, base = (known.own["board"], folder) if "board" in known.own else (_given(known, values), Path())
        board = find_board(str(base / named) if is_board_file(named) else named, own_boards=folder / "boards")
    elif "board" in options:
        board = None
    wanted = Text(options["module"], _HERE) if "module" in options else None
    return module_of_release(Text(LATEST, _HERE), wanted, board)[1]


def _given(known: Known, values: Mapping[str, str]) -> str:
    """Return the board as the user gave it: a path starts at the current folder."""
    return known.given.get("board") or values["board"]


def carries_module(board: BoardFacts | None) -> bool:
    """Return whether an AT module may be on a board; unknown boards may have one."""
    if board is None:
        return True
    try:
        select_module(board)
    except EspAtError:
        return False
    return True


def is_of(module: str, board: BoardFacts | None) -> bool:
    """Return whether a module has the chip of a board; where none is known, it is taken for another one."""
    if board is None:
        return False
    try:
        find_module(board.mcu, module)
    except EspAtError:
        return False
    return True


def ask_host(wishes: Wishes, around: Around) -> Host:
    """Return the host of a new project: this program alone, unless somebody who gives nothing wants another one."""
    if around.ask is None or any(wishes.options.values()):
        return Host.ESP_AT
    question = Question(
        "Flash with PlatformIO (pio) or with this program alone (esp-at)?",
        (Host.PLATFORMIO.value, Host.ESP_AT.value),
        Host.ESP_AT.value,
    )
    return Host(around.ask(question))


def environment_name(ini: PlatformioIni, wishes: Wishes, around: Around) -> str:
    """Return the environment that gets the lines. Raises `EspAtError` where it may be any of several."""
    names = ini.environments
    if wishes.environment is not None:
        if wishes.environment not in names:
            near = near_names(wishes.environment, names)
            hint = (
                f"did you mean {' or '.join(near)}?" if near else f"{PLATFORMIO_INI} has {', '.join(names) or 'none'}"
            )
            raise UnknownNameError("unknown-environment", f"there is no environment {wishes.environment!r}", hint=hint)
        return wishes.environment
    usual = ini.default_environments
    if len(names) == 1 or len(usual) == 1:
        return (usual or names)[0]
    if not names:
        raise EspAtError(
            "unknown-environment",
            f"{PLATFORMIO_INI} has no environment",
            hint="make one first: pio project init --board BOARD; or take another folder",
        )
    if around.ask is None:
        message = f"{PLATFORMIO_INI} has several environments: {', '.join(names)}"
        raise EspAtError("several-environments", message, hint=f"name one of them: esp-at init -e {names[0]}")
    return around.ask(Question("Which environment flashes the AT module?", names, names[0]))
