"""Elements of HTML and SVG: text in them stays text, whatever it is, since the standard library writes them.

What a terminal would act on, or what turns the direction of writing, is escaped as everywhere: see `errors.printable`.
"""

from __future__ import annotations

from typing import TypeAlias
from xml.etree import ElementTree as ET

from platformio_esp_at.errors import printable

Content: TypeAlias = "ET.Element | str | None"


def element(tag: str, /, *content: Content, **attributes: str | float) -> ET.Element:
    """Return an element with text and elements in it; None is left out.

    A name of an attribute may end with ``_`` (``class_``), and has ``_`` for ``-``.
    """
    named = {name.rstrip("_").replace("_", "-"): _text(value) for name, value in attributes.items()}
    made = ET.Element(tag, named)
    for part in content:
        if isinstance(part, ET.Element):
            made.append(part)
        elif part is not None:
            _append_text(made, printable(part))
    return made


def style(css: str) -> ET.Element:
    """Return a style sheet of ours: its line ends stay."""
    made = ET.Element("style")
    made.text = css
    return made


def as_html(root: ET.Element) -> str:
    """Return a page."""
    return f"<!DOCTYPE html>\n{ET.tostring(root, encoding='unicode', method='html')}\n"


def as_svg(root: ET.Element) -> str:
    """Return a picture as a file."""
    alone = ET.Element(root.tag, {"xmlns": "http://www.w3.org/2000/svg", **root.attrib})
    alone.extend(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(alone, encoding="unicode")}\n'


def _text(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def _append_text(made: ET.Element, text: str) -> None:
    if len(made):
        made[-1].tail = (made[-1].tail or "") + text
    else:
        made.text = (made.text or "") + text
