"""The options of a project on the command lines of esp-at and idf.py, such as ``--factory-param uart_tx_pin=17``.

Both build their parameters with click; here they are plain values, so that this module doesn't import click.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from platformio_esp_at.errors import Spelling
from platformio_esp_at.request.layers import layer_of_options
from platformio_esp_at.request.options import HOST_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from platformio_esp_at.request.kinds import Kind
    from platformio_esp_at.request.nodes import Layer


class Parameter(TypedDict, total=False):
    """The arguments of `click.Option` for an option."""

    names: list[str]
    """Its spellings, and its name."""
    is_flag: bool
    """True for a switch, which takes no value: `multiple` and `metavar` are of the others."""
    multiple: bool
    metavar: str
    help: str


def parameters() -> dict[str, Parameter]:
    """Return the arguments of `click.Option` for each of `HOST_OPTIONS`, by its name."""
    return {
        name: {
            "names": [spelling(name), name],
            **_value(name, option.kind),
            "help": f"{option.help} (repeat for more)" if option.kind.repeated else option.help,
        }
        for name, option in HOST_OPTIONS.items()
    }


def _value(name: str, kind: Kind[object]) -> Parameter:
    if kind.is_switch:
        return {"is_flag": True}
    return {"multiple": kind.repeated, "metavar": kind.metavar or name.upper()}


def layer_of_command_line(values: Mapping[str, object]) -> Layer:
    """Return click's values of these parameters as a layer; paths start at the current folder.

    Raises `FormatError`, naming the option.
    """
    texts = {name: "\n".join(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    own = {name: texts[name] for name in HOST_OPTIONS if values.get(name)}
    return layer_of_options(own, base=Path(), spelling=spelling)


def as_arguments(option: str, value: str) -> str:
    """Return an option as it is typed, for hints; a switch is its name alone.

    >>> as_arguments("module", "WROOM-32"), as_arguments("factory_param.uart_tx_pin", "17")
    ('--module WROOM-32', '--factory-param uart_tx_pin=17')
    """
    name, _, inner = option.partition(".")
    import shlex  # noqa: PLC0415 - only a hint needs it

    if name in HOST_OPTIONS and HOST_OPTIONS[name].kind.is_switch:
        return spelling(name)
    text = f"{inner}={value}" if inner and value else inner or value
    return f"{spelling(name)} {shlex.quote(text)}" if text else spelling(name)


ON_COMMAND_LINE = Spelling(as_arguments)


def spelling(option: str) -> str:
    """Return how an option is written on a command line."""
    return f"--{option.replace('_', '-')}"
