"""The child's half of the contract with a host's script (its other half: `launcher.child`).

The request comes as JSON in the first line of the input; events go to the stream that `launcher.inside` hands on, one
in a line.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from platformio_esp_at.errors import IN_PROJECT_FILE, EspAtError, FlashError
from platformio_esp_at.launcher.inside import read_lines
from platformio_esp_at.launcher.signals import INTERRUPTED, interrupt_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from platformio_esp_at.commands.setup import Setup
    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Event


class Host:
    """The script of a host, at the other end of this process's input and output."""

    def __init__(self) -> None:
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._events = int(sys.argv[1])
        read_lines(self._lines.put)
        request = self._lines.get()
        if not request:
            sys.exit(INTERRUPTED)  # the host has ended
        self.request: dict[str, Any] = json.loads(request)
        self.spelling: Spelling = IN_PROJECT_FILE
        """How the host writes options; a front end sets it as soon as it knows."""

    def report(self, event: Event) -> None:
        """Tell the host of an event; what esptool says, only if the host wants to hear more."""
        from platformio_esp_at.outputs.records import event_record  # noqa: PLC0415 - after what it stands on
        from platformio_esp_at.outputs.terminal import is_shown  # noqa: PLC0415

        if is_shown(event, int(self.request["verbose"])):
            self._tell(event_record(event, self.spelling, self.request["width"]))

    def fail(self, error: EspAtError) -> None:
        """Tell the host why the command wasn't carried out."""
        from platformio_esp_at.outputs.records import error_record  # noqa: PLC0415

        self._tell(error_record(error, self.spelling))

    def ask(self, question: str) -> str:
        """Return the host's answer to an event that is a question; if there is none, the command ends."""
        self._tell({"event": question})
        answer = self._lines.get()
        if not answer:
            raise KeyboardInterrupt
        return str(json.loads(answer))

    def _tell(self, record: dict[str, Any]) -> None:
        line = json.dumps(record).encode() + b"\n"
        with suppress(OSError):  # the host has ended, and soon this process learns of it
            while line:
                line = line[os.write(self._events, line) :]


def serve(setup_of: Callable[[Host], Setup]) -> NoReturn:
    """Carry out the request of a host; ``setup_of`` makes it a `Setup`. The exit status is that of `esp-at`."""
    host = Host()
    status = 1
    try:
        interrupt_once()
        from platformio_esp_at import commands  # noqa: PLC0415 - an interrupt is an event from here on

        commands.run(host.request["command"], setup_of(host))
        status = 0
    except EspAtError as error:
        host.fail(error)
    except KeyboardInterrupt:
        host.fail(FlashError("interrupted", "interrupted", hint="run the command again"))
        status = INTERRUPTED
    sys.exit(status)
