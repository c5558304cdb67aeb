"""The command that looks whether a module is alive: its log after a reset, then AT at its AT port, against the plan."""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

from platformio_esp_at.checks.alive import Expected, judge
from platformio_esp_at.commands.setup import Job, Setup, prepare
from platformio_esp_at.errors import located, raise_all
from platformio_esp_at.events import Planned, Tested
from platformio_esp_at.formats.boot_log import BootLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from platformio_esp_at.device.command_port import Patience
    from platformio_esp_at.formats.at_replies import Conversation

    Listen: TypeAlias = Callable[[], bytes]
    """Resets the module, and returns what its log port has printed then; nothing where it has none."""


def test(setup: Setup) -> None:
    """Look whether the module is alive and as planned. Raises `EspAtError` where that wasn't seen."""
    job = prepare(setup, lock=False)
    setup.report(Planned(job.plan))
    try_module(setup, job, listen=None)


def try_module(setup: Setup, job: Job, listen: Listen | None, patience: Patience | None = None) -> None:
    """Listen to the log, ask the AT port if the project names it, and report the verdict. Raises `EspAtError`.

    ``listen``: None where the log can't be read; it is listened to while the AT port is open, which shows whether the
    module says there that it is ready.
    """
    expected = Expected.of(job.plan)
    log: BootLog | None = None
    talk: Conversation | None = None
    wanted = job.request.command_port
    if wanted is None or expected.wiring is None:
        log = BootLog.from_bytes(listen()) if listen else None
    else:
        from platformio_esp_at.device.command_port import open_command_port  # noqa: PLC0415 - pyserial: 20 ms

        planned = expected.wiring.baudrate
        shared = job.request.port is not None and _is_same(wanted.text, job.request.port.text)
        if shared and listen:
            log, listen = BootLog.from_bytes(listen()), None
        with located(wanted.where) if wanted.where.parts else nullcontext(), ExitStack() as stack:
            port = stack.enter_context(open_command_port(wanted.text, planned, patience))
            if listen:
                log = BootLog.from_bytes(listen())
            talk = port.ask(tuple(_speeds(planned, log)))
    verdict = judge(expected, log, talk)
    setup.report(Tested(job.plan, verdict))
    raise_all(verdict.problems)


def _speeds(planned: int, log: BootLog | None) -> Iterator[int]:
    """Yield the speeds to try: the planned one, that of the log, the usual ones."""
    from platformio_esp_at.device.command_port import USUAL_SPEEDS  # noqa: PLC0415 - see above

    yield planned
    if log and log.at_port:
        yield log.at_port.baudrate
    yield from USUAL_SPEEDS


def _is_same(port: str, other: str) -> bool:
    """Return whether two names are of one port, such as a link in /dev/serial/by-id."""
    return os.path.realpath(port) == os.path.realpath(other)
