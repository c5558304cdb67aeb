"""Where the documentation is: as a release brings it, else as it is published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from platformio_esp_at.commands.explain import all_codes
from platformio_esp_at.errors import near_names, unknown_name
from platformio_esp_at.request.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

SITE = "https://platformio-esp-at.github.io/platformio-esp-at/"
"""The published documentation: that of the newest version."""
BUILT = Path(__file__).parents[1] / "documentation"
"""The documentation of this version; a wheel has it, a checkout after the session ``docs``, a host's archive never."""

PAGES = (
    "boards",
    "codes",
    "commands",
    "device",
    "environment",
    "formats",
    "modules",
    "options",
    "packages",
    "project-file",
    "report",
)
"""The pages of the reference."""


def address(topic: str | None, commands: Sequence[str]) -> str:
    """Return the URL of the documentation, or of its section on a topic; ``commands``: the names of esp-at's.

    Raises `UnknownNameError` with near topics.
    """
    file, hash_, section = (_place(topic, commands) if topic else "index.html").partition("#")
    base = (BUILT / file).as_uri() if (BUILT / "index.html").is_file() else SITE + file
    return f"{base}{hash_}{section}"


def _place(topic: str, commands: Sequence[str]) -> str:
    """Return the page of a topic, and the section in it. The name of a page goes first, then that of a command."""
    name = topic.strip().removeprefix("[").removesuffix("]").removeprefix("--").casefold()
    places = {
        **{option: f"options.html#{_section(option)}" for option in OPTIONS},
        **{command: f"commands.html#esp-at-{command}" for command in commands},
        **{entry.code: f"codes.html#{entry.code}" for entry in all_codes()},
        **{page: f"{page}.html" for page in PAGES},
    }
    if name not in places:
        error = unknown_name("unknown-topic", "topic", name, places)
        if not near_names(name, places):
            error.hint = "name a page, such as options, a code, such as pin-taken, a command or an option"
        raise error
    return f"reference/{places[name]}"


def _section(name: str) -> str:
    """Return the anchor that Sphinx gives a heading which is a name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())
