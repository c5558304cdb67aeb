"""The requests, carried out with esptool's documented Python API; what goes beyond it is in `undocumented`.

https://docs.espressif.com/projects/esptool/en/latest/esp32/esptool/scripting.html
"""

from __future__ import annotations

import io
import re
import time
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeAlias

import serial
from esptool.cmds import (
    attach_flash,
    connect_esp,
    detect_flash_size,
    erase_flash,
    read_flash,
    reset_chip,
    run_stub,
    write_flash,
)
from esptool.logger import TemplateLogger, log
from esptool.util import FatalError, flash_size_bytes

from platformio_esp_at.device.failures import kind_of_opening
from platformio_esp_at.device.worker import undocumented

if TYPE_CHECKING:
    from collections.abc import Callable

    from esptool.loader import ESPLoader

    from platformio_esp_at.device.messages import Message

    Answer: TypeAlias = tuple[Message, bytes]

_ROM_BAUD = 115_200
_QUIET = 1.0
"""In seconds: after this long without a byte, a boot log has ended."""


class Engine:
    """One device at a time: `carry_out` answers the requests for it."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        serial.protocol_handler_packages.insert(0, f"{__package__}.serial_ports")
        self._log = _Log(tell)
        log.set_logger(self._log)
        self._esp: ESPLoader | None = None

    def carry_out(self, request: Message, data: bytes) -> Answer:
        """Return the answer to a request: ``done``, or ``failed`` with the kind of failure and esptool's words."""
        name = request.pop("do")
        try:
            with redirect_stdout(self._log), redirect_stderr(self._log):  # what goes past the logger
                answer, found = getattr(self, f"_{name}")(data=data, **request)
        except (FatalError, OSError, ValueError) as error:  # ValueError: a speed that the driver doesn't have
            self._log.end_line()
            return _failure(error, is_connected=self._esp is not None), b""
        self._log.end_line()
        return {"done": name, **answer}, found

    @property
    def _chip(self) -> ESPLoader:
        assert self._esp is not None  # noqa: S101 - `device.session` connects first
        return self._esp

    def _connect(self, *, port: str | None, before: str, attempts: int | None, chip: str, data: bytes) -> Answer:  # noqa: ARG002
        """Open the port, bring the chip into its bootloader, and return what it is."""
        self._disconnect()
        tries = undocumented.OPEN_PORT_ATTEMPTS
        # Which chip it is, the chip tells; only to wait for a port, esptool wants to know before.
        self._esp = esp = connect_esp(
            port=port,
            chip=chip if tries != 1 and port else "auto",
            before=before,
            connect_attempts=undocumented.CONNECT_ATTEMPTS if attempts is None else attempts,
            open_port_attempts=tries if port else 1,
        )
        with undocumented.remembered_registers(esp):
            security = undocumented.security(esp)
            found = undocumented.identity(esp)
        if any(security.values()):
            found["mac"] = undocumented.mac(esp)
        port = str(undocumented.serial_port(esp).port)
        return {"port": port, "chip": undocumented.chip_key(esp), "security": security, **found}, b""

    def _prepare(self, *, baud: int, stub: bool, data: bytes) -> Answer:  # noqa: ARG002
        """Start esptool's stub, set the speed, and return MAC and flash size (in bytes).

        The speed that it returns is None if the link fails at it.
        """
        esp = self._esp = run_stub(self._chip) if stub else self._chip
        if baud > _ROM_BAUD and (esp.IS_STUB or undocumented.chip_key(esp) != "esp8266"):
            esp.change_baud(baud)
        else:
            baud = _ROM_BAUD
        try:
            mac = undocumented.mac(esp)  # the first to go over the link at this speed
        except FatalError:
            return {"baud": None}, b""
        attach_flash(esp)
        size = detect_flash_size(esp)
        return {
            "baud": baud,
            "mac": mac,
            "flash_size": flash_size_bytes(size) if size else None,
            "has_stub": bool(esp.IS_STUB),
        }, b""

    def _digest(self, *, ranges: list[list[int]], data: bytes) -> Answer:  # noqa: ARG002
        """Return the MD5 of each range of flash, one behind the other."""
        return {}, b"".join(undocumented.md5_of_flash(self._chip, offset, size) for offset, size in ranges)

    def _read(self, *, offset: int, size: int, data: bytes) -> Answer:  # noqa: ARG002
        """Return a range of flash."""
        return {}, read_flash(self._chip, offset, size) or b""

    def _write(self, *, ranges: list[list[int]], compress: bool, data: bytes) -> Answer:
        """Write ranges of flash, whose bytes follow each other in ``data``; esptool compares the MD5 of each."""
        pieces, at = [], 0
        for offset, size in ranges:
            pieces.append((offset, data[at : at + size]))
            at += size
        # Forced: our checks come first, and know more.
        write_flash(self._chip, pieces, force=True, no_compress=not compress)
        return {}, b""

    def _erase(self, *, data: bytes) -> Answer:  # noqa: ARG002
        """Erase the whole flash."""
        erase_flash(self._chip, force=True)
        return {}, b""

    def _reset(self, *, after: str, listen: float, data: bytes) -> Answer:  # noqa: ARG002
        """Let the chip start its firmware, or what ``after`` says, and return what it prints in ``listen`` seconds."""
        esp = self._chip
        if listen:
            undocumented.set_speed(esp, _ROM_BAUD)
        can_reset = undocumented.has_reset_lines(esp) or after == "soft-reset"
        reset_chip(esp, after)
        printed = self._listen(listen) if listen else b""
        self._disconnect()
        return {"restarted": can_reset and not after.startswith("no-reset")}, printed

    def _boot(self, *, port: str, listen: float, data: bytes) -> Answer:  # noqa: ARG002
        """Restart a chip whose bootloader isn't asked for, and return what it prints in ``listen`` seconds."""
        self._disconnect()
        self._esp = undocumented.open_port(port)
        return self._reset(after="hard-reset", listen=listen, data=b"")

    def _listen(self, seconds: float) -> bytes:
        port, found = undocumented.serial_port(self._chip), b""
        port.timeout = 0.1
        end = quiet = time.monotonic() + seconds
        while time.monotonic() < min(end, quiet):
            if piece := port.read(4096):
                found += piece
                quiet = time.monotonic() + _QUIET
        return found

    def _disconnect(self) -> None:
        if self._esp is not None:
            undocumented.close_port(self._esp)
        self._esp = None


class _Log(TemplateLogger, io.TextIOBase):  # type: ignore[misc]
    """esptool's words as events, line by line, and its progress."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._line = ""
        self._progress = (0, 0)

    def print(self, *args: object, **kwargs: Any) -> None:  # noqa: ANN401 - as `print` has it
        *lines, self._line = (self._line + " ".join(map(str, args)) + kwargs.get("end", "\n")).split("\n")
        for line in lines:
            self._tell({"log": line})

    def write(self, text: str) -> int:
        """Take text as a stream does."""
        self.print(text, end="")
        return len(text)

    def end_line(self) -> None:
        """Tell of a line that has no end."""
        if self._line:
            self.print()

    def note(self, message: str) -> None:
        self.print(f"Note: {message}")

    def warning(self, message: str) -> None:
        self.print(f"Warning: {message}")

    def error(self, message: str) -> None:
        self.print(message)

    def stage(self, finish: bool = False) -> None:  # noqa: FBT001, FBT002 - esptool's
        pass

    def progress_bar(
        self,
        cur_iter: int,
        total_iters: int,
        prefix: str = "",  # noqa: ARG002
        suffix: str = "",  # noqa: ARG002
        bar_length: int = 30,  # noqa: ARG002
    ) -> None:
        if (cur_iter, total_iters) != self._progress:
            self._progress = cur_iter, total_iters
            self._tell({"progress": [cur_iter, total_iters]})

    def set_verbosity(self, verbosity: str) -> None:
        pass


def _failure(error: Exception, *, is_connected: bool) -> Message:
    """Return what `device.session` makes an error of: the kind, by values where there are any, and the words."""
    cause = error.__context__ if isinstance(error, FatalError) else error
    words = str(error).strip() or type(error).__name__
    if isinstance(cause, OSError) and not is_connected:  # pySerial's error is one
        return {"failed": kind_of_opening(cause), "text": str(cause)}
    if isinstance(cause, OSError):
        return {"failed": "port-lost", "text": str(cause)}
    if isinstance(error, ValueError):
        return {"failed": "speed", "text": words}
    kind = next((kind for kind, pattern in _OF_FLASH.items() if re.search(pattern, words)), "chip")
    return {"failed": kind if is_connected else "no-answer", "text": words}


_OF_FLASH = {
    "flash": r"MD5 of file|flash region is empty",
    "flash-refuses": r"result was (0106|0108|0109|C400|C500)",
}
"""Failures that the flash is the cause of, and no link: what esptool says of them (``FatalError.WithResult``)."""
