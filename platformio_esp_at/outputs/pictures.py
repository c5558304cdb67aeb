"""The pictures of `svg` for a terminal: in ASCII, which each encoding can show, and in 80 columns or less."""

from __future__ import annotations

from typing import TYPE_CHECKING

from platformio_esp_at.errors import printable
from platformio_esp_at.outputs.flash_map import State
from platformio_esp_at.outputs.tables import wrap
from platformio_esp_at.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from platformio_esp_at.outputs.connections import Connections, Line
    from platformio_esp_at.outputs.flash_map import FlashMap, MapRow

WIDTH = 80
"""The columns of most terminals, and of what is no terminal."""
_BAR = 64
"""The most characters that a bar has; half of it in narrow terminals, so that a character stays a round number."""
MARKS = {State.WRITTEN: "#", State.KEPT: "=", State.NEW: "+", State.FREE: "."}
"""What stands for the bytes of a row."""
_REST = "-"
"""What is after the image of a written partition."""
_ORDER = "#+=-."
"""Where a character of a bar stands for several ranges, the first of these wins: nothing that is written is hidden."""
_LEGEND = ("# written by an update", "= kept", "+ new, not written", "- after an image", ". free")
_FACTORY = "The factory image writes the same and erases all else."


def draw_flash_map(flash_map: FlashMap, width: int | None = None) -> str:
    """Return the map: a bar to scale of the whole flash and of each row that has others inside, then its marks."""
    width = min(width or WIDTH, WIDTH)
    lines = _bar("Flash", flash_map.rows, width)
    for row in (row for row in flash_map.rows if row.rows):
        lines += _bar(row.name, row.rows, width)
    legend = "   ".join(_LEGEND)
    lines += [legend] if len(legend) <= width else _LEGEND
    return "\n".join([*lines, *wrap(_FACTORY, width)])


def _bar(name: str, rows: tuple[MapRow, ...], width: int) -> list[str]:
    start, end = rows[0].offset, rows[-1].end
    size = _BAR if len("||") + _BAR <= width else _BAR // 2
    ranges = list(_ranges(rows))
    cells = []
    for cell in range(size):
        first, last = (start + (end - start) * number // size for number in (cell, cell + 1))
        marks = {mark for at, until, mark in ranges if at < last and first < until}
        cells.append(min(marks, key=_ORDER.index))
    head = f"{name}, {format_size(end - start)}; a character is {format_size((end - start) // size)}"
    return [*wrap(printable(head), width), f"|{''.join(cells)}|"]


def _ranges(rows: tuple[MapRow, ...]) -> Iterator[tuple[int, int, str]]:
    for row in rows:
        if row.rows:
            yield from _ranges(row.rows)
        elif row.state is State.WRITTEN:
            yield row.offset, row.offset + row.written, MARKS[State.WRITTEN]
            yield row.offset + row.written, row.end, _REST
        else:
            yield row.offset, row.end, MARKS[row.state]


def draw_connections(wires: Connections, width: int | None = None) -> str:
    """Return the wires, the module's pins on the left, and how to start the download mode."""
    width = min(width or WIDTH, WIDTH)
    lines = []
    for interface in wires.interfaces:
        lines += wrap(printable(f"{wires.module} to {interface.other}: {interface.title}"), width, "  ")
        lines += [f"  {line.pin:<4}{_gpio(line):<7} {_wire(line)} {line.other}" for line in interface.lines]
    steps = (part for step in wires.steps for part in wrap(f"  {step}", width, "    "))
    return "\n".join(["Wiring", *lines, "Download mode, by hand:", *steps])


def _gpio(line: Line) -> str:
    return "" if line.gpio is None else f"GPIO{line.gpio}"


def _wire(line: Line) -> str:
    if line.is_output is None:
        return "---------"
    return "-------->" if line.is_output else "<--------"
