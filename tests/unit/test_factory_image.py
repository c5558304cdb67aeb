"""Factory images and dumps, taken apart again."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.chips import chip as find_chip
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import FormatError
from platformio_esp_at.firmware.factory_image import FactoryImage, is_factory_image
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.partition_table import TABLE_SIZE, PartitionTable

SAMPLES = [
    *((chip, False) for chip in ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp8266")),
    *((chip, True) for chip in ("esp32", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61")),
]
IDS = [f"{chip}-{'mfg_nvs' if nvs else 'legacy'}" for chip, nvs in SAMPLES]
PRIMARY = "partition_table/partition-table.bin"
HOME = 0x20000
"""Where the user partition table of the ESP32's sample lies."""


def _listed(chip: str, *, nvs: bool) -> dict[int, bytes]:
    files = sample_package(chip, nvs=nvs)
    args = parse_download_config(files["download.config"].decode())
    return {image.offset: files[image.path] for image in args.images}


def _image(chip: str = "esp32", *, nvs: bool = False, size: int | None = None, without: int | None = None) -> bytes:
    """Return what a chip's sample package is in flash, up to ``size`` or to the end of its last image."""
    listed = _listed(chip, nvs=nvs)
    image = bytearray(b"\xff" * (size or max(offset + len(data) for offset, data in listed.items())))
    for offset, data in listed.items():
        if offset != without:
            image[offset : offset + len(data)] = data
    return bytes(image)


def _with(image: bytes, offset: int, data: bytes) -> bytes:
    return image[:offset] + data + image[offset + len(data) :]


@pytest.mark.parametrize("size", [None, 4 << 20, 16 << 20], ids=["unfilled", "whole", "dump of a larger flash"])
@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_what_a_package_wrote_is_found_again(chip, nvs, size):
    files, listed = sample_package(chip, nvs=nvs), _listed(chip, nvs=nvs)
    data = _image(chip, nvs=nvs, size=size)
    assert is_factory_image(data)
    image = FactoryImage.from_bytes(data)
    assert image.chip == chip
    assert image.bootloader.startswith(files["bootloader/bootloader.bin"])
    assert not image.bootloader[len(files["bootloader/bootloader.bin"]) :].strip(b"\xff")
    assert image.primary == PartitionTable.from_bytes(files[PRIMARY])
    assert image.secondary == PartitionTable.from_bytes(files["at_customize.bin"])
    assert image.home == image.primary.find("at_customize")
    rows = {row.offset: row for row in image.partitions}
    assert image.home not in rows.values()
    assert set(rows) == {row.offset for row in (*image.primary, *image.secondary)} - {image.home.offset}
    places = {find_chip(chip).bootloader_offset, find_chip(chip).partition_table_offset, image.home.offset}
    assert set(listed) - places <= set(rows)
    for offset, row in rows.items():
        written = listed.get(offset, b"")
        content = image.content_of(row)
        assert (content.rstrip(b"\xff"), len(content)) == (
            written.rstrip(b"\xff"),
            max(min(row.end, len(data)) - offset, 0),
        )


def test_content_ends_where_the_image_ends():
    image = FactoryImage.from_bytes(_image())
    app, after = image.primary.find("ota_0"), image.primary.find("ota_1")
    assert image.content_of(app) == sample_package("esp32")["esp-at.bin"]
    assert len(image.content_of(app)) < app.size
    assert image.content_of(after) == b""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_image(without=HOME), id="blank"),
        pytest.param(_with(_image(), HOME, bytes(0x1000)), id="something-else"),
        pytest.param(_image()[:HOME], id="cut-before-it"),
    ],
)
def test_no_user_partition_table(data):
    image = FactoryImage.from_bytes(data)
    assert image.secondary is None
    assert image.home.offset == HOME
    assert {row.name for row in image.partitions} == {"phy_init", "otadata", "nvs", "ota_0", "ota_1"}


def test_no_partition_for_a_user_table():
    table = PartitionTable.from_bytes(sample_package("esp32")[PRIMARY])
    rows = PartitionTable(tuple(row for row in table if row.name != "at_customize"), md5=True)
    image = FactoryImage.from_bytes(_with(_image(), 0x8000, rows.to_bytes()))
    assert (image.home, image.secondary) == (None, None)
    assert image.partitions == rows.partitions


@pytest.mark.parametrize(
    ("data", "where", "message"),
    [
        pytest.param(
            _with(_image(), 0x8020, b"\x00"), "0x8000:0x20", "not a partition entry (AA 50)", id="row-of-the-primary"
        ),
        pytest.param(
            _with(_image(), 0x8000 + TABLE_SIZE - 1, b"x"), "0x8000:0xc0", "bytes after", id="end-of-the-primary"
        ),
        pytest.param(_image()[:0x8070], "0x8000:0x60", "not a partition entry", id="cut-inside-a-row"),
        pytest.param(_image()[:0x8060], "0x8000:0x60", "no blank row", id="cut-after-a-row"),
        pytest.param(_with(_image(), HOME + 0x24, b"\x01"), f"{HOME:#x}:0x1e0", "MD5", id="md5-of-the-user-table"),
        pytest.param(_image()[: HOME + 0x21], f"{HOME:#x}:0x20", "not a partition entry", id="user-table-cut"),
    ],
)
def test_a_damaged_table_is_named_by_its_offset(data, where, message):
    assert is_factory_image(data)
    with pytest.raises(FormatError) as caught:
        FactoryImage.from_bytes(data)
    assert (caught.value.code, caught.value.where) == ("table-damaged", where)
    assert message in caught.value.message


@pytest.mark.parametrize("data", [b"", b"\xaa\x50" * 8, b"\xff" * 0x10000, _image()[:0x8000], _image()[:0x8001]])
def test_no_factory_image(data):
    assert not is_factory_image(data)
    with pytest.raises(FormatError) as caught:
        FactoryImage.from_bytes(data)
    assert caught.value.code == "no-factory-image"
    assert caught.value.message.startswith("no factory image")


# --- the bootloader ---


@pytest.mark.parametrize(
    "bootloader", [b"\xff" * 0x7000, b"\xe9" + bytes(0x6FFF), sample_package("esp32c3")["bootloader/bootloader.bin"]]
)
def test_no_bootloader_of_a_chip_that_starts_there(bootloader):
    """Neither a blank nor a damaged one names the chip, nor does one for a chip that starts elsewhere."""
    image = FactoryImage.from_bytes(_with(_image(), 0x1000, bootloader.ljust(0x7000, b"\xff")))
    assert (image.chip, image.bootloader) == (None, b"")
    assert image.secondary is not None
