"""The pictures for a terminal: to scale, in ASCII, in its columns."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import sample_plan

from platformio_esp_at.outputs.connections import connections
from platformio_esp_at.outputs.flash_map import FlashMap, MapRow, State
from platformio_esp_at.outputs.pictures import WIDTH, draw_connections, draw_flash_map

KIB = 1024


def test_bars_are_to_scale():
    inside = (
        MapRow("table", 1024 * KIB, 1028 * KIB, State.WRITTEN, 4 * KIB),
        MapRow("own", 1028 * KIB, 1536 * KIB, State.NEW),
        MapRow("", 1536 * KIB, 2048 * KIB, State.FREE),
    )
    rows = (
        MapRow("app", 0, 1024 * KIB, State.WRITTEN, 512 * KIB),
        MapRow("home", 1024 * KIB, 2048 * KIB, State.WRITTEN, rows=inside),
        MapRow("nvs", 2048 * KIB, 4096 * KIB, State.KEPT),
    )
    lines = draw_flash_map(FlashMap(rows)).splitlines()
    assert lines[:4] == [
        "Flash, 4MB; a character is 64KB",
        f"|{'#' * 8}{'-' * 8}#{'+' * 7}{'.' * 8}{'=' * 32}|",
        "home, 1MB; a character is 16KB",
        f"|#{'+' * 31}{'.' * 32}|",
    ]
    assert lines[4:] == [
        "# written by an update   = kept   + new, not written   - after an image   . free",
        "The factory image writes the same and erases all else.",
    ]
    narrow = draw_flash_map(FlashMap(rows), 40).splitlines()
    assert narrow[:2] == ["Flash, 4MB; a character is 128KB", f"|{'#' * 4}{'-' * 4}#{'+' * 3}{'.' * 4}{'=' * 16}|"]
    assert narrow[4:6] == ["# written by an update", "= kept"]


@pytest.mark.parametrize("width", [None, 200, 60, 40])
@pytest.mark.parametrize("name", ["x" * 200, "ü" * 16, "\x1b[2J\u202e"])
def test_they_fit_every_terminal(name, width, tmp_path):
    plan = sample_plan(tmp_path)
    plan = replace(plan, module=replace(plan.module, name=name), regions=(replace(plan.regions[0], name=name),))
    text = f"{draw_flash_map(FlashMap.of(plan), width)}\n{draw_connections(connections(plan), width)}"
    most = min(width or WIDTH, WIDTH)
    assert all(len(line) <= most and line.isprintable() for line in text.splitlines())
    plain = sample_plan(tmp_path)
    assert f"{draw_flash_map(FlashMap.of(plain))}{draw_connections(connections(plain))}".isascii()


def test_wires(tmp_path):
    text = draw_connections(connections(sample_plan(tmp_path)))
    assert text.splitlines()[1:5] == [
        "WROOM-32 to Host: AT commands on UART1, 115200 baud",
        "  TX  GPIO17  --------> RX",
        "  RX  GPIO16  <-------- TX",
        "  RTS GPIO14  --------> CTS",
    ]
    assert "\n  GND         --------- GND\n" in text
