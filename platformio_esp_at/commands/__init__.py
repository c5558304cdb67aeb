"""One job each, for every front end: package, flash, verify, inspect, look up, explain.

A front end gathers a `Setup`, calls one of these, and translates `EspAtError` into its host's way of failing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platformio_esp_at.commands.setup import Setup

_ROOMS = {
    "package": "packaging",
    "info": "packaging",
    "upload": "flashing",
    "upload_factory": "flashing",
    "verify": "flashing",
}
"""The commands of a project, and the module of each: only what a command needs is loaded."""


def run(command: str, setup: Setup) -> None:
    """Run a command of a project by its name. Raises `EspAtError`."""
    module = import_module(f"{__name__}.{_ROOMS[command]}")
    getattr(module, command)(setup)
