"""The serial port at which the module answers AT: it is opened, listened to, and asked. Nothing here waits for ever.

Opening it must reset nothing: on boards with Espressif's circuit, RTS without DTR resets the chip, DTR without RTS
holds its boot pin. So both are off. On Linux and macOS the system itself raises both, together, while it opens the
port: that can't be avoided, and does nothing. Then RTS goes first: DTR first would leave RTS alone for a moment.

A module in passthrough mode hands all that comes on to a server. ``+++`` would end that mode, so it isn't sent.
Instead, the port is listened to before ``AT`` is sent, best since before a reset: the prompt ``>`` or a text of a
server shows that mode, and then nothing is sent.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import serial

try:
    from termios import error as TerminalError  # noqa: N812 - the module's only error, which is no OSError
except ImportError:  # Windows
    TerminalError = OSError  # type: ignore[assignment,misc]

from platformio_esp_at.device.failures import failure, kind_of_opening
from platformio_esp_at.formats.at_replies import Conversation, Exchange, Reply, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USUAL_SPEEDS = (115200, 9600, 921600, 460800, 230400, 57600, 38400, 19200)
"""Where a module doesn't answer at the planned speed, it is asked at these, in baud."""

_MOST = 64 << 10
_STEP = 0.02


class Patience(NamedTuple):
    """How long the port is listened to, in seconds."""

    quiet: float = 0.3
    """Before the first command, until nothing has come for this long."""
    reply: float = 1.0
    """For a reply at the planned speed."""
    other: float = 0.4
    """For a reply at another one."""
    tries: int = 4
    """How often a command is sent, where the module is busy, starts, or has half a line before it."""


class CommandPort:
    """An open port; `open_command_port` opens it."""

    def __init__(self, port: serial.Serial, name: str, patience: Patience) -> None:
        self._port = port
        self._name = name
        self._patience = patience

    def ask(self, speeds: Sequence[int]) -> Conversation:
        """Return what the module says to ``AT``, at one of ``speeds`` after the other, and then to ``AT+GMR``.

        The first speed is the planned one, at which the port was opened. Raises `EspAtError` if the port is lost.
        """
        with _port_errors(self._name):
            unasked = self._hear(self._patience.quiet, most=self._patience.quiet * 10)
            if Reply.from_bytes(unasked).is_foreign:
                return Conversation(self._name, unasked, ())
            exchanges: list[Exchange] = []
            refused: list[int] = []
            for speed in dict.fromkeys(speeds):
                if not self._set_speed(speed):
                    refused.append(speed)
                    continue
                planned = speed == speeds[0]
                wait = self._patience.reply if planned else self._patience.other
                exchanges += self._try(speed, "AT", wait, is_planned=planned)
                if exchanges[-1].reply.result is Result.OK:
                    exchanges += self._try(speed, "AT+GMR", self._patience.reply, is_planned=True)
                if _is_enough(exchanges):
                    break
        return Conversation(self._name, unasked, tuple(exchanges), tuple(refused))

    def _try(self, speed: int, command: str, wait: float, *, is_planned: bool) -> Iterator[Exchange]:
        """Yield the exchanges with a command, until it is answered, or nothing more is to be expected."""
        for number in range(self._patience.tries):
            exchange = Exchange(speed, command, self._exchange(command, wait))
            yield exchange
            reply = exchange.reply
            if _is_answer(command, exchange.heard) or reply.is_foreign:
                return
            if (
                not (reply.is_readable or reply.says_ready) and number >= is_planned
            ):  # silence, or noise: once more at the planned speed
                return
            if reply.is_only_echo and number:
                return

    def _exchange(self, command: str, wait: float) -> bytes:
        self._port.reset_input_buffer()
        with suppress(serial.SerialTimeoutException):  # nothing is sent, and nothing will be answered
            self._port.write(f"{command}\r\n".encode())
        return self._hear(wait, most=wait * 3, command=command)

    def _hear(self, quiet: float, *, most: float, command: str | None = None) -> bytes:
        """Return what comes until it has been quiet for that long, or the command is answered."""
        heard = b""
        now = time.monotonic()
        silence, end = now + quiet, now + most
        while now < min(silence, end) and len(heard) < _MOST:
            chunk = self._port.read(max(1, self._port.in_waiting))
            now = time.monotonic()
            if chunk:
                heard, silence = heard + chunk, now + quiet
                if command is not None and _is_final(command, heard):
                    break
        return heard

    def _set_speed(self, speed: int) -> bool:
        """Return whether the adapter has that speed, and take it."""
        try:
            self._port.baudrate = speed
        except ValueError:
            return False
        except (OSError, TerminalError) as error:
            if error.args[:1] != (errno.EINVAL,):
                raise
            return False
        return True


def _is_answer(command: str, heard: bytes) -> bool:
    """Return whether a command was answered; a late ``OK`` to an earlier ``AT`` is none to ``AT+GMR``."""
    result = Reply.from_bytes(heard, command).result
    return result is Result.OK and (command == "AT" or b"version" in heard)


def _is_final(command: str, heard: bytes) -> bool:
    """Return whether nothing more is to come after a command."""
    return _is_answer(command, heard) or Reply.from_bytes(heard, command).result is Result.ERROR


def _is_enough(exchanges: Sequence[Exchange]) -> bool:
    """Return whether other speeds would tell nothing more: an echo alone is one of the wire if another speed has it."""
    replies = [one.reply for one in exchanges]
    if any(reply.result is not Result.NOTHING or reply.is_foreign for reply in replies):
        return True
    return len({one.baud for one in exchanges if one.reply.is_only_echo}) > 1


@contextmanager
def open_command_port(name: str, baud: int, patience: Patience | None = None) -> Iterator[CommandPort]:
    """Open the port, without moving DTR and RTS as far as the system lets that be. Raises `EspAtError`."""
    # pyserial's rfc2217:// refuses a timeout for writing; there, the network's buffer takes a command at once.
    write_timeout = None if name.lower().startswith("rfc2217:") else 1
    with _opening_errors(name):
        port = serial.serial_for_url(
            name, baudrate=baud, timeout=_STEP, write_timeout=write_timeout, exclusive=True, do_not_open=True
        )
        port.rts = False
        if os.name == "nt":
            port.dtr = False
        port.open()
        with suppress(OSError):  # a port without such lines
            port.dtr = False
    try:
        yield CommandPort(port, name, patience or Patience())
    finally:
        with suppress(OSError, TerminalError):  # the port is gone
            port.reset_output_buffer()  # or closing it may wait for half a minute
            port.close()


@contextmanager
def _port_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, TerminalError) as error:
        raise failure("port-lost", str(error), name, option="command_port") from None


@contextmanager
def _opening_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, TerminalError, ValueError) as error:
        raise failure(kind_of_opening(error), str(error), name, option="command_port") from None
