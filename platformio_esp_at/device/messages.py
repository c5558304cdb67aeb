"""The messages between us and the worker: a line of JSON, and the bytes behind it whose number it gives."""

from __future__ import annotations

import json
from typing import IO, Any, TypeAlias

Message: TypeAlias = "dict[str, Any]"

_SIZE = "bytes"


def send(stream: IO[bytes], message: Message, data: bytes = b"") -> None:
    """Write a message, and ``data`` behind it. Raises `OSError` if the other end is gone."""
    stream.write(json.dumps({**message, _SIZE: len(data)}).encode() + b"\n" + data)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Message, bytes] | None:
    """Return the next message and the bytes behind it; None at the end, also in the middle of a message."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        return None
    message: Message = json.loads(line)
    size = message.pop(_SIZE)
    data = stream.read(size)
    return (message, data) if len(data) == size else None
