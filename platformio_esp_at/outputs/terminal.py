"""Print events for people; characters that the terminal can't show are replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from platformio_esp_at.errors import IN_PROJECT_FILE
from platformio_esp_at.events import EsptoolOutput, Noticed, TableMade
from platformio_esp_at.outputs.text import event_text

if TYPE_CHECKING:
    from typing import TextIO

    from platformio_esp_at.errors import Spelling
    from platformio_esp_at.events import Event


def show(event: Event, spelling: Spelling = IN_PROJECT_FILE, *, on: TextIO | None = None) -> None:
    """Print an event at once, options as the host writes them.

    Unless another stream is given, a warning or a note goes to the error output, where a quiet build shows it, too, and
    all else to the output. Raises `OSError` where it can't be written.
    """
    stream = on or (sys.stderr if isinstance(event, Noticed) else sys.stdout)
    if stream is not None:  # None in a Windows service
        encoding = stream.encoding or "utf-8"
        # esptool redraws its progress bars in one line, which must keep its width.
        unknown = "replace" if isinstance(event, EsptoolOutput) else "backslashreplace"
        stream.write(event_text(event, spelling).encode(encoding, unknown).decode(encoding))
        stream.flush()  # progress is shown while it happens, also through a pipe


def show_table_alone(event: Event, spelling: Spelling = IN_PROJECT_FILE) -> None:
    """Print a table on the output, and all else on the error output: ``esp-at table > at_customize.csv``."""
    show(event, spelling, on=sys.stdout if isinstance(event, TableMade) else sys.stderr)
