"""The commands, for every front end: package, flash, verify, test, back up, report, inspect, look up, explain.

A front end makes a `Setup`, calls a command, and turns `EspAtError` into an error of its host.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from platformio_esp_at.commands.setup import Setup

_MODULES = {
    "package": "packaging",
    "info": "packaging",
    "table": "packaging",
    "report": "reporting",
    "upload": "flashing",
    "upload_factory": "flashing",
    "verify": "flashing",
    "test": "testing",
    "erase": "flashing",
    "backup": "backup",
    "restore": "backup",
}
"""The commands of a project, and the module of each, which is imported only when the command runs."""


def run(command: str, setup: Setup) -> None:
    """Run a command of a project by its name. Raises `EspAtError`."""
    module = import_module(f"{__name__}.{_MODULES[command]}")
    getattr(module, command)(setup)
