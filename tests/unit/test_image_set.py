"""The files that a plan becomes: the same bytes everywhere."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from plans import KEY, changed_plan, plan_of_zip

from platformio_esp_at.demo.sample_package import sample_package
from platformio_esp_at.errors import PackageError
from platformio_esp_at.formats.download_config import parse_download_config
from platformio_esp_at.formats.flasher_args import parse_flasher_args
from platformio_esp_at.outputs.image_set import MANIFEST, factory_image_path, image_set
from platformio_esp_at.planning.plan import Region

FOLDER = "customized_partitions"


# --- the files ---


@pytest.mark.parametrize("chip", ["esp32", "esp32c3", "esp32c6", "esp8266"])
def test_every_image_and_the_files_that_list_them(tmp_path, chip):
    plan = plan_of_zip(tmp_path, chip)
    files = image_set(plan)
    places = [(region.offset, region.path) for region in plan.regions]
    for args in (
        parse_download_config(files["download.config"].decode()),
        parse_flasher_args(files["flasher_args.json"].decode()),
    ):
        assert [(image.offset, image.path) for image in args.images] == places
        assert args.settings == plan.settings
    assert parse_flasher_args(files["flasher_args.json"].decode()).chip == chip
    assert {path: files[path] for _, path in places} == {region.path: region.data for region in plan.regions}
    assert set(files) - {path for _, path in places} == {
        "download.config",
        "flasher_args.json",
        factory_image_path(plan),
        factory_image_path(plan).replace(".bin", "_unfilled.bin"),
        MANIFEST,
    }


def test_factory_images(tmp_path):
    plan = plan_of_zip(tmp_path)
    files = image_set(plan)
    full, unfilled = files["factory/factory_WROOM-32.bin"], files["factory/factory_WROOM-32_unfilled.bin"]
    assert factory_image_path(plan) == "factory/factory_WROOM-32.bin"
    assert full == plan.factory_image()
    assert len(unfilled) == max(region.end for region in plan.regions)
    assert full == unfilled.ljust(4 << 20, b"\xff")


def test_two_regions_may_share_a_file(tmp_path):
    plan = plan_of_zip(tmp_path)
    app = next(region for region in plan.regions if region.path == "esp-at.bin")
    files = image_set(replace(plan, regions=(*plan.regions, replace(app, name="ota_1", offset=0x280000))))
    images = parse_download_config(files["download.config"].decode()).images
    assert [image.offset for image in images if image.path == "esp-at.bin"] == [0x100000, 0x280000]


@pytest.mark.parametrize("path", ["esp-at.bin", "download.config", "flasher_args.json", MANIFEST])
def test_two_different_files_of_one_path(tmp_path, path):
    plan = plan_of_zip(tmp_path)
    with pytest.raises(PackageError) as caught:
        image_set(replace(plan, regions=(*plan.regions, Region("x", 0x60000, b"x", path, "me"))))
    assert (caught.value.code, caught.value.where) == ("image-path-twice", path)
    assert caught.value.hint == "rename the partition, or the image in the firmware package's download.config"


# --- the manifest ---


def test_manifest(tmp_path):
    plan = changed_plan(tmp_path)
    manifest = json.loads(image_set(plan)[MANIFEST])
    assert manifest["firmware_package"]["name"] == "AT_PACK"
    assert manifest["firmware_package"]["sha256"] == hashlib.sha256((tmp_path / "AT_PACK.zip").read_bytes()).hexdigest()
    assert manifest["firmware_package"]["files"]["esp-at.bin"] == _sha256(sample_package()["esp-at.bin"])
    assert (manifest["chip"], manifest["module"]) == ("esp32", "WROOM-32")
    assert manifest["flash_settings"] == {"mode": "dio", "freq": "40m", "size": "4MB"}
    assert manifest["factory_param"]["uart_tx_pin"] == 4
    assert manifest["inputs"] == {"certs/key.pem": _sha256(KEY)}
    assert manifest["kept"] == ["nvs", "wpa2_cert", "wpa2_key", "wpa2_ca", "fatfs", "ota_1"]
    assert manifest["factory_image"] == {
        "path": "factory/factory_WROOM-32.bin",
        "sha256": _sha256(plan.factory_image()),
    }
    (key,) = (image for image in manifest["images"] if image["name"] == "mqtt_key")
    region = next(region for region in plan.regions if region.name == "mqtt_key")
    assert key == {
        "name": "mqtt_key",
        "offset": "0x39000",
        "size": len(region.data),
        "path": f"{FOLDER}/mqtt_key.bin",
        "sha256": _sha256(region.data),
        "origin": "certs/key.pem",
    }


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_manifest_has_the_parameters_of_mfg_nvs(tmp_path):
    values = json.loads(image_set(plan_of_zip(tmp_path, "esp32c6"))[MANIFEST])["factory_param"]
    assert (values["version"], values["module_name"], values["uart_tx_pin"]) == (4, "ESP32C6-4MB", 7)


def test_same_bytes_wherever_and_whenever(tmp_path, monkeypatch):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = image_set(changed_plan(tmp_path / "one"))
    monkeypatch.setattr("time.time", lambda: 0.0)
    two = image_set(changed_plan(tmp_path / "two"))
    assert one == two
    assert list(one) == list(two)


def test_no_path_of_this_machine_and_no_key_in_the_manifest(tmp_path):
    text = image_set(changed_plan(tmp_path))[MANIFEST].decode()
    assert str(tmp_path) not in text
    assert "S3CR3T" not in text


def test_the_manifest_lists_every_file(tmp_path):
    files = image_set(changed_plan(tmp_path))
    assert json.loads(files[MANIFEST])["files"] == list(files)
