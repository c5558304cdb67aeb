"""Which host a project folder is of, PlatformIO, ESP-IDF or none, and what that host says of the AT module's board."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.commands.setup import Setup
from platformio_esp_at.errors import EspAtError, Place, UnknownNameError
from platformio_esp_at.files import is_regular, read_file, reading_hint
from platformio_esp_at.formats.platformio_ini import FILE as PLATFORMIO_INI
from platformio_esp_at.formats.platformio_ini import PlatformioIni, items
from platformio_esp_at.request.board_manifests import find_board
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.project_files import find_project_file
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import PROJECT_FILE, InputFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from platformio_esp_at.catalog.boards import BoardFacts
    from platformio_esp_at.request.nodes import Layer

_MAX_FILE_SIZE = 1 << 20
PREFIX = "custom_at_"
"""What the names of our options begin with in ``platformio.ini``."""


class Host(enum.Enum):
    """What runs the commands of a project."""

    PLATFORMIO = "pio"
    IDF = "idf"
    ESP_AT = "esp-at"


def host_of(folder: Path) -> Host | None:
    """Return the host that a folder is a project of; None for a folder that is none yet."""
    if is_regular(folder / PLATFORMIO_INI):
        return Host.PLATFORMIO
    if is_regular(folder / "CMakeLists.txt") and _IDF.search(_text(folder / "CMakeLists.txt")):
        return Host.IDF
    return None


_IDF = re.compile(r"^[^#\n]*/tools/cmake/project\.cmake", re.MULTILINE)
"""What every project of ESP-IDF includes."""


class Environment(NamedTuple):
    """An environment of a ``platformio.ini``, as far as it is about the AT module."""

    name: str
    board: str
    """The id of the project's board; "" for none."""
    facts: BoardFacts | None
    """None also where no installed platform has the board."""
    is_espressifs: bool
    """Whether the board's chip is, as far as it can be known, Espressif's."""
    is_flash_only: bool
    """Whether it is of our own platform, which has the targets."""
    has_targets: bool
    """Whether it has the lines that add them."""
    own: dict[str, str]
    """Our options in it, such as ``firmware``."""


def read_ini(folder: Path) -> PlatformioIni:
    """Return the ``platformio.ini`` of a folder. Raises `EspAtError`."""
    return PlatformioIni.from_text(_text(folder / PLATFORMIO_INI))


def environment_of(ini: PlatformioIni, name: str, folder: Path) -> Environment:
    """Return what an environment says. Raises `FormatError` for a damaged board."""
    options = ini.options(name)
    board, platform = options.get("board", ""), options.get("platform", "")
    facts = None
    if board:
        try:
            facts = find_board(board, own_boards=folder / "boards")
        except UnknownNameError:
            facts = None  # its platform isn't installed yet
    scripts = items(options.get("extra_scripts", ""))
    return Environment(
        name=name,
        board=board,
        facts=facts,
        is_espressifs=facts.is_espressifs if facts else "espressif" in platform.lower(),
        is_flash_only="espressif_at" in platform,
        has_targets=any(script.endswith("esp_at.py") for script in scripts),
        own={name.removeprefix(PREFIX): text for name, text in options.items() if name.startswith(PREFIX)},
    )


def setup_without_server(
    folder: Path, own: Mapping[str, str], board: BoardFacts | None, *, project: Layer | None = None
) -> Setup:
    """Return the setup of a project by which its plan is made without a server, and without a device.

    ``own``: our options in ``platformio.ini``. ``board``: the host's own one. ``project``: what ``esp_at.yml`` will
    have; None: what is in the project file that ``own`` names. Raises `EspAtError`.
    """
    of_host = layer_of_options(own, base=folder, spelling=f"{PLATFORMIO_INI} {PREFIX}{{}}".format)
    file = find_project_file(folder, of_host) if project is None else PROJECT_FILE
    return Setup(
        layers=(read_project(folder, file) if project is None else project, of_host),
        project=folder,
        folder=folder / "build" / "esp_at",
        find_board=lambda name: find_board(name, own_boards=folder / "boards") if name else board,
        report=lambda _: None,
        offline=True,
        project_file=file,
    )


def _text(file: Path) -> str:
    try:
        data = read_file(file, _MAX_FILE_SIZE)
    except OSError as error:
        problem = f"{file.name} can't be read: {error.strerror or error}"
        raise EspAtError("unreadable", problem, hint=reading_hint(file, error)) from None
    return InputFile(file.name, Place.at(file=file.name), data).text()


def read_text(file: Path) -> str | None:
    """Return the text of a file of the project; None where there is none. Raises `EspAtError`."""
    return _text(file) if is_regular(file) else None
