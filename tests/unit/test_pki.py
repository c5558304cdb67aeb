"""The PKI container: certificates, keys and CAs up to v3.0.0.0."""

from __future__ import annotations

import pytest

from platformio_esp_at.errors import FormatError
from platformio_esp_at.formats.pki import PkiContainer, PkiItem, PkiType

# Two items: 5 bytes with 3 of padding, and 4 bytes without.
TWO = bytes.fromhex(
    "f1f1 0200 14000000"
    "02 00 0500 68656c6c6f ffffff"
    "02 01 0400 6b657973"
)  # fmt: skip
EMPTY = bytes.fromhex("f1f1 0000 00000000")
ONE_EMPTY_ITEM = bytes.fromhex("f1f1 0100 04000000 03 00 0000")

CASES = [
    pytest.param(PkiContainer.of(PkiType.CERT, [b"hello", b"keys"]), TWO, id="two-items"),
    pytest.param(PkiContainer(()), EMPTY, id="no-item"),
    pytest.param(PkiContainer.of(PkiType.KEY, [b""]), ONE_EMPTY_ITEM, id="empty-file"),
    pytest.param(
        PkiContainer((PkiItem(PkiType.CA, 7, b"a"), PkiItem(0xFE, 0, b"\xff"))),
        bytes.fromhex("f1f1 0200 10000000 01 07 0100 61ffffff fe 00 0100 ffffffff"),
        id="own-types-and-ids",
    ),
]


@pytest.mark.parametrize(("container", "data"), CASES)
def test_bytes(container, data):
    assert container.to_bytes() == data
    assert PkiContainer.from_bytes(data) == container


@pytest.mark.parametrize("padding", [1, 3, 4096], ids=lambda n: f"{n}-bytes")
def test_rest_of_the_partition_may_follow(padding):
    assert PkiContainer.from_bytes(TWO + b"\xff" * padding).to_bytes() == TWO


def test_types():
    assert (PkiType.CA, PkiType.CERT, PkiType.KEY) == (1, 2, 3)
    assert [item.id for item in PkiContainer.of(PkiType.CA, [b"x"] * 256).items] == list(range(256))


def test_longest_content():
    container = PkiContainer.of(PkiType.CERT, [b"x" * 65535])
    data = container.to_bytes()
    assert data[:12] == bytes.fromhex("f1f1 0100 04000100 02 00 ffff")
    assert (len(data), data[-1:]) == (8 + 4 + 65536, b"\xff")
    assert PkiContainer.from_bytes(data) == container


@pytest.mark.parametrize(
    ("item", "code", "message", "hint"),
    [
        pytest.param(
            (2, 0, b"x" * 65536),
            "pki-too-large",
            "a certificate or key of 65536 bytes",
            "give a file of 65535 bytes at most",
            id="long",
        ),
        pytest.param(
            (256, 0, b""),
            "pki-damaged",
            "a PKI item of type 256 and id 0",
            "write a type and an id from 0 to 255",
            id="type-over-a-byte",
        ),
        pytest.param(
            (-1, 0, b""),
            "pki-damaged",
            "a PKI item of type -1 and id 0",
            "write a type and an id from 0 to 255",
            id="negative-type",
        ),
        pytest.param(
            (2, 256, b""),
            "pki-damaged",
            "a PKI item of type 2 and id 256",
            "write a type and an id from 0 to 255",
            id="id-over-a-byte",
        ),
    ],
)
def test_item_refuses(item, code, message, hint):
    with pytest.raises(FormatError) as caught:
        PkiItem(*item)
    assert (caught.value.code, caught.value.where) == (code, None)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_more_files_than_ids():
    with pytest.raises(FormatError, match="a PKI item of type 2 and id 256") as caught:
        PkiContainer.of(PkiType.CERT, [b""] * 257)
    assert caught.value.code == "pki-damaged"


def _changed(at: int, replacement: bytes) -> bytes:
    return TWO[:at] + replacement + TWO[at + len(replacement) :]


@pytest.mark.parametrize(
    ("data", "code", "message", "where"),
    [
        pytest.param(b"", "not-pki", "no PKI container: its magic F1 F1 is missing (found )", None, id="nothing"),
        pytest.param(
            b"\xff" * 64, "not-pki", "no PKI container: its magic F1 F1 is missing (found ff ff)", None, id="blank"
        ),
        pytest.param(
            b"-----BEGIN CERT",
            "not-pki",
            "no PKI container: its magic F1 F1 is missing (found 2d 2d)",
            None,
            id="bare-pem",
        ),
        pytest.param(
            TWO[:7], "not-pki", "no PKI container: its magic F1 F1 is missing (found f1 f1)", None, id="cut-in-header"
        ),
        pytest.param(
            TWO[:-1],
            "pki-damaged",
            "the PKI container is cut: its header has 28 bytes and has 27",
            "0x4",
            id="cut-in-item",
        ),
        pytest.param(
            _changed(4, b"\xff\xff\xff\xff"),
            "pki-damaged",
            "the PKI container is cut: its header has 4294967303 bytes and has 28",
            "0x4",
            id="length-over-the-data",
        ),
        pytest.param(
            _changed(2, b"\x03"),
            "pki-damaged",
            "the PKI container ends inside an item's header",
            "0x1c",
            id="count-too-high",
        ),
        pytest.param(
            _changed(2, b"\x01"), "pki-damaged", "there are bytes after the last PKI item", "0x14", id="count-too-low"
        ),
        pytest.param(
            _changed(2, b"\x00"), "pki-damaged", "there are bytes after the last PKI item", "0x8", id="count-zero"
        ),
        pytest.param(
            _changed(10, b"\x64"),
            "pki-damaged",
            "the PKI item says 100 bytes, more than the container has",
            "0x8",
            id="item-too-long",
        ),
        pytest.param(
            _changed(10, b"\x04"),
            "pki-damaged",
            "the PKI item says 65535 bytes, more than the container has",
            "0x10",
            id="item-too-short",
        ),
        pytest.param(
            _changed(18, b"\x00"), "pki-damaged", "the PKI item's padding isn't FF", "0x8", id="padding-not-ff"
        ),
        pytest.param(
            TWO + b"\xff\x00", "pki-damaged", "there are bytes after the last PKI item", "0x1c", id="bytes-after"
        ),
    ],
)
def test_from_bytes_refuses(data, code, message, where):
    with pytest.raises(FormatError) as caught:
        PkiContainer.from_bytes(data)
    assert (caught.value.code, caught.value.message, caught.value.where) == (code, message, where)
