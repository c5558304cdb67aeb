"""What comes over the AT port: replies to ``AT`` and ``AT+GMR``, and what else may come there.

A reply is the echo of the command (unless the host has sent ``ATE0``), lines of its own, then ``OK`` or ``ERROR``;
``busy p...`` comes where the module is at work. The lines of ``AT+GMR``::

    AT version:4.1.0.0(b1dca01 - ESP32 - Jul 10 2025 11:41:05)      no chip up to v2.0
    SDK version:v5.0.6-dirty
    compile time(4b00c3d4):Jul 30 2025 17:17:20
    Bin version:v4.1.0.0-dev(WROOM-32)

Source: ESP-AT ``docs/en/AT_Command_Set/Basic_AT_Commands.rst``, ``AT_Command_Messages.rst``, and the texts in released
applications.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple

PROMPT = ">"
"""The line with which a module waits for data: for a number of bytes, or for all that comes in passthrough mode."""

_READY = "ready"
_SURE = 8
_MESSAGE = re.compile(
    r"ready|OK|ERROR|busy [ps]\.\.\.|WIFI \w+.*|\d?,?CONNECT(?:ED)?|\d?,?CLOSED|(?:SEND|SET) (?:OK|FAIL)|\+[A-Z].*"
    r"|ERR CODE:.*|Will force to restart!!!|DISCONNECT|Recv \d+ bytes|smartconfig .*|AT.*"
    r"|SDK version:.*|.*compile time\(.*|Bin version:.*"
)
"""Lines that a module sends by itself, or in reply to a command."""
_OF_THE_LOG = re.compile(
    r"rst:0x|ets [A-Z]|boot:|load:0x|entry 0x|at param mode|module_name|max tx power|[EWIDV] \(\d+\)"
)
"""Lines of a log, where the AT port is on the pins of the log port."""

_CORE = re.compile(r"AT version:([^\s()]+)\(([^()]*)\)$")
_SDK = re.compile(r"SDK version:(\S.*)$")
_COMPILED = re.compile(r"compile time\(([^()]*)\):([A-Z][a-z]{2} [ \d]\d \d{4}) (\d\d:\d\d:\d\d)$")
_BIN = re.compile(r"Bin version:(.*)\(([^()]*)\)$")


class Result(enum.Enum):
    """How a reply ends."""

    OK = "OK"
    ERROR = "ERROR"
    BUSY = "busy p..."
    NOTHING = "nothing"
    """No module has answered in time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What has come after a command, or without one."""

    result: Result
    has_echo: bool
    """Whether the command has come back."""
    says_ready: bool
    """Whether the module has said that it is ready, as it does when it has started."""
    waits_for_data: bool
    """Whether the last line is the prompt `PROMPT`."""
    lines: tuple[str, ...]
    """All lines that are text; the last may be cut."""
    other_text: tuple[str, ...]
    """Those of `lines` that no module sends: a server's, in passthrough mode, or those of another device."""
    is_readable: bool
    """Whether it is text; False for bytes that were sent at another speed, and for none."""

    @classmethod
    def from_bytes(cls, data: bytes, command: str = "") -> Reply:
        """Return the reply to a command; any bytes are one."""
        text = data.decode("latin-1")
        lines = tuple(line for part in re.split(r"[\r\n]+", text) if (line := part.strip()) and _is_text(line))
        readable = sum(char in "\r\n\t" or " " <= char <= "~" for char in text)
        is_readable = bool(data.strip(b"\0\r\n")) and readable * 10 >= len(text) * 9
        own = [line for line in lines if line != command]
        return cls(
            result=_result(own),
            has_echo=bool(command) and command in lines,
            says_ready=_READY in own,
            waits_for_data=is_readable and re.search(rf"[\r\n]{PROMPT} ?$", text) is not None,
            lines=lines,
            other_text=tuple(filter(_is_other, own)) if is_readable else (),
            is_readable=is_readable,
        )

    @property
    def is_only_echo(self) -> bool:
        """Whether nothing has come but the command itself."""
        return self.has_echo and len(set(self.lines)) == 1

    @property
    def is_foreign(self) -> bool:
        """Whether no module sends this to a host that it takes commands from: it waits for data, or hands on a text.

        A text is at least of `_SURE` characters: noise may look like a shorter one.
        """
        is_text = any(len(line) >= _SURE for line in self.other_text)
        return self.result is Result.NOTHING and (self.waits_for_data or is_text)


class Compiled(NamedTuple):
    """When and from what an application was compiled, in the words that it contains."""

    commit: str
    date: str
    time: str


@dataclass(frozen=True, slots=True)
class AtVersion:
    """What ``AT+GMR`` says; None for what no whole line says."""

    core: str | None = None
    """The version of the AT core, such as ``4.1.0.0``."""
    core_build: tuple[str, ...] = ()
    """The core's commit, chip (not up to v2.0) and date."""
    sdk: str | None = None
    compiled: Compiled | None = None
    firmware: str | None = None
    """``Bin version``: that of the release, such as ``v4.1.1.0``."""
    module_name: str | None = None

    @classmethod
    def from_bytes(cls, data: bytes) -> AtVersion:
        """Return the version from the reply to ``AT+GMR``; a line that doesn't end is not taken."""
        lines = [line.strip() for line in re.split(r"[\r\n]+", data.decode("latin-1"))[:-1]]
        core, sdk, compiled, binary = (
            next(filter(None, map(pattern.search, lines)), None) for pattern in (_CORE, _SDK, _COMPILED, _BIN)
        )
        return cls(
            core=core and core[1],
            core_build=tuple(part.strip() for part in core[2].split(" - ")) if core else (),
            sdk=sdk and sdk[1],
            compiled=Compiled(*compiled.groups()) if compiled else None,
            firmware=binary and binary[1],
            module_name=binary and binary[2],
        )


class Exchange(NamedTuple):
    """A command, and what has come then."""

    baud: int
    command: str
    heard: bytes

    @property
    def reply(self) -> Reply:
        """What has come, read."""
        return Reply.from_bytes(self.heard, self.command)


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that was said at an AT port."""

    port: str
    unasked: bytes
    """What has come before the first command."""
    exchanges: tuple[Exchange, ...]
    """Those with ``AT`` at one speed after the other, the planned one first; after an answer, those with ``AT+GMR``."""
    refused_speeds: tuple[int, ...] = ()
    """Speeds that the port's adapter doesn't have."""

    @property
    def answered(self) -> Exchange | None:
        """The exchange in which ``AT`` was answered with ``OK``; None where it never was."""
        return next((one for one in self.exchanges if one.command == "AT" and one.reply.result is Result.OK), None)

    @property
    def version(self) -> AtVersion:
        """What ``AT+GMR`` was answered with; the last answer counts."""
        return AtVersion.from_bytes(next((one.heard for one in reversed(self.exchanges) if one.command != "AT"), b""))


def _is_text(line: str) -> bool:
    return line.isascii() and line.isprintable()


def _is_other(line: str) -> bool:
    return len(line) > 1 and not _MESSAGE.fullmatch(line) and not _OF_THE_LOG.search(line)


def _result(lines: list[str]) -> Result:
    if "OK" in lines:
        return Result.OK
    if "ERROR" in lines:
        return Result.ERROR
    return Result.BUSY if any(line.startswith("busy ") for line in lines) else Result.NOTHING
