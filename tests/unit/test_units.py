"""Sizes and offsets as people write them."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.units import align_up, format_amount, format_offset, format_size, parse_number, parse_size

SPELLING = "write 4096, 0x1000, 4K or 1M"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("0x1000", 0x1000),
        ("0X3b000", 0x3B000),
        ("0x3B000", 0x3B000),
        ("0x00", 0),
        ("4K", 4096),
        ("4k", 4096),
        ("576KB", 589824),
        ("576kb", 589824),
        ("1M", 1048576),
        ("4MB", 4194304),
        ("16mB", 16777216),
        ("  8K\t", 8192),
        ("-4096", -4096),
        ("-0x100", -256),
        ("-1M", -1048576),
        ("0K", 0),
        ("0x00000000FFFFFFFF", 4294967295),
    ],
)
def test_parse_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("", "'' is not a size or offset", SPELLING, id="empty"),
        pytest.param("  ", "'  ' is not a size or offset", SPELLING, id="blank"),
        pytest.param("four", "'four' is not a size or offset", SPELLING, id="word"),
        pytest.param("4 K", "'4 K' is not a size or offset", SPELLING, id="space-before-unit"),
        pytest.param("0x10K", "'0x10K' is not a size or offset", SPELLING, id="hex-with-unit"),
        pytest.param("0x", "'0x' is not a size or offset", SPELLING, id="hex-without-digits"),
        pytest.param("1G", "'1G' is not a size or offset", SPELLING, id="unknown-unit"),
        pytest.param("4B", "'4B' is not a size or offset", SPELLING, id="unit-of-bytes"),
        pytest.param("1.5M", "'1.5M' is not a size or offset", SPELLING, id="fraction"),
        pytest.param("1_000", "'1_000' is not a size or offset", SPELLING, id="underscore"),
        pytest.param("+1", "'+1' is not a size or offset", SPELLING, id="plus"),
        pytest.param("--1", "'--1' is not a size or offset", SPELLING, id="two-signs"),
        pytest.param("\u0664", "'\u0664' is not a size or offset", SPELLING, id="arabic-digit"),
        pytest.param("4\u212a", "'4\u212a' is not a size or offset", SPELLING, id="kelvin-sign-for-K"),
        pytest.param("4K\n0", "'4K\\n0' is not a size or offset", SPELLING, id="second-line"),
        pytest.param("0x" + "f" * 17, f"'0x{'f' * 17}' is not a size or offset", SPELLING, id="hex-over-64-bits"),
        pytest.param("9" * 5000, f"'{'9' * 5000}' is not a size or offset", SPELLING, id="more-digits-than-int-takes"),
        pytest.param("010", "'010' starts with 0", "write it without the leading 0, or in hex as 0x…", id="octal"),
        pytest.param("00", "'00' starts with 0", "write it without the leading 0, or in hex as 0x…", id="two-zeros"),
        pytest.param("-08K", "'-08K' starts with 0", "write it without the leading 0, or in hex as 0x…", id="08K"),
    ],
)
def test_parse_size_refuses(text, message, hint):
    with pytest.raises(FormatError) as caught:
        parse_size(text)
    assert caught.value.code == "not-a-size"
    assert (caught.value.message, caught.value.where, caught.value.hint) == (message, None, hint)


@pytest.mark.parametrize(
    ("offset", "text"), [(0, "0x0"), (0x1000, "0x1000"), (0x3B000, "0x3b000"), (0xFFFFFFFF, "0xffffffff")]
)
def test_format_offset(offset, text):
    assert format_offset(offset) == text
    assert parse_size(text) == offset


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1176, "1176"),
        (1024, "1KB"),
        (589824, "576KB"),
        (1048576, "1MB"),
        (1049600, "1025KB"),
        (4194304, "4MB"),
        (4194305, "4194305"),
    ],
)
def test_format_size(size, text):
    assert format_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 KB"), (1536, "1.5 KB"), (1 << 20, "1.0 MB")])
def test_format_amount(size, text):
    assert format_amount(size) == text


@pytest.mark.parametrize(
    ("value", "alignment", "aligned"),
    [(0, 4, 0), (1, 4, 4), (4, 4, 4), (5, 4, 8), (0x1001, 0x1000, 0x2000), (0x10000, 0x10000, 0x10000), (7, 1, 7)],
)
def test_align_up(value, alignment, aligned):
    assert align_up(value, alignment) == aligned


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("-1", -1), (" 0x1F ", 31), ("0", 0)])
def test_parse_number(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "not-a-number") for text in ("", "4K", "1_7", "0o20", "0b1", "1.5", "+1", "1e3")),
        ("010", "not-a-number"),
    ],
)
def test_parse_number_refuses(text, code):
    with pytest.raises(FormatError) as caught:
        parse_number(text)
    assert caught.value.code == code
    assert repr(text) in caught.value.message
    assert "in hex as 0x…" in caught.value.hint
