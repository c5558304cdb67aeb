"""The child of a target: a request of ``pio run`` becomes a `Setup`."""

from __future__ import annotations

from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.commands.setup import Link, Setup
from platformio_esp_at.errors import Spelling
from platformio_esp_at.hosted import Host, serve
from platformio_esp_at.request.board_manifests import find_board
from platformio_esp_at.request.layers import layer_of_options, own_options
from platformio_esp_at.request.project_files import find_project_file
from platformio_esp_at.request.read import read_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from platformio_esp_at.request.nodes import Layer

_FILE = "platformio.ini"
_PREFIX = "custom_at_"
"""What the names of our options begin with in ``platformio.ini``."""


def _setup(host: Host) -> Setup:
    """Return what a request asks for; `pio.targets` has made it."""
    request = host.request
    host.spelling = Spelling(as_option, _FILE)
    folder, port = Path(request["project"]), request["port"]
    place = f"{_FILE} [env:{request['env']}]"
    own = own_options(request["options"], _PREFIX, place=place)
    spelled = f"{place} {_PREFIX}{{}}".format
    options = layer_of_options(own, base=folder, spelling=spelled)
    file = find_project_file(folder, options)
    host.spelling = Spelling(as_option, _FILE, file)
    layers: list[Layer] = [read_project(folder, file), options]
    if "port" in request["typed"]:
        # --upload-port on the command line overrides all files; upload_port in platformio.ini is the program's port.
        layers.append(layer_of_options({"port": port}, base=folder, spelling="--upload-{}".format))
    return Setup(
        layers=tuple(layers),
        project=folder,
        folder=Path(request["folder"]),
        find_board=partial(_find_board, request),
        find_port=partial(host.ask, "port_wanted"),
        has_port=bool(port),
        baud=int(request["speed"]) if request["speed"].isdigit() else None,
        link=_link(request["flags"], (request["manifest"] or {}).get("upload", {})),
        report=host.report,
        spelling=host.spelling,
        project_file=file,
    )


def _link(flags: Iterable[str], board: Mapping[str, Any]) -> Link:
    """Return how the project reaches its own board: by the board's manifest, and flags of esptool in upload_flags."""
    words = [word for flag in flags for word in flag.replace("=", " ").split()]
    following = zip_longest(words, words[1:], fillvalue="")
    given = {word.lstrip("-"): value for word, value in following if word.startswith("-")}
    speed, attempts = str(board.get("speed", "")), given.get("connect-attempts", "")
    return Link(
        baud=int(speed) if speed.isdigit() else None,
        before=_mode(given.get("before") or board.get("before_reset"), Link().before),
        after=_mode(given.get("after") or given.get("a") or board.get("after_reset"), Link().after),
        stub="no-stub" not in given,
        attempts=int(attempts) if attempts.isdigit() else None,
    )


def _mode(value: object, usual: str) -> str:
    """Return a reset mode as esptool 5 writes it."""
    return str(value).replace("_", "-") if value else usual


def _find_board(request: Mapping[str, Any], board_id: str | None) -> BoardFacts | None:
    if board_id is not None:
        own, platforms = Path(request["boards_dir"]), Path(request["platforms_dir"])
        return find_board(board_id, own_boards=own, platforms=platforms)
    return BoardFacts.from_manifest(request["board"], request["manifest"]) if request["board"] else None


def as_option(option: str, value: str) -> str:
    """Return an option as ``platformio.ini`` has it, for hints.

    >>> as_option("factory_param.uart_tx_pin", "17")
    'custom_at_factory_param = uart_tx_pin=17'
    """
    name, _, inner = option.partition(".")
    text = f"{inner}={value}" if inner and value else inner or value
    return f"{_PREFIX}{name} = {text}" if text else f"{_PREFIX}{name}"


if __name__ == "__main__":
    serve(_setup)
