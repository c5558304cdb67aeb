"""esp_at.lock as text and as values."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.lock_file import Lock, LockedPackage, LockedPartition, format_lock_file, parse_lock_file

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
PLACED = LockedPartition("esp32", "WROOM-32", "my_data", 0x3D000)
PARTITION = """\
- chip: esp32
  module: WROOM-32
  name: my_data
  offset: 0x3d000
"""
PARTITIONS = f"partitions:\n{PARTITION}"


def test_what_is_written():
    text = format_lock_file(Lock((BY_RELEASE,)))
    comment, rest = text.split("version", 1)
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert f"version{rest}" == TEXT
    assert parse_lock_file(text) == parse_lock_file(TEXT) == Lock((BY_RELEASE,))


def test_where_partitions_are():
    text = format_lock_file(Lock((BY_RELEASE,), (PLACED,)))
    before, comment, rest = text.rpartition("# Where ")
    assert before == format_lock_file(Lock((BY_RELEASE,)))
    assert (comment + rest).partition("\n")[2] == PARTITIONS
    assert parse_lock_file(text) == parse_lock_file(TEXT + PARTITIONS) == Lock((BY_RELEASE,), (PLACED,))


def test_offsets_of_a_module():
    others = (PLACED._replace(chip="esp32c3", offset=0x3E000), PLACED._replace(module="MINI-1"))
    lock = Lock((), (PLACED, *others, PLACED._replace(name="log", offset=0x41000)))
    assert lock.offsets("esp32", "WROOM-32") == {"my_data": 0x3D000, "log": 0x41000}
    assert lock.offsets("esp32c3", "WROOM-32") == {"my_data": 0x3E000}
    assert lock.offsets("esp32s2", "MINI") == {}


def test_round_trip_and_order():
    packages = (BY_RELEASE, BY_NAME, BY_URL)
    partitions = (PLACED._replace(name="log"), PLACED, PLACED._replace(chip="esp32c3"), PLACED._replace(module="X"))
    text = format_lock_file(Lock(packages, partitions))
    assert format_lock_file(Lock(tuple(reversed(packages)), tuple(reversed(partitions)))) == text
    assert set(parse_lock_file(text).packages) == set(packages)
    assert set(parse_lock_file(text).partitions) == set(partitions)
    assert parse_lock_file(format_lock_file(Lock())) == Lock()


@pytest.mark.parametrize(
    "name", ["no", "1.0", "~", "", " x", "a: b", "- a", "'", '"', "a\nb", "ü", "\x1b", "0x1", "a #b", "😀", "\x85"]
)
def test_names_that_yaml_could_take_for_something_else(name):
    package = LockedPackage(name, name, 1, HASH, name, name)
    lock = Lock((package,), (LockedPartition(name, name, name, 0),))
    assert parse_lock_file(format_lock_file(lock)) == lock


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
        pytest.param(f"{TEXT}partitions: 1", None, "partitions is not a list", id="partitions"),
        pytest.param(
            TEXT + PARTITIONS + PARTITION, "entry 2", "it contradicts an entry before it", id="partition-twice"
        ),
        pytest.param(
            TEXT + PARTITIONS.replace("  name: my_data\n", ""),
            "entry 1",
            "an entry of partitions has chip, module, name, offset",
            id="partition-without-a-name",
        ),
        pytest.param(
            f"{TEXT}partitions: [a]",
            "entry 1",
            "an entry of partitions has chip, module, name, offset",
            id="partition-row",
        ),
        pytest.param(
            TEXT + PARTITIONS.replace("my_data", "[a]"), "entry 1", "a value isn't text", id="list-for-a-name"
        ),
        pytest.param(
            TEXT + PARTITIONS.replace("0x3d000", "4K"),
            "entry 1",
            "offset is '4K', not an offset in hex",
            id="offset",
        ),
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
