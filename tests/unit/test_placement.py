"""Images of a firmware package that go to a wrong place, or that are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from esp_images import with_text
from plans import refusal, sample_plan

from platformio_esp_at.checks.plan import check_plan
from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import PackageError

SAMPLE = sample_package("esp32")
CONFIG = SAMPLE["download.config"].decode()
AGAIN = "unpack the firmware package's zip again; in an esp-at build folder, run build.py build again"


@pytest.mark.parametrize(
    ("old", "new", "file", "message", "hint"),
    [
        pytest.param(
            "0x30000 customized_partitions/factory_param.bin",
            "0x70000 customized_partitions/factory_param.bin",
            "customized_partitions/factory_param.bin",
            "it goes to 0x70000, into 'fatfs' (0x70000…0x100000)",
            f"{AGAIN}; or, if you built it, write 0x30000 customized_partitions/factory_param.bin into download.config",
            id="into-the-file-system",
        ),
        pytest.param(
            "0x2a000 customized_partitions/client_cert.bin 0x2c000 customized_partitions/client_key.bin",
            "0x2c000 customized_partitions/client_cert.bin 0x2a000 customized_partitions/client_key.bin",
            "customized_partitions/client_cert.bin",
            "it goes to 0x2c000, into 'client_key' (0x2c000…0x2e000)",
            f"{AGAIN}; or, if you built it, write 0x2a000 customized_partitions/client_cert.bin into download.config",
            id="into-the-key",
        ),
        pytest.param(
            "0xf000 phy_init_data.bin",
            "0xe000 phy_init_data.bin",
            "phy_init_data.bin",
            "it goes to 0xe000, where no partition starts",
            f"{AGAIN}; or, if you built it, write 0xf000 phy_init_data.bin into download.config",
            id="beside-its-partition",
        ),
        pytest.param(
            "0x24000 customized_partitions/server_cert.bin",
            "0x24000 customized_partitions/fs_storage.bin",
            "customized_partitions/fs_storage.bin",
            "it goes to 0x24000, into 'server_cert' (0x24000…0x26000)",
            AGAIN,
            id="of-no-partition-here",
        ),
    ],
)
def test_images_that_go_elsewhere(tmp_path, old, new, file, message, hint):
    config = CONFIG.replace(old, new)
    assert config != CONFIG
    files = {"download.config": config, file: b"\0"} if file not in SAMPLE else {"download.config": config}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    first = next(problem for problem in error.problems or (error,) if problem.code == "image-misdirected")
    assert (first.where, first.message, first.hint) == (f"AT_PACK:{file}", message, hint)


def test_ota_data_into_what_the_module_has_saved(tmp_path):
    config = CONFIG.replace("0x10000 ota_data_initial.bin", "0x10000 blank.bin 0x12000 ota_data_initial.bin")
    files = {"download.config": config, "blank.bin": SAMPLE["ota_data_initial.bin"]}
    error = refusal(sample_plan(tmp_path, files=files), PackageError)
    assert error.code == "image-misdirected"


def test_files_of_other_names_may_go_anywhere(tmp_path):
    renamed = {
        "customized_partitions/factory_param.bin": "a.bin",
        "ota_data_initial.bin": "b.bin",
        "esp-at.bin": "c.bin",
    }
    config = CONFIG
    for old, new in renamed.items():
        config = config.replace(old, new)
    files = {"download.config": config, **{new: SAMPLE[old] for old, new in renamed.items()}}
    check_plan(sample_plan(tmp_path, files=files), None)


# --- images that are left out ---


def _without(*names: str) -> str:
    """Return the sample's download.config without the images of these file names."""
    words = CONFIG.split(" ")
    at = [number for number, word in enumerate(words) if word.rpartition("/")[2] in {f"{name}.bin" for name in names}]
    assert len(at) == len(names)
    return " ".join(word for number, word in enumerate(words) if number not in at and number + 1 not in at)


@pytest.mark.parametrize(
    ("name", "file", "home", "offset"),
    [
        ("ble_data", "customized_partitions/ble_data.bin", "'ble_data' (0x21000…0x24000)", "0x21000"),
        ("phy_init_data", "phy_init_data.bin", "'phy_init' (0xf000…0x10000)", "0xf000"),
        ("factory_param", "customized_partitions/factory_param.bin", "'factory_param' (0x30000…0x31000)", "0x30000"),
    ],
)
def test_a_file_that_download_config_does_not_name(tmp_path, name, file, home, offset):
    error = refusal(sample_plan(tmp_path, files={"download.config": _without(name)}), PackageError)
    assert (error.code, error.where) == ("image-unlisted", f"AT_PACK:{file}")
    assert error.message == f"download.config doesn't name this file, so {home} would stay as the flash has it"
    assert error.hint == f"{AGAIN}; or, if you built it, write {offset} {file} into download.config"


def test_other_files_may_lie_there(tmp_path):
    files = {
        "customized_partitions/wpa2_note.bin": b"x",
        "customized_partitions/fs_storage.bin": b"x",
        "mine.bin": b"x",
    }
    check_plan(sample_plan(tmp_path, files=files), None)


def test_a_set_of_certificates_without_its_key(tmp_path):
    plan = sample_plan(tmp_path, files={"download.config": _without("mqtt_key", "mqtt_ca")})
    package = plan.package
    assert set(package.unlisted) == {"customized_partitions/mqtt_key.bin", "customized_partitions/mqtt_ca.bin"}
    error = refusal(replace(plan, package=replace(package, unlisted=())), PackageError)
    assert (error.code, error.where) == ("package-incomplete", "AT_PACK")
    assert error.message == "it writes no mqtt_ca and no mqtt_key: TLS needs all of mqtt_ca, mqtt_cert, mqtt_key"


def test_no_set_of_certificates_at_all(tmp_path):
    plan = sample_plan(tmp_path, files={"download.config": _without("mqtt_cert", "mqtt_key", "mqtt_ca")})
    check_plan(replace(plan, package=replace(plan.package, unlisted=())), None)


def test_an_application_that_reads_phy_data(tmp_path):
    app = with_text(SAMPLE["esp-at.bin"], b"failed to validate PHY data partition\0")
    check_plan(sample_plan(tmp_path, files={"esp-at.bin": app}), None)
    plan = sample_plan(tmp_path, files={"esp-at.bin": app, "download.config": _without("phy_init_data")})
    error = refusal(replace(plan, package=replace(plan.package, unlisted=())), PackageError)
    assert (error.code, error.where) == ("package-incomplete", "AT_PACK")
    assert error.message == ("the application reads its PHY data from 'phy_init' (0xf000…0x10000), and none is written")
