"""Print events for people; characters that the terminal can't show are replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from platformio_esp_at.errors import IN_PROJECT_FILE
from platformio_esp_at.events import (
    Described,
    EsptoolOutput,
    FactoryImageWritten,
    Noticed,
    Progressed,
    TableMade,
    Tested,
    Updated,
)
from platformio_esp_at.launcher.streams import print_now, terminal_width
from platformio_esp_at.outputs.text import event_text

if TYPE_CHECKING:
    from typing import TextIO

    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Event


def goes_to_error_output(event: Event) -> bool:
    """Return whether an event is shown on the error output: a warning or a note, which a quiet build shows, too."""
    return isinstance(event, Noticed)


def is_shown(event: Event, verbosity: int) -> bool:
    """Return whether a text without bars has an event: 0 leaves out what esptool says, -1 all but warnings and notes.

    A table is shown always: it is what the command is for.
    """
    if isinstance(event, Progressed):
        return False
    if isinstance(event, EsptoolOutput):
        return verbosity > 0
    return verbosity >= 0 or isinstance(event, Noticed | TableMade)


def shown_parts(event: Event, verbosity: int) -> tuple[Event, ...]:
    """Return what a text without bars has of an event: all, nothing, or in a quiet run the warnings and notes in it."""
    if is_shown(event, verbosity):
        return (event,)
    return _notices_in(event) if verbosity < 0 else ()


def _notices_in(event: Event) -> tuple[Noticed, ...]:
    if isinstance(event, Described | Updated | FactoryImageWritten):
        return tuple(map(Noticed, event.plan.notes))
    return tuple(map(Noticed, event.verdict.notices)) if isinstance(event, Tested) else ()


def show(event: Event, spelling: Spelling = IN_PROJECT_FILE, *, on: TextIO | None = None) -> None:
    """Print an event at once, options as the host writes them, on its own output unless another stream is given.

    Raises `OSError` where it can't be written.
    """
    stream = on or (sys.stderr if goes_to_error_output(event) else sys.stdout)
    if stream is not None:  # None in a Windows service
        print_now(event_text(event, spelling, terminal_width(stream)), stream)


def show_table_alone(event: Event, spelling: Spelling = IN_PROJECT_FILE) -> None:
    """Print a table on the output, and all else on the error output: ``esp-at table > at_customize.csv``."""
    show(event, spelling, on=sys.stdout if isinstance(event, TableMade) else sys.stderr)
