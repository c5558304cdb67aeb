"""Tables and sentences in the columns of a terminal."""

from __future__ import annotations

import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platformio_esp_at.launcher.streams import terminal_width
from platformio_esp_at.outputs.tables import columns, table, wrap

SHA = "0123456789abcdef" * 4


def test_a_table():
    assert table(("A", "Long"), [("wider", "x"), ("", "y")]) == ["A      Long", "wider  x", "       y"]
    assert table(("A", "B"), []) == ["A  B"]
    assert table(("A", "B"), [("\x1b", "x")]) == ["A     B", "\\x1b  x"]


def test_wide_characters_take_two_columns():
    assert table(("A", "B"), [("电", "x"), ("é", "y")]) == ["A   B", "电  x", "é   y"]
    assert columns("电路") == 4
    assert wrap("电路 板", 4) == ["电路 板"]


def test_a_table_that_fits_is_the_same_in_a_terminal():
    rows = [("client_ca", SHA)]
    assert table(("Name", "SHA-256"), rows, 75) == table(("Name", "SHA-256"), rows)


def test_cells_are_wrapped_between_words_the_widest_first():
    rows = [("esp32", "AT commands over SDIO, without a UART"), ("esp8266", "short")]
    assert table(("Chip", "What it is"), rows, 30) == [
        "Chip     What it is",
        "esp32    AT commands over",
        "         SDIO, without a UART",
        "esp8266  short",
    ]


def test_a_path_is_wrapped_after_its_slashes():
    assert table(("Offset", "Path"), [("0x1000", "customized_partitions/client_ca.bin")], 32) == [
        "Offset  Path",
        "0x1000  customized_partitions/",
        "        client_ca.bin",
    ]


def test_only_a_digest_loses_its_middle():
    assert table(("Name", "SHA-256"), [("client_ca", SHA)], 60) == [
        "Name       SHA-256",
        "client_ca  01234567…89abcdef",
    ]
    assert wrap(f"sha256: {SHA}", 40) == ["sha256: 01234567…89abcdef"]
    assert wrap(f"sha256: {SHA}", 80) == [f"sha256: {SHA}"]
    key = "f" * 63
    assert key in "".join(table(("Name", "Value"), [("client_ca", key)], 40)).replace(" ", "")


def test_a_table_that_cannot_fit_is_a_block_for_each_row():
    head = ("Chip", "Module", "Flash", "TX", "What it is")
    rows = [
        ("esp32c3", "ESP32C3_RAINMAKER", "4MB", "7", "AT commands of ESP RainMaker, compressed OTA"),
        ("esp8266", "WROOM-02", "", "15", ""),
    ]
    assert table(head, rows, 40) == [
        "Chip: esp32c3  Module: ESP32C3_RAINMAKER",
        "  Flash: 4MB  TX: 7",
        "  What it is: AT commands of ESP",
        "    RainMaker, compressed OTA",
        "Chip: esp8266  Module: WROOM-02  TX: 15",
    ]


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("a word and more", None, ["a word and more"]),
        ("a word and more", 15, ["a word and more"]),
        ("a word and more", 14, ["a word and", "  more"]),
        ("  a word and more", 14, ["  a word and", "  more"]),
        ("see https://example.com/a/b for more", 24, ["see https://example.com/", "  a/b for more"]),
        ("abcdefghijklmnopqrstuvwxyz", 16, ["abcdefghijklmnop", "  qrstuvwxyz"]),
        ("", 10, [""]),
    ],
)
def test_a_sentence(text, width, lines):
    assert wrap(text, width, "  ") == lines


CELLS = st.text(st.sampled_from(string.ascii_lowercase + "  //-é电"), max_size=60)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=4), st.integers(20, 120), st.lists(CELLS, min_size=3))
def test_no_line_is_too_wide_and_nothing_is_lost(rows, width, head):
    lines = table(head[:3], rows, width)
    assert max(map(columns, lines), default=0) <= width
    shown = sorted("".join(lines))
    for row in rows:
        for char in "".join(row).replace(" ", ""):
            shown.remove(char)  # raises where it is missing


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


def test_only_a_terminal_has_a_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "47")
    assert terminal_width(Terminal()) == 47
    assert terminal_width(io.StringIO()) is None
    assert terminal_width(None) is None
    monkeypatch.delenv("COLUMNS")
    assert terminal_width(Terminal()) == 80
