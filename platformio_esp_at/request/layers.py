"""Options from several sources, merged into one `Request`.

A later layer wins, and mappings (``factory_param``, ``pki``, ``data``) are merged
key by key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from platformio_esp_at.errors import Place
from platformio_esp_at.request.kinds import Given
from platformio_esp_at.request.nodes import Layer, nodes_of_json, without_blanks
from platformio_esp_at.request.options import (
    HOST_OPTIONS,
    OPTIONS,
    PROJECT_FILE_OPTION,
    Option,
    Request,
    unknown_option,
)
from platformio_esp_at.request.read import Disk
from platformio_esp_at.request.values import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from platformio_esp_at.request.kinds import Reader
    from platformio_esp_at.request.nodes import Node


def layer_of_options(options: Mapping[str, str], *, base: Path, spelling: Callable[[str], str]) -> Layer:
    """Return a host's options, given as text, as a layer; a blank one counts as not set.

    ``spelling`` returns the host's name of an option, for messages. Mappings are written as YAML or as lines of
    ``name = value``; a list of files is ``[a, b]`` in both, nothing else is a separator. Raises `FormatError` or
    `UnknownNameError`, naming the option.
    """
    nodes: dict[str, Node] = {}
    for name, text in options.items():
        where = Place.at(option=spelling(name))
        option = _option(name, where, HOST_OPTIONS)
        if text.strip():
            nodes[name] = option.node(text.strip(), where)
    return Layer(base, nodes)


def own_options(options: Mapping[str, object], prefix: str, *, place: str) -> dict[str, str]:
    """Return a host's options whose names begin with ``prefix``, without it.

    A host has options of other tools, too. One of ours whose prefix is misspelt (``custom_esp_at_…``, or no ``_``)
    would be ignored: raises `UnknownNameError`. ``place``: where the options are, for messages.
    """
    for name in options:
        match = None if name.startswith(prefix) else re.fullmatch(_MISSPELT, name)
        if match and (match["ours"] or match["option"].lower().replace("-", "_") in HOST_OPTIONS):
            raise unknown_option(name, Place.at(option=f"{place} {name}"), like=match["option"])
    return {name.removeprefix(prefix): str(value) for name, value in options.items() if name.startswith(prefix)}


_MISSPELT = r"(?i:custom[_-](?P<ours>esp(?:32)?[_-]?at[_-])?(?(ours)|at[_-]?)(?P<option>\w.*))"


def layer_of_board(board_id: str, options: Mapping[str, object], *, base: Path) -> Layer:
    """Return the options in the ``at`` block of a board's JSON, except ``module`` and ``chip``, as a layer.

    Raises `UnknownNameError` or `FormatError`, naming the board.
    """
    where = Place.at(board=board_id, option="at")
    nodes: dict[str, Node] = {}
    for name, value in options.items():
        if name in ("module", "chip") or value is None:
            continue  # `catalog.boards` reads which module the board carries
        option = _option(name, where, OPTIONS)
        if not isinstance(value, str):
            nodes[name] = nodes_of_json(value, where)
        elif value.strip():
            nodes[name] = option.node(value.strip(), where)
    return Layer(base, without_blanks(nodes))


def make_request(layers: Iterable[Layer]) -> Request:
    """Return the request of all layers, with the files that they name. A later layer wins.

    Raises `EspAtError`, naming the option's place, for a wrong value or a file that can't be read.
    """
    return _request(layers, OPTIONS.values(), Disk())


def wanted_board(layers: Iterable[Layer]) -> Text | None:
    """Return the board that the layers name; None for none. The path of a JSON file starts at its layer's folder.

    Separate from `make_request`, since the board may add a layer of its own.
    """
    return _request(layers, [OPTIONS["board"]], Disk()).board


def wanted_project_file(options: Layer) -> Text | None:
    """Return the project file that a host's options name; None for none."""
    made = PROJECT_FILE_OPTION.value(_given((options,), PROJECT_FILE_OPTION), Disk())
    return made if isinstance(made, Text) else None


def input_paths(layers: Iterable[Layer]) -> tuple[Path, ...]:
    """Return the files and folders that `make_request` reads for these layers, without the firmware package."""
    layers = tuple(layers)
    return tuple(path for option in OPTIONS.values() for path in option.inputs(_given(layers, option)))


def _request(layers: Iterable[Layer], options: Iterable[Option], read: Reader) -> Request:
    layers = tuple(layers)
    values = {option.name: option.value(_given(layers, option), read) for option in options}
    return Request(**values)  # type: ignore[arg-type] # `option` has compared each kind with its field


def _given(layers: Iterable[Layer], option: Option) -> tuple[Given, ...]:
    return tuple(Given(layer.options[option.name], layer.base) for layer in layers if option.name in layer.options)


def _option(name: str, where: Place, known: Mapping[str, Option]) -> Option:
    if name not in known:
        raise unknown_option(name, where)
    return known[name]
