"""The header of an ESP image, as far as flashing touches it."""

from __future__ import annotations

import hashlib

import pytest

from platformio_esp_at.errors import FormatError, UnknownNameError
from platformio_esp_at.formats.esp_image import (
    ChipRevisions,
    EspImage,
    FlashSettings,
    chip_revisions,
    flash_frequencies,
    flash_sizes,
)

# ESP32-C3: one segment of 4 bytes; 24 + 8 + 4 bytes, zeros, and the checksum EF ^ 01 ^ 02 ^ 03 ^ 04 at 0x2f.
PLAIN = bytes.fromhex(
    "e9 01 02 2f 00003840 ee 000000 0500 00 0300 6300 00000000 01"
    "0000 c83f 04000000 01020304"
    "0000000000000000000000 eb"
)  # fmt: skip
LONG = PLAIN + hashlib.sha256(PLAIN).digest()
NO_DIGEST = PLAIN[:23] + b"\0" + PLAIN[24:]
# ESP8266: two segments; 8 + 8 + 4 + 8 + 5 bytes, so the checksum EF ^ 11 ^ 22 ^ 33 ^ 44 ^ aa is at 0x2f.
SHORT = bytes.fromhex(
    "e9 02 03 2f 00001040"
    "00001040 04000000 11223344"
    "0000fe3f 05000000 aa00000000"
    "0000000000000000000000000000 01"
)  # fmt: skip
DAMAGED = "the file is damaged: copy it again from where it was made"


def test_long_header():
    image = EspImage.from_bytes(LONG)
    assert (image.chip_id, image.size, image.hash_appended, image.digest_valid) == (5, 80, True, True)
    assert image.chip_revisions == ChipRevisions(3, 99)
    assert image.flash_settings("esp32c3") == FlashSettings("dio", "80m", "4MB")
    assert image.to_bytes() == LONG


def test_long_header_without_digest():
    image = EspImage.from_bytes(NO_DIGEST)
    assert (image.size, image.hash_appended, image.digest_valid) == (48, False, True)


def test_short_header():
    image = EspImage.from_bytes(SHORT, esp8266=True)
    assert (image.chip_id, image.size, image.hash_appended, image.digest_valid) == (None, 48, False, True)
    assert image.chip_revisions == ChipRevisions()
    assert image.flash_settings("esp8266") == FlashSettings("dout", "80m", "1MB")


@pytest.mark.parametrize(
    ("chip_id", "header", "revisions", "text"),
    [
        (5, "00 0000 ffff", ChipRevisions(), "any"),
        (5, "00 0300 ffff", ChipRevisions(3), "v0.3 or newer"),
        (0, "03 2c01 8f01", ChipRevisions(300, 399), "v3.0 to v3.99"),
        (12, "00 0000 6e00", ChipRevisions(0, 110), "v1.10 or older"),
        # Before ESP-IDF v4.4.4 and v5.0 there was but one byte: the major number, or the C3's minor one.
        (0, "03 0000 0000", ChipRevisions(300), "v3.0 or newer"),
        (0, "01 0000 ffff", ChipRevisions(100), "v1.0 or newer"),
        (5, "03 0000 0000", ChipRevisions(3), "v0.3 or newer"),
    ],
)
def test_chip_revisions(chip_id, header, revisions, text):
    data = NO_DIGEST[:12] + chip_id.to_bytes(2, "little") + bytes.fromhex(header) + NO_DIGEST[19:]
    found = EspImage.from_bytes(data).chip_revisions
    assert found == revisions
    assert str(found) == text


def test_chip_revisions_of_less_than_a_header():
    with pytest.raises(FormatError, match="20 bytes are less than its header") as caught:
        chip_revisions(LONG[:20])
    assert caught.value.code == "image-cut"


def test_several_chip_revisions():
    both = ChipRevisions(3, 199) & ChipRevisions(100)
    assert both == ChipRevisions(100, 199)
    assert [revision in both for revision in (99, 100, 199, 200)] == [False, True, True, False]


def test_wrong_digest_is_told_but_no_refusal():
    image = EspImage.from_bytes(LONG[:-1] + b"\0")
    assert (image.size, image.digest_valid) == (80, False)


@pytest.mark.parametrize("data", [LONG + b"\xff" * 100, LONG + b"another"], ids=["blank", "signature"])
def test_what_follows_stays(data):
    image = EspImage.from_bytes(data)
    assert (image.size, image.digest_valid, image.to_bytes()) == (80, True, data)
    changed = image.with_flash_settings(FlashSettings(mode="dout"), "esp32c3")
    assert changed.to_bytes()[80:] == data[80:]
    assert changed.digest_valid


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        pytest.param(FlashSettings("qio", "40m", "16MB"), "e9010040", id="all-three"),
        pytest.param(FlashSettings(mode="dout"), "e901032f", id="mode"),
        pytest.param(FlashSettings(freq="26m"), "e9010221", id="freq"),
        pytest.param(FlashSettings(size="1MB"), "e901020f", id="size"),
        pytest.param(FlashSettings(size="detect"), "e901022f", id="detect-keeps-the-size"),
        pytest.param(FlashSettings(), "e901022f", id="nothing"),
    ],
)
def test_with_flash_settings(settings, header):
    image = EspImage.from_bytes(LONG).with_flash_settings(settings, "esp32c3")
    patched = bytes.fromhex(header) + PLAIN[4:]
    assert image.to_bytes() == patched + hashlib.sha256(patched).digest()
    assert EspImage.from_bytes(image.to_bytes()) == image


def test_settings_that_change_nothing_leave_a_wrong_digest():
    image = EspImage.from_bytes(LONG[:-1] + b"\0")
    assert image.with_flash_settings(FlashSettings("dio", "80m", "4MB"), "esp32c3") is image


def test_without_digest_only_the_header_changes():
    image = EspImage.from_bytes(SHORT, esp8266=True)
    changed = image.with_flash_settings(FlashSettings("qio", "40m", "512KB"), "esp8266")
    assert changed.to_bytes() == bytes.fromhex("e9020000") + SHORT[4:]


@pytest.mark.parametrize(
    ("chip", "freq", "size", "number"),
    [
        ("esp32", "40m", "4MB", 0x20),
        ("esp32", "80m", "2MB", 0x1F),
        ("esp32c2", "60m", "2MB", 0x1F),
        ("esp32c2", "15m", "4MB", 0x22),
        ("esp8266", "80m", "1MB", 0x2F),
        ("esp8266", "26m", "2MB-c1", 0x51),
        ("esp8266", "20m", "16MB", 0x92),
        ("esp32c6", "80m", "4MB", 0x20),
        ("esp32s2", "40m", "128MB", 0x70),
    ],
)
def test_numbers_by_chip(chip, freq, size, number):
    image = EspImage.from_bytes(NO_DIGEST).with_flash_settings(FlashSettings(freq=freq, size=size), chip)
    assert image.to_bytes()[3] == number
    assert number == flash_sizes(chip)[size] << 4 | flash_frequencies(chip)[freq]


@pytest.mark.parametrize(
    ("chip", "stated", "kept"),
    [
        ("esp32c6", FlashSettings("dio", "80m", "4MB"), FlashSettings("dio", "80m", "4MB")),
        ("esp32c6", FlashSettings("dio", "40m", "4MB"), FlashSettings("dio", "40m", "4MB")),
        ("esp32c6", FlashSettings("keep", "keep", "detect"), FlashSettings("dio", "keep", "4MB")),
        ("esp32c6", FlashSettings("qio", "20m", "2MB"), FlashSettings("dio", "40m", "4MB")),
        ("esp32", FlashSettings("keep", "keep", "keep"), FlashSettings("dio", "40m", "4MB")),
        ("esp32", FlashSettings("dio", "80m", "4MB"), FlashSettings("dio", "40m", "4MB")),
    ],
)
def test_settings_in_the_words_of_the_firmware_package(chip, stated, kept):
    """The header of LONG has dio, 4MB and, with its frequency made 0, what an ESP32-C6 has for 40m and for 80m."""
    image = EspImage.from_bytes(LONG).with_flash_settings(FlashSettings(freq="40m"), chip)
    assert image.flash_settings_as(stated, chip) == kept


def test_numbers_that_a_chip_does_not_know():
    image = EspImage.from_bytes(NO_DIGEST[:2] + b"\x09\xf7" + NO_DIGEST[4:])
    assert image.flash_settings("esp32") == FlashSettings("0x9", "0x7", "0xf")


@pytest.mark.parametrize(
    ("settings", "chip", "message", "hint"),
    [
        pytest.param(
            FlashSettings(mode="dios"), "esp32", "unknown flash mode of esp32 'dios'", "did you mean dio?", id="mode"
        ),
        pytest.param(
            FlashSettings(freq="60m"),
            "esp32",
            "unknown flash frequency of esp32 '60m'",
            "did you mean 80m or 40m or 26m?",
            id="freq-of-another-chip",
        ),
        pytest.param(
            FlashSettings(freq="26m"),
            "esp32c6",
            "unknown flash frequency of esp32c6 '26m'",
            "did you mean 20m?",
            id="freq-esp32c6",
        ),
        pytest.param(
            FlashSettings(size="3MB"),
            "esp32",
            "unknown flash size of esp32 '3MB'",
            "did you mean 32MB or 8MB or 4MB?",
            id="size",
        ),
        pytest.param(
            FlashSettings(size="4MB-c1"),
            "esp32",
            "unknown flash size of esp32 '4MB-c1'",
            "did you mean 4MB or 64MB?",
            id="size-of-esp8266",
        ),
    ],
)
def test_with_flash_settings_refuses(settings, chip, message, hint):
    with pytest.raises(UnknownNameError) as caught:
        EspImage.from_bytes(LONG).with_flash_settings(settings, chip)
    assert (caught.value.code, caught.value.message, caught.value.where) == ("unknown-flash-setting", message, None)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("data", "code", "message", "where", "hint"),
    [
        pytest.param(
            b"",
            "not-an-image",
            "no ESP image: it starts with nothing instead of e9",
            "0x0",
            "name the .bin that ESP-IDF's build or esptool elf2image makes",
            id="nothing",
        ),
        pytest.param(
            b"\xff" * 64,
            "not-an-image",
            "no ESP image: it starts with ff instead of e9",
            "0x0",
            "name the .bin that ESP-IDF's build or esptool elf2image makes",
            id="blank",
        ),
        pytest.param(
            LONG[:23],
            "image-cut",
            "the ESP image is cut: 23 bytes are less than its header",
            None,
            "copy the file again from where it was made, and compare the sizes",
            id="cut-in-header",
        ),
        pytest.param(
            b"\xe9\x00" + LONG[2:],
            "image-damaged",
            "an ESP image with 0 segments",
            "0x1",
            "name the .bin that ESP-IDF's build or esptool elf2image makes",
            id="no-segment",
        ),
        pytest.param(
            b"\xe9\x11" + LONG[2:],
            "image-damaged",
            "an ESP image with 17 segments",
            "0x1",
            "name the .bin that ESP-IDF's build or esptool elf2image makes",
            id="17-segments",
        ),
        pytest.param(
            LONG[:30],
            "image-cut",
            "the ESP image is cut inside segment 0",
            "0x18",
            "copy the file again from where it was made, and compare the sizes",
            id="cut-in-segment-header",
        ),
        pytest.param(
            LONG[:34],
            "image-cut",
            "the ESP image is cut inside segment 0",
            "0x18",
            "copy the file again from where it was made, and compare the sizes",
            id="cut-in-segment",
        ),
        pytest.param(
            b"\xe9\x02" + PLAIN[2:40],
            "image-cut",
            "the ESP image is cut inside segment 1",
            "0x24",
            "copy the file again from where it was made, and compare the sizes",
            id="cut-in-second-segment",
        ),
        pytest.param(
            LONG[:40],
            "image-cut",
            "the ESP image is cut: it ends at 0x28, before its checksum",
            None,
            "copy the file again from where it was made, and compare the sizes",
            id="cut-before-checksum",
        ),
        pytest.param(
            LONG[:79],
            "image-cut",
            "the ESP image is cut: it ends at 0x4f, before its checksum",
            None,
            "copy the file again from where it was made, and compare the sizes",
            id="cut-in-digest",
        ),
        pytest.param(
            LONG[:32] + b"\x00" + LONG[33:],
            "image-checksum",
            "the ESP image's checksum is 0xeb, its segments give 0xea",
            "0x2f",
            DAMAGED,
            id="content-changed",
        ),
        pytest.param(
            LONG[:47] + b"\x00" + LONG[48:],
            "image-checksum",
            "the ESP image's checksum is 0x00, its segments give 0xeb",
            "0x2f",
            DAMAGED,
            id="checksum-changed",
        ),
    ],
)
def test_from_bytes_refuses(data, code, message, where, hint):
    with pytest.raises(FormatError) as caught:
        EspImage.from_bytes(data)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_short_header_is_not_taken_for_a_long_one():
    with pytest.raises(FormatError, match="the ESP image is cut inside segment 0") as caught:
        EspImage.from_bytes(SHORT)
    assert caught.value.code == "image-cut"


@pytest.mark.parametrize("length", range(1, 20))
def test_checksum_of_any_length(length):
    """The checksum is taken eight bytes at a time; here it is taken one by one."""
    content = bytes(range(0x31, 0x31 + length))
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    start = SHORT[:1] + b"\x01" + SHORT[2:12] + length.to_bytes(4, "little") + content
    data = start + bytes(-(len(start) + 1) % 16) + bytes([checksum])
    assert EspImage.from_bytes(data, esp8266=True).size == len(data)
