"""Print text for people; characters that the terminal can't show are replaced. Read by a host's Python: 3.6 syntax."""

from typing import TextIO


def print_now(text: str, stream: TextIO) -> None:
    """Print text at once, also through a pipe.

    Raises `OSError` or `ValueError` where it can't be written.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
