"""Text in the place of a binary file: a git-lfs pointer, a web page, a server's message.

A git-lfs pointer is what a repository holds instead of a large file, and what a checkout leaves without ``git lfs
pull``; lines end with LF::

    version https://git-lfs.github.com/spec/v1
    oid sha256:4d7a2146…
    size 12345

Source: ``docs/spec.md`` of git-lfs, which also names the URL of its first version, ``https://hawser.github.com/``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_POINTER = rb"version https://(?:git-lfs|hawser)\.github\.com/spec/"
_POINTER_SIZE = rb"(?m)^size ([0-9]{1,12})\r?$"
_WEB_PAGE = rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|\?xml)\b"
_MESSAGE = (
    rb"(?i)\s*(?:HTTP/[0-9.]+ |\{\s*\"(?:message|error)\"|(?:error:? )?[45][0-9]{2}[:. ]|not found|access denied)"
)
MAX_TEXT = 1024
"""A git-lfs pointer and a server's message have less bytes; a web page is known by its first ones."""

_NOT_IN_TEXT = rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_MAX_SHOWN = 40
_FIRST_BYTES = 64


class TextInstead(NamedTuple):
    """What text is in the place of a binary file; both are for people."""

    what: str
    next_step: str


def lfs_pointer(data: bytes) -> TextInstead | None:
    """Return what to say of a git-lfs pointer; None for anything else."""
    if not re.match(_POINTER, data):
        return None
    size = re.search(_POINTER_SIZE, data[:MAX_TEXT])
    of = f" to a file of {int(size[1])} bytes" if size else ""
    return TextInstead(f"a git-lfs pointer{of}, not the file itself", "run git lfs pull in the repository of the file")


def fetched_text(data: bytes) -> TextInstead | None:
    """Return what to say of what a download leaves instead of a file: a pointer, a web page, a server's message."""
    if _is_binary(data):
        return None
    if pointer := lfs_pointer(data):
        return pointer
    if re.match(_WEB_PAGE, data):
        return TextInstead("a web page, not a binary file", "download it again: a server answered with a page instead")
    if len(data) <= MAX_TEXT and re.match(_MESSAGE, data) and is_text(data):
        message = f"a server's message ({_shown(data)}), not a binary file"
        return TextInstead(message, "download it again, from the address that the file has now")
    return None


def text_instead(data: bytes) -> TextInstead | None:
    """Return what to say of any text where a binary format is needed; None for what isn't text."""
    if found := fetched_text(data):
        return found
    if is_text(data):
        return TextInstead(f"text ({_shown(data)}), not a binary file", "take the file again from where it came from")
    return None


def is_text(data: bytes) -> bool:
    """Return whether ``data`` is UTF-8 text: not empty, and without control characters but tabs and line ends."""
    if not data or _is_binary(data) or re.search(_NOT_IN_TEXT, data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_binary(data: bytes) -> bool:
    """Return whether the first bytes show at once that it isn't text: most images have 00 or FF there."""
    start = data[:_FIRST_BYTES]
    return b"\0" in start or b"\xff" in start


def _shown(data: bytes) -> str:
    """Return how a text begins: its first line, cut."""
    line = data.decode().strip().partition("\n")[0].strip()
    return repr(line if len(line) <= _MAX_SHOWN else f"{line[: _MAX_SHOWN - 1]}…")
