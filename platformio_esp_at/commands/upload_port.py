"""Which port the module is on: named by the project, found by the host, or the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.device.ports import check_one, check_port, find_port, usb_ports
from platformio_esp_at.errors import EspAtError, setting

if TYPE_CHECKING:
    from platformio_esp_at.commands.setup import Job, Reach, Setup
    from platformio_esp_at.request.values import Text


def choose_port(setup: Setup, job: Job | Reach) -> str:
    """Return the port of a job's module.

    Raises `EspAtError` where none is named for a module next to the host's board, where there is none, or where the
    module may be on any of several.
    """
    port = job.request.port
    if port is None and setup.find_port and not job.on_own_board:
        message = "the AT module is not on the project's board, and no port is named for it"
        raise EspAtError("port-missing", message, hint=f"write {setting('port', 'PORT')}")
    if port is not None:
        name = port.text
    elif setup.find_port:
        if not setup.has_port:
            check_one(usb_ports())  # the host would take the first
        name = setup.find_port()
    else:
        name = find_port()
    check_port(name)
    return name


_OF_ANOTHER_PORT = ("device-other-chip", "module-not-responding", "port-absent", "port-unavailable")
"""Codes of failures that another port may cure."""
_TYPED = "--"


def name_origin(error: EspAtError, port: Text | None) -> None:
    """Let an error about a port say where that was written: a typed one in the hint, another one in the place."""
    if port is None or error.code not in _OF_ANOTHER_PORT:
        return
    origin = str(port.where)
    if origin.startswith(_TYPED):
        option = "-p" if origin == "--port" else origin
        error.hint = error.marked_hint.replace(setting("port", "PORT"), f"{option} PORT")
    else:
        error.locate(port.where)
