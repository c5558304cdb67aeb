"""What a firmware package in memory knows of itself: what its images are, its release, what its application needs."""

from __future__ import annotations

import struct

import pytest

from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import FormatError, PackageError, Place, SelectionError, UnknownNameError
from platformio_esp_at.firmware.package import chip_of_image, read_program, release_of
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.partition_table import Partition

SAMPLES = [
    *((chip, False) for chip in ("esp32", "esp32s2", "esp32c2", "esp32c3", "esp8266")),
    *((chip, True) for chip in ("esp32", "esp32c2", "esp32c3", "esp32c5", "esp32c6", "esp32c61")),
]
IDS = [f"{chip}-{'mfg_nvs' if nvs else 'legacy'}" for chip, nvs in SAMPLES]
APP_DESC_MAGIC = 0xABCD5432


def _package(folder, *, chip="esp32", nvs=False, config=lambda text: text, **files):
    """Return the sample package, its ``download.config`` changed by ``config``, with more ``files`` by their names."""
    write_sample_package(folder, chip, nvs=nvs)
    changed = config((folder / "download.config").read_text())
    (folder / "download.config").write_text(changed)
    for name, data in files.items():
        (folder / f"{name}.bin").write_bytes(data)
    return open_package(folder)


def _described(version: str) -> bytes:
    """Return an application that describes itself with a version, as ``esp_app_desc_t`` has it."""
    return b"\xe9" + bytes(31) + struct.pack("<L12x32s", APP_DESC_MAGIC, version.encode())


# --- what is where ---


def test_names_of_images(tmp_path):
    package = _package(tmp_path / "a", config=lambda text: f"{text} 0x13000 late.bin", late=b"x")
    names = {image.path: package.name_of(image) for image in package.args.images}
    assert names["bootloader/bootloader.bin"] == "bootloader"
    assert names["partition_table/partition-table.bin"] == "partition_table"
    assert names["esp-at.bin"] == "ota_0"
    assert names["ota_data_initial.bin"] == "otadata"
    assert names["at_customize.bin"] == "at_customize"
    assert names["customized_partitions/mqtt_ca.bin"] == "mqtt_ca"
    assert names["late.bin"] == "late"  # no partition is there


def test_contents_by_their_names(tmp_path):
    files = sample_package("esp32")
    package = _package(tmp_path / "a")
    assert package.content_of("bootloader") == files["bootloader/bootloader.bin"]
    assert package.content_of("partition_table") == files["partition_table/partition-table.bin"]
    assert package.content_of("mqtt_ca") == files["customized_partitions/mqtt_ca.bin"]
    assert package.content_of("ota_0") == package.application == files["esp-at.bin"]
    assert package.content_of("ota_1") is None
    assert package.content_of("no such partition") is None


def test_table_of_the_home_partition(tmp_path):
    assert _package(tmp_path / "a").home == Partition("at_customize", 0x40, 0, 0x20000, 0xE0000)


def test_secondary_table_outside_the_primary_one(tmp_path):
    package = _package(tmp_path / "a", config=lambda text: text.replace("0x20000 at", "0x21800 at"))
    with pytest.raises(PackageError) as caught:
        _ = package.home
    assert caught.value.code == "package-inconsistent"
    assert caught.value.place == Place.at(package="a")
    assert caught.value.message == "at_customize.bin goes to 0x21800, where the partition table has no partition"


@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_packages_since_v3_1_have_mfg_nvs(tmp_path, chip, nvs):
    assert _package(tmp_path / "a", chip=chip, nvs=nvs).has_mfg_nvs == nvs


# --- the application ---


def test_what_an_application_reads(tmp_path):
    package = _package(tmp_path / "a", nvs=True)
    assert package.reads("factory_param")
    assert not package.reads("factory_para")  # a part of a name is no name
    assert not package.reads("no_such_name")


@pytest.mark.parametrize(
    ("application", "name", "release"),
    [
        (_described("v4.1.1.0"), "any", "v4.1.1.0"),
        (_described("v4.1.1.0-dev"), "any", "v4.1.1.0"),
        (_described("V2.4"), "any", "v2.4.0.0"),
        (_described("v4.1.1.0"), "AT_v2.0", "v4.1.1.0"),
        (_described("esp32_v3.2.0.0"), "AT_v2.0", "v3.2.0.0"),
        (_described("1f2e3d4"), "AT_v2.0", "v2.0.0.0"),
        (b"no description", "ESP32-WROOM-32-AT-V4.1.1.0", "v4.1.1.0"),
        (b"no description", "ESP32-WROOM-32_AT_Bin_V2.1", "v2.1.0.0"),
        (b"no description", "v4.1.1.0", "v4.1.1.0"),
        (b"no description", "firmware", None),
        (b"no description", "rev4.1", None),
        (_described("1f2e3d4"), "firmware", None),
        (b"", "", None),
    ],
)
def test_releases(application, name, release):
    assert release_of(application, name) == release


def test_the_release_of_a_package(tmp_path):
    assert _package(tmp_path / "ESP32-WROOM-32-AT-V4.1.1.0").release == "v4.1.1.0"
    assert _package(tmp_path / "firmware").release is None


# --- the chip of an image ---


@pytest.mark.parametrize("name", ["bootloader/bootloader.bin", "esp-at.bin"])
@pytest.mark.parametrize(("chip", "nvs"), SAMPLES, ids=IDS)
def test_chip_of_an_image(chip, nvs, name):
    data = sample_package(chip, nvs=nvs)[name]
    assert chip_of_image(data) == chip
    assert chip_of_image(data + b"\xff" * 100) == chip
    key, image = read_program(data)
    assert key == chip
    assert image.digest_valid


@pytest.mark.parametrize(
    ("number", "kind", "code", "message"),
    [
        (9, SelectionError, "chip-unsupported", "no ESP-AT release has firmware for the ESP32-S3"),
        (99, UnknownNameError, "unknown-chip-id", "no known chip has the image chip id 99"),
    ],
)
def test_an_image_for_a_chip_without_at_firmware(number, kind, code, message):
    image = bytearray(sample_package("esp32")["esp-at.bin"])
    image[12:14] = number.to_bytes(2, "little")
    with pytest.raises(kind) as caught:
        chip_of_image(bytes(image))
    assert caught.value.code == code
    assert message in caught.value.message


def _damaged(data: bytes) -> bytes:
    return data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]


@pytest.mark.parametrize(
    ("chip", "damaged"),
    [
        ("esp32", "image-checksum"),
        ("esp8266", "image-cut"),  # no header of its own: it is reported as what another chip's would be
    ],
)
def test_no_sound_image(chip, damaged):
    data = sample_package(chip)["esp-at.bin"]
    codes = []
    for image in (b"", b"x", data[:10], data[:1000], _damaged(data)):
        with pytest.raises(FormatError) as caught:
            chip_of_image(image)
        codes.append(caught.value.code)
    assert codes == ["not-an-image", "not-an-image", "image-cut", "image-cut", damaged]
