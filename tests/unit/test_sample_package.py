"""The synthetic firmware package: sound, for every chip, the same bytes each time."""

from __future__ import annotations

import pytest

from platformio_esp_at.catalog.chips import chips
from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package, write_sample_package
from platformio_esp_at.errors import EspAtError
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.esp_image import EspImage
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.pki import PkiContainer
from platformio_esp_at.planning.plan import make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.options import Request

CHIPS = [chip.key for chip in chips()]
SAMPLES = [
    *((key, None) for key in CHIPS),
    ("esp32", "ESP32-D2WD"),
    ("esp32c2", "ESP32C2-2MB"),
    ("esp8266", "WROOM-02"),
]


@pytest.mark.parametrize("suffix", [".zip", ""], ids=["zip", "folder"])
@pytest.mark.parametrize(("chip", "module"), SAMPLES)
def test_package_passes_every_check(tmp_path, chip, module, suffix):
    path = tmp_path / f"sample{suffix}"
    write_sample_package(path, chip, module=module)
    package = open_package(path)
    plan = make_plan(package, select(None, None, package), Request())
    check_plan(plan, None)
    assert package.chip.key == chip
    assert module in (None, plan.module.name)
    assert plan.flash_size == plan.module.row.flash_size
    assert plan.wiring.tx == plan.module.row.uart_tx_pin


@pytest.mark.parametrize("chip", CHIPS)
def test_images_name_themselves_stand_ins(chip):
    files = sample_package(chip)
    for path, word in (
        ("bootloader/bootloader.bin", b"This bootloader of ESP"),
        ("esp-at.bin", b"This application of ESP"),
    ):
        assert EspImage.from_bytes(files[path], esp8266=chip == "esp8266").digest_valid
        assert word in files[path]
        assert b"is a stand-in: it has the form of an ESP image, and it doesn't run" in files[path]


def test_contents_are_readable():
    files = sample_package("esp32")
    param = FactoryParam.from_bytes(files["customized_partitions/factory_param.bin"]).values
    assert (param["version"], param["module_name"], param["uart_tx_pin"]) == (3, "WROOM-32", 17)
    assert files["customized_partitions/factory_param_WROOM-32.bin"] == files["customized_partitions/factory_param.bin"]
    assert len(GattTable.from_bytes(files["customized_partitions/ble_data.bin"]).rows) == 3
    for role in ("server", "client", "mqtt"):
        for part in ("cert", "key", "ca"):
            (item,) = PkiContainer.from_bytes(files[f"customized_partitions/{role}_{part}.bin"]).items
            assert f"NOT/A/REAL/{role}/{part}".encode() in item.content


@pytest.mark.parametrize("chip", ["esp32s2", "esp8266"])
def test_no_ble_data_without_bluetooth(chip):
    assert "customized_partitions/ble_data.bin" not in sample_package(chip)


@pytest.mark.parametrize("suffix", [".zip", ".ZIP"])
def test_same_bytes_each_time(tmp_path, suffix):
    for name in ("one", "two"):
        write_sample_package(tmp_path / f"{name}{suffix}", "esp32c3")
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()
    assert (tmp_path / f"one{suffix}").stat().st_size < 64 << 10


def test_folder_and_zip_have_the_same_files(tmp_path):
    files = sample_package("esp8266")
    write_sample_package(tmp_path / "folder", "esp8266")
    written = {file.relative_to(tmp_path / "folder").as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert written == set(files)
    assert (tmp_path / "folder/esp-at.bin").read_bytes() == files["esp-at.bin"]


def test_flash_size_may_be_another():
    assert b"--flash_size 8MB" in sample_package("esp32", flash_size="8MB")["download.config"]
    small = sample_package("esp32", flash_size="2MB")["download.config"]
    assert b"--flash_size 2MB" in small
    assert b"0x80000 esp-at.bin" in small


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            {"chip": "esp32s3"},
            "chip-unsupported",
            "no ESP-AT release has firmware for the ESP32-S3",
            id="chip-without-firmware",
        ),
        pytest.param({"module": "MINI-9"}, "unknown-module", "unknown ESP32 AT module 'MINI-9'", id="unknown-module"),
        pytest.param(
            {"flash_size": "1MB"},
            "simulation-failed",
            "the sample package for ESP32 needs 2MB of flash, not 1MB",
            id="flash-too-small",
        ),
        pytest.param({"flash_size": "big"}, "not-a-size", "'big' is not a size or offset", id="no-size"),
        pytest.param(
            {"flash_size": "5MB"}, "unknown-flash-setting", "unknown flash size of esp32 '5MB'", id="no-such-flash"
        ),
        pytest.param(
            {"chip": "esp32c2", "module": "ESP32C2-4MB-G2"},
            "module-not-in-release",
            "the ESP32-C2 module ESP32C2-4MB-G2 has no factory parameters version 3",
            id="module-of-later-releases",
        ),
    ],
)
def test_refuses(arguments, code, message):
    with pytest.raises(EspAtError) as caught:
        sample_package(**arguments)
    assert caught.value.code == code
    assert caught.value.message == message
