"""Print text for people; characters that the terminal can't show are replaced. Read by a host's Python: 3.6 syntax."""

import os
from typing import Optional, TextIO

_USUAL = 80
"""The columns of a terminal that doesn't tell."""


def print_now(text: str, stream: TextIO) -> None:
    """Print text at once, also through a pipe.

    Raises `OSError` or `ValueError` where it can't be written.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def terminal_width(stream: Optional[TextIO]) -> Optional[int]:
    """Return the columns of a terminal, those of the variable COLUMNS first; None for a pipe or a file.

    COLUMNS doesn't count there: shells and CI export it, too, and a log is not read in columns.
    """
    if stream is None or not stream.isatty():
        return None
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(stream.fileno()).columns or _USUAL
    except (OSError, ValueError):
        return _USUAL
