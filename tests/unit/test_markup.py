"""Elements in which text stays text."""

from __future__ import annotations

from platformio_esp_at.outputs.markup import as_html, as_svg, element, style


def test_text_is_escaped():
    made = element("p", "a<b>&", element("br"), "c\u202ed", None, "\x00", title="\"'<>&\n")
    assert as_html(made) == (
        '<!DOCTYPE html>\n<p title="&quot;\'<&gt;&amp;\\n">a&lt;b&gt;&amp;<br>c\\u202ed\\x00</p>\n'
    )


def test_attributes():
    made = element("rect", class_="at-a", stroke_width=1.5, x=2, y=3.0, height=0.333333)
    assert made.attrib == {"class": "at-a", "stroke-width": "1.5", "x": "2", "y": "3", "height": "0.33"}


def test_a_picture_as_a_file():
    text = as_svg(element("svg", element("text", "<é>"), id="a"))
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" id="a"><text>&lt;é&gt;</text></svg>\n'
    )


def test_a_style_sheet_stays_as_it_is():
    assert as_html(style("a > b {\n}")) == "<!DOCTYPE html>\n<style>a > b {\n}</style>\n"
