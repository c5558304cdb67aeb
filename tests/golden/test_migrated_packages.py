"""Projects made from released firmware packages: they give the same bytes, and also work with new releases."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
import yaml

from platformio_esp_at.errors import Place
from platformio_esp_at.firmware.reading import open_package
from platformio_esp_at.formats.factory_param import FactoryParam
from platformio_esp_at.formats.gatts import GattTable
from platformio_esp_at.formats.nvs import NvsImage
from platformio_esp_at.formats.pki import PKI_SLOTS, PkiContainer
from platformio_esp_at.planning.mfg_nvs import GATTS, RENAMED
from platformio_esp_at.planning.migration import make_project, origin_of_bytes, origin_of_package
from platformio_esp_at.planning.plan import FlashPlan, make_plan
from platformio_esp_at.planning.selection import select
from platformio_esp_at.request.layers import make_request
from platformio_esp_at.request.options import Request
from platformio_esp_at.request.read import read_project
from platformio_esp_at.request.values import Text

if TYPE_CHECKING:
    from pathlib import Path

    from platformio_esp_at.firmware.package import FirmwarePackage

PACKAGES = {
    "ESP32-WROOM-32_AT_Bin_V2.0.zip": "WROOM-32",
    "ESP8266-01_RTOS_AT_Bin_V2.2.1": "ESP8266_1MB",
    "ESP32-WROOM-32-AT-V4.1.0.0-dev.zip": "WROOM-32",
    "ESP32-C3-MINI-1-AT-V4.0.0.0-dev.zip": "MINI-1",
}
V2, V4 = "ESP32-WROOM-32_AT_Bin_V2.0.zip", "ESP32-WROOM-32-AT-V4.1.0.0-dev.zip"


def _package(reference: Path, name: str) -> FirmwarePackage:
    return open_package(reference / "at-packages" / name)


def _build(folder: Path, package: FirmwarePackage, files: dict[str, bytes]) -> FlashPlan:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data.replace(b"FIRMWARE.zip", b".") if path == "esp_at.yml" else data)
    request = make_request([read_project(folder)])
    return make_plan(package, select(request.module, None, package), request)


@pytest.mark.parametrize("source", ["package", "factory image"])
@pytest.mark.parametrize("name", PACKAGES)
def test_the_project_gives_the_package_again(tmp_path, reference, name, source):
    package = _package(reference, name)
    plain = make_plan(package, select(Text(PACKAGES[name], Place.at(option="module")), None, package), Request())
    origin = origin_of_package(package) if source == "package" else origin_of_bytes(plain.factory_image(), "f.bin")
    files = make_project(origin)
    assert yaml.safe_load(files["esp_at.yml"])["module"] == PACKAGES[name]
    rebuilt = _build(tmp_path, package, files)
    for region in rebuilt.regions:
        if region.name != "bootloader":  # the flash settings of download.config go into its header
            # Our file of a PKI container ends with the container, the released one with the partition.
            own = package.files[region.path]
            assert region.data.ljust(len(own), b"\xff") == own
    assert {region.path for region in rebuilt.regions} == set(package.files)
    assert rebuilt.factory_image() == plain.factory_image()


def test_the_project_gives_the_released_factory_image_again(tmp_path, reference):
    with zipfile.ZipFile(reference / "at-packages" / V2) as archive:
        path = next(
            path for path in archive.namelist() if path.endswith("factory/factory_WROOM-32.bin") and "._" not in path
        )
        released = archive.read(path)
    files = make_project(origin_of_bytes(released, "factory_WROOM-32.bin"))
    assert _build(tmp_path, _package(reference, V2), files).factory_image() == released


@pytest.mark.parametrize("source", ["package", "factory image"])
def test_from_v2_to_v4(tmp_path, reference, source):
    old, new = _package(reference, V2), _package(reference, V4)
    plain = make_plan(old, select(None, None, old), Request())
    origin = origin_of_package(old) if source == "package" else origin_of_bytes(plain.factory_image(), "f.bin")
    made = _build(tmp_path, new, make_project(origin))
    image = NvsImage.from_bytes(next(region.data for region in made.regions if region.name == "mfg_nvs"))

    was = FactoryParam.from_bytes(old.content_of("factory_param")).values
    common = {name for name in made.parameters if RENAMED.get(name, name) in was} - {"version"}
    assert {"max_tx_power", "country_code", "uart_baudrate", "uart_tx_pin", "uart_rx_pin"} <= common
    assert {name: made.parameters[name] for name in common} == {name: was[RENAMED.get(name, name)] for name in common}

    slots = [row.name for row in old.secondary if row.name in PKI_SLOTS and old.content_of(row.name)]
    assert {"server_key", "client_cert", "client_ca"} <= set(slots)
    for slot in slots:
        items = PkiContainer.from_bytes(old.content_of(slot)).items
        assert [image.get(slot, key).value for key in image.keys(slot)] == [item.content for item in items]

    rows = [image.get(GATTS, key).value for key in image.keys(GATTS)]
    assert GattTable.from_csv("\n".join(rows)).rows == GattTable.from_bytes(old.content_of("ble_data")).rows
    kept = NvsImage.from_bytes(new.content_of("mfg_nvs"))
    others = set(kept.namespaces) - set(slots) - {GATTS, "factory_param"}
    assert others
    for name in others:
        assert [image.get(name, key) for key in image.keys(name)] == [kept.get(name, key) for key in kept.keys(name)]
