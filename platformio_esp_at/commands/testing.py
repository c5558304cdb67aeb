"""The command that looks whether a module is alive: its log after a reset, then AT at its AT port, against the plan."""

from __future__ import annotations

import os
from contextlib import ExitStack, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from platformio_esp_at.checks.alive import Expected, judge
from platformio_esp_at.commands.device_run import connection
from platformio_esp_at.commands.setup import Job, Setup, prepare
from platformio_esp_at.device.session import Session
from platformio_esp_at.errors import EspAtError, located, raise_all
from platformio_esp_at.events import Planned, Tested
from platformio_esp_at.formats.boot_log import BootLog
from platformio_esp_at.outputs.records import verdict_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from platformio_esp_at.checks.alive import Verdict
    from platformio_esp_at.commands.device_run import DeviceRun
    from platformio_esp_at.device.command_port import Patience
    from platformio_esp_at.formats.at_replies import Conversation

    Listen: TypeAlias = Callable[[], bytes | None]
    """Resets the module, and returns what its log port has printed then; None if it can't be reset."""

LOG_SECONDS = 5.0
"""How long the log port is listened to, at most. The firmware says all by then; it ends when it is quiet."""


def test(setup: Setup) -> None:
    """Look whether the module is alive and as planned. Raises `EspAtError` where that wasn't seen."""
    job = prepare(setup, lock=False)
    setup.report(Planned(job.plan))
    try:
        link = connection(setup, job)
    except EspAtError as error:
        if error.code not in _NO_PORT or job.request.command_port is None:
            raise
        tell(setup, job, look(job, None, listen=None))  # the AT port alone will do
        return
    with Session(link, setup.report, folder=setup.project) as session:
        tell(setup, job, look(job, link.port, partial(session.boot, listen=LOG_SECONDS)))


_NO_PORT = ("port-missing", "several-ports")
"""Codes: which port is the download port isn't known."""


def start_and_test(run: DeviceRun) -> None:
    """Start the firmware at the end of a run; if the project wants it, test the module. Raises `EspAtError`."""
    job = run.job
    if not job.request.test:
        run.restart()
        return
    verdict = look(job, run.device.port if run.device else None, partial(run.restart, listen=LOG_SECONDS))
    run.facts["verdict"] = verdict_facts(verdict)
    tell(run.setup, job, verdict)


def look(job: Job, port: str | None, listen: Listen | None, patience: Patience | None = None) -> Verdict:
    """Return the verdict: from the log, and from the AT port if the project names it. Raises `EspAtError`.

    ``port`` is that of the log. ``listen`` is None where the log can't be read; it is listened to while the AT port is
    open, which shows whether the module says there that it is ready.
    """
    expected = Expected.of(job.plan)
    log: BootLog | None = None
    talk: Conversation | None = None
    wanted = job.request.command_port
    if wanted is None or expected.wiring is None:
        log = _log(listen)
    else:
        from platformio_esp_at.device.command_port import open_command_port  # noqa: PLC0415 - pyserial: 20 ms

        planned = expected.wiring.baudrate
        if port is not None and _is_same(wanted.text, port):
            log, listen = _log(listen), None
        with located(wanted.where) if wanted.where.parts else nullcontext(), ExitStack() as stack:
            opened = stack.enter_context(open_command_port(wanted.text, planned, patience))
            log = log or _log(listen)
            talk = opened.ask(tuple(_speeds(planned, log)))
    return judge(expected, log, talk)


def _log(listen: Listen | None) -> BootLog | None:
    printed = listen() if listen else None
    return None if printed is None else BootLog.from_bytes(printed)


def tell(setup: Setup, job: Job, verdict: Verdict) -> None:
    """Report a verdict. Raises `EspAtError` if it doesn't hold."""
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
