"""What is connected to this computer: the device at a port, as the facts of a board."""

from __future__ import annotations

from pathlib import Path

from platformio_esp_at.catalog.boards import BoardFacts
from platformio_esp_at.device.ports import usb_ports
from platformio_esp_at.device.session import Connection, Session
from platformio_esp_at.errors import FlashError
from platformio_esp_at.units import format_size

_FIRST_TRIED = "esp32"


def connected_board(port: str | None) -> BoardFacts | None:
    """Return what a device says of itself: the one at ``port``, or the only one on USB; None where there is none.

    The device is restarted. Raises `FlashError` if nothing answers at a port that is named.
    """
    if port is not None:
        return _board_at(port)
    ports = usb_ports()
    if len(ports) != 1:
        return None
    try:
        return _board_at(ports[0].name)
    except FlashError:
        return None  # something else than a module, or busy


def _board_at(port: str) -> BoardFacts:
    chip, size = _FIRST_TRIED, None
    for _ in range(2):  # the flash is asked only of the chip that is expected
        with Session(Connection(chip, port), lambda _: None, folder=Path()) as session:
            device = session.probe()
            session.reset()
        if device.chip == chip:
            size = device.flash_size
            break
        chip = device.chip
    upload = {"flash_size": format_size(size)} if size else {}
    what = f"{chip} with {format_size(size)} at {port}" if size else f"{chip} at {port}"
    return BoardFacts.from_manifest(what, {"build": {"mcu": chip}, "upload": upload})
