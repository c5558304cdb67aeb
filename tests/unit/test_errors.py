"""How a failure is told: the thing, the place, the next step."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import (
    EspAtError,
    FlashError,
    FormatError,
    LayoutError,
    PackageError,
    SelectionError,
    UnknownNameError,
    located,
    printable,
    raise_all,
    unknown_name,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (EspAtError("it broke"), "it broke"),
        (EspAtError("it broke", where="a.csv:3"), "a.csv:3: it broke"),
        (EspAtError("it broke", hint="mend it"), "it broke\n  mend it"),
        (EspAtError("it broke", where="0x10", hint="mend it"), "0x10: it broke\n  mend it"),
    ],
    ids=["message", "where", "hint", "where-and-hint"],
)
def test_text(error, text):
    assert str(error) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("grün 1…", "grün 1…", id="as-it-is"),
        pytest.param("a\x1b]0;b\x07", "a\\x1b]0;b\\x07", id="escape-sequence"),
        pytest.param("a\u202eb", "a\\u202eb", id="right-to-left"),
        pytest.param("a\nError: b\r", "a\\nError: b\\r", id="line-ends"),
        pytest.param("a\udcff", "a\\udcff", id="not-utf-8"),
        pytest.param("\x9b2J", "\\x9b2J", id="c1"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_no_part_of_a_message_reaches_the_terminal_raw():
    error = EspAtError("m\x1b", where="w\x1b\n", hint="one\x1b\ntwo\u202e")
    assert str(error) == "w\\x1b\\n: m\\x1b\n  one\\x1b\n  two\\u202e"
    with pytest.raises(EspAtError) as caught:
        raise_all([error, error])
    assert str(caught.value).count("w\\x1b") == 2
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [FormatError, LayoutError, UnknownNameError, SelectionError, PackageError, FlashError],
    ids=lambda k: k.__name__,
)
def test_one_base_catches_every_kind(kind):
    error = kind("it broke", hint="mend it")
    assert isinstance(error, EspAtError)
    assert isinstance(error, ValueError) == (kind is FormatError)
    assert (error.message, error.where, error.hint, error.problems) == ("it broke", None, "mend it", ())


def test_flash_error_keeps_the_output():
    error = FlashError("esptool failed", output="A fatal error occurred", hint="check the wiring")
    assert (error.output, str(error)) == ("A fatal error occurred", "esptool failed\n  check the wiring")


def test_located_puts_places_in_front():
    with pytest.raises(FormatError) as caught, located("package.zip"), located("table.csv"), located("3"):
        raise FormatError("bad row", hint="write another")
    assert caught.value.where == "package.zip:table.csv:3"
    assert caught.value.message == "bad row"
    assert caught.value.hint == "write another"


def test_located_leaves_programming_mistakes_alone():
    with pytest.raises(KeyError) as caught, located("table.csv"):
        raise KeyError("name")
    assert caught.value.args == ("name",)


def test_located_without_failure():
    with located("table.csv"):
        pass


def test_raise_all_of_none():
    raise_all([])


def test_raise_all_of_one_raises_it_unchanged():
    problem = LayoutError("overlap", where="4")
    with pytest.raises(LayoutError) as caught:
        raise_all([problem])
    assert caught.value is problem


def test_raise_all_of_several_tells_them_all():
    problems = [FormatError("no size", where="2", hint="write one"), UnknownNameError("no such type", where="5")]
    with pytest.raises(FormatError) as caught, located("table.csv"):
        raise_all(problems)
    assert caught.value.problems == tuple(problems)
    assert str(caught.value) == ("2 problems:\ntable.csv:2: no size\n  write one\ntable.csv:5: no such type")


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        pytest.param(
            "esp32c33", ["esp32", "esp32c2", "esp32c3"], "did you mean esp32c3 or esp32c2 or esp32?", id="near"
        ),
        pytest.param("WROOM", ["wroom-32", "mini-1"], "did you mean wroom-32?", id="near-in-other-case"),
        pytest.param("pico", ["esp32", "avr"], "known: avr, esp32", id="far"),
        pytest.param("pico", [], "known: none", id="nothing-known"),
    ],
)
def test_unknown_name(name, known, hint):
    error = unknown_name("chip", name, known, where="esp_at.yml")
    assert type(error) is UnknownNameError
    assert (error.message, error.where, error.hint) == (f"unknown chip {name!r}", "esp_at.yml", hint)
