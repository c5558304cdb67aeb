"""The pictures of `svg` for a terminal: in ASCII, which each encoding can show, and in 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import printable
from platformio_esp_at.outputs.flash_map import State
from platformio_esp_at.units import format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.outputs.connections import Connections, Line
    from platformio_esp_at.outputs.flash_map import FlashMap, MapRow

WIDTH = 80
"""The columns that a terminal has at least."""
_BAR = 64
_MARKS = {State.WRITTEN: "#", State.KEPT: "=", State.NEW: "+", State.FREE: "."}
_REST = "-"
"""What is after the image of a written partition."""
_ORDER = "#+=-."
"""Where a character of a bar stands for several ranges, the first of these wins: nothing that is written is hidden."""
_LEGEND = (
    "# written by an update   = kept   + new, not written   - after an image   . free",
    "The factory image writes the same and erases all else.",
)


def draw_flash_map(flash_map: FlashMap) -> str:
    """Return the map: a bar to scale of the whole flash and of each row that has others inside, then all rows."""
    lines = _bar("Flash", flash_map.rows)
    for row in (row for row in flash_map.rows if row.rows):
        lines += _bar(row.name, row.rows)
    return "\n".join([*lines, *_LEGEND, "", *(line[:WIDTH] for line in _rows(flash_map.rows, ""))])


def _bar(name: str, rows: tuple[MapRow, ...]) -> list[str]:
    start, end = rows[0].offset, rows[-1].end
    ranges = list(_ranges(rows))
    cells = []
    for cell in range(_BAR):
        first, last = (start + (end - start) * number // _BAR for number in (cell, cell + 1))
        marks = {mark for at, until, mark in ranges if at < last and first < until}
        cells.append(min(marks, key=_ORDER.index))
    head = f"{name}, {format_size(end - start)}; a character is {format_size((end - start) // _BAR)}"
    return [printable(head)[:WIDTH], f"|{''.join(cells)}|"]


def _ranges(rows: tuple[MapRow, ...]) -> Iterator[tuple[int, int, str]]:
    for row in rows:
        if row.rows:
            yield from _ranges(row.rows)
        elif row.state is State.WRITTEN:
            yield row.offset, row.offset + row.written, _MARKS[State.WRITTEN]
            yield row.offset + row.written, row.end, _REST
        else:
            yield row.offset, row.end, _MARKS[row.state]


def _rows(rows: tuple[MapRow, ...], indent: str) -> Iterator[str]:
    for row in rows:
        mark = " " if row.rows else _MARKS[row.state]
        name = printable(row.name) if row.name else "free"
        yield f"{indent}{format_offset(row.offset):<10}{format_size(row.size):>8}  {mark} {name}"
        yield from _rows(row.rows, f"{indent}  ")


def draw_connections(wires: Connections) -> str:
    """Return the wires, the module's pins on the left, and how to start the download mode."""
    lines = []
    for interface in wires.interfaces:
        lines.append(printable(f"{wires.module} to {interface.other}: {interface.title}")[:WIDTH])
        lines += [f"  {line.pin:<4}{_gpio(line):<7} {_wire(line)} {line.other}" for line in interface.lines]
    return "\n".join(["Wiring", *lines, "Download mode, by hand:", *(f"  {step}" for step in wires.steps)])


def _gpio(line: Line) -> str:
    return "" if line.gpio is None else f"GPIO{line.gpio}"


def _wire(line: Line) -> str:
    if line.is_output is None:
        return "---------"
    return "-------->" if line.is_output else "<--------"
