"""The text of a new ``esp_at.yml``: what is set, and every other option as a comment, from the one list of options."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING

from platformio_esp_at.errors import EspAtError
from platformio_esp_at.files import writing_hint
from platformio_esp_at.request.options import OPTIONS
from platformio_esp_at.request.schema import MODELINE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEAD = "What the AT module gets. What isn't set stays as the firmware package has it."
_WIDTH = 100


def project_text(values: Mapping[str, str]) -> str:
    """Return the text of an ``esp_at.yml`` that sets these options; the others are comments with their examples."""
    blocks = [f"{MODELINE}\n# {_HEAD}"]
    for name, option in OPTIONS.items():
        about = textwrap.wrap(option.help, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        line = f"{name}: {as_scalar(values[name])}" if name in values else f"# {name}: {option.example}"
        blocks.append("\n".join([*about, line]))
    return "\n\n".join(blocks) + "\n"


def as_scalar(text: str) -> str:
    r"""Return a text as YAML has it in ``name: …``, in quotes where it would be something else.

    >>> as_scalar("v4.1.1.0"), as_scalar(r"C:\a b #1.zip"), as_scalar("it's: me")
    ('v4.1.1.0', "'C:\\\\a b #1.zip'", "'it''s: me'")
    """
    is_plain = re.fullmatch(r"[A-Za-z0-9./](?:[\w./+~-]|:(?=\S)| (?=[\w./]))*", text) is not None
    return text if is_plain and text.lower() != "null" else "'" + text.replace("'", "''") + "'"


def write_new(file: Path, text: str) -> None:
    """Write a new text file. Raises `EspAtError`, also if it exists."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        if os.path.lexists(file):
            message = f"{file} is there already"
            raise EspAtError("already-exists", message, hint="run it again: what is there is kept") from None
        raise EspAtError(
            "not-writable", f"{file} can't be written: {error.strerror or error}", hint=writing_hint(file, error)
        ) from None
