"""From a plan to one esptool run: the argument lists, and the one place that starts a process.

esptool is run and not imported: a process can be ended at any time, and its output is read as it comes.
"""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING

from platformio_esp_at.catalog.chips import other_revision
from platformio_esp_at.errors import EspAtError, FlashError, setting
from platformio_esp_at.events import EsptoolOutput
from platformio_esp_at.units import UPLOAD_BAUD, format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from platformio_esp_at.events import Report

MAX_BAUD = 5_000_000
"""The UARTs' limit in the datasheets of the chips, ESP32 and later; ESP8266 has less."""

END_OF_FLASH = "end-of-flash"
"""Name of an empty file at the end of the flash that the firmware needs; esptool's errors show the name."""

_HIDDEN = (
    f"Writing '{END_OF_FLASH}' at ",
    f"WARNING: '{END_OF_FLASH}' is empty",
    f"Warning: '{END_OF_FLASH}' is empty",  # esptool 5.2 and 5.3
)
"""Prefixes of esptool lines to hide: they are about END_OF_FLASH, a probe for the flash size, and look like errors."""

_OUTPUT_KEPT = 64 << 10
_TOO_SMALL = re.compile(r"will not fit in (\d+) bytes of flash")
_VERIFIED = re.compile(r"^Verifying 0x[0-9a-f]+ \(\d+\) bytes at 0x([0-9a-f]+) .*\n(.*)", re.MULTILINE)

_REVISION = re.compile(r"\(revision v(\d+)\.(\d+)\)")
_CRYSTAL = re.compile(r"^Crystal frequency: +(\d+)MHz", re.MULTILINE)
_OTHER_REVISION = re.compile(
    r"requires chip revision (?:in range )?\[?(?P<needs>[^\](]+?)\]? *\(this chip is revision v?(?P<has>[\d.]+)\)"
)

_FAILURES = (
    # SCons takes Ctrl-C for itself, so that under PlatformIO only esptool reports it.
    ("interrupted", r"keyboard ?interrupt", "run it again: a module that was being written is half written until then"),
    (
        "port-unavailable",
        r"could not open|no such file|port is busy|permission",
        f"write the module's port, {setting('port', 'PORT')}; close other programs that have it open",
    ),
    (
        "module-not-responding",
        r"failed to connect|no serial data|invalid head of packet|timed out",
        f"hold BOOT, tap RESET (or EN), and try again; or write another port, {setting('port', 'PORT')}",
    ),
    (
        "device-other-chip",
        r"this chip is|unexpected chip|wrong chip|--chip",
        f"write the port of the right module, {setting('port', 'PORT')}; or take the firmware package of this chip",
    ),
    (
        "device-flash-too-small",
        r"flash size|does not fit|will not fit|larger than",
        "take the firmware package for a module with that flash; esp-at modules lists them",
    ),
)
"""Failures of esptool: our code, a pattern of esptool's message, and the next step."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the module's download interface; None leaves it to esptool."""

    port: str | None = None
    baud: int | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What esptool printed about the device on a port; None for what it didn't print."""

    revision: int | None = None
    """Of the chip, as major * 100 + minor."""
    crystal_mhz: int | None = None


def write_command(
    chip: str, images: Iterable[tuple[int, str]], connection: Connection, *, flash_size: int
) -> list[str]:
    """Return esptool's arguments that write ``images`` (offset in bytes, path) in one run.

    Image headers are final already, so every flash setting is ``keep``: esptool writes exactly the checked bytes.
    It compares the ends of images with the device's flash size: the empty file `END_OF_FLASH` at ``flash_size`` makes
    it refuse a device with less flash before it writes anything, even if all other images would fit.
    """
    return _command(chip, "write-flash", [*images, (flash_size, END_OF_FLASH)], connection)


def verify_command(chip: str, images: Iterable[tuple[int, str]], connection: Connection) -> list[str]:
    """Return esptool's arguments that compare ``images`` with the device's flash."""
    # No empty file here: it would match on any device, since verifying doesn't check the flash size.
    return _command(chip, "verify-flash", images, connection)


def erase_command(chip: str, connection: Connection) -> list[str]:
    """Return esptool's arguments that erase the whole flash of the device, whatever its size."""
    return [*_device_arguments(chip, connection), "erase-flash"]


def probe_command(chip: str, connection: Connection) -> list[str]:
    """Return esptool's arguments that identify the chip and leave it in its bootloader, for the next run.

    After a reset, a module that was put into the bootloader by hand (BOOT) might not start it again.
    """
    port = ["--port", connection.port] if connection.port else []
    return ["--chip", chip, *port, "--after", "no-reset", "--no-stub", "read-mac"]


_OLDEST = (5, 2)
"""The first esptool that is used: what pyproject.toml asks for."""
_OWN_ENVIRONMENT = (
    "install platformio-esp-at in an environment of its own, which brings esptool: pipx install platformio-esp-at, "
    "or with pip in a new venv"
)
"""The next step without a usable esptool. Never its upgrade: with esptool 5 in ESP-IDF 5's Python, idf.py fails."""


def check_esptool() -> None:
    """Raise `FlashError` if there is no esptool in this Python, or one that is too old."""
    wanted = ".".join(map(str, _OLDEST))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and 3.13, for metadata without a version
            found = str(version("esptool"))
    except PackageNotFoundError:
        message = f"esptool is not installed in this Python, {wanted} or newer is needed"
        raise FlashError("esptool-missing", message, hint=_OWN_ENVIRONMENT) from None
    except (KeyError, OSError, ValueError):  # its metadata is damaged
        found = "unknown"
    numbers = re.match(r"(\d{1,9})\.(\d{1,9})", found, re.ASCII)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < _OLDEST:
        message = f"the version of esptool in this Python is {found}, {wanted} or newer is needed"
        raise FlashError("esptool-too-old", message, hint=_OWN_ENVIRONMENT, version=found)


_START = (
    "import os, sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
    "runpy.run_module('esptool', run_name='__main__', alter_sys=True)"
)
"""A program of one line: it takes its first argument as ``sys.path``, and imports nothing of the current folder."""


def process_arguments(arguments: list[str]) -> list[str]:
    """Return the command that runs esptool with the packages of this process: only its ``sys.path`` may know them.

    Relative entries become absolute, since esptool runs in the folder of the images. The current folder comes last, or
    an esptool.py of the project would run. What this process doesn't see of its Python (`launcher.child`), esptool
    doesn't see either.
    """
    alone = ["-I", "-S"] if sys.flags.isolated and sys.flags.no_site else []
    here = str(Path.cwd())
    path = sorted(map(os.path.abspath, sys.path), key=lambda folder: folder == here)
    return [sys.executable, *alone, "-u", "-c", _START, os.pathsep.join(path), *arguments]


def run_esptool(arguments: list[str], *, folder: Path, report: Report) -> Device:
    """Run esptool in ``folder``, reporting its output as it comes, and return what it printed about the device.

    Raises `FlashError` unless it succeeds, or if there is no esptool that can be used.
    """
    check_esptool()
    with subprocess.Popen(
        process_arguments(arguments),
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},  # esptool 5.2 and 5.3 colour a pipe, too, where TERM is xterm
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - asked for above
        try:
            output = _reported(process.stdout, report)
        except BaseException:
            process.terminate()  # else it would go on without us, or end at its next output
            process.wait()
            raise
    if match := _TOO_SMALL.search(output):
        has = format_size(int(match[1]))
        hint = "take the firmware package for a module with that flash; see esp-at modules"
        raise FlashError(
            "device-flash-too-small",
            f"the device has {has} of flash, less than the firmware is laid out for",
            output=output,
            hint=hint,
        )
    if process.returncode:
        if match := _OTHER_REVISION.search(output):
            raise other_revision(f"v{match['has']}", match["needs"].replace(" - ", " to "), output=output)
        raise _failure(output)
    return _device(output)


def _device(output: str) -> Device:
    revision = _REVISION.search(output)
    crystal = _CRYSTAL.search(output)
    return Device(
        revision=int(revision[1]) * 100 + int(revision[2]) if revision else None,
        crystal_mhz=int(crystal[1]) if crystal else None,
    )


def _reported(stream: IO[bytes], report: Report) -> str:
    """Report a stream until it ends, except lines about `END_OF_FLASH`, and return its last part."""
    output = held = ""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    while chunk := stream.read1(4096):  # type: ignore[attr-defined]
        text = decode(chunk)
        output = (output + text)[-_OUTPUT_KEPT:]
        *lines, begun = (held + text).split("\n")
        # An incomplete line is shown too, such as the dots of "Connecting...", unless it may become a hidden one.
        held = begun if _may_be_hidden(begun) else ""
        shown = "".join(f"{line}\n" for line in lines if not line.startswith(_HIDDEN)) + (begun if not held else "")
        _report_safely(shown, report)
    _report_safely(held, report)
    return output


def _may_be_hidden(begun: str) -> bool:
    return any(start.startswith(begun) or begun.startswith(start) for start in _HIDDEN)


def _report_safely(text: str, report: Report) -> None:
    """Report esptool's output; a terminal that was closed mustn't stop esptool with the module half written."""
    with suppress(OSError, ValueError):  # ValueError: the stream is closed
        if text:
            report(EsptoolOutput(text))


def differing_offsets(output: str) -> tuple[int, ...]:
    """Return the offsets of the images that esptool's verify found to differ, from its output."""
    return tuple(int(offset, 16) for offset, result in _VERIFIED.findall(output) if "failed" in result.lower())


def check_port(port: str | None) -> None:
    """Raise `EspAtError` for an empty port, or one that esptool would read as an option."""
    if port is not None and (not port or port.startswith("-")):
        raise EspAtError(
            "not-a-port",
            f"{port!r} is not a serial port",
            hint=f"write a port's name, such as {setting('port', '/dev/ttyUSB0')}; pio device list shows them",
        )


def check_baud(baud: int | None) -> None:
    """Raise `EspAtError` for a speed that no chip's UART has: esptool fails on it halfway."""
    if baud is not None and not 0 < baud <= MAX_BAUD:
        hint = f"write {setting('baud', str(UPLOAD_BAUD))}, which is usual; 115200 is the safest"
        raise EspAtError(
            "upload-speed-invalid", f"baud is {baud}, the UART of a module takes up to {MAX_BAUD}", hint=hint
        )


def _command(chip: str, verb: str, images: Iterable[tuple[int, str]], connection: Connection) -> list[str]:
    return [
        *_device_arguments(chip, connection),
        verb,
        *(word for name in ("mode", "freq", "size") for word in (f"--flash-{name}", "keep")),
        *(word for offset, path in images for word in (format_offset(offset), path)),
    ]


def _device_arguments(chip: str, connection: Connection) -> list[str]:
    """Return the arguments in front of a command; esptool refuses a device with another chip."""
    return [
        *("--chip", chip),
        *(["--port", connection.port] if connection.port else []),
        *(["--baud", str(connection.baud)] if connection.baud else []),
    ]


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    with_error = [line for line in lines if "error" in line.lower()]
    error = (with_error or lines or ["it printed nothing"])[-1]
    return re.sub("^(ERROR: )?(A fatal error occurred: )?", "", error)


def _failure(output: str) -> FlashError:
    """Return the error for a failed esptool run, from the last error in its output."""
    error = _last_error(output)
    for code, pattern, hint in _FAILURES:
        if re.search(pattern, error, re.IGNORECASE):
            return FlashError(code, f"esptool failed: {error}", output=output, hint=hint)
    return FlashError(
        "esptool-failed",
        f"esptool failed: {error}",
        output=output,
        hint="see its lines above; with a slower speed it may go: " + setting("baud", "115200"),
    )
