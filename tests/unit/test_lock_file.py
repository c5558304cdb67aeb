"""esp_at.lock as text and as values."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.lock_file import LockedPackage, format_lock_file, parse_lock_file

HASH = "0123456789abcdef" * 4
BY_RELEASE = LockedPackage("v4.1.1.0", "https://h/ESP32-A.zip", 2336705, HASH, "esp32", "WROOM-32")
BY_NAME = LockedPackage("ESP32-A", "https://h/ESP32-A.zip", 2336705, HASH)
BY_URL = LockedPackage("https://h/a b?c=1&d='x' #y", "https://h/a b?c=1&d='x' #y", 1, HASH)

TEXT = f"""\
version: 1
packages:
- firmware: v4.1.1.0
  chip: esp32
  module: WROOM-32
  url: https://h/ESP32-A.zip
  size: 2336705
  sha256: {HASH}
"""
ENTRY = TEXT.partition("packages:\n")[2]


def test_what_is_written():
    text = format_lock_file((BY_RELEASE,))
    comment, rest = text.split("version", 1)
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert f"version{rest}" == TEXT
    assert parse_lock_file(text) == parse_lock_file(TEXT) == (BY_RELEASE,)


def test_round_trip_and_order():
    packages = (BY_RELEASE, BY_NAME, BY_URL)
    text = format_lock_file(packages)
    assert format_lock_file(tuple(reversed(packages))) == text
    assert set(parse_lock_file(text)) == set(packages)
    assert parse_lock_file(format_lock_file(())) == ()


@pytest.mark.parametrize(
    "name", ["no", "1.0", "~", "", " x", "a: b", "- a", "'", '"', "a\nb", "ü", "\x1b", "0x1", "a #b", "😀", "\x85"]
)
def test_names_that_yaml_could_take_for_something_else(name):
    package = LockedPackage(name, name, 1, HASH, name, name)
    assert parse_lock_file(format_lock_file((package,))) == (package,)


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        pytest.param("", None, "it has no version and packages", id="empty"),
        pytest.param("- a", None, "it has no version and packages", id="list"),
        pytest.param("packages: []", None, "it has no version and packages", id="no-version"),
        pytest.param("version: 2\npackages: []", None, "its version is 2, 1 is the only one known here", id="newer"),
        pytest.param("version: 1\npackages: 1", None, "packages is not a list", id="packages"),
        pytest.param("version: 1\n<<<<<<< ours\n", "3", "not YAML, or a key twice", id="merge-conflict"),
        pytest.param(f"{TEXT}packages: []\n", "1", "not YAML, or a key twice", id="packages-twice"),
        pytest.param(f"{TEXT}  size: 1\n", "3", "not YAML, or a key twice", id="size-twice"),
        pytest.param(TEXT + ENTRY, "entry 2", "it contradicts an entry before it", id="entry-twice"),
        pytest.param(
            TEXT + ENTRY.replace("v4.1.1.0", "latest").replace("2336705", "1"),
            "entry 2",
            "it contradicts an entry before it",
            id="another-size-of-one-url",
        ),
        pytest.param("version: 1\npackages: [a]", "entry 1", "not an entry of this file", id="row"),
        pytest.param(f"{TEXT}  more: 1\n", "entry 1", "not an entry of this file", id="unknown-key"),
        pytest.param(TEXT + ENTRY.replace("  size: 2336705\n", ""), "entry 2", "it has no size", id="no-size"),
        pytest.param(TEXT.replace("  chip: esp32\n", ""), "entry 1", "it has no chip", id="module-without-chip"),
        pytest.param(TEXT.replace(": esp32", ": [esp32]"), "entry 1", "a value isn't text", id="list-for-text"),
        pytest.param(TEXT.replace("233", "x"), "entry 1", "size is 'x6705', not a number of bytes", id="size"),
        pytest.param(TEXT.replace("233", "-"), "entry 1", "size is '-6705', not a number of bytes", id="minus"),
        pytest.param(TEXT.replace(HASH, "abc"), "entry 1", "sha256 is 'abc', not 64 hex digits", id="sha256"),
    ],
)
def test_what_cannot_be_understood(text, where, message):
    with pytest.raises(FormatError) as caught:
        parse_lock_file(text)
    assert caught.value.code == ("lock-version" if "its version" in message else "lock-damaged")
    assert (caught.value.where, caught.value.message) == (where, message)
    one_is_right = "contradicts" in message
    assert ("keep the one that is right" if one_is_right else "remove the file to make a new one") in caught.value.hint
