r"""What a module prints at its log port after a reset, as far as it shows that the AT firmware starts, and how.

The lines of the AT firmware, by release; ``\r\n`` or ``\n`` ends them, and colours may be around them::

    v2.0            max tx power=78,ret=0
    v2.2 … v2.4     module_name:WROOM-32                      max tx power=78,ret=0
    v3.0            … and AT cmd port:uart1 tx:17 rx:16 cts:15 rts:14 baudrate:115200
    v3.1 … v4.0     at param mode: 1    AT cmd port:…    module_name: WROOM-32    max tx power=78, ret=0    v3.2.0.0
    since v4.1      the same, each with a prefix such as "I (1554) at-uart: "; the version as "v5.0.0.0 (gitlab)"

``baudrate`` is what the AT port really has: what the module has saved wins over its factory parameters.

Source: ESP-AT ``main/interface/uart/at_uart_task.c``, ``components/at/src/at_init.c`` and ``at_default_config.c``; the
lines of the ROM and the bootloader: ESP-IDF, ``components/bootloader_support`` and ``components/esp_system``.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NamedTuple

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_READABLE = re.compile(r"[ -~]{12}")
"""A line of which this much is ASCII was not received at a wrong speed."""

_MODULE_NAME = re.compile(r"module_name: ?(\S.*)$")
_PARAMETER_MODE = re.compile(r"at param mode: (\d+)$")
_AT_PORT = re.compile(r"AT cmd port:uart(\d+) tx:(-?\d+) rx:(-?\d+) cts:(-?\d+) rts:(-?\d+) baudrate:(\d+)$")
_VERSION = re.compile(r"(?:^|at-init: )(v\d+(?:\.\d+){2,3}[\w.+-]*)(?: \([^()]*\))?$")
_APP_VERSION = re.compile(r"App version:\s+(\S.*)$")
_STARTED = re.compile(
    r"max tx power=-?\d+, ?ret=|" + "|".join(p.pattern for p in (_MODULE_NAME, _PARAMETER_MODE, _AT_PORT))
)

_ROM = re.compile(r"rst:0x[0-9a-f]+|rst cause:\d")
_DOWNLOAD = re.compile(r"waiting for download|boot:0x[0-9a-f]+ \(DOWNLOAD", re.IGNORECASE)
_LOOP = 3
"""A module that starts this often while it is listened to has no end of it."""


class Trouble(enum.Enum):
    """Why the AT firmware doesn't start."""

    NO_BOOTLOADER = "no bootloader"
    NO_APPLICATION = "no application"
    BROWNOUT = "brownout"
    CRASH = "crash"
    RESTARTS = "restarts"
    """It starts again and again, and prints no reason."""


_TROUBLES = (
    (Trouble.NO_BOOTLOADER, r"invalid header: 0x|flash read err|csum err"),
    (
        Trouble.NO_APPLICATION,
        r"No bootable app|invalid magic (?:number|byte)|partition table error|Image hash failed|requires chip rev",
    ),
    (Trouble.BROWNOUT, r"Brownout detector was triggered|BROWN_?OUT"),
    (
        Trouble.CRASH,
        r"Guru Meditation|abort\(\) was called|assert failed|Fatal exception|Stack smashing|stack overflow in task",
    ),
)
_TROUBLE = [(kind, re.compile(pattern)) for kind, pattern in _TROUBLES]


class AtPort(NamedTuple):
    """The AT port as the module has it: the number of its UART, its GPIOs (-1: unused), its speed in baud."""

    uart: int
    tx: int
    rx: int
    cts: int
    rts: int
    baudrate: int


@dataclass(frozen=True, slots=True)
class BootLog:
    """A log, read. What no whole line of it says is None."""

    is_empty: bool
    """Whether nothing at all was printed."""
    is_readable: bool
    """Whether a line was text; else the log has another speed, or there is none."""
    firmware_started: bool
    """Whether a line is of the AT firmware."""
    is_download_mode: bool
    """Whether the ROM waits for a download, instead of starting the firmware."""
    trouble: Trouble | None
    trouble_line: str
    """The line that says so; empty where none does."""
    module_name: str | None
    parameter_mode: int | None
    """Where the module has its parameters: 0 nowhere, 1 in ``mfg_nvs``, 2 in ``factory_param``."""
    at_port: AtPort | None
    version: str | None
    """The application's version."""
    lines: tuple[str, ...]
    """The lines that the values are from, in their order."""

    @classmethod
    def from_bytes(cls, data: bytes) -> BootLog:
        """Return the log; any bytes are one. A line that doesn't end is cut, so its numbers are not taken."""
        *whole, cut = re.split(r"[\r\n]+", _ANSI.sub("", data.decode("latin-1")))
        lines = [line.strip() for line in whole]
        everything = [*lines, cut.strip()]
        last_boot = max((at for at, line in enumerate(everything) if _ROM.search(line)), default=0)
        boots = sum(bool(_ROM.search(line)) for line in everything)
        starts = [at for at, line in enumerate(lines) if _STARTED.search(line) or _at_init(line)]
        downloads = [at for at, line in enumerate(everything) if _DOWNLOAD.search(line)]
        trouble, at = _trouble(everything)
        if boots >= _LOOP:
            trouble = trouble or Trouble.RESTARTS
        elif starts and starts[-1] >= last_boot and starts[-1] > at:
            trouble = None  # the module has started since
        name, mode, port, version, app = (
            _last(lines, pattern) for pattern in (_MODULE_NAME, _PARAMETER_MODE, _AT_PORT, _VERSION, _APP_VERSION)
        )
        found = {match.string for match in (name, mode, port, version or app) if match}
        return cls(
            is_empty=not data,
            is_readable=any(map(_READABLE.search, everything)),
            firmware_started=bool(starts),
            is_download_mode=bool(downloads) and downloads[-1] >= last_boot and max(starts, default=-1) < downloads[-1],
            trouble=trouble,
            trouble_line=everything[at] if trouble and at >= 0 else "",
            module_name=name and name[1],
            parameter_mode=int(mode[1]) if mode else None,
            at_port=AtPort(*map(int, port.groups())) if port else None,
            version=(version and version[1]) or (app and app[1]),
            lines=tuple(dict.fromkeys(line for line in lines if line in found)),
        )


def _at_init(line: str) -> bool:
    return "at-init: " in line and bool(_VERSION.search(line))


def _last(lines: list[str], pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Return the last match, since a module may start twice."""
    return next(filter(None, map(pattern.search, reversed(lines))), None)


def _trouble(lines: list[str]) -> tuple[Trouble | None, int]:
    """Return the last trouble, and where; -1 where there is none."""
    for at in range(len(lines) - 1, -1, -1):
        for kind, pattern in _TROUBLE:
            if pattern.search(lines[at]):
                return kind, at
    return None, -1
