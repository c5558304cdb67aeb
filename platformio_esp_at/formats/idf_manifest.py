"""``idf_component.yml``, what a component of ESP-IDF needs: with one dependency more, every other line as it is."""

from __future__ import annotations

import re
from typing import Any

from platformio_esp_at.errors import FormatError, Place

FILE = "idf_component.yml"


def with_dependency(text: str, name: str, version: str) -> str | None:
    """Return a manifest's text with one dependency more; None where that can't be done safely.

    Raises `FormatError` for a text that isn't a manifest.
    """
    before = _load(text)
    present = before.get("dependencies") or {}
    if not isinstance(present, dict):
        return None
    ends = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
    head = next((number for number, line in enumerate(lines) if re.match(r"dependencies:\s*(#.*)?$", line)), None)
    if head is None:
        if "dependencies" in before:
            return None  # in brackets, or quoted
        lines += ["dependencies:"]
        head = len(lines) - 1
    children = (re.match(r"( +)[^\s#]", line) for line in lines[head + 1 :])
    indent = next((child[1] for child in children if child), "  ") if present else "  "
    lines.insert(head + 1, f'{indent}{name}: "{version}"')
    made = ends.join([*lines, ""])
    wanted = {**before, "dependencies": {name: version, **present}}
    try:
        return made if _load(made) == wanted else None
    except FormatError:
        return None


def has_dependency(text: str, name: str) -> bool:
    """Return whether a manifest names a component, of any namespace. Raises `FormatError`."""
    dependencies = _load(text).get("dependencies")
    return isinstance(dependencies, dict) and any(str(key).rpartition("/")[2] == name for key in dependencies)


def _load(text: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - 15 ms

    try:
        found = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - all of it stays text
    except (yaml.YAMLError, RecursionError) as error:
        found = error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FormatError(
            "idf-manifest-invalid",
            "not a manifest of a component",
            where=Place.at(file=FILE),
            hint="see what is wrong with it: compote manifest schema; or write the dependency yourself",
        )
    return found
