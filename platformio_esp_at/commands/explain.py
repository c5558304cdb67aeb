"""Explanations of the codes of errors, warnings and notes, from ``errors.yml``."""

from __future__ import annotations

import functools
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.errors import near_names, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = "errors.yml"


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
    import yaml  # noqa: PLC0415 - only where a code is looked up

    text = resources.files("platformio_esp_at").joinpath(_FILE).read_text(encoding="utf-8")
    # libyaml takes a tenth of the time, where PyYAML was built with it.
    rows = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    return {code: Explanation(code, row["means"], row["do"]) for code, row in rows.items()}
