"""A simulated ESP module on a serial port of this computer, for esptool to talk to.

>>> with SimulatedModule("esp32c3", flash_size=4 << 20) as module:  # doctest: +SKIP
...     subprocess.run(["esptool", "--port", module.port, "write-flash", "0x0", "factory.bin"], check=True)
...     module.flash[:4], module.writes
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Literal, Protocol

from platformio_esp_at.demo.nor_flash import NorFlash
from platformio_esp_at.demo.simulated_rom import FLASH_SIZES, FrameReader, SimulatedRom
from platformio_esp_at.errors import EspAtError, LayoutError
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

Transport = Literal["pty", "socket"]

_TICK = 0.02
"""How long one wait lasts, in seconds; also how long a stop can take."""
_PIECE = 1 << 16


class SimulatedModule:
    """A context manager: inside it, ``port`` answers as ``chip`` in download mode, for one esptool run after another.

    ``flash``: the content at the start, 0xFF after its end. ``crystal_mhz``: by default, the usual one. With
    ``blank_efuses``, the chip reports revision v0.0. Opening the port, or syncing with the bootloader, resets the chip;
    the flash stays. Several modules can run at once.
    """

    def __init__(
        self,
        chip: str = "esp32",
        flash_size: int = 4 << 20,
        flash: bytes | None = None,
        transport: Transport = "pty",
        crystal_mhz: int | None = None,
        *,
        blank_efuses: bool = False,
    ) -> None:
        if flash_size not in FLASH_SIZES:
            hint = f"use one of {', '.join(map(format_size, FLASH_SIZES))}"
            raise LayoutError("simulation-failed", f"no simulated flash has {format_size(flash_size)}", hint=hint)
        self.chip = chip
        self._flash = NorFlash(flash_size, flash or b"")
        self._rom = SimulatedRom(chip, self._flash, crystal_mhz, blank_efuses=blank_efuses)
        self._transport = transport
        self._link: _Link | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> str:
        """The value for esptool's ``--port``."""
        if self._link is None:
            raise EspAtError(
                "simulation-failed", "the simulated module isn't running", hint="use it in a with statement"
            )
        return self._link.port

    @property
    def flash(self) -> bytes:
        """A copy of what is in the flash now."""
        return self._flash.read(0, self._flash.size)

    @property
    def writes(self) -> list[tuple[int, int]]:
        """Offset and length of every region written so far, in order; for an interrupted one, the length so far."""
        return list(self._flash.writes)

    @property
    def erases(self) -> list[tuple[int, int]]:
        """Offset and length of every erase so far, in whole sectors; a write begins with one."""
        return list(self._flash.erases)

    def __enter__(self) -> Self:
        self._stop.clear()
        self._link = _PtyLink() if self._transport == "pty" else _SocketLink()
        self._thread = threading.Thread(target=self._serve, args=(self._link,), name=f"simulated {self.chip}")
        self._thread.daemon = True  # an interrupted demo must not hang on it
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._link:
            self._link.close()
        self._link = None

    def _serve(self, link: _Link) -> None:
        while not self._stop.is_set():
            self._rom.reset()
            # A closed connection is the end of one run, killed or finished; the next run starts after a reset.
            with contextlib.suppress(ConnectionError):
                self._converse(link)

    def _converse(self, link: _Link) -> None:
        frames = FrameReader()
        while not self._stop.is_set():
            for frame in frames.feed(link.receive()):
                answer = memoryview(self._rom.answer(frame))
                while answer and not self._stop.is_set():
                    answer = answer[link.send(answer) :]


class _Link(Protocol):
    """A byte stream to one client after the other; a ConnectionError means that the client has closed it."""

    port: str

    def receive(self) -> bytes:
        """Return the bytes received within one tick, maybe none."""

    def send(self, data: memoryview) -> int:
        """Send as much as possible within one tick, and return the number of bytes."""

    def close(self) -> None:
        """Free the port."""


class _PtyLink:
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
        readable, _, _ = select.select([self._master], [], [], _TICK)
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
            time.sleep(_TICK)
            raise ConnectionResetError
        return data

    def send(self, data: memoryview) -> int:
        _, writable, _ = select.select([], [self._master], [], _TICK)
        try:
            return os.write(self._master, data) if writable else 0
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionResetError from error

    def close(self) -> None:
        os.close(self._master)


class _SocketLink:
    """A TCP port of this computer, which pyserial opens by its ``socket://`` address."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.port = f"socket://{host}:{port}"
        self._client: socket.socket | None = None

    def receive(self) -> bytes:
        readable, _, _ = select.select([self._client or self._listener], [], [], _TICK)
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
        if self._client is None:
            raise ConnectionResetError
        _, writable, _ = select.select([], [self._client], [], _TICK)
        return self._client.send(data) if writable else 0

    def close(self) -> None:
        if self._client:
            self._client.close()
        self._listener.close()

    def _hang_up(self) -> None:
        if self._client:
            self._client.close()
        self._client = None
        raise ConnectionResetError
