"""Explanations of the codes of errors, warnings and notes, from ``errors.yml``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at import errors
from platformio_esp_at.errors import near_names, unknown_name
from platformio_esp_at.files import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = Path(errors.__file__).with_suffix(".yml")


class Explanation(NamedTuple):
    """What a code means, for users."""

    code: str
    means: str
    action: str
    """What to do."""


def explain(code: str) -> Explanation:
    """Return the explanation of a code: ``pin-taken``, or as a message has it, ``[pin-taken]``.

    Raises `UnknownNameError` with near codes.
    """
    name = code.strip().removeprefix("[").removesuffix("]").strip().casefold()
    explanations = _explanations()
    if found := explanations.get(name):
        return found
    error = unknown_name("unknown-code", "code", name, explanations)
    if not near_names(name, explanations):
        error.hint = "a code is in brackets at the end of a message, such as [pin-taken]"  # not the list of them all
    raise error


def all_codes() -> tuple[Explanation, ...]:
    """Return the explanations of all codes, sorted by code."""
    return tuple(_explanations().values())


@functools.cache
def _explanations() -> Mapping[str, Explanation]:
    """Return the explanations by code, in the order of the file."""
    return {code: Explanation(code, row["means"], row["do"]) for code, row in load_yaml(_FILE).items()}
