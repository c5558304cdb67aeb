"""Numbers as people write them in flash layouts: ``0x1000``, ``576K``, ``4MB``; offsets and sizes are in bytes."""

from __future__ import annotations

import re

from platformio_esp_at.errors import FormatError

SECTOR_SIZE = 0x1000
"""The smallest part of a flash that can be erased, in bytes."""

UPLOAD_BAUD = 460800
"""The usual speed of uploads, in baud: the default of idf.py, too. ``-b 115200`` helps if a USB adapter can't."""

MAX_FLASH_SIZE = 16 << 20
"""The largest flash of a module that ESP-AT supports, in bytes: no image and no file of a project is larger."""

_NUMBER = re.compile(
    r"(?P<sign>-?)(?:0x(?P<hex>[0-9a-f]{1,16})|(?P<decimal>[0-9]{1,20})(?P<unit>(?:[km]b?)?))",
    re.ASCII | re.IGNORECASE,
)
_UNITS = {"": 1, "K": 1024, "M": 1024 * 1024}


def parse_size(text: str) -> int:
    """Return the bytes that ``text`` means: decimal, ``0x`` hex, or decimal with K, KB, M or MB.

    Raises `FormatError` for anything else; a leading zero (``010``) is refused: upstream's tools take it as octal.
    """
    match = _NUMBER.fullmatch(text.strip())
    if not match:
        raise FormatError("not-a-size", f"{text!r} is not a size or offset", hint="write 4096, 0x1000, 4K or 1M")
    sign = -1 if match["sign"] else 1
    if match["hex"]:
        return sign * int(match["hex"], 16)
    digits = match["decimal"]
    if len(digits) > 1 and digits.startswith("0"):
        raise FormatError(
            "not-a-size", f"{text!r} starts with 0", hint="write it without the leading 0, or in hex as 0x…"
        )
    return sign * int(digits) * _UNITS[match["unit"].upper()[:1]]


def parse_number(text: str) -> int:
    """Return a whole number: decimal or ``0x`` hex, as `parse_size` takes them. Raises `FormatError` for others."""
    match = _NUMBER.fullmatch(text.strip())
    if not match or match["unit"] or re.match("0[0-9]", match["decimal"] or ""):
        raise FormatError(
            "not-a-number", f"{text!r} is not a whole number", hint="write it in decimal, or in hex as 0x…"
        )
    return parse_size(text)


def format_offset(offset: int) -> str:
    """Return an offset as `esptool` and the partition tables write it.

    >>> format_offset(0x21000)
    '0x21000'
    """
    return f"{offset:#x}"


def format_size(size: int) -> str:
    """Return a size in the largest unit that divides it.

    >>> format_size(4 << 20), format_size(576 << 10), format_size(1176)
    ('4MB', '576KB', '1176')
    """
    if size and size % (1 << 20) == 0:
        return f"{size >> 20}MB"
    if size and size % (1 << 10) == 0:
        return f"{size >> 10}KB"
    return str(size)


def format_amount(size: int) -> str:
    """Return a size in bytes for people, rounded.

    >>> format_amount(2336705), format_amount(700)
    ('2.2 MB', '0.7 KB')
    """
    return f"{size / (1 << 20):.1f} MB" if size >= 1 << 20 else f"{size / (1 << 10):.1f} KB"


def align_up(value: int, alignment: int) -> int:
    """Return the next multiple of ``alignment`` at or above ``value``."""
    return -(-value // alignment) * alignment
