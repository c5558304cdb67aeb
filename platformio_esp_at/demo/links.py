"""The ports of this computer at which a simulated module is found: byte streams to one client after another."""

from __future__ import annotations

import os
import re
import select
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

from platformio_esp_at.errors import EspAtError

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

    def __init__(self) -> None:
        if sys.platform == "win32":
            hint = 'use transport="socket", or run this on Linux or macOS'
            raise EspAtError(
                "simulation-failed", "this system has no pseudo-terminals to simulate a serial port", hint=hint
            )
        self._folder = tempfile.TemporaryDirectory(prefix="simulated-module-")
        self.port = str(Path(self._folder.name, "tty"))
        self.plug_in()

    @property
    def baud(self) -> int | None:
        """See `Link.baud`."""
        return _BAUDS.get(termios.tcgetattr(self._master)[5])

    def plug_in(self) -> None:
        """See `Link.plug_in`."""
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
        if not readable:
            return b""
        try:
            data = os.read(self._master, _PIECE)
        except BlockingIOError:
            return b""
        except OSError:
            # Without a client, Linux fails with EIO and macOS reads nothing, both at once: wait, don't spin.
            data = b""
        if not data:
            time.sleep(TICK)
            raise ConnectionResetError
        return data

    def send(self, data: memoryview) -> int:
        """See `Link.send`."""
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

    baud = None

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.port = "socket://{}:{}".format(*self._address)
        self._client: socket.socket | None = None

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
