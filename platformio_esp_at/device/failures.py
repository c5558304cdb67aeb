"""What the worker says of a failure, as an error with a next step."""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.device.ports import list_ports
from platformio_esp_at.errors import FlashError, setting
from platformio_esp_at.units import UPLOAD_BAUD

if TYPE_CHECKING:
    from collections.abc import Callable

LINK = ("chip-failed", "link-bad")
"""Codes of failures that a slower speed may cure."""


class _Failure(NamedTuple):
    code: str
    message: str
    """``{port}`` is the port's name, ``{why}`` what esptool or the system says."""
    hint: Callable[[str, str], str]
    """Returns the next step for a port, and the option that names it."""


def failure(kind: str, words: str, port: str | None, *, option: str = "port") -> FlashError:
    """Return the error for a kind of failure and what esptool or the system says of it.

    ``option`` names the port in a project.
    """
    found = _KINDS[kind]
    name, why = port or "the port", words.strip().partition("\n")[0].removesuffix(".")
    message = found.message.format(port=name, why=why)
    return FlashError(found.code, message, hint=found.hint(name, option), output=words, port=name)


def kind_of_opening(error: Exception) -> str:
    """Return the kind of failure for an error of the system, or of pyserial, when a port is opened."""
    text, number = str(error), getattr(error, "errno", None)
    if number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "lock port" in text or "PermissionError" in text:
        return "port-busy"  # Windows says PermissionError
    if number in (errno.EACCES, errno.EPERM):
        return "port-permission"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return "port-absent"
    return "port-unavailable"


def worker_ended(status: int) -> FlashError:
    """Return the error for a worker that ended without an answer; a negative status is a signal's."""
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return FlashError(
        "esptool-failed",
        f"the program that drives esptool ended {how}",
        hint="run it again; if it stays so, report it with the lines above",
    )


def _permission_hint(port: str, _option: str) -> str:
    """Return how to get permission for a port: the group that owns it."""
    group = "dialout"
    with suppress(ImportError, KeyError, OSError):
        import grp  # noqa: PLC0415 - not on Windows

        group = grp.getgrgid(Path(port).stat().st_gid).gr_name
    if group == "root":
        return f"let your user open it: sudo chmod a+rw {port}, or a rule of udev that gives it to a group"
    return f"add yourself to its group, and log in again: sudo usermod -aG {group} $USER"


def _opening_hint(port: str, option: str) -> str:
    """Return the next step for a port that can't be opened, for a reason that the system tells."""
    if "://" in port:
        return "see whether the server of that port runs, and its address"
    return f"write the module's port, {setting(option, 'PORT')}; {list_ports()}"


_KINDS = {
    "port-absent": _Failure(
        "port-absent",
        "there is no port {port}",
        lambda _, option: f"plug the module in, or write its port, {setting(option, 'PORT')}; {list_ports()}",
    ),
    "port-permission": _Failure("port-permission", "you have no permission to open {port}", _permission_hint),
    "port-busy": _Failure(
        "port-busy",
        "another program has {port} open",
        lambda *_: "close serial monitors, and what else flashes; then run it again",
    ),
    "port-unavailable": _Failure("port-unavailable", "{port} can't be opened: {why}", _opening_hint),
    "port-lost": _Failure(
        "port-lost", "{port} is gone: {why}", lambda *_: "plug the module in again, look at cable and power supply"
    ),
    "no-answer": _Failure(
        "module-not-responding",
        "no chip answers at {port}: {why}",
        lambda _, option: (
            f"hold BOOT, tap RESET (or EN), and try again; or write another port, {setting(option, 'PORT')}"
        ),
    ),
    "chip": _Failure(
        "chip-failed",
        "the chip at {port} doesn't do it: {why}",
        lambda *_: "look at cable and power supply, and run it again",
    ),
    "flash-refuses": _Failure(
        "flash-bad",
        "the chip can't erase or write its flash: {why}",
        lambda *_: "look at the power supply; if it stays so, the flash is bad or protected: take another module",
    ),
    "flash": _Failure(
        "flash-bad",
        "the flash doesn't hold what is written: {why}",
        lambda *_: "run it again; if it stays so, the flash or its power supply is bad: take another module",
    ),
    "speed": _Failure(
        "upload-speed-invalid",
        "{port} doesn't have this speed: {why}",
        lambda *_: f"write one that it has, {setting('baud', str(UPLOAD_BAUD))}",
    ),
    "esptool": _Failure(
        "esptool-failed",
        "esptool can't be loaded: {why}",
        lambda *_: "install platformio-esp-at again, which brings esptool",
    ),
}
"""By the kinds of `worker.engine`."""
