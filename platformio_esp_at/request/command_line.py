"""The options of a project as words of a command line, ``--factory-param uart_tx_pin=17``: those of esp-at and idf.py.

Both make their parameters with click; here they are told as plain values, so that nothing needs click to load.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformio_esp_at.request.project import OPTIONS, Kind, layer_of_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.request.project import Layer

_METAVARS = {
    Kind.VALUES: "NAME=VALUE",
    Kind.FILES: "NAME=FILE",
    Kind.NAMES: "NAME",
    Kind.PATH: "PATH",
    Kind.FIRMWARE: "RELEASE|PATH|URL",
}
_REPEATED = (Kind.VALUES, Kind.FILES, Kind.NAMES)


def parameters() -> dict[str, dict[str, Any]]:
    """Return the arguments of `click.Option` for each of `OPTIONS`, by its name; ``names`` are its spellings."""
    return {
        option.name: {
            "names": [spelling(option.name), option.name],
            "multiple": option.kind in _REPEATED,
            "metavar": _METAVARS.get(option.kind, option.name.upper()),
            "help": f"{option.help} (repeat for more)" if option.kind in _REPEATED else option.help,
        }
        for option in OPTIONS
    }


def layer_of_command_line(values: Mapping[str, Any]) -> Layer:
    """Return as a layer what click made of such parameters; paths start at the current folder.

    Raises `FormatError`, naming the option.
    """
    texts = {name: "\n".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    own = {option.name: texts[option.name] for option in OPTIONS if values.get(option.name)}
    return layer_of_options(own, base=Path(), spelling=spelling)


def spelling(option: str) -> str:
    """Return what an option is called on a command line."""
    return f"--{option.replace('_', '-')}"
