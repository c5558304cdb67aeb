"""The ports of this computer at which a simulated module is found: byte streams to one client after another."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from serial.rfc2217 import IAC, IAC_DOUBLED, PortManager

from platformio_esp_at.demo.reset_lines import ChipState, ResetLines
from platformio_esp_at.errors import EspAtError

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.platform != "win32":
    import pty
    import termios
    import tty

    _BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B\d+", name)}
    """The speeds that have a constant."""

TICK = 0.02
"""How long one wait lasts, in seconds; also how long a stop can take."""
_PIECE = 1 << 16


class Link(Protocol):
    """A port; a ConnectionError means that the client has closed it."""

    port: str
    has_lines: bool
    """Whether DTR and RTS reset the chip."""

    @property
    def baud(self) -> int | None:
        """The speed of the client's end, if it is known."""

    def receive(self) -> bytes:
        """Return the bytes received within one tick, maybe none."""

    def send(self, data: memoryview) -> int:
        """Send as much as possible within one tick, and return the number of bytes."""

    def unplug(self) -> None:
        """Take the port away, from a client that has it open, too."""

    def plug_in(self) -> None:
        """Bring the port back at its old name."""

    def close(self) -> None:
        """Free the port."""


class PtyLink:
    """A pseudo-terminal: for the client it is a serial port with any baud rate.

    The name of the port is a symbolic link, which outlives the pseudo-terminal.
    """

    has_lines = False

    def __init__(self) -> None:
        if sys.platform == "win32":
            hint = 'use transport="socket", or run this on Linux or macOS'
            raise EspAtError(
                "simulation-failed", "this system has no pseudo-terminals to simulate a serial port", hint=hint
            )
        # Where no user's folder gives its path a space: a real port's name has none.
        self._folder = tempfile.TemporaryDirectory(prefix="simulated-module-", dir="/tmp")
        self.port = str(Path(self._folder.name, "tty"))
        self.plug_in()

    @property
    def baud(self) -> int | None:
        """See `Link.baud`."""
        return _BAUDS.get(termios.tcgetattr(self._master)[5])

    def plug_in(self) -> None:
        """See `Link.plug_in`."""
        self._has_client = False
        self._master, client = pty.openpty()
        tty.setraw(client)
        os.set_blocking(self._master, False)
        Path(self.port).symlink_to(os.ttyname(client))
        # Only clients keep their side open: when the last one closes it, our reads fail.
        os.close(client)

    def unplug(self) -> None:
        """See `Link.unplug`."""
        Path(self.port).unlink()
        os.close(self._master)
        self._master = -1

    def receive(self) -> bytes:
        """See `Link.receive`."""
        readable, _, _ = select.select([self._master], [], [], TICK)
        data = self._read() if readable else None
        if data == b"":
            time.sleep(TICK)  # what has no client is readable at once: wait, don't spin
            if self._has_client:
                self._has_client = False
                raise ConnectionResetError
            return b""
        self._has_client = True
        return data or b""

    def _read(self) -> bytes | None:
        """Return what there is, b"" without a client, None if nothing is there yet."""
        try:
            return os.read(self._master, _PIECE)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # without a client, Linux fails with EIO and macOS reads nothing

    def send(self, data: memoryview) -> int:
        """See `Link.send`."""
        if not self._has_client:
            raise ConnectionResetError
        _, writable, _ = select.select([], [self._master], [], TICK)
        try:
            return os.write(self._master, data) if writable else 0
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionResetError from error

    def close(self) -> None:
        """See `Link.close`."""
        if self._master >= 0:
            self.unplug()
        self._folder.cleanup()


class SocketLink:
    """A TCP port of this computer, which pyserial opens by its ``socket://`` address."""

    has_lines = False

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.port = "socket://{}:{}".format(*self._address)
        self._client: socket.socket | None = None

    @property
    def baud(self) -> int | None:
        """See `Link.baud`."""
        return None

    def plug_in(self) -> None:
        """See `Link.plug_in`."""
        self._listener = socket.create_server(self._address)

    def unplug(self) -> None:
        """See `Link.unplug`."""
        self.close()
        self._client = None

    def receive(self) -> bytes:
        """See `Link.receive`."""
        readable, _, _ = select.select([self._client or self._listener], [], [], TICK)
        if not readable:
            return b""
        if self._client is None:
            self._client, _ = self._listener.accept()
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return b""
        data = self._client.recv(_PIECE)
        if not data:
            self._hang_up()
        return data

    def send(self, data: memoryview) -> int:
        """See `Link.send`."""
        if self._client is None:
            raise ConnectionResetError
        _, writable, _ = select.select([], [self._client], [], TICK)
        return self._client.send(data) if writable else 0

    def close(self) -> None:
        """See `Link.close`."""
        if self._client:
            self._client.close()
        self._listener.close()

    def _hang_up(self) -> None:
        if self._client:
            self._client.close()
        self._client = None
        raise ConnectionResetError


class Rfc2217Link(SocketLink):
    """A server for ``rfc2217://``, which tells the chip's reset lines and the speed that its client chooses.

    ``on_reset`` is called with what becomes of the chip.
    """

    has_lines = True

    def __init__(self, on_reset: Callable[[ChipState], None]) -> None:
        super().__init__()
        self.port = "rfc2217://{}:{}".format(*self._address)
        self._on_reset = on_reset
        self._begin()

    def _begin(self) -> None:
        self._lines = ResetLines()
        self._settings = _PortSettings(self._set_lines)
        self._manager: PortManager | None = None
        self._unsent = b""

    @property
    def baud(self) -> int | None:
        """See `Link.baud`."""
        return self._settings.baudrate

    def receive(self) -> bytes:
        """See `Link.receive`."""
        self._send_rest()
        data = super().receive()
        if self._client and not self._manager:
            self._manager = PortManager(cast("Any", self._settings), cast("Any", self))
        return b"".join(self._manager.filter(data)) if self._manager else b""

    def send(self, data: memoryview) -> int:
        """See `Link.send`; what is returned as sent may go with the next call."""
        if self._client is None:
            raise ConnectionResetError
        if self._unsent:
            self._send_rest()
            return 0
        self.write(bytes(data).replace(IAC, IAC_DOUBLED))
        return len(data)

    def write(self, data: bytes) -> None:
        """Send what the PortManager answers, or what is escaped already."""
        self._unsent += data
        self._send_rest()

    def unplug(self) -> None:
        """See `Link.unplug`."""
        super().unplug()
        self._begin()

    def _send_rest(self) -> None:
        if self._unsent:
            self._unsent = self._unsent[super().send(memoryview(self._unsent)) :]

    def _set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        state = self._lines.set(dtr=dtr, rts=rts)
        if state:
            self._on_reset(state)

    def _hang_up(self) -> None:
        # A server closes the serial port then, which releases its lines.
        self._set_lines(dtr=False, rts=False)
        self._begin()
        super()._hang_up()


@dataclass
class _PortSettings:
    """The serial port that pyserial's PortManager sets."""

    set_lines: Callable[..., None]
    baudrate: int = 115200
    bytesize: int = 8
    parity: str = "N"
    stopbits: float = 1
    xonxoff: bool = False
    rtscts: bool = False
    break_condition: bool = False
    cts: bool = True
    dsr: bool = True
    ri: bool = False
    cd: bool = True

    @property
    def dtr(self) -> None:
        """Whether DTR is asserted; nobody asks."""

    @dtr.setter
    def dtr(self, asserted: bool) -> None:
        self.set_lines(dtr=asserted)

    @property
    def rts(self) -> None:
        """Whether RTS is asserted; nobody asks."""

    @rts.setter
    def rts(self, asserted: bool) -> None:
        self.set_lines(rts=asserted)

    def reset_input_buffer(self) -> None:
        """Do nothing: what is not sent yet is answers to the client's settings."""

    def reset_output_buffer(self) -> None:
        """Do nothing: the chip has it already."""
