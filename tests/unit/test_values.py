"""The values of options: numbers in texts, and text in files."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError, Place
from platformio_esp_at.request.values import InputFile, InputFolder, Text

HERE = Place.at(file="esp_at.yml", line=3)


@pytest.mark.parametrize(
    ("text", "number"), [("17", 17), ("-1", -1), ("0x11", 17), ("0", 0), ("115200", 115200), (" 5 ", 5)]
)
def test_number(text, number):
    assert Text(text, HERE).number() == number


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((text, "not-a-number") for text in ["", "x", "1.5", "17 # tx", "0x", "9" * 5000, "1_7", "0o20", "0b1", "4K"]),
        ("\uff17", "not-a-number"),
        ("010", "not-a-number"),
    ],
)
def test_no_number(text, code):
    with pytest.raises(FormatError) as caught:
        Text(text, HERE).number()
    assert str(caught.value).startswith(f"esp_at.yml:3: {text!r} ")
    assert caught.value.hint.endswith("in hex as 0x…")
    assert (caught.value.code, caught.value.place) == (code, HERE)


def test_text_of_a_file():
    assert InputFile("a.csv", HERE, "\ufeffü".encode()).text() == "ü"


def test_a_file_that_is_no_text_names_its_line():
    with pytest.raises(FormatError) as caught:
        InputFile("a.csv", HERE, b"a\nb\n\xff").text()
    assert str(caught.value) == (
        "a.csv:3: not UTF-8 text: the byte 0xff, perhaps of Latin-1\n  save a.csv as UTF-8 in your editor"
    )
    assert (caught.value.code, caught.value.facts) == ("not-text", {"file": "a.csv", "line": 3})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["index,uuid\n", "ü: ß\n"])
def test_utf_16_is_named(encoding, text):
    with pytest.raises(FormatError) as caught:
        InputFile("a.csv", HERE, text.encode(encoding)).text()
    assert str(caught.value) == "a.csv: UTF-16 text, or no text\n  save a.csv as UTF-8 in your editor"
    assert caught.value.code == "not-text"


def test_secrets_are_not_in_the_repr():
    assert "one" not in repr(InputFile("key.pem", HERE, b"one"))
    assert "one" not in repr(InputFolder("keys", HERE, {"key.pem": b"one"}))
