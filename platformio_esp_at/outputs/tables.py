"""Tables and sentences in the columns of a terminal.

``width`` is that of `streams.terminal_width`; None where the output is no terminal: then each row is one line, whatever
its length, so that pipes and logs lose nothing. A table that is too wide has its cells wrapped between words; where
even that doesn't fit, each row is a block of ``heading: cell``. Nothing is left out but the middle of a digest, which
``--json`` has whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from platformio_esp_at.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_GAP = "  "
_NARROW = 12
"""A column is wrapped to this many characters, or as many as its longest word has; a narrower one is hard to read."""
_WORDS = re.compile(r"\s+|\S+")
_PARTS = re.compile(r"/*[^/]+/*|/+")
"""Where a word that is longer than a line is broken: after the slashes of a path."""
_DIGEST = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{48}([0-9a-f]{8})\b")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None) -> list[str]:
    """Return the lines of a table, its columns two spaces apart; cells are escaped by `printable`."""
    lines = [[printable(cell) for cell in line] for line in (head, *rows)]
    whole = [max(map(columns, cells)) for cells in zip(*lines, strict=True)]
    if width is None or _total(whole) <= width:
        return [_joined(line, whole) for line in lines]
    lines = [[_shortened(cell) for cell in line] for line in lines]
    if fitted := _fitted(lines, width):
        return [row for line in lines for row in _wrapped_row(line, fitted)]
    return [row for line in lines[1:] for row in _block(lines[0], line, width)]


def wrap(text: str, width: int | None, indent: str = "") -> list[str]:
    """Return a line of text as lines of at most ``width`` columns; ``indent`` is in front of all but the first.

    Words stay whole; only one that is longer than a line is broken, after a slash if it has one.
    """
    if width is None or columns(text) <= width:
        return [text]
    width = max(width, columns(indent) + _NARROW)
    lines, line = [], ""
    for piece in _pieces(_shortened(text), width - columns(indent)):
        if columns(line + piece) > width and line.strip():
            lines.append(line.rstrip())
            line = indent
            if piece.isspace():
                continue
        line += piece
    return [*lines, line.rstrip()] if line.strip() else lines


def _pieces(text: str, width: int) -> Iterator[str]:
    """Yield the words of a text and the spaces between them, those that are too long in parts."""
    for word in _WORDS.findall(text):
        for part in _PARTS.findall(word) if columns(word) > width else (word,):
            yield from part if columns(part) > width else (part,)


def columns(text: str) -> int:
    """Return how many columns a terminal takes for a line of text."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - 10 ms that only wide characters need

    return cell_len(text)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _joined(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell + " " * (width - columns(cell)) for cell, width in zip(line, widths, strict=True))
    return _GAP.join(cells).rstrip()


def _shortened(text: str) -> str:
    """Return a text with the ends of the digests in it, eight digits each."""
    return _DIGEST.sub(r"\1…\2", text)


def _fitted(lines: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the widths of columns that fit, the widest made narrower first; None if there are none."""
    cells = list(zip(*lines, strict=True))
    whole = [max(map(columns, column)) for column in cells]
    least = [max(_longest_part(column), min(most, _NARROW)) for column, most in zip(cells, whole, strict=True)]
    if _total(least) > width:
        return None
    for limit in range(max(whole), 0, -1):
        widths = [max(low, min(most, limit)) for low, most in zip(least, whole, strict=True)]
        if _total(widths) <= width:
            return widths
    return least


def _longest_part(cells: Iterable[str]) -> int:
    return max((columns(part) for cell in cells for word in cell.split() for part in _PARTS.findall(word)), default=0)


def _wrapped_row(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
    for number in range(max(map(len, cells))):
        yield _joined([cell[number] if number < len(cell) else "" for cell in cells], widths)


def _block(head: Sequence[str], line: Sequence[str], width: int) -> Iterator[str]:
    """Yield a row as lines of ``heading: cell``, as many as fit in one; blank cells are left out."""
    row = ""
    for name, cell in zip(head, line, strict=True):
        if not cell.strip():
            continue
        words = f"{name.strip()}: {cell.strip()}"
        if not row:
            row = words
        elif columns(f"{row}{_GAP}{words}") <= width:
            row = f"{row}{_GAP}{words}"
        else:
            yield from wrap(row, width, _GAP * 2)
            row = f"{_GAP}{words}"
    yield from wrap(row, width, _GAP * 2)
