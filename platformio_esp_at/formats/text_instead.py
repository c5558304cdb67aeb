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

_POINTER = re.compile(rb"version https://(?:git-lfs|hawser)\.github\.com/spec/")
_POINTER_SIZE = re.compile(rb"^size ([0-9]{1,12})\r?$", re.MULTILINE)
_WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body|\?xml)\b", re.IGNORECASE)
_MESSAGE = re.compile(
    rb"\s*(?:HTTP/[0-9.]+ |\{\s*\"(?:message|error)\"|(?:error:? )?[45][0-9]{2}[:. ]|not found|access denied)",
    re.IGNORECASE,
)
MAX_TEXT = 1024
"""A git-lfs pointer and a server's message have less bytes; a web page is known by its first ones."""

_NOT_IN_TEXT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_SHOWN = 40


class TextInstead(NamedTuple):
    """What text is in the place of a binary file; both are for people."""

    what: str
    next_step: str


def lfs_pointer(data: bytes) -> TextInstead | None:
    """Return what to say of a git-lfs pointer; None for anything else."""
    if not _POINTER.match(data):
        return None
    size = _POINTER_SIZE.search(data[:MAX_TEXT])
    of = f" to a file of {int(size[1])} bytes" if size else ""
    return TextInstead(f"a git-lfs pointer{of}, not the file itself", "run git lfs pull in the repository of the file")


def fetched_text(data: bytes) -> TextInstead | None:
    """Return what to say of what a download leaves instead of a file: a pointer, a web page, a server's message."""
    if pointer := lfs_pointer(data):
        return pointer
    if _WEB_PAGE.match(data):
        return TextInstead("a web page, not a binary file", "download it again: a server answered with a page instead")
    if len(data) <= MAX_TEXT and _MESSAGE.match(data) and is_text(data):
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
    if not data or _NOT_IN_TEXT.search(data):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(data: bytes) -> str:
    """Return how a text begins: its first line, cut."""
    line = data.decode().strip().partition("\n")[0].strip()
    return repr(line if len(line) <= _MAX_SHOWN else f"{line[: _MAX_SHOWN - 1]}…")
