import pytest

from platformio_esp_at.catalog.chips import chip, chip_by_image_id, chips
from platformio_esp_at.errors import SelectionError, UnknownNameError

KEYS = ["esp32", "esp32s2", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61", "esp8266"]


def test_the_chips_of_esp_at():
    assert [c.key for c in chips()] == KEYS


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("esp32c3", "esp32c3"),
        ("ESP32-C3", "esp32c3"),
        ("PLATFORM_ESP32C3", "esp32c3"),
        ("esp32-c61", "esp32c61"),
        ("esp32_s2", "esp32s2"),
        (" ESP32 ", "esp32"),
        ("ESP8684", "esp32c2"),
        ("ESP8685", "esp32c3"),
        ("ESP8285", "esp8266"),
        ("ESP8266EX", "esp8266"),
    ],
)
def test_spellings(name, key):
    assert chip(name).key == key


@pytest.mark.parametrize("key", KEYS)
def test_every_own_spelling_leads_back(key):
    found = chip(key)
    assert chip(found.platform) is found
    assert chip(found.display_name) is found
    assert found.platform == "PLATFORM_" + key.upper()


@pytest.mark.parametrize("name", ["esp32s3", "ESP32-S3", "PLATFORM_ESP32S3", "esp32h2", "esp32p4"])
def test_a_chip_without_at_firmware_is_refused(name):
    with pytest.raises(SelectionError) as caught:
        chip(name)
    assert caught.value.code == "chip-unsupported"
    assert "no ESP-AT release has firmware" in caught.value.message
    assert "ESP32-C3" in caught.value.hint


def test_the_refusal_has_the_reason():
    with pytest.raises(SelectionError) as caught:
        chip("esp32p4")
    assert "ESP32-P4: it has no radio" in caught.value.message


@pytest.mark.parametrize(
    ("name", "hint"), [("esp32c33", "esp32c3"), ("stm32", "esp32"), ("", "known: "), ("💥", "known: ")]
)
def test_an_unknown_chip(name, hint):
    with pytest.raises(UnknownNameError) as caught:
        chip(name)
    assert (caught.value.code, caught.value.facts) == ("unknown-chip", {"name": name})
    assert caught.value.message == f"unknown chip {name!r}"
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("image_chip_id", "key"),
    [(0, "esp32"), (2, "esp32s2"), (5, "esp32c3"), (12, "esp32c2"), (13, "esp32c6"), (20, "esp32c61"), (23, "esp32c5")],
)
def test_image_chip_id(image_chip_id, key):
    assert chip_by_image_id(image_chip_id).key == key


def test_image_of_a_chip_without_at_firmware():
    with pytest.raises(SelectionError) as caught:
        chip_by_image_id(9)
    assert caught.value.code == "chip-unsupported"
    assert "ESP32-S3" in caught.value.message


def test_image_of_an_unknown_chip():
    with pytest.raises(UnknownNameError) as caught:
        chip_by_image_id(0xFFFF)
    assert caught.value.code == "unknown-chip-id"
    assert "65535" in caught.value.message
    assert "5 ESP32-C3" in caught.value.hint


def test_an_esp8266_image_names_no_chip():
    assert chip("esp8266").image_chip_id is None


@pytest.mark.parametrize(
    ("key", "bootloader", "table", "tx", "rx"),
    [
        ("esp32", 0x1000, 0x8000, 1, 3),
        ("esp32s2", 0x1000, 0x8000, 43, 44),
        ("esp32c2", 0x0, 0x8000, 20, 19),
        ("esp32c3", 0x0, 0x8000, 21, 20),
        ("esp32c5", 0x2000, 0xC000, 11, 12),
        ("esp32c6", 0x0, 0x8000, 16, 17),
        ("esp32c61", 0x0, 0xC000, 11, 10),
        ("esp8266", 0x0, 0x8000, 1, 3),
    ],
)
def test_places_and_pins(key, bootloader, table, tx, rx):
    found = chip(key)
    assert (found.bootloader_offset, found.partition_table_offset) == (bootloader, table)
    assert (found.download_tx_pin, found.download_rx_pin) == (tx, rx)
