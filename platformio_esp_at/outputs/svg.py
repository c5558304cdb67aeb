"""Pictures as SVG: the map of a plan's flash, and how the module is connected.

Fill patterns tell the states apart, so that nothing depends on colour; text stays text. A picture is an element for a
page, which brings `STYLE` once for all, or a file of its own.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, NamedTuple

from platformio_esp_at.outputs.flash_map import State
from platformio_esp_at.outputs.markup import as_svg, element, style
from platformio_esp_at.units import format_offset, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from platformio_esp_at.outputs.connections import Connections, Interface, Line
    from platformio_esp_at.outputs.flash_map import FlashMap, MapRow

_RULES = Template("""\
.at-picture { font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: $ink; }
.at-paper { fill: $paper; }
.at-name { font-weight: 600; }
.at-soft { fill: $soft; font-size: 10.5px; }
.at-head { font-size: 10px; fill: $soft; }
.at-bar { fill: none; stroke: $edge; stroke-width: 1; }
.at-cut { stroke: $edge; stroke-width: .5; }
.at-lead { fill: none; stroke: $edge; stroke-width: .6; }
.at-fan { fill: $fan; stroke: $edge; stroke-width: .75; }
.at-written { fill: $fill; }
.at-rest { fill: $rest; }
.at-hatch { stroke: $kept; stroke-width: 1.6; }
.at-dots { fill: $kept; }
.at-cross { stroke: $erased; stroke-width: 1; }
.at-box { fill: $box; stroke: $ink; stroke-width: 1.25; }
.at-wire { fill: none; stroke: $ink; stroke-width: 1.75; }
.at-halo { fill: none; stroke: $paper; stroke-width: 6; }
.at-supply { fill: none; stroke: $ink; stroke-width: 1.75; stroke-dasharray: 5 3; }
.at-tip { fill: $ink; }
""")
_LIGHT = {
    "ink": "#1a1f26",
    "soft": "#545d68",
    "paper": "#ffffff",
    "edge": "#6b7480",
    "fill": "#1d5a9e",
    "rest": "#d5e3f3",
    "kept": "#8a5a00",
    "erased": "#b02a1e",
    "fan": "#eef1f5",
    "box": "#f4f6f8",
}
_DARK = {
    "ink": "#e8ebef",
    "soft": "#a9b2bd",
    "paper": "#14181d",
    "edge": "#8a94a0",
    "fill": "#6aa9f0",
    "rest": "#24384f",
    "kept": "#e0b050",
    "erased": "#ff8f80",
    "fan": "#222931",
    "box": "#1c2229",
}
# Colours as they are, and no variables of CSS: programs that aren't browsers show the pictures, too.
STYLE = f"\n{_RULES.substitute(_LIGHT)}@media (prefers-color-scheme: dark) {{\n{_RULES.substitute(_DARK)}}}\n"
"""The style sheet of the pictures; all its classes begin with ``at-``."""

_NAMES = {
    State.WRITTEN: "written: replaced by an update",
    State.KEPT: "kept by an update",
    State.NEW: "new: not written by an update",
    State.ERASED: "erased by the factory image",
    State.FREE: "free",
}
_LONGEST_NAME = 22
"""In characters: what is longer is cut in a picture, and whole in its title."""


def svg_file(picture: Element) -> str:
    """Return a picture as a file of its own, with its style sheet."""
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    frame = {"x": -_MARGIN, "y": -_MARGIN, "width": width + 2 * _MARGIN, "height": height + 2 * _MARGIN}
    paper = element("rect", class_="at-paper", **frame)
    attributes = picture.attrib | {"viewBox": " ".join(f"{value:g}" for value in frame.values())}
    words, drawing = picture[:_TITLES], picture[_TITLES:]
    return as_svg(element(picture.tag, *words, style(STYLE), paper, *drawing, **attributes))


_MARGIN = 12.0
_TITLES = 2
"""How many elements at the start of a picture say what it is, for screen readers."""


def _picture(name: str, title: str, about: str, width: float, height: float, *content: Element) -> Element:
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", about, id=f"{name}-desc"),
        *content,
        class_="at-picture",
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _label(x: float, y: float, text: str, class_: str = "at-text", **more: str | float) -> Element:
    return element("text", text, x=x, y=y, class_=class_, **more)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


# --- the flash map ---

_WIDTH = 340.0
_TOP = 18.0
_BAR = 37.0
_INNER_BAR = 17.0
_OUTER_TEXT = 96.0
_INNER_TEXT = 148.0
_ROW, _FREE_ROW = 31.0, 20.0
_LEGEND_ROW = 19.0


class _Place(NamedTuple):
    """Where the text of a row is."""

    row: MapRow
    y: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + min(self.height, _ROW) / 2


class _Bar(NamedTuple):
    """A range of the flash, drawn to scale from top to bottom."""

    x: float
    width: float
    """Of each of its two columns: the update, and the factory image."""
    top: float
    height: float
    start: int
    end: int

    def y(self, offset: int) -> float:
        """Return where an offset is."""
        return self.top + (offset - self.start) * self.height / (self.end - self.start)

    @property
    def right(self) -> float:
        return self.x + 2 * self.width


def flash_map_svg(flash_map: FlashMap, module: str) -> Element:
    """Return the picture of a flash map: all of it to scale on the left, and inside it ``at_customize``, larger."""
    places = list(_placed(flash_map.rows, _TOP + 4))
    bottom = places[-1].y + places[-1].height
    bar = _Bar(0.75, _BAR, _TOP, bottom - _TOP, 0, flash_map.size)
    parts: list[Element] = [_patterns()]
    parts += [
        _label(bar.x + _BAR / 2, 11, "update", "at-head", text_anchor="middle"),
        _label(bar.x + _BAR * 1.5, 11, "factory", "at-head", text_anchor="middle"),
    ]
    for place in places:
        if place.row.rows:
            parts += _nested(place, bar)
        else:
            parts += _row(place, bar, _OUTER_TEXT)
    parts += _columns(bar, flash_map.rows)
    legend = list(_legend(flash_map, bottom + 16))
    height = bottom + 16 + len(legend) * _LEGEND_ROW / 2
    title = f"Flash map of {module}, {format_size(flash_map.size)}"
    about = "; ".join(_in_words(flash_map.rows))
    return _picture("at-map", title, about, _WIDTH, height, *parts, *legend)


def _placed(rows: tuple[MapRow, ...], y: float) -> Iterator[_Place]:
    for row in rows:
        inside = list(_placed(row.rows, y + _ROW)) if row.rows else []
        height = _FREE_ROW if row.state is State.FREE else _ROW
        if inside:
            height = inside[-1].y + inside[-1].height - y + 6
        yield _Place(row, y, height)
        y += height


def _nested(place: _Place, outer: _Bar) -> Iterator[Element]:
    """Yield ``at_customize``: its name, and below it a bar of its own with its rows."""
    row, top = place.row, place.y + _ROW
    inner = _Bar(_OUTER_TEXT, _INNER_BAR, top, place.y + place.height - 6 - top, row.offset, row.end)
    points = [(outer.right, outer.y(row.offset)), (inner.x, inner.top), (inner.x, inner.top + inner.height)]
    points.append((outer.right, outer.y(row.end)))
    yield element("polygon", class_="at-fan", points=" ".join(f"{x:.2f},{y:.2f}" for x, y in points))
    yield _group(
        row,
        _label(_OUTER_TEXT + 4, place.y + 13, f"{_short(row.name)}, larger", "at-name"),
        _label(_OUTER_TEXT + 4, place.y + 26, f"{format_offset(row.offset)} · {format_size(row.size)}", "at-soft"),
    )
    for inside in _placed(row.rows, top):
        yield from _row(inside, inner, _INNER_TEXT)
    yield from _columns(inner, row.rows)


def _row(place: _Place, bar: _Bar, x: float) -> Iterator[Element]:
    """Yield the text of a row, and a line to it from its place in the bar."""
    row, middle = place.row, place.middle
    at = (bar.y(row.offset) + bar.y(row.end)) / 2
    yield element("polyline", class_="at-lead", points=f"{bar.right:.2f},{at:.2f} {x - 6:.2f},{middle:.2f}")
    where = f"{format_offset(row.offset)} · {format_size(row.size)}"
    if row.state is State.FREE:
        yield _group(
            row,
            _label(x + 14, middle + 4, where, "at-soft"),
            _label(_WIDTH, middle + 4, "free", "at-soft", text_anchor="end"),
            *_swatch(row.state, x - 2, middle - 5),
        )
        return
    yield _group(
        row,
        *_swatch(row.state, x - 2, middle - 5),
        _label(x + 14, middle - 2, _short(row.name), "at-name"),
        _label(x + 14, middle + 11, where, "at-soft"),
        _label(_WIDTH, middle + 11, row.state.value, "at-soft", text_anchor="end"),
    )


def _group(row: MapRow, *content: Element) -> Element:
    return element("g", element("title", _row_in_words(row)), *content)


def _columns(bar: _Bar, rows: tuple[MapRow, ...]) -> Iterator[Element]:
    """Yield the two columns of a bar: what an update does, and what the factory image does."""
    for row in _leaves(rows):
        top, height = bar.y(row.offset), bar.y(row.end) - bar.y(row.offset)
        first = bar.y(row.offset + row.written) - top if row.state is State.WRITTEN else height
        for column, state in enumerate((row.state, row.factory_state)):
            x = bar.x + column * bar.width
            if state is State.WRITTEN and first < height:
                rest = "url(#at-erased)" if column else None
                yield element(
                    "rect",
                    **({"fill": rest} if rest else {"class_": "at-rest"}),
                    **_rectangle(x, top + first, bar.width, height - first),
                )
            if state is not State.FREE:
                yield element("rect", **_fill(state), **_rectangle(x, top, bar.width, first))
    for row in rows:
        yield element("line", class_="at-cut", x1=bar.x, x2=bar.right, y1=bar.y(row.offset), y2=bar.y(row.offset))
    for column in range(2):
        x = bar.x + column * bar.width
        yield element("rect", class_="at-bar", **_rectangle(x, bar.top, bar.width, bar.height))


def _rectangle(x: float, y: float, width: float, height: float) -> dict[str, float]:
    return {"x": x, "y": y, "width": width, "height": height}


def _leaves(rows: tuple[MapRow, ...]) -> Iterator[MapRow]:
    for row in rows:
        if row.rows:
            yield from _leaves(row.rows)
        else:
            yield row


def _fill(state: State) -> dict[str, str]:
    """Return the attributes of what is in a state."""
    return {"class_": "at-written"} if state is State.WRITTEN else {"fill": f"url(#at-{state.value})"}


def _swatch(state: State, x: float, y: float) -> Iterator[Element]:
    if state is not State.FREE:
        yield element("rect", **_fill(state), **_rectangle(x, y, 10, 10))
    yield element("rect", class_="at-bar", **_rectangle(x, y, 10, 10))


def _patterns() -> Element:
    hatch = element("path", class_="at-hatch", d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2")
    cross = element("path", class_="at-cross", d="M0,0 l5,5 M5,0 l-5,5")
    dots = element("circle", class_="at-dots", cx=2, cy=2, r=1.1)
    return element("defs", _pattern("kept", 6, hatch), _pattern("erased", 5, cross), _pattern("new", 4, dots))


def _pattern(name: str, size: int, content: Element) -> Element:
    return element("pattern", content, id=f"at-{name}", width=size, height=size, patternUnits="userSpaceOnUse")


def _legend(flash_map: FlashMap, y: float) -> Iterator[Element]:
    """Yield a swatch and its words, two elements for each state that occurs."""
    used = {state for row in _leaves(flash_map.rows) for state in (row.state, row.factory_state)}
    for state in (state for state in State if state in used):
        yield element("g", *_swatch(state, 0.75, y))
        yield _label(18, y + 9, _NAMES[state])
        y += _LEGEND_ROW
    if any(row.state is State.WRITTEN and row.written < row.size for row in _leaves(flash_map.rows)):
        box = _rectangle(0.75, y, 10, 10)
        yield element("g", element("rect", class_="at-rest", **box), element("rect", class_="at-bar", **box))
        yield _label(18, y + 9, "rest of a partition, after its image: not written")


def _in_words(rows: tuple[MapRow, ...]) -> Iterator[str]:
    for row in rows:
        yield _row_in_words(row)
        yield from (f"in it {words}" for words in _in_words(row.rows))


def _row_in_words(row: MapRow) -> str:
    end = format_offset(row.end)
    if row.state is State.FREE:
        return f"{format_offset(row.offset)} to {end}: free"
    return f"{format_offset(row.offset)} to {end}: {row.name}, {row.state.value}, {format_size(row.size)}"


# --- the wiring ---

_SHEET = 320.0
_LEFT, _RIGHT = 122.0, 206.0
_PIN_ROW = 24.0


def wiring_svg(wires: Connections) -> Element:
    """Return the picture of how a module is connected: the module on the left, the other side on the right."""
    parts: list[Element] = []
    y = 4.0
    for interface in wires.interfaces:
        parts += _interface(interface, wires.module, y)
        y += _height(interface) + 40
    parts.append(_label(0, y + 10, "Download mode, by hand", "at-name"))
    y += 27
    for step in wires.steps:
        for line in _wrapped(step):
            parts.append(_label(0, y, line))
            y += 15
        y += 4
    return _picture("at-wiring", f"Wiring of {wires.module}", "; ".join(_wires_in_words(wires)), _SHEET, y, *parts)


def _height(interface: Interface) -> float:
    return len(interface.lines) * _PIN_ROW + 30


def _interface(interface: Interface, module: str, y: float) -> Iterator[Element]:
    yield _label(0, y + 10, interface.title, "at-name")
    top, height = y + 20, _height(interface)
    yield element("rect", class_="at-box", rx=4, **_rectangle(0.75, top, _LEFT - 0.75, height))
    yield element("rect", class_="at-box", rx=4, **_rectangle(_RIGHT, top, _SHEET - _RIGHT - 0.75, height))
    yield _label(10, top + 18, module if len(module) <= 15 else f"{module[:14]}…", "at-name")
    yield _label(_RIGHT + 8, top + 18, interface.other, "at-name")
    rows = [top + 40 + _PIN_ROW * number for number in range(len(interface.lines))]
    others = _other_rows(interface.lines, rows)
    wires = [list(_wire(*wire)) for wire in zip(interface.lines, rows, others, strict=True)]
    for wire in wires:
        yield from wire
    for line, left, right in zip(interface.lines, rows, others, strict=True):
        yield _label(10, left + 4, line.pin, "at-name")
        if line.gpio is not None:
            yield _label(_LEFT - 8, left + 4, f"GPIO{line.gpio}", text_anchor="end")
        yield _label(_RIGHT + 8, right + 4, line.other)


def _other_rows(lines: tuple[Line, ...], rows: list[float]) -> list[float]:
    """Return where the lines end: the other side has its pins in the same order, so that each pair crosses."""
    others = list(rows)
    for number in range(len(lines) - 1):
        pair = lines[number : number + 2]
        if number % 2 == 0 and pair[0].other == pair[1].pin:
            others[number], others[number + 1] = rows[number + 1], rows[number]
    return others


def _wire(line: Line, left: float, right: float) -> Iterator[Element]:
    start, end = _LEFT + 1, _RIGHT - 1
    bend = 14
    path = f"M{start:g},{left:g} h{bend} L{end - bend:g},{right:g} h{bend}"
    if line.is_output is None:
        yield element("path", class_="at-supply", d=path)
        return
    yield element("path", class_="at-halo", d=path)
    yield element("path", class_="at-wire", d=path)
    tip, y, back = (end, right, -8) if line.is_output else (start, left, 8)
    yield element("path", class_="at-tip", d=f"M{tip:g},{y:g} l{back},-4.5 v9 z")


def _wrapped(text: str) -> list[str]:
    """Return text in lines that a picture of the wiring has room for."""
    import textwrap  # noqa: PLC0415 - only for a picture

    return textwrap.wrap(text, 46)


def _wires_in_words(wires: Connections) -> Iterator[str]:
    for interface in wires.interfaces:
        lines = ", ".join(
            f"{line.pin}{'' if line.gpio is None else f' (GPIO{line.gpio})'} to {line.other}"
            for line in interface.lines
        )
        yield f"{interface.title}, {interface.other}: {lines}"
    yield from wires.steps
