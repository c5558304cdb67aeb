"""The pictures as SVG: what they say, to scale, and nothing that a name could add."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hostile_names import LONG, SCRIPT, TAGS, TURNED
from plans import sample_plan

from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.flash_map import FlashMap, State
from platformio_esp_at.outputs.svg import flash_map_svg, svg_file, wiring_svg

SVG = "{http://www.w3.org/2000/svg}"


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - our own


def _map(plan) -> ET.Element:
    return _parsed(svg_file(flash_map_svg(FlashMap.of(plan), plan.module.name)))


def _texts(root: ET.Element) -> list[str]:
    return [text.text for text in root.iter(f"{SVG}text")]


@pytest.fixture
def plan(tmp_path):
    return sample_plan(tmp_path)


def test_a_file_stands_alone(plan):
    """It has its style sheet, for light and dark; its title and description; no script, and nothing from elsewhere."""
    for root in (_map(plan), _parsed(svg_file(wiring_svg(connections(plan))))):
        assert {node.tag.removeprefix(SVG) for node in root.iter()} <= TAGS
        assert "prefers-color-scheme: dark" in root.find(f"{SVG}style").text
        named = root.get("aria-labelledby").split()
        assert [root.find(f".//*[@id='{name}']").tag for name in named] == [f"{SVG}title", f"{SVG}desc"]
        values = [value for node in root.iter() for value in node.attrib.values()]
        assert not [value for value in values if "url(" in value and "url(#" not in value]


def test_the_map_is_to_scale(plan):
    """Both columns of a bar: from the top to the bottom, a rectangle has its share of the flash."""
    flash_map = FlashMap.of(plan)
    root = _map(plan)
    frame = max(
        (node for node in root.iter(f"{SVG}rect") if node.get("class") == "at-bar" and node.get("x") == "0.75"),
        key=lambda node: float(node.get("height")),
    )
    top, height = float(frame.get("y")), float(frame.get("height"))
    last = flash_map.rows[-1]
    assert last.state is State.KEPT
    kept = [
        (float(node.get("y")), float(node.get("height")))
        for node in root.iter(f"{SVG}rect")
        if node.get("fill") == "url(#at-kept)" and node.get("x") == "0.75"
    ]
    expected = (top + height * last.offset / flash_map.size, height * last.size / flash_map.size)
    assert any(found == pytest.approx(expected, abs=0.02) for found in kept)


def test_the_map_names_everything(plan):
    texts = _texts(_map(plan))
    for row in (*plan.primary, *plan.secondary):
        assert any(text.startswith(row.name) for text in texts), row.name
    assert {"kept", "written", "free"} <= set(texts)
    assert "rest of a partition, after its image: not written" in texts


def test_states_have_their_patterns(plan):
    """Nothing depends on colour: each state but written and free has a pattern, and each row its word."""
    root = _map(plan)
    assert {node.get("id") for node in root.iter(f"{SVG}pattern")} == {"at-kept", "at-erased", "at-new"}
    titles = [node.find(f"{SVG}title").text for node in root.iter(f"{SVG}g") if node.find(f"{SVG}title") is not None]
    assert "0x12000 to 0x20000: nvs, kept, 56KB" in titles
    assert "0x0 to 0x1000: free" in titles


def test_wires_cross(plan):
    """TX goes to RX: the other side has its pins in the same order as the module."""
    root = _parsed(svg_file(wiring_svg(connections(plan))))
    at = {text.text: float(text.get("y")) for text in reversed(list(root.iter(f"{SVG}text"))) if text.get("x") == "214"}
    assert (at["TX"], at["CTS"]) < (at["RX"], at["GND"])
    paths = [node.get("d") for node in root.iter(f"{SVG}path") if node.get("class") == "at-wire"]
    ends = [tuple(map(float, re.fullmatch(r"M123,(\S+) h14 L191,(\S+) h14", path).groups())) for path in paths]
    assert ends[0] == ends[1][::-1]
    assert ends[0][0] != ends[0][1]
    pins = [text for text in _texts(root) if re.fullmatch(r"GPIO\d+", text)]
    assert pins == ["GPIO17", "GPIO16", "GPIO14", "GPIO15", "GPIO1", "GPIO3"]


def test_a_name_is_text(plan):
    name = f"{SCRIPT}{TURNED}\"'&{LONG}"
    plan = replace(
        plan,
        module=replace(plan.module, name=name),
        regions=tuple(replace(region, name=f"{number}{name}") for number, region in enumerate(plan.regions)),
    )
    for root in (_map(plan), _parsed(svg_file(wiring_svg(connections(plan))))):
        assert {node.tag.removeprefix(SVG) for node in root.iter()} <= TAGS
        assert all(len(text) <= 80 for text in _texts(root))
        assert all("\u202e" not in text for text in root.itertext())
        assert any("<script>" in text for text in root.itertext())
