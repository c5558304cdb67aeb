"""One session with a device: what it is, what its flash has, writing, and its restart.

The worker (`device.worker`) does it with esptool, in a process of its own: what happens comes back as values, images
reach it through a pipe and lie on no disk, and it ends when this process ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from platformio_esp_at.device.failures import failure, worker_ended
from platformio_esp_at.device.installed import check_esptool
from platformio_esp_at.device.messages import receive, send
from platformio_esp_at.errors import FlashError, warning
from platformio_esp_at.events import EsptoolOutput, Noticed, Progressed
from platformio_esp_at.launcher import inside
from platformio_esp_at.launcher.signals import holding_interrupts_back

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from platformio_esp_at.device.difference import Image
    from platformio_esp_at.events import Report

_SPEEDS = (921_600, 460_800, 230_400, 115_200)
"""What is tried, the fastest first, where the link fails at a speed that was asked for; in baud."""
_ROM_BAUD = 115_200
_OTHER_CABLE = "take another cable, a short one without a hub, and look at the module's power supply"
_ENDS_WITHIN = 5
"""In seconds, after its input has ended; the worker looks for that all the time."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the module's download interface, in esptool's words."""

    chip: str | None
    """The chip that is expected, such as ``esp32c3``; None: any."""
    port: str | None = None
    """None: esptool looks through all ports."""
    baud: int = _ROM_BAUD
    before: str = "default-reset"
    """How the chip comes into its bootloader."""
    after: str = "hard-reset"
    """How it leaves it."""
    stub: bool = True
    """Whether esptool's stub is started; the ROM alone is slower, and can less."""
    attempts: int | None = None
    """How often a connection is tried; None leaves it to esptool."""


class Security(NamedTuple):
    """Security features of a chip that are on, which can't be turned off any more."""

    secure_boot: bool = False
    encryption: str | None = None
    """``development`` or ``release``; None: the flash isn't encrypted."""
    secure_download: bool = False

    @property
    def is_on(self) -> bool:
        """Whether any of them is on."""
        return bool(self.secure_boot or self.encryption or self.secure_download)


@dataclass(frozen=True, slots=True)
class Device:
    """What a device says of itself; None for what it doesn't tell."""

    port: str
    chip: str
    """Such as ``esp32c3``."""
    security: Security
    revision: int | None = None
    """Of the chip, as major * 100 + minor."""
    crystal_mhz: int | None = None
    mac: str | None = None
    flash_size: int | None = None
    """In bytes. None also where security is on: then nothing of ours is started on the chip."""
    baud: int = _ROM_BAUD
    """The speed of the link."""
    has_stub: bool = False


class Session:
    """A context manager; inside it, the worker lives. Every method raises `FlashError` if it fails."""

    def __init__(self, connection: Connection, report: Report, *, folder: Path) -> None:
        """``folder``: where esptool looks for ``esptool.cfg`` first."""
        self.connection = connection
        self._report = report
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._device: Device | None = None

    def __enter__(self) -> Self:
        check_esptool()
        with holding_interrupts_back():  # the worker never gets Ctrl-C: we do
            self._process = subprocess.Popen(
                worker_command(), cwd=self._folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._worker
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()  # it was stopped, or swapped out
            process.wait()
        process.stdout.close()

    def probe(self) -> Device:
        """Return what the device is. A chip without security features is then ready for all that follows."""
        link = self.connection
        found, _ = self._ask("connect", chip=link.chip, port=link.port, before=link.before, attempts=link.attempts)
        device = Device(**{**found, "security": Security(**found["security"])})
        self._device = device
        if link.chip not in (None, device.chip) or device.security.is_on:
            return device
        made, _ = self._ask("prepare", baud=link.baud, stub=link.stub)
        if made["baud"] is None:
            message = f"the link to {device.port} fails at {link.baud} baud, and there is no slower speed to try"
            return self.fall_back(FlashError("link-bad", message, hint=_OTHER_CABLE))
        self._device = device = replace(device, **made)
        return device

    def fall_back(self, error: FlashError) -> Device:
        """Connect anew at the next slower speed, and return the device. Raises ``error`` where there is none."""
        was = self.connection.baud
        slower = next((baud for baud in _SPEEDS if baud < was), None)
        if slower is None:
            raise error
        message = f"the link fails at {was} baud: going on at {slower}"
        hint = "take a shorter cable, or write the slower speed into the project"
        self._report(Noticed(warning("upload-speed-reduced", message, hint=hint, baud=slower)))
        self.connection = replace(self.connection, baud=slower)
        return self.probe()

    def digest(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the MD5 of each range (offset, size in bytes) of the flash, as the device computes it."""
        if not ranges:
            return []
        _, data = self._ask("digest", ranges=list(ranges))
        return [data[at : at + 16] for at in range(0, len(data), 16)]

    def read(self, name: str, offset: int, size: int) -> bytes:
        """Return a range of the flash; ``name`` says for people what it is."""
        _, data = self._ask(
            "read", progress=lambda done, of: self._progressed(name, done, of), offset=offset, size=size
        )
        return data

    def write(
        self, parts: Sequence[Image], note_part: Callable[[int, Image], None] = lambda _index, _part: None
    ) -> None:
        """Write parts of the flash; the sectors that this touches are erased first.

        Each part is confirmed by its MD5; then ``note_part`` gets its index and the part. Parts that can't be
        compressed come last.
        """
        for compress in (True, False):
            # Apart: after one that can't be compressed, esptool compresses no more.
            group = [index for index, part in enumerate(parts) if _is_compressible(part.data) is compress]
            if group:
                self._write(parts, group, note_part, compress=compress)

    def _write(
        self, parts: Sequence[Image], group: Sequence[int], note_part: Callable[[int, Image], None], *, compress: bool
    ) -> None:
        chosen = [parts[index] for index in group]
        begun, last = 0, (-1, -1)

        def follow(done: int, total: int) -> None:
            """Esptool begins a part after it has confirmed the one before; a small one may tell its end alone."""
            nonlocal begun, last
            is_next = begun > 0 and (done <= last[0] or total != last[1])
            if is_next and begun < len(group):
                note_part(group[begun - 1], parts[group[begun - 1]])
            if is_next or begun == 0:
                begun = min(begun + 1, len(group))
            last = done, total
            self._progressed(parts[group[begun - 1]].name, done, total)

        ranges = [[part.offset, len(part.data)] for part in chosen]
        self._ask("write", b"".join(part.data for part in chosen), follow, ranges=ranges, compress=compress)
        for index in group[max(begun - 1, 0) :]:
            note_part(index, parts[index])

    def _progressed(self, name: str, done: int, total: int) -> None:
        self._report(Progressed(name, done, total))

    def erase(self) -> None:
        """Erase the whole flash."""
        self._ask("erase")

    def reset(self, *, listen: float = 0) -> bytes | None:
        """Let the device leave its bootloader, and return what it prints within so many seconds.

        None if the firmware doesn't start: the port has no lines for that, or it isn't wanted. The port is free then.
        """
        answer, data = self._ask("reset", after=self.connection.after, listen=listen)
        return data if answer["restarted"] else None

    def boot(self, *, listen: float = 0) -> bytes | None:
        """Restart the device without asking its bootloader anything; else as `reset`."""
        answer, data = self._ask("boot", port=self.connection.port, listen=listen)
        return data if answer["restarted"] else None

    @property
    def _worker(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - used in a with statement
        return self._process

    def _ask(
        self,
        name: str,
        data: bytes = b"",
        progress: Callable[[int, int], None] | None = None,
        **arguments: Any,  # noqa: ANN401 - what JSON has
    ) -> tuple[dict[str, Any], bytes]:
        """Return the worker's answer, and show what it tells until then."""
        process = self._worker
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101
        with suppress(OSError):  # it has ended: its output has, too
            send(process.stdin, {"do": name, **arguments}, data)
        while message := receive(process.stdout):
            answer, found = message
            if "log" in answer:
                self._report(EsptoolOutput(f"{answer['log']}\n"))
            elif "progress" in answer:
                if progress:
                    progress(*answer["progress"])
            elif "failed" in answer:
                port = self.connection.port or (self._device.port if self._device else None)
                raise failure(answer["failed"], answer["text"], port)
            else:
                del answer["done"]
                return answer, found
        raise worker_ended(process.wait())


def _is_compressible(data: bytes) -> bool:
    """Return whether esptool can compress bytes: to less than they are, filled up to four."""
    return len(zlib.compress(data, 9)) < -(-len(data) // 4) * 4


_START = (
    "import os, sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
    "runpy.run_path(sys.argv.pop(1))['load_package'](); "
    "runpy.run_module('platformio_esp_at.device.worker', run_name='__main__', alter_sys=True)"
)
"""A program of one line: it takes its first argument as ``sys.path``, and imports nothing of the current folder."""


def worker_command() -> list[str]:
    """Return the command that runs the worker with the packages of this process: only its ``sys.path`` may know them.

    The current folder comes last, or a module of the project would run. What this process doesn't see of its Python
    (`launcher.child`), the worker doesn't see either.
    """
    alone = ["-I", "-S"] if sys.flags.isolated and sys.flags.no_site else []
    here = str(Path.cwd())
    path = sorted(map(os.path.abspath, sys.path), key=lambda folder: folder == here)
    return [sys.executable, *alone, "-c", _START, os.pathsep.join(path), str(Path(inside.__file__).absolute())]
