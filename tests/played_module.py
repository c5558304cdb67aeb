"""A module's AT port, played on a pseudo terminal: at another speed than its own it sends noise."""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

NOISE = bytes.fromhex("fe80f81e9ee60618")
_SPEEDS = {
    getattr(termios, f"B{number}"): number
    for number in (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000, 2000000)
}


class PlayedModule:
    """A context manager: what plays at ``port`` ends with it.

    ``replies``: what comes after each command in turn, the last one again and again; ``*`` is any command, and a
    function is asked anew each time. ``baud``: its speed, or a function that returns it; 0: nothing answers. ``echo``
    sends commands back, ``loopback`` all bytes at any speed. ``noise``: what comes where the speed is another one;
    nothing, for a module that is not connected. ``pieces``: replies come in parts of that size.
    """

    def __init__(
        self,
        replies: dict[str, Sequence[bytes | Callable[[], bytes]]],
        *,
        baud: int | Callable[[], int] = 115200,
        echo: bool = True,
        noise: bytes = NOISE,
        loopback: bool = False,
        pieces: int = 0,
    ) -> None:
        self.received: list[tuple[int, bytes]] = []
        """What came, with the speed of the host."""
        self._replies = {command: list(turns) for command, turns in replies.items()}
        self._echo, self._noise, self._loopback, self._pieces = echo, noise, loopback, pieces
        self._baud = baud if callable(baud) else lambda: baud
        self._ends, self._end = os.pipe()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._end, b"x")
        self._thread.join()
        for number in (self._ends, self._end, self._slave, self._master):
            with suppress(OSError):
                os.close(number)

    def say(self, data: bytes) -> None:
        """Send bytes unasked."""
        os.write(self._master, data)

    def unplug(self) -> None:
        """Let the port go away."""
        os.close(self._slave)
        os.close(self._master)

    @property
    def commands(self) -> list[bytes]:
        """The commands that came at the module's speed."""
        return b"".join(data for baud, data in self.received if baud == self._baud()).split(b"\r\n")[:-1]

    def _play(self) -> None:
        line = b""
        while True:
            with suppress(OSError, ValueError):
                ready, _, _ = select.select([self._master, self._ends], [], [])
                if self._ends in ready:
                    return
                data = os.read(self._master, 256)
                baud = _SPEEDS.get(termios.tcgetattr(self._master)[5], 0)
                self.received.append((baud, data))
                if self._loopback:
                    self.say(data)
                elif baud != (own := self._baud()):
                    self.say(self._noise if own else b"")
                else:
                    line += data
                    while b"\r\n" in line:
                        command, _, line = line.partition(b"\r\n")
                        self._answer(command)
                continue
            return

    def _answer(self, command: bytes) -> None:
        turns = self._replies.get(command.decode("latin-1"), self._replies.get("*", [b""]))
        reply = turns.pop(0) if len(turns) > 1 else turns[0]
        data = (command + b"\r\n" if self._echo else b"") + (reply() if callable(reply) else reply)
        size = self._pieces or len(data) or 1
        for at in range(0, len(data), size):
            os.write(self._master, data[at : at + size])
