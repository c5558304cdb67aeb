"""The ports of this computer at which a simulated module is found: byte streams to one client after another."""

from __future__ import annotations

import os
import select
import socket
import time
from typing import Protocol

from platformio_esp_at.errors import EspAtError

TICK = 0.02
"""How long one wait lasts, in seconds; also how long a stop can take."""
_PIECE = 1 << 16


class Link(Protocol):
    """A port; a ConnectionError means that the client has closed it."""

    port: str

    def receive(self) -> bytes:
        """Return the bytes received within one tick, maybe none."""

    def send(self, data: memoryview) -> int:
        """Send as much as possible within one tick, and return the number of bytes."""

    def close(self) -> None:
        """Free the port."""


class PtyLink:
    """A pseudo-terminal: for the client it is a serial port with any baud rate."""

    def __init__(self) -> None:
        try:
            import pty  # noqa: PLC0415 - neither exists on Windows
            import tty  # noqa: PLC0415
        except ImportError as error:
            hint = 'use transport="socket", or run this on Linux or macOS'
            raise EspAtError(
                "simulation-failed", "this system has no pseudo-terminals to simulate a serial port", hint=hint
            ) from error
        self._master, client = pty.openpty()
        tty.setraw(client)
        self.port = os.ttyname(client)
        os.set_blocking(self._master, False)
        # Only clients keep their side open: when the last one closes it, our reads fail.
        os.close(client)

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
        os.close(self._master)


class SocketLink:
    """A TCP port of this computer, which pyserial opens by its ``socket://`` address."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.port = f"socket://{host}:{port}"
        self._client: socket.socket | None = None

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
