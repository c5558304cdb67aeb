"""Which port the module is on: named by the project, found by the host, or the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.device.ports import check_one, check_port, find_port, usb_ports
from platformio_esp_at.errors import EspAtError, setting

if TYPE_CHECKING:
    from platformio_esp_at.commands.setup import Job, Reach, Setup


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
